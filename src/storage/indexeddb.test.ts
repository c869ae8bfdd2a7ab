import { forceCloseDatabase, IDBFactory, IDBKeyRange, IDBObjectStore } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import type { DiskSpec, OpenDisk } from './catalogue.ts';
import { seal } from './checksum.ts';
import { FakeLocks } from './fake-locks.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { DISK_FORMAT } from './superblock.ts';

/** What only IndexedDB disks can meet; the rest is in contract.test.ts. */

const spec: DiskSpec = { name: 'd', deviceLine: 'nvme', sizeBytes: 1e6, unitBytes: 16, totalUnits: 100_000 };
const filled = (value: number): Uint8Array => new Uint8Array(16).fill(value);
const put = (...numbers: number[]): MediaCommit => ({
  erased: [],
  units: numbers.map((unit) => ({ unit, bytes: filled(unit) })),
  shards: [],
});

let indexedDB: IDBFactory;
let locks: FakeLocks;
let env: {
  indexedDB: IDBFactory;
  keyRange: typeof IDBKeyRange;
  locks: FakeLocks | undefined;
  openTimeoutMs: number;
};
let catalogue: IndexedDbCatalogue;

beforeEach(() => {
  indexedDB = new IDBFactory();
  locks = new FakeLocks();
  env = { indexedDB, keyRange: IDBKeyRange, locks, openTimeoutMs: 500 };
  catalogue = new IndexedDbCatalogue(env);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const databases = async (): Promise<string[]> =>
  (await indexedDB.databases()).map(({ name }) => name as string).sort();

function withDatabase<T>(name: string, work: (db: IDBDatabase) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      work(request.result)
        .finally(() => request.result.close())
        .then(resolve, reject);
    };
  });
}

/** One transaction of a stranger. */
function meddle(name: string, store: string, work: (store: IDBObjectStore) => void): Promise<void> {
  return withDatabase(
    name,
    (db) =>
      new Promise((resolve, reject) => {
        const tx = db.transaction(store, 'readwrite');
        tx.oncomplete = () => resolve();
        tx.onabort = () => reject(tx.error);
        work(tx.objectStore(store) as IDBObjectStore);
      }),
  );
}

const diskDatabase = (disk: { id: string }, generation = 1): string =>
  `lightnvm-lab:disk:${disk.id}:${generation}`;

async function fresh(): Promise<OpenDisk> {
  return catalogue.open((await catalogue.create(spec)).id);
}

/** Makes the next `count` puts into `units` fail as `error`, by way of the transaction's abort. */
function failPuts(count: number, error: DOMException): void {
  let left = count;

  const real = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
    const request = real.apply(this, args as Parameters<typeof real>);
    if (this.name === 'units' && left > 0) {
      left--;
      // As Chromium does when room runs out: `abort` with a reason, and no `error` before it.
      const tx = this.transaction as IDBTransaction & { _abort(name: string): void };
      Object.defineProperty(tx, 'error', { configurable: true, get: () => error });
      tx.abort();
    }
    return request;
  });
}

/** As a browser does when its storage process dies or site data is cleared. */
function forceClose(database: string): void {
  const raw = indexedDB as unknown as { _databases: Map<string, { connections: IDBDatabase[] }> };
  for (const connection of [...(raw._databases.get(database)?.connections ?? [])]) {
    forceCloseDatabase(connection as never);
  }
}

