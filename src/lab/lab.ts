import type { SpareCore } from '../machine/spare-core.ts';
import type { CacheMode } from '../storage/cache-mode.ts';
import type { OpenDisk } from '../storage/catalogue.ts';
import type { GuestEvent } from '../trace/guest-event.ts';
import { type LabEnvironment, type PowerOptions, spareCore } from './beginning.ts';
import { ConsoleWatch } from './console-watch.ts';
import { ControlChannel, type ExecOptions } from './control-channel.ts';
import type { LabDevice } from './device.ts';
import { cacheModeOf, closeDisk, losePower, settleCache, storeAll, tellFailures } from './disk-cache.ts';
import { LabError, sentenceOf } from './errors.ts';
import { greet } from './greeting.ts';
import { DEFAULT_SAMPLE_MS, GuestTrace } from './guest-trace/guest-trace.ts';
import type { GuestEventSource } from './guest-trace/told-queue.ts';
import { Heartbeat } from './heartbeat.ts';
import type { SavedLab } from './saved-lab.ts';
import { REST_MS, saveAtRest, type SaveOptions } from './saving.ts';
import { type Progress, type Started, StartTrail, startUp } from './starting.ts';
import { watchTargets } from './targets/watch-targets.ts';
import type { TargetWatch } from './targets/target-watch.ts';
import { TypedAhead } from './typed-ahead.ts';
import type { BootProgress, ExecResult, Notice, PowerState, RememberedTarget } from './types.ts';
import { MAX_TIMER_MS, within } from './within.ts';

/** Told what happens. Nothing is called after power is off again but `power` itself. */
export interface LabObserver {
  console(tty: 0 | 1, bytes: Uint8Array): void;
  power(state: PowerState, reason: string): void;
  boot(progress: BootProgress): void;
  notice(notice: Notice): void;
  /** What the guest's kernel does, while {@link Lab.startGuestTrace} is in force. */
  guestEvents?(events: readonly GuestEvent[]): void;
  /** See {@link GuestTrace.ontold}. */
  guestTold?(source: GuestEventSource, number: number, atMs: number): boolean;
  /** A disk is open and nothing runs yet: whoever wants to watch the device from its first command says so now. */
  opened?(device: LabDevice, disk: OpenDisk): void;
  /** The power goes: the last chance to fetch what the device has recorded. */
  closing?(device: LabDevice): void;
  /** The targets that the open disk remembers: when it is opened, and after each change. */
  targets?(targets: readonly RememberedTarget[]): void;
}

export type { LabEnvironment, PowerOptions, SavedLab, SaveOptions };

const SHUTDOWN_MS = 15_000;
/** Of the time to shut down, what may go into a last look at the targets. */
const LAST_LOOK_MS = 5_000;
const PANIC_SETTLE_MS = 300;
const PANIC_ANSWER_MS = 3_000;
const NO_SIGN_OF_LIFE =
  'The guest has shown no sign of life for a minute: it hangs, or its initramfs has no control agent; wait, or restart it.';
/** The reason of a power-off that a power-on follows at once. */
export const RESTARTING = 'restarting';

/** What exists only while the power is on. */
interface Running extends Omit<Started, 'beginning'> {
  readonly control: ControlChannel;
  readonly trace: GuestTrace;
  readonly heartbeat: Heartbeat;
  /** Undefined for a plain disk. */
  readonly targets: TargetWatch | undefined;
  /** The agent has answered; after an instant start, the guest has its disk and its shells too. */
  readonly ready: Promise<void>;
}

/**
 * One lab: a disk, the device made of it, and a machine it is plugged into. Powering off lets go of all
 * three; what the device acknowledged is on the disk by then.
 */
export class Lab {
  private readonly environment: LabEnvironment;
  private readonly observer: LabObserver;
  private running: Running | undefined;
  private state: PowerState = 'off';
  /** Power changes one after the other; a second click waits for the first. */
  private change: Promise<unknown> = Promise.resolve();
  private lastOptions: PowerOptions | undefined;
  /** The agent of the machine that is on has answered at least once. */
  private wasReady = false;
  /** Who waits for the guest to come to an end of its own, whatever kind of end. */
  private endWaiters: (() => void)[] = [];
  /** Tells the change under way that a later one does not want to wait for it. */
  private hurry: () => void = () => {};
  /** Milliseconds between samples while the guest's trace is wanted, at this power-on and the next ones. */
  private traceIntervalMs: number | undefined;
  /** The emulator for the next machine that goes on from something saved. */
  private spare: SpareCore | undefined;
  private readonly windowSizes = new Map<0 | 1, { cols: number; rows: number }>();
  private readonly typed = new TypedAhead((tty, bytes) => this.running?.machine.serial[tty].send(bytes));

