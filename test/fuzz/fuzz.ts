import type { ControllerConfig, NamespaceConfig } from '../../src/device/config.ts';
import { NvmeController } from '../../src/device/controller.ts';
import { type DeviceMedia, openMedia } from '../../src/device/media.ts';
import { silent, type Telemetry } from '../../src/device/telemetry.ts';
import { Cc, Register } from '../../src/spec/registers.ts';
import { DEFAULT_CONFIG } from '../driver/rig.ts';
import { FakeClock } from '../fakes/fake-clock.ts';
import { FakeInterruptLine } from '../fakes/fake-interrupt-line.ts';
import { settle } from '../fakes/fake-store.ts';
import { AdminCommandMaker } from './admin-commands.ts';
import { FuzzCommand } from './command.ts';
import { FuzzMemory, PAGE, PortError } from './fuzz-memory.ts';
import { FuzzStore } from './fuzz-store.ts';
import { CC_ENABLE, FuzzHost } from './host.ts';
import { allowNamed, ringWrongDoorbells, touchRegisters } from './deeds.ts';
import { checkInvariant } from './invariant.ts';
import { IoCommandMaker } from './io-commands.ts';
import { Playground, PLAYGROUND, PLAYGROUND_PAGES } from './playground.ts';
import { Random } from './random.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly commands: number;
  readonly namespaces: readonly NamespaceConfig[];
  readonly store: 'sync' | 'soon';
  /** Injects failures of storage and of the ports. */
  readonly faults: boolean;
}

const QUEUE_PAIRS = 4;

/** One run: everything that happens in it follows from the seed. */
export class Fuzz {
  readonly memory = new FuzzMemory();
  readonly clock = new FakeClock();
  readonly host = new FuzzHost(this.memory);
  readonly store: FuzzStore;
  /** What the device said of its own defects. */
  readonly defects: string[] = [];
  /** How often each thing was done. */
  readonly deeds = new Map<string, number>();
  controller!: NvmeController;
  media!: DeviceMedia;
  portsThrow = false;
  private readonly options: FuzzOptions;
  private readonly random: Random;
  private readonly playground: Playground;
  readonly config: ControllerConfig;
  private readonly io: IoCommandMaker;
  private readonly admin: AdminCommandMaker;
  private readonly command = new FuzzCommand();
  private readonly interrupt = new FakeInterruptLine();

  constructor(options: FuzzOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.store = new FuzzStore(this.random);
    this.store.immediate = options.store === 'sync';
    this.playground = new Playground(this.memory, this.random);
    this.config = {
      ...DEFAULT_CONFIG,
      ioQueuePairs: QUEUE_PAIRS,
      mdts: this.random.pick([0, 3, 5, 10]),
      contiguousQueuesRequired: false,
      volatileWriteCache: true,
      namespaces: options.namespaces,
    };
    this.io = new IoCommandMaker(this.random, this.playground, this.memory);
    this.admin = new AdminCommandMaker(this.random, this.playground, this.memory);
  }

  async run(): Promise<void> {
    await this.powerOn();
    let nextHeapCheck = 0;
    while (this.host.sent < this.options.commands) {
      await this.step();
      checkInvariant(this);
      if (this.host.sent >= nextHeapCheck) {
        nextHeapCheck += 50_000;
        this.checkHeap();
      }
    }
  }

  private async step(): Promise<void> {
    const { random } = this;
    const n = random.below(1000);
    if (n < 900) await this.burst();
    else if (n < 930) this.doing('registers', () => touchRegisters(this, random));
    else if (n < 950) this.playground.scribble();
    else if (n < 960) this.doing('doorbells', () => ringWrongDoorbells(this, random));
    else if (n < 970) this.clock.ms += random.pick([1, 999, 1e6, 1e12]);
    else if (n < 980) await this.chaos();
    else if (n < 988) await this.storm();
    else if (n < 992) await this.shutDown();
    else if (n < 995) await this.unplugMemory();
    else if (n < 998) await this.changeUnderWay();
    else await this.powerCut();
    if (this.media.units.failure && random.oneIn(8)) await this.powerCut();
    if (!this.host.inStep || this.controller.isFatal || !this.controller.isReady) await this.restart();
  }

  // Commands ---------------------------------------------------------------------------------------

  private async burst(): Promise<void> {
    const { random, host, controller } = this;
    if (random.oneIn(8)) return this.single();
    const queue = random.oneIn(4) ? 0 : 1;
    const count = 1 + random.below(24);
    const ringEach = random.oneIn(2);
    for (let i = 0; i < count; i++) {
      this.nextCommand(queue);
      host.push(queue, this.command);
      if (ringEach) this.guarded(() => host.ring(controller, queue));
    }
    this.guarded(() => host.ring(controller, queue));
    await this.drain();
  }