describe('databases', () => {
  it('are one for the catalogue and one for each disk, with a prefix', async () => {
    const { id } = await catalogue.create(spec);
    const other = new IndexedDbCatalogue({ ...env, prefix: '/project/' });
    const otherDisk = await other.create(spec);
    expect(await databases()).toEqual(
      [
        'lightnvm-lab:/project/:catalogue',
        `lightnvm-lab:/project/:disk:${otherDisk.id}:1`,
        'lightnvm-lab:catalogue',
        `lightnvm-lab:disk:${id}:1`,
      ].sort(),
    );
    expect((await catalogue.list()).map((disk) => disk.id)).toEqual([id]);
    await expect(catalogue.open(otherDisk.id)).rejects.toMatchObject({ code: 'missing' });
  });

  it('go with the disk, and a wipe begins a new one', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    await disk.commit(put(1, 2), 'relaxed');
    await disk.close();
    await catalogue.wipe(id);
    expect(await databases()).toEqual(['lightnvm-lab:catalogue', diskDatabase({ id }, 2)]);
    await catalogue.remove(id);
    expect(await databases()).toEqual(['lightnvm-lab:catalogue']);
  });

  it('that were left behind by a dead tab are swept, those in the making and others are not', async () => {
    const { id } = await catalogue.create(spec);
    const now = Date.now();
    const garbage: Record<string, unknown> = {
      'lightnvm-lab:disk:removed:1': { sinceMs: 0 },
      'lightnvm-lab:disk:abandoned:1': { sinceMs: now - 120_000 },
      'lightnvm-lab:disk:inthemaking:1': { sinceMs: now },
      'lightnvm-lab:disk:junk:1': { sinceMs: 'soon' },
      'someone-else': { sinceMs: 0 },
      [diskDatabase({ id })]: { sinceMs: 0 },
    };
    for (const name of Object.keys(garbage)) {
      if (!name.includes(id)) await withDatabase(name, async () => undefined);
    }
    await meddle('lightnvm-lab:catalogue', 'garbage', (store) => {
      for (const [name, record] of Object.entries(garbage)) store.put(record, name);
    });
    expect(await catalogue.list()).toHaveLength(1);
    expect(await databases()).toEqual(
      [
        'lightnvm-lab:catalogue',
        diskDatabase({ id }),
        'lightnvm-lab:disk:inthemaking:1',
        'lightnvm-lab:disk:junk:1',
        'someone-else',
      ].sort(),
    );
  });

  it('that take long to be filled are not swept meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
    try {
      const elsewhere = new IndexedDbCatalogue(env);
      const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
      const built = await catalogue.build(spec, async (disk) => {
        await disk.commit(put(1), 'relaxed');
        for (let s = 0; s < 150; s += 10) {
          vi.advanceTimersByTime(10_000);
          await turn();
          expect(await elsewhere.list()).toEqual([]);
        }
        await disk.commit(put(2), 'relaxed');
      });
      expect((await elsewhere.list()).map(({ id, unitsStored }) => [id, unitsStored])).toEqual([
        [built.id, 2],
      ]);
      expect(locks.held()).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are not made by looking for one that is not there', async () => {
    const { id } = await catalogue.create(spec);
    indexedDB.deleteDatabase(diskDatabase({ id }));
    expect(await catalogue.list()).toEqual([]);
    await expect(catalogue.open(id)).rejects.toMatchObject({ code: 'missing' });
    expect(await databases()).toEqual(['lightnvm-lab:catalogue']);
    expect(locks.held()).toEqual([]);
    await catalogue.remove(id);
  });
});

