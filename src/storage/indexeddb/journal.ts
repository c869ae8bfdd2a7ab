import { StoreError, type UnitRun } from '../../flash/media-store.ts';
import { seal, SEAL_BYTES, unseal } from '../checksum.ts';
import { isIndex, MAX_UNITS } from '../disk-spec.ts';
import { RunSet } from '../run-set.ts';
import { PIECE_BYTES } from './pieces.ts';

/**
 * The journal: a commit writes, besides units, one record of what it made of table, maps and counts. The records that
 * say so themselves are written now and then ("settled"); opening repeats what came since.
 *
 * A commit that begins pieces has its record at the beginning of the first of them: one record less to put, which is a
 * tenth of a commit of 128 KiB. One that begins none has it in `map`, in a slot.
 *
 * A record, sealed, in numbers of 4 bytes, those marked ×2 of 8, little-endian: `LNVJ`; commits ×2, epoch ×2,
 * pieces ×2, unitsStored, unitsOwn as the superblock would have them after it; how many runs, units in pieces, units by
 * themselves, shards; first unit and count of each run; the units in pieces, in the order in which they lie there, from
 * a new piece on; those by themselves; number and length of each shard; then the bytes of the shards.
 */
const MAGIC = 0x4a564e4c;
const HEADER_BYTES = 52;

/** After so many commits, or so many bytes of journal, the journal is settled. */
export const SETTLE_AFTER_COMMITS = 64;
export const SETTLE_AFTER_BYTES = 2 ** 20;
/**
 * A larger record is not worth it, and leaves no room for a unit in its piece: what it says is written into its place
 * at once.
 */
export const MOST_JOURNALLED_BYTES = PIECE_BYTES - 1;
/** None is larger: format 3 had somewhat longer ones. */
export const LONGEST_RECORD_BYTES = 2 ** 16;
/** A record that is larger beside the units goes into a slot: in a piece it stays as long as they do. */
const MOST_OF_UNITS = 1 / 8;

/** Whether the record of a commit lies in a piece, before so many bytes of units. */
export function isJoined(lengthBytes: number, unitsBytes: number): boolean {
  return unitsBytes > 0 && lengthBytes <= unitsBytes * MOST_OF_UNITS;
}

/**
 * The slot of a commit without pieces. What was settled is written over: deleting 63 records took as long as ten commits
 * of 128 KiB.
 */
export function slotOf(commits: number): number {
  return commits % SETTLE_AFTER_COMMITS;
}

/** Commits beyond this number are written without a journal: their keys would not be exact. Nobody gets there. */
export const MAX_JOURNALLED = 2 ** 41;

export type NumberedShard = readonly [shard: number, bytes: Uint8Array];

/** What a commit does to the units of a layer. */
export interface Step {
  readonly erased: readonly UnitRun[];
  /** Put end to end into new pieces, behind the record of the commit if that is there. */
  readonly inPieces: readonly number[];
  /** Put as records of their own. */
  readonly byThemselves: readonly number[];
}

/** What the superblock counts, after a commit. */
export interface Counts {
  readonly commits: number;
  readonly epoch: number;
  readonly pieces: number;
  readonly unitsStored: number;
  /** The same as `unitsStored` where there are no layers below. */
  readonly unitsOwn: number;
}

export interface JournalRecord extends Step, Counts {
  readonly shards: readonly NumberedShard[];
}

/** Length of a record with its seal. */
export function journalBytes(
  { erased, inPieces, byThemselves }: Step,
  shards: readonly { readonly bytes: Uint8Array }[],
): number {
  const numbers = 8 * erased.length + 4 * (inPieces.length + byThemselves.length) + 8 * shards.length;
  return shards.reduce((sum, { bytes }) => sum + bytes.length, HEADER_BYTES + numbers + SEAL_BYTES);
}

