import type { BlockTable } from './block-table.ts';

/** A wear index has 8 bits; a chunk that reaches this is worn out. */
export const WORN_OUT = 255;

/** The wear index of chunks: their share of the erases that they stand, of 255. */
export class ChunkWear {
  private readonly table: BlockTable;
  private readonly peCycles: number;
  private sum = 0;

  /** @param peCycles erases that a chunk stands; 0: wear is not counted */
  constructor(table: BlockTable, peCycles: number) {
    this.table = table;
    this.peCycles = peCycles;
    for (let block = 0; block < table.totalBlks; block++) this.sum += this.index(block);
  }

  index(block: number): number {
    if (this.peCycles === 0) return 0;
    const erases = this.table.eraseCount[block] ?? 0;
    return Math.min(WORN_OUT, Math.floor((erases * WORN_OUT) / this.peCycles));
  }

  /** Erases after which a chunk has this wear index. */
  erasesFor(index: number): number {
    return Math.ceil((index * this.peCycles) / WORN_OUT);
  }

  /** The average of all chunks. */
  get average(): number {
    return this.sum / this.table.totalBlks;
  }

  /** A chunk's erase count has changed; `before` is the index that it had. */
  changed(block: number, before: number): void {
    this.sum += this.index(block) - before;
  }
}
