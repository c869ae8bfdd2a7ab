/** What a sector holds, as far as the wire tells. */
export const CellKind = {
  /** Not written since its block's last erase. */
  free: 0,
  /** The newest copy of a logical block. */
  valid: 1,
  /** An older copy: the block was written elsewhere since, or discarded. */
  stale: 2,
  /** Written by pblk to fill up a write unit. */
  padding: 3,
  /** pblk's books at the front and at the end of a line. */
  smeta: 4,
  emeta: 5,
  /** Written before anybody watched, or by no target that we know. */
  unknown: 6,
} as const;
export type CellKind = (typeof CellKind)[keyof typeof CellKind];

/** Who had a sector written. */
export const CellOwner = {
  unknown: 0,
  user: 1,
  /** Garbage collection moved it. */
  gc: 2,
  /** pblk itself: padding, smeta, emeta. */
  pblk: 3,
} as const;
export type CellOwner = (typeof CellOwner)[keyof typeof CellOwner];

/**
 * What is known of the sectors of one block (one plane of one chunk) since its last erase. Kept as plain arrays
 * and copied when it changes after somebody has taken a snapshot ({@link BlockCells.epoch}), so that a snapshot
 * of a whole device costs one reference a block.
 */
export class BlockCells {
  /** The snapshot round in which this object was made: only of the current one it may be changed. */
  readonly epoch: number;
  readonly kind: Uint8Array;
  readonly owner: Uint8Array;
  /** Logical address or a value of `Lba`. */
  readonly lba: Uint32Array;
  /** Number of the command that wrote it (from 1 on, modulo 2^32); 0 unknown. */
  readonly command: Uint32Array;
  /** When it was written: milliseconds of the machine's clock; 0 before the recording. */
  readonly writtenMs: Uint32Array;
  /** Index in the model's table of processes; 0 unknown. */
  readonly process: Uint16Array;
  /** Sectors of kind valid. */
  valid = 0;

  constructor(secs: number, epoch: number, from?: BlockCells) {
    this.epoch = epoch;
    this.kind = from ? from.kind.slice() : new Uint8Array(secs);
    this.owner = from ? from.owner.slice() : new Uint8Array(secs);
    this.lba = from ? from.lba.slice() : new Uint32Array(secs);
    this.command = from ? from.command.slice() : new Uint32Array(secs);
    this.writtenMs = from ? from.writtenMs.slice() : new Uint32Array(secs);
    this.process = from ? from.process.slice() : new Uint16Array(secs);
    if (from) this.valid = from.valid;
  }
}

const PAGE = 4096;
const PAGE_BITS = 12;

/** A table of numbers below 2^32, in pages that snapshots share until they change. Absent entries are `none`. */
export class PagedTable {
  static readonly none = 0xffff_ffff;
  private pages: (Uint32Array | undefined)[] = [];
  private owned: boolean[] = [];

  get(index: number): number {
    return this.pages[index >>> PAGE_BITS]?.[index & (PAGE - 1)] ?? PagedTable.none;
  }

  set(index: number, value: number): void {
    const at = index >>> PAGE_BITS;
    let page = this.pages[at];
    if (!page) {
      if (value === PagedTable.none) return;
      page = this.pages[at] = new Uint32Array(PAGE).fill(PagedTable.none);
      this.owned[at] = true;
    } else if (!this.owned[at]) {
      page = this.pages[at] = page.slice();
      this.owned[at] = true;
    }
    page[index & (PAGE - 1)] = value;
  }

  /** The table as it is now; both go on independently. */
  snapshot(): PagedTable {
    const copy = new PagedTable();
    copy.pages = this.pages.slice();
    copy.owned = new Array<boolean>(this.pages.length).fill(false);
    this.owned.fill(false);
    return copy;
  }

  /** Pages that the other one does not share: what this one keeps in memory for itself, if the other goes on. */
  pagesUnlike(other: PagedTable | undefined): number {
    let count = 0;
    for (const [at, page] of this.pages.entries()) if (page && page !== other?.pages[at]) count++;
    return count;
  }

  /** Entries that are there, in the order of their index. */
  *entries(): Generator<[index: number, value: number]> {
    for (const [at, page] of this.pages.entries()) {
      if (!page) continue;
      for (let i = 0; i < PAGE; i++) {
        const value = page[i] as number;
        if (value !== PagedTable.none) yield [at * PAGE + i, value];
      }
    }
  }
}
