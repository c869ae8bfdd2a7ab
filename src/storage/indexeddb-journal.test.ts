import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dumpDatabases, restoreDatabases } from '../../test/database-dump.ts';
import type { MediaCommit, UnitRun } from '../flash/media-store.ts';
import type { DiskSpec, OpenDisk } from './catalogue.ts';
import { seal, unseal } from './checksum.ts';
import { FakeLocks } from './fake-locks.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import {
  commitOf as commitIn,
  decodeJournal,
  encodeJournal,
  isJoined,
  journalBytes,
  recordIn,
  SETTLE_AFTER_COMMITS,
} from './indexeddb/journal.ts';
import { INDEX_PAGES, JOURNAL, PIECES } from './indexeddb/layout.ts';
import { PIECE_BYTES } from './indexeddb/pieces.ts';

/** What a tab that dies leaves in the journal, and units that lie in pieces; what both promise to disks at large is in
 * contract.test.ts and its like. */

/** Of three units two pieces are made, of four three. */
const UNIT_BYTES = 40_000;
const spec: DiskSpec = {
  name: 'd',
  deviceLine: 'nvme',
  sizeBytes: 1e6,
  unitBytes: UNIT_BYTES,
  totalUnits: 5000,
};
const filled = (value: number): Uint8Array => new Uint8Array(UNIT_BYTES).fill(value);
const put = (value: number, ...units: number[]): MediaCommit => ({
  erased: [],
  units: units.map((unit) => ({ unit, bytes: filled(value) })),
  shards: [{ shard: value % 3, bytes: new Uint8Array(8).fill(value) }],
});
/** Too long beside the units for a record before them. */
const withLongTable = (commit: MediaCommit): MediaCommit => ({
  ...commit,
  shards: [...commit.shards, { shard: 9, bytes: new Uint8Array(20_000) }],
});
const erase = (first: number, count: number): MediaCommit => ({
  erased: [{ first, count }],
  units: [],
  shards: [],
});

let indexedDB: IDBFactory;
/** Another tab, whose locks know nothing of others': as if those had died. */
const tab = (from = indexedDB): IndexedDbCatalogue =>
  new IndexedDbCatalogue({
    indexedDB: from,
    keyRange: IDBKeyRange,
    locks: new FakeLocks(),
    openTimeoutMs: 5000,
  });

beforeEach(() => {
  indexedDB = new IDBFactory();
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function fresh(): Promise<OpenDisk> {
  const catalogue = tab();
  return catalogue.open((await catalogue.create(spec)).id);
}

async function write(disk: OpenDisk, ...commits: MediaCommit[]): Promise<void> {
  for (const commit of commits) await disk.commit(commit, 'relaxed');
}

/** The first bytes of units 0 to `count` - 1: -1 for none. */
async function valuesOf(disk: OpenDisk, count = 10): Promise<number[]> {
  const units = await Promise.all(Array.from({ length: count }, (_, unit) => disk.readUnit(unit)));
  return units.map((bytes) => bytes?.[0] ?? -1);
}

async function valuesIn(from: IndexedDbCatalogue, id: string): Promise<number[]> {
  const disk = await from.open(id);
  const values = await valuesOf(disk);
  await disk.close();
  return values;
}

async function copyOfAll(): Promise<IDBFactory> {
  const copy = new IDBFactory();
  await restoreDatabases(copy, await dumpDatabases(indexedDB));
  return copy;
}

/** One transaction of a stranger, in the database of a disk. */
function meddle<T>(
  { id }: { id: string },
  name: string,
  work: (store: IDBObjectStore) => IDBRequest<T> | undefined,
  generation = 1,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(`lightnvm-lab:disk:${id}:${generation}`);
    opening.onsuccess = () => {
      const tx = opening.result.transaction(name, 'readwrite');
      const request = work(tx.objectStore(name));
      tx.oncomplete = () => {
        opening.result.close();
        resolve(request?.result);
      };
      tx.onabort = () => reject(tx.error);
    };
  });
}

