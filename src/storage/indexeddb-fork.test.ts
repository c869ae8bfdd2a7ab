import { IDBFactory, IDBKeyRange, IDBObjectStore } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import type { DiskSpec, OpenDisk } from './catalogue.ts';
import { FakeLocks } from './fake-locks.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { WriteCache } from './write-cache.ts';

/** What becomes of databases when disks are forked: which there are, and what a tab that dies leaves. */

const spec: DiskSpec = { name: 'd', deviceLine: 'nvme', sizeBytes: 1e6, unitBytes: 16, totalUnits: 100_000 };
const filled = (value: number): Uint8Array => new Uint8Array(16).fill(value);
const put = (value: number, ...units: number[]): MediaCommit => ({
  erased: [],
  units: units.map((unit) => ({ unit, bytes: filled(value) })),
  shards: [{ shard: 0, bytes: filled(value) }],
});
const erase = (first: number, count: number): MediaCommit => ({
  erased: [{ first, count }],
  units: [],
  shards: [],
});

let indexedDB: IDBFactory;
let env: { indexedDB: IDBFactory; keyRange: typeof IDBKeyRange; locks: FakeLocks; openTimeoutMs: number };
let catalogue: IndexedDbCatalogue;

beforeEach(() => {
  indexedDB = new IDBFactory();
  env = { indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks(), openTimeoutMs: 5000 };
  catalogue = new IndexedDbCatalogue(env);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const databases = async (): Promise<string[]> =>
  (await indexedDB.databases()).map(({ name }) => name as string).sort();

async function made(...commits: MediaCommit[]): Promise<string> {
  const { id } = await catalogue.create(spec);
  await written(id, ...commits);
  return id;
}

async function written(id: string, ...commits: MediaCommit[]): Promise<void> {
  const disk = await catalogue.open(id);
  for (const commit of commits) await disk.commit(commit, 'relaxed');
  await disk.close();
}

/** The first bytes of units 0 to 9 of a disk: -1 for none. */
async function valuesOf(disk: OpenDisk): Promise<number[]> {
  const units = await Promise.all(Array.from({ length: 10 }, (_, unit) => disk.readUnit(unit)));
  expect(units.filter((bytes) => bytes !== undefined)).toHaveLength(disk.unitsStored());
  return units.map((bytes) => bytes?.[0] ?? -1);
}

async function valuesIn(from: IndexedDbCatalogue, id: string): Promise<number[]> {
  const disk = await from.open(id);
  const values = await valuesOf(disk);
  await disk.close();
  return values;
}

/** The same databases, whose openings are told of later. */
function slowly(delayMs: () => number): IDBFactory {
  return new Proxy(indexedDB, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      if (name !== 'open') return name === 'deleteDatabase' ? value.bind(target) : value;
      return (database: string, version?: number) => {
        const request = target.open(database, version);
        let listener: ((event: Event) => void) | undefined;
        request.addEventListener('success', (event) => setTimeout(() => listener?.(event), delayMs()));
        Object.defineProperty(request, 'onsuccess', {
          set: (late: (event: Event) => void) => (listener = late),
        });
        return request;
      };
    },
  });
}

/** A record of the catalogue, by a stranger. */
function enter(store: 'disks' | 'pins', key: string, record: unknown): Promise<void> {
  return new Promise((resolve) => {
    indexedDB.open('lightnvm-lab:catalogue').onsuccess = ({ target }) => {
      const db = (target as IDBOpenDBRequest).result;
      const tx = db.transaction(store, 'readwrite');
      tx.objectStore(store).put(record, key);
      tx.oncomplete = () => resolve();
      db.close();
    };
  });
}

