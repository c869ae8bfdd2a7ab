import { describe, expect, it, vi } from 'vitest';
import type { MediaCommit, StoreError } from '../flash/media-store.ts';
import { SimTime } from '../../test/crash/sim-time.ts';
import { EMPTY, SimDisk } from '../../test/crash/sim-disk.ts';
import { Random } from '../../test/fuzz/random.ts';
import { MemoryCatalogue } from './memory.ts';
import { WriteCache } from './write-cache.ts';

const UNIT_BYTES = 1024 * 1024;
const COMMIT_MS = 10;

function setUp(mode: 'writeback' | 'unsafe') {
  const time = new SimTime();
  const delays = { commitMs: [COMMIT_MS, COMMIT_MS], readMs: [1, 1] } as const;
  const disk = new SimDisk(
    { unitBytes: UNIT_BYTES, totalUnits: 1000, time, random: new Random(1), delays },
    EMPTY,
  );
  return { time, disk, cache: new WriteCache(disk, mode, time) };
}

const unit = (number: number, value = number) => ({
  unit: number,
  bytes: new Uint8Array(UNIT_BYTES).fill(value),
});
const put = (...numbers: number[]): MediaCommit => ({
  erased: [],
  units: numbers.map((number) => unit(number)),
  shards: [],
});
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets time pass in steps, with turns of the event loop between them. */
async function pass(time: SimTime, ms: number): Promise<void> {
  const end = time.nowMs() + ms;
  while (time.nextMs <= end) {
    time.step();
    await turn();
  }
  time.pass(end - time.nowMs());
  await turn();
}