describe('hostile records', () => {
  const junk: unknown[] = [
    null,
    0,
    'text',
    [],
    {},
    new Map(),
    new Uint8Array(9),
    JSON.parse('{"__proto__": {"generation": 1}}'),
    { generation: -1 },
    { generation: 1.5 },
    { generation: '1' },
    { generation: 1 },
  ];

  it('in the catalogue are passed over', async () => {
    const { id } = await catalogue.create(spec);
    await meddle('lightnvm-lab:catalogue', 'disks', (store) => {
      junk.forEach((record, i) => store.put(record, `junk${i}`));
      for (const key of [7, -1, 1.5, new Date(0), ['a'], new Uint8Array(2), '__proto__', 'constructor', '']) {
        store.put({ generation: 1 }, key);
      }
    });
    expect((await catalogue.list()).map((disk) => disk.id)).toEqual([id]);
    await expect(catalogue.open('__proto__')).rejects.toMatchObject({ code: 'missing' });
    await expect(catalogue.open('junk0')).rejects.toMatchObject({ code: 'missing' });
    await catalogue.remove('__proto__');
  });

  it('as superblock make the disk corrupt, and the list says so', async () => {
    const { id } = await catalogue.create(spec);
    const good = { format: 3, id, createdAtMs: 1, epoch: 0, commits: 0, unitsStored: 0, ...spec };
    const bad = [
      ...junk,
      undefined,
      { ...good, format: 0 },
      { ...good, format: '1' },
      { ...good, name: 'a\u0000' },
      { ...good, name: { toString: 'x' } },
      { ...good, unitBytes: 2 ** 40 },
      { ...good, epoch: -1 },
      { ...good, commits: undefined },
      { ...good, commits: 0.5 },
      { ...good, unitsOwn: 1 },
      { ...good, pieces: -1 },
      { ...good, pieces: 2 ** 40 },
      { ...good, epoch: Number.POSITIVE_INFINITY },
      { ...good, unitsStored: spec.totalUnits + 1 },
      { ...good, id: 'another' },
    ];
    for (const record of bad) {
      await meddle(diskDatabase({ id }), 'superblock', (store) => store.put(record, 0));
      await expect(catalogue.open(id)).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' });
      expect(await catalogue.list()).toEqual([
        expect.objectContaining({
          id,
          name: `unreadable disk ${id.slice(0, 6)}`,
          deviceLine: '',
          sizeBytes: 0,
          kept: 'indexeddb',
          problem: expect.stringMatching(/^[A-Z].* is damaged.*\.$/) as string,
        }),
      ]);
    }
    // Only opening reads the map, which counts the units.
    await meddle(diskDatabase({ id }), 'superblock', (store) => store.put({ ...good, unitsStored: 5 }, 0));
    await expect(catalogue.open(id)).rejects.toMatchObject({ code: 'corrupt' });
    await meddle(diskDatabase({ id }), 'superblock', (store) => store.put({ ...good, evil: 1 }, 0));
    expect(Object.keys((await catalogue.list())[0] as object)).not.toContain('evil');
    await (await catalogue.open(id)).close();
  });

  it('of a newer format say so', async () => {
    const { id } = await catalogue.create(spec);
    await meddle(diskDatabase({ id }), 'superblock', (store) => store.put({ format: DISK_FORMAT + 1 }, 0));
    await expect(catalogue.open(id)).rejects.toMatchObject({ code: 'version' });
    expect(await catalogue.list()).toMatchObject([
      { id, problem: expect.stringContaining('newer version') as string },
    ]);
    const newer = indexedDB.open('lightnvm-lab:catalogue', 9);
    await new Promise((resolve) => (newer.onsuccess = resolve));
    newer.result.close();
    await expect(catalogue.list()).rejects.toMatchObject({ code: 'version' });
  });

  it('of one disk leave the others alone, and it can be removed', async () => {
    const good = await catalogue.create(spec);
    const damaged = await catalogue.create(spec);
    const newer = await catalogue.create(spec);
    const failing = await catalogue.create(spec);
    await meddle(diskDatabase(damaged), 'superblock', (store) => store.clear());
    await new Promise((resolve) => {
      const request = indexedDB.open(diskDatabase(newer), 9);
      request.onsuccess = () => {
        request.result.close();
        resolve(undefined);
      };
    });
    const open = indexedDB.open.bind(indexedDB);
    vi.spyOn(indexedDB, 'open').mockImplementation((name, version) => {
      if (name === diskDatabase(failing)) throw new DOMException('Internal error', 'UnknownError');
      return open(name, version);
    });
    const codes = { [damaged.id]: 'corrupt', [newer.id]: 'version', [failing.id]: 'unavailable' };
    const [first, ...rest] = await catalogue.list();
    expect(first).toEqual(good);
    expect(rest.map(({ id }) => id)).toEqual(Object.keys(codes).sort());
    for (const { id, problem } of rest) {
      expect(problem).toMatch(/^[A-Z].*\.$/);
      for (const attempt of [
        () => catalogue.open(id),
        () => catalogue.rename(id, 'new'),
        () => catalogue.wipe(id),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ code: codes[id], message: problem });
      }
      await catalogue.remove(id);
    }
    expect(await catalogue.list()).toEqual([good]);
    expect(await databases()).toEqual(['lightnvm-lab:catalogue', diskDatabase(good)]);
    expect(locks.held()).toEqual([]);
  });

  it('as units, shards and map pages are corrupt, never wrong data', async () => {
    let disk = await fresh();
    const { id } = disk.summary;
    await disk.commit({ ...put(1), shards: [{ shard: 0, bytes: filled(1) }] }, 'relaxed');
    // One at a time: each has a record of its own.
    for (const unit of [2, 3, 4]) await disk.commit(put(unit), 'relaxed');
    await disk.close();
    disk = await catalogue.open(id);
    const damaged = seal(filled(1));
    damaged[3] = 0;
    await meddle(diskDatabase({ id }), 'units', (store) => {
      store.put(damaged, 1);
      store.put(seal(new Uint8Array(15)), 2);
      store.put({ c: 1 }, 3);
      store.delete(4);
    });
    for (const unit of [1, 2, 3, 4]) {
      await expect(disk.readUnit(unit)).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' });
    }
    await meddle(diskDatabase({ id }), 'table', (store) => store.put('junk', 'key'));
    expect(await disk.loadTable()).toHaveLength(1);
    await meddle(diskDatabase({ id }), 'table', (store) => store.put(damaged, 0));
    await expect(disk.loadTable()).rejects.toMatchObject({ code: 'corrupt' });
    await disk.commit({ ...put(1, 2, 3, 4), shards: [{ shard: 0, bytes: filled(1) }] }, 'relaxed');
    expect(await disk.readUnit(1)).toEqual(filled(1));
    await disk.close();
    await meddle(diskDatabase({ id }), 'map', (store) => store.put(seal(new Uint8Array(4096)), 0.5));
    await expect(catalogue.open(id)).rejects.toMatchObject({ code: 'corrupt' });
    await meddle(diskDatabase({ id }), 'map', (store) => store.delete(0.5));
    disk = await catalogue.open(id);
    expect(disk.unitsStored()).toBe(4);
  });
});

