import { describe, expect, it } from 'vitest';
import { FakeStore, settle } from '../../test/fakes/fake-store.ts';
import { StoreError } from './media-store.ts';
import { UnitStore } from './unit-store.ts';

const UNIT_BYTES = 64;
const unitOf = (value: number) => new Uint8Array(UNIT_BYTES).fill(value);

function makeStore(mode: 'sync' | 'soon' | 'held', unitBytes = UNIT_BYTES) {
  const store = new FakeStore(mode);
  const units = new UnitStore(store, unitBytes);
  units.keepShards(0, 256, (shard) => Uint8Array.of(shard));
  return { store, units };
}

/** A commit whose answer is noted. */
function commit(units: UnitStore, durability: 'relaxed' | 'strict' = 'relaxed') {
  const outcome: { stored?: boolean } = {};
  units.commit(durability, (stored) => {
    if (outcome.stored !== undefined) throw new Error('answered twice');
    outcome.stored = stored;
  });
  return outcome;
}

/** Asks until the unit is there. */
async function load(units: UnitStore, unit: number): Promise<Uint8Array | undefined> {
  for (;;) {
    const answer = units.get(unit);
    if (!(answer instanceof Promise)) return answer;
    await answer;
  }
}

describe('group commit', () => {
  it('answers at once from a store that does', () => {
    const { store, units } = makeStore('sync');
    units.put(1, unitOf(1));
    units.touchShard(0);
    expect(commit(units)).toEqual({ stored: true });
    expect(store.commits).toEqual([{ units: [1], erased: [], shards: [0], durability: 'relaxed' }]);
    expect(units.pendingCommits).toBe(0);
  });

  it('gives the commands of one turn one transaction', async () => {
    const { store, units } = makeStore('soon');
    const outcomes = [1, 2, 3].map((unit) => {
      units.put(unit, unitOf(unit));
      return commit(units);
    });
    expect(units.pendingCommits).toBe(3);
    await settle();
    expect(store.commits).toHaveLength(1);
    expect(store.commits[0]?.units).toEqual([1, 2, 3]);
    expect(outcomes).toEqual([{ stored: true }, { stored: true }, { stored: true }]);
    expect(units.pendingCommits).toBe(0);
  });

  it('has one transaction under way; what comes meanwhile shares the next', async () => {
    const { store, units } = makeStore('held');
    units.put(1, unitOf(1));
    const first = commit(units);
    await settle();
    units.put(2, unitOf(2));
    const second = commit(units);
    await settle();
    units.put(3, unitOf(3));
    const third = commit(units, 'strict');
    await settle();
    expect(store.waitingCommits).toBe(1);
    expect(units.pendingCommits).toBe(3);
    await store.releaseCommits(1);
    expect([first, second, third]).toEqual([{ stored: true }, {}, {}]);
    await store.releaseCommits(1);
    expect([second, third]).toEqual([{ stored: true }, { stored: true }]);
    expect(store.commits.map((c) => [c.units, c.durability])).toEqual([
      [[1], 'relaxed'],
      [[2, 3], 'strict'],
    ]);
    expect(store.overlaps).toBe(0);
  });

  it('packs each shard once, as it is when the commit begins', async () => {
    const store = new FakeStore('soon');
    let version = 1;
    const units = new UnitStore(store, UNIT_BYTES);
    units.keepShards(0, 8, () => Uint8Array.of(version));
    units.touchShard(7);
    units.touchShard(7);
    commit(units);
    version = 2;
    await settle();
    expect(store.commits[0]?.shards).toEqual([7]);
    expect(store.shards.get(7)).toEqual(Uint8Array.of(2));
  });

  it('passes a flush on although nothing changed', async () => {
    const { store, units } = makeStore('soon');
    const outcome = commit(units, 'strict');
    await settle();
    expect(outcome).toEqual({ stored: true });
    expect(store.commits).toEqual([{ units: [], erased: [], shards: [], durability: 'strict' }]);
  });

  it('erases before it puts, and forgets what was put before the erase', () => {
    const { store, units } = makeStore('sync');
    for (const unit of [4, 5]) units.put(unit, unitOf(1));
    commit(units);
    units.put(4, unitOf(2));
    units.erase(4, 2);
    units.put(5, unitOf(3));
    commit(units);
    expect(store.units.get(4)).toBeUndefined();
    expect(store.units.get(5)).toEqual(unitOf(3));
  });
});

describe('a failed commit', () => {
  it.each(['sync', 'soon'] as const)('fails all later ones and keeps reads (%s)', async (mode) => {
    const { store, units } = makeStore(mode);
    const told: StoreError[] = [];
    units.onfailure = (error) => told.push(error);
    units.put(1, unitOf(1));
    commit(units);
    await settle();
    store.failCommitIn = 1;
    units.put(2, unitOf(2));
    const failed = commit(units);
    await settle();
    expect(failed).toEqual({ stored: false });
    units.put(3, unitOf(3));
    expect(commit(units)).toEqual({ stored: false });
    expect(commit(units, 'strict')).toEqual({ stored: false });
    await settle();
    expect(store.commits).toHaveLength(1);
    expect(units.failure).toBe(store.commitError);
    expect(told).toEqual([store.commitError]);
    expect(await load(units, 1)).toEqual(unitOf(1));
    expect(await load(units, 2)).toEqual(unitOf(2));
  });

  it('also fails those that wait for the next transaction, and keeps what they changed readable', async () => {
    const { store, units } = makeStore('held');
    store.failCommitIn = 1;
    units.put(1, unitOf(1));
    const first = commit(units);
    await settle();
    units.put(2, unitOf(2));
    const second = commit(units);
    await store.releaseCommits();
    expect([first, second]).toEqual([{ stored: false }, { stored: false }]);
    expect(store.waitingCommits).toBe(0);
    expect(units.get(2)).toEqual(unitOf(2));
  });

  it('that throws something else is one as well', () => {
    const { store, units } = makeStore('sync');
    store.failCommitIn = 1;
    store.commitError = new TypeError('a defect') as unknown as StoreError;
    expect(commit(units)).toEqual({ stored: false });
    expect(units.failure).toBeInstanceOf(TypeError);
  });
});

