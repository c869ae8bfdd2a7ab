import { watchChanges, type ChangeWatch } from './flash-map-changes.ts';
import { AGES, ageCode, chunkStateOf, Code } from './flash-map-codes.ts';
import { CHUNK_STATE, type LunCounts } from './flash-map-data.ts';
import type { MapDims } from './flash-map-layout.ts';
import { targetsByUnit, type MapSource } from './flash-map-source.ts';

/** Chunks by state, sectors by what they hold and for whom. */
export interface Tally {
  free: number;
  closed: number;
  open: number;
  offline: number;
  valid: number;
  validGc: number;
  stale: number;
  padding: number;
  smeta: number;
  emeta: number;
  unknown: number;
  unwritten: number;
  user: number;
  gc: number;
  pblk: number;
  ownerUnknown: number;
  /** Of all blocks together. */
  erases: number;
}

const NAMES = [
  'free',
  'closed',
  'open',
  'offline',
  'valid',
  'validGc',
  'stale',
  'padding',
  'smeta',
  'emeta',
  'unknown',
  'unwritten',
  'user',
  'gc',
  'pblk',
  'ownerUnknown',
  'erases',
] as const satisfies readonly (keyof Tally)[];

/** Time a call of {@link MapTally.refresh} takes at most, about. */
const BUDGET_MS = 8;
const OWNER_BITS = 0x7f;
const OWNER_GC = 2;

/** What there is of everything, a LUN each; LUNs in which something changed are counted anew. */
export class MapTally implements LunCounts {
  readonly source: MapSource;
  private isDeep = false;
  private readonly units: (Tally | undefined)[];
  private readonly due: Set<number>;
  private readonly watch: ChangeWatch;

  constructor(source: MapSource) {
    this.source = source;
    const count = source.dims.numCh * source.dims.numLun;
    this.units = new Array<Tally | undefined>(count).fill(undefined);
    this.due = new Set(this.units.keys());
    this.watch = watchChanges(source);
  }

  destroy(): void {
    this.watch.stop();
  }

  get dims(): MapDims {
    return this.source.dims;
  }

  /**
   * Counts what changed, for some milliseconds; false when it wants to be called again.
   * @param deep sectors too, not only chunks by state
   */
  refresh(deep: boolean, budgetMs = BUDGET_MS): boolean {
    const { numPln } = this.source.dims;
    if (deep && !this.isDeep) for (const unit of this.units.keys()) this.due.add(unit);
    this.isDeep = deep;
    for (const block of this.watch.take()) this.due.add(Math.floor(block / numPln) % this.units.length);
    const until = performance.now() + budgetMs;
    for (const unit of this.due) {
      this.due.delete(unit);
      this.units[unit] = countUnit(this.source, unit, this.units.length, deep);
      if (performance.now() > until) break;
    }
    return this.due.size === 0;
  }

  countsOfLun(ch: number, lun: number): Tally {
    return this.units[ch * this.source.dims.numLun + lun] ?? newTally();
  }

  totals(): Tally {
    const sum = newTally();
    for (const unit of this.units) if (unit) for (const name of NAMES) sum[name] += unit[name];
    return sum;
  }
}

function newTally(): Tally {
  return Object.fromEntries(NAMES.map((name) => [name, 0])) as unknown as Tally;
}

function countUnit(source: MapSource, unit: number, units: number, deep: boolean): Tally {
  const tally = newTally();
  const { numChk, numPln } = source.dims;
  const kinds = new Uint32Array(8);
  const owners = new Uint32Array(128);
  for (let chunk = unit, last = numChk * units; chunk < last; chunk += units) {
    const state = chunkStateOf(source, chunk);
    if (state === CHUNK_STATE.free) tally.free++;
    else if (state === CHUNK_STATE.closed) tally.closed++;
    else if (state === CHUNK_STATE.open) tally.open++;
    else if (state === CHUNK_STATE.offline) tally.offline++;
    for (let block = chunk * numPln; block < (chunk + 1) * numPln; block++)
      countBlock(source, block, deep, tally, kinds, owners);
  }
  const at = (counts: Uint32Array, i: number) => counts[i] as number;
  tally.valid = at(kinds, 1);
  tally.stale = at(kinds, 2);
  tally.padding = at(kinds, 3);
  tally.smeta = at(kinds, 4);
  tally.emeta = at(kinds, 5);
  tally.unknown = at(kinds, 6);
  tally.ownerUnknown = at(owners, 0);
  tally.user = at(owners, 1);
  tally.gc = at(owners, 2);
  tally.pblk = at(owners, 3);
  return tally;
}

function countBlock(
  source: MapSource,
  block: number,
  deep: boolean,
  tally: Tally,
  kinds: Uint32Array,
  owners: Uint32Array,
): void {
  const written = source.writtenSecs[block] ?? 0;
  tally.erases += source.eraseCount[block] ?? 0;
  tally.unwritten += source.secsPerBlk - written;
  if (!deep) return;
  const cells = source.model?.cellsOf(block);
  if (!cells) {
    kinds[6] = (kinds[6] as number) + written;
    owners[0] = (owners[0] as number) + written;
    return;
  }
  const { kind, owner } = cells;
  for (let i = 0; i < written; i++) {
    const k = kind[i] as number;
    const o = (owner[i] as number) & OWNER_BITS;
    kinds[k] = (kinds[k] as number) + 1;
    owners[o] = (owners[o] as number) + 1;
    if (k === 1 && o === OWNER_GC) tally.validGc++;
  }
}

/** Sectors that users wrote, by target. */
export function userCounts(tally: MapTally): number[] {
  const { source } = tally;
  const { numLun } = source.dims;
  const counts = (source.model?.targets ?? []).map(() => 0);
  for (const [unit, target] of targetsByUnit(source).entries())
    if (target >= 0)
      counts[target] =
        (counts[target] ?? 0) + tally.countsOfLun(Math.floor(unit / numLun), unit % numLun).user;
  return counts;
}

/** Sectors of each class of age, and of those from before the recording as the last one. */
export function ageCounts(source: MapSource): number[] {
  const counts = new Array<number>(AGES + 1).fill(0);
  const nowMs = source.nowUs / 1000;
  for (let block = 0; block < source.blocks; block++) {
    const written = source.writtenSecs[block] ?? 0;
    if (written === 0) continue;
    const cells = source.model?.cellsOf(block);
    if (!cells) {
      counts[AGES] = (counts[AGES] ?? 0) + written;
      continue;
    }
    for (let i = 0; i < written; i++) {
      const step = ageCode(cells.writtenMs[i] as number, nowMs) - Code.age;
      counts[step] = (counts[step] as number) + 1;
    }
  }
  return counts;
}

/** Blocks by what was done to them last: read, write, erase. */
export function operationCounts(source: MapSource): [number, number, number] {
  const counts = new Uint32Array(4);
  for (const operation of source.model?.lastOperation ?? [])
    counts[operation] = (counts[operation] as number) + 1;
  return [counts[1] as number, counts[2] as number, counts[3] as number];
}