/** A store of the catalogue's database, as it is. */
function stored(name: 'disks' | 'pins' | 'garbage'): Promise<Map<string, Record<string, unknown>>> {
  return new Promise((resolve) => {
    indexedDB.open('lightnvm-lab:catalogue').onsuccess = ({ target }) => {
      const db = (target as IDBOpenDBRequest).result;
      const store = db.transaction(name).objectStore(name);
      store.getAllKeys().onsuccess = ({ target: keys }) => {
        store.getAll().onsuccess = ({ target: records }) => {
          db.close();
          const all = (records as IDBRequest<Record<string, unknown>[]>).result;
          const names = (keys as IDBRequest<string[]>).result;
          resolve(new Map(names.map((key, i) => [key, all[i] as Record<string, unknown>])));
        };
      };
    };
  });
}

/** Nothing is there that nobody needs, and all is there that somebody does. */
async function expectNothingLeaked(): Promise<void> {
  const needed = new Set<string>();
  for (const [id, { generation, bases = [] }] of await stored('disks'))
    for (const layer of [`${id}:${String(generation)}`, ...(bases as string[])])
      needed.add(`lightnvm-lab:disk:${layer}`);
  for (const { layers } of (await stored('pins')).values())
    for (const layer of layers as string[]) needed.add(`lightnvm-lab:disk:${layer}`);
  expect(await databases()).toEqual(['lightnvm-lab:catalogue', ...needed].sort());
  expect([...(await stored('garbage')).keys()]).toEqual([]);
}

async function removeAll(from: IndexedDbCatalogue): Promise<void> {
  for (const { id } of await from.list()) {
    await from.remove(id);
    await expectNothingLeaked();
  }
  for (const { pin } of await from.pins()) {
    await from.unpin(pin);
    await expectNothingLeaked();
  }
  expect(await databases()).toEqual(['lightnvm-lab:catalogue']);
}

