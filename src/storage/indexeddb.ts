import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk, PinnedDisk } from './catalogue.ts';
import { checkedName, checkedSpec, randomDiskId } from './disk-spec.ts';
import { busyHere, missingDisk, missingPin } from './errors.ts';
import { CatalogueBooks } from './indexeddb/books.ts';
import type { IndexedDbDisk } from './indexeddb/disk.ts';
import { browserEnvironment, type IndexedDbEnvironment } from './indexeddb/environment.ts';
import { ElsewhereError, notHandedOver, storeError } from './indexeddb/errors.ts';
import { Freezer, type Frozen, type Plan } from './indexeddb/freezer.ts';
import { askToLetGo, listenForAsks } from './indexeddb/handover.ts';
import { diskOfLayer, FIRST_GENERATION, layerOf, Names, type Layer } from './indexeddb/layout.ts';
import { LayerDatabases } from './indexeddb/layer-databases.ts';
import { takeLock, type HeldLock } from './indexeddb/lock.ts';
import { openIndexedDbDisk } from './indexeddb/open-disk.ts';
import { readHead, renameIn } from './indexeddb/records.ts';
import {
  byAge,
  byPinning,
  newSuperblock,
  pinOf,
  summaryOf,
  unreadable,
  type Superblock,
} from './superblock.ts';

export type { IndexedDbEnvironment, LockProvider } from './indexeddb/environment.ts';

export interface IndexedDbCatalogueOptions extends Partial<IndexedDbEnvironment> {
  /** Tells apart copies of the program on one origin: give the path of the page. Empty by default. */
  readonly prefix?: string;
}