describe('failing transactions', () => {
  it('out of room: the code is quota, nothing is kept, and the disk goes on', async () => {
    const disk = await fresh();
    await disk.commit(put(1), 'relaxed');
    failPuts(1, new DOMException('', 'QuotaExceededError'));
    const mixed = {
      erased: [{ first: 0, count: 5 }],
      units: put(2, 3).units,
      shards: [{ shard: 0, bytes: filled(1) }],
    };
    await expect(disk.commit(mixed, 'relaxed')).rejects.toMatchObject({ name: 'StoreError', code: 'quota' });
    expect(disk.unitsStored()).toBe(1);
    expect(await disk.readUnit(1)).toEqual(filled(1));
    expect(await disk.readUnit(2)).toBeUndefined();
    expect(await disk.loadTable()).toEqual([]);
    await disk.commit(put(4), 'relaxed');
    await disk.close();
    expect(await catalogue.list()).toMatchObject([{ unitsStored: 2 }]);
  });

  it('aborted without a reason: tried once more', async () => {
    const disk = await fresh();
    failPuts(1, new DOMException('', 'AbortError'));
    await disk.commit(put(1), 'relaxed');
    expect(await disk.readUnit(1)).toEqual(filled(1));
    vi.restoreAllMocks();
    failPuts(2, new DOMException('', 'AbortError'));
    await expect(disk.commit(put(2), 'relaxed')).rejects.toMatchObject({ code: 'aborted' });
    await disk.commit(put(3), 'relaxed');
    expect(disk.unitsStored()).toBe(2);
  });

  it('a repeated or delayed commit writes what it was given, whatever becomes of the bytes', async () => {
    const disk = await fresh();
    const commitAndChange = async (): Promise<void> => {
      const commit = put(1, 2);
      const committed = disk.commit(commit, 'relaxed');
      for (const { bytes } of commit.units) bytes.fill(99);
      await committed;
      expect(await disk.readUnit(1)).toEqual(filled(1));
      expect(await disk.readUnit(2)).toEqual(filled(2));
    };
    failPuts(1, new DOMException('', 'AbortError'));
    await commitAndChange();
    forceClose(diskDatabase(disk.summary));
    await commitAndChange();
    await disk.commit(put(3), 'relaxed');
    expect(await disk.readUnit(1)).toEqual(filled(1));
  });

  it('a synchronous throw is a rejection', async () => {
    const disk = await fresh();
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementationOnce(() => {
      throw new DOMException('out of memory', 'DataCloneError');
    });
    const promise = disk.commit(put(1), 'relaxed');
    await expect(promise).rejects.toMatchObject({ name: 'StoreError', code: 'io' });
    spy.mockRestore();
    await disk.commit(put(2), 'strict');
    expect(disk.unitsStored()).toBe(1);
  });

  it('passes the durability on', async () => {
    const disk = await fresh();
    const seen: unknown[] = [];
    const db =
      (disk.readUnit(0),
      Object.getPrototypeOf(
        await new Promise<IDBDatabase>((resolve) => {
          const request = indexedDB.open('lightnvm-lab:catalogue');
          request.onsuccess = () => {
            request.result.close();
            resolve(request.result);
          };
        }),
      ) as IDBDatabase);

    const real = db.transaction;
    vi.spyOn(db, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      seen.push(args[2]?.durability);
      return real.apply(this, args);
    });
    await disk.commit(put(1), 'relaxed');
    await disk.commit(put(2), 'strict');
    expect(seen).toEqual(['relaxed', 'strict']);
  });

  it('refuses a second commit while one is under way', async () => {
    const disk = await fresh();
    const first = disk.commit(put(1), 'relaxed');
    await expect(disk.commit(put(2), 'relaxed')).rejects.toMatchObject({ code: 'io' });
    await first;
    expect(disk.unitsStored()).toBe(1);
  });
});