describe('databases of forked disks', () => {
  it('are one that both read, and one of each', async () => {
    const id = await made(put(1, 0, 1));
    const fork = await catalogue.fork(id, 'fork');
    expect(await databases()).toEqual(
      [
        'lightnvm-lab:catalogue',
        `lightnvm-lab:disk:${id}:1`,
        `lightnvm-lab:disk:${id}:2`,
        `lightnvm-lab:disk:${fork.id}:1`,
      ].sort(),
    );
    await written(fork.id, put(2, 1));
    await written(id, put(3, 2));
    await expectNothingLeaked();
    await catalogue.remove(id);
    expect(await databases()).toEqual(
      ['lightnvm-lab:catalogue', `lightnvm-lab:disk:${id}:1`, `lightnvm-lab:disk:${fork.id}:1`].sort(),
    );
    expect((await valuesIn(catalogue, fork.id)).slice(0, 3)).toEqual([1, 2, -1]);
    await catalogue.wipe(fork.id);
    expect(await databases()).toEqual(['lightnvm-lab:catalogue', `lightnvm-lab:disk:${fork.id}:2`]);
    await removeAll(catalogue);
  });

  it('are no more for a disk that was not written since the last fork', async () => {
    const id = await made(put(1, 0));
    const fork = await catalogue.fork(id, 'fork');
    const before = await databases();
    const pin = await catalogue.pin(id);
    const again = await catalogue.pin(fork.id);
    expect(await databases()).toEqual(before);
    const third = await catalogue.fork(id, 'third');
    expect(await databases()).toHaveLength(before.length + 1);
    await expectNothingLeaked();
    await written(id, put(2, 0));
    expect((await valuesIn(catalogue, third.id))[0]).toBe(1);
    await catalogue.remove(fork.id);
    await catalogue.remove(third.id);
    const fromPin = await catalogue.forkPin(again.pin, 'from a pin');
    expect((await valuesIn(catalogue, fromPin.id))[0]).toBe(1);
    expect((await valuesIn(catalogue, (await catalogue.forkPin(pin.pin, 'and another')).id))[0]).toBe(1);
    await removeAll(catalogue);
  });

  it('make a chain of which nothing is lost, whatever goes first', async () => {
    const ids = [await made(put(0, ...Array.from({ length: 10 }, (_, i) => i)))];
    for (let i = 1; i < 6; i++) {
      const { id } = await catalogue.fork(ids[i - 1] as string, `${i}`);
      await written(id, put(10 + i, i), erase(9 - (i % 2), 1));
      ids.push(id);
    }
    const expected = await Promise.all(ids.map((id) => valuesIn(catalogue, id)));
    expect(expected[5]).toEqual([0, 11, 12, 13, 14, 15, 0, 0, -1, -1]);
    for (const [i, id] of ids.entries()) {
      if (i % 2 === 0) await catalogue.remove(id);
      else expect(await valuesIn(catalogue, id)).toEqual(expected[i]);
    }
    for (const i of [1, 3, 5]) expect(await valuesIn(catalogue, ids[i] as string)).toEqual(expected[i]);
    await removeAll(catalogue);
  });

  it('are let go, at an opening, when nothing of the disk is in them any more', async () => {
    const id = await made(put(1, 0, 1), put(1, 9));
    const fork = await catalogue.fork(id, 'fork');
    await written(id, put(2, 0));
    await catalogue.fork(id, 'of the second layer');
    await written(id, put(3, 1), erase(9, 1));
    expect((await stored('disks')).get(id)).toEqual({ generation: 3, bases: [`${id}:2`, `${id}:1`] });
    await written(id, put(4, 2));
    // Unit 0 is in the second, and the first has nothing that counts.
    expect((await stored('disks')).get(id)).toEqual({ generation: 3, bases: [`${id}:2`] });
    expect((await valuesIn(catalogue, id)).slice(0, 3)).toEqual([2, 3, 4]);
    await written(id, put(5, 0));
    expect((await valuesIn(catalogue, id)).slice(0, 3)).toEqual([5, 3, 4]);
    expect((await stored('disks')).get(id)).toEqual({ generation: 3 });
    expect((await valuesIn(catalogue, fork.id)).slice(0, 3)).toEqual([1, 1, -1]);
    await expectNothingLeaked();
    // And it can be forked again as any other.
    const again = await catalogue.fork(id, 'again');
    await written(id, erase(0, 9));
    expect((await valuesIn(catalogue, again.id)).slice(0, 3)).toEqual([5, 3, 4]);
    await removeAll(catalogue);
  });

  it('read each with one transaction for all that is asked for together', async () => {
    const id = await made(put(1, 0, 1, 2, 3, 4));
    const fork = await catalogue.fork(id, 'fork');
    await written(fork.id, put(2, 5, 6, 7));
    const disk = await catalogue.open(fork.id);
    const real = IDBObjectStore.prototype.get;
    const transactions = new Set<IDBTransaction>();
    vi.spyOn(IDBObjectStore.prototype, 'get').mockImplementation(function (this: IDBObjectStore, ...args) {
      transactions.add(this.transaction);
      return real.apply(this, args as Parameters<typeof real>);
    });
    expect((await valuesOf(disk)).slice(0, 8)).toEqual([1, 1, 1, 1, 1, 2, 2, 2]);
    expect(transactions.size).toBe(2);
    await disk.close();
  });

  it('say when the one below is missing, and can be removed all the same', async () => {
    const id = await made(put(1, 0));
    const fork = await catalogue.fork(id, 'fork');
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(`lightnvm-lab:disk:${id}:1`).onsuccess = resolve;
    });
    for (const one of [id, fork.id]) {
      await expect(catalogue.open(one)).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringContaining('forked') as string,
      });
      await catalogue.remove(one);
    }
    expect(env.locks.held()).toEqual([]);
    await removeAll(catalogue);
  });

  it('are refused when the catalogue and the disk disagree about what is below', async () => {
    const id = await made(put(1, 0));
    await catalogue.fork(id, 'fork');
    await enter('disks', id, { generation: 2 });
    await expect(catalogue.open(id)).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('are not forked for ever', async () => {
    const id = await made(put(1, 0));
    const bases = Array.from({ length: 250 }, () => `${id}:1`);
    await catalogue.fork(id, 'fork');
    await enter('disks', id, { generation: 2, bases });
    await written(id, put(2, 0));
    await enter('disks', id, { generation: 2, bases });
    await expect(catalogue.fork(id, 'x')).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/^[A-Z].*250 times.*\.$/) as string,
    });
    expect(await databases()).not.toContain(`lightnvm-lab:disk:${id}:3`);
  });

  it('are as good as before with records of strangers beside them', async () => {
    const id = await made(put(1, 0));
    const { pin } = await catalogue.pin(id);
    const junk: unknown[] = [null, 1, 'x', [], {}, { layers: [] }, { layers: ['x:1'] }, { layers: 'x:1' }];
    const good = (await stored('pins')).get(pin) as Record<string, unknown>;
    for (const field of Object.keys(good))
      junk.push({ ...good, [field]: {} }, { ...good, [field]: undefined });
    junk.push({ ...good, layers: ['no layer'] }, { ...good, layers: [1] }, { ...good, unitBytes: -1 });
    for (const [i, record] of junk.entries()) await enter('pins', `junk${i}`, record);
    for (const bases of [1, 'x:1', {}, [1], ['no layer'], [null]])
      await enter('disks', `junk${JSON.stringify(bases)}`, { generation: 1, bases });
    expect((await catalogue.pins()).map((one) => one.pin)).toEqual([pin]);
    expect((await catalogue.list()).map((row) => row.id)).toEqual([id]);
    await expect(catalogue.forkPin('junk0', 'x')).rejects.toMatchObject({ code: 'missing' });
    await enter('pins', 'extra', { ...good, evil: 1 });
    expect(Object.keys((await catalogue.pins()).find((one) => one.pin === 'extra') ?? {})).not.toContain(
      'evil',
    );
    expect((await valuesIn(catalogue, (await catalogue.forkPin(pin, 'fork')).id))[0]).toBe(1);
  });
});

