import type { Durability } from '../../flash/media-store.ts';
import { parseSuperblock, type Superblock } from '../superblock.ts';
import { abort } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { overtakenError } from './errors.ts';
import type { SealedRecord } from './layer-state.ts';
import { DISK_STORES, SUPERBLOCK_KEY } from './layout.ts';
import type { Lazily } from './lazily.ts';
import { putSettled, type Settled } from './records.ts';

/** A commit as it will be written, the same at each attempt. */
export interface SealedCommit {
  /** As we know it: disk and epoch are what the stored one must still have. */
  readonly before: Superblock;
  /** As the commit makes it, but for the name. */
  readonly superblock: Superblock;
  /** A lock keeps everybody else away, so that nothing has to be asked before all is sent. */
  readonly isExclusive: boolean;
  readonly durability: Durability;
  /** Of `units`. They go before anything is put. */
  readonly deleted: readonly IDBKeyRange[];
  /** Units and pieces, by their keys. Sealed while those before them are on their way to the browser. */
  readonly units: Lazily<SealedRecord>;
  /** The commit's record in the journal, by its key, where it does not lie in a piece. */
  readonly journal?: SealedRecord;
  /** Instead of a record in the journal: everything in its place. */
  readonly settles?: Settled;
}

/**
 * One commit, one transaction. Everything is queued before this returns, and `put` clones at once.
 *
 * Without a lock the stored superblock must still have our epoch, and the transaction waits for that: one way more
 * between the worker and the browser, which on a busy machine is a third of a small transaction. With a lock nobody can
 * have changed more than the name, and only what settles the journal writes a superblock: it takes the name over.
 *
 * @param kept called in the `complete` event, with the disk's name if that was asked for
 * @throws the browser's own error, null for an abort without a reason, or StoreError `lost`
 */
export function writeCommit(
  env: IndexedDbEnvironment,
  db: IDBDatabase,
  commit: SealedCommit,
  kept: (name: string | undefined) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { before, isExclusive, journal, settles, durability } = commit;
    const asks = !isExclusive || settles !== undefined;
    const stores = ['units', ...(journal ? ['map'] : []), ...(asks ? ['superblock'] : [])];
    const tx = db.transaction(settles ? [...DISK_STORES] : stores, 'readwrite', { durability });
    let failure: unknown;
    let name: string | undefined;
    tx.oncomplete = () => {
      // Too late to roll back; that a lock was taken away is told all the same.
      if (failure !== undefined) {
        reject(failure as Error);
        return;
      }
      kept(name);
      resolve();
    };
    // `abort` alone: every error ends in it, and Chromium's quota abort comes without an error.
    tx.onabort = () => reject(tx.error ?? failure ?? null);
    const rollBack = (error: unknown): void => {
      failure ??= error;
      abort(tx);
    };
    // Saves the turn in which the browser would find out that nothing more comes. Missing before Safari 15.
    const finish = (): void => (tx as Partial<IDBTransaction>).commit?.call(tx);
    try {
      if (asks) {
        const superblocks = tx.objectStore('superblock');
        const current = superblocks.get(SUPERBLOCK_KEY) as IDBRequest<unknown>;
        current.onsuccess = () => {
          try {
            const found = parseSuperblock(current.result);
            if (found.id !== before.id || found.epoch !== before.epoch) throw overtakenError();
            ({ name } = found);
            if (settles) superblocks.put({ ...commit.superblock, name }, SUPERBLOCK_KEY);
            finish();
          } catch (error) {
            rollBack(error);
          }
        };
      }
      const units = tx.objectStore('units');
      for (const range of commit.deleted) units.delete(range);
      for (const [key, sealed] of commit.units) units.put(sealed, key);
      if (journal) tx.objectStore('map').put(journal[1], journal[0]);
      if (settles) putSettled(env, tx, settles);
      if (!asks) finish();
    } catch (error) {
      rollBack(error);
    }
  });
}