  constructor(environment: LabEnvironment, observer: LabObserver) {
    this.environment = environment;
    this.observer = observer;
  }

  get power(): PowerState {
    return this.state;
  }

  /** RAM of the machine that is on. */
  get memoryMiB(): number | undefined {
    return this.running?.memoryMiB;
  }

  /** The device while its disk is open. */
  get device(): LabDevice | undefined {
    return this.running?.device;
  }

  /** The guest's trace while the power is on; a guest without the agent leaves it unavailable. */
  get guestTrace(): GuestTrace | undefined {
    return this.running?.trace;
  }

  get diskId(): string | undefined {
    return this.running?.disk.summary.id;
  }

  /** How the open disk is cached. */
  get cacheMode(): CacheMode | undefined {
    return this.running && cacheModeOf(this.running.disk);
  }

  /** Units the open disk holds now. */
  get unitsStored(): number | undefined {
    return this.running?.disk.unitsStored();
  }

  /** What the guest was told is stored is on the disk, where it can be forked. Rejects with StoreError. */
  async settleDisk(): Promise<void> {
    if (this.running) await settleCache(this.running.disk);
  }

  // Power ----------------------------------------------------------------------------------------

  /**
   * Opens the disk, loads the guest, starts the machine. Resolves when the processor runs (not when the
   * shell is there: see {@link whenReady}). Rejects with one sentence, and everything is off again.
   */
  powerOn(options: PowerOptions): Promise<void> {
    // It may fail before anybody waits for it.
    void Promise.resolve(options.resume).catch(() => {});
    return this.inTurn((hurry) => this.doPowerOn(options, hurry));
  }

  /**
   * Makes, while the power is off, what the next machine will need that goes on from something saved: it is there a tenth
   * of a second sooner. What it costs is address space rather than memory, until then.
   */
  prepare(memoryMiB: number): void {
    if (this.state !== 'off' || this.spare) return;
    const spare = (this.spare = spareCore(this.environment, memoryMiB));
    void spare.isMade().then((isMade) => {
      // Whoever powers on tries again, and tells.
      if (!isMade && this.spare === spare) this.spare = undefined;
    });
  }

  /** What {@link prepare} has made, if it is of that size. */
  private takeSpare(memoryMiB: number): SpareCore | undefined {
    const { spare } = this;
    this.spare = undefined;
    if (spare?.memoryBytes === memoryMiB * 2 ** 20) return spare;
    spare?.discard();
    return undefined;
  }

