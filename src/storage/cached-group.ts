import type { Durability, MediaCommit, StoreError } from '../flash/media-store.ts';
import { eraseRun } from './memory.ts';
import { RunSet } from './run-set.ts';

/** Commits, one after the other, as the one that they come to. */
export class CachedGroup {
  /** Moment of the first of them. */
  readonly sinceMs: number;
  readonly units = new Map<number, Uint8Array>();
  /** Erased before any of {@link units} is put. */
  readonly erased = new RunSet();
  readonly shards = new Map<number, Uint8Array>();
  durability: Durability = 'relaxed';
  /** How many. */
  commits = 0;
  /** Of units and shards. */
  bytes = 0;
  /** Settles when the group was stored, or cannot be. */
  readonly stored: Promise<void>;
  resolve!: () => void;
  reject!: (error: StoreError) => void;

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
    this.stored = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who waits for it is told; often nobody does.
    this.stored.catch(() => undefined);
  }

  add(commit: MediaCommit): void {
    this.commits++;
    for (const { first, count } of commit.erased) {
      eraseRun(this.units, first, count, (bytes) => (this.bytes -= bytes.length));
      this.erased.add(first, count);
    }
    // Borrowed as in MediaCommit: what is changed in them later is put again with a later commit.
    for (const { unit, bytes } of commit.units) {
      if (!this.units.has(unit)) this.bytes += bytes.length;
      this.units.set(unit, bytes);
    }
    // The table is changed in place all the time, and must not be ahead of its units.
    for (const { shard, bytes } of commit.shards) {
      this.bytes += bytes.length - (this.shards.get(shard)?.length ?? 0);
      this.shards.set(shard, bytes.slice());
    }
  }

  /** @param copies whether the units are copied: the caller's may change later */
  toCommit(copies: boolean): MediaCommit {
    return {
      erased: this.erased.runs(),
      units: Array.from(this.units, ([unit, bytes]) => ({ unit, bytes: copies ? bytes.slice() : bytes })),
      shards: Array.from(this.shards, ([shard, bytes]) => ({ shard, bytes })),
    };
  }
}