const keysIn = async (disk: { id: string }, store: string, generation = 1): Promise<number[]> =>
  (await meddle(disk, store, (of) => of.getAllKeys(), generation)) as number[];
/** Where the record of a commit lies: in a slot, or at the beginning of a piece. */
interface Place {
  readonly store: 'map' | 'units';
  readonly key: number;
}
/** Commits that are in the journal and not settled, in order. */
const placesOf = async (disk: { id: string }, generation = 1): Promise<Map<number, Place>> => {
  const stored = (await meddle(disk, 'superblock', (of) => of.get(0), generation)) as { commits: number };
  const places: (readonly [commit: number, Place])[] = [];
  for (const [store, first] of [
    ['map', JOURNAL],
    ['units', PIECES],
  ] as const)
    for (const key of (await keysIn(disk, store, generation)).filter((one) => one >= first)) {
      const record = (await meddle(disk, store, (of) => of.get(key), generation)) as Uint8Array;
      if (Buffer.from(record).toString('latin1', 0, 4) !== 'LNVJ') continue;
      places.push([commitIn(store === 'map' ? record : recordIn(record)), { store, key }]);
    }
  return new Map(places.filter(([commit]) => commit > stored.commits).sort(([a], [b]) => a - b));
};
const journalOf = async (disk: { id: string }, generation = 1): Promise<number[]> => [
  ...(await placesOf(disk, generation)).keys(),
];

/** Many commits of which each is seen in units, shards and counts. */
const commitOf = (i: number): MediaCommit => {
  const at = (i * 3) % 60;
  const units = put(i % 250, at, at + 1, at + 2).units;
  if (i % 7 === 3) return { ...erase((i * 5) % 60, 4), shards: put(i, 0).shards };
  // Some are new, some written over.
  return i % 5 === 4
    ? put(i % 250, at)
    : { erased: i % 2 ? [{ first: at, count: 3 }] : [], units, shards: put(i).shards };
};

class Model {
  readonly units = new Map<number, number>();
  readonly shards = new Map<number, number>();
  commits = 0;

  take({ erased, units, shards }: MediaCommit): void {
    this.commits++;
    for (const { first, count } of erased) for (let i = 0; i < count; i++) this.units.delete(first + i);
    for (const { unit, bytes } of units) this.units.set(unit, bytes[0] as number);
    for (const { shard, bytes } of shards) this.shards.set(shard, bytes[0] as number);
  }

  async check(disk: OpenDisk): Promise<void> {
    const expected = Array.from({ length: 64 }, (_, unit) => this.units.get(unit) ?? -1);
    expect(await valuesOf(disk, 64)).toEqual(expected);
    expect(disk.unitsStored()).toBe(this.units.size);
    expect(disk.version().commits).toBe(this.commits);
    const table = await disk.loadTable();
    expect(new Map(table.map(({ shard, bytes }) => [shard, bytes[0]]))).toEqual(this.shards);
    expect(table.map(({ shard }) => shard)).toEqual([...this.shards.keys()].sort());
  }
}

