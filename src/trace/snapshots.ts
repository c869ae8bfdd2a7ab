import type { TraceModel } from './model.ts';

/** Bytes of records between two snapshots, at least: what a seek plays again takes some ten milliseconds. */
const EVERY_BYTES = 256 * 1024;
/** What one block costs in each snapshot, whether anything changed in it or not: the model's arrays. */
const BLOCK_BYTES = 28;
const PAGE_BYTES = 16_384;
/** A sector of a BlockCells. */
const CELL_BYTES = 16;

export interface Snapshotted {
  /** The model as it was before the segment, where one was kept. */
  snapshot: TraceModel | undefined;
  /** What comes before was lost: without this snapshot nobody knows the device here. */
  readonly isRestart: boolean;
}

/**
 * How many snapshots a recording can afford. They share what did not change between them; random overwrites
 * change almost everything. When they are too large together, every other one goes and they come half as often.
 */
export class Snapshots {
  everyBytes = EVERY_BYTES;
  /** What all of them take, estimated. */
  bytes = 0;
  private readonly budgetBytes: number;

  constructor(budgetBytes: number, totalBlks: number) {
    this.budgetBytes = budgetBytes;
    // Where a single one is large, records may be as large before the next one.
    this.everyBytes = Math.max(EVERY_BYTES, totalBlks * BLOCK_BYTES);
  }

  /** The last one of the list is new. */
  added(list: readonly Snapshotted[]): void {
    const kept = snapshotsOf(list);
    const [before, last] = kept.slice(-2);
    if (before && last) this.bytes += ownBytes(before, last);
    while (this.bytes > this.budgetBytes && this.thin(list)) this.removed(list);
  }

  /** Others were taken out of the list. */
  removed(list: readonly Snapshotted[]): void {
    const kept = snapshotsOf(list);
    this.bytes = 0;
    for (let i = 1; i < kept.length; i++)
      this.bytes += ownBytes(kept[i - 1] as TraceModel, kept[i] as TraceModel);
  }

  /** Thinning was not enough: the oldest have to go. */
  areTooMany(list: readonly Snapshotted[]): boolean {
    return this.bytes > this.budgetBytes && list.length > 1;
  }

  /** True if any could go. */
  private thin(list: readonly Snapshotted[]): boolean {
    const optional = list.filter(({ snapshot, isRestart }, i) => i > 0 && snapshot && !isRestart);
    // The last one stays: what is evicted ends at a snapshot.
    if (optional.length < 2) return false;
    for (let i = optional.length - 2; i >= 0; i -= 2) (optional[i] as Snapshotted).snapshot = undefined;
    this.everyBytes *= 2;
    return true;
  }
}

function snapshotsOf(list: readonly Snapshotted[]): TraceModel[] {
  return list.flatMap(({ snapshot }) => (snapshot ? [snapshot] : []));
}

/** What would be free if `model` went and `next` stayed. */
function ownBytes(model: TraceModel, next: TraceModel): number {
  let bytes = model.totalBlks * BLOCK_BYTES;
  const blockBytes = model.secsPerBlk * CELL_BYTES;
  for (let block = 0; block < model.totalBlks; block++) {
    const cells = model.cellsOf(block);
    if (cells && cells !== next.cellsOf(block)) bytes += blockBytes;
  }
  for (const [i, target] of model.targets.entries())
    bytes += target.map.pagesUnlike(next.targets[i]?.map) * PAGE_BYTES;
  return bytes;
}
