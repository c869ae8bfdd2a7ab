import type { MediaCommit } from '../../src/flash/media-store.ts';
import type { CacheMode } from '../../src/storage/cache-mode.ts';
import { mediumOf } from '../../src/lab/device-line.ts';
import { DEFAULT_CONFIG } from '../driver/rig.ts';
import type { FakeMemory } from '../fakes/fake-memory.ts';
import { Random } from '../fuzz/random.ts';
import type { CrashHost } from './crash-host.ts';
import type { Promised } from './ledger.ts';
import { guestMemory, openRig, Session } from './session.ts';
import { type Delays, EMPTY, type Platter, SimDisk } from './sim-disk.ts';
import { SimTime } from './sim-time.ts';

/** What docs/disk-format.md promises of writeback. */
const WRITEBACK_MS = 500;
export const DELAYS: Delays = { commitMs: [1, 12], readMs: [0, 3] };
/** Of the disks that are opened after a cut, every so manieth is worked with as well. */
const GO_ON_EVERY = 8;
const DEEDS_TO_GO_ON = 12;

/** What was answered longer ago than this is kept: the bound of the cache, and one transaction that was under way. */
export function promised(mode: CacheMode): Promised {
  if (mode === 'writethrough') return { withinMs: 0, flushes: true };
  if (mode === 'unsafe') return { withinMs: Infinity, flushes: false };
  return { withinMs: WRITEBACK_MS + DELAYS.commitMs[1], flushes: true };
}

/** The moment at which one transaction of the store became durable, and nobody was told yet. */
export interface Moment {
  readonly commit: MediaCommit;
  readonly before: Platter;
  readonly after: Platter;
  readonly event: number;
  readonly ms: number;
}

/** Runs a workload once, undisturbed, and notes every moment at which it may be cut. */
export async function record(session: Session, random: Random, deeds: number): Promise<Moment[]> {
  const moments: Moment[] = [];
  await session.powerOn(EMPTY);
  let before = session.disk.platter;
  session.disk.oncommit = (commit) => {
    const after = session.disk.platter;
    moments.push({ commit, before, after, event: session.ledger.clock, ms: session.time.nowMs() });
    before = after;
  };
  for (let sent = 0, turns = 0; sent < deeds; turns++) {
    if (turns > 100 * deeds) throw new Error(`the host found only ${sent} things to do`);
    if (session.submit()) sent++;
    else if (!(await session.step()) && session.underWayCount > 0) throw new Error('a command hangs');
    if (random.oneIn(2)) await session.pump();
    if (session.mode !== 'writethrough' && random.oneIn(2)) session.time.pass(random.below(30));
  }
  await session.drain();
  if (session.failed) throw new Error('a change was refused though nothing had gone wrong');
  return moments;
}

/**
 * Cuts a workload at every transaction of the store, twice: as if that one had been dropped, and as if it had been
 * kept and nobody told. Each disk is opened, looked at and held against what the host was told. Answers with how
 * many cuts there were.
 */
export async function sweep(
  make: () => CrashHost,
  mode: CacheMode,
  seed: number,
  deeds: number,
): Promise<{ cuts: number; counts: ReadonlyMap<string, number> }> {
  const random = new Random(seed);
  const host = make();
  const session = new Session(host, mode, random, DELAYS);
  const moments = await record(session, random, deeds);
  const memory = guestMemory();
  let cuts = 0;
  for (const [number, { before, after, event, ms }] of moments.entries())
    for (const [word, platter] of [
      ['dropped', before],
      ['kept', after],
    ] as const) {
      cuts++;
      try {
        const rig = await open(host, platter, memory);
        session.ledger.check(await host.inspect(rig), event, ms, promised(mode));
        if (cuts % GO_ON_EVERY === 0) await goOn(host.heir(), platter, mode, seed + cuts);
      } catch (error) {
        const where = `${host.name}, ${mode}, seed ${seed}, transaction ${number + 1} ${word}`;
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      }
    }
  return { cuts, counts: session.counts };
}

/** The device on what a cut has left. */
async function open(host: CrashHost, platter: Platter, memory: FakeMemory) {
  memory.forget();
  const time = new SimTime();
  const delays: Delays = { commitMs: [0, 0], readMs: [0, 0] };
  const size = mediumOf({ ...DEFAULT_CONFIG, namespaces: host.namespaces });
  const disk = new SimDisk({ ...size, time, random: new Random(1), delays }, platter);
  return openRig(host, disk, memory, 'writethrough', async () => {
    while (time.step());
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
}

/** A disk that was cut is a disk: it takes commands. */
async function goOn(host: CrashHost, platter: Platter, mode: CacheMode, seed: number): Promise<void> {
  const random = new Random(seed);
  const session = new Session(host, mode, random, DELAYS);
  await session.powerOn(platter);
  for (let sent = 0, waits = 0; sent < DEEDS_TO_GO_ON && waits < 1000; waits++) {
    if (session.submit()) sent++;
    else await session.step();
  }
  await session.drain();
  if (session.failed) throw new Error('a command failed on the disk after the cut');
}
