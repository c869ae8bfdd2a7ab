import { StoreError, type Durability } from '../../flash/media-store.ts';
import { missingDisk, newerVersion } from '../errors.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { isConnectionFailure, storeError, unavailableError } from './errors.ts';
import type { Schema } from './layout.ts';

/**
 * Opening, deleting and transacting, as promises. Written on IndexedDB itself: the `idb` package takes
 * the global `indexedDB` only (tests inject one) and wraps each request in a proxy and a promise, where
 * a commit needs neither.
 */

/**
 * Opens a database, making the object stores that it has not got yet.
 * @returns undefined when it does not exist and `create` is false; then it is not left behind empty.
 * @throws StoreError `unavailable`, `version`, `quota`, `io`
 */
export function openDatabase(
  env: IndexedDbEnvironment,
  name: string,
  schema: Schema,
  create: boolean,
): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    if (env.indexedDB === undefined || env.keyRange === undefined) {
      reject(unavailableError('This browser offers no IndexedDB here'));
      return;
    }
    let request: IDBOpenDBRequest;
    try {
      request = env.indexedDB.open(name, schema.version);
    } catch (error) {
      reject(unavailableError('This browser blocks IndexedDB here', error));
      return;
    }
    let missing = false;
    let timedOut = false;
    // Seen in the field: an open that never ends, when the storage process hangs or a deletion is blocked.
    const timer = setTimeout(() => {
      timedOut = true;
      reject(unavailableError('The browser does not open its database'));
    }, env.openTimeoutMs);
    request.onupgradeneeded = (event) => {
      if (!create && event.oldVersion === 0) {
        missing = true;
        request.transaction?.abort();
        return;
      }
      const { objectStoreNames } = request.result;
      for (const store of schema.stores)
        if (!objectStoreNames.contains(store)) request.result.createObjectStore(store);
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      if (timedOut) request.result.close();
      else resolve(request.result);
    };
    request.onerror = (event) => {
      // Else Firefox reports it as an uncaught error as well.
      event.preventDefault();
      clearTimeout(timer);
      if (missing) resolve(undefined);
      else reject(openError(request.error));
    };
  });
}

function openError(error: DOMException | null): StoreError {
  if (error?.name === 'VersionError') return newerVersion();
  const known = storeError(error);
  if (known.code === 'quota') return known;
  // InvalidStateError in Firefox's private windows, SecurityError with cookies blocked, UnknownError
  // ("Internal error opening backing store") when the profile is damaged or read-only.
  if (isConnectionFailure(error) || error?.name === 'SecurityError' || error?.name === 'UnknownError') {
    return unavailableError('This browser cannot open its database', error);
  }
  return known;
}

/**
 * As {@link openDatabase}, for a piece of work; closed behind it.
 * @throws StoreError `missing` when there is none and `create` is false, and what `work` throws as one
 */
export async function inDatabase<T>(
  env: IndexedDbEnvironment,
  name: string,
  schema: Schema,
  create: boolean,
  work: (db: IDBDatabase) => Promise<T>,
): Promise<T> {
  const db = await openDatabase(env, name, schema, create);
  if (db === undefined) throw missingDisk();
  // Else another tab's deletion, or newer version, would wait for this one.
  db.onversionchange = () => db.close();
  try {
    return await work(db);
  } catch (error) {
    throw storeError(error);
  } finally {
    db.close();
  }
}

/**
 * Deletes a database; quick however large it is. Nothing happens if there is none.
 * @throws StoreError `busy` when connections elsewhere stay open longer than the environment's timeout
 */
export function deleteDatabase(env: IndexedDbEnvironment, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let request: IDBOpenDBRequest;
    try {
      if (env.indexedDB === undefined) throw unavailableError('This browser offers no IndexedDB here');
      request = env.indexedDB.deleteDatabase(name);
    } catch (error) {
      reject(storeError(error));
      return;
    }
    const timer = setTimeout(() => {
      reject(new StoreError('busy', 'Another tab still uses this disk; close that tab, then try again.'));
    }, env.openTimeoutMs);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      reject(storeError(request.error));
    };
  });
}

/** The result of one request. Its failure aborts the transaction, which {@link transact} reports. */
export function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Runs `work` in one transaction and resolves with what it returned, after `complete`: then it is kept.
 * `work` must await nothing but requests of this transaction.
 * @throws what `work` threw (the transaction is then rolled back), else the browser's own error, else null
 */
export function transact<T>(
  db: IDBDatabase,
  stores: readonly string[],
  mode: 'readonly' | 'readwrite',
  work: (tx: IDBTransaction) => T | Promise<T>,
  durability: Durability = 'relaxed',
): Promise<T> {
  return new Promise((resolve, reject) => {
    // A synchronous throw here (the connection is closing) rejects, as all in an executor does.
    const tx = db.transaction([...stores], mode, { durability });
    let value: T;
    let failure: { readonly error: unknown } | undefined;
    tx.oncomplete = () => resolve(value);
    // No `onerror`: an error always ends in `abort`, and Chromium's quota abort comes without an error.
    // The transaction's own reason (quota) says more than the AbortError of the requests it took along.
    tx.onabort = () => reject(tx.error ?? failure?.error ?? null);
    const fail = (error: unknown): void => {
      failure ??= { error };
      abort(tx);
    };
    try {
      Promise.resolve(work(tx)).then((done) => {
        value = done;
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}

/** Rolls back, unless it is over already. */
export function abort(tx: IDBTransaction): void {
  try {
    tx.abort();
  } catch {
    // It ended before: `complete` or `abort` has told.
  }
}