/** How often a making that takes longer says that it goes on. */
const STILL_ALIVE_MS = 10_000;
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
  readonly #books: CatalogueBooks;
  readonly #databases: LayerDatabases;
  readonly #freezer: Freezer;
  /** Disks in use in this very tab; undefined while one is being opened, wiped or removed. */
  readonly #inUse = new Map<string, IndexedDbDisk | undefined>();
  /** Ends listening for other tabs that want an open disk. */
  readonly #listening = new Map<string, () => void>();

  constructor(options: IndexedDbCatalogueOptions = {}) {
    this.#env = { ...browserEnvironment(), ...options };
    this.#names = new Names(options.prefix ?? '');
    this.#books = new CatalogueBooks(this.#env, this.#names);
    this.#databases = new LayerDatabases(this.#env, this.#names, this.#books);
    this.#freezer = new Freezer(this.#env, this.#names, this.#books, this.#databases);
  }

  /** Why disks cannot be kept here, in one sentence; empty when they can. Never rejects. */
  async whyUnavailable(): Promise<string> {
    try {
      await this.#books.touch();
      return '';
    } catch (error) {
      return storeError(error).message;
    }
  }

  /** A disk whose database is gone is passed over: there is nothing to show, and nothing to free. */
  async list(): Promise<readonly DiskSummary[]> {
    const { books, names } = await this.#books.abandoned();
    for (const name of names) await this.#databases.discard(name);
    const found = await Promise.all(
      [...books.disks].map(async ([id, { generation }]) => {
        try {
          return [summaryOf(await this.#databases.superblock(id, generation), 'indexeddb')];
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
    const { id } = superblock;
    const name = this.#names.disk(id, FIRST_GENERATION);
    await this.#databases.cleanlyIn(name, async () => {
      await this.#books.inTheMaking(name);
      await this.#databases.make({ superblock, map: [], table: [] }, name);
      await this.#databases.enter(({ disks }) => disks.set(id, { generation: FIRST_GENERATION, bases: [] }));
    });
    return summaryOf(superblock, 'indexeddb');
  }

  /** While it is filled its database counts as in the making, which is said again before it would be given up. */
  async build(spec: DiskSpec, fill: (disk: OpenDisk) => Promise<void>): Promise<DiskSummary> {
    const superblock = newSuperblock(checkedSpec(spec), randomDiskId());
    const { id } = superblock;
    const top = layerOf(id, FIRST_GENERATION);
    const name = this.#names.layer(top);
    const lock = await this.#hold(id);
    let alive: ReturnType<typeof setInterval> | undefined;
    try {
      await this.#books.inTheMaking(name);
      await this.#databases.make({ superblock, map: [], table: [] }, name);
      alive = setInterval(() => void this.#books.inTheMaking(name).catch(() => undefined), STILL_ALIVE_MS);
      const { disk } = await openIndexedDbDisk(
        this.#env,
        this.#names,
        { top, bases: [] },
        lock,
        async () => undefined,
      );
      try {
        await fill(disk);
      } finally {
        await disk.close();
      }
      clearInterval(alive);
      const filled = await this.#databases.superblock(id, FIRST_GENERATION);
      await this.#books.inTheMaking(name);
      await this.#databases.enter(({ disks }) => disks.set(id, { generation: FIRST_GENERATION, bases: [] }));
      return summaryOf(filled, 'indexeddb');
    } catch (error) {
      await this.#databases.discardIfUnused(name);
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
      const { generation, bases } = await this.#books.disk(id);
      const place = { top: layerOf(id, generation), bases };
      const letGo = (): Promise<void> => this.#letGo(id, lock);
      const opened = await openIndexedDbDisk(this.#env, this.#names, place, lock, letGo);
      const { disk } = opened;
      if (!lock.excludes) await this.#checkNotForked(id, generation, disk);
      else if (opened.bases.length < bases.length) await this.#dropBases(id, generation, opened.bases);
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

  /** Works on an open disk too, in whichever tab. */
  async rename(id: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    for (;;) {
      const { generation } = await this.#books.disk(id);
      const superblock = await this.#databases.inLayer(layerOf(id, generation), (db) =>
        renameIn(this.#env, db, id, name),
      );
      this.#inUse.get(id)?.renamed(superblock);
      // A fork has begun a new database meanwhile; in the old one the name does not count any more.
      if ((await this.#books.disk(id)).generation !== generation) continue;
      return summaryOf(superblock, 'indexeddb');
    }
  }

  /** Begins an empty database and deletes the full one: quick, and all or nothing. */
  async wipe(id: string): Promise<DiskSummary> {
    const lock = await this.#hold(id);
    try {
      const { entry, generation } = await this.#books.claim(id, lock.excludes);
      const name = this.#names.disk(id, generation);
      const superblock = await this.#databases.cleanlyIn(name, async () => {
        const before = await this.#databases.superblockToWipe(id, entry.generation);
        const wiped: Superblock = { ...before, commits: before.commits + 1, unitsStored: 0 };
        // There is nothing below it any more.
        delete wiped.unitsOwn;
        delete wiped.pieces;
        await this.#databases.make({ superblock: wiped, map: [], table: [] }, name);
        await this.#databases.enter(({ disks }) => disks.set(id, { generation, bases: [] }));
        return wiped;
      });
      return summaryOf(superblock, 'indexeddb');
    } finally {
      await this.#letGo(id, lock);
    }
  }

  /** Gone from the catalogue at once; if its data cannot be deleted now, a later {@link list} does it. */
  async remove(id: string): Promise<void> {
    const lock = await this.#hold(id);
    try {
      await this.#books.disk(id);
      await this.#databases.enter(({ disks }) => disks.delete(id));
    } finally {
      await this.#letGo(id, lock);
    }
  }

  /**
   * The database that the disk has is written no more, and lies below two new ones: that of the disk, and that of the
   * fork. What is new is one table and one unit map each.
   */
  async fork(id: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    const forkId = randomDiskId();
    return this.#databases.cleanlyIn(this.#names.disk(forkId, FIRST_GENERATION), () =>
      this.#between(id, async ({ head, layers }) => {
        const superblock = await this.#freezer.makeFork(head, forkId, name);
        return {
          enter: ({ disks }) => disks.set(forkId, { generation: FIRST_GENERATION, bases: layers }),
          value: summaryOf(superblock, 'indexeddb'),
        };
      }),
    );
  }

  async pin(id: string): Promise<PinnedDisk> {
    return this.#between(id, async ({ head, layers }) => {
      const pin = pinOf(summaryOf(head.superblock, 'indexeddb'));
      return { enter: ({ pins }) => pins.set(pin.pin, { pin, layers }), value: pin };
    });
  }

  async pins(): Promise<readonly PinnedDisk[]> {
    const { pins } = await this.#books.read();
    return [...pins.values()].map(({ pin }) => pin).sort(byPinning);
  }

  async forkPin(pin: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    const { layers } = await this.#books.pin(pin);
    const nearest = layers[0] as Layer;
    const forkId = randomDiskId();
    return this.#databases.cleanlyIn(this.#names.disk(forkId, FIRST_GENERATION), async () => {
      const head = await this.#databases.inLayer(nearest, (db) =>
        readHead(this.#env, db, diskOfLayer(nearest)),
      );
      const superblock = await this.#freezer.makeFork(head, forkId, name);
      await this.#databases.enter(({ disks, pins }) => {
        // Given up meanwhile, its layers may be gone.
        if (!pins.has(pin)) throw missingPin();
        disks.set(forkId, { generation: FIRST_GENERATION, bases: layers });
      }, 'strict');
      return summaryOf(superblock, 'indexeddb');
    });
  }

  async unpin(pin: string): Promise<void> {
    await this.#databases.enter(({ pins }) => pins.delete(pin));
  }

  /** Freezes a disk between two commits, and enters what `plan` makes of it in the same transaction. */
  async #between<T>(id: string, plan: (frozen: Frozen) => Promise<Plan<T>>): Promise<T> {
    const open = this.#inUse.get(id);
    if (open) return open.between(() => this.#freezer.freeze(id, open.isExclusive, open, plan));
    const lock = await this.#hold(id);
    try {
      return await this.#freezer.freeze(id, lock.excludes, undefined, plan);
    } finally {
      await this.#letGo(id, lock);
    }
  }

  /** Layers of which a disk has nothing any more are let go. Failing is no harm: it is tried at the next opening. */
  async #dropBases(id: string, generation: number, bases: readonly Layer[]): Promise<void> {
    try {
      await this.#databases.enter(({ disks }) => {
        if (disks.get(id)?.generation === generation) disks.set(id, { generation, bases });
      });
    } catch {
      // See above.
    }
  }

  /**
   * Without locks: whoever forks the disk names its next database first and looks at the epoch last; whoever opens it
   * counts the epoch first and looks for that name last. So one of them notices the other.
   */
  async #checkNotForked(id: string, generation: number, disk: IndexedDbDisk): Promise<void> {
    const books = await this.#books.read();
    if (books.disks.get(id)?.generation === generation && !this.#books.isClaimed(books, id)) return;
    await disk.close();
    throw new ElsewhereError();
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