describe('a disk that was never forked', () => {
  it('commits with the requests that it takes, and opens one database', async () => {
    const id = await made(put(1, 0));
    const opening = vi.spyOn(indexedDB, 'open');
    const disk = await catalogue.open(id);
    expect(opening.mock.calls.map(([name]) => name)).toEqual([
      'lightnvm-lab:catalogue',
      `lightnvm-lab:disk:${id}:1`,
    ]);
    const asked: string[] = [];
    for (const method of ['get', 'put', 'delete'] as const) {
      const real = IDBObjectStore.prototype[method] as (...args: unknown[]) => IDBRequest;
      vi.spyOn(IDBObjectStore.prototype, method).mockImplementation(function (
        this: IDBObjectStore,
        ...args: unknown[]
      ) {
        asked.push(`${method} ${this.name}`);
        return real.apply(this, args) as never;
      });
    }
    await disk.commit({ ...put(2, 0, 1), erased: [{ first: 0, count: 5 }] }, 'relaxed');
    // The two units are one piece, and the rest is the journal's.
    expect(asked).toEqual(['delete units', 'put units', 'put map']);
    asked.length = 0;
    await disk.commit(put(3, 0, 1), 'relaxed');
    // What is written over has a record of its own; of the piece nothing is needed any more.
    expect(asked).toEqual(['delete units', 'put units', 'put units', 'put map']);
    asked.length = 0;
    await disk.commit(put(4, 0, 1), 'relaxed');
    expect(asked).toEqual(['put units', 'put units', 'put map']);
    asked.length = 0;
    await disk.close();
    // The journal goes into its places: the shard, a page of the unit map, one of the index.
    const settled = ['put table', 'put map', 'put map', 'delete map', 'put superblock'];
    expect(asked.toSorted()).toEqual(['get superblock', ...settled].sort());
    // A fork has no more to write, but to settle.
    const fork = await catalogue.open((await catalogue.fork(id, 'fork')).id);
    asked.length = 0;
    await fork.commit({ ...put(3, 0), erased: [{ first: 0, count: 5 }] }, 'relaxed');
    expect(asked).toEqual(['put units', 'put map']);
    asked.length = 0;
    await fork.close();
    expect(asked.toSorted()).toEqual(['get superblock', ...settled].sort());
  });
});

