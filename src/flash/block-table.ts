import { BadBlock, badBlockValues, ChunkState } from '../spec/ocssd12.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { TableShard } from './media-store.ts';
import { StoreError } from './media-store.ts';

/** Bytes that one block takes in the stored table. */
export const BLOCK_ENTRY_BYTES = 16;
/** Blocks in one shard, the unit in which the table is stored. */
export const BLOCKS_PER_SHARD = 256;

/**
 * What is known of each block without looking at its data: state, write pointer, wear, and its entry in
 * the bad-block table. Small enough to be in memory whole; stored in shards.
 *
 * Entry on disk (16 bytes, little-endian): state u8, badBlock u8, reserved u16, writePointer u32 (sectors),
 * eraseCount u32, reserved u32. An absent shard means: all free, never erased.
 */
export class BlockTable {
  readonly totalBlks: number;
  readonly state: Uint8Array;
  /** Next sector to write, which is the number of sectors written since the last erase. */
  readonly writePointer: Uint32Array;
  readonly eraseCount: Uint32Array;
  readonly badBlock: Uint8Array;
  private readonly secsPerBlk: number;

  constructor(g: DerivedGeometry) {
    this.totalBlks = g.totalBlks;
    this.secsPerBlk = g.secsPerBlk;
    this.state = new Uint8Array(g.totalBlks).fill(ChunkState.free);
    this.writePointer = new Uint32Array(g.totalBlks);
    this.eraseCount = new Uint32Array(g.totalBlks);
    this.badBlock = new Uint8Array(g.totalBlks).fill(BadBlock.good);
  }

  /** Takes over stored shards. Throws {@link StoreError} `corrupt` when one cannot be what we wrote. */
  load(shards: readonly TableShard[]): void {
    for (const { shard, bytes } of shards) {
      const first = shard * BLOCKS_PER_SHARD;
      const count = Math.min(BLOCKS_PER_SHARD, this.totalBlks - first);
      if (
        !Number.isInteger(shard) ||
        first < 0 ||
        count <= 0 ||
        bytes.byteLength !== count * BLOCK_ENTRY_BYTES
      ) {
        throw new StoreError('corrupt', `The disk's block table does not fit its geometry (shard ${shard}).`);
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < count; i++) this.loadEntry(first + i, view, i * BLOCK_ENTRY_BYTES);
    }
  }

  private loadEntry(block: number, view: DataView, at: number): void {
    const state = view.getUint8(at);
    const writePointer = view.getUint32(at + 4, true);
    const badBlock = view.getUint8(at + 1);
    const possible =
      state === ChunkState.offline || (!isBad(badBlock) && state === this.stateAt(writePointer));
    if (!possible || writePointer > this.secsPerBlk || !badBlockValues.includes(badBlock)) {
      throw new StoreError('corrupt', `The disk's block table has an impossible entry for block ${block}.`);
    }
    this.state[block] = state;
    this.badBlock[block] = badBlock;
    this.writePointer[block] = writePointer;
    this.eraseCount[block] = view.getUint32(at + 8, true);
  }

  get totalShards(): number {
    return Math.ceil(this.totalBlks / BLOCKS_PER_SHARD);
  }

  /** The shard a block belongs to. */
  shardOf(block: number): number {
    return Math.floor(block / BLOCKS_PER_SHARD);
  }

  /** The stored form of a shard, as things are now. */
  packShard(shard: number): Uint8Array {
    const first = shard * BLOCKS_PER_SHARD;
    const count = Math.min(BLOCKS_PER_SHARD, this.totalBlks - first);
    const bytes = new Uint8Array(count * BLOCK_ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) {
      const at = i * BLOCK_ENTRY_BYTES;
      view.setUint8(at, this.state[first + i] ?? 0);
      view.setUint8(at + 1, this.badBlock[first + i] ?? 0);
      view.setUint32(at + 4, this.writePointer[first + i] ?? 0, true);
      view.setUint32(at + 8, this.eraseCount[first + i] ?? 0, true);
    }
    return bytes;
  }

  /** Sectors of `block` written since its last erase. */
  written(block: number): number {
    return this.writePointer[block] ?? 0;
  }

  /** Moves the write pointer by one sector; the block opens with its first and closes with its last. */
  advance(block: number): void {
    const next = (this.writePointer[block] ?? 0) + 1;
    this.writePointer[block] = next;
    this.state[block] = this.stateAt(next);
  }

  /** The state of a good block with so many sectors written. */
  private stateAt(written: number): number {
    if (written === 0) return ChunkState.free;
    return written === this.secsPerBlk ? ChunkState.closed : ChunkState.open;
  }

  /** The block is empty again and one erase older. */
  erase(block: number): void {
    this.writePointer[block] = 0;
    this.state[block] = ChunkState.free;
    this.eraseCount[block] = (this.eraseCount[block] ?? 0) + 1;
  }

  /**
   * Enters a value in the bad-block table. A bad block (from the factory or grown) is offline: what was
   * written can be read, nothing can be written or erased. Any other, the reserved ones included, is what
   * its write pointer says.
   */
  mark(block: number, value: number): void {
    this.badBlock[block] = value;
    this.state[block] = isBad(value) ? ChunkState.offline : this.stateAt(this.written(block));
  }
}

const isBad = (value: number): boolean => value === BadBlock.factory || value === BadBlock.grown;
