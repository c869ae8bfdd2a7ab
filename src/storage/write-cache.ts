import type { Durability, MediaCommit, StoreError, TableShard } from '../flash/media-store.ts';
import type { CacheMode } from './cache-mode.ts';
import { CachedGroup } from './cached-group.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from './catalogue.ts';
import { checkCommit } from './disk-spec.ts';
import { closedDisk } from './errors.ts';

/** What a mode promises of commits that are answered before they are stored. */
interface Bounds {
  /** While one of them is older, the next is answered only when it is stored. */
  readonly oldestMs: number;
  /** No more bytes of them at once. */
  readonly mostBytes: number;
  /** Storing begins when one is so old, or so many bytes wait. */
  readonly beginMs: number;
  readonly beginBytes: number;
}

const MIB = 1024 * 1024;

/** Gathering for a tenth of a second makes transactions large enough to be cheap; the rest of the time is for storing them. */
export const WRITEBACK: Bounds = {
  oldestMs: 500,
  mostBytes: 16 * MIB,
  beginMs: 100,
  beginBytes: 4 * MIB,
};
/** As much as memory allows, and never by itself. */
export const UNSAFE: Bounds = {
  oldestMs: Infinity,
  mostBytes: 256 * MIB,
  beginMs: Infinity,
  beginBytes: Infinity,
};

/** A group that is so large is followed by another one: each is one transaction. */
const GROUP_BYTES = 16 * MIB;

/** Time, injected so that tests can simulate it. */
export interface CacheTimes {
  /** Milliseconds since any fixed moment. */
  nowMs(): number;
  /** Runs `work` once, after so long; answers with what takes that back. */
  after(ms: number, work: () => void): () => void;
}