export function encodeJournal(record: JournalRecord): Uint8Array {
  const { erased, inPieces, byThemselves, shards } = record;
  const counted = shards.map(([, bytes]) => ({ bytes }));
  const bytes = new Uint8Array(journalBytes(record, counted) - SEAL_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (...numbers: readonly number[]): void => {
    for (const number of numbers) {
      view.setUint32(at, number, true);
      at += 4;
    }
  };
  put(MAGIC);
  for (const number of [record.commits, record.epoch, record.pieces])
    put(number % 2 ** 32, Math.floor(number / 2 ** 32));
  put(record.unitsStored, record.unitsOwn);
  put(erased.length, inPieces.length, byThemselves.length, shards.length);
  for (const { first, count } of erased) put(first, count);
  for (const unit of inPieces) put(unit);
  for (const unit of byThemselves) put(unit);
  for (const [shard, { length }] of shards) put(shard, length);
  for (const [, shard] of shards) {
    bytes.set(shard, at);
    at += shard.length;
  }
  return seal(bytes);
}

/**
 * The record that a piece begins with: a view.
 * @throws StoreError `corrupt` when there is none
 */
export function recordIn(piece: unknown): Uint8Array {
  if (!(piece instanceof Uint8Array) || piece.length < HEADER_BYTES) throw badJournal();
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw badJournal();
  const [runs, inPieces, byThemselves, shards] = [36, 40, 44, 48].map((at) => view.getUint32(at, true)) as [
    number,
    number,
    number,
    number,
  ];
  const shardsAt = HEADER_BYTES + 8 * runs + 4 * (inPieces + byThemselves);
  let end = shardsAt + 8 * shards + SEAL_BYTES;
  if (end > piece.length) throw badJournal();
  for (let i = 0; i < shards; i++) end += view.getUint32(shardsAt + 8 * i + 4, true);
  if (end > piece.length) throw badJournal();
  return piece.subarray(0, end);
}

/** The commit that a record is of. @throws StoreError `corrupt` */
export function commitOf(sealed: unknown): number {
  const bytes = unseal(sealed, 'A journal record');
  if (bytes.length < HEADER_BYTES) throw badJournal();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(4, true) + view.getUint32(8, true) * 2 ** 32;
}

/**
 * The record of a commit. Its shards are views; its runs are in order, and none meets another.
 * @param commits the number under which it was found
 * @throws StoreError `corrupt`
 */
export function decodeJournal(sealed: unknown, commits: number, totalUnits: number): JournalRecord {
  const bytes = unseal(sealed, `Journal record ${commits}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES || view.getUint32(0, true) !== MAGIC) throw badJournal();
  let at = 4;
  const number = (): number => view.getUint32((at += 4) - 4, true);
  const long = (): number => number() + number() * 2 ** 32;
  const counts = {
    commits: long(),
    epoch: long(),
    pieces: long(),
    unitsStored: number(),
    unitsOwn: number(),
  };
  const [runs, inPieces, byThemselves, shards] = [number(), number(), number(), number()] as const;
  let left = bytes.length - HEADER_BYTES - 8 * runs - 4 * (inPieces + byThemselves) - 8 * shards;
  // Before anything is made of the numbers: they say how much memory it takes.
  if (counts.commits !== commits || left < 0) throw badJournal();
  const many = <T>(count: number, each: () => T): T[] => Array.from({ length: count }, each);
  const unit = (): number => checked(number(), totalUnits);
  const step = {
    erased: merged(
      many(runs, () => {
        const first = unit();
        return { first, count: checked(number(), totalUnits - first + 1) };
      }),
    ),
    inPieces: many(inPieces, unit),
    byThemselves: many(byThemselves, unit),
  };
  const lengths = many(shards, () => [checked(number(), MAX_UNITS), number()] as const);
  const found = lengths.map(([shard, length]) => {
    left -= length;
    at += length;
    return [shard, bytes.subarray(at - length, at)] as const;
  });
  if (left !== 0) throw badJournal();
  return { ...counts, ...step, shards: found };
}

/** What is erased twice is erased: thousands of runs over a whole disk would take minutes to repeat. */
function merged(runs: readonly UnitRun[]): readonly UnitRun[] {
  const set = new RunSet();
  for (const { first, count } of runs) set.add(first, count);
  return set.runs();
}

function checked(number: number, end: number): number {
  if (!isIndex(number, end)) throw badJournal();
  return number;
}

export function badJournal(): StoreError {
  return new StoreError(
    'corrupt',
    'The last writes to this disk are damaged; restore the disk from an export or wipe it.',
  );
}