describe('a disk that is forked while it runs', () => {
  it('behind a write cache has in the fork what was settled', async () => {
    const id = await made(put(1, 0));
    const cache = new WriteCache(await catalogue.open(id), 'writeback');
    void cache.commit(put(2, 1), 'relaxed');
    await cache.settle();
    void cache.commit(put(3, 2), 'relaxed');
    const forking = catalogue.fork(id, 'fork');
    const flushed = cache.commit(put(4, 3), 'strict');
    const fork = await forking;
    await flushed;
    expect(cache.version().commits).toBe(3);
    await cache.close();
    expect((await valuesIn(catalogue, fork.id)).slice(0, 5)).toEqual([1, 2, -1, -1, -1]);
    expect((await valuesIn(catalogue, id)).slice(0, 5)).toEqual([1, 2, 3, 4, -1]);
  });

  it('keeps every commit that was acknowledged, in every order', { timeout: 60_000 }, async () => {
    const id = await made();
    let disk: OpenDisk = await catalogue.open(id);
    const forks: { id: string; least: number; most: number }[] = [];
    let acknowledged = 0;
    let begun = 0;
    const forking: Promise<void>[] = [];
    for (let i = 0; i < 60; i++) {
      if (i % 5 === 2) {
        const least = acknowledged;
        forking.push(
          catalogue.fork(id, `${i}`).then((fork) => void forks.push({ id: fork.id, least, most: begun })),
        );
      }
      begun++;
      await disk.commit(put(begun, begun % 10), 'relaxed');
      acknowledged = begun;
      expect(disk.version().commits).toBe(begun);
      if (i % 20 === 19) {
        // While a fork may be under way: it is closed when that has ended.
        const late = catalogue.fork(id, 'late');
        await disk.close();
        await late.catch(() => undefined);
        await Promise.allSettled(forking);
        disk = await catalogue.open(id);
      }
    }
    const at = (count: number): number[] =>
      Array.from({ length: 10 }, (_, unit) => count - ((((count - unit) % 10) + 10) % 10)).map((v) =>
        v > 0 ? v : -1,
      );
    expect(await valuesOf(disk)).toEqual(at(60));
    await disk.close();
    expect(await valuesIn(catalogue, id)).toEqual(at(60));
    expect(forks.length).toBeGreaterThan(8);
    for (const fork of forks) {
      const { commits } = (await catalogue.list()).find((row) => row.id === fork.id) as { commits: number };
      expect(commits).toBeGreaterThanOrEqual(fork.least);
      expect(commits).toBeLessThanOrEqual(fork.most);
      expect(await valuesIn(catalogue, fork.id)).toEqual(at(commits));
    }
    await removeAll(catalogue);
  });

  it('goes on as it was when the fork fails', async () => {
    const id = await made(put(1, 0));
    const disk = await catalogue.open(id);
    const real = IDBObjectStore.prototype.put;
    for (let fails = 0; ; fails++) {
      let left = fails;
      const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
        this: IDBObjectStore,
        ...args
      ) {
        const request = real.apply(this, args as Parameters<typeof real>);
        if (left-- === 0) this.transaction.abort();
        return request;
      });
      const forking = catalogue.fork(id, 'fork');
      const ended = await forking.catch((error: unknown) => error as Error);
      spy.mockRestore();
      if (!(ended instanceof Error)) break;
      expect(ended).toMatchObject({ name: 'StoreError' });
      await disk.commit(put(10 + fails, fails % 10), 'relaxed');
      expect((await valuesOf(disk))[fails % 10]).toBe(10 + fails);
      expect(await catalogue.list()).toHaveLength(1);
      await expectNothingLeaked();
    }
    const values = await valuesOf(disk);
    await disk.close();
    expect(await valuesIn(catalogue, id)).toEqual(values);
    expect(await catalogue.list()).toHaveLength(2);
  });

  it('that another tab takes over meanwhile is either forked or not, and loses nothing', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const id = await made(put(1, 0));
      const disk = await catalogue.open(id);
      await disk.commit(put(2, 1), 'relaxed');
      const forking = catalogue.fork(id, 'fork').catch((error: unknown) => error as Error);
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      const other = new IndexedDbCatalogue(env);
      await other.takeOver(id);
      const late = await other.open(id);
      await late.commit(put(3, 2), 'relaxed');
      const fork = await forking;
      await late.close();
      expect((await valuesIn(other, id)).slice(0, 3)).toEqual([1, 2, 3]);
      if (!(fork instanceof Error)) expect((await valuesIn(other, fork.id)).slice(0, 3)).toEqual([1, 2, -1]);
      await removeAll(other);
    }
  });

  it('is let go when the fork under way has ended, and not before', async () => {
    const id = await made(put(1, 0));
    const slow = slowly(() => 30);
    const tab = new IndexedDbCatalogue({ ...env, indexedDB: slow });
    const disk = await tab.open(id);
    let hasEnded = false;
    const forking = tab
      .fork(id, 'fork')
      .catch((error: unknown) => error as Error)
      .finally(() => (hasEnded = true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const other = new IndexedDbCatalogue(env);
    await other.takeOver(id);
    expect(hasEnded).toBe(true);
    await expect(disk.commit(put(2, 1), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    await written(id, put(3, 2));
    const fork = await forking;
    expect((await valuesIn(other, id)).slice(0, 3)).toEqual([1, -1, 3]);
    if (!(fork instanceof Error)) expect((await valuesIn(other, fork.id)).slice(0, 3)).toEqual([1, -1, -1]);
    await removeAll(other);
  });

  it('where there are no locks is one opener’s at a time', async () => {
    const open = { ...env, locks: undefined };
    const [one, two] = [new IndexedDbCatalogue(open), new IndexedDbCatalogue(open)];
    const { id } = await one.create(spec);
    const early = await one.open(id);
    await early.commit(put(1, 0), 'relaxed');
    const fork = await two.fork(id, 'fork');
    await expect(early.commit(put(2, 1), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    const late = await two.open(id);
    expect((await valuesOf(late)).slice(0, 2)).toEqual([1, -1]);
    // Both at once: whoever is told that it went well has it.
    const [again, other] = await Promise.allSettled([two.fork(id, 'again'), one.open(id)]);
    const writer = other.status === 'fulfilled' ? other.value : late;
    const kept = await Promise.resolve(writer.commit(put(5, 5), 'relaxed')).then(
      () => true,
      () => false,
    );
    await writer.close();
    await late.close();
    const values = await valuesIn(two, id);
    if (kept) expect(values[5]).toBe(5);
    expect(values[0]).toBe(1);
    if (again.status === 'fulfilled') expect((await valuesIn(two, again.value.id))[0]).toBe(1);
    expect((await valuesIn(two, fork.id))[0]).toBe(1);
  });
});

describe('without locks', () => {
  it('no commit is lost that was acknowledged, however two tabs meet', { timeout: 60_000 }, async () => {
    let state = 1;
    const below = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
    let forked = 0;
    let both = 0;
    for (let round = 0; round < 60; round++) {
      indexedDB = new IDBFactory();
      const tab = (most: number): IndexedDbCatalogue => {
        const factory = slowly(() => below(most));
        return new IndexedDbCatalogue({ ...env, indexedDB: factory, locks: undefined, openTimeoutMs: 5000 });
      };
      const [one, two] = [tab(6), tab(6)];
      const { id } = await one.create(spec);
      const forking = one.fork(id, 'fork').then(
        () => true,
        () => false,
      );
      const kept: number[] = [];
      const writing = (async () => {
        await new Promise((resolve) => setTimeout(resolve, below(60)));
        const disk = await two.open(id);
        for (let value = 1; value < 6; value++) {
          await disk.commit(put(value, value), 'relaxed');
          kept.push(value);
          await new Promise((resolve) => setTimeout(resolve, below(10)));
        }
        await disk.close();
      })().catch(() => undefined);
      const done = await forking;
      await writing;
      if (done) forked++;
      if (done && kept.length > 0) both++;
      const values = await valuesIn(new IndexedDbCatalogue({ ...env, indexedDB, locks: undefined }), id);
      for (const value of kept) expect([round, values[value]]).toEqual([round, value]);
    }
    expect(forked).toBeGreaterThan(5);
    expect(both).toBeGreaterThan(0);
  });
});

/** A tab that dies at its n-th step: an opening, a deletion, or a put in the middle of a transaction. */
class DyingTab {
  readonly catalogue: IndexedDbCatalogue;
  isDead = false;
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
    const factory = new Proxy(indexedDB, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (name !== 'open' && name !== 'deleteDatabase') return value;
        return (...args: unknown[]) => {
          if (this.#dies()) throw new DOMException('dead', 'UnknownError');
          return value.apply(target, args);
        };
      },
    });
    const real = IDBObjectStore.prototype.put;
    const dies = (): boolean => this.#dies();
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
      const request = real.apply(this, args as Parameters<typeof real>);
      if (dies()) this.transaction.abort();
      return request;
    });
    this.catalogue = new IndexedDbCatalogue({ ...env, indexedDB: factory, locks: new FakeLocks() });
  }

  #dies(): boolean {
    this.isDead ||= this.#left-- <= 0;
    return this.isDead;
  }
}

