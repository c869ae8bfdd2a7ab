import { StoreError } from '../../flash/media-store.ts';
import { openDatabase } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { isConnectionFailure, lostError, storeError } from './errors.ts';
import { DISK_SCHEMA } from './layout.ts';

/**
 * The connection to one database of an open disk. Browsers drop connections: Safari when a tab sleeps, Chromium when
 * its storage process dies, all of them when site data is cleared or another tab deletes the database.
 * A dropped connection is opened again, once; if that fails the disk is lost.
 */
export class Connection {
  /** Called when the disk is gone for good: not to be reopened, deleted, or overtaken. May be called again. */
  onlost: ((error: StoreError) => void) | undefined;
  readonly #env: IndexedDbEnvironment;
  readonly #name: string;
  readonly #verify: (db: IDBDatabase) => Promise<void>;
  #db: IDBDatabase | undefined;
  #opening: Promise<IDBDatabase> | undefined;
  #closed = false;

  /** @param verify rejects when the database is not, or no longer, the one that is meant; runs at each reopening. */
  constructor(
    env: IndexedDbEnvironment,
    name: string,
    db: IDBDatabase,
    verify: (db: IDBDatabase) => Promise<void>,
  ) {
    this.#env = env;
    this.#name = name;
    this.#verify = verify;
    this.#adopt(db);
  }

  /**
   * Runs `work` with a live connection, and once more if the connection broke or the browser aborted
   * without a reason: `work` must be safe to repeat. Begins before it returns if the connection is there.
   * @throws StoreError
   */
  async use<T>(work: (db: IDBDatabase) => Promise<T>): Promise<T> {
    let used = this.#db;
    let mayBeDone: boolean;
    try {
      try {
        used ??= await this.#reopen();
        return await work(used);
      } catch (error) {
        if (this.#closed || !mayBeTransient(error)) throw error;
        if (isConnectionFailure(error) && this.#db === used) this.#drop();
        mayBeDone = mayHaveBeenKept(error);
      }
      const again = await this.#reopen();
      try {
        return await work(again);
      } catch (error) {
        // What the database holds is not known any more, and whoever goes on from what is known here would damage it.
        throw mayBeDone ? asLost(storeError(error)) : error;
      }
    } catch (error) {
      const known = storeError(error);
      if (known.code === 'lost') this.onlost?.(known);
      throw known;
    }
  }

  /** A live connection, opened again if need be; callers at the same time share one attempt. */
  #reopen(): Promise<IDBDatabase> {
    if (this.#closed) return Promise.reject(lostError());
    if (this.#db !== undefined) return Promise.resolve(this.#db);
    this.#opening ??= this.#open()
      .catch((error: unknown) => {
        throw asLost(storeError(error));
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  /** Transactions under way still end. */
  close(): void {
    this.#closed = true;
    this.onlost = undefined;
    this.#drop();
  }

  async #open(): Promise<IDBDatabase> {
    const db = await openDatabase(this.#env, this.#name, DISK_SCHEMA, false);
    if (db === undefined) {
      throw new StoreError(
        'lost',
        'This disk was deleted by another tab or by the browser while it was in use; make a new one.',
      );
    }
    try {
      await this.#verify(db);
    } catch (error) {
      db.close();
      throw error;
    }
    if (this.#closed) {
      db.close();
      throw lostError();
    }
    this.#adopt(db);
    return db;
  }

  #adopt(db: IDBDatabase): void {
    this.#db = db;
    const dropped = (): void => {
      if (this.#db !== db) return;
      this.#drop();
      // At once, so that the owner hears of a deleted disk now and not at its next write.
      this.#reopen().catch((error: unknown) => this.onlost?.(asLost(storeError(error))));
    };
    db.addEventListener('close', dropped);
    // Closing lets the other tab go on; it deletes the disk or brings a newer layout.
    db.addEventListener('versionchange', dropped);
  }

  #drop(): void {
    const db = this.#db;
    this.#db = undefined;
    db?.close();
  }
}

/** Whatever kept a dropped connection from coming back, the disk is lost; the sentence stays. */
function asLost(error: StoreError): StoreError {
  return error.code === 'lost' ? error : new StoreError('lost', error.message, { cause: error });
}

/** A connection may break when everything is written and that is not told yet. One that is closed begins nothing. */
function mayHaveBeenKept(error: unknown): boolean {
  return isConnectionFailure(error) && (error as Error).name !== 'InvalidStateError';
}

/** An abort without a reason surely kept nothing; a broken connection may go again. */
function mayBeTransient(error: unknown): boolean {
  if (error instanceof StoreError) return false;
  return error === null || (error as Error).name === 'AbortError' || isConnectionFailure(error);
}
