import { StoreError } from '../../flash/media-store.ts';
import { missingDisk } from '../errors.ts';
import { openDatabase, transact } from './database.ts';
import { IndexedDbDisk, type LoadedDisk } from './disk.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { storeError } from './errors.ts';
import { diskOfLayer, DISK_SCHEMA, DISK_STORES, type Layer, type Names } from './layout.ts';
import type { HeldLock } from './lock.ts';
import type { LoadedLayer } from './open-layer.ts';
import { readState, settleIn } from './records.ts';

/** Where a disk is: its database and those below it, nearest first. */
export interface DiskPlace {
  readonly top: Layer;
  readonly bases: readonly Layer[];
}

/**
 * Opens the databases of a disk, counts its epoch up, loads its unit maps and settles its journal; the table and the
 * data stay where they are. The disk calls `letGo` when it is closed or lost.
 * @returns the disk, and which of the layers below it still hold anything of it
 * @throws StoreError `missing`, `corrupt`, `version`, and what opening a database can meet
 */
export async function openIndexedDbDisk(
  env: IndexedDbEnvironment,
  names: Names,
  place: DiskPlace,
  lock: HeldLock,
  letGo: () => Promise<void>,
): Promise<{ readonly disk: IndexedDbDisk; readonly bases: readonly Layer[] }> {
  const opened: IDBDatabase[] = [];
  try {
    const open = async (layer: Layer): Promise<IDBDatabase> => {
      const db = await openDatabase(env, names.layer(layer), DISK_SCHEMA, false);
      if (db === undefined) throw layer === place.top ? missingDisk() : missingBase();
      opened.push(db);
      return db;
    };
    const top = await open(place.top);
    const bases: LoadedLayer[] = [];
    for (const layer of place.bases) bases.push(await loadBase(env, names, layer, await open(layer)));
    const { needed, ...loaded } = await loadTop(env, names, place.top, top, bases);
    const isNeeded = (_layer: unknown, i: number): boolean => needed[i] === true;
    bases.forEach(({ db }, i) => needed[i] === true || db.close());
    const disk = new IndexedDbDisk(env, { ...loaded, bases: bases.filter(isNeeded) }, lock, letGo);
    return { disk, bases: place.bases.filter(isNeeded) };
  } catch (error) {
    for (const db of opened) db.close();
    throw storeError(error);
  }
}

/** Last, so that a disk that cannot be opened is not counted as opened. */
function loadTop(
  env: IndexedDbEnvironment,
  names: Names,
  layer: Layer,
  db: IDBDatabase,
  bases: readonly LoadedLayer[],
): Promise<Omit<LoadedDisk, 'bases'> & { readonly needed: readonly boolean[] }> {
  return transact(db, DISK_STORES, 'readwrite', async (tx) => {
    const state = await readState(env, tx, diskOfLayer(layer));
    const needed = state.map.neededOf([state.units, ...bases.map((base) => base.units)])?.slice(1);
    if (needed === undefined) throw missingBase();
    state.superblock = { ...state.superblock, epoch: state.superblock.epoch + 1 };
    settleIn(env, tx, state);
    state.settled();
    return { state, needed, name: names.layer(layer), db };
  });
}

function loadBase(
  env: IndexedDbEnvironment,
  names: Names,
  layer: Layer,
  db: IDBDatabase,
): Promise<LoadedLayer> {
  return transact(db, ['superblock', 'map', 'units'], 'readonly', async (tx) => {
    const { units, index } = await readState(env, tx, diskOfLayer(layer));
    return { name: names.layer(layer), db, units, index };
  });
}

function missingBase(): StoreError {
  return new StoreError(
    'corrupt',
    'A disk that this one was forked from is missing in the browser, and with it the data that the two shared; delete the disk, and restore it from an export if there is one.',
  );
}
