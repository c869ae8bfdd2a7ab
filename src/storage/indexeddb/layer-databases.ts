import type { Durability } from '../../flash/media-store.ts';
import type { Superblock } from '../superblock.ts';
import type { Books, CatalogueBooks } from './books.ts';
import { deleteDatabase, inDatabase } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { DISK_SCHEMA, layerOf, type Layer, type Names } from './layout.ts';
import { readSuperblock, superblockToWipe, writeHead, type LayerHead } from './records.ts';

/**
 * Databases of disks, made and deleted so that nothing leaks if the tab dies in between: what is in the making, or
 * must go, is named in `garbage`. All but what says otherwise rejects with StoreError.
 */
export class LayerDatabases {
  readonly #env: IndexedDbEnvironment;
  readonly #names: Names;
  readonly #books: CatalogueBooks;

  constructor(env: IndexedDbEnvironment, names: Names, books: CatalogueBooks) {
    this.#env = env;
    this.#names = names;
    this.#books = books;
  }

  /** Makes a database with all but units. `garbage` names it. */
  async make(head: LayerHead, name: string): Promise<void> {
    await inDatabase(this.#env, name, DISK_SCHEMA, true, (made) => writeHead(made, head));
  }

  /** Runs what makes a database and enters it; when that fails nothing of it stays. */
  async cleanlyIn<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.discardIfUnused(name);
      throw error;
    }
  }

  /** Changes the catalogue, and deletes what nobody needs any more. */
  async enter(edit: (books: Books) => void, durability?: Durability): Promise<void> {
    for (const name of await this.#books.change(edit, durability)) await this.discard(name);
  }

  /** For a database whose making failed. Asks the catalogue: the last step may have been kept after all. */
  async discardIfUnused(name: string): Promise<void> {
    try {
      if (await this.#books.isGarbage(name)) await this.discard(name);
    } catch {
      // A later list sweeps it.
    }
  }

  /** Deletes a database that `garbage` names. Failing is no harm: it stays named, and is tried again. */
  async discard(name: string): Promise<void> {
    try {
      await deleteDatabase(this.#env, name);
      await this.#books.forget(name);
    } catch {
      // See above.
    }
  }

  superblock(id: string, generation: number): Promise<Superblock> {
    return this.inLayer(layerOf(id, generation), (db) => readSuperblock(this.#env, db, id));
  }

  /** See {@link superblockToWipe}. */
  superblockToWipe(id: string, generation: number): Promise<Superblock> {
    return this.inLayer(layerOf(id, generation), (db) => superblockToWipe(this.#env, db, id));
  }

  inLayer<T>(layer: Layer, work: (db: IDBDatabase) => Promise<T>): Promise<T> {
    return inDatabase(this.#env, this.#names.layer(layer), DISK_SCHEMA, false, work);
  }
}
