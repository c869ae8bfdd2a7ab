import type { Rule } from '../spec/rules.ts';

/**
 * The host's side of one command, as the flash sees it: bytes to take and to give, by position. The
 * controller has checked before that every byte of it is guest RAM.
 */
export interface Transfer {
  /** Copies `length` bytes of the host's data, from position `at`, into `target` at `offset`. */
  pullData(at: number, target: Uint8Array, offset: number, length: number): void;
  /** Copies bytes of `source` to the host's data buffer at position `at`. */
  pushData(at: number, source: Uint8Array, offset: number, length: number): void;
  /**
   * True once the host has given the command up (controller reset): its memory may belong to something else
   * by now. Whoever waited has to ask before touching host memory or the medium.
   */
  readonly abandoned: boolean;
  /** True when the command has a metadata buffer. */
  readonly hasOob: boolean;
  /** What it writes has to be stored before it is acknowledged, whatever cache there is (FUA). */
  readonly forced?: boolean;
  /** So many bytes at the end of its data lie side by side in the host's memory; for who watches. */
  readonly lastRunBytes?: number;
  pullOob(at: number, target: Uint8Array, offset: number, length: number): void;
  pushOob(at: number, source: Uint8Array, offset: number, length: number): void;
  /**
   * A write was carried out whole and goes with the next commit: from here on nothing but that commit can fail.
   * Whoever counts writes counts it now, so that its count is stored with it, or not at all.
   */
  committing(): void;
  /** Says which rule the command broke, and how. The first one of a command is the one that is remembered. */
  refuse(rule: Rule, why: string): void;
}

/** The sectors of one vector command, with room for the answer. Reused from command to command. */
export class SectorVector {
  count = 0;
  /** Block index of each sector, in the block table. */
  readonly block: Int32Array;
  /** Sector in that block. */
  readonly sec: Int32Array;
  /** The address of each entry as the host wrote it, in two halves; for the log. */
  readonly addressLow: Uint32Array;
  readonly addressHigh: Uint32Array;
  /** The completion's failure map: bit i of low (0 to 31) and high (32 to 63). */
  failedLow = 0;
  failedHigh = 0;

  constructor(capacity: number) {
    this.block = new Int32Array(capacity);
    this.sec = new Int32Array(capacity);
    this.addressLow = new Uint32Array(capacity);
    this.addressHigh = new Uint32Array(capacity);
  }

  clear(): void {
    this.count = 0;
    this.failedLow = 0;
    this.failedHigh = 0;
  }

  push(block: number, sec: number): void {
    this.block[this.count] = block;
    this.sec[this.count] = sec;
    this.count++;
  }

  get anyFailed(): boolean {
    return this.failedLow !== 0 || this.failedHigh !== 0;
  }

  hasFailed(index: number): boolean {
    return ((index < 32 ? this.failedLow >>> index : this.failedHigh >>> (index - 32)) & 1) !== 0;
  }

  /** Marks entry `index` as failed. Shifts wrap at 32 in JavaScript, hence two halves. */
  fail(index: number): void {
    if (index < 32) this.failedLow = (this.failedLow | (1 << index)) >>> 0;
    else this.failedHigh = (this.failedHigh | (1 << (index - 32))) >>> 0;
  }
}

/** Marks all entries as failed: nothing was done. */
export function failAll(vector: SectorVector): void {
  for (let i = 0; i < vector.count; i++) vector.fail(i);
}
