import type { Durability } from '../../flash/media-store.ts';
import type { PinnedDisk } from '../catalogue.ts';
import { isIndex, specProblem } from '../disk-spec.ts';
import { missingDisk, missingPin } from '../errors.ts';
import { inDatabase, result, transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { abortedError, ElsewhereError } from './errors.ts';
import { CATALOGUE_SCHEMA, CATALOGUE_STORES, layerOf, type Layer, type Names } from './layout.ts';

/** How long a database may be in the making before it counts as left behind by a tab that died. */
export const ABANDONED_AFTER_MS = 60_000;
/** What is entered must be much younger: another tab may be about to sweep what has come of age. */
const ENTERED_WITHIN_MS = ABANDONED_AFTER_MS / 2;

/** Where a disk is, in the catalogue. */
export interface DiskEntry {
  /** Of its own database, which is the only one that is written. */
  readonly generation: number;
  /** The databases below that one, nearest first. */
  readonly bases: readonly Layer[];
}

export interface PinEntry {
  readonly pin: PinnedDisk;
  /** Nearest first: superblock, table and unit map are those of the first. */
  readonly layers: readonly Layer[];
}

/** What the next database of a disk is to be. */
export interface Claim {
  /** What the disk has now. */
  readonly entry: DiskEntry;
  readonly generation: number;
}

/** What the catalogue holds; records that it did not write itself are passed over. */
export interface Books {
  readonly disks: Map<string, DiskEntry>;
  readonly pins: Map<string, PinEntry>;
  /** When each database in the making, or to be deleted, was named; by the database's name. */
  readonly garbage: ReadonlyMap<string, number>;
}

/** The catalogue's own database. */
export class CatalogueBooks {
  readonly #env: IndexedDbEnvironment;
  readonly #names: Names;

  constructor(env: IndexedDbEnvironment, names: Names) {
    this.#env = env;
    this.#names = names;
  }

  /** @throws StoreError, as all here do */
  read(): Promise<Books> {
    return this.#transact('readonly', (tx) => readBooks(tx));
  }

  /** Opens the database and no more. */
  async touch(): Promise<void> {
    await this.#transact('readonly', () => undefined);
  }

  /** @throws StoreError `missing` */
  async disk(id: string): Promise<DiskEntry> {
    const record = await this.#transact('readonly', (tx) => result<unknown>(tx.objectStore('disks').get(id)));
    const entry = diskEntry(record);
    if (entry === undefined) throw missingDisk();
    return entry;
  }

  /** @throws StoreError `missing` */
  async pin(pin: string): Promise<PinEntry> {
    const record = await this.#transact('readonly', (tx) => result<unknown>(tx.objectStore('pins').get(pin)));
    const entry = pinEntry(pin, record);
    if (entry === undefined) throw missingPin();
    return entry;
  }

  /** Databases that may be deleted: named in `garbage`, old enough, and needed by nobody. */
  async abandoned(): Promise<{ readonly books: Books; readonly names: readonly string[] }> {
    const books = await this.read();
    const needed = this.#needed(books);
    const oldMs = Date.now() - ABANDONED_AFTER_MS;
    const names = [...books.garbage].filter(
      ([name, sinceMs]) => sinceMs < oldMs && this.#names.isDisk(name) && !needed.has(name),
    );
    return { books, names: names.map(([name]) => name) };
  }

  /**
   * Names the next database of a disk, before it is made. One that a dead tab began, and which another one may be
   * about to sweep, is passed over.
   * @param isExclusive false where no lock keeps others from doing the same
   * @throws StoreError `missing`; `busy` when another tab is at it
   */
  claim(id: string, isExclusive: boolean): Promise<Claim> {
    return this.#transact('readwrite', async (tx) => {
      const books = await readBooks(tx);
      const entry = books.disks.get(id);
      if (entry === undefined) throw missingDisk();
      if (!isExclusive && this.isClaimed(books, id)) throw new ElsewhereError();
      let generation = entry.generation + 1;
      while (books.garbage.has(this.#names.disk(id, generation))) generation++;
      tx.objectStore('garbage').put({ sinceMs: Date.now() }, this.#names.disk(id, generation));
      return { entry, generation };
    });
  }

  /** Whether somebody is making the next database of a disk. */
  isClaimed({ disks, garbage }: Books, id: string): boolean {
    const current = disks.get(id)?.generation ?? 0;
    const oldMs = Date.now() - ABANDONED_AFTER_MS;
    const prefix = this.#names.layer(`${id}:`);
    return [...garbage].some(
      ([name, sinceMs]) =>
        sinceMs >= oldMs && name.startsWith(prefix) && Number(name.slice(prefix.length)) > current,
    );
  }

  /** Before the first database of a disk is made, and now and then while that goes on: if this tab dies, it is swept. */
  async inTheMaking(name: string): Promise<void> {
    await this.#transact('readwrite', (tx) => {
      tx.objectStore('garbage').put({ sinceMs: Date.now() }, name);
    });
  }

  /** Whether a database is named in `garbage`, and needed by nobody. */
  async isGarbage(name: string): Promise<boolean> {
    const books = await this.read();
    return books.garbage.has(name) && !this.#needed(books).has(name);
  }

  /** A database was deleted. */
  async forget(name: string): Promise<void> {
    await this.#transact('readwrite', (tx) => {
      tx.objectStore('garbage').delete(name);
    });
  }

  /**
   * Changes disks and pins in one transaction. Databases that nobody needs any more after it are named in `garbage`
   * by the same transaction; those that were in the making and are needed now, no longer.
   * @param edit changes the maps; what it throws undoes everything
   * @returns names of databases that can be deleted now
   */
  async change(edit: (books: Books) => void, durability: Durability = 'relaxed'): Promise<readonly string[]> {
    return this.#transact(
      'readwrite',
      async (tx) => {
        const before = await readBooks(tx);
        const after = { ...before, disks: new Map(before.disks), pins: new Map(before.pins) };
        edit(after);
        const needed = this.#needed(after);
        const neededBefore = this.#needed(before);
        const garbage = tx.objectStore('garbage');
        for (const name of needed) {
          if (neededBefore.has(name)) continue;
          const sinceMs = before.garbage.get(name);
          // It may be gone, or go soon.
          if (sinceMs === undefined || sinceMs < Date.now() - ENTERED_WITHIN_MS) throw abortedError(null);
          garbage.delete(name);
        }
        const freed = [...neededBefore].filter((name) => !needed.has(name));
        for (const name of freed) garbage.put({ sinceMs: 0 }, name);
        put(tx.objectStore('disks'), before.disks, after.disks, diskRecord);
        put(tx.objectStore('pins'), before.pins, after.pins, pinRecord);
        return freed;
      },
      durability,
    );
  }

  #needed({ disks, pins }: Books): Set<string> {
    const needed = new Set<string>();
    for (const [id, { generation, bases }] of disks)
      for (const layer of [layerOf(id, generation), ...bases]) needed.add(this.#names.layer(layer));
    for (const { layers } of pins.values()) for (const layer of layers) needed.add(this.#names.layer(layer));
    return needed;
  }

  #transact<T>(
    mode: 'readonly' | 'readwrite',
    work: (tx: IDBTransaction) => T | Promise<T>,
    durability?: Durability,
  ): Promise<T> {
    return inDatabase(this.#env, this.#names.catalogue, CATALOGUE_SCHEMA, true, (db) =>
      transact(db, CATALOGUE_STORES, mode, work, durability),
    );
  }
}

