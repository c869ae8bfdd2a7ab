import { AddressBook, type SectorOfBlock } from '../../trace/address-notation.ts';
import { CellKind, CellOwner } from '../../trace/cells.ts';
import { OWNER_MASK } from '../../trace/known-flash.ts';
import type { TraceModel } from '../../trace/model.ts';
import { MAX_LBA, type TraceShape } from '../../trace/record.ts';
import type { Recording } from '../../trace/recording.ts';
import type { Line, Target } from '../../trace/target.ts';
import { clock } from '../charts/timeline-data.ts';

export type KindName = keyof typeof CellKind;
export type OwnerName = keyof typeof CellOwner;

const kindNames = new Map(Object.entries(CellKind).map(([name, kind]) => [kind, name as KindName]));
const ownerNames = new Map(Object.entries(CellOwner).map(([name, owner]) => [owner, name as OwnerName]));

let book: AddressBook | undefined;

/** Addresses of a device: made once for each. */
export function addressBook(shape: TraceShape): AddressBook {
  if (book?.shape !== shape) book = new AddressBook(shape);
  return book;
}

/** All that is known of a sector at the moment that a model shows. */
export interface CellLook {
  readonly kind: KindName;
  readonly owner: OwnerName;
  /** Undefined when it holds no logical block. */
  readonly lba: number | undefined;
  /** Number of the command that wrote it; 0 not known. */
  readonly command: number;
  /** 0 when it was written before the recording. */
  readonly writtenMs: number;
  readonly process: number;
  readonly target: Target | undefined;
  readonly line: Line | undefined;
  /** Position in its line; -1 outside any target. */
  readonly position: number;
  readonly eraseCount: number;
}

export function lookAtCell(model: TraceModel, { block, sec }: SectorOfBlock): CellLook {
  const kind = model.kindOf(block, sec);
  const cells = kind === CellKind.free ? undefined : model.cellsOf(block);
  const at = model.lineAt(block);
  const place = addressBook(model.shape).place({ block, sec });
  const lba = cells?.lba[sec] ?? MAX_LBA + 1;
  const holdsBlock = kind === CellKind.valid || kind === CellKind.stale;
  return {
    kind: kindNames.get(kind) ?? 'unknown',
    owner: ownerNames.get(((cells?.owner[sec] ?? 0) & OWNER_MASK) as CellOwner) ?? 'unknown',
    lba: holdsBlock && lba <= MAX_LBA ? lba : undefined,
    command: cells?.command[sec] ?? 0,
    writtenMs: cells?.writtenMs[sec] ?? 0,
    process: cells?.process[sec] ?? 0,
    target: at?.target,
    line: at?.line,
    position: at ? at.target.layout.positionOf(place.ch, place.lun, place.pln, sec) : -1,
    eraseCount: model.eraseCount[block] ?? 0,
  };
}

/** The sector was neither written nor erased between the two: it holds the same bytes. */
export function isUnchanged(then: CellLook, now: CellLook): boolean {
  return (
    then.kind !== 'free' &&
    now.kind !== 'free' &&
    then.eraseCount === now.eraseCount &&
    then.writtenMs === now.writtenMs
  );
}

/** Sectors of a block, or of several, by what they hold. */
export type KindCounts = Record<KindName, number>;

export function countKinds(model: TraceModel, blocks: readonly number[]): KindCounts {
  const counts: KindCounts = { free: 0, valid: 0, stale: 0, padding: 0, smeta: 0, emeta: 0, unknown: 0 };
  for (const block of blocks) {
    const written = model.writtenSecs[block] ?? 0;
    counts.free += model.secsPerBlk - written;
    const cells = model.cellsOf(block);
    if (!cells) counts.unknown += written;
    else
      for (let sec = 0; sec < written; sec++)
        counts[kindNames.get(cells.kind[sec] as CellKind) ?? 'unknown']++;
  }
  return counts;
}

/** The blocks of a line, LUN by LUN, plane by plane. */
export function blocksOfLine(model: TraceModel, { layout }: Target, line: number): number[] {
  const { numCh, numLun, numPln } = model.shape;
  const blocks: number[] = [];
  for (let bit = 0; bit < layout.luns; bit++) {
    const ch = layout.firstCh + (bit % layout.numCh);
    const lun = layout.firstLun + Math.floor(bit / layout.numCh);
    const first = ((line * numCh + ch) * numLun + lun) * numPln;
    for (let pln = 0; pln < numPln; pln++) blocks.push(first + pln);
  }
  return blocks;
}

/** The name of a target: of its disk, when the guest has told, else the beginning of its identifier. */
export function targetName(target: Target): string {
  return target.disk === '' ? `${target.uuid.slice(0, 8)}…` : target.disk;
}

/** A moment as the timeline has it: since the recording began. */
export function momentOf(recording: Recording | undefined, timeUs: number): string {
  return clock(timeUs - (recording?.stats.originUs ?? 0));
}