describe('a tab that dies without closing', { timeout: 120_000 }, () => {
  it('leaves a disk as it was after any number of commits', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    const model = new Model();
    const K = SETTLE_AFTER_COMMITS;
    const cuts = new Set([0, 1, 2, 3, 30, K - 2, K - 1, K, K + 1, K + 2, 2 * K - 1, 2 * K, 2 * K + 1]);
    const lengths: number[] = [];
    for (let i = 0; i <= 2 * K + 1; i++) {
      if (cuts.has(i)) {
        const copy = await copyOfAll();
        lengths.push((await journalOf({ id })).length);
        const counts = { id, commits: model.commits, unitsStored: model.units.size };
        expect(await tab(copy).list()).toMatchObject([counts]);
        expect(await tab(copy).rename(id, 'renamed')).toMatchObject({ ...counts, name: 'renamed' });
        const found = await tab(copy).open(id);
        expect(found.summary.name).toBe('renamed');
        await model.check(found);
        await found.commit(put(77, 70, 71, 72), 'relaxed');
        expect((await valuesOf(found, 73)).slice(70)).toEqual([77, 77, 77]);
        // And that one dies as well, or does not.
        if (i % 2 === 0) await found.close();
        const wiped = await tab(copy).wipe(id);
        expect(wiped).toMatchObject({ commits: model.commits + 2, unitsStored: 0 });
      }
      await disk.commit(commitOf(i), 'relaxed');
      model.take(commitOf(i));
      if (i % 20 === 0) await model.check(disk);
    }
    expect(lengths).toEqual([0, 1, 2, 3, 30, K - 2, K - 1, 0, 1, 2, K - 1, 0, 1]);
    await disk.close();
    expect(await journalOf({ id })).toEqual([]);
    const found = await tab().open(id);
    await model.check(found);
    await found.close();
  });

  it('leaves no long journal of large tables', async () => {
    const disk = await fresh();
    const shards = (value: number, lengthBytes: number) => [
      { shard: 9, bytes: new Uint8Array(lengthBytes).fill(value) },
    ];
    await write(disk, put(1, 0));
    for (let i = 1; i < 20; i++) await write(disk, { ...erase(9, 1), shards: shards(1, 60_000) });
    // 18 of them would be more than 1 MiB.
    expect(await journalOf(disk.summary)).toHaveLength(1);
    await write(disk, { ...erase(9, 1), shards: shards(2, 70_000) });
    expect(await journalOf(disk.summary)).toHaveLength(0);
    await write(disk, put(2, 1));
    await write(disk, { ...erase(9, 1), shards: shards(3, 2 ** 20) });
    expect(await journalOf(disk.summary)).toHaveLength(0);
    const found = await tab().open(disk.summary.id);
    expect((await found.loadTable()).map(({ bytes }) => [bytes.length, bytes[0]])).toEqual(
      [
        [8, 0],
        [8, 1],
        [8, 2],
        [2 ** 20, 3],
      ].slice(1),
    );
    expect((await valuesOf(found)).slice(0, 3)).toEqual([1, 2, -1]);
  });

  it('may be followed by another one without locks, and then commits no more', async () => {
    const open = { indexedDB, keyRange: IDBKeyRange, locks: undefined, openTimeoutMs: 5000 };
    const [one, two] = [new IndexedDbCatalogue(open), new IndexedDbCatalogue(open)];
    const { id } = await one.create(spec);
    const early = await one.open(id);
    await write(early, put(1, 0, 1, 2), put(2, 3), put(3, 0));
    expect(await journalOf({ id })).toEqual([1, 2, 3]);
    const late = await two.open(id);
    expect(await journalOf({ id })).toEqual([]);
    await write(late, put(4, 4, 5, 6));
    for (const commit of [put(5, 0, 7, 8), erase(0, 9)])
      await expect(early.commit(commit, 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    await early.close();
    const values = [3, 1, 1, 2, 4, 4, 4, -1, -1, -1];
    expect(await valuesOf(late)).toEqual(values);
    // Nor when it is closed after it was taken over.
    const again = await one.open(id);
    await write(again, put(6, 9));
    await late.close();
    expect(await journalOf({ id })).toEqual([5]);
    expect(await valuesOf(again)).toEqual([...values.slice(0, 9), 6]);
    await again.close();
    expect(await valuesIn(two, id)).toEqual([...values.slice(0, 9), 6]);
  });

  it('leaves a disk that can be forked and pinned', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    await write(disk, put(1, 0, 1, 2, 3), put(2, 4), erase(1, 1));
    const values = [1, -1, 1, 1, 2, -1, -1, -1, -1, -1];
    const later = tab();
    const { pin, commits, unitsStored } = await later.pin(id);
    expect({ commits, unitsStored }).toEqual({ commits: 3, unitsStored: 4 });
    expect(await journalOf({ id })).toEqual([]);
    const fork = await later.fork(id, 'fork');
    expect(fork).toMatchObject({ commits: 3, unitsStored: 4 });
    // Both die with a journal of their own.
    await write(await tab().open(fork.id), put(3, 1, 2, 5), put(4, 3));
    await write(await tab().open(id), put(5, 0, 6, 7), erase(3, 2));
    expect(await journalOf(fork)).toEqual([4, 5]);
    expect(await journalOf({ id }, 2)).toEqual([4, 5]);
    const last = tab();
    const third = await last.fork(fork.id, 'of the fork');
    const ofFork = [1, 3, 3, 4, 2, 3, -1, -1, -1, -1];
    expect(await valuesIn(last, third.id)).toEqual(ofFork);
    expect(await valuesIn(last, fork.id)).toEqual(ofFork);
    expect(await valuesIn(last, id)).toEqual([5, -1, 1, -1, -1, -1, 5, 5, -1, -1]);
    expect(await valuesIn(last, (await last.forkPin(pin, 'pinned')).id)).toEqual(values);
  });
});

