import type { MediaStore } from '../../src/flash/media-store.ts';
import { mediumOf } from '../../src/lab/device-line.ts';
import type { CacheMode } from '../../src/storage/cache-mode.ts';
import { WriteCache } from '../../src/storage/write-cache.ts';
import { Arena } from '../driver/arena.ts';
import type { Pending } from '../driver/driver.ts';
import { DEFAULT_CONFIG, makeRig, type Rig } from '../driver/rig.ts';
import { FakeMemory, HOLE_END } from '../fakes/fake-memory.ts';
import { settle } from '../fakes/fake-store.ts';
import type { Random } from '../fuzz/random.ts';
import type { CrashHost, Deed } from './crash-host.ts';
import { type Entry, Ledger } from './ledger.ts';
import { type Delays, type Platter, SimDisk } from './sim-disk.ts';
import { SimTime } from './sim-time.ts';

const MIB = 1024 * 1024;
const MAX_UNDER_WAY = 8;
const SLOT_BYTES = 128 * 1024;
const MAX_WAITS = 20_000;

interface UnderWay {
  readonly deed: Deed;
  readonly entry: Entry;
  readonly pending: Pending;
  readonly slot: number;
}

export const guestMemory = () => new FakeMemory(6, { address: 5 * MIB, length: 8192 });

/** A device with its host, its disk and its cache, on simulated time: from power-on until it is cut. */
export class Session {
  readonly time: SimTime;
  readonly ledger: Ledger;
  readonly host: CrashHost;
  readonly mode: CacheMode;
  disk!: SimDisk;
  cache: WriteCache | undefined;
  rig!: Rig;
  /** How commands ended, by label and status. */
  readonly counts = new Map<string, number>();
  /** A change was refused: nothing more is kept until the disk is opened again. */
  failed = false;
  /** The reader was told that what was answered could not be stored; the host may not have asked since. */
  lossTold = false;
  private readonly random: Random;
  private readonly delays: Delays;
  private readonly memory: FakeMemory;
  private underWay: UnderWay[] = [];
  private freeSlots: number[] = [];

  constructor(host: CrashHost, mode: CacheMode, random: Random, delays: Delays) {
    this.host = host;
    this.mode = mode;
    this.random = random;
    this.delays = delays;
    this.time = new SimTime();
    this.ledger = new Ledger();
    this.memory = guestMemory();
  }

  /** Opens what is on a platter, has a look at it, and starts the host on it. */
  async powerOn(platter: Platter, look?: (rig: Rig) => Promise<void>): Promise<void> {
    const config = { ...DEFAULT_CONFIG, namespaces: this.host.namespaces };
    const { time, random, delays, mode } = this;
    this.disk = new SimDisk({ ...mediumOf(config), time, random, delays }, platter);
    this.cache = mode === 'writethrough' ? undefined : new WriteCache(this.disk, mode, time);
    this.lossTold = false;
    if (this.cache) this.cache.onfailure = () => (this.lossTold = true);
    this.rig = await openRig(this.host, this.cache ?? this.disk, this.memory, mode, async () => {
      time.step();
      await settle();
    });
    this.failed = false;
    await look?.(this.rig);
    await this.enabled(true);
  }

  /** After the controller was enabled: the host has nothing under way. */
  private async enabled(reopened: boolean): Promise<void> {
    this.underWay = [];
    this.freeSlots = Array.from({ length: MAX_UNDER_WAY }, (_, i) => i);
    await this.host.attach(this.rig, reopened);
  }

  get underWayCount(): number {
    return this.underWay.length;
  }

  /** Sends what the host thinks up; false when it has nothing, or nothing more can be under way. */
  submit(): boolean {
    const slot = this.freeSlots.at(-1);
    if (slot === undefined) return false;
    const deed = this.host.next(this.random);
    if (!deed) return false;
    this.freeSlots.pop();
    const arena = new Arena(this.memory);
    arena.rewind(2 * HOLE_END + slot * SLOT_BYTES);
    const sqe = deed.sqe(arena);
    const { isBarrier = false, isForced = false } = deed;
    const entry = this.ledger.send(deed.label, deed.moves, { isBarrier, isForced });
    this.underWay.push({ deed, entry, pending: this.rig.driver.submit(1, sqe), slot });
    this.take();
    return true;
  }

  /** Lets happen what happens without time, and takes completions. */
  async pump(): Promise<void> {
    this.rig.clock.ms = this.time.nowMs();
    this.rig.clock.run();
    await settle();
    this.take();
  }

  /** Lets time pass until the next thing happens; false when nothing is going to. */
  async step(): Promise<boolean> {
    const moved = this.time.step();
    await this.pump();
    return moved || this.time.nextMs !== Infinity;
  }

  async drain(): Promise<void> {
    for (let i = 0; i < MAX_WAITS; i++) {
      await this.pump();
      if (this.underWay.length === 0) return;
      if (!(await this.step()) && this.underWay.length > 0) break;
    }
    throw new Error(`never answered: ${this.underWay.map(({ deed }) => deed.label).join('; ')}`);
  }

  /** Closes the disk in an orderly way; its platter, or undefined when not all could be stored. */
  async close(): Promise<Platter | undefined> {
    let ended: 'well' | 'badly' | undefined;
    (this.cache ?? this.disk).close().then(
      () => (ended = 'well'),
      () => (ended = 'badly'),
    );
    for (let i = 0; i < MAX_WAITS && !ended; i++) {
      this.time.step();
      await settle();
    }
    if (!ended) throw new Error('the disk never closed');
    return ended === 'well' ? this.disk.platter : undefined;
  }

  take(): void {
    const { driver, memory, controller } = this.rig;
    driver.service();
    memory.forget();
    if (driver.unexpected.length > 0) throw new Error('a completion that nobody waits for');
    if (controller.isFatal) throw new Error('the controller has given up');
    for (const { deed, entry, pending, slot } of this.underWay) {
      const { completion } = pending;
      if (!completion) continue;
      this.freeSlots.push(slot);
      const key = `${deed.label.split(' ')[0]} ${completion.status.toString(16)}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      if (completion.status === 0) this.ledger.answer(entry, this.time.nowMs());
      else if (deed.changes) this.failed = true;
      deed.answered(completion);
    }
    this.underWay = this.underWay.filter(({ pending }) => !pending.completion);
  }

  /** CC.EN to 0 and back. What was under way may be carried out or not. */
  async resetController(): Promise<void> {
    this.take();
    this.rig.driver.arena.rewind(HOLE_END);
    await this.rig.driver.start();
    await this.enabled(false);
  }
}

/** A device on a store, started, with queue pair 1. */
export async function openRig(
  host: CrashHost,
  media: MediaStore,
  memory: FakeMemory,
  mode: CacheMode,
  idle?: () => Promise<void>,
): Promise<Rig> {
  const config = { volatileWriteCache: mode !== 'writethrough' };
  const { namespaces } = host;
  const rig = await makeRig({ namespaces, config, media, memory, ...(idle && { idle }) });
  await rig.driver.start();
  return rig;
}
