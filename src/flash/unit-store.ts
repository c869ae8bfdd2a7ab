import type { Durability, MediaStore, StoreError, TableShard, UnitRun } from './media-store.ts';
import type { Transfer } from './transfer.ts';
import { WriteGate } from './write-gate.ts';

/** Bytes of clean units kept in memory before a store that answers late. */
const CACHE_BUDGET_BYTES = 32 * 1024 * 1024;

interface Group {
  readonly units: Map<number, Uint8Array>;
  readonly erased: UnitRun[];
  readonly shards: Set<number>;
  readonly waiters: ((stored: boolean) => void)[];
  durability: Durability;
}

function erases(group: Group, unit: number): boolean {
  for (const run of group.erased) if (unit >= run.first && unit < run.first + run.count) return true;
  return false;
}

/** Tells everybody, whatever one of them does: who waits behind has to hear it as well. */
function tell(waiters: readonly ((stored: boolean) => void)[], stored: boolean): void {
  for (const done of waiters) {
    try {
      done(stored);
    } catch {
      // A defect of ours. The controller has answered for everything that it can; here is nobody to catch it.
    }
  }
}

interface ShardKeeper {
  readonly first: number;
  readonly count: number;
  readonly pack: (shard: number) => Uint8Array;
}

const newGroup = (): Group => ({
  units: new Map(),
  erased: [],
  shards: new Set(),
  waiters: [],
  durability: 'relaxed',
});

/**
 * Between the flash and its store: gathers what commands change into groups and commits one group at a
 * time (group commit), so that all commands in flight share a transaction; answers reads from what is on
 * its way, then from a cache, then from the store.
 *
 * Only one group is under way: a second transaction could survive the first one's failure, and its block
 * table would then speak of data that was never kept.
 *
 * When a commit fails, nothing more is written until the disk is opened again: the table in memory is
 * ahead of what is stored, and acknowledging anything after it would be a lie. Reads go on.
 */
export class UnitStore {
  /** What changes the disk passes here first, whichever medium it belongs to. */
  readonly gate = new WriteGate();
  /** Set once, by the first commit that failed. */
  failure: StoreError | undefined;
  /** Told of that failure. */
  onfailure: ((error: StoreError) => void) | undefined;

  private readonly store: MediaStore;
  private readonly keepers: ShardKeeper[] = [];
  /** Until the first commit. */
  private shards: Promise<readonly TableShard[]> | undefined;
  private readonly cacheUnits: number;
  private pending: Group = newGroup();
  private inFlight: Group | undefined;
  private scheduled = false;
  /** Clean units in the order of their use; a Map keeps insertion order. */
  private readonly cache = new Map<number, Uint8Array>();
  private readonly loading = new Map<number, Promise<void>>();

  constructor(store: MediaStore, unitBytes: number) {
    this.store = store;
    // One vector command touches up to 64 units; they must fit at once, or a read would chase its own tail.
    this.cacheUnits = Math.max(128, Math.floor(CACHE_BUDGET_BYTES / unitBytes));
  }

  /** Everything that is kept besides units, as it was when the disk was opened. Rejects with StoreError. */
  loadShards(): Promise<readonly TableShard[]> {
    this.shards ??= this.store.loadTable();
    return this.shards;
  }

  /** From now on `pack` makes the stored form of shards `first` to `first + count - 1`. */
  keepShards(first: number, count: number, pack: (shard: number) => Uint8Array): void {
    this.keepers.push({ first, count, pack });
  }

  private packShard(shard: number): Uint8Array {
    const keeper = this.keepers.find(({ first, count }) => shard >= first && shard < first + count);
    if (!keeper) throw new RangeError(`nobody keeps shard ${shard}`);
    return keeper.pack(shard);
  }

  /** True when {@link get} never has to wait. */
  get answersAtOnce(): boolean {
    return this.store.immediate === true;
  }

  /** Groups that are not durable yet: 0 means that everything acknowledged and everything asked for is stored. */
  get pendingCommits(): number {
    return this.pending.waiters.length + (this.inFlight?.waiters.length ?? 0) + (this.store.unstored ?? 0);
  }

  /**
   * No command waits for this store, so nothing will end later. What was changed without a commit of its own
   * (counters), and what a write cache holds, may still have to be stored.
   */
  get isQuiet(): boolean {
    return !this.inFlight && !this.scheduled && this.pending.waiters.length === 0 && this.gate.isEmpty;
  }

  /** The store has a write cache. */
  get hasWriteCache(): boolean {
    return this.store.writeCache !== undefined;
  }

  /** Switches the write cache, if there is one. */
  useWriteCache(on: boolean): void {
    if (this.hasWriteCache && this.store.writeCache !== on) this.store.writeCache = on;
  }

  /** Units in memory because they are not stored yet. */
  get unitsInFlight(): number {
    return this.pending.units.size + (this.inFlight?.units.size ?? 0);
  }

  /**
   * A unit's bytes; undefined when it is not stored; or a promise after which the caller asks again.
   * The bytes may be filled where they are still unwritten, and then have to be {@link put}.
   */
  get(unit: number): Uint8Array | undefined | Promise<void> {
    const { pending, inFlight } = this;
    if (pending.units.size > 0 || pending.erased.length > 0 || inFlight) {
      // The youngest word counts. In a group, units are put after its runs were erased.
      const latest = pending.units.get(unit);
      if (latest) return latest;
      if (erases(pending, unit)) return undefined;
      const onItsWay = inFlight?.units.get(unit);
      if (onItsWay) return onItsWay;
      if (inFlight && erases(inFlight, unit)) return undefined;
    }
    if (this.cache.size === 0 && this.loading.size === 0) return this.load(unit);
    const cached = this.cache.get(unit);
    if (cached) {
      this.cache.delete(unit);
      this.cache.set(unit, cached);
      return cached === absent ? undefined : cached;
    }
    return this.loading.get(unit) ?? this.load(unit);
  }

