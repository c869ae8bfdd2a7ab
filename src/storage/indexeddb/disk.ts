import type { StoreError } from '../../flash/media-store.ts';
import { type Durability, type MediaCommit, type TableShard } from '../../flash/media-store.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from '../catalogue.ts';
import { seal, SEAL_BYTES, unseal } from '../checksum.ts';
import { copiedCommit } from '../copied-commit.ts';
import { checkCommit, commitUnderWay } from '../disk-spec.ts';
import { closedDisk, notify } from '../errors.ts';
import { summaryOf, type Superblock } from '../superblock.ts';
import { UnitMap } from '../unit-map.ts';
import { transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { overtakenError, storeError } from './errors.ts';
import { OWN_PAGES } from './layout.ts';
import type { HeldLock } from './lock.ts';
import { OpenLayer, type LayerParts } from './open-layer.ts';
import { keyRange, numbered, readSuperblock } from './records.ts';
import { writeCommit, type SealedCommit } from './write-commit.ts';

/** Unit buffers kept from one commit to the next: 2 MiB of usual units. */
const KEPT_UNIT_BUFFERS = 64;

/** A database that was opened, and what is in it. */
export type LoadedLayer = Pick<LayerParts, 'name' | 'db' | 'units'>;

/** What opening a disk has found. */
export interface LoadedDisk {
  readonly superblock: Superblock;
  /** Units of the disk. Where there are no layers below, the very map of the top layer. */
  readonly map: UnitMap;
  readonly top: LoadedLayer;
  /** What it was forked from, nearest first; never written. */
  readonly bases: readonly LoadedLayer[];
}

/** One disk in IndexedDB, open. Made by openIndexedDbDisk (open-disk.ts). */
export class IndexedDbDisk implements OpenDisk {
  onlost: ((error: Error) => void) | undefined;
  readonly #env: IndexedDbEnvironment;
  readonly #letGo: () => Promise<void>;
  /** A lock keeps everybody else away. */
  readonly isExclusive: boolean;
  #top: OpenLayer;
  #bases: readonly OpenLayer[];
  #map: UnitMap;
  /**
   * Units are sealed in these, used again at each commit. One buffer a unit: `put` would clone the whole of
   * a shared one.
   */
  readonly #sealedUnits: Uint8Array<ArrayBuffer>[] = [];
  #superblock: Superblock;
  #underWay: Promise<void> | undefined;
  /** While it is set commits wait; see {@link between}. */
  #pause: Promise<void> | undefined;
  /** Set when it was closed or lost: what every call rejects with from then on. */
  #end: StoreError | undefined;
  #isLost = false;
  #closing: Promise<void> | undefined;
  #released: Promise<void> | undefined;

  constructor(env: IndexedDbEnvironment, loaded: LoadedDisk, lock: HeldLock, letGo: () => Promise<void>) {
    this.#env = env;
    this.#letGo = letGo;
    this.isExclusive = lock.excludes;
    this.#superblock = loaded.superblock;
    this.#map = loaded.map;
    this.#top = this.#topLayer(loaded.top);
    // Nobody writes to them, and they stay as long as a disk needs them: there is nothing to verify.
    this.#bases = loaded.bases.map((base) => this.#layer(base, async () => undefined));
    lock.onstolen = () => this.#lose(overtakenError());
  }

  get summary(): DiskSummary {
    return summaryOf(this.#superblock, 'indexeddb');
  }

  version(): DiskVersion {
    const { epoch, commits } = this.#superblock;
    return { epoch, commits };
  }

  unitsStored(): number {
    return this.#map.stored;
  }

  isStored(unit: number): boolean {
    return this.#map.has(unit);
  }

  /** Sees what was committed when it is called; units of a commit under way appear when that has ended. */
  readUnit(unit: number): undefined | Promise<Uint8Array | undefined> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (!this.#map.has(unit)) return undefined;
    return this.#read(unit);
  }

  async loadTable(): Promise<readonly TableShard[]> {
    if (this.#end !== undefined) throw this.#end;
    return this.#top.connection.use(async (db) => {
      const all = await transact(db, ['table'], 'readonly', (tx) => numbered(this.#env, tx, 'table'));
      return all.map(([shard, record]) => ({ shard, bytes: unseal(record, `Table shard ${shard}`) }));
    });
  }

  /** Resolves at the transaction's `complete` event. After `lost` it is not known whether the group was kept. */
  commit(commit: MediaCommit, durability: Durability): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (this.#underWay !== undefined) return Promise.reject(commitUnderWay());
    try {
      checkCommit(commit, this.#superblock);
    } catch (error) {
      return Promise.reject(storeError(error));
    }
    const written = this.#pause
      ? this.#writeAfter(this.#pause, commit, durability)
      : this.#write(commit, durability);
    // Also awaited by `close`, which does not care how it ended.
    this.#underWay = written.then(
      () => this.#ended(),
      () => this.#ended(),
    );
    return written;
  }

  close(): Promise<void> {
    this.#end ??= closedDisk();
    this.#closing ??= (async () => {
      await this.#pause;
      await this.#underWay;
      this.#closeLayers();
      await this.#release();
    })();
    return this.#closing;
  }

  /**
   * Runs `work` when the commit that is under way has ended, and lets later ones wait until `work` has. Only in
   * there may {@link moveTo} be called. Rejects as `work` does, or `lost`; neither ends the disk.
   */
  between<T>(work: () => Promise<T>): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const before = [this.#pause, this.#underWay];
    const turn = Promise.all(before).then(() => {
      if (this.#end !== undefined) throw this.#end;
      return work();
    });
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#pause = ended;
    void ended.then(() => {
      if (this.#pause === ended) this.#pause = undefined;
    });
    return turn;
  }

  /** From now on the disk is a new, empty layer, and what it was lies below that, never to be written again. */
  moveTo(layer: Omit<LoadedLayer, 'units'>): void {
    if (this.#isLost) {
      layer.db.close();
      return;
    }
    if (this.#map === this.#top.units) this.#map = this.#map.copy();
    this.#bases = [this.#top, ...this.#bases];
    this.#superblock = { ...this.#superblock, unitsOwn: 0 };
    this.#top = this.#topLayer({ ...layer, units: new UnitMap() });
  }

  /** Another tab asked for the disk. A commit under way ends as it will: whoever opens the disk waits for it. */
  handOver(): void {
    this.#lose(overtakenError());
  }

  /** Nobody knows any more what the disk is made of; whoever opens it again will. */
  abandon(error: StoreError): void {
    this.#lose(error);
  }

  /** The catalogue renamed this disk. */
  renamed(superblock: Superblock): void {
    this.#superblock = { ...this.#superblock, name: superblock.name };
  }

  async #writeAfter(pause: Promise<void>, commit: MediaCommit, durability: Durability): Promise<void> {
    // The caller may change its bytes meanwhile.
    const copy = copiedCommit(commit);
    await pause;
    await this.#write(copy, durability);
  }

  /** Begins at once if the connection is there. */
  #write(commit: MediaCommit, durability: Durability): Promise<void> {
    let sealed: SealedCommit;
    try {
      sealed = this.#seal(commit, durability);
    } catch (error) {
      return Promise.reject(storeError(error));
    }
    // Repeating is safe: every put and every range delete states what shall be, not what to change, and
    // so do the unit map and the counts; the epoch, checked inside, proves that nobody wrote in between.
    return this.#top.connection.use((db) =>
      writeCommit(db, sealed, (superblock) => this.#kept(superblock, sealed)),
    );
  }

  #ended(): void {
    this.#underWay = undefined;
    if (this.#sealedUnits.length > KEPT_UNIT_BUFFERS) this.#sealedUnits.length = KEPT_UNIT_BUFFERS;
  }

  #seal(commit: MediaCommit, durability: Durability): SealedCommit {
    const { units } = this.#top;
    const change = this.#map.change(commit);
    const own = units === this.#map ? undefined : units.change(commit);
    return {
      superblock: this.#superblock,
      isExclusive: this.isExclusive,
      durability,
      // A delete of nothing still costs a millisecond, and GC erases what it has just emptied as well. What is in a
      // layer below is only forgotten.
      erased: commit.erased.flatMap((run) => {
        const held = units.trim(run);
        return held === undefined ? [] : [keyRange(this.#env, held.first, held.first + held.count - 1)];
      }),
      // Copies: units and table go on changing in place, and an attempt that has to wait for the connection,
      // or is repeated, must write the same.
      units: commit.units.map(({ unit, bytes }, i) => [unit, seal(bytes, this.#unitBuffer(i))] as const),
      shards: commit.shards.map(({ shard, bytes }) => [shard, seal(bytes)] as const),
      pages: [
        ...Array.from(change.pages, ([page, bytes]) => [page, seal(bytes)] as const),
        ...Array.from(own?.pages ?? [], ([page, bytes]) => [OWN_PAGES + page, seal(bytes)] as const),
      ],
      change,
      own,
    };
  }

  #unitBuffer(i: number): Uint8Array<ArrayBuffer> {
    return (this.#sealedUnits[i] ??= new Uint8Array(this.#superblock.unitBytes + SEAL_BYTES));
  }

  /** Runs in the `complete` event itself, so that reads queued behind the commit meet the new map. */
  #kept(superblock: Superblock, { change, own }: SealedCommit): void {
    this.#superblock = superblock;
    this.#map.apply(change);
    if (own) this.#top.units.apply(own);
  }

  async #read(unit: number): Promise<Uint8Array | undefined> {
    // Chosen now: a layer keeps what it has when another one is put on top of it.
    const layer = this.#top.units.has(unit) ? this.#top : this.#bases.find(({ units }) => units.has(unit));
    const record = await layer?.read(unit);
    // It may have been erased while the read waited for a commit.
    if (record === undefined && !this.#map.has(unit)) return undefined;
    return unseal(record, `Unit ${unit}`, this.#superblock.unitBytes);
  }

  #topLayer(loaded: LoadedLayer): OpenLayer {
    return this.#layer(loaded, (db) => this.#verify(db));
  }

  #layer(loaded: LoadedLayer, verify: LayerParts['verify']): OpenLayer {
    return new OpenLayer(this.#env, { ...loaded, verify, onlost: (error) => this.#lose(error) });
  }

  /** After a reopening: is it still this disk, and still ours? */
  async #verify(db: IDBDatabase): Promise<void> {
    const superblock = await readSuperblock(db, this.#superblock.id);
    if (superblock.epoch !== this.#superblock.epoch) throw overtakenError();
  }

  /** Once: after that the lock may be another opener's, so nothing may still be changing what the disk is made of. */
  #release(): Promise<void> {
    this.#released ??= (async () => {
      await this.#pause;
      await this.#letGo();
    })();
    return this.#released;
  }

  #lose(error: StoreError): void {
    if (this.#isLost || this.#end !== undefined) return;
    this.#isLost = true;
    this.#end = error;
    this.#closeLayers();
    void this.#release();
    notify(this.onlost, this.#end);
  }

  #closeLayers(): void {
    for (const layer of [this.#top, ...this.#bases]) layer.close();
  }
}
