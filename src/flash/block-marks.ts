import type { UnitStore } from './unit-store.ts';

/** Units whose marks are kept in one shard. */
const UNITS_PER_SHARD = 512;
/** Bits for one unit: as many as it can have logical blocks. */
const WORDS_PER_UNIT = 2;
const WORDS = UNITS_PER_SHARD * WORDS_PER_UNIT;
export const MARKS_SHARD_BYTES = WORDS * 4;

/**
 * One mark for each logical block of a plain namespace, kept with the disk in shards of 4 KiB. Shards without
 * a mark take no memory, and a disk without marks stores none, so what they cost is bounded by the disk's size.
 *
 * A shard holds 512 units of 64 bits: two little-endian words, the first block in the lowest bit of the first.
 * Units count from the beginning of the namespace.
 */
export class BlockMarks {
  private readonly units: UnitStore;
  private readonly firstShard: number;
  private readonly shards = new Map<number, Uint32Array>();

  constructor(units: UnitStore, firstShard: number, totalUnits: number) {
    this.units = units;
    this.firstShard = firstShard;
    const count = Math.ceil(totalUnits / UNITS_PER_SHARD);
    units.keepShards(firstShard, count, (shard) => this.pack(shard - firstShard));
  }

  /** Takes over a stored shard; one of another length has no marks. */
  load(shard: number, bytes: Uint8Array): void {
    if (bytes.byteLength !== MARKS_SHARD_BYTES) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = new Uint32Array(WORDS);
    for (let i = 0; i < WORDS; i++) words[i] = view.getUint32(4 * i, true);
    if (words.some((word) => word !== 0)) this.shards.set(shard - this.firstShard, words);
  }

  private pack(index: number): Uint8Array {
    const words = this.shards.get(index);
    const bytes = new Uint8Array(MARKS_SHARD_BYTES);
    if (!words) return bytes;
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < WORDS; i++) view.setUint32(4 * i, words[i] as number, true);
    return bytes;
  }

  /** No mark anywhere: then nothing need be asked. */
  get isEmpty(): boolean {
    return this.shards.size === 0;
  }

  /** Marks blocks of one unit, or takes the marks away. */
  mark(unit: number, firstSec: number, secs: number, value: boolean): void {
    const index = Math.floor(unit / UNITS_PER_SHARD);
    let words = this.shards.get(index);
    if (!words) {
      if (!value) return;
      words = new Uint32Array(WORDS);
      this.shards.set(index, words);
    }
    const at = (unit % UNITS_PER_SHARD) * WORDS_PER_UNIT;
    let changed = false;
    for (let word = 0; word < WORDS_PER_UNIT; word++) {
      const bits = bitsIn(word, firstSec, secs);
      const before = words[at + word] as number;
      const after = (value ? before | bits : before & ~bits) >>> 0;
      if (after === before) continue;
      words[at + word] = after;
      changed = true;
    }
    if (changed) this.changed(index, words, value);
  }

  /** The first `secs` blocks of a unit change their marks. */
  invert(unit: number, secs: number): void {
    const marked: boolean[] = [];
    for (let sec = 0; sec < secs; sec++) marked.push(this.any(unit, sec, 1));
    this.mark(unit, 0, secs, true);
    marked.forEach((was, sec) => was && this.mark(unit, sec, 1, false));
  }

  /** Whole units lose their marks; costs what is marked, not how long the run is. */
  clearUnits(first: number, count: number): void {
    const end = first + count;
    for (const [index, words] of this.shards) {
      const shardFirst = index * UNITS_PER_SHARD;
      const from = Math.max(first, shardFirst) - shardFirst;
      const to = Math.min(end, shardFirst + UNITS_PER_SHARD) - shardFirst;
      if (from >= to) continue;
      words.fill(0, from * WORDS_PER_UNIT, to * WORDS_PER_UNIT);
      this.changed(index, words, false);
    }
  }

  private changed(index: number, words: Uint32Array, marked: boolean): void {
    this.units.touchShard(this.firstShard + index);
    if (!marked && words.every((word) => word === 0)) this.shards.delete(index);
  }

  any(unit: number, firstSec: number, secs: number): boolean {
    for (let word = 0; word < WORDS_PER_UNIT; word++)
      if ((this.word(unit, word) & bitsIn(word, firstSec, secs)) !== 0) return true;
    return false;
  }

  all(unit: number, firstSec: number, secs: number): boolean {
    for (let word = 0; word < WORDS_PER_UNIT; word++)
      if ((~this.word(unit, word) & bitsIn(word, firstSec, secs)) !== 0) return false;
    return true;
  }

  private word(unit: number, word: number): number {
    const words = this.shards.get(Math.floor(unit / UNITS_PER_SHARD));
    return words?.[(unit % UNITS_PER_SHARD) * WORDS_PER_UNIT + word] ?? 0;
  }
}

/** Of blocks `firstSec` to `firstSec + secs - 1`, the bits that lie in the `word`-th 32 bits. */
function bitsIn(word: number, firstSec: number, secs: number): number {
  const from = Math.max(firstSec - 32 * word, 0);
  const to = Math.min(firstSec + secs - 32 * word, 32);
  if (from >= to) return 0;
  // Shifts wrap at 32: all bits are made by shifting right.
  return ((0xffff_ffff >>> (32 - (to - from))) << from) >>> 0;
}