describe('writeback', () => {
  it('answers at once, and stores what was gathered for a tenth of a second', async () => {
    const { time, disk, cache } = setUp('writeback');
    expect(cache.commit(put(1), 'relaxed')).toBeUndefined();
    await pass(time, 60);
    expect(cache.commit(put(2), 'relaxed')).toBeUndefined();
    expect([disk.commits, cache.unstored, cache.unstoredBytes]).toEqual([0, 2, 2 * UNIT_BYTES]);
    await pass(time, 39);
    expect(disk.platter.units.size).toBe(0);
    await pass(time, 1 + COMMIT_MS);
    expect([disk.commits, cache.unstored, [...disk.platter.units.keys()]]).toEqual([1, 0, [1, 2]]);
  });

  it('has the version of what is stored', async () => {
    const { time, cache } = setUp('writeback');
    void cache.commit(put(1), 'relaxed');
    void cache.commit(put(2), 'relaxed');
    expect(cache.version()).toEqual({ epoch: 1, commits: 0 });
    await pass(time, 100 + COMMIT_MS);
    expect(cache.version()).toEqual({ epoch: 1, commits: 1 });
    expect(cache.summary.commits).toBe(1);
  });

  it('answers no more than 16 MiB before they are stored', async () => {
    const { time, cache } = setUp('writeback');
    for (let i = 0; i < 16; i++) expect(cache.commit(put(i), 'relaxed')).toBeUndefined();
    let answered = false;
    const waiting = cache.commit(put(16), 'relaxed') as Promise<void>;
    void waiting.then(() => (answered = true));
    await turn();
    expect(answered).toBe(false);
    await pass(time, 2 * COMMIT_MS);
    expect(answered).toBe(true);
  });

  it('answers nothing while something is half a second old', async () => {
    const { time, disk, cache } = setUp('writeback');
    disk.stallMs = 2000;
    void cache.commit(put(1), 'relaxed');
    await pass(time, 499);
    expect(cache.commit(put(2), 'relaxed')).toBeUndefined();
    await pass(time, 2);
    const late = cache.commit(put(3), 'relaxed');
    expect(late).toBeInstanceOf(Promise);
    await pass(time, 5000);
    await late;
  });

  it('lets a flush wait until everything is stored, hard', async () => {
    const { time, disk, cache } = setUp('writeback');
    const hard: string[] = [];
    const commit = disk.commit.bind(disk);
    vi.spyOn(disk, 'commit').mockImplementation((what, durability) => {
      hard.push(durability);
      return commit(what, durability);
    });
    void cache.commit(put(1), 'relaxed');
    await pass(time, 101);
    // Under way now, and not hard: one that is follows.
    const flushed = cache.commit({ erased: [], units: [], shards: [] }, 'strict') as Promise<void>;
    let done = false;
    void flushed.then(() => (done = true));
    await pass(time, COMMIT_MS - 1);
    expect([done, hard]).toEqual([false, ['relaxed', 'strict']]);
    await pass(time, COMMIT_MS);
    expect(done).toBe(true);
  });

  it('is writethrough while the host has switched the cache off, and stores what waited', async () => {
    const { time, disk, cache } = setUp('writeback');
    void cache.commit(put(1), 'relaxed');
    cache.writeCache = false;
    await pass(time, COMMIT_MS);
    expect(disk.commits).toBe(1);
    const answer = cache.commit(put(2), 'relaxed');
    expect(answer).toBeInstanceOf(Promise);
    await pass(time, COMMIT_MS);
    await answer;
    expect(disk.commits).toBe(2);
    cache.writeCache = true;
    expect(cache.commit(put(3), 'relaxed')).toBeUndefined();
  });

  it('reads what waits, what is erased and what is stored', async () => {
    const { time, cache } = setUp('writeback');
    void cache.commit(put(1, 2, 3), 'relaxed');
    await pass(time, 100 + COMMIT_MS);
    void cache.commit({ erased: [{ first: 1, count: 2 }], units: [unit(2, 9)], shards: [] }, 'relaxed');
    expect(cache.readUnit(1)).toBeUndefined();
    expect((cache.readUnit(2) as Uint8Array)[0]).toBe(9);
    const stored = cache.readUnit(3) as Promise<Uint8Array>;
    await pass(time, 1);
    expect((await stored)[0]).toBe(3);
  });

  it('refuses what cannot be stored before it answers', async () => {
    const { cache } = setUp('writeback');
    await expect(cache.commit(put(1000), 'relaxed')).rejects.toMatchObject({ code: 'corrupt' });
    expect(cache.unstored).toBe(0);
  });

  it('takes nothing more after storing failed, tells it once, and still shows what was lost', async () => {
    const { time, disk, cache } = setUp('writeback');
    const told: string[] = [];
    cache.onfailure = (error: StoreError) => told.push(error.code);
    void cache.commit(put(1), 'relaxed');
    disk.failCommit = 'quota';
    await pass(time, 100 + COMMIT_MS);
    await expect(cache.commit(put(2), 'relaxed')).rejects.toMatchObject({ code: 'quota' });
    await expect(cache.commit(put(3), 'strict')).rejects.toMatchObject({ code: 'quota' });
    expect(told).toEqual(['quota']);
    expect((cache.readUnit(1) as Uint8Array)[0]).toBe(1);
    await cache.close();
  });

  it('stores all that waits before it closes, and says when it cannot', async () => {
    const first = setUp('writeback');
    void first.cache.commit(put(1), 'relaxed');
    const closing = first.cache.close();
    await pass(first.time, COMMIT_MS);
    await closing;
    expect(first.disk.platter.units.size).toBe(1);
    const second = setUp('writeback');
    void second.cache.commit(put(1), 'relaxed');
    second.disk.failCommit = 'io';
    const failing = expect(second.cache.close()).rejects.toMatchObject({ code: 'io' });
    await pass(second.time, COMMIT_MS);
    await failing;
  });

  it('is gone with the power', async () => {
    const { time, disk, cache } = setUp('writeback');
    void cache.commit(put(1), 'relaxed');
    cache.discard();
    await cache.close();
    await pass(time, 1000);
    expect([disk.commits, cache.unstored]).toEqual([0, 0]);
  });

  it('shows a disk in memory as it was when that was told, though units change in place', async () => {
    const catalogue = new MemoryCatalogue();
    const spec = { name: 'd', deviceLine: '', sizeBytes: 2 ** 30, unitBytes: UNIT_BYTES, totalUnits: 1000 };
    const { id } = await catalogue.create(spec);
    const cache = new WriteCache(await catalogue.open(id), 'writeback');
    const changing = unit(1);
    void cache.commit({ erased: [], units: [changing], shards: [] }, 'relaxed');
    await cache.settle();
    changing.bytes.fill(77);
    cache.discard();
    await cache.close();
    const again = await catalogue.open(id);
    expect((again.readUnit(1) as Uint8Array)[0]).toBe(1);
  });
});

describe('unsafe', () => {
  it('keeps all in memory, flushed or not, until it is closed', async () => {
    const { time, disk, cache } = setUp('unsafe');
    for (let i = 0; i < 40; i++) expect(cache.commit(put(i), 'strict')).toBeUndefined();
    await pass(time, 60_000);
    expect([disk.commits, cache.unstored]).toEqual([0, 40]);
    const closing = cache.close();
    await pass(time, 10 * COMMIT_MS);
    await closing;
    // In groups of 16 MiB, one after the other.
    expect([disk.commits, disk.platter.units.size]).toEqual([3, 40]);
  });

  it('stores the oldest when 256 MiB wait', async () => {
    const { time, disk, cache } = setUp('unsafe');
    for (let i = 0; i < 256; i++) expect(cache.commit(put(i), 'relaxed')).toBeUndefined();
    const answer = cache.commit(put(256), 'relaxed');
    expect(answer).toBeInstanceOf(Promise);
    await pass(time, COMMIT_MS);
    await answer;
    expect([disk.commits, disk.platter.units.size]).toEqual([1, 16]);
  });
});
