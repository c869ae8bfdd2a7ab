import type { Durability } from '../../flash/media-store.ts';
import { parseSuperblock, type Superblock } from '../superblock.ts';
import type { UnitMapChange } from '../unit-map.ts';
import { abort } from './database.ts';
import { overtakenError } from './errors.ts';
import { DISK_STORES, SUPERBLOCK_KEY } from './layout.ts';

/** A commit as it will be written, the same at each attempt. */
export interface SealedCommit {
  /** As we know it: disk and epoch are what the stored one must still have. */
  readonly superblock: Superblock;
  /** A lock keeps everybody else away, so that nothing has to be asked before all is sent. */
  readonly isExclusive: boolean;
  readonly durability: Durability;
  readonly erased: readonly IDBKeyRange[];
  readonly units: readonly (readonly [number, Uint8Array])[];
  readonly shards: readonly (readonly [number, Uint8Array])[];
  /** Of both maps. */
  readonly pages: readonly (readonly [number, Uint8Array])[];
  readonly change: UnitMapChange;
  /** What becomes of the units in this layer, where there are layers below it. */
  readonly own: UnitMapChange | undefined;
}

/**
 * One commit, one transaction. Everything is queued before this returns, and `put` clones at once.
 *
 * The superblock is read in the same transaction. Without a lock it must still have our epoch, and the transaction
 * waits for that: one way more between the worker and the browser, which on a busy machine is a third of a small
 * transaction. With a lock nobody can have changed more than the name, which another tab may do at any time: the new
 * one is put back behind the transaction that put the old one.
 *
 * @param kept called in the `complete` event
 * @throws the browser's own error, null for an abort without a reason, or StoreError `lost`
 */
export function writeCommit(
  db: IDBDatabase,
  commit: SealedCommit,
  kept: (superblock: Superblock) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const tx = db.transaction([...DISK_STORES], 'readwrite', { durability: commit.durability });
    const { superblock: ours, isExclusive } = commit;
    let failure: unknown;
    // Safe to repeat: counted from what we know, not from what is there.
    let written: Superblock = { ...ours, commits: ours.commits + 1, unitsStored: commit.change.stored };
    if (commit.own) written = { ...written, unitsOwn: commit.own.stored };
    let wasRenamed = false;
    tx.oncomplete = () => {
      // Too late to roll back; that a lock was taken away is told all the same.
      if (failure !== undefined) {
        reject(failure as Error);
        return;
      }
      if (wasRenamed) putBack(db, written);
      kept(written);
      resolve();
    };
    // `abort` alone: every error ends in it, and Chromium's quota abort comes without an error.
    tx.onabort = () => reject(tx.error ?? failure ?? null);
    const rollBack = (error: unknown): void => {
      failure ??= error;
      abort(tx);
    };
    try {
      const superblocks = tx.objectStore('superblock');
      const current = superblocks.get(SUPERBLOCK_KEY) as IDBRequest<unknown>;
      current.onsuccess = () => {
        try {
          const { id, epoch, name } = parseSuperblock(current.result);
          if (id !== ours.id || epoch !== ours.epoch) throw overtakenError();
          wasRenamed = isExclusive && name !== ours.name;
          written = { ...written, name };
          if (!isExclusive) finish();
        } catch (error) {
          rollBack(error);
        }
      };
      const finish = (): void => {
        superblocks.put(written, SUPERBLOCK_KEY);
        // Saves the turn in which the browser would find out that nothing more comes. Missing before Safari 15.
        (tx as Partial<IDBTransaction>).commit?.call(tx);
      };
      const units = tx.objectStore('units');
      for (const range of commit.erased) units.delete(range);
      for (const [unit, sealed] of commit.units) units.put(sealed, unit);
      const table = tx.objectStore('table');
      for (const [shard, sealed] of commit.shards) table.put(sealed, shard);
      const map = tx.objectStore('map');
      for (const [page, sealed] of commit.pages) map.put(sealed, page);
      if (isExclusive) finish();
    } catch (error) {
      rollBack(error);
    }
  });
}

/** Before any later commit, which is not asked for yet. If it fails, the disk keeps its old name until the next one. */
function putBack(db: IDBDatabase, superblock: Superblock): void {
  try {
    db.transaction(['superblock'], 'readwrite').objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
  } catch {
    // The connection is gone; see above.
  }
}