  /**
   * Asks the guest to shut down; cuts the power when it has halted, or after `timeoutMs`. A cut or a reset
   * asked for meanwhile ends the waiting.
   */
  async powerOff(timeoutMs = SHUTDOWN_MS): Promise<void> {
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
      throw new LabError(
        'power',
        'The time to shut down has to be a number of milliseconds, 0 or more, such as 15000.',
      );
    }
    await this.inTurn(async (hurry) => {
      if (this.state === 'running') {
        const ended = new Promise<void>((resolve) => this.endWaiters.push(resolve));
        const { targets, control } = this.running ?? {};
        // What it has not yet told of its targets it tells now, unless it is slow. It dies before it answers.
        void within(targets?.settle() ?? Promise.resolve(), LAST_LOOK_MS)
          .catch(() => {})
          .then(() => control?.exec('poweroff'))
          .catch(() => {});
        await within(Promise.race([ended, hurry]), timeoutMs).catch(() => {});
      }
      await this.cut('switched off');
    });
  }

  /** Pulls the plug; does not wait for a shutdown or a download that is under way. */
  powerCut(): Promise<void> {
    this.hurry();
    return this.inTurn(() => {
      // A guest that has shut itself down has nothing more to lose.
      if (this.running && this.state !== 'halted') losePower(this.running.disk);
      return this.cut('power cut');
    });
  }

  /** Pulls the plug and switches on again with the same options. */
  reset(): Promise<void> {
    this.hurry();
    return this.inTurn((hurry) => this.offAndOn(hurry));
  }

  /**
   * Saves the lab at a moment of rest, for `resume` of {@link powerOn}: the guest idle, its device without a command,
   * everything stored. The machine stands still for that, and then goes on. The saved lab belongs to the disk as it
   * was at that moment. Rejects with one sentence when no such moment came in time (a guest that computes without
   * a pause has none); the machine goes on then, too.
   */
  save(options: SaveOptions = {}): Promise<SavedLab> {
    const { timeoutMs = REST_MS } = options;
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0) || timeoutMs > MAX_TIMER_MS)
      return Promise.reject(
        new LabError(
          'save',
          'The time to wait for a moment of rest has to be a number of milliseconds, such as 5000.',
        ),
      );
    return this.inTurn((hurry) => this.doSave({ ...options, timeoutMs }, hurry));
  }

  private async doSave(
    { timeoutMs, whilePaused, powerOff }: SaveOptions & { readonly timeoutMs: number },
    hurry: Promise<void>,
  ): Promise<SavedLab> {
    const running = this.on();
    if (this.state !== 'running')
      throw new LabError('save', `A lab can be saved while its guest runs, and this one is ${this.state}.`);
    const { machine, heartbeat } = running;
    // A sign of life that is asked for is a byte on its way.
    heartbeat.stop();
    try {
      const saved = await saveAtRest(running, timeoutMs, hurry);
      await whilePaused?.(saved, running.disk);
      if (powerOff === true) await this.cut('saved');
      return saved;
    } finally {
      if (this.running === running) {
        // It may have died meanwhile.
        if (this.state === 'running') heartbeat.start();
        if (machine.state === 'ready') machine.start();
      }
    }
  }

  /** The guest asked for a reset of its own: the same as ours, unless its machine is gone by then. */
  private restart(running: Running): void {
    for (const wake of this.endWaiters.splice(0)) wake();
    this.inTurn(async (hurry) => {
      if (this.running === running) await this.offAndOn(hurry);
    }).catch((error: unknown) => this.tell('error', 'reboot', sentenceOf(error)));
  }

  private async offAndOn(hurry: Promise<void>): Promise<void> {
    const options = this.lastOptions;
    if (!options) {
      throw new LabError(
        'power',
        'The machine was never switched on, so there is nothing to reset: power it on.',
      );
    }
    await this.cut(RESTARTING);
    await this.doPowerOn(options, hurry);
  }

  /** One change after the other. `hurry` resolves when a later one does not want to wait. */
  private inTurn<T>(action: (hurry: Promise<void>) => Promise<T>): Promise<T> {
    const result = this.change.then(() => action(new Promise((resolve) => (this.hurry = resolve))));
    this.change = result.catch(() => {});
    return result;
  }

  private async doPowerOn(options: PowerOptions, hurry: Promise<void>): Promise<void> {
    if (this.running) throw new LabError('power', 'The machine is on already; power it off first.');
    const { resume, ...again } = options;
    const before = this.lastOptions;
    // A reset boots: the disk has moved on from what was saved.
    this.lastOptions = again;
    this.typed.hold();
    this.setPower('loading', '');
    const trail = new StartTrail(options, this.environment, (progress) => this.observer.boot(progress));
    let disk: OpenDisk | undefined;
    try {
      const started = await startUp(options, {
        environment: this.environment,
        trail,
        spare: this.takeSpare(options.memoryMiB),
        hurry,
        onwarning: (sentence) => this.tell('warning', 'instant', sentence),
        ondisk: (opened) => (disk = opened),
        onopened: (device, opened) => this.observer.opened?.(device, opened),
      });
      if (resume !== undefined) this.lastOptions = { ...again, cache: cacheModeOf(started.disk) };
      this.running = this.connect(started, trail.progress);
    } catch (error) {
      // What a saved lab was to go on with may have been made for it, and is gone then.
      if (resume !== undefined) this.lastOptions = before;
      try {
        await disk?.close();
      } finally {
        this.setPower('off', sentenceOf(error));
      }
      throw error;
    }
    this.setPower('booting', '');
    if (trail.start !== 'resume') trail.progress(trail.start === 'instant' ? 'disk' : 'bios', '');
    this.running.heartbeat.start();
    this.running.machine.start();
    // A saved guest says nothing until it has its disk: what is typed would be echoed above its greeting.
    if (trail.start !== 'instant') this.typed.release();
  }

  private connect({ beginning, ...wired }: Started, progress: Progress): Running {
    const { machine, device } = wired;
    const control = new ControlChannel((bytes) => machine.control.send(bytes));
    const trace = new GuestTrace(
      (bytes) => machine.trace.send(bytes),
      () => machine.timeStamp(),
    );
    const heartbeat = new Heartbeat(
      () => control.ping(),
      (hung) => {
        if (hung) this.setPower('hung', NO_SIGN_OF_LIFE);
        else if (this.state === 'hung') this.setPower(this.wasReady ? 'running' : 'booting', '');
      },
    );
    this.wasReady = false;
    const ready = greet({
      control,
      trace,
      beginning,
      namespaces: device.config.namespaces.length,
      windowSizes: this.windowSizes,
      console: (tty, bytes) => this.observer.console(tty, bytes),
    });
    ready.catch(() => {}); // nobody has to wait for it
    const targets = watchTargets(device, control, 'resume' in beginning ? beginning.resume : undefined);
    const running: Running = { ...wired, control, trace, heartbeat, targets, ready };
    const waiting = 'resume' in beginning ? 'restore' : 'saved' in beginning ? 'disk' : undefined;
    this.listen(running, (stage, detail) => progress(stage === 'ready' ? stage : (waiting ?? stage), detail));
    return running;
  }

  private listen(running: Running, progress: Progress): void {
    const { machine, control, trace, heartbeat, targets, device, disk } = running;
    const watch = new ConsoleWatch();
    watch.onstage = (stage, detail) => {
      if (this.state === 'booting') progress(stage, detail);
    };
    watch.ontrouble = ({ fatal, notice }) => {
      this.observer.notice(notice);
      if (fatal) this.confirmDeath(running, notice.text);
    };
    machine.serial[0].onoutput = (bytes) => {
      // Until the agent is there, the console is the only sign of life.
      if (!this.wasReady) heartbeat.answered();
      watch.receive(bytes);
      this.observer.console(0, bytes);
    };
    machine.serial[1].onoutput = (bytes) => this.observer.console(1, bytes);
    machine.control.onoutput = (bytes) => {
      heartbeat.answered();
      control.receive(bytes);
    };
    machine.trace.onoutput = (bytes) => trace.receive(bytes);
    machine.ontold = (event, atMs) => trace.told(event, atMs);
    trace.onevents = (events) => this.observer.guestEvents?.(events);
    trace.ontold = (source, number, atMs) => this.observer.guestTold?.(source, number, atMs) === true;
    if (this.traceIntervalMs !== undefined) void trace.start(this.traceIntervalMs);
    if (targets) {
      targets.onchange = () => this.observer.targets?.(targets.remembered);
      targets.onchange();
    }
    running.ready.then(
      () => {
        if (this.running !== running) return;
        this.typed.release();
        this.wasReady = true;
        targets?.start();
        if (this.state !== 'booting' && this.state !== 'hung') return;
        progress('ready', '');
        this.setPower('running', '');
      },
      (error: unknown) => {
        if (this.running !== running) return;
        this.typed.release();
        // Closed before it was ready, and the power state says why; or an agent of another version.
        if (this.state === 'booting') this.tell('warning', 'agent', sentenceOf(error));
      },
    );
    machine.onhalt = () => this.onHalt();
    machine.onreboot = () => this.restart(running);
    machine.oncrash = (error) =>
      this.die('crashed', `${sentenceOf(error)} Restart it: what the disk acknowledged is kept.`);
    tellFailures(disk, device, (code, sentence) => this.tell('error', `storage-${code}`, sentence));
    device.activity.onrefused = (text) => this.observer.notice({ level: 'info', code: 'refused', text });
    disk.onlost = (error) => this.tell('error', 'disk-lost', error.message);
  }

  private onHalt(): void {
    // After a panic the kernel halts too; what was said then stays.
    if (this.running) storeAll(this.running.disk);
    if (this.state !== 'crashed')
      this.die('halted', 'The guest has shut itself down; power off, or restart it.');
  }

  /** A line says that the kernel panicked. Anybody can print one: a guest whose agent still answers is alive. */
  private confirmDeath(running: Running, sentence: string): void {
    if (!this.wasReady) {
      this.die('crashed', sentence);
      return;
    }
    const { heartbeat, control } = running;
    // What was on its way when the line came proves nothing.
    setTimeout(() => {
      const before = heartbeat.answers;
      control.ping();
      setTimeout(() => {
        if (this.running === running && heartbeat.answers === before) this.die('crashed', sentence);
      }, PANIC_ANSWER_MS);
    }, PANIC_SETTLE_MS);
  }

  /** The guest will not go on: who waits for it is told. The disk stays open until the power is off. */
  private die(state: 'crashed' | 'halted', reason: string): void {
    for (const wake of this.endWaiters.splice(0)) wake();
    this.running?.heartbeat.stop();
    this.running?.control.close(new LabError('power', reason));
    this.running?.trace.close();
    this.running?.targets?.stop();
    this.setPower(state, reason);
  }

  private async cut(reason: string): Promise<void> {
    const running = this.running;
    this.running = undefined;
    this.endWaiters = [];
    try {
      if (running) await this.release(running, reason);
    } finally {
      if (this.state !== 'off') this.setPower('off', reason);
    }
  }

  /** Lets go of everything, whatever fails on the way: a disk that stays locked could not be used again. */
  private async release(running: Running, reason: string): Promise<void> {
    const { heartbeat, control, trace, targets, device, disk, controller, machine } = running;
    this.observer.closing?.(device);
    heartbeat.stop();
    targets?.stop();
    trace.close();
    control.close(new LabError('power', `The machine is off (${reason}); power it on first.`));
    // Commands that were not acknowledged may fail now; nobody is told.
    device.onfailure = undefined;
    device.activity.onrefused = undefined;
    disk.onlost = undefined;
    try {
      controller.powerCycle();
    } finally {
      try {
        await machine.destroy();
      } finally {
        await closeDisk(disk);
      }
    }
  }

  private setPower(state: PowerState, reason: string): void {
    if (state === this.state && reason === '') return;
    this.state = state;
    this.observer.power(state, reason);
  }

  private tell(level: Notice['level'], code: string, text: string): void {
    this.observer.notice({ level, code, text });
  }

  // The guest --------------------------------------------------------------------------------------

  /** Resolves when the guest's agent has answered: shells are there. Rejects when the power goes first. */
  async whenReady(): Promise<void> {
    await this.on().ready;
  }

  /** Runs a command in the guest with `sh -c`; output is standard output and error together. */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { control, ready } = this.on();
    if (this.wasReady) return control.exec(command, options);
    const { timeoutMs = Infinity } = options;
    const startedMs = performance.now();
    await within(ready, timeoutMs);
    const restMs = Math.max(0, Math.ceil(timeoutMs - (performance.now() - startedMs)));
    return control.exec(command, { ...options, timeoutMs: restMs });
  }

  /** The targets that the open disk remembers, whether the guest has them or not; none for a plain disk. */
  get targets(): readonly RememberedTarget[] {
    return this.running?.targets?.remembered ?? [];
  }

  /** Has the disk not remember a target. The target itself stays. */
  forgetTarget(name: string): void {
    this.on().targets?.forget(name);
  }

  /**
   * Has the guest create each target that the disk remembers and that is not there, one after the other.
   * Resolves with what each command came to.
   */
  async createTargets(options: ExecOptions = {}): Promise<readonly (RememberedTarget & ExecResult)[]> {
    const done: (RememberedTarget & ExecResult)[] = [];
    for (const target of this.targets.filter(({ exists }) => !exists))
      done.push({ ...target, ...(await this.exec(target.command, options)) });
    return done;
  }

  /**
   * Has the guest's kernel tell what it does, to `guestEvents` of the observer, now and after each later
   * power-on. Resolves when it does (see {@link GuestTrace.start}), or at once while the power is off.
   */
  async startGuestTrace(intervalMs = DEFAULT_SAMPLE_MS): Promise<void> {
    if (typeof intervalMs !== 'number' || !(intervalMs >= 0)) {
      throw new LabError(
        'guest',
        'The time between samples has to be a number of milliseconds, 0 or more, such as 500.',
      );
    }
    this.traceIntervalMs = intervalMs;
    await this.running?.trace.start(intervalMs);
  }

  /** Resolves when the guest has undone what {@link startGuestTrace} asked for. */
  async stopGuestTrace(): Promise<void> {
    this.traceIntervalMs = undefined;
    await this.running?.trace.stop();
  }

  /** Types into a shell; what comes while the machine is still being made reaches it when it runs. */
  consoleSend(tty: 0 | 1, bytes: Uint8Array): void {
    this.typed.type(tty, bytes);
  }

  /** Tells the guest how large a terminal is, now or as soon as it listens. */
  consoleResize(tty: 0 | 1, cols: number, rows: number): void {
    this.windowSizes.set(tty, { cols, rows });
    if (this.state === 'running') this.running?.control.winsize(tty, cols, rows);
  }

  async putFile(name: string, bytes: Uint8Array): Promise<void> {
    await this.on().machine.files.put(name, bytes);
  }

  async getFile(name: string): Promise<Uint8Array> {
    return this.on().machine.files.get(name);
  }

  async listFiles(): Promise<readonly { name: string; sizeBytes: number }[]> {
    const { files } = this.on().machine;
    return files.list().map((name) => ({ name, sizeBytes: files.sizeOf(name) }));
  }

  private on(): Running {
    if (!this.running) throw new LabError('power', 'The machine is off; power it on first.');
    return this.running;
  }
}