describe('lost connections', () => {
  it('are opened again, and the commit and reads go on', async () => {
    const disk = await fresh();
    const lost = vi.fn();
    disk.onlost = lost;
    await disk.commit(put(1), 'relaxed');
    forceClose(diskDatabase(disk.summary));
    expect(await disk.readUnit(1)).toEqual(filled(1));
    forceClose(diskDatabase(disk.summary));
    await disk.commit(put(2), 'relaxed');
    forceClose(diskDatabase(disk.summary));
    expect(await disk.loadTable()).toEqual([]);
    expect(disk.unitsStored()).toBe(2);
    expect(lost).not.toHaveBeenCalled();
    await disk.close();
    expect(await catalogue.list()).toMatchObject([{ unitsStored: 2, epoch: 1 }]);
  });

  it('that closed without telling are found out by the next call', async () => {
    const disk = await fresh();
    await disk.commit(put(1), 'relaxed');
    const raw = indexedDB as unknown as { _databases: Map<string, { connections: IDBDatabase[] }> };
    raw._databases.get(diskDatabase(disk.summary))?.connections[0]?.close();
    await disk.commit(put(2), 'relaxed');
    expect(await disk.readUnit(2)).toEqual(filled(2));
    await disk.close();
  });

  it('whose database was deleted are lost: told once, lock free, all calls reject', async () => {
    const disk = await fresh();
    const lost = vi.fn();
    disk.onlost = lost;
    await disk.commit(put(1), 'relaxed');
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(diskDatabase(disk.summary)).onsuccess = resolve;
    });
    await vi.waitFor(() => expect(lost).toHaveBeenCalledTimes(1));
    expect(lost.mock.calls[0]?.[0]).toMatchObject({ name: 'StoreError', code: 'lost' });
    await expect(disk.commit(put(2), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    await expect(disk.readUnit(1)).rejects.toMatchObject({ code: 'lost' });
    await vi.waitFor(() => expect(locks.held()).toEqual([]));
    await disk.close();
    expect(lost).toHaveBeenCalledTimes(1);
    expect(await catalogue.list()).toEqual([]);
  });
});

