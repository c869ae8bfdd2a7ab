import { describe, expect, it } from 'vitest';
import { ChunkBench, type ChunkOutcome, type ChunkRun } from '../../test/fakes/chunk-bench.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { Mccap } from '../spec/ocssd20.ts';
import { Status } from '../spec/status.ts';

const SECS = 32;
const { free, open, closed, offline } = ChunkState;
const rules = ({ transfer }: ChunkOutcome) => transfer.refusals.map(({ rule }) => rule);
const failed = ({ vector }: ChunkOutcome) =>
  Array.from({ length: Math.min(64, vector.count) }, (_, i) => i).filter((i) => vector.hasFailed(i));
/** The first byte of each sector read, and whether each sector is of one byte. */
const fills = ({ transfer }: ChunkOutcome) => {
  const values: number[] = [];
  for (let at = 0; at < transfer.data.length; at += 512) {
    const sector = transfer.data.subarray(at, at + 512);
    values.push(sector.every((byte) => byte === sector[0]) ? (sector[0] as number) : -1);
  }
  return values;
};
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe.each(['sync', 'soon'] as const)('chunks over a store that answers %s', (mode) => {
  const start = (options: Parameters<typeof ChunkBench.open>[0] = {}) => ChunkBench.open(options, mode);

  it('open with the first write, move their pointer, close when full, are free after a reset', async () => {
    const bench = await start();
    const steps: [ChunkRun, object][] = [
      [
        { sec: 0, secs: 4 },
        { state: open, wp: 4 },
      ],
      [
        { sec: 4, secs: 8 },
        { state: open, wp: 12 },
      ],
      [
        { sec: 12, secs: 20 },
        { state: closed, wp: SECS },
      ],
    ];
    for (const [run, after] of steps) {
      const outcome = await bench.finished(bench.write(run, run.sec));
      expect(outcome.status).toBe(Status.success);
      expect(bench.chunk({})).toEqual(after);
    }
    const read = await bench.finished(bench.read({ secs: SECS }));
    expect(read.status).toBe(Status.success);
    expect(fills(read)).toEqual(range(0, SECS));
    expect(read.transfer.oob?.[16 * 5]).toBe(6);
    expect((await bench.finished(bench.reset({ sec: 7 }))).status).toBe(Status.success);
    expect(bench.chunk({})).toEqual({ state: free, wp: 0 });
  });

  it('a write over several chunks goes to each of them', async () => {
    const bench = await start();
    const runs = [
      { grp: 1, pu: 0, chk: 2, secs: 8 },
      { grp: 0, pu: 1, chk: 2, secs: 4 },
      { grp: 1, pu: 0, chk: 2, sec: 8, secs: 4 },
    ];
    const outcome = await bench.finished(bench.write(runs));
    expect([outcome.status, failed(outcome)]).toEqual([Status.success, []]);
    expect(bench.chunk({ grp: 1, chk: 2 }).wp).toBe(12);
    expect(bench.chunk({ pu: 1, chk: 2 }).wp).toBe(4);
  });

  it.each<[string, ChunkRun[], number, string]>([
    ['ahead of the pointer', [{ chk: 1, sec: 8, secs: 4 }], Status.outOfOrderWrite, 'write-pointer'],
    ['behind the pointer', [{ chk: 1, sec: 0, secs: 4 }], Status.outOfOrderWrite, 'write-pointer'],
    [
      'the same sectors twice',
      [
        { chk: 1, sec: 4, secs: 4 },
        { chk: 2, sec: 0, secs: 4 },
        { chk: 1, sec: 4, secs: 4 },
      ],
      Status.outOfOrderWrite,
      'write-pointer',
    ],
    [
      'falling addresses',
      [
        { chk: 1, sec: 5 },
        { chk: 1, sec: 4 },
      ],
      Status.outOfOrderWrite,
      'write-pointer',
    ],
    ['a part of ws_min', [{ chk: 1, sec: 4, secs: 3 }], Status.invalidField, 'write-size'],
    ['beyond the end of a chunk', [{ chk: 2, sec: 0, secs: 36 }], Status.writeFault, 'range'],
    ['a closed chunk', [{ chk: 3, sec: 0, secs: 4 }], Status.writeFault, 'erase-first'],
    ['an offline chunk', [{ chk: 4, sec: 0, secs: 4 }], Status.writeFault, 'bad-block'],
    ['outside', [{ outside: true, secs: 4 }], Status.writeFault, 'range'],
    [
      'good here, bad there',
      [
        { chk: 2, sec: 0, secs: 4 },
        { chk: 3, sec: 0, secs: 4 },
      ],
      Status.writeFault,
      'erase-first',
    ],
    [
      'over the end in two runs',
      [
        { chk: 2, sec: 0, secs: 32 },
        { chk: 5, sec: 0, secs: 4 },
        { chk: 2, sec: 0, secs: 4 },
      ],
      Status.writeFault,
      'erase-first',
    ],
  ])('a write %s changes nothing', async (_what, runs, status, rule) => {
    const bench = await start({
      initialChunks: [
        { chk: 3, state: 'closed' },
        { chk: 4, state: 'offline' },
      ],
    });
    await bench.finished(bench.write({ chk: 1, secs: 4 }));
    const before = [bench.flash.table.state.slice(), bench.flash.table.writePointer.slice()];
    const outcome = await bench.finished(bench.write(runs));
    expect(outcome.status).toBe(status);
    expect(rules(outcome)).toEqual([rule]);
    expect(failed(outcome)).toEqual(range(0, outcome.vector.count));
    expect([bench.flash.table.state, bench.flash.table.writePointer]).toEqual(before);
  });

  it('reads the predefined pattern, or fails with DULBE, wherever nothing can be read', async () => {
    for (const [deallocatedReads, byte] of [
      [0, 0],
      [1, 0],
      [2, 0xff],
    ] as const) {
      const bench = await start({ deallocatedReads, initialChunks: [{ chk: 4, state: 'offline' }] });
      await bench.finished(bench.write({ secs: 12 }, 10)); // 0 to 3 have left the cache of 8
      const runs = [
        { sec: 3, secs: 2 }, // readable, in the cache
        { sec: 12 }, // at the pointer
        { chk: 1 }, // free
        { chk: 4 }, // offline
        { outside: true },
      ];
      const off = await bench.finished(bench.read(runs));
      expect(off.status).toBe(Status.success);
      expect(fills(off)).toEqual([13, byte, byte, byte, byte, byte]);
      expect([...(off.transfer.oob as Uint8Array).subarray(16, 32)]).toEqual(new Array(16).fill(byte));
      const on = await bench.finished(bench.read(runs, true));
      expect(on.status).toBe(Status.unwrittenBlock);
      expect(failed(on)).toEqual([1, 2, 3, 4, 5]);
      expect(fills(on)[0]).toBe(13);
      expect(rules(on)).toEqual(['cached-read', 'unwritten-read', 'unwritten-read', 'bad-block', 'range']);
    }
  });

  it('what was in the cache can be read after the power was away, and what is written next not yet', async () => {
    const bench = await start();
    await bench.finished(bench.write({ secs: 8 }, 1));
    expect(fills(await bench.finished(bench.read({ secs: 8 })))).toEqual(new Array(8).fill(0));
    bench.flash.powerCycle();
    expect(fills(await bench.finished(bench.read({ secs: 8 })))).toEqual(range(1, 8));
    await bench.finished(bench.write({ sec: 8, secs: 4 }, 9));
    expect(fills(await bench.finished(bench.read({ secs: 12 })))).toEqual([...range(1, 8), 0, 0, 0, 0]);
    await bench.finished(bench.reset({}));
    await bench.finished(bench.write({ secs: 4 }, 30));
    expect(fills(await bench.finished(bench.read({ secs: 4 })))).toEqual([0, 0, 0, 0]);
  });

  it('a long read comes in pieces', async () => {
    const bench = await start();
    const runs = range(0, 6).map((chk) => ({ chk, secs: SECS }));
    await bench.finished(bench.write(runs, 1));
    const again = await bench.crashed();
    const read = await again.finished(again.read(runs, true));
    expect(read.status).toBe(Status.success);
    expect(fills(read)).toEqual(range(1, 6 * SECS));
  });

  it.each([
    ['free', 0, true, Status.invalidReset, free],
    ['free', Mccap.multipleResets, true, Status.success, free],
    ['open', 0, false, Status.invalidReset, open],
    ['open', 0, true, Status.success, free],
    ['open', Mccap.earlyReset, false, Status.success, free],
    ['closed', 0, false, Status.success, free],
    ['offline', 0xff, true, Status.offlineChunk, offline],
  ] as const)(
    'a reset of a chunk that is %s, mccap %i, early %s',
    async (state, mccap, early, status, after) => {
      const bench = await start({ mccap, earlyReset: early, initialChunks: [{ chk: 1, state }] });
      const outcome = await bench.finished(bench.reset({ chk: 1 }));
      expect([outcome.status, bench.chunk({ chk: 1 }).state]).toEqual([status, after]);
      expect(bench.flash.table.eraseCount[bench.block({ chk: 1 })]).toBe(status === Status.success ? 1 : 0);
    },
  );

  it('a reset of several does those that it can; the bits say which it could not', async () => {
    const bench = await start({
      initialChunks: [
        { grp: 0, pu: 0, state: 'closed' },
        { chk: 2, state: 'offline' },
      ],
    });
    const chunks = [{ chk: 0 }, { outside: true }, { chk: 1 }, { chk: 2 }, { chk: 1 }];
    const outcome = await bench.finished(bench.reset(chunks));
    expect([outcome.status, failed(outcome)]).toEqual([Status.invalidReset, [1, 3, 4]]);
    expect(range(0, 3).map((chk) => bench.chunk({ chk }).state)).toEqual([free, free, offline]);
  });

  it('at most MAXOC chunks are open, and MAXOCPU in a unit', async () => {
    const bench = await start({ maxOpenChunks: 3, maxOpenChunksPerPu: 2 });
    const write = async (...runs: ChunkRun[]) =>
      (await bench.finished(bench.write(runs.map((run) => ({ secs: 4, ...run }))))).status;
    expect(await write({ chk: 0 }, { chk: 1 })).toBe(Status.success);
    expect(await write({ chk: 2 })).toBe(Status.writeFault); // maxocpu
    expect(await write({ pu: 1, chk: 0 }, { pu: 1, chk: 1 })).toBe(Status.writeFault); // maxoc
    expect(await write({ pu: 1, chk: 0 })).toBe(Status.success);
    expect(await write({ grp: 1, chk: 0 })).toBe(Status.writeFault);
    expect(await write({ chk: 0, sec: 4, secs: 28 })).toBe(Status.success); // closes
    expect(await write({ grp: 1, chk: 0 })).toBe(Status.success);
    await bench.finished(bench.reset({ chk: 1 }));
    const again = await bench.crashed();
    expect((await again.finished(again.write({ chk: 3, secs: 4 }))).status).toBe(Status.success);
    const last = again.write({ chk: 4, secs: 4 });
    expect([(await again.finished(last)).status, rules(last)]).toEqual([Status.writeFault, ['open-chunks']]);
  });

  it('a write fault closes its chunk early; others are written; the next reset takes it offline', async () => {
    const bench = await start({ faults: { writes: [{ chk: 1, sec: 6, percent: 100 }], resets: [] } });
    await bench.finished(bench.write([{ chk: 1, secs: 4 }]));
    const outcome = await bench.finished(
      bench.write([
        { chk: 0, secs: 4 },
        { chk: 1, sec: 4, secs: 4 },
      ]),
    );
    expect([outcome.status, failed(outcome)]).toEqual([Status.chunkEarlyClose, [4, 5, 6, 7]]);
    expect(bench.chunk({ chk: 0 })).toEqual({ state: open, wp: 4 });
    expect(bench.chunk({ chk: 1 })).toEqual({ state: closed, wp: 4 });
    // All of a crash, and the data below the pointer can be read: a closed chunk has no cache.
    const again = await bench.crashed();
    expect(again.chunk({ chk: 1 })).toEqual({ state: closed, wp: 4 });
    expect(fills(await again.finished(again.read({ chk: 1, secs: 5 })))).toEqual([1, 2, 3, 4, 0]);
    const reset = await again.finished(again.reset({ chk: 1 }));
    expect([reset.status, again.chunk({ chk: 1 }).state]).toEqual([Status.offlineChunk, offline]);
    const last = await again.crashed();
    expect(last.chunk({ chk: 1 }).state).toBe(offline);
  });

  it('a reset fault takes the chunk offline', async () => {
    const bench = await start({
      faults: { writes: [], resets: [{ grp: 1, percent: 100 }] },
      initialChunks: [{ state: 'closed' }],
    });
    expect((await bench.finished(bench.reset({ grp: 0 }))).status).toBe(Status.success);
    expect((await bench.finished(bench.reset({ grp: 1 }))).status).toBe(Status.offlineChunk);
    expect((await (await bench.crashed()).chunk({ grp: 1 })).state).toBe(offline);
  });

  it('chunks wear: the index follows the erases, the last takes the chunk offline; far from the average is noticed', async () => {
    const bench = await start({ peCycles: 8, wearIndexThreshold: 40, mccap: Mccap.multipleResets });
    const indexes: number[] = [];
    const statuses: (number | undefined)[] = [];
    for (let i = 0; i < 8; i++) {
      statuses.push((await bench.finished(bench.reset({ chk: 3 }))).status);
      indexes.push(bench.flash.wear.index(bench.block({ chk: 3 })));
    }
    expect(indexes).toEqual([31, 63, 95, 127, 159, 191, 223, 255]);
    expect(statuses).toEqual([...new Array(7).fill(Status.success), Status.offlineChunk]);
    const { newestFirst } = bench.flash.notices;
    const lba = bench.flash.address.lbaOf(bench.block({ chk: 3 }), 0);
    // 63 is the first more than 40 from the average; the last notice is the chunk's end.
    expect(newestFirst.map(({ state }) => state)).toEqual([0x8, ...new Array(6).fill(0x100)]);
    expect(newestFirst.map(({ count }) => count)).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(newestFirst.every((notice) => notice.lba === lba && notice.mask === 2)).toBe(true);
    const again = await bench.crashed();
    expect(again.flash.wear.index(again.block({ chk: 3 }))).toBe(255);
  });

  it('keeps only the newest notices', async () => {
    const bench = await start({
      faults: { writes: [], resets: [{ percent: 100 }] },
      initialChunks: [{ state: 'closed' }],
    });
    let told = 0;
    bench.flash.notices.onnotice = () => told++;
    for (let i = 0; i < 100; i++) bench.flash.notices.add(i, 1, 2);
    expect(told).toBe(100);
    const { newestFirst } = bench.flash.notices;
    expect([newestFirst.length, newestFirst[0]?.count, newestFirst.at(-1)?.count]).toEqual([64, 100, 37]);
  });

  it('begins with the chunks asked for, on a new disk only', async () => {
    const bench = await start({
      initialChunks: [
        { grp: 1, state: 'closed', writePointer: 12 },
        { chk: 2, state: 'open', writePointer: 8, wearIndex: 51 },
        { grp: 0, pu: 1, chk: 3, state: 'offline' },
        { grp: 0, pu: 0, chk: 0, state: 'open' },
      ],
    });
    expect(bench.chunk({ grp: 1, chk: 1 })).toEqual({ state: closed, wp: 12 });
    expect(bench.chunk({ grp: 1, chk: 2 })).toEqual({ state: open, wp: 8 });
    expect(bench.chunk({ pu: 1, chk: 3 }).state).toBe(offline);
    expect(bench.chunk({})).toEqual({ state: open, wp: 4 });
    expect(bench.flash.wear.index(bench.block({ chk: 2 }))).toBe(51);
    // No data was stored: what counts as written reads as the pattern, even with DULBE.
    const read = await bench.finished(bench.read({ grp: 1, chk: 1, secs: 13 }, true));
    expect([failed(read), fills(read).slice(0, 12)]).toEqual([[12], new Array(12).fill(0)]);
    // It goes on from there, in the middle of a unit that was never stored.
    const write = await bench.finished(bench.write({ sec: 4, secs: 4 }, 5));
    expect(write.status).toBe(Status.success);
    await bench.finished(bench.reset({ grp: 1, chk: 1 }));
    const again = await bench.crashed();
    expect(again.chunk({ grp: 1, chk: 1 })).toEqual({ state: free, wp: 0 });
    expect(again.chunk({ grp: 1, chk: 2 })).toEqual({ state: open, wp: 8 });
    expect(again.chunk({ pu: 1, chk: 3 }).state).toBe(offline);
    expect(fills(await again.finished(again.read({ secs: 8 }, true)))).toEqual([0, 0, 0, 0, 5, 6, 7, 8]);
  });

  it('copies data and out-of-band bytes, by the rules of reading and of writing', async () => {
    const bench = await start();
    await bench.finished(bench.write({ secs: SECS }, 1));
    const copy = await bench.finished(bench.copy({ sec: 4, secs: 16 }, { grp: 1, chk: 1, secs: 16 }));
    expect([copy.status, bench.chunk({ grp: 1, chk: 1 })]).toEqual([Status.success, { state: open, wp: 16 }]);
    const read = await bench.finished(bench.read({ grp: 1, chk: 1, secs: 8 }, true));
    expect([read.status, fills(read), read.transfer.oob?.[0]]).toEqual([Status.success, range(5, 8), 6]);
    const again = await bench.finished(bench.copy({ secs: 16 }, { grp: 1, chk: 1, secs: 16 }));
    expect([again.status, failed(again).length]).toEqual([Status.outOfOrderWrite, 16]);
    const empty = await bench.finished(bench.copy({ chk: 5, secs: 4 }, { chk: 4, secs: 4 }, true));
    expect([empty.status, failed(empty)]).toEqual([Status.unwrittenBlock, [0, 1, 2, 3]]);
    expect(bench.chunk({ chk: 4 }).state).toBe(free);
  });

  it('after a crash, state, pointer, wear, data and out-of-band bytes agree', async () => {
    const bench = await start();
    await bench.finished(
      bench.write(
        [
          { chk: 0, secs: 32 },
          { chk: 1, secs: 12 },
          { pu: 1, chk: 1, secs: 4 },
        ],
        1,
      ),
    );
    await bench.finished(bench.reset({ chk: 0 }));
    await bench.finished(bench.write({ chk: 0, secs: 8 }, 100));
    const again = await bench.crashed();
    expect(again.flash.table.state).toEqual(bench.flash.table.state);
    expect(again.flash.table.writePointer).toEqual(bench.flash.table.writePointer);
    expect(again.flash.table.eraseCount).toEqual(bench.flash.table.eraseCount);
    const read = await again.finished(
      again.read(
        [
          { chk: 0, secs: 8 },
          { chk: 1, secs: 12 },
        ],
        true,
      ),
    );
    expect([read.status, fills(read)]).toEqual([Status.success, [...range(100, 8), ...range(33, 12)]]);
    expect(read.transfer.oob?.[16 * 8]).toBe(34);
  });

  it('after a failed commit nothing is acknowledged any more', async () => {
    const bench = await start();
    await bench.finished(bench.write({ secs: 4 }));
    bench.store.failCommitIn = 1;
    const lost = await bench.finished(bench.write({ sec: 4, secs: 4 }));
    expect([lost.status, failed(lost)]).toEqual([Status.internalError, [0, 1, 2, 3]]);
    expect((await bench.finished(bench.write({ sec: 8, secs: 4 }))).status).toBe(Status.internalError);
    expect((await bench.finished(bench.reset({}))).status).toBe(Status.internalError);
    const again = await bench.crashed();
    expect(again.chunk({})).toEqual({ state: open, wp: 4 });
  });
});

