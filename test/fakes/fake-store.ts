import {
  type Durability,
  type MediaCommit,
  type MediaStore,
  StoreError,
  type TableShard,
  type UnitRun,
} from '../../src/flash/media-store.ts';

/** How a {@link FakeStore} answers: at once; with promises that settle by themselves; or when the test says so. */
export type StoreMode = 'sync' | 'soon' | 'held';

export interface CommitRecord {
  readonly units: readonly number[];
  readonly erased: readonly UnitRun[];
  readonly shards: readonly number[];
  readonly durability: Durability;
}

/** Waits until everything that settles by itself has settled. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/**
 * A store under the test's control. It keeps copies, and only of what was committed: {@link reopened} is
 * what another run of the program would find after a crash.
 */
export class FakeStore implements MediaStore {
  readonly immediate: boolean;
  readonly mode: StoreMode;
  readonly units = new Map<number, Uint8Array>();
  readonly shards = new Map<number, Uint8Array>();
  /** Commits that succeeded, in order. */
  readonly commits: CommitRecord[] = [];
  readonly reads: number[] = [];
  /** The k-th commit from now (1 is the next) fails with this error. */
  failCommitIn = 0;
  commitError = new StoreError('quota', 'no more room');
  /** Units that cannot be read. */
  readonly unreadable = new Set<number>();
  /** Commits that began while another was under way: the contract forbids them. */
  overlaps = 0;
  private commitsUnderWay = 0;
  /** What erased units held, to be used again as the RAM disk does: nothing of it may show. */
  private readonly spare: Uint8Array[] = [];
  private heldReads: (() => void)[] = [];
  private heldCommits: (() => void)[] = [];

  constructor(mode: StoreMode = 'sync') {
    this.mode = mode;
    this.immediate = mode === 'sync';
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    this.reads.push(unit);
    if (this.mode === 'sync') return this.readNow(unit);
    // Like a database transaction: what is read is what was there when it was asked for.
    const before = this.units.get(unit)?.slice();
    return this.later(this.heldReads, () => {
      if (this.unreadable.has(unit)) throw new StoreError('corrupt', `unit ${unit}`);
      return before;
    });
  }

  private readNow(unit: number): Uint8Array | undefined {
    if (this.unreadable.has(unit)) throw new StoreError('corrupt', `unit ${unit}`);
    return this.units.get(unit)?.slice();
  }

  spareUnit(): Uint8Array | undefined {
    return this.spare.pop();
  }

  loadTable(): Promise<readonly TableShard[]> {
    return Promise.resolve(Array.from(this.shards, ([shard, bytes]) => ({ shard, bytes: bytes.slice() })));
  }

  commit(commit: MediaCommit, durability: Durability): void | Promise<void> {
    if (this.commitsUnderWay > 0) this.overlaps++;
    const fails = this.failCommitIn > 0 && --this.failCommitIn === 0;
    const copy = {
      erased: commit.erased.map((run) => ({ ...run })),
      units: commit.units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() })),
      shards: commit.shards.map(({ shard, bytes }) => ({ shard, bytes: bytes.slice() })),
    };
    const apply = () => {
      if (fails) throw this.commitError;
      this.apply(copy, durability);
    };
    if (this.mode === 'sync') {
      apply();
      return;
    }
    this.commitsUnderWay++;
    return this.later(this.heldCommits, () => {
      this.commitsUnderWay--;
      apply();
    });
  }

  private apply({ erased, units, shards }: MediaCommit, durability: Durability): void {
    for (const { first, count } of erased) {
      for (let unit = first; unit < first + count; unit++) this.erase(unit);
    }
    for (const { unit, bytes } of units) this.units.set(unit, bytes);
    for (const { shard, bytes } of shards) this.shards.set(shard, bytes);
    this.commits.push({
      units: units.map(({ unit }) => unit),
      erased,
      shards: shards.map(({ shard }) => shard),
      durability,
    });
  }

  private erase(unit: number): void {
    const bytes = this.units.get(unit);
    if (!bytes) return;
    this.units.delete(unit);
    // Nobody else holds it: what goes in and out is copied.
    this.spare.push(bytes);
  }

  private later<T>(held: (() => void)[], work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      };
      if (this.mode === 'held') held.push(run);
      else void Promise.resolve().then(run);
    });
  }

  get waitingReads(): number {
    return this.heldReads.length;
  }

  get waitingCommits(): number {
    return this.heldCommits.length;
  }

  /** Answers the oldest `count` waiting reads, and lets the consequences happen. */
  async releaseReads(count = Infinity): Promise<void> {
    for (const run of this.heldReads.splice(0, count)) run();
    await settle();
  }

  async releaseCommits(count = Infinity): Promise<void> {
    for (const run of this.heldCommits.splice(0, count)) run();
    await settle();
  }

  /** Answers everything until nothing waits any more. */
  async releaseAll(): Promise<void> {
    do {
      await this.releaseReads();
      await this.releaseCommits();
    } while (this.heldReads.length + this.heldCommits.length > 0);
  }

  /** What is found when the disk is opened again after the program died at this moment. */
  reopened(mode: StoreMode = this.mode): FakeStore {
    const next = new FakeStore(mode);
    for (const [unit, bytes] of this.units) next.units.set(unit, bytes.slice());
    for (const [shard, bytes] of this.shards) next.shards.set(shard, bytes.slice());
    return next;
  }
}
