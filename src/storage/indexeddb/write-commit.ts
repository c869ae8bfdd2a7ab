import type { Durability } from '../../flash/media-store.ts';
import { parseSuperblock, type Superblock } from '../superblock.ts';
import type { UnitMapChange } from '../unit-map.ts';
import { abort } from './database.ts';
import { overtakenError } from './errors.ts';
import { DISK_STORES, SUPERBLOCK_KEY } from './layout.ts';

/** A commit as it will be written, the same at each attempt. */
export interface SealedCommit {
  /** Disk and epoch that the superblock must still have. */
  readonly id: string;
  readonly epoch: number;
  readonly durability: Durability;
  readonly erased: readonly IDBKeyRange[];
  readonly units: readonly (readonly [number, Uint8Array])[];
  readonly shards: readonly (readonly [number, Uint8Array])[];
  readonly pages: readonly (readonly [number, Uint8Array])[];
  readonly change: UnitMapChange;
}

/**
 * One commit, one transaction. Everything is queued before this returns, and `put` clones at once.
 *
 * The superblock is read in the same transaction and must still have our epoch: 0.1 ms of 9 ms (Chromium
 * 156, 16 units of 32 KiB). Its answer comes first, so waiting for it before `commit()` costs nothing, and
 * another tab's rename is kept.
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
    let failure: unknown;
    let written: Superblock | undefined;
    tx.oncomplete = () => {
      if (written !== undefined) kept(written);
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
          const superblock = parseSuperblock(current.result);
          if (superblock.id !== commit.id || superblock.epoch !== commit.epoch) throw overtakenError();
          written = { ...superblock, unitsStored: commit.change.stored };
          superblocks.put(written, SUPERBLOCK_KEY);
          // Saves the turn in which the browser would find out that nothing more comes. Missing before Safari 15.
          (tx as Partial<IDBTransaction>).commit?.call(tx);
        } catch (error) {
          rollBack(error);
        }
      };
      const units = tx.objectStore('units');
      for (const range of commit.erased) units.delete(range);
      for (const [unit, sealed] of commit.units) units.put(sealed, unit);
      const table = tx.objectStore('table');
      for (const [shard, sealed] of commit.shards) table.put(sealed, shard);
      const map = tx.objectStore('map');
      for (const [page, sealed] of commit.pages) map.put(sealed, page);
    } catch (error) {
      rollBack(error);
    }
  });
}
