import { CellKind, CellOwner } from '../../trace/cells.ts';
import { OWNER_MASK } from '../../trace/known-flash.ts';
import type { TraceModel } from '../../trace/model.ts';
import { MAX_LBA } from '../../trace/record.ts';
import { formatCount } from '../text/format.ts';
import { chunkStateOf, writtenOfChunk } from './flash-map-codes.ts';
import { stateName, type StateName } from './flash-map-data.ts';
import { chunkIndex, type DetailLevel, type MapPoint } from './flash-map-layout.ts';
import type { MapWords } from './flash-map-legend.ts';
import { blockOf } from './flash-map-places.ts';
import { targetName, type MapSource } from './flash-map-source.ts';

export interface PlaceWords {
  readonly at: (ch: number, lun: number, chk: number) => string;
  readonly atPlane: (pln: number) => string;
  readonly atPage: (pg: number) => string;
  readonly atSector: (sec: number) => string;
  readonly states: Readonly<Record<StateName, string>>;
  readonly writtenOf: (written: string, total: string) => string;
  readonly erased: (n: string) => string;
}

/** What is at a place: where, in a word, and more; for the tooltip and for screen readers. */
export interface Description {
  readonly where: string;
  readonly what: string;
  readonly more: readonly string[];
}

export function describe(
  source: MapSource,
  at: MapPoint,
  level: DetailLevel,
  w: MapWords,
  p: PlaceWords,
  is20: boolean,
): Description {
  const { block, sec } = blockOf(source.dims, at);
  const chunk = chunkIndex(source.dims, at);
  const chunkState = p.states[stateName(chunkStateOf(source, chunk))];
  const where = p.at(at.ch, at.lun, at.chk);
  if (level === 'page' || level === 'sector') {
    const deep = deepWords(source, at, level, p, is20);
    if (level === 'sector')
      return {
        where: `${where} · ${deep}`,
        what: sectorWord(source, block, sec, w),
        more: sectorMore(source, block, sec, w),
      };
    return {
      where: `${where} · ${deep}`,
      what: pageWords(source, block, at.pg, w),
      more: lineWords(source, block, w),
    };
  }
  const total = formatCount(source.secsPerBlk * source.dims.numPln);
  const erases = source.eraseCount[block] ?? 0;
  return {
    where,
    what: `${chunkState}, ${p.writtenOf(formatCount(writtenOfChunk(source, chunk)), total)}`,
    more: [
      ...kindWords(source, chunk * source.dims.numPln, source.dims.numPln, 0, source.secsPerBlk, w),
      ...(erases > 0 ? [p.erased(formatCount(erases))] : []),
      ...lineWords(source, block, w),
    ],
  };
}

function deepWords(
  { dims }: MapSource,
  at: MapPoint,
  level: DetailLevel,
  p: PlaceWords,
  is20: boolean,
): string {
  // A 2.0 chunk has sectors only; what is a page to the map is what is stored together.
  if (is20) return p.atSector(at.pg * dims.secsPerPg + (level === 'sector' ? at.sec : 0));
  const words = [p.atPlane(at.pln), p.atPage(at.pg)];
  if (level === 'sector') words.push(p.atSector(at.sec));
  return words.join(' · ');
}

const KIND_WORDS = ['unwritten', 'valid', 'stale', 'padding', 'smeta', 'emeta', 'unknown'] as const;

function kindAt(source: MapSource, block: number, sec: number): number {
  if (source.model) return source.model.kindOf(block, sec);
  return sec < (source.writtenSecs[block] ?? 0) ? CellKind.unknown : CellKind.free;
}

function sectorWord(source: MapSource, block: number, sec: number, w: MapWords): string {
  const kind = kindAt(source, block, sec);
  const isGc = kind === CellKind.valid && ownerAt(source.model, block, sec) === CellOwner.gc;
  return isGc ? w.kinds.validGc : w.kinds[KIND_WORDS[kind] ?? 'unknown'];
}

function ownerAt(model: TraceModel | undefined, block: number, sec: number): number {
  return (model?.cellsOf(block)?.owner[sec] ?? 0) & OWNER_MASK;
}

function sectorMore(source: MapSource, block: number, sec: number, w: MapWords): string[] {
  const { model } = source;
  const cells = model?.cellsOf(block);
  if (!model || !cells || sec >= (source.writtenSecs[block] ?? 0)) return [];
  const words: string[] = [];
  const lba = cells.lba[sec] ?? Infinity;
  const target = model.lineAt(block)?.target;
  if (lba <= MAX_LBA) {
    const address = w.lba(formatCount(lba));
    words.push(target ? w.of(address, targetName(target)) : address);
  }
  const process = model.causes.processes[cells.process[sec] ?? 0];
  if (process && process.pid > 0) words.push(w.byProcess(`${process.comm} (${process.pid})`));
  const written = cells.writtenMs[sec] ?? 0;
  if (written > 0) words.push(w.ago(spanWords(Math.max(0, source.nowUs / 1000 - written), w)));
  const command = cells.command[sec] ?? 0;
  if (command > 0) words.push(w.byCommand(formatCount(command)));
  return words;
}

export function spanWords(ms: number, w: MapWords): string {
  const seconds = ms / 1000;
  if (seconds < 120) return w.seconds(seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds)));
  return w.minutes(String(Math.round(seconds / 60)));
}

function pageWords(source: MapSource, block: number, pg: number, w: MapWords): string {
  const { secsPerPg } = source.dims;
  return kindWords(source, block, 1, pg * secsPerPg, (pg + 1) * secsPerPg, w, true).join(', ');
}

/** "1,024 valid", "12 stale": what there is of each kind among sectors of some blocks. */
function kindWords(
  source: MapSource,
  firstBlock: number,
  blocks: number,
  from: number,
  to: number,
  w: MapWords,
  allKinds = false,
): string[] {
  if (!source.model && !allKinds) return [];
  const counts = new Array<number>(KIND_WORDS.length).fill(0);
  for (let block = firstBlock; block < firstBlock + blocks; block++)
    for (let sec = from; sec < to; sec++) {
      const kind = kindAt(source, block, sec);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  return KIND_WORDS.flatMap((name, kind) =>
    (counts[kind] ?? 0) > 0 && (allKinds || kind !== CellKind.free)
      ? [`${formatCount(counts[kind] ?? 0)} ${w.kinds[name]}`]
      : [],
  );
}

function lineWords({ model }: MapSource, block: number, w: MapWords): string[] {
  const at = model?.lineAt(block);
  if (!at?.line) return [];
  return [w.of(w.lineOf(String(at.line.id), w.lineStates[at.line.state]), targetName(at.target))];
}
