import { StoreError } from '../../flash/media-store.ts';
import { SEAL_BYTES, unseal } from '../checksum.ts';
import { isIndex, MAX_UNITS } from '../disk-spec.ts';
import { MAX_PIECES, parseSuperblock, type Superblock } from '../superblock.ts';
import { UNIT_MAP_PAGE_BYTES, UnitMap } from '../unit-map.ts';
import { result, transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import {
  badJournal,
  commitOf,
  decodeJournal,
  LONGEST_RECORD_BYTES,
  recordIn,
  SETTLE_AFTER_COMMITS,
  slotOf,
} from './journal.ts';
import { LayerState, type Repeated, type Unsettled } from './layer-state.ts';
import { DISK_STORES, INDEX_PAGES, JOURNAL, OWN_PAGES, PIECES, SUPERBLOCK_KEY } from './layout.ts';
import { MOST_IN_PIECES } from './pieces.ts';
import { UnitIndex, INDEX_PAGE_BYTES } from './unit-index.ts';

/** What the records of one disk's database say. */

/** Where the superblock lies, and what was committed since. */
const HEAD_STORES = ['superblock', 'map', 'units'] as const;

/** A record with its number. */
export type Numbered = readonly (readonly [number, unknown])[];

/**
 * The superblock of an open database, as the journal has left it.
 * @throws StoreError `corrupt`, `version`, or the browser's own error
 */
export function readSuperblock(env: IndexedDbEnvironment, db: IDBDatabase, id: string): Promise<Superblock> {
  return transact(db, HEAD_STORES, 'readonly', async (tx) => {
    return now(env, tx, await superblockIn(tx, id));
  });
}

/**
 * What a wiped disk goes on from. A journal that is damaged is no reason to keep the rest: more commits than are counted
 * then were not made.
 * @throws StoreError `corrupt`, `version`, or the browser's own error
 */
export function superblockToWipe(
  env: IndexedDbEnvironment,
  db: IDBDatabase,
  id: string,
): Promise<Superblock> {
  return transact(db, HEAD_STORES, 'readonly', async (tx) => {
    const superblock = await superblockIn(tx, id);
    try {
      return await now(env, tx, superblock);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'corrupt') throw error;
      return { ...superblock, commits: superblock.commits + SETTLE_AFTER_COMMITS };
    }
  });
}

/**
 * Gives a disk another name, in the record as it is stored: whoever has it open goes on from that one.
 * @returns the superblock as the journal has left it
 */
export function renameIn(
  env: IndexedDbEnvironment,
  db: IDBDatabase,
  id: string,
  name: string,
): Promise<Superblock> {
  return transact(db, HEAD_STORES, 'readwrite', async (tx) => {
    const renamed = { ...(await superblockIn(tx, id)), name };
    const superblock = await now(env, tx, renamed);
    tx.objectStore('superblock').put(renamed, SUPERBLOCK_KEY);
    return superblock;
  });
}

/** As it is stored. @throws StoreError `corrupt`, `version`, or the browser's own error */
async function superblockIn(tx: IDBTransaction, id: string): Promise<Superblock> {
  return parseSuperblock(await result<unknown>(tx.objectStore('superblock').get(SUPERBLOCK_KEY)), id);
}

/** As the journal has left it. */
async function now(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  superblock: Superblock,
): Promise<Superblock> {
  const last = (await journalIn(env, tx, superblock)).at(-1)?.record;
  if (last === undefined) return superblock;
  const { commits, unitsStored, unitsOwn, pieces } = last;
  return {
    ...superblock,
    commits,
    unitsStored,
    ...(superblock.unitsOwn !== undefined && { unitsOwn }),
    ...(pieces > 0 && { pieces }),
  };
}

/**
 * What was committed since the superblock was stored, in order: a record for each, none of them of another opening. It
 * lies in its slot, or at the beginning of the next piece; what was settled before does not count.
 */
async function journalIn(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  { commits, epoch, unitBytes, totalUnits, pieces = 0 }: Superblock,
): Promise<readonly Repeated[]> {
  const slots = await slotsIn(env, tx, commits);
  const units = tx.objectStore('units');
  const found: Repeated[] = [];
  let piece = pieces;
  // So many, and one, so that too many are noticed.
  for (let next = commits + 1; found.length <= SETTLE_AFTER_COMMITS; next++) {
    const slot = slots.get(next);
    const first = slot === undefined ? await result<unknown>(units.get(PIECES + piece)) : undefined;
    if (slot === undefined && first === undefined) break;
    const sealed = slot ?? recordIn(first);
    if (sealed.length > LONGEST_RECORD_BYTES) throw badJournal();
    const record = decodeJournal(sealed, next, totalUnits);
    const counts = record.pieces >= piece && record.pieces <= MAX_PIECES;
    if (record.epoch !== epoch || !counts) throw badJournal();
    if (record.inPieces.length > 0 && unitBytes + SEAL_BYTES > MOST_IN_PIECES) throw badJournal();
    found.push({ record, bytes: sealed.length, isJoined: slot === undefined });
    slots.delete(next);
    piece = record.pieces;
  }
  const beyond = await result(units.getKey(keyRange(env, PIECES + piece, Number.MAX_SAFE_INTEGER)));
  if (slots.size > 0 || beyond !== undefined || found.length >= SETTLE_AFTER_COMMITS) throw badJournal();
  return found;
}

