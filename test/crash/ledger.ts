/**
 * What a host knows of a disk: of each cell (a chunk, a logical block) a position that only grows, and of each
 * command to which positions it moved which cells, when it was sent, and when it was answered.
 */

export interface Move {
  readonly cell: number;
  /** Where the cell is once the command is done. */
  readonly to: number;
}

export interface Entry {
  readonly label: string;
  readonly moves: readonly Move[];
  /** Everything answered before it was sent shall be there once it is answered (Flush). */
  readonly isBarrier: boolean;
  /** It shall be there itself once it is answered, whatever cache there is (FUA). */
  readonly isForced: boolean;
  readonly sentAt: number;
  /** Position among all events; undefined until it succeeded. */
  answeredAt?: number;
  answeredMs?: number;
}

/** Where a cell may be, as far as can be seen: usually one place. */
export interface Seen {
  readonly least: number;
  readonly most: number;
}

/** What a cache mode promises of what was answered. */
export interface Promised {
  /** What was answered so long before the cut, in milliseconds, is there. 0: all that was answered. */
  readonly withinMs: number;
  /** Whether an answered flush promises all that was answered before it was sent. */
  readonly flushes: boolean;
}

export class Ledger {
  private entries: Entry[] = [];
  private events = 0;
  /** Where cells were found when the disk was opened last. */
  private base = new Map<number, number>();

  get clock(): number {
    return this.events;
  }

  tick(): number {
    return ++this.events;
  }

  send(label: string, moves: readonly Move[], { isBarrier = false, isForced = false } = {}): Entry {
    const entry: Entry = { label, moves, isBarrier, isForced, sentAt: this.tick() };
    this.entries.push(entry);
    return entry;
  }

  answer(entry: Entry, nowMs: number): void {
    entry.answeredAt = this.tick();
    entry.answeredMs = nowMs;
  }

  /** What is found is what counts from now on. */
  begin(found: ReadonlyMap<number, number>): void {
    this.entries = [];
    this.base = new Map(found);
  }

  /**
   * Holds what was found on a disk that was cut after event `at` against what its host had been told by then.
   * Throws with a sentence when it cannot be so.
   */
  check(see: (cell: number) => Seen, at: number, nowMs: number, { withinMs, flushes }: Promised): void {
    const known = this.entries.filter(({ sentAt }) => sentAt <= at);
    const farthest = new Map(this.base);
    for (const { moves } of known)
      for (const { cell, to } of moves) farthest.set(cell, Math.max(to, farthest.get(cell) ?? 0));
    for (const [cell, to] of farthest) {
      const { least, most } = see(cell);
      if (least > to) throw new Error(`cell ${cell} is at ${least}, and was never sent beyond ${to}`);
      if (most < (this.base.get(cell) ?? 0)) throw new Error(`cell ${cell} has fallen back to ${most}`);
    }
    const wasAnswered = ({ answeredAt }: Entry) => answeredAt !== undefined && answeredAt <= at;
    const lost = known.filter(
      (entry) => wasAnswered(entry) && entry.moves.some(({ cell, to }) => see(cell).most < to),
    );
    const barrier = Math.max(
      0,
      ...known.filter((entry) => entry.isBarrier && wasAnswered(entry)).map(({ sentAt }) => sentAt),
    );
    for (const { label, isForced, answeredMs = 0, answeredAt = 0 } of lost) {
      if (withinMs === 0 || (isForced && flushes)) throw new Error(`${label} was answered, and is lost`);
      if (flushes && answeredAt < barrier)
        throw new Error(`${label} was answered before a flush, and is lost`);
      if (nowMs - answeredMs > withinMs)
        throw new Error(
          `${label} was answered ${Math.round(nowMs - answeredMs)} ms before the cut, and is lost`,
        );
    }
    // What is there is the disk at one moment: nothing that came after something that is lost.
    const firstLost = Math.min(Infinity, ...lost.map(({ answeredAt = 0 }) => answeredAt));
    for (const { label, moves, sentAt } of known) {
      const isThere = moves.length > 0 && moves.every(({ cell, to }) => see(cell).least >= to);
      if (isThere && sentAt > firstLost)
        throw new Error(`${label} is there, and something is lost that was answered before it was sent`);
    }
  }
}
