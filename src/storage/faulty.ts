import {
  StoreError,
  type Durability,
  type MediaCommit,
  type MediaStore,
  type StoreErrorCode,
  type TableShard,
} from '../flash/media-store.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from './catalogue.ts';
import { copiedCommit } from './copied-commit.ts';

/**
 * A store for tests that is slow, fails on demand and has its power cut. What it does follows from its
 * plan and seed alone. It never tears a commit: no store of ours does.
 */

export interface FaultPlan {
  /** Seeds the delays. Print it when a test fails. */
  readonly seed?: number;
  /** Each answer comes after a time between these, evenly drawn, in milliseconds; absent: no delay is added. */
  readonly delayMs?: readonly [least: number, most: number];
  /** How to wait; a simulated clock's, or setTimeout by default. */
  readonly wait?: (ms: number) => Promise<void>;
  /** Commits that fail, by their number from 1; nothing of them is kept. */
  readonly failCommits?: ReadonlyMap<number, StoreErrorCode>;
  /** Unit reads that fail, by their number from 1. */
  readonly failReads?: ReadonlyMap<number, StoreErrorCode>;
  /** Power goes during this commit: none after it is kept. */
  readonly cut?: {
    readonly atCommit: number;
    /** Whether that commit itself was kept. It is never acknowledged, so both must be survived. */
    readonly kept: boolean;
  };
  /** After the cut calls reject with `lost`, or hang for ever as those of a dead tab do. */
  readonly afterCut?: 'reject' | 'hang';
}

/** A faulty store around another. */
export class FaultyStore implements MediaStore {
  readonly #inner: MediaStore;
  readonly #plan: FaultPlan;
  readonly #random: () => number;
  #commitsSeen = 0;
  #commitsKept = 0;
  #readsSeen = 0;
  #isCut = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(inner: MediaStore, plan: FaultPlan = {}) {
    this.#inner = inner;
    this.#plan = plan;
    this.#random = mulberry32(plan.seed ?? 1);
  }

  /** Commits asked for so far, failed ones too. */
  get commitsSeen(): number {
    return this.#commitsSeen;
  }

  /** Commits that the inner store has kept. */
  get commitsKept(): number {
    return this.#commitsKept;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Cuts the power now. A commit still in its delay is not kept. */
  cut(): void {
    this.#isCut = true;
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const failure = this.#plan.failReads?.get(++this.#readsSeen);
    if (this.#plan.delayMs === undefined && failure === undefined && !this.#isCut)
      return this.#inner.readUnit(unit);
    return this.#slowly(() => {
      if (failure !== undefined) throw injected(failure, 'read');
      return this.#inner.readUnit(unit);
    });
  }

  loadTable(): Promise<readonly TableShard[]> {
    return this.#slowly(() => this.#inner.loadTable());
  }

  commit(commit: MediaCommit, durability: Durability): void | Promise<void> {
    const number = ++this.#commitsSeen;
    const failure = this.#plan.failCommits?.get(number);
    const cut = this.#plan.cut?.atCommit === number ? this.#plan.cut : undefined;
    // Always a copy: behind a real store nothing changes after the fact, not even unwritten sectors.
    const copy = copiedCommit(commit);
    const keep = (): void | Promise<void> => {
      const kept = this.#inner.commit(copy, durability);
      if (kept === undefined) this.#commitsKept++;
      else return kept.then(() => void this.#commitsKept++);
    };
    if (this.#plan.delayMs === undefined && failure === undefined && cut === undefined && !this.#isCut)
      return keep();
    return this.#slowly(async () => {
      if (failure !== undefined) throw injected(failure, 'write');
      if (cut === undefined || cut.kept) await keep();
      if (cut !== undefined) this.#isCut = true;
    });
  }

  /** Ends when every call under way has; one that hangs after a cut is over too. */
  protected async settled(): Promise<void> {
    while (this.#underWay.size > 0 && !this.#isCut) await Promise.race(this.#underWay);
  }

  /** Registers the work as under way. */
  #slowly<T>(work: () => T | Promise<T>): Promise<T> {
    const answer = this.#answer(work);
    const ended: Promise<unknown> = answer.then(
      () => this.#underWay.delete(ended),
      () => this.#underWay.delete(ended),
    );
    this.#underWay.add(ended);
    return answer;
  }

  /** Waits, then works; if power went meanwhile there is no answer. */
  async #answer<T>(work: () => T | Promise<T>): Promise<T> {
    const { delayMs, wait = sleep } = this.#plan;
    if (delayMs !== undefined) await wait(delayMs[0] + this.#random() * (delayMs[1] - delayMs[0]));
    if (this.#isCut) return this.#dead();
    try {
      const value = await work();
      return this.#isCut ? await this.#dead() : value;
    } catch (error) {
      if (this.#isCut) return this.#dead();
      throw error;
    }
  }

  #dead(): Promise<never> {
    if (this.#plan.afterCut === 'hang') return new Promise<never>(() => undefined);
    return Promise.reject(injected('lost', 'power'));
  }
}

/** The same around an open disk. Closing closes the disk beneath, even after a cut, so that it can be reopened. */
export class FaultyDisk extends FaultyStore implements OpenDisk {
  readonly #disk: OpenDisk;

  constructor(disk: OpenDisk, plan: FaultPlan = {}) {
    super(disk, plan);
    this.#disk = disk;
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

  unitsStored(): number {
    return this.#disk.unitsStored();
  }

  isStored(unit: number): boolean {
    return this.#disk.isStored(unit);
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#disk.close();
  }
}

function injected(code: StoreErrorCode, what: string): StoreError {
  return new StoreError(code, `A test made this ${what} fail with "${code}"; nothing is to be done.`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Tommy Ettinger's mulberry32: 32 bits of state, even enough for delays. Gives 0 to below 1. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
