import { StoreError } from '../../flash/media-store.ts';
import { unseal } from '../checksum.ts';
import { isIndex, MAX_UNITS } from '../disk-spec.ts';
import { parseSuperblock, type Superblock } from '../superblock.ts';
import { UNIT_MAP_PAGE_BYTES, UnitMap } from '../unit-map.ts';
import { result, transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { OWN_PAGES, SUPERBLOCK_KEY } from './layout.ts';

/** What the records of one disk's database say. */

/** A record with its number. */
export type Numbered = readonly (readonly [number, unknown])[];

/** The superblock of an open database. @throws StoreError `corrupt`, `version`, or the browser's own error */
export function readSuperblock(db: IDBDatabase, id: string): Promise<Superblock> {
  return transact(db, ['superblock'], 'readonly', (tx) => superblockIn(tx, id));
}

/** @throws StoreError `corrupt`, `version`, or the browser's own error */
export async function superblockIn(tx: IDBTransaction, id: string): Promise<Superblock> {
  return parseSuperblock(await result<unknown>(tx.objectStore('superblock').get(SUPERBLOCK_KEY)), id);
}

/** Every record of a store with its number. Keys of other types cannot be in the range; fractions are refused. */
export async function numbered(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  name: 'table' | 'map',
): Promise<Numbered> {
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

export function keyRange(env: IndexedDbEnvironment, first: number, last: number): IDBKeyRange {
  if (env.keyRange === undefined) throw new TypeError('no IDBKeyRange');
  return env.keyRange.bound(first, last);
}

/** Which units the disk has stored. @throws StoreError `corrupt` */
export function mapOf(pages: Numbered, { unitsStored, totalUnits }: Superblock): UnitMap {
  return UnitMap.load(unsealed(pages, 0, OWN_PAGES), unitsStored, totalUnits);
}

/** Which of them are in this layer, where there are layers below it. @throws StoreError `corrupt` */
export function ownMapOf(pages: Numbered, { unitsOwn, totalUnits }: Superblock): UnitMap {
  return UnitMap.load(unsealed(pages, OWN_PAGES, MAX_UNITS), unitsOwn ?? 0, totalUnits);
}

function unsealed(pages: Numbered, first: number, end: number): (readonly [number, Uint8Array])[] {
  return pages
    .filter(([page]) => page >= first && page < end)
    .map(([page, sealed]) => [page - first, unseal(sealed, `Unit map page ${page}`, UNIT_MAP_PAGE_BYTES)]);
}

/** All of a layer but its units. Sealed as it is stored: damage stays damage, and is found when it is read. */
export interface LayerHead {
  readonly superblock: Superblock;
  readonly map: Numbered;
  readonly table: Numbered;
}

/**
 * @param takesOver counts the epoch up first, so that another tab that has the disk, where no lock keeps it away,
 * commits to it no more
 * @throws StoreError `corrupt`, `version`, or the browser's own error
 */
export function readHead(
  env: IndexedDbEnvironment,
  db: IDBDatabase,
  id: string,
  takesOver = false,
): Promise<LayerHead> {
  const mode = takesOver ? 'readwrite' : 'readonly';
  return transact(db, ['superblock', 'map', 'table'], mode, async (tx) => {
    const [before, pages, table] = await Promise.all([
      superblockIn(tx, id),
      numbered(env, tx, 'map'),
      numbered(env, tx, 'table'),
    ]);
    const superblock = takesOver ? { ...before, epoch: before.epoch + 1 } : before;
    if (takesOver) tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
    return { superblock, map: pages.filter(([page]) => page < OWN_PAGES), table };
  });
}

/**
 * Fills a new database, with no unit in it. Hard: once it is in the catalogue, what was flushed before is reached
 * through it alone.
 */
export function writeHead(db: IDBDatabase, { superblock, map, table }: LayerHead): Promise<void> {
  const write = (tx: IDBTransaction): void => {
    tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
    for (const [page, sealed] of map) tx.objectStore('map').put(sealed, page);
    for (const [shard, sealed] of table) tx.objectStore('table').put(sealed, shard);
  };
  return transact(db, ['superblock', 'map', 'table'], 'readwrite', write, 'strict');
}