const realTimes: CacheTimes = {
  nowMs: () => performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A write cache before an open disk: commits are answered at once and stored a little later, as many together as
 * were gathered, one group after the other. So whatever happens, the disk is as it was at one moment, and every
 * commit before that moment is in it. Its bounds say how far back that moment may be.
 *
 * When storing fails nothing more is taken: every later commit rejects with the same error. What was answered and
 * not stored is lost then, which {@link onfailure} tells; reads still show it.
 */
export class WriteCache implements OpenDisk {
  /** Told once if what was answered could not be stored. */
  onfailure: ((error: StoreError) => void) | undefined;
  /** The host may switch it off and on (Set Features 06h). Off: commits are answered when they are stored. */
  #isOn = true;
  readonly mode: Exclude<CacheMode, 'writethrough'>;
  readonly #disk: OpenDisk;
  readonly #flushes: boolean;
  readonly #bounds: Bounds;
  readonly #times: CacheTimes;
  /** Oldest first. The first is under way if {@link #isStoring}; the last takes what comes. */
  #groups: CachedGroup[] = [];
  #isStoring = false;
  /** Groups up to this one are stored without waiting for more. */
  #wanted: CachedGroup | undefined;
  #endTimer: (() => void) | undefined;
  #failure: StoreError | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    disk: OpenDisk,
    mode: Exclude<CacheMode, 'writethrough'>,
    times: CacheTimes = realTimes,
    bounds: Bounds = mode === 'unsafe' ? UNSAFE : WRITEBACK,
  ) {
    this.mode = mode;
    this.#disk = disk;
    this.#flushes = mode !== 'unsafe';
    this.#bounds = bounds;
    this.#times = times;
  }

  get summary(): DiskSummary {
    return this.#disk.summary;
  }

  version(): DiskVersion {
    return this.#disk.version();
  }

  get onlost(): ((error: Error) => void) | undefined {
    return this.#disk.onlost;
  }

  set onlost(listener: ((error: Error) => void) | undefined) {
    this.#disk.onlost = listener;
  }

  get writeCache(): boolean {
    return this.#isOn;
  }

  set writeCache(on: boolean) {
    this.#isOn = on;
    if (!on) void this.settle().catch(() => undefined);
  }

  /** Commits that were answered and are not stored yet. */
  get unstored(): number {
    return this.#groups.reduce((sum, { commits }) => sum + commits, 0);
  }

  /** Bytes of theirs in memory. */
  get unstoredBytes(): number {
    return this.#groups.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  unitsStored(): number {
    return this.#disk.unitsStored();
  }

  isStored(unit: number): boolean {
    for (let i = this.#groups.length - 1; i >= 0; i--) {
      const group = this.#groups[i] as CachedGroup;
      if (group.units.has(unit)) return true;
      if (group.erased.has(unit)) return false;
    }
    return this.#disk.isStored(unit);
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    for (let i = this.#groups.length - 1; i >= 0; i--) {
      const group = this.#groups[i] as CachedGroup;
      const bytes = group.units.get(unit);
      if (bytes) return bytes;
      if (group.erased.has(unit)) return undefined;
    }
    return this.#disk.readUnit(unit);
  }

  async loadTable(): Promise<readonly TableShard[]> {
    const shards = new Map((await this.#disk.loadTable()).map(({ shard, bytes }) => [shard, bytes]));
    for (const group of this.#groups)
      for (const [shard, bytes] of group.shards) shards.set(shard, bytes.slice());
    return Array.from(shards, ([shard, bytes]) => ({ shard, bytes }));
  }

  commit(commit: MediaCommit, durability: Durability): void | Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    try {
      // Now: once it is answered it is too late to refuse it.
      checkCommit(commit, this.summary);
    } catch (error) {
      return Promise.reject(error as StoreError);
    }
    const group = this.#openGroup();
    group.add(commit);
    if (!this.#isOn) return this.settle(durability);
    if (durability === 'strict' && this.#flushes) return this.settle('strict');
    if (!this.#hasRoom) return this.#waitForRoom();
    this.#goOn();
  }

  /** Stores all that waits; with `strict`, hard. Rejects with StoreError. */
  settle(durability: Durability = 'relaxed'): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    let group = this.#groups.at(-1);
    if (durability === 'strict') {
      // One that is under way can no longer be made hard.
      group = this.#openGroup();
      group.durability = 'strict';
    }
    if (!group) return Promise.resolve();
    this.#wanted = group;
    this.#goOn();
    return group.stored;
  }

  /** Forgets what is not stored, as a cut of the power does. */
  discard(): void {
    this.#end(closedDisk());
    this.#groups = [];
  }

  /**
   * Stores all that waits and closes the disk.
   * @throws StoreError when that could not be stored; the disk is closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const toStore = this.#failure === undefined && this.#groups.length > 0;
      try {
        if (toStore) await this.settle('strict');
      } finally {
        this.#end(closedDisk());
        await this.#disk.close();
      }
    })();
    return this.#closing;
  }

  #openGroup(): CachedGroup {
    const newest = this.#groups.at(-1);
    const takesMore = newest && newest.bytes < GROUP_BYTES && !(this.#isStoring && this.#groups.length === 1);
    if (takesMore) return newest;
    const group = new CachedGroup(this.#times.nowMs());
    this.#groups.push(group);
    return group;
  }

  get #oldestMs(): number {
    const oldest = this.#groups[0];
    return oldest ? this.#times.nowMs() - oldest.sinceMs : 0;
  }

  get #hasRoom(): boolean {
    return this.#oldestMs < this.#bounds.oldestMs && this.unstoredBytes <= this.#bounds.mostBytes;
  }

  async #waitForRoom(): Promise<void> {
    while (!this.#hasRoom) {
      const oldest = this.#groups[0] as CachedGroup;
      this.#wanted ??= oldest;
      this.#goOn();
      await oldest.stored;
    }
  }

  /** Stores the oldest group if it is time, or sees to it that somebody asks again when it is. */
  #goOn(): void {
    const oldest = this.#groups[0];
    if (this.#isStoring || !oldest || this.#failure) return;
    const { beginMs, beginBytes } = this.#bounds;
    const restMs = beginMs - this.#oldestMs;
    if (this.#wanted || restMs <= 0 || this.unstoredBytes >= beginBytes) this.#store(oldest);
    else if (restMs !== Infinity)
      this.#endTimer ??= this.#times.after(Math.ceil(restMs), () => {
        this.#endTimer = undefined;
        this.#goOn();
      });
  }

  #store(group: CachedGroup): void {
    this.#endTimer?.();
    this.#endTimer = undefined;
    this.#isStoring = true;
    let answer: void | Promise<void>;
    try {
      // What a store in memory keeps is the array itself, and units may be changed in place.
      answer = this.#disk.commit(group.toCommit(this.#disk.immediate === true), group.durability);
    } catch (error) {
      answer = Promise.reject(error as StoreError);
    }
    if (answer instanceof Promise)
      answer.then(
        () => this.#stored(group),
        (error: unknown) => this.#fail(error as StoreError),
      );
    else this.#stored(group);
  }

  #stored(group: CachedGroup): void {
    if (this.#failure) return;
    this.#isStoring = false;
    this.#groups.shift();
    if (this.#wanted === group) this.#wanted = undefined;
    group.resolve();
    this.#goOn();
  }

  #fail(error: StoreError): void {
    if (this.#failure) return;
    this.#end(error);
    this.onfailure?.(error);
  }

  /** From here on nothing is taken; groups stay as they are, for reads. */
  #end(error: StoreError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#endTimer?.();
    for (const group of this.#groups) group.reject(error);
  }
}