describe('a commit that was kept and is written again', () => {
  it('is one commit, with and without locks', async () => {
    for (const locks of [new FakeLocks(), undefined]) {
      const catalogue = new IndexedDbCatalogue({
        indexedDB,
        keyRange: IDBKeyRange,
        locks,
        openTimeoutMs: 500,
      });
      const { id } = await catalogue.create(spec);
      const disk = await catalogue.open(id);
      const model = new Model();
      const proto = await prototypeOfDatabases();
      for (let i = 0; i < SETTLE_AFTER_COMMITS + 2; i++) {
        const real = proto.transaction;
        vi.spyOn(proto, 'transaction').mockImplementationOnce(function (this: IDBDatabase, ...args) {
          const tx = real.apply(this, args);
          // As a connection that breaks when all is done, and before that is told.
          Object.defineProperty(tx, 'oncomplete', { set: () => undefined });
          tx.addEventListener('complete', () => tx.onabort?.(new Event('abort')));
          return tx;
        });
        await disk.commit(commitOf(i), 'relaxed');
        vi.restoreAllMocks();
        model.take(commitOf(i));
      }
      await model.check(disk);
      const found = await tab().open(id);
      await model.check(found);
    }
  });

  it('but cannot be, is not known, and the disk is lost', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    await write(disk, put(1, 0, 1, 2));
    const proto = await prototypeOfDatabases();
    const real = proto.transaction;
    let attempts = 0;
    vi.spyOn(proto, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      const tx = real.apply(this, args);
      if (args[1] !== 'readwrite') return tx;
      const kept = attempts++ === 0;
      Object.defineProperty(tx, 'oncomplete', { set: () => undefined });
      const error = kept
        ? new DOMException('Internal error: connection lost', 'UnknownError')
        : new DOMException('no room', 'QuotaExceededError');
      let isTold = !kept;
      Object.defineProperty(tx, 'error', { get: () => (isTold ? error : null), set: () => undefined });
      tx.addEventListener('complete', () => {
        isTold = true;
        tx.onabort?.(new Event('abort'));
      });
      if (!kept) tx.abort();
      return tx;
    });
    await expect(disk.commit(put(2, 3, 4, 5), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    vi.restoreAllMocks();
    expect(attempts).toBe(2);
    await expect(disk.commit(put(3, 6), 'relaxed')).rejects.toMatchObject({ code: 'lost' });
    expect((await valuesIn(tab(), id)).slice(0, 7)).toEqual([1, 1, 1, 2, 2, 2, -1]);
  });

  async function prototypeOfDatabases(): Promise<IDBDatabase> {
    return new Promise((resolve) => {
      const opening = indexedDB.open('lightnvm-lab:catalogue');
      opening.onsuccess = () => {
        opening.result.close();
        resolve(Object.getPrototypeOf(opening.result) as IDBDatabase);
      };
    });
  }
});

