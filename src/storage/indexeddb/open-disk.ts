import { StoreError } from '../../flash/media-store.ts';
import { missingDisk } from '../errors.ts';
import type { Superblock } from '../superblock.ts';
import { openDatabase, transact } from './database.ts';
import { IndexedDbDisk, type LoadedDisk, type LoadedLayer } from './disk.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { storeError } from './errors.ts';
import { diskOfLayer, DISK_SCHEMA, SUPERBLOCK_KEY, type Layer, type Names } from './layout.ts';
import type { HeldLock } from './lock.ts';
import { mapOf, numbered, ownMapOf, superblockIn } from './records.ts';

/** Where a disk is: its database and those below it, nearest first. */
export interface DiskPlace {
  readonly top: Layer;
  readonly bases: readonly Layer[];
}

/**
 * Opens the databases of a disk, counts its epoch up and loads its unit maps; the table and the data stay
 * where they are. The disk calls `letGo` when it is closed or lost.
 * @throws StoreError `missing`, `corrupt`, `version`, and what opening a database can meet
 */
export async function openIndexedDbDisk(
  env: IndexedDbEnvironment,
  names: Names,
  place: DiskPlace,
  lock: HeldLock,
  letGo: () => Promise<void>,
): Promise<IndexedDbDisk> {
  const opened: IDBDatabase[] = [];
  try {
    const open = async (layer: Layer): Promise<IDBDatabase> => {
      const db = await openDatabase(env, names.layer(layer), DISK_SCHEMA, false);
      if (db === undefined) throw layer === place.top ? missingDisk() : missingBase();
      opened.push(db);
      return db;
    };
    const bases: LoadedLayer[] = [];
    const top = await open(place.top);
    for (const [i, layer] of place.bases.entries()) {
      const db = await open(layer);
      bases.push(await loadBase(env, names, layer, db, i < place.bases.length - 1));
    }
    const loaded = await loadTop(env, names, place, top);
    return new IndexedDbDisk(env, { ...loaded, bases }, lock, letGo);
  } catch (error) {
    for (const db of opened) db.close();
    throw storeError(error);
  }
}

/** Last, so that a disk that cannot be opened is not counted as opened. */
function loadTop(
  env: IndexedDbEnvironment,
  names: Names,
  { top, bases }: DiskPlace,
  db: IDBDatabase,
): Promise<Omit<LoadedDisk, 'bases'>> {
  return transact(db, ['superblock', 'map'], 'readwrite', async (tx) => {
    const [before, pages] = await Promise.all([superblockIn(tx, diskOfLayer(top)), numbered(env, tx, 'map')]);
    checkLayered(before, bases.length > 0);
    const superblock = { ...before, epoch: before.epoch + 1 };
    const map = mapOf(pages, superblock);
    const units = bases.length > 0 ? ownMapOf(pages, superblock) : map;
    tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
    return { superblock, map, top: { name: names.layer(top), db, units } };
  });
}

function loadBase(
  env: IndexedDbEnvironment,
  names: Names,
  layer: Layer,
  db: IDBDatabase,
  isLayered: boolean,
): Promise<LoadedLayer> {
  return transact(db, ['superblock', 'map'], 'readonly', async (tx) => {
    const [superblock, pages] = await Promise.all([
      superblockIn(tx, diskOfLayer(layer)),
      numbered(env, tx, 'map'),
    ]);
    checkLayered(superblock, isLayered);
    const units = isLayered ? ownMapOf(pages, superblock) : mapOf(pages, superblock);
    return { name: names.layer(layer), db, units };
  });
}

/** A layer knows whether there is something below it, and the catalogue says so too. @throws StoreError `corrupt` */
function checkLayered({ unitsOwn }: Superblock, isLayered: boolean): void {
  if ((unitsOwn !== undefined) !== isLayered) throw missingBase();
}

function missingBase(): StoreError {
  return new StoreError(
    'corrupt',
    'A disk that this one was forked from is missing in the browser, and with it the data that the two shared; delete the disk, and restore it from an export if there is one.',
  );
}