interface Scene {
  readonly parent: string;
  readonly child: string;
  readonly pin: string;
}

/** What the tab is at when it dies. Each begins with a disk, a fork of it, both written since, and a pin of the fork. */
const deeds: Record<string, (tab: IndexedDbCatalogue, scene: Scene) => Promise<unknown>> = {
  'forking a disk': (tab, { parent }) => tab.fork(parent, 'new'),
  'forking a fork': (tab, { child }) => tab.fork(child, 'new'),
  'pinning a disk': (tab, { parent }) => tab.pin(parent),
  'making a disk of a pin': (tab, { pin }) => tab.forkPin(pin, 'new'),
  'giving a pin up': (tab, { pin }) => tab.unpin(pin),
  'removing what was forked': (tab, { parent }) => tab.remove(parent),
  'removing the fork': (tab, { child }) => tab.remove(child),
  'removing everything': async (tab, { parent, child, pin }) => {
    await tab.remove(child);
    await tab.remove(parent);
    await tab.unpin(pin);
  },
  'wiping the fork': (tab, { child }) => tab.wipe(child),
};

describe('a tab that dies while', () => {
  const whole = {
    parent: [1, 1, 1, 3, -1, -1, -1, -1, -1, -1],
    child: [1, 2, -1, -1, -1, -1, -1, -1, -1, -1],
    pin: [1, 2, 1, -1, -1, -1, -1, -1, -1, -1],
  };

  async function scene(): Promise<Scene> {
    const parent = await made(put(1, 0, 1, 2));
    const { id: child } = await catalogue.fork(parent, 'child');
    await written(parent, put(3, 3));
    await written(child, put(2, 1));
    const { pin } = await catalogue.pin(child);
    await written(child, erase(2, 1));
    return { parent, child, pin };
  }

  it.each(Object.entries(deeds))(
    '%s leaves nothing and loses nothing',
    { timeout: 120_000 },
    async (name, deed) => {
      let steps = 0;
      for (let alive = false; !alive; steps++) {
        beginAnew();
        const { parent, child, pin } = await scene();
        const tab = new DyingTab(steps);
        await deed(tab.catalogue, { parent, child, pin }).catch(() => undefined);
        alive = !tab.isDead;
        vi.restoreAllMocks();
        const { list, later } = await survivor();
        const rows = new Map(list.map((row) => [row.id, row]));
        expect(list.filter((row) => row.problem !== undefined)).toEqual([]);
        if (!name.startsWith('removing')) expect(rows.has(parent)).toBe(true);
        if (!/^removing (the|every)/.test(name)) expect(rows.has(child)).toBe(true);
        if (rows.has(parent)) expect(await valuesIn(later, parent)).toEqual(whole.parent);
        if (rows.has(child)) {
          const values = await valuesIn(later, child);
          if (name.startsWith('wiping') && values[0] === -1) expect(values).toEqual(Array(10).fill(-1));
          else expect(values).toEqual(whole.child);
        }
        const pins = await later.pins();
        if (!/^(giving|removing every)/.test(name)) expect(pins.map((one) => one.pin)).toContain(pin);
        if (pins.some((one) => one.pin === pin)) {
          const { id } = await later.forkPin(pin, 'of the pin');
          expect(await valuesIn(later, id)).toEqual(whole.pin);
        }
        for (const row of list) {
          if (row.name !== 'new') continue;
          const of = name.includes('disk of a pin')
            ? whole.pin
            : name.includes('fork') && !name.endsWith('a disk')
              ? whole.child
              : whole.parent;
          expect(await valuesIn(later, row.id)).toEqual(of);
        }
        await expectNothingLeaked();
        await removeAll(later);
      }
      expect(steps).toBeGreaterThan(1);
    },
  );

  it('a running disk is forked loses no commit that it acknowledged', { timeout: 120_000 }, async () => {
    for (let steps = 0, alive = false; !alive; steps++) {
      beginAnew();
      const { parent } = await scene();
      const tab = new IndexedDbCatalogue({ ...env, locks: new FakeLocks() });
      const disk = await tab.open(parent);
      // Counts what it puts from here on; then it opens nothing any more.
      const dying = new DyingTab(steps);
      const kept: number[] = [];
      const commits = (async () => {
        for (let value = 20; value < 26; value++) {
          await disk.commit(put(value, value - 20), 'strict');
          kept.push(value);
        }
      })().catch(() => undefined);
      const forked = await dyingFork(tab, dying, parent);
      await commits;
      alive = !dying.isDead;
      vi.restoreAllMocks();
      const { later, list } = await survivor();
      const values = await valuesIn(later, parent);
      for (const value of kept) expect(values[value - 20]).toBe(value);
      if (forked !== undefined) expect(list.some(({ id }) => id === forked)).toBe(true);
      await expectNothingLeaked();
      await removeAll(later);
    }
  });

  function dyingFork(tab: IndexedDbCatalogue, dying: DyingTab, id: string): Promise<string | undefined> {
    const open = indexedDB.open.bind(indexedDB);
    vi.spyOn(indexedDB, 'open').mockImplementation((...args) => {
      if (dying.isDead) throw new DOMException('dead', 'UnknownError');
      return open(...args);
    });
    return tab.fork(id, 'new').then(
      (fork) => fork.id,
      () => undefined,
    );
  }

  function beginAnew(): void {
    indexedDB = new IDBFactory();
    env = { ...env, indexedDB, locks: new FakeLocks() };
    catalogue = new IndexedDbCatalogue(env);
  }

  /** Another tab, so much later that what was in the making counts as left behind. */
  async function survivor() {
    const later = new IndexedDbCatalogue({ ...env, locks: new FakeLocks() });
    const nowMs = Date.now();
    vi.spyOn(Date, 'now').mockReturnValue(nowMs + 120_000);
    const list = await later.list();
    vi.restoreAllMocks();
    return { later, list };
  }
});
