import {
  type Durability,
  type MediaCommit,
  StoreError,
  type StoreErrorCode,
  type TableShard,
} from '../../src/flash/media-store.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from '../../src/storage/catalogue.ts';
import type { Random } from '../fuzz/random.ts';
import type { SimTime } from './sim-time.ts';

/** What is on the medium. */
export interface Platter {
  readonly units: ReadonlyMap<number, Uint8Array>;
  readonly shards: ReadonlyMap<number, Uint8Array>;
}

export const EMPTY: Platter = { units: new Map(), shards: new Map() };

/** What a commit leaves of a platter; units and shards are shared, never changed. */
export function committed(platter: Platter, { erased, units, shards }: MediaCommit): Platter {
  const next = { units: new Map(platter.units), shards: new Map(platter.shards) };
  for (const { first, count } of erased)
    for (let unit = first; unit < first + count; unit++) next.units.delete(unit);
  for (const { unit, bytes } of units) next.units.set(unit, bytes);
  for (const { shard, bytes } of shards) next.shards.set(shard, bytes);
  return next;
}

/** How long operations of the store take, in milliseconds of simulated time: evenly drawn between these. */
export interface Delays {
  readonly commitMs: readonly [least: number, most: number];
  readonly readMs: readonly [least: number, most: number];
}

export interface SimDiskOptions {
  readonly unitBytes: number;
  readonly totalUnits: number;
  readonly time: SimTime;
  readonly random: Random;
  readonly delays: Delays;
}

/**
 * A disk on simulated time. What it keeps is only what was committed, as copies; one commit is one transaction
 * that is there as a whole or not at all. It counts what the device asks of it.
 */
export class SimDisk implements OpenDisk {
  onlost: ((error: Error) => void) | undefined;
  platter: Platter;
  /** Called when a commit has become durable, before anybody is told. */
  oncommit: ((commit: MediaCommit) => void) | undefined;
  /** The next commit fails so; nothing of it is kept. */
  failCommit: StoreErrorCode | undefined;
  failRead: StoreErrorCode | undefined;
  /** Commits take so much longer. */
  stallMs = 0;
  /** When the first commit failed. */
  failedMs = Infinity;
  reads = 0;
  commits = 0;
  private readonly options: SimDiskOptions;
  private isCut = false;
  private underWay = false;

  constructor(options: SimDiskOptions, platter: Platter) {
    this.options = options;
    this.platter = platter;
  }

  get summary(): DiskSummary {
    const { unitBytes, totalUnits } = this.options;
    const sizeBytes = unitBytes * totalUnits;
    return {
      id: 'sim',
      name: 'sim',
      deviceLine: '',
      sizeBytes,
      unitBytes,
      totalUnits,
      createdAtMs: 0,
      epoch: 1,
      commits: this.commits,
      unitsStored: this.unitsStored(),
      kept: 'memory',
    };
  }

  version(): DiskVersion {
    return { epoch: 1, commits: this.commits };
  }

  unitsStored(): number {
    return this.platter.units.size;
  }

  isStored(unit: number): boolean {
    return this.platter.units.has(unit);
  }

  /** As when the tab dies: nothing that is under way is kept, and nobody is answered any more. */
  cut(): void {
    this.isCut = true;
  }

  readUnit(unit: number): undefined | Promise<Uint8Array | undefined> {
    // A unit that is not stored is known without asking, as by the unit map.
    const bytes = this.platter.units.get(unit)?.slice();
    if (!bytes) return undefined;
    this.reads++;
    const failure = this.failRead;
    this.failRead = undefined;
    return this.later(this.options.delays.readMs, () => {
      if (failure) throw new StoreError(failure, 'a read that shall fail');
      return bytes;
    });
  }

  loadTable(): Promise<readonly TableShard[]> {
    return Promise.resolve(
      Array.from(this.platter.shards, ([shard, bytes]) => ({ shard, bytes: bytes.slice() })),
    );
  }

  commit(commit: MediaCommit, _durability: Durability): Promise<void> {
    if (this.underWay) throw new Error('two commits at once');
    this.underWay = true;
    const copy: MediaCommit = {
      erased: commit.erased.map((run) => ({ ...run })),
      units: commit.units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() })),
      shards: commit.shards.map(({ shard, bytes }) => ({ shard, bytes: bytes.slice() })),
    };
    const failure = this.failCommit;
    this.failCommit = undefined;
    const [least, most] = this.options.delays.commitMs;
    return this.later([least + this.stallMs, most + this.stallMs], () => {
      this.underWay = false;
      if (failure) {
        this.failedMs = Math.min(this.failedMs, this.options.time.nowMs());
        throw new StoreError(failure, 'a commit that shall fail');
      }
      this.commits++;
      this.platter = committed(this.platter, copy);
      this.oncommit?.(copy);
    });
  }

  close(): Promise<void> {
    this.isCut = true;
    return Promise.resolve();
  }

  private later<T>([least, most]: readonly [number, number], work: () => T): Promise<T> {
    const { time, random } = this.options;
    return new Promise((resolve, reject) => {
      time.after(least + (random.below(1000) / 1000) * (most - least), () => {
        if (this.isCut) return;
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}
