import { StoreError, type Durability, type MediaCommit, type TableShard } from '../../flash/media-store.ts';
import type { DiskSummary, OpenDisk } from '../catalogue.ts';
import { seal, SEAL_BYTES, unseal } from '../checksum.ts';
import { checkCommit, commitUnderWay, isIndex, MAX_UNITS } from '../disk-spec.ts';
import { closedDisk, missingDisk, notify } from '../errors.ts';
import { parseSuperblock, summaryOf, type Superblock } from '../superblock.ts';
import { UNIT_MAP_PAGE_BYTES, UnitMap } from '../unit-map.ts';
import { Connection } from './connection.ts';
import { openDatabase, result, transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { overtakenError, storeError } from './errors.ts';
import { DISK_STORES, SUPERBLOCK_KEY } from './layout.ts';
import type { HeldLock } from './lock.ts';
import { UnitReader } from './unit-reader.ts';
import { writeCommit, type SealedCommit } from './write-commit.ts';

/** Unit buffers kept from one commit to the next: 2 MiB of usual units. */
const KEPT_UNIT_BUFFERS = 64;

/** One disk in IndexedDB, open. Made by {@link openIndexedDbDisk}. */
export class IndexedDbDisk implements OpenDisk {
  onlost: ((error: Error) => void) | undefined;
  readonly #env: IndexedDbEnvironment;
  readonly #connection: Connection;
  readonly #letGo: () => Promise<void>;
  readonly #isExclusive: boolean;
  readonly #reader: UnitReader;
  readonly #map: UnitMap;
  /**
   * Units are sealed in these, used again at each commit. One buffer a unit: `put` would clone the whole of
   * a shared one.
   */
  readonly #sealedUnits: Uint8Array<ArrayBuffer>[] = [];
  #superblock: Superblock;
  #underWay: Promise<void> | undefined;
  /** Set when it was closed or lost: what every call rejects with from then on. */
  #end: StoreError | undefined;
  #closing: Promise<void> | undefined;
  #released: Promise<void> | undefined;

  constructor(
    env: IndexedDbEnvironment,
    databaseName: string,
    db: IDBDatabase,
    lock: HeldLock,
    letGo: () => Promise<void>,
    superblock: Superblock,
    map: UnitMap,
  ) {
    this.#env = env;
    this.#letGo = letGo;
    this.#isExclusive = lock.excludes;
    this.#superblock = superblock;
    this.#map = map;
    this.#reader = new UnitReader((units, deliver) => this.#fetch(units, deliver));
    this.#connection = new Connection(env, databaseName, db, (reopened) => this.#verify(reopened));
    this.#connection.onlost = (error) => this.#lose(error);
    lock.onstolen = () => this.#lose(overtakenError());
  }

  get summary(): DiskSummary {
    return summaryOf(this.#superblock, 'indexeddb');
  }

  unitsStored(): number {
    return this.#map.stored;
  }

  isStored(unit: number): boolean {
    return this.#map.has(unit);
  }

  /** Sees what was committed when it is called; units of a commit under way appear when that has ended. */
  readUnit(unit: number): undefined | Promise<Uint8Array | undefined> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (!this.#map.has(unit)) return undefined;
    return this.#read(unit);
  }

  async loadTable(): Promise<readonly TableShard[]> {
    if (this.#end !== undefined) throw this.#end;
    return this.#connection.use(async (db) => {
      const all = await transact(db, ['table'], 'readonly', (tx) => numbered(this.#env, tx, 'table'));
      return all.map(([shard, record]) => ({ shard, bytes: unseal(record, `Table shard ${shard}`) }));
    });
  }

  /** Resolves at the transaction's `complete` event. After `lost` it is not known whether the group was kept. */
  commit(commit: MediaCommit, durability: Durability): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (this.#underWay !== undefined) return Promise.reject(commitUnderWay());
    let sealed: SealedCommit;
    try {
      checkCommit(commit, this.#superblock);
      sealed = this.#seal(commit, durability);
    } catch (error) {
      return Promise.reject(storeError(error));
    }
    // Repeating is safe: every put and every range delete states what shall be, not what to change, and
    // so do the unit map and the count; the epoch, checked inside, proves that nobody wrote in between.
    const written = this.#connection
      .use((db) => writeCommit(db, sealed, (superblock) => this.#kept(superblock, sealed)))
      .finally(() => {
        this.#underWay = undefined;
        if (this.#sealedUnits.length > KEPT_UNIT_BUFFERS) this.#sealedUnits.length = KEPT_UNIT_BUFFERS;
      });
    // Also awaited by `close`, which does not care how it ended.
    this.#underWay = written.catch(() => undefined);
    return written;
  }

  close(): Promise<void> {
    this.#end ??= closedDisk();
    this.#closing ??= (async () => {
      await this.#underWay;
      this.#connection.close();
      await this.#release();
    })();
    return this.#closing;
  }

  /** Another tab asked for the disk. A commit under way ends as it will: whoever opens the disk waits for it. */
  handOver(): void {
    this.#lose(overtakenError());
  }

  /** The catalogue renamed this disk. */
  renamed(superblock: Superblock): void {
    this.#superblock = { ...this.#superblock, name: superblock.name };
  }

  #seal(commit: MediaCommit, durability: Durability): SealedCommit {
    const change = this.#map.change(commit);
    return {
      superblock: this.#superblock,
      isExclusive: this.#isExclusive,
      durability,
      // A delete of nothing still costs a millisecond, and GC erases what it has just emptied as well.
      erased: commit.erased.flatMap((run) => {
        const held = this.#map.trim(run);
        return held === undefined ? [] : [this.#keyRange(held.first, held.first + held.count - 1)];
      }),
      // Copies: units and table go on changing in place, and an attempt that has to wait for the connection,
      // or is repeated, must write the same.
      units: commit.units.map(({ unit, bytes }, i) => [unit, seal(bytes, this.#unitBuffer(i))] as const),
      shards: commit.shards.map(({ shard, bytes }) => [shard, seal(bytes)] as const),
      pages: [...change.pages].map(([page, bytes]) => [page, seal(bytes)] as const),
      change,
    };
  }

  #unitBuffer(i: number): Uint8Array<ArrayBuffer> {
    return (this.#sealedUnits[i] ??= new Uint8Array(this.#superblock.unitBytes + SEAL_BYTES));
  }

  /** Runs in the `complete` event itself, so that reads queued behind the commit meet the new map. */
  #kept(superblock: Superblock, sealed: SealedCommit): void {
    this.#superblock = superblock;
    this.#map.apply(sealed.change);
  }

  async #read(unit: number): Promise<Uint8Array | undefined> {
    const record = await this.#reader.read(unit);
    // It may have been erased while the read waited for a commit.
    if (record === undefined && !this.#map.has(unit)) return undefined;
    return unseal(record, `Unit ${unit}`, this.#superblock.unitBytes);
  }

  async #fetch(units: readonly number[], deliver: (unit: number, record: unknown) => void): Promise<void> {
    const left = new Set(units);
    await this.#connection.use((db) =>
      transact(db, ['units'], 'readonly', (tx) => {
        const store = tx.objectStore('units');
        for (const unit of left) {
          const request = store.get(unit);
          request.onsuccess = () => {
            left.delete(unit);
            deliver(unit, request.result);
          };
        }
      }),
    );
  }

  /** After a reopening: is it still this disk, and still ours? */
  async #verify(db: IDBDatabase): Promise<void> {
    const superblock = await readSuperblock(db, this.#superblock.id);
    if (superblock.epoch !== this.#superblock.epoch) throw overtakenError();
  }

  /** Once: after that the lock may be another opener's. */
  #release(): Promise<void> {
    this.#released ??= this.#letGo();
    return this.#released;
  }

  #lose(error: StoreError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#connection.close();
    void this.#release();
    notify(this.onlost, this.#end);
  }

  #keyRange(first: number, last: number): IDBKeyRange {
    return keyRange(this.#env, first, last);
  }
}

/**
 * Opens the database of a disk, counts its epoch up and loads the unit map; the table and the data stay
 * where they are. The disk calls `letGo` when it is closed or lost.
 * @throws StoreError `missing`, `corrupt`, `version`, and what opening a database can meet
 */
export async function openIndexedDbDisk(
  env: IndexedDbEnvironment,
  databaseName: string,
  id: string,
  lock: HeldLock,
  letGo: () => Promise<void>,
): Promise<IndexedDbDisk> {
  const db = await openDatabase(env, databaseName, DISK_STORES, false);
  if (db === undefined) throw missingDisk();
  try {
    const loaded = await transact(db, ['superblock', 'map'], 'readwrite', async (tx) => {
      const [record, pages] = await Promise.all([
        result<unknown>(tx.objectStore('superblock').get(SUPERBLOCK_KEY)),
        numbered(env, tx, 'map'),
      ]);
      const before = parseSuperblock(record, id);
      const superblock = { ...before, epoch: before.epoch + 1 };
      const map = UnitMap.load(
        pages.map(([page, sealed]) => [page, unseal(sealed, `Unit map page ${page}`, UNIT_MAP_PAGE_BYTES)]),
        superblock.unitsStored,
        superblock.totalUnits,
      );
      tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
      return { superblock, map };
    });
    return new IndexedDbDisk(env, databaseName, db, lock, letGo, loaded.superblock, loaded.map);
  } catch (error) {
    db.close();
    throw storeError(error);
  }
}

/** The superblock of an open database. @throws StoreError `corrupt`, `version`, or the browser's own error */
export async function readSuperblock(db: IDBDatabase, id: string): Promise<Superblock> {
  return parseSuperblock(
    await transact(db, ['superblock'], 'readonly', (tx) =>
      result<unknown>(tx.objectStore('superblock').get(SUPERBLOCK_KEY)),
    ),
    id,
  );
}

/** Every record of a store with its number. Keys of other types cannot be in the range; fractions are refused. */
async function numbered(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  name: 'table' | 'map',
): Promise<readonly (readonly [number, unknown])[]> {
  const store = tx.objectStore(name);
  const range = keyRange(env, 0, MAX_UNITS);
  const [keys, records] = await Promise.all([
    result(store.getAllKeys(range)),
    result<unknown[]>(store.getAll(range)),
  ]);
  return keys.map((key, i) => {
    if (!isIndex(key, MAX_UNITS)) {
      throw new StoreError(
        'corrupt',
        'A record of this disk has an impossible number; restore the disk from an export or wipe it.',
      );
    }
    return [key, records[i]] as const;
  });
}

function keyRange(env: IndexedDbEnvironment, first: number, last: number): IDBKeyRange {
  if (env.keyRange === undefined) throw new TypeError('no IDBKeyRange');
  return env.keyRange.bound(first, last);
}