  /** Asks the store; what arrives late goes through the cache. */
  private load(unit: number): Uint8Array | undefined | Promise<void> {
    let answer: ReturnType<MediaStore['readUnit']>;
    try {
      answer = this.store.readUnit(unit);
    } catch (error) {
      return quiet(Promise.reject(error as StoreError));
    }
    if (!(answer instanceof Promise)) return answer;
    const load = answer.then(
      (bytes) => {
        // An erase in between has taken the entry away; what was read is the past.
        if (this.loading.get(unit) !== load) return;
        this.loading.delete(unit);
        this.remember(unit, bytes ?? absent);
      },
      (error: unknown) => {
        if (this.loading.get(unit) === load) this.loading.delete(unit);
        throw error;
      },
    );
    this.loading.set(unit, quiet(load));
    return load;
  }

  /** Room for a unit of which nothing is written yet. Its bytes may be anything. */
  spare(unitBytes: number): Uint8Array {
    return this.store.spareUnit?.() ?? new Uint8Array(unitBytes);
  }

  /** A unit changed, and becomes durable with the next {@link commit}. */
  put(unit: number, bytes: Uint8Array): void {
    this.cache.delete(unit);
    // What a load under way brings is older than this, and may arrive after this was stored and let go.
    this.loading.delete(unit);
    this.pending.units.set(unit, bytes);
  }

  /** Units that no longer exist. Costs what is here of them, not what the run is long. */
  erase(first: number, count: number): void {
    const end = first + count;
    for (const map of [this.pending.units, this.cache, this.loading]) {
      if (map.size < count) {
        for (const unit of map.keys()) if (unit >= first && unit < end) map.delete(unit);
      } else {
        for (let unit = first; unit < end; unit++) map.delete(unit);
      }
    }
    this.pending.erased.push({ first, count });
  }

  /** A shard changed, and becomes durable with the next {@link commit}. */
  touchShard(shard: number): void {
    this.pending.shards.add(shard);
  }

  /**
   * Calls `done` when all that was changed until now is durable (true) or cannot be (false). Commands of
   * the same turn of the event loop, and those that come while a commit is under way, share the next one.
   */
  commit(durability: Durability, done: (stored: boolean) => void): void {
    if (this.failure) {
      done(false);
      return;
    }
    this.pending.waiters.push(done);
    if (durability === 'strict') this.pending.durability = 'strict';
    if (this.inFlight || this.scheduled) return;
    if (this.store.immediate) {
      this.start();
      return;
    }
    this.scheduled = true;
    // After this turn: the doorbells that the guest rings in one slice end up in one transaction.
    void Promise.resolve().then(() => {
      this.scheduled = false;
      this.start();
    });
  }

  /** How hard a write has to be stored: without a write cache, what is acknowledged is stored anyway. */
  durabilityOf(transfer: Transfer): Durability {
    return transfer.forced === true && this.hasWriteCache ? 'strict' : 'relaxed';
  }

  private start(): void {
    if (this.inFlight || this.pending.waiters.length === 0) return;
    const group = this.pending;
    this.pending = newGroup();
    this.inFlight = group;
    this.shards = undefined;
    let answer: void | Promise<void>;
    try {
      answer = this.store.commit(
        {
          erased: group.erased,
          units: Array.from(group.units, ([unit, bytes]) => ({ unit, bytes })),
          shards: Array.from(group.shards, (shard) => ({ shard, bytes: this.packShard(shard) })),
        },
        group.durability,
      );
    } catch (error) {
      this.fail(group, error as StoreError);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        () => this.finish(group, true),
        (error: unknown) => this.fail(group, error as StoreError),
      );
    } else {
      this.finish(group, this.hasWriteCache);
    }
  }

  private finish(group: Group, worthCaching: boolean): void {
    this.inFlight = undefined;
    if (worthCaching) {
      for (const [unit, bytes] of group.units) {
        // An erase or a newer version may have come meanwhile; those are in `pending`.
        if (!this.pending.units.has(unit) && !erases(this.pending, unit)) this.remember(unit, bytes);
      }
    }
    tell(group.waiters, true);
    this.start();
  }

  /** Keeps the failed group readable: its data is in the guest's hands as "failed", but other sectors of its units are good. */
  private fail(group: Group, error: StoreError): void {
    this.failure = error;
    const later = this.pending;
    this.pending = newGroup();
    // In their order: what was erased after the group had left must not show again what the group had written.
    for (const unit of group.units.keys()) if (erases(later, unit)) group.units.delete(unit);
    for (const run of later.erased) group.erased.push(run);
    for (const [unit, bytes] of later.units) group.units.set(unit, bytes);
    tell(group.waiters, false);
    tell(later.waiters, false);
    try {
      this.onfailure?.(error);
    } catch {
      // Whoever is told has failed as well; here is nobody to catch it.
    }
  }

  private remember(unit: number, bytes: Uint8Array): void {
    this.cache.set(unit, bytes);
    if (this.cache.size <= this.cacheUnits) return;
    const oldest = this.cache.keys().next();
    if (!oldest.done) this.cache.delete(oldest.value);
  }
}

/** Whoever asks for a unit that has to be there already does not wait for it; its failure is no surprise then. */
function quiet(load: Promise<void>): Promise<void> {
  load.catch(() => undefined);
  return load;
}

/** Stands in the cache for "asked, and there is none", so that a missing unit is asked for once. */
const absent = new Uint8Array(0);
