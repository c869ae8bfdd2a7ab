import type { StoreError } from '../../flash/media-store.ts';
import { type Durability, type MediaCommit, type TableShard } from '../../flash/media-store.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from '../catalogue.ts';
import { unseal } from '../checksum.ts';
import { copiedCommit } from '../copied-commit.ts';
import { checkCommit, commitUnderWay } from '../disk-spec.ts';
import { closedDisk, notify } from '../errors.ts';
import { layerAbove, summaryOf, type Superblock } from '../superblock.ts';
import { CommitSealer, type PreparedCommit } from './commit-sealer.ts';
import { transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { overtakenError, storeError } from './errors.ts';
import { LayerState } from './layer-state.ts';
import type { HeldLock } from './lock.ts';
import { OpenLayer, type LayerParts, type LoadedLayer } from './open-layer.ts';
import { numbered, readSuperblock } from './records.ts';
import { writeCommit } from './write-commit.ts';

/** What opening a disk has found. */
export interface LoadedDisk extends Pick<LoadedLayer, 'name' | 'db'> {
  /** Of the top layer. */
  readonly state: LayerState;
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
  #state: LayerState;
  readonly #sealer: CommitSealer;
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
    this.#sealer = new CommitSealer(env, lock.excludes);
    this.#state = loaded.state;
    this.#top = this.#topLayer(loaded);
    // Nobody writes to them, and they stay as long as a disk needs them: there is nothing to verify.
    this.#bases = loaded.bases.map((base) => this.#layer(base, async () => undefined));
    lock.onstolen = () => this.#lose(overtakenError());
  }

  get summary(): DiskSummary {
    return summaryOf(this.#state.superblock, 'indexeddb');
  }

  version(): DiskVersion {
    const { epoch, commits } = this.#state.superblock;
    return { epoch, commits };
  }

  unitsStored(): number {
    return this.#state.map.stored;
  }

  isStored(unit: number): boolean {
    return this.#state.map.has(unit);
  }

  /** Sees what was committed when it is called; units of a commit under way appear when that has ended. */
  readUnit(unit: number): undefined | Promise<Uint8Array | undefined> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (!this.#state.map.has(unit)) return undefined;
    return this.#read(unit);
  }

  async loadTable(): Promise<readonly TableShard[]> {
    if (this.#end !== undefined) throw this.#end;
    return this.#top.connection.use(async (db) => {
      // Behind a commit that is under way, which has `units` in any case.
      const all = await transact(db, ['table', 'units'], 'readonly', (tx) =>
        numbered(this.#env, tx, 'table'),
      );
      const newer = this.#state.shards;
      const shards = new Map<number, Uint8Array>();
      for (const [shard, record] of all)
        if (!newer.has(shard)) shards.set(shard, unseal(record, `Table shard ${shard}`));
      for (const [shard, bytes] of newer) shards.set(shard, bytes.slice());
      return Array.from(shards, ([shard, bytes]) => ({ shard, bytes })).sort((a, b) => a.shard - b.shard);
    });
  }

  /** Resolves at the transaction's `complete` event. After `lost` it is not known whether the group was kept. */
  commit(commit: MediaCommit, durability: Durability): Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (this.#underWay !== undefined) return Promise.reject(commitUnderWay());
    try {
      checkCommit(commit, this.#state.superblock);
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
      await this.#settle();
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
  moveTo(layer: Pick<LoadedLayer, 'name' | 'db'>): void {
    if (this.#isLost) {
      layer.db.close();
      return;
    }
    const { superblock, map, units } = this.#state;
    this.#state = LayerState.above(layerAbove(superblock), map === units ? map.copy() : map);
    this.#bases = [this.#top, ...this.#bases];
    this.#top = this.#topLayer(layer);
  }

  /** The journal was settled between two commits, by who froze the layer. */
  wasSettled(): void {
    this.#state.settled();
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
    this.#named(superblock.name);
  }

  async #writeAfter(pause: Promise<void>, commit: MediaCommit, durability: Durability): Promise<void> {
    // The caller may change its bytes meanwhile.
    const copy = copiedCommit(commit);
    await pause;
    await this.#write(copy, durability);
  }

  /** Begins at once if the connection is there. */
  #write(commit: MediaCommit, durability: Durability): Promise<void> {
    let prepared: PreparedCommit;
    try {
      prepared = this.#sealer.seal(this.#state, commit, durability);
    } catch (error) {
      return Promise.reject(storeError(error));
    }
    return this.#writePrepared(prepared);
  }

  /**
   * Repeating is safe: every put and every range delete states what shall be, not what to change, and so do the
   * journal's record, maps and counts; lock or epoch say that nobody wrote in between.
   */
  #writePrepared({ sealed, apply }: PreparedCommit): Promise<void> {
    const written = this.#top.connection.use((db) =>
      // In the `complete` event itself, so that reads queued behind the commit meet the new state.
      writeCommit(this.#env, db, sealed, (name) => {
        apply();
        if (name !== undefined) this.#named(name);
      }),
    );
    // When it has to wait for the connection: the caller's bytes are borrowed until this returns.
    sealed.units.finish();
    return written;
  }

  /** So that opening, and whoever asks for the disk meanwhile, has less to do; what the journal says holds anyway. */
  async #settle(): Promise<void> {
    if (this.#isLost || this.#state.journalled.commits === 0) return;
    try {
      await this.#writePrepared(this.#sealer.settle(this.#state));
    } catch {
      // See above.
    }
  }

  #ended(): void {
    this.#underWay = undefined;
    this.#sealer.trim();
  }

  #named(name: string): void {
    const { superblock } = this.#state;
    if (superblock.name !== name) this.#state.superblock = { ...superblock, name };
  }

  async #read(unit: number): Promise<Uint8Array | undefined> {
    // Chosen now: a layer keeps what it has when another one is put on top of it.
    const layer = [this.#top, ...this.#bases].find((one) => one.has(unit));
    const record = await layer?.read(unit);
    // It may have been erased while the read waited for a commit.
    if (record === undefined && !this.#state.map.has(unit)) return undefined;
    return unseal(record, `Unit ${unit}`, this.#state.superblock.unitBytes);
  }

  #topLayer({ name, db }: Pick<LoadedLayer, 'name' | 'db'>): OpenLayer {
    const { units, index } = this.#state;
    return this.#layer({ name, db, units, index }, (reopened) => this.#verify(reopened));
  }

  #layer(loaded: LoadedLayer, verify: LayerParts['verify']): OpenLayer {
    const { unitBytes } = this.#state.superblock;
    return new OpenLayer(this.#env, { ...loaded, unitBytes, verify, onlost: (error) => this.#lose(error) });
  }

  /** After a reopening: is it still this disk, and still ours? */
  async #verify(db: IDBDatabase): Promise<void> {
    const { id, epoch } = this.#state.superblock;
    const found = await readSuperblock(this.#env, db, id);
    if (found.epoch !== epoch) throw overtakenError();
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
