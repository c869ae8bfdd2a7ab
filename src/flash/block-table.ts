import { BadBlock, badBlockValues, ChunkState } from '../spec/ocssd12.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { TableShard } from './media-store.ts';
import { StoreError } from './media-store.ts';

/** Bytes that one block takes in the stored table. */
export const BLOCK_ENTRY_BYTES = 16;
/** Blocks in one shard, the unit in which the table is stored. */
export const BLOCKS_PER_SHARD = 256;

/** What else is known of a block: it was closed before it was full; its next erase fails. */
export const BlockFlag = { closedEarly: 0x1, eraseFails: 0x2 } as const;

/**
 * What is known of each block without looking at its data: state, write pointer, wear, and its entry in
 * the bad-block table. Small enough to be in memory whole; stored in shards.
 *
 * Entry on disk (16 bytes, little-endian): state u8, badBlock u8, flags u8, reserved u8, writePointer u32
 * (sectors), eraseCount u32, bornSecs u32. An absent shard means: all free, never erased. Flags and bornSecs
 * are 0 but on open-channel 2.0 disks.
 */
export class BlockTable {
  readonly totalBlks: number;
  readonly state: Uint8Array;
  /** Next sector to write, which is the number of sectors written since the last erase. */
  readonly writePointer: Uint32Array;
  readonly eraseCount: Uint32Array;
  readonly badBlock: Uint8Array;
  /** Bits of {@link BlockFlag}. */
  readonly flags: Uint8Array;
  /** Sectors that count as written since the disk was made, without any data having been stored. */
  readonly bornSecs: Uint32Array;
  private readonly secsPerBlk: number;

  constructor(g: DerivedGeometry) {
    this.totalBlks = g.totalBlks;
    this.secsPerBlk = g.secsPerBlk;
    this.state = new Uint8Array(g.totalBlks).fill(ChunkState.free);
    this.writePointer = new Uint32Array(g.totalBlks);
    this.eraseCount = new Uint32Array(g.totalBlks);
    this.badBlock = new Uint8Array(g.totalBlks).fill(BadBlock.good);
    this.flags = new Uint8Array(g.totalBlks);
    this.bornSecs = new Uint32Array(g.totalBlks);
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
    const flags = view.getUint8(at + 2);
    const bornSecs = view.getUint32(at + 12, true);
    const closedEarly = state === ChunkState.closed && (flags & BlockFlag.closedEarly) !== 0;
    const possible =
      state === ChunkState.offline ||
      (!isBad(badBlock) && (closedEarly || state === this.stateAt(writePointer)));
    const inside = writePointer <= this.secsPerBlk && bornSecs <= writePointer;
    if (!possible || !inside || !badBlockValues.includes(badBlock)) {
      throw new StoreError('corrupt', `The disk's block table has an impossible entry for block ${block}.`);
    }
    this.state[block] = state;
    this.badBlock[block] = badBlock;
    this.writePointer[block] = writePointer;
    this.eraseCount[block] = view.getUint32(at + 8, true);
    this.flags[block] = flags;
    this.bornSecs[block] = bornSecs;
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
      view.setUint8(at + 2, this.flags[first + i] ?? 0);
      view.setUint32(at + 4, this.writePointer[first + i] ?? 0, true);
      view.setUint32(at + 8, this.eraseCount[first + i] ?? 0, true);
      view.setUint32(at + 12, this.bornSecs[first + i] ?? 0, true);
    }
    return bytes;
  }

  /** Every shard, for a disk that is filled from elsewhere. */
  packAll(): TableShard[] {
    return Array.from({ length: this.totalShards }, (_, shard) => ({ shard, bytes: this.packShard(shard) }));
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
    this.flags[block] = 0;
    this.bornSecs[block] = 0;
  }

  /** The block takes no more writes though it is not full; with `failing`, its next erase fails as well. */
  closeEarly(block: number, failing: boolean): void {
    this.state[block] = ChunkState.closed;
    this.flags[block] = BlockFlag.closedEarly | (failing ? BlockFlag.eraseFails : 0);
  }

  /** The block is out of order for ever; how far it was written stays known. */
  retire(block: number): void {
    this.state[block] = ChunkState.offline;
  }

  /** For a new disk: so many sectors of a block count as written. */
  bear(block: number, secs: number): void {
    this.writePointer[block] = secs;
    this.bornSecs[block] = secs;
    this.state[block] = this.stateAt(secs);
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