  /** One command alone, of which the device may touch exactly the pages that its pointers name. */
  private async single(): Promise<void> {
    const { controller, host, memory } = this;
    const quiet = controller.sqs.every((sq) => !sq || sq.id < 2 || sq.isEmpty);
    this.nextCommand(1);
    host.push(1, this.command);
    if (quiet) {
      memory.setWritable(PLAYGROUND, PLAYGROUND_PAGES, false);
      allowNamed(memory, this.command);
    }
    this.guarded(() => host.ring(controller, 1));
    for (let i = 0; i < 20 && this.inFlight(1); i++) await settle();
    memory.forgetTemporary();
    memory.setWritable(PLAYGROUND, PLAYGROUND_PAGES, true);
    await this.drain();
  }

  private inFlight(queue: number): boolean {
    return (this.controller.sqs[queue]?.inFlight ?? 0) > 0;
  }

  private nextCommand(queue: 0 | 1): void {
    const { random, command, media } = this;
    if (random.oneIn(20)) {
      command.randomize(random, this.playground);
      return;
    }
    const index = random.below(media.namespaces.length);
    const ns = media.namespaces[index];
    if (queue === 0)
      this.admin.make(command, media.namespaces.length, QUEUE_PAIRS, [...this.host.pairs[0].out.keys()]);
    else if (ns) this.io.make(command, ns, index + 1);
    if (random.oneIn(6)) command.mutate(random, this.playground);
  }

  /** Lets time pass until all that can end has ended. */
  private async drain(): Promise<void> {
    const { host, controller } = this;
    for (let i = 0; i < 60; i++) {
      this.guarded(() => this.clock.run());
      // Even a store that answers at once reports a failed read later.
      if (host.isWaiting) await settle();
      this.guarded(() => host.reap(controller));
      if (!host.isWaiting && this.clock.deferred === 0) break;
      if (controller.isFatal || controller.sqs[1] === undefined) break;
    }
    // A random command may delete the queue that others are in: those are never fetched, and no defect.
    if (controller.sqs[1] === undefined || controller.cqs[1] === undefined) host.inStep = false;
    if (controller.isFatal || !host.inStep) return;
    if (host.isWaiting) host.complain('commands that never end');
    if (host.held !== controller.events.heldCount)
      host.complain(`${host.held} requests held by the host, ${controller.events.heldCount} by the device`);
  }

  // Other things that a guest does -----------------------------------------------------------------

  /** Register writes of any kind with commands in between; afterwards the host begins again. */
  private async chaos(): Promise<void> {
    this.count('chaos');
    const { random, host, controller } = this;
    host.inStep = false;
    if (this.options.faults && random.oneIn(3)) {
      this.memory.throwOneIn = 5 + random.below(40);
      this.portsThrow = random.oneIn(2);
    }
    for (let i = random.below(40); i > 0; i--) {
      const offset = random.oneIn(8)
        ? random.below(0x2000)
        : random.below(16) * 4 + (random.oneIn(2) ? 0x1000 : 0);
      const pick = random.below(4);
      const value =
        pick === 0
          ? this.playground.queuePages(4)
          : pick === 1
            ? CC_ENABLE ^ (1 << random.below(24))
            : random.edge();
      this.guarded(() => controller.write32(offset, value));
      if (random.oneIn(4)) this.guarded(() => this.clock.run());
      if (this.options.store !== 'sync' && random.oneIn(8)) await settle();
    }
    this.memory.throwOneIn = 0;
    this.portsThrow = false;
  }

  /** EN off and on with commands in flight: what was in flight must never be heard of again. */
  private async storm(): Promise<void> {
    this.count('storms');
    const { random, host, controller, memory } = this;
    for (let i = 1 + random.below(12); i > 0; i--) {
      for (let k = random.below(12); k > 0; k--) {
        this.nextCommand(1);
        host.push(1, this.command);
      }
      this.guarded(() => host.ring(controller, 1));
      memory.frozen = true;
      this.guarded(() => controller.write32(Register.cc, random.oneIn(2) ? 0 : CC_ENABLE & ~Cc.enable));
      if (random.oneIn(2)) await this.rest();
      // Enabled again with the old queues: nothing of the past may appear in them.
      if (random.oneIn(2)) {
        this.guarded(() => controller.write32(Register.cc, CC_ENABLE));
        await this.rest();
        this.guarded(() => controller.write32(Register.cc, 0));
      }
      if (!(await this.start())) return;
    }
  }

