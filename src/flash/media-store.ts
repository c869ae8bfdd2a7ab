/**
 * The port behind the flash: where units and the block table are kept. A unit is the smallest thing
 * that is stored (for open-channel media one page across all planes with its OOB; for a plain disk a
 * run of logical blocks); its number is its key. The block table is kept in shards, so that a commit
 * writes only what changed and opening costs the table, never the data.
 *
 * Implementations: memory, file and IndexedDB (src/storage), and the fakes of the tests.
 */

/** Everything that one group of commands changed; it becomes durable as a whole or not at all. */
export interface MediaCommit {
  /** Half-open runs of units that no longer exist. They are removed before `units` are put. */
  readonly erased: readonly UnitRun[];
  /**
   * Units to put, each whole. The bytes are borrowed: the caller may change them once `commit` has returned
   * (its promise may still be pending), and will then put them again. A store for which that matters copies
   * them first; for one that only remembers, the reference does.
   */
  readonly units: readonly UnitBytes[];
  /** Shards of the block table to replace. Borrowed as above. */
  readonly shards: readonly TableShard[];
}

export interface UnitRun {
  readonly first: number;
  readonly count: number;
}

export interface UnitBytes {
  readonly unit: number;
  readonly bytes: Uint8Array;
}

/**
 * Shards of the block table count from 0. From here on they are records of the device itself: its counters,
 * and what each namespace has to remember besides its blocks.
 */
export const DEVICE_SHARD = 2 ** 30;

export interface TableShard {
  readonly shard: number;
  readonly bytes: Uint8Array;
}

/** How hard a commit must be: `strict` asks the operating system to flush as well (NVMe Flush). */
export type Durability = 'relaxed' | 'strict';

export interface MediaStore {
  /**
   * Where there is a write cache: whether `relaxed` commits may be answered before they are stored, which the host
   * may switch. After it was switched off what waits is stored soon, and later commits are answered when they are.
   */
  writeCache?: boolean;
  /** Commits that were answered and are not stored yet. Absent without a write cache. */
  readonly unstored?: number;
  /** True when commits answer at once and cost next to nothing: then nothing is gained by gathering them. */
  readonly immediate?: boolean;
  /**
   * The bytes of a unit, or undefined when it was never written or was erased. Answers at once where it
   * can (memory), else with a promise. The caller does not change what it gets unless it then commits it.
   * Rejects with {@link StoreError}.
   */
  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** The bytes of a unit that was erased and that nobody else holds, for another one; undefined if there is none. */
  spareUnit?(): Uint8Array | undefined;
  /** Every shard of the block table that was ever committed. */
  loadTable(): Promise<readonly TableShard[]>;
  /**
   * Makes a group durable: returns nothing when it is so already, else a promise that resolves when it
   * is. Rejects with {@link StoreError}; then nothing of this group was kept. The caller has at most one
   * commit under way. With {@link writeCache} on, an answer to a relaxed one only means that it was taken.
   */
  commit(commit: MediaCommit, durability: Durability): void | Promise<void>;
}

/** What can go wrong below the flash; the page turns the code into a sentence. */
export type StoreErrorCode =
  | 'quota' // the browser has no more room
  | 'aborted' // the transaction was rolled back
  | 'lost' // the connection to the database is gone
  | 'unavailable' // there is no database here (private window, disabled)
  | 'busy' // another tab holds the disk
  | 'corrupt' // a record does not check
  | 'missing' // no such disk
  | 'version' // written by a newer version of this program
  | 'io'; // anything else

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
