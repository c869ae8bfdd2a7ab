import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import { BLOCK_ENTRY_BYTES, BlockFlag, BLOCKS_PER_SHARD, BlockTable } from './block-table.ts';
import { deriveGeometry } from './geometry.ts';

const SECS = 8;
/** 300 blocks: one shard full, one in part. */
const g = deriveGeometry({
  numCh: 1,
  numLun: 2,
  numPln: 2,
  numChk: 75,
  numPg: 4,
  secsPerPg: 2,
  secSizeBytes: 512,
  oobSizeBytes: 0,
});

const advance = (table: BlockTable, block: number, secs: number) => {
  for (let i = 0; i < secs; i++) table.advance(block);
};

const stored = (table: BlockTable) => [0, 1].map((shard) => ({ shard, bytes: table.packShard(shard) }));

describe('block table', () => {
  it('starts free, good and never erased', () => {
    const table = new BlockTable(g);
    expect(table.totalBlks).toBe(300);
    expect(new Set(table.state)).toEqual(new Set([ChunkState.free]));
    expect(Math.max(...table.writePointer, ...table.eraseCount, ...table.badBlock)).toBe(0);
  });

  it('opens with the first sector, closes with the last, is free after an erase', () => {
    const table = new BlockTable(g);
    advance(table, 5, 1);
    expect(table.state[5]).toBe(ChunkState.open);
    advance(table, 5, SECS - 2);
    expect(table.state[5]).toBe(ChunkState.open);
    advance(table, 5, 1);
    expect([table.state[5], table.written(5)]).toEqual([ChunkState.closed, SECS]);
    table.erase(5);
    expect([table.state[5], table.written(5), table.eraseCount[5]]).toEqual([ChunkState.free, 0, 1]);
    expect(table.state[4]).toBe(ChunkState.free);
  });

  it('takes bad blocks offline and brings them back as their write pointer says', () => {
    const table = new BlockTable(g);
    for (const [secs, state] of [
      [0, ChunkState.free],
      [3, ChunkState.open],
      [SECS, ChunkState.closed],
    ] as const) {
      const block = 10 + secs;
      advance(table, block, secs);
      for (const bad of [BadBlock.grown, BadBlock.factory]) {
        table.mark(block, bad);
        expect(table.state[block]).toBe(ChunkState.offline);
      }
      for (const usable of [BadBlock.host, BadBlock.device, BadBlock.good]) {
        table.mark(block, usable);
        expect([table.state[block], table.badBlock[block], table.written(block)]).toEqual([
          state,
          usable,
          secs,
        ]);
      }
    }
  });

  it('comes back from its shards', () => {
    const operations = fc.array(
      fc.tuple(fc.constantFrom('advance', 'erase', 'mark'), fc.integer({ min: 0, max: 299 }), fc.nat(SECS)),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(operations, (list) => {
        const table = new BlockTable(g);
        for (const [what, block, n] of list) {
          if (table.state[block] === ChunkState.offline && what !== 'mark') continue;
          if (what === 'advance') advance(table, block, Math.min(n, SECS - table.written(block)));
          else if (what === 'erase') table.erase(block);
          else
            table.mark(block, [BadBlock.good, BadBlock.grown, BadBlock.factory, BadBlock.host][n % 4] ?? 0);
        }
        const again = new BlockTable(g);
        again.load(stored(table));
        for (const field of ['state', 'writePointer', 'eraseCount', 'badBlock'] as const) {
          expect(again[field]).toEqual(table[field]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('2.0: chunks closed early, failing, retired, and with sectors from birth come back as well', () => {
    const table = new BlockTable(g);
    advance(table, 1, 3);
    table.closeEarly(1, true);
    advance(table, 2, 2);
    table.closeEarly(2, false);
    advance(table, 3, 5);
    table.retire(3);
    table.bear(4, 6);
    table.bear(5, SECS);
    table.bear(6, 4);
    table.erase(6);
    const again = new BlockTable(g);
    again.load(stored(table));
    expect([1, 2, 3, 4, 5, 6].map((b) => [again.state[b], again.written(b), again.bornSecs[b]])).toEqual([
      [ChunkState.closed, 3, 0],
      [ChunkState.closed, 2, 0],
      [ChunkState.offline, 5, 0],
      [ChunkState.open, 6, 6],
      [ChunkState.closed, SECS, SECS],
      [ChunkState.free, 0, 0],
    ]);
    expect([1, 2].map((b) => (again.flags[b] ?? 0) & BlockFlag.eraseFails)).toEqual([2, 0]);
    again.erase(1);
    expect([again.state[1], again.flags[1]]).toEqual([ChunkState.free, 0]);
  });

  it('stores only as many entries as there are blocks', () => {
    const table = new BlockTable(g);
    expect(table.packShard(0).byteLength).toBe(BLOCKS_PER_SHARD * BLOCK_ENTRY_BYTES);
    expect(table.packShard(1).byteLength).toBe((300 - BLOCKS_PER_SHARD) * BLOCK_ENTRY_BYTES);
    expect([255, 256, 299].map((block) => table.shardOf(block))).toEqual([0, 1, 1]);
  });

  it('loads a shard that lies in a larger buffer', () => {
    const table = new BlockTable(g);
    advance(table, 0, 3);
    const outer = new Uint8Array(5000);
    const bytes = table.packShard(0);
    outer.set(bytes, 7);
    const again = new BlockTable(g);
    again.load([{ shard: 0, bytes: outer.subarray(7, 7 + bytes.byteLength) }]);
    expect(again.written(0)).toBe(3);
  });

  const entry = (state: number, badBlock: number, writePointer: number): Uint8Array => {
    const bytes = new BlockTable(g).packShard(0);
    bytes[0] = state;
    bytes[1] = badBlock;
    new DataView(bytes.buffer).setUint32(4, writePointer, true);
    return bytes;
  };
  const closedEarly = (badBlock: number, bornSecs: number): Uint8Array => {
    const bytes = entry(ChunkState.closed, badBlock, 4);
    bytes[2] = BlockFlag.closedEarly;
    new DataView(bytes.buffer).setUint32(12, bornSecs, true);
    return bytes;
  };
  const sizeOf = (count: number) => new Uint8Array(count * BLOCK_ENTRY_BYTES).fill(0);

  it.each([
    ['too short', 0, sizeOf(255)],
    ['too long for the last shard', 1, sizeOf(256)],
    ['beyond the device', 2, sizeOf(256)],
    ['a negative number', -1, sizeOf(256)],
    ['a broken number', 0.5, sizeOf(256)],
    ['all zeros, which is no state', 0, sizeOf(256)],
    ['an unknown state', 0, entry(3, 0, 0)],
    ['a write pointer beyond the block', 0, entry(ChunkState.offline, BadBlock.grown, SECS + 1)],
    ['an unknown bad-block value', 0, entry(ChunkState.free, 0x10, 0)],
    ['free, but written', 0, entry(ChunkState.free, 0, 1)],
    ['open, but empty', 0, entry(ChunkState.open, 0, 0)],
    ['open, but full', 0, entry(ChunkState.open, 0, SECS)],
    ['closed, but not full', 0, entry(ChunkState.closed, 0, SECS - 1)],
    ['bad, but not offline', 0, entry(ChunkState.free, BadBlock.grown, 0)],
    ['closed early, but bad', 0, closedEarly(BadBlock.grown, 0)],
    ['more sectors from birth than written', 0, closedEarly(BadBlock.good, 5)],
  ])('refuses a shard: %s', (_what, shard, bytes) => {
    expect(() => new BlockTable(g).load([{ shard, bytes }])).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    );
  });
});