  private async rest(): Promise<void> {
    this.guarded(() => this.clock.run());
    for (let i = 0; i < 3; i++) await settle();
  }

  private async shutDown(): Promise<void> {
    this.count('shutdowns');
    const { controller } = this;
    this.nextCommand(1);
    this.host.push(1, this.command);
    this.guarded(() => this.host.ring(controller, 1));
    this.guarded(() =>
      controller.write32(Register.cc, CC_ENABLE | ((1 + this.random.below(3)) << Cc.shnShift)),
    );
    await this.drain();
    await this.restart();
  }

  /** Bus mastering goes in the middle of things. */
  private async unplugMemory(): Promise<void> {
    this.count('unplugged');
    this.host.inStep = false;
    for (let i = 0; i < 8; i++) {
      this.nextCommand(1);
      this.host.push(1, this.command);
    }
    if (this.random.oneIn(2)) this.memory.unreachable = true;
    this.guarded(() => this.host.ring(this.controller, 1));
    this.memory.unreachable = true;
    await this.rest();
    this.memory.unreachable = false;
    await this.rest();
  }

  /** Another processor writes over what the device has just read. */
  private async changeUnderWay(): Promise<void> {
    this.count('changes');
    const { random, memory } = this;
    this.memory.onread = (address, length) => {
      if (address < PLAYGROUND || address >= PLAYGROUND + PLAYGROUND_PAGES * PAGE - 8) return;
      const at = address + (random.below(length) & ~7);
      memory.put64(
        Math.min(at, PLAYGROUND + PLAYGROUND_PAGES * PAGE - 8),
        random.oneIn(2) ? 0 : this.playground.wrong(),
      );
    };
    for (let i = 0; i < 4; i++) await this.burst();
    this.memory.onread = undefined;
    this.playground.plantAll();
  }

  // Power ------------------------------------------------------------------------------------------

  private async powerOn(): Promise<void> {
    this.media = await openMedia(this.config, this.store, silent);
    const telemetry: Telemetry = {
      ...silent,
      command: () => this.mayThrow(),
      refused: (text) => {
        if (text.includes('internal error') && !text.includes('injected')) this.defects.push(text);
        this.mayThrow();
      },
    };
    const interrupt = {
      assert: () => (this.mayThrow(), this.interrupt.assert()),
      deassert: () => (this.mayThrow(), this.interrupt.deassert()),
    };
    const { memory, clock } = this;
    this.controller = new NvmeController(this.config, this.media, { memory, interrupt, clock }, telemetry);
    const mayFail = this.options.faults && this.random.oneIn(2);
    this.store.failCommitOneIn = mayFail ? 400 : 0;
    this.store.failReadOneIn = mayFail ? 400 : 0;
    if (!(await this.start())) this.host.complain('the controller does not start');
  }

  private mayThrow(): void {
    if (this.portsThrow && this.random.oneIn(16)) throw new PortError('injected: port');
  }

  /** The power goes: the media are opened again as they were kept. */
  private async powerCut(): Promise<void> {
    this.count('power cuts');
    this.memory.frozen = true;
    if (this.random.oneIn(2)) this.guarded(() => this.controller.powerCycle());
    else this.guarded(() => this.controller.write32(Register.cc, 0));
    await this.rest();
    await this.powerOn();
  }

  private async restart(): Promise<void> {
    this.count('restarts');
    // Writes fail for good once the store has: open it again.
    if (this.media.units.failure) return this.powerCut();
    this.memory.frozen = true;
    this.guarded(() => this.controller.write32(Register.cc, 0));
    await this.rest();
    if (!(await this.start())) this.host.complain('the controller does not start again');
  }

  private async start(): Promise<boolean> {
    let ok = false;
    this.guarded(() => (ok = this.host.start(this.controller)));
    return ok;
  }

  /** How many commands ended well, and how many did not. */
  get totals(): { good: number; bad: number } {
    const totals = { good: 0, bad: 0 };
    for (const { good, bad } of this.host.outcomes.values()) {
      totals.good += good;
      totals.bad += bad;
    }
    return totals;
  }

  // Judging ----------------------------------------------------------------------------------------

  /** Whatever the device throws is a defect. */
  private guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.host.complain(`an exception left the device: ${String((error as Error).stack ?? error)}`);
    }
  }

  private doing(deed: string, action: () => void): void {
    this.count(deed);
    this.guarded(action);
  }

  private count(deed: string): void {
    this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + 1);
  }

  private checkHeap(): void {
    const mib = process.memoryUsage().heapUsed / 2 ** 20;
    if (mib > 700) this.host.complain(`${Math.round(mib)} MiB of heap in use`);
  }
}