/** Records in slots, of commits after one, by their numbers. */
async function slotsIn(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  commits: number,
): Promise<Map<number, Uint8Array>> {
  const map = tx.objectStore('map');
  const range = journalRange(env);
  // One more than there can be, so that too many are noticed.
  const [keys, records] = await Promise.all([
    result(map.getAllKeys(range, SETTLE_AFTER_COMMITS + 1)),
    result<unknown[]>(map.getAll(range, SETTLE_AFTER_COMMITS + 1)),
  ]);
  const later = new Map<number, Uint8Array>();
  keys.forEach((key, i) => {
    const commit = commitOf(records[i]);
    if (key !== JOURNAL + slotOf(commit)) throw badJournal();
    if (commit > commits) later.set(commit, records[i] as Uint8Array);
  });
  return later;
}

export function journalRange(env: IndexedDbEnvironment): IDBKeyRange {
  return keyRange(env, JOURNAL, Number.MAX_SAFE_INTEGER);
}

/** All of a layer but table and data, with what the journal says. @throws StoreError `corrupt`, `version` */
export async function readState(
  env: IndexedDbEnvironment,
  tx: IDBTransaction,
  id: string,
): Promise<LayerState> {
  const [superblock, pages] = await Promise.all([superblockIn(tx, id), numbered(env, tx, 'map')]);
  const { unitsStored, unitsOwn, totalUnits, pieces = 0 } = superblock;
  const map = UnitMap.load(unsealed(pages, 0, OWN_PAGES), unitsStored, totalUnits);
  const units =
    unitsOwn === undefined
      ? map
      : UnitMap.load(unsealed(pages, OWN_PAGES, INDEX_PAGES), unitsOwn, totalUnits);
  const indexPages = unsealed(pages, INDEX_PAGES, MAX_UNITS, INDEX_PAGE_BYTES);
  const index = UnitIndex.load(indexPages, superblock, units, pieces);
  const state = new LayerState(superblock, map, { units, index });
  for (const found of await journalIn(env, tx, superblock)) state.repeat(found);
  return state;
}

/** Writes what the journal says to where it belongs, and the superblock, and empties it; `state` is not told. */
export function settleIn(env: IndexedDbEnvironment, tx: IDBTransaction, state: LayerState): void {
  tx.objectStore('superblock').put(state.superblock, SUPERBLOCK_KEY);
  putSettled(env, tx, { ...state.unsettled(), empties: true });
}

/** The journal's content in its places. */
export interface Settled extends Unsettled {
  /** Its records go; else they count no more, once the superblock is written. */
  readonly empties: boolean;
}

/** The superblock goes with it. */
export function putSettled(env: IndexedDbEnvironment, tx: IDBTransaction, settled: Settled): void {
  const table = tx.objectStore('table');
  for (const [shard, sealed] of settled.table) table.put(sealed, shard);
  const map = tx.objectStore('map');
  for (const [page, sealed] of settled.pages) map.put(sealed, page);
  const units = tx.objectStore('units');
  for (const range of pieceRanges(env, settled.freed)) units.delete(range);
  if (settled.empties) map.delete(journalRange(env));
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

/** @param pieces their numbers, rising */
export function pieceRanges(env: IndexedDbEnvironment, pieces: readonly number[]): IDBKeyRange[] {
  return runsOf(pieces).map(([a, b]) => keyRange(env, PIECES + a, PIECES + b));
}

/** Rising numbers as first and last of each run. */
function runsOf(numbers: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run && run[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}

function unsealed(
  pages: Numbered,
  first: number,
  end: number,
  pageBytes = UNIT_MAP_PAGE_BYTES,
): (readonly [number, Uint8Array])[] {
  return pages
    .filter(([page]) => page >= first && page < end)
    .map(([page, sealed]) => [page - first, unseal(sealed, `Unit map page ${page}`, pageBytes)]);
}

/** All of a layer but its units. Sealed as it is stored: damage stays damage, and is found when it is read. */
export interface LayerHead {
  readonly superblock: Superblock;
  readonly map: Numbered;
  readonly table: Numbered;
}

/**
 * Settles the journal first: what is read here is what another layer begins with. Hard, with all that was committed
 * before: what is read is written hard into the new layer, and must not be all that a power cut leaves of it.
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
  const read = async (tx: IDBTransaction): Promise<LayerHead> => {
    const stored = await superblockIn(tx, id);
    const journal = await journalIn(env, tx, stored);
    const state = journal.length > 0 ? await readState(env, tx, id) : undefined;
    let superblock = state?.superblock ?? stored;
    if (takesOver) superblock = { ...superblock, epoch: superblock.epoch + 1 };
    if (state) settleIn(env, tx, state);
    if (takesOver) tx.objectStore('superblock').put(superblock, SUPERBLOCK_KEY);
    const [pages, table] = await Promise.all([numbered(env, tx, 'map'), numbered(env, tx, 'table')]);
    return { superblock, map: pages.filter(([page]) => page < OWN_PAGES), table };
  };
  return transact(db, DISK_STORES, 'readwrite', read, 'strict');
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