describe('a listener that throws', () => {
  it('is reported, and is no uncaught error', async () => {
    const uncaught = vi.fn();
    const report = vi.spyOn(console, 'error').mockReturnValue(undefined);
    process.on('uncaughtException', uncaught);
    try {
      const disk = await fresh();
      disk.onlost = () => {
        throw new Error('of the listener');
      };
      locks.steal(`lightnvm-lab:lock:${disk.summary.id}`);
      await vi.waitFor(() => expect(report).toHaveBeenCalledTimes(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(uncaught).not.toHaveBeenCalled();
      await expect(disk.commit(put(1), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    } finally {
      process.off('uncaughtException', uncaught);
    }
  });
});

describe('two tabs', () => {
  it('with locks: the second is refused, until the first is gone', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    const other = new IndexedDbCatalogue(env);
    await expect(other.open(id)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('another tab') as string,
    });
    await expect(catalogue.open(id)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('in use here') as string,
    });
    await disk.close();
    expect(locks.held()).toEqual([]);
    await (await other.open(id)).close();
  });

  it('the second may take over: what the first was told is stored is there, and it cannot write any more', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    const lost = vi.fn();
    disk.onlost = lost;
    await disk.commit(put(1), 'relaxed');
    // Under way when the other one asks: it may be kept or not, as what it is told says.
    const underWay = Promise.resolve(disk.commit(put(2), 'relaxed')).then(
      () => true,
      () => false,
    );
    const other = new IndexedDbCatalogue(env);
    await other.takeOver(id);
    const late = await other.open(id);
    expect(lost).toHaveBeenCalledTimes(1);
    await expect(disk.commit(put(3), 'relaxed')).rejects.toMatchObject({
      code: 'lost',
      message: expect.stringContaining('Another tab') as string,
    });
    expect(await late.readUnit(1)).toEqual(filled(1));
    if (await underWay) expect(await late.readUnit(2)).toEqual(filled(2));
    expect(await late.readUnit(3)).toBeUndefined();
    await late.commit(put(4), 'relaxed');
    await late.close();
    expect(locks.held()).toEqual([]);
  });

  it('a tab that does not answer keeps its disk', { timeout: 20_000 }, async () => {
    const deaf = new IndexedDbCatalogue({ ...env, channel: undefined });
    const { id } = await deaf.create(spec);
    const disk = await deaf.open(id);
    await expect(new IndexedDbCatalogue(env).takeOver(id)).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining('does not let go') as string,
    });
    await disk.commit(put(1), 'relaxed');
    await disk.close();
  });

  it('with a stolen lock: the first is lost at once', async () => {
    const disk = await fresh();
    const lost = vi.fn();
    disk.onlost = lost;
    locks.steal(`lightnvm-lab:lock:${disk.summary.id}`);
    await vi.waitFor(() => expect(lost).toHaveBeenCalledTimes(1));
    await expect(disk.commit(put(1), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
  });

  it('without locks: the later opener has the disk, the earlier one cannot write any more', async () => {
    env.locks = undefined;
    const first = new IndexedDbCatalogue(env);
    const second = new IndexedDbCatalogue(env);
    const { id } = await first.create(spec);
    const early = await first.open(id);
    const lost = vi.fn();
    early.onlost = lost;
    await early.commit(put(1), 'relaxed');
    const late = await second.open(id);
    await late.commit(put(2), 'relaxed');
    await expect(
      early.commit({ ...put(3), erased: [{ first: 0, count: 9 }] }, 'relaxed'),
    ).rejects.toMatchObject({
      code: 'lost',
      message: expect.stringContaining('Another tab') as string,
    });
    expect(lost).toHaveBeenCalledTimes(1);
    expect(await Promise.all([1, 2, 3].map((n) => late.readUnit(n)))).toEqual([
      filled(1),
      filled(2),
      undefined,
    ]);
    expect(late.unitsStored()).toBe(2);
    await early.close();
    await late.close();
  });

  it.each(['with locks', 'without locks'])(
    '%s, a rename in the other tab survives the commits of this one',
    async (which) => {
      if (which === 'without locks') catalogue = new IndexedDbCatalogue({ ...env, locks: undefined });
      const disk = await fresh();
      const { id } = disk.summary;
      const other = new IndexedDbCatalogue(env);
      await disk.commit(put(1), 'relaxed');
      expect(await other.rename(id, 'Elsewhere')).toMatchObject({
        name: 'Elsewhere',
        commits: 1,
        unitsStored: 1,
      });
      // More than the journal takes.
      for (let i = 0; i < 100; i++) {
        await disk.commit(put(i), 'relaxed');
        expect(await other.list()).toMatchObject([{ name: 'Elsewhere', commits: i + 2 }]);
      }
      expect(disk.summary.name).toBe('Elsewhere');
      await other.rename(id, 'Again');
      await disk.close();
      expect(await other.list()).toMatchObject([{ name: 'Again', commits: 101, unitsStored: 100 }]);
    },
  );
});

describe('no IndexedDB', () => {
  const cases: Record<string, () => IDBFactory | undefined> = {
    missing: () => undefined,
    'throws when opened': () => {
      const factory = new IDBFactory();
      factory.open = () => {
        throw new DOMException('denied', 'SecurityError');
      };
      return factory;
    },
    'fails to open': () => {
      const factory = new IDBFactory();
      const real = factory.open.bind(factory);
      factory.open = (name) => {
        const request = real(name, 1);
        request.addEventListener('upgradeneeded', () => request.transaction?.abort());
        Object.defineProperty(request, 'error', {
          get: () => new DOMException('A mutation operation was attempted', 'InvalidStateError'),
          set: () => undefined,
        });
        return request;
      };
      return factory;
    },
    'never answers': () => {
      const factory = new IDBFactory();
      factory.open = () => ({}) as IDBOpenDBRequest;
      return factory;
    },
  };

  it.each(Object.entries(cases))('%s: unavailable, in a sentence', async (_what, make) => {
    const broken = new IndexedDbCatalogue({ ...env, indexedDB: make(), openTimeoutMs: 20 });
    const reason = await broken.whyUnavailable();
    expect(reason).toMatch(/^[A-Z][^.]*disk in memory[^.]*\.$/);
    for (const attempt of [() => broken.list(), () => broken.create(spec), () => broken.open('x')]) {
      await expect(attempt()).rejects.toMatchObject({ name: 'StoreError', code: 'unavailable' });
    }
  });

  it('is not so here', async () => {
    expect(await catalogue.whyUnavailable()).toBe('');
  });

  it('by default takes what the global scope has', async () => {
    expect(await new IndexedDbCatalogue().whyUnavailable()).not.toBe('');
  });
});
