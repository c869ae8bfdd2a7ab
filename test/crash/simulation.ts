import type { CacheMode } from '../../src/storage/cache-mode.ts';
import { Cc, Csts } from '../../src/spec/registers.ts';
import { Random } from '../fuzz/random.ts';
import type { CrashHost } from './crash-host.ts';
import type { Promised } from './ledger.ts';
import { Session } from './session.ts';
import { EMPTY, type Platter } from './sim-disk.ts';
import { DELAYS, promised } from './sweep.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly steps: number;
}

/**
 * One seed decides everything: what the host asks and when, how long the store takes, which of its operations fail,
 * when the power goes, the controller is reset or the machine is switched off. After each power cut the disk is held
 * against what the host was told. Answers with how often each thing happened.
 */
export async function simulate(
  make: () => CrashHost,
  mode: CacheMode,
  { seed, steps }: SimulationOptions,
): Promise<Map<string, number>> {
  const simulation = new Simulation(make(), mode, new Random(seed));
  let step = 0;
  try {
    await simulation.begin();
    for (; step < steps; step++) await simulation.step();
    await simulation.end();
  } catch (error) {
    throw new Error(`CRASH_SEED=${seed}, step ${step}: ${(error as Error).message}`, { cause: error });
  }
  return simulation.counts;
}

class Simulation {
  readonly session: Session;
  private readonly random: Random;
  private readonly happened = new Map<string, number>();

  constructor(host: CrashHost, mode: CacheMode, random: Random) {
    this.random = random;
    this.session = new Session(host, mode, random, DELAYS);
  }

  get counts(): Map<string, number> {
    return new Map([...this.session.counts, ...this.happened]);
  }

  private note(what: string): void {
    this.happened.set(what, (this.happened.get(what) ?? 0) + 1);
  }

  begin(): Promise<void> {
    return this.session.powerOn(EMPTY);
  }

  async end(): Promise<void> {
    if (!this.session.failed) await this.switchOff();
    else await this.cut();
  }

  async step(): Promise<void> {
    const { session, random } = this;
    const turn = random.below(1000);
    if (turn < 560) session.submit();
    else if (turn < 780) await session.step();
    else if (turn < 960) await session.pump();
    else if (turn < 978) session.time.pass(random.below(200));
    else if (turn < 986) await this.cut();
    else if (turn < 989) this.failNext();
    else if (turn < 993) session.disk.failRead = random.pick(['io', 'corrupt', 'lost']);
    else if (turn < 997) await this.reset();
    else if (!session.failed) await this.switchOff();
    // A host that was told of a failure gives up in the end, and is switched off and on again.
    if (session.failed && random.oneIn(20)) {
      this.note('failure seen');
      await this.cut();
    }
  }

  private failNext(): void {
    this.session.disk.failCommit = this.random.pick(['quota', 'aborted', 'lost', 'io']);
    this.note('commit to fail');
  }

  /** The tab dies, and the disk is opened again. After a failure nothing was kept, nor answered. */
  private async cut(): Promise<void> {
    const { session } = this;
    session.take();
    session.disk.cut();
    const ms = Math.min(session.time.nowMs(), session.disk.failedMs);
    await this.reopen(session.disk.platter, ms, promised(session.mode));
    this.note('power cut');
  }

  private async reopen(platter: Platter, ms: number, promise: Promised): Promise<void> {
    const { session } = this;
    const { ledger, host } = session;
    const event = ledger.clock;
    await session.powerOn(platter, async (rig) => {
      ledger.check(await host.inspect(rig), event, ms, promise);
      ledger.begin(host.found());
    });
  }

  /** CC.EN to 0 and back, whatever is under way. */
  private async reset(): Promise<void> {
    if (this.session.failed) return;
    await this.session.resetController();
    this.note('controller reset');
  }

  /** The guest shuts down, the cache is stored, and everything that was answered is there, or the reader was told. */
  private async switchOff(): Promise<void> {
    const { session, random } = this;
    await session.drain();
    if (session.failed) return;
    const { registers } = session.rig.driver;
    if (random.oneIn(2)) {
      registers.cc = registers.cc | (1 << Cc.shnShift);
      const isOver = () => (registers.csts & Csts.shutdownMask) === Csts.shutdownComplete;
      for (let i = 0; i < 1000 && !isOver(); i++) await session.step();
      if (!isOver()) throw new Error('the shutdown never ended');
    }
    const platter = await session.close();
    // Nobody says twice that something is lost: whoever was told, is told nothing when the disk is closed.
    if (!platter || session.lossTold) {
      this.note(platter ? 'loss told before' : 'loss told at the end');
      await this.cut();
      return;
    }
    await this.reopen(platter, session.time.nowMs(), { withinMs: 0, flushes: true });
    this.note('switched off');
  }
}