async function readBooks(tx: IDBTransaction): Promise<Books> {
  const all = (store: string): [Promise<IDBValidKey[]>, Promise<unknown[]>] => [
    result(tx.objectStore(store).getAllKeys()),
    result<unknown[]>(tx.objectStore(store).getAll()),
  ];
  const [diskKeys, disks, pinKeys, pins, garbageKeys, garbage] = await Promise.all([
    ...all('disks'),
    ...all('pins'),
    ...all('garbage'),
  ]);
  return {
    disks: byName(diskKeys, disks, (_id, record) => diskEntry(record)),
    pins: byName(pinKeys, pins, pinEntry),
    garbage: byName(garbageKeys, garbage, (_name, record) => {
      const sinceMs = fieldsOf(record)('sinceMs');
      return isIndex(sinceMs, Number.MAX_SAFE_INTEGER) ? sinceMs : undefined;
    }),
  };
}

function put<T>(
  store: IDBObjectStore,
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  record: (entry: T) => unknown,
): void {
  for (const key of before.keys()) if (!after.has(key)) store.delete(key);
  for (const [key, entry] of after) if (before.get(key) !== entry) store.put(record(entry), key);
}

function byName<T>(
  keys: readonly unknown[],
  records: readonly unknown[],
  entryOf: (key: string, record: unknown) => T | undefined,
): Map<string, T> {
  const entries = new Map<string, T>();
  keys.forEach((key, i) => {
    const entry = typeof key === 'string' ? entryOf(key, records[i]) : undefined;
    if (typeof key === 'string' && entry !== undefined) entries.set(key, entry);
  });
  return entries;
}

/** `{ generation, bases }`; without layers below it as in format 1, `{ generation }`. */
function diskRecord({ generation, bases }: DiskEntry): unknown {
  return bases.length === 0 ? { generation } : { generation, bases };
}

function diskEntry(record: unknown): DiskEntry | undefined {
  const field = fieldsOf(record);
  const generation = field('generation');
  const bases = field('bases') ?? [];
  return isIndex(generation, Number.MAX_SAFE_INTEGER) && areLayers(bases) ? { generation, bases } : undefined;
}

function pinRecord({ pin: { pin: _key, kept: _kept, ...fields }, layers }: PinEntry): unknown {
  return { ...fields, layers };
}

function pinEntry(key: string, record: unknown): PinEntry | undefined {
  const field = fieldsOf(record);
  const layers = field('layers');
  const [diskId, name, deviceLine] = [field('diskId'), field('name'), field('deviceLine')];
  const [sizeBytes, unitBytes, totalUnits] = [field('sizeBytes'), field('unitBytes'), field('totalUnits')];
  const [epoch, commits] = [field('epoch'), field('commits')];
  const [unitsStored, pinnedAtMs] = [field('unitsStored'), field('pinnedAtMs')];
  const spec = { name, deviceLine, sizeBytes, unitBytes, totalUnits };
  if (typeof diskId !== 'string' || !areLayers(layers) || layers.length === 0) return undefined;
  if (specProblem(spec) !== undefined) return undefined;
  const numbers = { epoch, commits, unitsStored, pinnedAtMs };
  if (!Object.values(numbers).every((number) => isIndex(number, Number.MAX_SAFE_INTEGER))) return undefined;
  const pin = { ...spec, ...numbers, pin: key, diskId, kept: 'indexeddb' } as PinnedDisk;
  return { pin, layers };
}

function areLayers(value: unknown): value is readonly Layer[] {
  return Array.isArray(value) && value.every((layer) => typeof layer === 'string' && /^.+:\d+$/.test(layer));
}

/** Only own fields: records are data. */
function fieldsOf(record: unknown): (name: string) => unknown {
  return (name) =>
    typeof record === 'object' && record !== null && Object.hasOwn(record, name)
      ? (record as Record<string, unknown>)[name]
      : undefined;
}
