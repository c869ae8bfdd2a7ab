import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk } from './catalogue.ts';
import { checkedName, checkedSpec, isIndex, randomDiskId } from './disk-spec.ts';
import { busyHere, missingDisk } from './errors.ts';
import { deleteDatabase, openDatabase, result, transact } from './indexeddb/database.ts';
import { openIndexedDbDisk, readSuperblock, type IndexedDbDisk } from './indexeddb/disk.ts';
import { browserEnvironment, type IndexedDbEnvironment } from './indexeddb/environment.ts';
import { ElsewhereError, notHandedOver, storeError } from './indexeddb/errors.ts';
import { askToLetGo, listenForAsks } from './indexeddb/handover.ts';
import { CATALOGUE_STORES, DISK_STORES, Names, SUPERBLOCK_KEY } from './indexeddb/layout.ts';
import { takeLock, type HeldLock } from './indexeddb/lock.ts';
import {
  byAge,
  newSuperblock,
  parseSuperblock,
  summaryOf,
  unreadable,
  type Superblock,
} from './superblock.ts';

export type { IndexedDbEnvironment, LockProvider } from './indexeddb/environment.ts';

export interface IndexedDbCatalogueOptions extends Partial<IndexedDbEnvironment> {
  /** Tells apart copies of the program on one origin: give the path of the page. Empty by default. */
  readonly prefix?: string;
}

/** How long a database may be in the making before it counts as left behind by a tab that died. */
const ABANDONED_AFTER_MS = 60_000;
/** How often a making that takes longer says that it goes on. */
const STILL_ALIVE_MS = 10_000;
const FIRST_GENERATION = 1;
/** Time that another tab has to let go of a disk: a commit that is under way may take some of it. */
const TAKE_OVER_MS = 6000;
const TAKE_OVER_STEP_MS = 50;

/**
 * Disks kept by the browser: survive reloads, crashes and power cuts. The catalogue says which database
 * is a disk's; `garbage` names databases that are being made or must go, written before anything is made
 * or deleted, so that nothing leaks if the tab dies in between.
 */
export class IndexedDbCatalogue implements DiskCatalogue {
  readonly #env: IndexedDbEnvironment;
  readonly #names: Names;
  /** Disks in use in this very tab; undefined while one is being opened, wiped or removed. */
  readonly #inUse = new Map<string, IndexedDbDisk | undefined>();
  /** Ends listening for other tabs that want an open disk. */
  readonly #listening = new Map<string, () => void>();

  constructor(options: IndexedDbCatalogueOptions = {}) {
    this.#env = { ...browserEnvironment(), ...options };
    this.#names = new Names(options.prefix ?? '');
  }

  /** Why disks cannot be kept here, in one sentence; empty when they can. Never rejects. */
  async whyUnavailable(): Promise<string> {
    try {
      await this.#inCatalogue('readonly', () => undefined);
      return '';
    } catch (error) {
      return storeError(error).message;
    }
  }

