import type { TraceModel } from '../../trace/model.ts';
import type { Target } from '../../trace/target.ts';
import type { FlashMapData } from './flash-map-data.ts';
import type { MapDims } from './flash-map-layout.ts';

/** What can be shown on the map. */
export type MapLayer = 'state' | 'validity' | 'wear' | 'age' | 'owner' | 'operation';

/**
 * What the map draws: a device's table of blocks, and where a recording tells it, what each sector holds. The
 * arrays are the owner's own; {@link Changing.takeChanged} says which blocks to look at again.
 */
export interface MapSource extends Changing {
  readonly dims: MapDims;
  readonly secsPerBlk: number;
  readonly chunks: number;
  readonly blocks: number;
  /** Chunk state of each block, as the specification counts; 0 where it is not known. */
  readonly state: Uint8Array;
  readonly writtenSecs: Uint32Array;
  readonly eraseCount: Uint32Array;
  /** Where the sectors are known too; undefined while there is only the table. */
  readonly model: TraceModel | undefined;
  /** Microseconds of the device's clock at the moment shown. */
  readonly nowUs: number;
}

export interface Changing {
  /** Blocks that changed since the last call. One reader only: see flash-map-changes.ts. */
  takeChanged(): readonly number[];
}

const known = new WeakMap<object, MapSource>();

/** The same source for the same model or data, so that "is it another one?" is a comparison. */
export function mapSource(of: TraceModel | FlashMapData): MapSource {
  let source = known.get(of);
  if (!source) {
    source = 'shape' in of ? ofTrace(of) : ofData(of);
    known.set(of, source);
  }
  return source;
}

function ofTrace(model: TraceModel): MapSource {
  return {
    dims: model.shape,
    secsPerBlk: model.secsPerBlk,
    chunks: model.totalBlks / model.shape.numPln,
    blocks: model.totalBlks,
    state: model.state,
    writtenSecs: model.writtenSecs,
    eraseCount: model.eraseCount,
    model,
    get nowUs() {
      return model.nowUs;
    },
    takeChanged: () => model.takeChanged(),
  };
}

function ofData(data: FlashMapData): MapSource {
  return {
    dims: data.dims,
    secsPerBlk: data.secsPerBlk,
    chunks: data.chunks,
    blocks: data.blockState.length,
    state: data.blockState,
    writtenSecs: data.blockWritten,
    eraseCount: data.blockErases,
    model: undefined,
    nowUs: 0,
    takeChanged: () => data.takeChanged(),
  };
}

/** Index of the target of each LUN (channel-major), -1 for those of none. */
export function targetsByUnit(source: MapSource): Int8Array {
  const { numCh, numLun } = source.dims;
  const units = new Int8Array(numCh * numLun).fill(-1);
  for (const [index, { layout }] of (source.model?.targets ?? []).entries())
    for (let ch = layout.firstCh; ch < layout.firstCh + layout.numCh; ch++)
      for (let lun = layout.firstLun; lun < layout.firstLun + layout.numLun; lun++)
        units[ch * numLun + lun] = index;
  return units;
}

/** What a target is called: its block device once the guest has told, else the beginning of its uuid. */
export function targetName(target: Target): string {
  return target.disk || target.uuid.slice(0, 8);
}

export function sameDims(a: MapDims, b: MapDims): boolean {
  return (
    a.numCh === b.numCh &&
    a.numLun === b.numLun &&
    a.numPln === b.numPln &&
    a.numChk === b.numChk &&
    a.numPg === b.numPg &&
    a.secsPerPg === b.secsPerPg
  );
}