describe('chunks over a store that is slow', () => {
  it('a command that the host gave up touches neither its memory nor the medium', async () => {
    const bench = await ChunkBench.open({}, 'held');
    bench.write({ secs: 4 }, 1);
    await bench.store.releaseAll();
    const late = await ChunkBench.open({}, bench.store.reopened('held'));
    const read = late.read({ secs: 4 });
    const write = late.write({ sec: 4, secs: 4 });
    read.transfer.abandoned = true;
    write.transfer.abandoned = true;
    await late.store.releaseAll();
    expect([read.status, write.status]).toEqual([Status.abortedByRequest, Status.abortedByRequest]);
    expect(read.transfer.data.every((byte) => byte === 0xee)).toBe(true);
    expect(late.chunk({}).wp).toBe(4);
  });

  it('copies need bounded memory: a few are under way, the others follow in their order', async () => {
    const bench = await ChunkBench.open();
    await bench.finished(bench.write({ secs: 32 }, 1));
    const late = await ChunkBench.open({}, bench.store.reopened('held'));
    const copies = Array.from({ length: 22 }, (_, i) =>
      // 22 chunks of four units, beginning with those that are free
      late.copy({ sec: 4, secs: 4 }, { grp: 1 - (i % 2), pu: (i >> 1) % 2, chk: 5 - (i >> 2), secs: 4 }),
    );
    for (const { transfer } of copies.slice(20)) transfer.abandoned = true;
    await late.store.releaseAll();
    expect(copies.map(({ status }) => status)).toEqual([
      ...new Array<number>(20).fill(Status.success),
      Status.abortedByRequest,
      Status.abortedByRequest,
    ]);
  });

  it('thousands of copies that end at once do not pile up', async () => {
    const bench = await ChunkBench.open();
    await bench.finished(bench.write({ secs: 32 }, 1));
    const late = await ChunkBench.open({}, bench.store.reopened('held'));
    const from = { sec: 4, secs: 1 };
    const copies = Array.from({ length: 10_000 }, () => late.copy(from, { chk: 1, secs: 1 }));
    for (const { transfer } of copies) transfer.abandoned = true;
    await late.store.releaseAll();
    expect(copies.every(({ status }) => status === Status.abortedByRequest)).toBe(true);
  });

  it('units that cannot be read end the command; the rest of the vector is told apart', async () => {
    const bench = await ChunkBench.open();
    await bench.finished(bench.write([{ secs: 32 }, { chk: 1, secs: 32 }, { chk: 2, secs: 4 }], 1));
    const again = await bench.crashed();
    again.store.unreadable.add(again.flash.array.unitOf(again.block({}), 0));
    again.store.unreadable.add(again.flash.array.unitOf(again.block({ chk: 2 }), 0));
    const read = await again.finished(again.read([{ secs: 2 }, { chk: 1, secs: 2 }]));
    expect([read.status, failed(read).slice(0, 2)]).toEqual([Status.eccFailure, [0, 1]]);
    const write = await again.finished(again.write({ chk: 2, sec: 4, secs: 4 }));
    expect([write.status, failed(write)]).toEqual([Status.internalError, [0, 1, 2, 3]]);
    expect(again.chunk({ chk: 2 }).wp).toBe(4);
  });
});