  /** A disk whose database is gone is passed over: there is nothing to show, and nothing to free. */
  async list(): Promise<readonly DiskSummary[]> {
    const { generations, garbage } = await this.#contents();
    await this.#sweep(garbage);
    const found = await Promise.all(
      [...generations].map(async ([id, generation]) => {
        try {
          return [summaryOf(await this.#superblock(id, generation), 'indexeddb')];
        } catch (error) {
          const { code, message } = storeError(error);
          return code === 'missing' ? [] : [unreadable(id, 'indexeddb', message)];
        }
      }),
    );
    return found.flat().sort(byAge);
  }

  async create(spec: DiskSpec): Promise<DiskSummary> {
    const superblock = newSuperblock(checkedSpec(spec), randomDiskId());
    await this.#begin(superblock, FIRST_GENERATION);
    return summaryOf(superblock, 'indexeddb');
  }

  /** While it is filled its database counts as in the making, which is said again before it would be given up. */
  async build(spec: DiskSpec, fill: (disk: OpenDisk) => Promise<void>): Promise<DiskSummary> {
    const superblock = newSuperblock(checkedSpec(spec), randomDiskId());
    const { id } = superblock;
    const name = this.#names.disk(id, FIRST_GENERATION);
    const lock = await this.#hold(id);
    let alive: ReturnType<typeof setInterval> | undefined;
    try {
      await this.#make(superblock, name);
      alive = setInterval(() => void this.#inTheMaking(name).catch(() => undefined), STILL_ALIVE_MS);
      const disk = await openIndexedDbDisk(this.#env, name, id, lock, async () => undefined);
      try {
        await fill(disk);
      } finally {
        await disk.close();
      }
      clearInterval(alive);
      const filled = await this.#superblock(id, FIRST_GENERATION);
      await this.#enter(id, FIRST_GENERATION);
      return summaryOf(filled, 'indexeddb');
    } catch (error) {
      await this.#discardIfUnused(name);
      throw error;
    } finally {
      clearInterval(alive);
      await this.#letGo(id, lock);
    }
  }

  /**
   * Asks another tab that has the disk open to let go of it; resolves when the disk can be opened here. What that
   * tab's guest was told is stored is kept; its machine goes on without a disk. Rejects with StoreError `busy` when
   * it does not answer.
   */
  async takeOver(id: string): Promise<void> {
    if (this.#inUse.has(id)) throw busyHere();
    const name = this.#names.lock(id);
    askToLetGo(this.#env.channel, name);
    for (let waitedMs = 0; waitedMs < TAKE_OVER_MS; waitedMs += TAKE_OVER_STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, TAKE_OVER_STEP_MS));
      const lock = await takeLock(this.#env.locks, name);
      if (lock === undefined) continue;
      await lock.release();
      return;
    }
    throw notHandedOver();
  }

  async open(id: string): Promise<OpenDisk> {
    const lock = await this.#hold(id);
    try {
      const name = this.#names.disk(id, await this.#generation(id));
      const disk = await openIndexedDbDisk(this.#env, name, id, lock, () => this.#letGo(id, lock));
      this.#inUse.set(id, disk);
      this.#listening.set(
        id,
        listenForAsks(this.#env.channel, this.#names.lock(id), () => disk.handOver()),
      );
      return disk;
    } catch (error) {
      await this.#letGo(id, lock);
      throw error;
    }
  }

  /** Works on an open disk too, in whichever tab: its next commit keeps the new name. */
  async rename(id: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    const superblock = await this.#inDisk(this.#names.disk(id, await this.#generation(id)), (db) =>
      transact(db, ['superblock'], 'readwrite', async (tx) => {
        const store = tx.objectStore('superblock');
        const renamed = { ...parseSuperblock(await result<unknown>(store.get(SUPERBLOCK_KEY)), id), name };
        store.put(renamed, SUPERBLOCK_KEY);
        return renamed;
      }),
    );
    this.#inUse.get(id)?.renamed(superblock);
    return summaryOf(superblock, 'indexeddb');
  }

  /** Begins an empty database and deletes the full one: quick, and all or nothing. */
  async wipe(id: string): Promise<DiskSummary> {
    const lock = await this.#hold(id);
    try {
      const generation = await this.#generation(id);
      const before = await this.#superblock(id, generation);
      const superblock = { ...before, unitsStored: 0 };
      await this.#begin(superblock, generation + 1, generation);
      await this.#discard(this.#names.disk(id, generation));
      return summaryOf(superblock, 'indexeddb');
    } finally {
      await this.#letGo(id, lock);
    }
  }

  /** Gone from the catalogue at once; if its data cannot be deleted now, a later {@link list} does it. */
  async remove(id: string): Promise<void> {
    const lock = await this.#hold(id);
    try {
      const name = this.#names.disk(id, await this.#generation(id));
      await this.#inCatalogue('readwrite', (tx) => {
        tx.objectStore('disks').delete(id);
        tx.objectStore('garbage').put({ sinceMs: 0 }, name);
      });
      await this.#discard(name);
    } finally {
      await this.#letGo(id, lock);
    }
  }

  /** Makes the database of a disk and then enters it in the catalogue, in place of `replaced` if given. */
  async #begin(superblock: Superblock, generation: number, replaced?: number): Promise<void> {
    const { id } = superblock;
    const name = this.#names.disk(id, generation);
    try {
      await this.#make(superblock, name, replaced !== undefined);
      await this.#enter(id, generation, replaced);
    } catch (error) {
      await this.#discardIfUnused(name);
      throw error;
    }
  }

  /** Makes a database with a superblock, named in `garbage`. */
  async #make(superblock: Superblock, name: string, afresh = false): Promise<void> {
    await this.#inTheMaking(name);
    // A wipe that died half way may have left one.
    if (afresh) await deleteDatabase(this.#env, name);
    const db = await openDatabase(this.#env, name, DISK_STORES, true);
    await this.#using(db, (made) =>
      transact(made, ['superblock'], 'readwrite', (tx) => {
        tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
      }),
    );
  }

  async #inTheMaking(name: string): Promise<void> {
    await this.#inCatalogue('readwrite', (tx) => {
      tx.objectStore('garbage').put({ sinceMs: Date.now() }, name);
    });
  }

  /** From here on the disk is in the list. */
  async #enter(id: string, generation: number, replaced?: number): Promise<void> {
    await this.#inCatalogue('readwrite', (tx) => {
      tx.objectStore('disks').put({ generation }, id);
      tx.objectStore('garbage').delete(this.#names.disk(id, generation));
      if (replaced !== undefined)
        tx.objectStore('garbage').put({ sinceMs: 0 }, this.#names.disk(id, replaced));
    });
  }

  /** For a database whose making failed. Asks the catalogue: the last step may have been kept after all. */
  async #discardIfUnused(name: string): Promise<void> {
    try {
      const { garbage } = await this.#contents();
      if (garbage.has(name)) await this.#discard(name);
    } catch {
      // A later list sweeps it.
    }
  }

  /** Deletes a database that `garbage` names. Failing is no harm: it stays named, and is tried again. */
  async #discard(name: string): Promise<void> {
    try {
      await deleteDatabase(this.#env, name);
      await this.#inCatalogue('readwrite', (tx) => {
        tx.objectStore('garbage').delete(name);
      });
    } catch {
      // See above.
    }
  }

  async #sweep(garbage: ReadonlyMap<string, number>): Promise<void> {
    const abandoned = Date.now() - ABANDONED_AFTER_MS;
    for (const [name, sinceMs] of garbage) if (sinceMs < abandoned) await this.#discard(name);
  }

  /** What the catalogue holds; records that it did not write itself are passed over. */
  async #contents(): Promise<{ generations: Map<string, number>; garbage: Map<string, number> }> {
    const [diskKeys, disks, garbageKeys, garbage] = await this.#inCatalogue('readonly', (tx) => {
      const all = (store: string): [Promise<IDBValidKey[]>, Promise<unknown[]>] => [
        result(tx.objectStore(store).getAllKeys()),
        result<unknown[]>(tx.objectStore(store).getAll()),
      ];
      return Promise.all([...all('disks'), ...all('garbage')]);
    });
    const generations = numbersByName(diskKeys, disks, 'generation');
    const doomed = numbersByName(garbageKeys, garbage, 'sinceMs');
    const needed = new Set([...generations].map(([id, generation]) => this.#names.disk(id, generation)));
    for (const name of doomed.keys()) if (!this.#names.isDisk(name) || needed.has(name)) doomed.delete(name);
    return { generations, garbage: doomed };
  }

  async #generation(id: string): Promise<number> {
    const record = await this.#inCatalogue('readonly', (tx) =>
      result<unknown>(tx.objectStore('disks').get(id)),
    );
    const generation = numbersByName([id], [record], 'generation').get(id);
    if (generation === undefined) throw missingDisk();
    return generation;
  }

  async #inCatalogue<T>(
    mode: 'readonly' | 'readwrite',
    work: (tx: IDBTransaction) => T | Promise<T>,
  ): Promise<T> {
    const db = await openDatabase(this.#env, this.#names.catalogue, CATALOGUE_STORES, true);
    return this.#using(db, (open) => transact(open, CATALOGUE_STORES, mode, work));
  }

  #superblock(id: string, generation: number): Promise<Superblock> {
    return this.#inDisk(this.#names.disk(id, generation), (db) => readSuperblock(db, id));
  }

  async #inDisk<T>(name: string, work: (db: IDBDatabase) => Promise<T>): Promise<T> {
    return this.#using(await openDatabase(this.#env, name, DISK_STORES, false), work);
  }

  async #using<T>(db: IDBDatabase | undefined, work: (db: IDBDatabase) => Promise<T>): Promise<T> {
    if (db === undefined) throw missingDisk();
    // Else another tab's deletion would wait for this one.
    db.onversionchange = () => db.close();
    try {
      return await work(db);
    } catch (error) {
      throw storeError(error);
    } finally {
      db.close();
    }
  }

  async #hold(id: string): Promise<HeldLock> {
    if (typeof id !== 'string') throw missingDisk();
    if (this.#inUse.has(id)) throw busyHere();
    this.#inUse.set(id, undefined);
    const lock = await takeLock(this.#env.locks, this.#names.lock(id));
    if (lock === undefined) {
      this.#inUse.delete(id);
      throw new ElsewhereError();
    }
    return lock;
  }

  async #letGo(id: string, lock: HeldLock): Promise<void> {
    this.#listening.get(id)?.();
    this.#listening.delete(id);
    this.#inUse.delete(id);
    await lock.release();
  }
}

/** Records of the form `{ [field]: count }` by key; all else is dropped. */
function numbersByName(
  keys: readonly unknown[],
  records: readonly unknown[],
  field: string,
): Map<string, number> {
  const numbers = new Map<string, number>();
  keys.forEach((key, i) => {
    const record = records[i];
    if (typeof key !== 'string' || typeof record !== 'object' || record === null) return;
    if (!Object.hasOwn(record, field)) return;
    const number = (record as Record<string, unknown>)[field];
    if (isIndex(number, Number.MAX_SAFE_INTEGER)) numbers.set(key, number);
  });
  return numbers;
}