describe('a journal that is not what was written', () => {
  type Records = Map<number, unknown>;
  const record = (records: Records, commits: number) =>
    decodeJournal(records.get(commits), commits, spec.totalUnits);
  const tampered: Record<string, (records: Records) => void> = {
    'a byte is another one': (records) => {
      const bytes = (records.get(2) as Uint8Array).slice();
      bytes[30] = (bytes[30] as number) ^ 1;
      records.set(2, bytes);
    },
    'the first is missing': (records) => records.delete(1),
    'one in the middle is missing': (records) => records.delete(2),
    'one is of another commit': (records) => records.set(2, records.get(3)),
    'one is no bytes': (records) => records.set(2, 'text'),
    'one is of another kind': (records) => records.set(2, seal(new Uint8Array(60))),
    'one lies beyond the others': (records) => records.set(9, records.get(3)),
    'a number is none': (records) => records.set(2.5, records.get(3)),
    'all its slots are of commits that follow': (records) => {
      const last = record(records, 3);
      for (let commits = 4; commits <= SETTLE_AFTER_COMMITS; commits++)
        records.set(commits, encodeJournal({ ...last, commits, erased: [], byThemselves: [] }));
    },
    'of another opening': (records) => records.set(3, encodeJournal({ ...record(records, 3), epoch: 7 })),
    'units that the disk has not got': (records) =>
      records.set(3, encodeJournal({ ...record(records, 3), byThemselves: [spec.totalUnits] })),
    'a run that is longer than the disk': (records) =>
      records.set(
        3,
        encodeJournal({ ...record(records, 3), erased: [{ first: 1, count: spec.totalUnits }] }),
      ),
    'another count of units': (records) =>
      records.set(3, encodeJournal({ ...record(records, 3), unitsStored: 1 })),
    'other pieces': (records) => records.set(3, encodeJournal({ ...record(records, 3), pieces: 2 ** 30 })),
    'more pieces than there are keys': (records) =>
      records.set(3, encodeJournal({ ...record(records, 3), pieces: 2 ** 53 })),
    'another count of pieces': (records) =>
      records.set(3, encodeJournal({ ...record(records, 3), pieces: record(records, 3).pieces + 1 })),
  };

  const journals = [
    { where: 'slots', store: 'map', commits: [put(1, 0, 1, 2), put(2, 3), put(3, 4)].map(withLongTable) },
    { where: 'pieces', store: 'units', commits: [put(1, 0, 1, 2), put(2, 3), put(3, 4)] },
  ] as const;
  const cases = journals.flatMap((journal) =>
    Object.entries(tampered).map(([what, tamper]) => ({ ...journal, what, tamper })),
  );
  it.each(cases)('in $where, $what: corrupt', async ({ store, commits, tamper }) => {
    const disk = await fresh();
    const { id } = disk.summary;
    const [one, two, three] = commits as [MediaCommit, MediaCommit, MediaCommit];
    await write(disk, one, two, { ...three, erased: [{ first: 0, count: 1 }] });
    const places = await placesOf({ id });
    expect([...places.keys()]).toEqual([1, 2, 3]);
    expect([...places.values()].every((place) => place.store === store)).toBe(true);
    const records: Records = new Map();
    const units = new Map<number, Uint8Array>();
    for (const [n, { key }] of places) {
      const whole = (await meddle({ id }, store, (of) => of.get(key))) as Uint8Array;
      const record = store === 'map' ? whole : recordIn(whole);
      records.set(n, record);
      units.set(n, whole.subarray(record.length));
    }
    tamper(records);
    for (const [n, { key }] of places) {
      const found = records.get(n);
      const whole =
        found instanceof Uint8Array ? Uint8Array.from([...found, ...(units.get(n) ?? [])]) : found;
      const isThere = records.delete(n);
      await meddle({ id }, store, (of) => {
        of.delete(key);
        return isThere ? of.put(whole, key) : undefined;
      });
    }
    for (const [n, bytes] of records) await meddle({ id }, 'map', (map) => map.put(bytes, JOURNAL + n));
    const later = tab();
    await expect(later.open(id)).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' });
    await expect(later.fork(id, 'x')).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' });
    expect(await later.list()).toHaveLength(1);
    // As the sentence advises.
    const wiped = await later.wipe(id);
    expect(wiped.commits).toBeGreaterThan(3);
    expect(await valuesIn(later, id)).toEqual(Array(10).fill(-1));
    await later.remove(id);
    expect(await later.list()).toEqual([]);
  });
});

