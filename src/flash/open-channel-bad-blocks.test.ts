import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { FlashBench } from '../../test/fakes/flash-bench.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { Status } from '../spec/status.ts';
import type { FactoryBlocks } from './open-channel-bad-blocks.ts';

/** 4 LUNs × 8 chunks × 2 planes: 16 blocks a LUN, 64 in all. */
const open = (factory: FactoryBlocks, store: Parameters<typeof FlashBench.open>[0] = 'sync') =>
  FlashBench.open(store, {}, undefined, factory);
const tables = (bench: FlashBench): string =>
  [0, 1, 2, 3].map((lun) => bench.flash.badBlocks(0, lun).join('')).join(' ');

describe('bad blocks of a new disk', () => {
  it('are each n-th of a LUN', async () => {
    const bench = await open({ badBlockEvery: 5 });
    const lun = '0000100001000010';
    expect(tables(bench)).toBe([lun, lun, lun, lun].join(' '));
    // The fifth block of a LUN is plane 0 of chunk 2.
    expect(bench.flash.table.state[bench.block({ lun: 3, chk: 2 })]).toBe(ChunkState.offline);
    expect(bench.write([{ chk: 2, sec: 0 }], pattern(512, 1)).status).toBe(Status.writeFailure);
    expect(bench.erase([{ chk: 2 }]).status).toBe(Status.writeFailure);
  });

  it.each([0, 17, 1])('every %i', async (badBlockEvery) => {
    const bench = await open({ badBlockEvery });
    expect(tables(bench)).toBe(
      Array(4)
        .fill((badBlockEvery === 1 ? '1' : '0').repeat(16))
        .join(' '),
    );
  });

  it('come from a table in the order LUN, chunk, plane', async () => {
    const initialBadBlocks = new Uint8Array(64);
    initialBadBlocks[0] = 1;
    initialBadBlocks[1 * 16 + 3 * 2 + 1] = 2;
    initialBadBlocks[2 * 16 + 15] = 4;
    initialBadBlocks[63] = 8;
    const bench = await open({ initialBadBlocks });
    expect(tables(bench)).toBe('1000000000000000 0000000200000000 0000000000000004 0000000000000008');
    const { state } = bench.flash.table;
    expect(state[bench.block({ lun: 1, chk: 3, pln: 1 })]).toBe(ChunkState.offline);
    // Reserved by the device or the host: in the table, but good flash.
    expect(state[bench.block({ lun: 3, chk: 7, pln: 1 })]).toBe(ChunkState.free);
  });

  it('can be both', async () => {
    const initialBadBlocks = new Uint8Array(64).fill(2, 0, 4);
    expect(tables(await open({ initialBadBlocks, badBlockEvery: 3 })).split(' ')[0]).toBe('2222010010010010');
  });

  it.each([
    [new Uint8Array(63), /63 entries.*64 blocks/],
    [new Uint8Array(64).fill(3, 5, 6), /value 3 for block 5/],
    [new Uint8Array(64).fill(0xff), /value 255/],
  ])('are refused in a table that does not fit', async (initialBadBlocks, message) => {
    await expect(open({ initialBadBlocks })).rejects.toThrow(message);
  });

  it('are the same in each opening before the first commit, and kept with it whatever comes later', async () => {
    const first = await open({ badBlockEvery: 4 });
    expect(first.store.shards.size).toBe(0);
    const second = await open({ badBlockEvery: 4 }, first.store.reopened());
    expect(tables(second)).toBe(tables(first));
    // Any commit will do, even one that changes no block.
    let flushed: number | undefined;
    second.flash.flush((status) => (flushed = status));
    expect(flushed).toBe(0);
    const third = await open({ badBlockEvery: 7 }, second.store.reopened());
    expect(tables(third)).toBe(tables(first));
  });

  it('are no news to a disk that was used without them', async () => {
    const first = await open({});
    first.write([{ sec: 0 }], pattern(512, 1));
    const second = await open({ badBlockEvery: 2 }, first.store.reopened());
    expect(tables(second)).not.toContain('1');
  });

  it('can be declared good by the host (F1h)', async () => {
    const bench = await open({ badBlockEvery: 5 });
    expect(bench.mark([{ chk: 2 }], 0).status).toBe(0);
    expect(bench.write([{ chk: 2, sec: 0 }], pattern(512, 1)).status).toBe(0);
  });
});
