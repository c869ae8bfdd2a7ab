import { isBefore, MAX_PENDING, Waiting } from './waiting.ts';

/** A logical block that a process queued; pblk writes each exactly once, in this order. */
export interface Queued {
  readonly atMs: number;
  readonly process: number;
}

/** Logical blocks side by side that one process queued at one time; `end` is behind the last. */
interface Run {
  lba: number;
  end: number;
  readonly queued: Queued;
}

/** Of each target; more than a process that writes large pieces has in pblk's buffer. */
const MAX_RUNS = 256;

/**
 * What was queued and is not on the wire yet, in its order. pblk's buffer is a ring: what comes on the wire next is mostly
 * the next block of the run that was queued first. So the newest are kept as runs, and only those behind them block by
 * block: a table that each block goes into and out of again is made anew every few thousand of them.
 */
export class QueuedBlocks {
  private older = new Waiting<Queued>();
  private recent = new Map<string, Run[]>();
  private recentCount = 0;

  get count(): number {
    return this.older.count + this.recentCount;
  }

  copy(): QueuedBlocks {
    const made = new QueuedBlocks();
    made.older = this.older.copy();
    made.recent = new Map(Array.from(this.recent, ([uuid, runs]) => [uuid, runs.map((run) => ({ ...run }))]));
    made.recentCount = this.recentCount;
    return made;
  }

  /** `queued` is the same object for the blocks of one request that one process made. */
  add(uuid: string, lba: number, queued: Queued): void {
    let runs = this.recent.get(uuid);
    if (!runs) this.recent.set(uuid, (runs = []));
    const last = runs.at(-1);
    if (last?.queued === queued && last.end === lba) last.end++;
    else {
      runs.push({ lba, end: lba + 1, queued });
      if (runs.length > MAX_RUNS) this.setAside(uuid, runs.shift() as Run);
    }
    this.recentCount++;
    // Far more than any write buffer holds: events were lost, and what is left over is of no use.
    if (this.count > MAX_PENDING) this.clear();
  }

  /** Who queued a block that was written, the first of those who wait, and waits no longer. Undefined: nobody before then. */
  take(uuid: string, lba: number, writtenMs: number): Queued | undefined {
    const older = this.older.count > 0 && this.older.take(uuid, lba, (atMs) => isBefore(atMs, writtenMs));
    if (older) return older;
    const runs = this.recent.get(uuid);
    if (!runs) return undefined;
    for (let i = 0; i < runs.length; i++) {
      const run = runs[i] as Run;
      if (lba < run.lba || lba >= run.end) continue;
      const { queued } = run;
      if (!isBefore(queued.atMs, writtenMs)) return undefined;
      this.recentCount--;
      if (lba > run.lba && lba < run.end - 1) runs.splice(i + 1, 0, { lba: lba + 1, end: run.end, queued });
      if (lba > run.lba) run.end = lba;
      else if (++run.lba === run.end) runs.splice(i, 1);
      return queued;
    }
    return undefined;
  }

  clear(): void {
    this.older.clear();
    this.recent.clear();
    this.recentCount = 0;
  }

  private setAside(uuid: string, { lba, end, queued }: Run): void {
    this.recentCount -= end - lba;
    for (let block = lba; block < end; block++) this.older.add(uuid, block, queued);
  }
}