describe('units in pieces', { timeout: 120_000 }, () => {
  it('are what the layer has not got; what is written over has a record of its own', async () => {
    const disk = await fresh();
    await write(disk, put(1, 0, 1, 2, 3, 4), put(2, 9));
    expect(await keysIn(disk.summary, 'units')).toEqual([0, 1, 2, 3, 4].map((n) => PIECES + n));
    // Unit 0 was the only one in the first piece but for a part of unit 1; the journal still needs that.
    await write(disk, put(3, 0, 1));
    expect(await keysIn(disk.summary, 'units')).toEqual([0, 1, ...[0, 1, 2, 3, 4].map((n) => PIECES + n)]);
    await write(disk, put(4, 1, 5, 6, 7));
    expect((await keysIn(disk.summary, 'units')).slice(0, 3)).toEqual([0, 1, PIECES]);
    expect(await valuesOf(disk)).toEqual([3, 4, 1, 1, 1, 4, 4, 4, -1, 2]);
    const reading = Promise.all([0, 1, 2, 6].map((unit) => disk.readUnit(unit)));
    await write(disk, { ...put(5, 2, 3, 4), erased: [{ first: 0, count: 10 }] });
    // Asked for where they were, and answered behind the commit.
    expect((await reading).map((bytes) => bytes?.[0])).toEqual([undefined, undefined, 5, undefined]);
    expect(await valuesOf(disk)).toEqual([-1, -1, 5, 5, 5, -1, -1, -1, -1, -1]);
    expect(await keysIn(disk.summary, 'units')).toEqual([0, 4, 5, 7, 8].map((n) => PIECES + n));
    await write(disk, erase(0, 5000));
    expect(await keysIn(disk.summary, 'units')).toEqual([0, 4, 5, 7].map((n) => PIECES + n));
    // Who finds it so settles the journal.
    expect(await valuesIn(tab(), disk.summary.id)).toEqual(Array(10).fill(-1));
    expect(await keysIn(disk.summary, 'units')).toEqual([]);
  });

  it('that the journal alone needs go with the commit that settles it', async () => {
    const disk = await fresh();
    for (let i = 0; i < SETTLE_AFTER_COMMITS - 1; i++)
      await write(disk, { ...put(i, 0, 1), erased: [{ first: 0, count: 2 }] });
    // Two pieces a commit: the second goes with the next commit, the first stays.
    const last = 2 * (SETTLE_AFTER_COMMITS - 1) - 1;
    const firsts = Array.from({ length: SETTLE_AFTER_COMMITS - 1 }, (_, i) => PIECES + 2 * i);
    expect(await keysIn(disk.summary, 'units')).toEqual([...firsts, PIECES + last]);
    await write(disk, erase(1, 1));
    expect(await journalOf(disk.summary)).toEqual([]);
    expect(await keysIn(disk.summary, 'units')).toEqual([PIECES + last - 1]);
    expect((await valuesOf(disk)).slice(0, 2)).toEqual([SETTLE_AFTER_COMMITS - 2, -1]);
    await write(disk, erase(0, 1));
    expect(await keysIn(disk.summary, 'units')).toEqual([]);
  });

  it('are deleted also when a fork failed after it had settled the journal', async () => {
    const catalogue = tab();
    const { id } = await catalogue.create(spec);
    const disk = await catalogue.open(id);
    await write(disk, put(1, 0));
    const real = indexedDB.open.bind(indexedDB);
    vi.spyOn(indexedDB, 'open').mockImplementation((name, version) => {
      if (name.endsWith(`${id}:2`)) throw new DOMException('no room', 'QuotaExceededError');
      return real(name, version);
    });
    await expect(catalogue.fork(id, 'fork')).rejects.toMatchObject({ name: 'StoreError' });
    vi.restoreAllMocks();
    expect(await journalOf({ id })).toEqual([]);
    await write(disk, erase(0, 1));
    expect(await keysIn({ id }, 'units')).toEqual([]);
    expect(await valuesIn(tab(), id)).toEqual(Array(10).fill(-1));
    expect(await keysIn({ id }, 'units')).toEqual([]);
  });

  it('have no record before them that is long beside them', async () => {
    const disk = await fresh();
    await write(disk, withLongTable(put(1, 0, 1, 2, 3)), put(2, 4, 5));
    expect([...(await placesOf(disk.summary)).values()].map(({ store }) => store)).toEqual(['map', 'units']);
    expect(await valuesIn(tab(), disk.summary.id)).toEqual([1, 1, 1, 1, 2, 2, -1, -1, -1, -1]);
  });

  it('are found while commits go on', async () => {
    const disk = await fresh();
    await write(disk, put(0, 0, 1, 2, 3));
    for (let i = 1; i < 20; i++) {
      const commit = i % 3 === 0 ? put(i, 0, 1) : { ...put(i, 0, 1, 2, 3), erased: [{ first: 0, count: 4 }] };
      const writing = write(disk, commit);
      const during = await valuesOf(disk, 2);
      await writing;
      expect(during.every((value) => value === i || value === i - 1)).toBe(true);
      expect(await valuesOf(disk, 2)).toEqual([i, i]);
    }
  });

  it('leave no piece that nothing needs, and miss none', async () => {
    const few = { ...spec, unitBytes: 30_000, totalUnits: 24 };
    const sealedBytes = few.unitBytes + 4;
    const commit = fc.record({
      erased: fc.array(fc.record({ first: fc.nat(19), count: fc.nat(4) }), { maxLength: 2 }),
      units: fc.array(fc.nat(23), { maxLength: 8 }),
      closes: fc.nat(9).map((n) => n === 0),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(commit, { minLength: 1, maxLength: 25 }), async (commits) => {
        indexedDB = new IDBFactory();
        const catalogue = tab();
        const { id } = await catalogue.create(few);
        let disk = await catalogue.open(id);
        // Of each unit its pieces, none for a record of its own.
        const places = new Map<number, number[]>();
        // Those that begin with a record of the journal stay until that is settled.
        const heads = new Set<number>();
        let pieces = 0;
        for (const { erased, units, closes } of commits) {
          const bytes = new Uint8Array(few.unitBytes);
          await disk.commit({ erased, units: units.map((unit) => ({ unit, bytes })), shards: [] }, 'relaxed');
          eraseIn(places, erased);
          const isNew = [...new Set(units)].filter((unit) => !places.has(unit));
          for (const unit of units) places.set(unit, []);
          const record = journalBytes({ erased, inPieces: [...new Set(units)], byThemselves: [] }, []);
          const head = isJoined(record, isNew.length * few.unitBytes) ? record : 0;
          const needed = Math.ceil((head + isNew.length * sealedBytes) / PIECE_BYTES);
          if (needed < isNew.length + (head > 0 ? 1 : 0)) {
            if (head > 0) heads.add(PIECES + pieces);
            isNew.forEach((unit, i) => {
              const from = head + i * sealedBytes;
              const [a, b] = [from, from + sealedBytes - 1].map((at) => Math.floor(at / PIECE_BYTES));
              places.set(unit, [...new Set([pieces + (a as number), pieces + (b as number)])]);
            });
            pieces += needed;
          }
          if (closes) {
            heads.clear();
            await disk.close();
            disk = await catalogue.open(id);
          }
          const keys = new Set(heads);
          for (const [unit, at] of places)
            for (const key of at.length === 0 ? [unit] : at.map((n) => PIECES + n)) keys.add(key);
          expect(await keysIn({ id }, 'units')).toEqual([...keys].sort((a, b) => a - b));
        }
        await disk.commit(erase(0, few.totalUnits), 'relaxed');
        await disk.close();
        expect(await keysIn({ id }, 'units')).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  function eraseIn(places: Map<number, number[]>, erased: readonly UnitRun[]): void {
    for (const { first, count } of erased) for (let i = 0; i < count; i++) places.delete(first + i);
  }

  it('of a piece that is damaged are corrupt, the others are not', async () => {
    const damages: Record<string, (piece: Uint8Array) => unknown> = {
      missing: () => undefined,
      'cut off': (piece) => piece.slice(0, 100),
      'of another kind': () => 'text',
      'of other bytes': (piece) => piece.map((byte) => byte ^ 1),
    };
    for (const damage of Object.values(damages)) {
      indexedDB = new IDBFactory();
      const disk = await fresh();
      // Pieces of 64512 bytes, units of 40004: the middle one has ends of units 1 and 3, and all of unit 2.
      await write(disk, put(1, 0, 1, 2, 3, 4));
      await meddle(disk.summary, 'units', (units) => {
        const reading = units.get(PIECES + 1) as IDBRequest<Uint8Array>;
        reading.onsuccess = () => {
          units.delete(PIECES + 1);
          const bad = damage(reading.result);
          if (bad !== undefined) units.put(bad, PIECES + 1);
        };
        return undefined;
      });
      const ends = await Promise.allSettled([0, 1, 2, 3, 4].map((unit) => disk.readUnit(unit)));
      expect(ends.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'rejected',
        'rejected',
        'fulfilled',
      ]);
      for (const end of ends)
        if (end.status === 'rejected')
          expect(end.reason).toMatchObject({ name: 'StoreError', code: 'corrupt' });
    }
  });

  it('that an index puts where they cannot be make the disk corrupt', async () => {
    const disk = await fresh();
    await write(disk, put(1, 0, 1, 2));
    await disk.close();
    const { id } = disk.summary;
    const good = (await meddle({ id }, 'map', (map) => map.get(INDEX_PAGES))) as Uint8Array;
    const entry = (unit: number, value: number): Uint8Array => {
      const page = unseal(good, 'it').slice();
      new DataView(page.buffer).setFloat64(unit * 8, value, true);
      return seal(page);
    };
    const bad: (readonly [key: number, page: unknown])[] = [
      [INDEX_PAGES, entry(0, -1)],
      [INDEX_PAGES, entry(0, NaN)],
      [INDEX_PAGES, entry(0, Infinity)],
      [INDEX_PAGES, entry(0, 1.5)],
      [INDEX_PAGES, entry(0, 2 ** 52)],
      [INDEX_PAGES, entry(0, 2 * PIECE_BYTES)],
      [INDEX_PAGES, entry(3, 1)],
      [INDEX_PAGES + 9, good],
      [INDEX_PAGES + 2 ** 24, good],
      [INDEX_PAGES + 0.5, good],
      [INDEX_PAGES, unseal(good, 'it')],
      [INDEX_PAGES, seal(new Uint8Array(10))],
      [INDEX_PAGES, null],
    ];
    for (const [key, page] of bad) {
      await meddle({ id }, 'map', (map) => map.put(page, key));
      await expect(tab().open(id)).rejects.toMatchObject({ name: 'StoreError', code: 'corrupt' });
      await meddle({ id }, 'map', (map) => {
        map.delete(key);
        return map.put(good, INDEX_PAGES);
      });
    }
    expect((await valuesIn(tab(), id)).slice(0, 4)).toEqual([1, 1, 1, -1]);
  });

  it('of large units are pieces too, of very large ones not', async () => {
    const catalogue = tab();
    for (const [unitBytes, isInPieces] of [
      [256 * 1024, true],
      [2 ** 20, false],
    ] as const) {
      const { id } = await catalogue.create({ ...spec, unitBytes });
      const disk = await catalogue.open(id);
      const bytes = Uint8Array.from({ length: unitBytes }, (_, i) => i % 251);
      await disk.commit({ erased: [], units: [{ unit: 4, bytes }], shards: [] }, 'relaxed');
      expect((await keysIn({ id }, 'units')).every((key) => key >= PIECES)).toBe(isInPieces);
      expect(Buffer.compare((await disk.readUnit(4)) as Uint8Array, bytes)).toBe(0);
      await disk.close();
    }
  });
});
