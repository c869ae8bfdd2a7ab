import { StoreError } from '../../flash/media-store.ts';
import { layerAbove, type Superblock } from '../superblock.ts';
import type { Books, CatalogueBooks, DiskEntry } from './books.ts';
import { openDatabase } from './database.ts';
import type { IndexedDbDisk } from './disk.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { abortedError, overtakenError, storeError } from './errors.ts';
import type { LayerDatabases } from './layer-databases.ts';
import { DISK_SCHEMA, diskOfLayer, FIRST_GENERATION, layerOf, type Layer, type Names } from './layout.ts';
import { readHead, readSuperblock, type LayerHead } from './records.ts';

/** Layers that a disk may lie on: each one more is opened with it, and asked at reads of old units. */
const MAX_BASES = 250;

/** A disk as it was frozen. */
export interface Frozen {
  readonly head: LayerHead;
  /** Nearest first. */
  readonly layers: readonly Layer[];
}

/** What is to come of it. */
export interface Plan<T> {
  readonly enter: (books: Books) => void;
  readonly value: T;
}

/**
 * Freezes what a disk is: its database is written no more, and a new one is put on top of it. What else is to come of
 * that, a fork or a pin, is entered in the same transaction.
 */
export class Freezer {
  readonly #env: IndexedDbEnvironment;
  readonly #names: Names;
  readonly #books: CatalogueBooks;
  readonly #databases: LayerDatabases;

  constructor(env: IndexedDbEnvironment, names: Names, books: CatalogueBooks, databases: LayerDatabases) {
    this.#env = env;
    this.#names = names;
    this.#books = books;
    this.#databases = databases;
  }

  /** @param open the disk, if it is open here; it is between two commits */
  async freeze<T>(
    id: string,
    isExclusive: boolean,
    open: IndexedDbDisk | undefined,
    plan: (frozen: Frozen) => Promise<Plan<T>>,
  ): Promise<T> {
    const { entry, generation } = await this.#books.claim(id, isExclusive);
    const name = this.#names.disk(id, generation);
    return this.#databases.cleanlyIn(name, async () => {
      const top = layerOf(id, entry.generation);
      const takesOver = !isExclusive && open === undefined;
      const head = await this.#databases.inLayer(top, (db) => readHead(this.#env, db, id, takesOver));
      const { superblock } = head;
      if (open && superblock.epoch !== open.version().epoch) throw overtakenError();
      open?.wasSettled();
      const isUntouched = await this.#isUntouched(superblock, entry.bases);
      const next = isUntouched ? entry : { generation, bases: [top, ...entry.bases] };
      if (next.bases.length > MAX_BASES) throw tooManyBases();
      let db: IDBDatabase | undefined;
      try {
        if (!isUntouched) {
          await this.#databases.make({ ...head, superblock: layerAbove(superblock) }, name);
          // Now, so that it cannot fail when there is no way back.
          if (open) db = await openDatabase(this.#env, name, DISK_SCHEMA, false);
          if (open && db === undefined) throw abortedError(null);
        }
        const { enter, value } = await plan({ head, layers: next.bases });
        // Who took the disk over meanwhile, where nothing keeps others away, writes on in the old database.
        const { epoch } = await this.#databases.superblock(id, entry.generation);
        if (epoch !== superblock.epoch) throw overtakenError();
        await this.#switch(id, entry, next, enter, open);
        if (db) open?.moveTo({ name, db });
        return value;
      } catch (error) {
        db?.close();
        throw error;
      } finally {
        if (isUntouched) await this.#databases.discardIfUnused(name);
      }
    });
  }

  /** Enters a new database of a disk that may be open. Afterwards it is known which one the disk has, or it is lost. */
  async #switch(
    id: string,
    before: DiskEntry,
    after: DiskEntry,
    enter: (books: Books) => void,
    open: IndexedDbDisk | undefined,
  ): Promise<void> {
    try {
      await this.#databases.enter((books) => {
        if (books.disks.get(id)?.generation !== before.generation) throw overtakenError();
        books.disks.set(id, after);
        enter(books);
      }, 'strict');
    } catch (error) {
      try {
        // A connection that broke may have kept it all the same.
        const now = await this.#books.disk(id);
        if (after !== before && now.generation === after.generation) return;
      } catch (unknown) {
        open?.abandon(storeError(unknown));
      }
      throw error;
    }
  }

  /** Whether nothing was committed since the layer below was frozen: then that one is what is to be kept. */
  async #isUntouched({ commits }: Superblock, [nearest]: readonly Layer[]): Promise<boolean> {
    if (nearest === undefined) return false;
    const below = await this.#databases.inLayer(nearest, (db) =>
      readSuperblock(this.#env, db, diskOfLayer(nearest)),
    );
    return below.commits === commits;
  }

  /** Makes the database of a disk that is as another one was. */
  async makeFork(head: LayerHead, id: string, name: string): Promise<Superblock> {
    const superblock = { ...layerAbove(head.superblock), id, name, createdAtMs: Date.now(), epoch: 0 };
    const database = this.#names.disk(id, FIRST_GENERATION);
    await this.#books.inTheMaking(database);
    await this.#databases.make({ ...head, superblock }, database);
    return superblock;
  }
}

function tooManyBases(): StoreError {
  return new StoreError(
    'io',
    `The disk was not forked because it was forked ${MAX_BASES} times already; export it, import it and go on with that one.`,
  );
}