describe('reads', () => {
  it('see what is not stored yet, the newest first', async () => {
    const { store, units } = makeStore('held');
    units.put(1, unitOf(1));
    commit(units);
    expect(units.get(1)).toEqual(unitOf(1));
    await settle();
    expect(units.get(1)).toEqual(unitOf(1));
    units.put(1, unitOf(2));
    expect(units.get(1)).toEqual(unitOf(2));
    expect(store.reads).toEqual([]);
  });

  it('share one request, and ask no second time', async () => {
    const { store, units } = makeStore('held');
    store.units.set(9, unitOf(9));
    const a = units.get(9);
    const b = units.get(9);
    expect(a).toBeInstanceOf(Promise);
    expect(b).toBe(a);
    await store.releaseReads();
    expect(units.get(9)).toEqual(unitOf(9));
    expect(store.reads).toEqual([9]);
  });

  it('ask once for a unit that does not exist', async () => {
    const { store, units } = makeStore('soon');
    expect(await load(units, 3)).toBeUndefined();
    expect(units.get(3)).toBeUndefined();
    expect(store.reads).toEqual([3]);
  });

  it('are answered from memory right after the write', async () => {
    const { store, units } = makeStore('soon');
    units.put(1, unitOf(1));
    commit(units);
    await settle();
    expect(units.get(1)).toEqual(unitOf(1));
    expect(store.reads).toEqual([]);
  });

  it('that fail may be tried again', async () => {
    const { store, units } = makeStore('soon');
    store.units.set(1, unitOf(1));
    store.unreadable.add(1);
    await expect(units.get(1)).rejects.toThrow(StoreError);
    store.unreadable.delete(1);
    expect(await load(units, 1)).toEqual(unitOf(1));
  });

  it('that fail at once are rejections too, so that a caller has one way to fail', async () => {
    const { store, units } = makeStore('sync');
    store.unreadable.add(1);
    await expect(units.get(1)).rejects.toThrow(StoreError);
  });

  it('drop what an erase has overtaken', async () => {
    const { store, units } = makeStore('held');
    store.units.set(1, unitOf(1));
    const loading = units.get(1);
    units.erase(1, 1);
    units.put(1, unitOf(2));
    commit(units);
    await settle();
    await store.releaseCommits();
    await store.releaseReads();
    await loading;
    expect(await load(units, 1)).toEqual(unitOf(2));
  });

  it('drop what a write has overtaken, even when they come back after it was stored', async () => {
    const { store, units } = makeStore('held');
    store.units.set(1, unitOf(1));
    const loading = units.get(1);
    units.put(1, unitOf(2));
    commit(units);
    await settle();
    await store.releaseCommits();
    await store.releaseReads();
    await loading;
    expect(await load(units, 1)).toEqual(unitOf(2));
  });

  it('do not bring back what was erased while its write was under way', async () => {
    const { store, units } = makeStore('held');
    units.put(1, unitOf(1));
    commit(units);
    await settle();
    units.erase(1, 1);
    commit(units);
    await store.releaseAll();
    const answer = units.get(1);
    await store.releaseReads();
    await answer;
    expect(units.get(1)).toBeUndefined();
  });
});

describe('the cache', () => {
  const LARGE = 1024 * 1024; // 32 MiB / 1 MiB is below the least of 128 units
  it('is bounded, and keeps what was used last', async () => {
    const { store, units } = makeStore('soon', LARGE);
    for (let unit = 0; unit < 128; unit++) await load(units, unit);
    await load(units, 0); // used again: now the youngest
    await load(units, 128);
    store.reads.length = 0;
    expect(units.get(0)).toBeUndefined();
    expect(store.reads).toEqual([]);
    expect(units.get(1)).toBeInstanceOf(Promise);
    expect(store.reads).toEqual([1]);
  });

  it('is bounded for what was written as well', async () => {
    const { store, units } = makeStore('soon', LARGE);
    for (let unit = 0; unit < 200; unit++) units.put(unit, unitOf(unit));
    commit(units);
    await settle();
    for (let unit = 0; unit < 200; unit++) void units.get(unit);
    expect(store.reads).toHaveLength(200 - 128);
  });

  it('holds 32 MiB of small units', async () => {
    const { store, units } = makeStore('soon', 32 * 1024);
    for (let unit = 0; unit < 1024; unit++) await load(units, unit);
    store.reads.length = 0;
    expect(units.get(0)).toBeUndefined();
    expect(store.reads).toEqual([]);
  });
});
