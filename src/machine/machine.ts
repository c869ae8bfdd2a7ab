/**
 * The PC: v86 behind one adapter. Memory, interrupts and registers for PCI functions of our own on one
 * side; two serial ports, two channels to our agents and shared files on the other.
 *
 * It runs unchanged in Node and in a module worker of a browser. Nothing here touches the DOM, and
 * nothing is fetched except the WebAssembly when it is given as a path.
 *
 * Left out: keyboard, mouse, sound, network, disks other than what is plugged in, ACPI (so the guest has
 * no power button, and `poweroff` ends in HLT).
 */
import { type ByteChannel, SerialPort, VirtioConsolePort } from './channels.ts';
import { MachineClock } from './clock.ts';
import { type BootImages, type Core, GuestReset, startCore } from './core.ts';
import { MachineError, reasonOf } from './errors.ts';
import { NinePFiles, type SharedFiles } from './files.ts';
import { InterruptRouter, RegisterAccess } from './interrupt.ts';
import { forgetImage } from './forget-image.ts';
import {
  checkFirmware,
  checkInitrd,
  checkKernel,
  checkMemorySize,
  protectedBytesOf,
} from './kernel-image.ts';
import { PciBus, type PciPlug, type SavedFunction } from './pci.ts';
import type { SpareCore } from './spare-core.ts';
import { checkSaved, restoreCore, saveCore, type SavedMachine, whyBusy } from './saved-state.ts';
import { listenForEvents, type OnTold } from './told-events.ts';
import { compileWasm, type WasmSource } from './wasm.ts';

interface Hardware {
  readonly wasm: WasmSource;
  /** 64 to 1024 MiB, whole MiB. */
  readonly memoryBytes: number;
  readonly plugs: readonly PciPlug[];
}

export interface MachineOptions extends Hardware, BootImages {
  /** Zero the packed kernel in RAM when it has unpacked itself: for a machine that will be saved. */
  readonly forgetKernelImage?: boolean;
}

export interface RestoreOptions extends Omit<Hardware, 'wasm' | 'memoryBytes'> {
  /** It is taken, whatever comes of it. */
  readonly core: SpareCore;
  readonly saved: SavedMachine;
}

/**
 * `ready`: never started or paused; `halted`: the CPU waits in HLT with interrupts off and will never go
 * on; `reset`: the guest asked for a reboot; `crashed`: the emulator or a device threw.
 */
export type MachineState = 'ready' | 'running' | 'halted' | 'reset' | 'crashed' | 'destroyed';

/** One moment on two clocks. */
export interface TimeStamp {
  /** The guest's time stamp counter. */
  readonly ticks: number;
  /** performance.now() of the thread the machine runs in, as the device's clock (clock.ts). */
  readonly atMs: number;
  /** The host's clock when the counter showed something else, in the last seconds. */
  msAt(ticks: number): number;
}

const SAME_MOMENT_MS = 0.05;
const MOMENT_ATTEMPTS = 4;

export class Machine {
  /** The two serial ports, ttyS0 and ttyS1. */
  readonly serial: readonly [ByteChannel, ByteChannel];
  /** Port 0 of the virtio console, hvc0. */
  readonly control: ByteChannel;
  /** Port 1 of the virtio console, hvc1: what the guest's kernel does. */
  readonly trace: ByteChannel;
  /** The directory with the 9p mount tag `host9p`. */
  readonly files: SharedFiles;

  /** The guest halted for good (poweroff, halt). Called once, after its last output; the CPU has stopped. */
  onhalt: (() => void) | null = null;
  /** The guest's kernel tells of an event of its trace, at this moment and in the middle of an instruction. */
  ontold: OnTold | null = null;
  /** The guest asked for a reset. Called once; this machine has stopped and a new one has to be made. */
  onreboot: (() => void) | null = null;
  /** The emulator or a device threw. Called once; the machine has stopped. */
  oncrash: ((error: MachineError) => void) | null = null;

  #state: MachineState = 'ready';
  #core: Core | null;
  readonly #channels: readonly [SerialPort, SerialPort, VirtioConsolePort, VirtioConsolePort];
  readonly #files: NinePFiles;
  readonly #clock: MachineClock;
  readonly #router: InterruptRouter;
  readonly #bus: PciBus;
  /** Called after each slice until it answers true. */
  #afterSlice: (() => boolean) | null = null;
  /** Who waits for a moment of rest; asked after each slice. */
  #onslice: (() => void) | null = null;
  #insideTick = false;
  #pauseWanted = false;
  #sawFinalHalt = false;
  #instructions = 0;
  #lastCounter = 0;

  /** Builds a machine that is switched off: nothing has run yet. Rejects with a MachineError. */
  static async create(options: MachineOptions): Promise<Machine> {
    checkMemorySize(options.memoryBytes);
    checkFirmware(options.bios, options.vgaBios);
    checkKernel(options.kernel, options.cmdline);
    if (options.initrd !== undefined) checkInitrd(options.initrd.byteLength, options.memoryBytes);
    const module = await compileWasm(options.wasm);
    const machine = new Machine(await startCore(module, options.memoryBytes, options), options.plugs);
    const cpu = machine.#core?.main.cpu;
    if (options.forgetKernelImage === true && cpu !== undefined) {
      machine.#afterSlice = forgetImage(cpu, protectedBytesOf(options.kernel));
    }
    return machine;
  }

  /**
   * Builds a machine that goes on where another one was saved, paused. Plugs in slots where that one had a function
   * go on from its state; others are new to the guest, which has to rescan its bus. The guest's wall clock and
   * random numbers are those of the other: see to both. Rejects with a MachineError, code `state` when the state
   * is no good; a plug is attached only where the fault is found in its own state, or behind it.
   */
  static async restore(options: RestoreOptions): Promise<Machine> {
    const core = await options.core.take();
    try {
      const slots = options.plugs.map(({ slot }) => slot);
      checkSaved(options.saved, options.core.memoryBytes, slots);
      restoreCore(core, options.saved);
    } catch (error) {
      core.destroy();
      throw error;
    }
    return new Machine(core, options.plugs, options.saved.functions);
  }

  private constructor(core: Core, plugs: readonly PciPlug[], saved: readonly SavedFunction[] = []) {
    this.#core = core;
    const { emulator, main } = core;
    const { cpu } = main;
    this.#clock = new MachineClock((error) => this.#crash(error));
    core.ontick = (tick) => this.#tick(tick);
    core.onhalt = () => (this.#sawFinalHalt = true);
    core.oncrash = (error) => this.#crash(error);

    const access = new RegisterAccess();
    this.#router = new InterruptRouter(cpu, access);
    this.#bus = new PciBus(cpu, this.#router, access, this.#clock, core.time);
    const { run_hardware_timers } = cpu;
    cpu.run_hardware_timers = (acpiEnabled) => {
      this.#clock.drain();
      if (this.#afterSlice?.() === true) this.#afterSlice = null;
      // By the host's clock, which v86's timers were set by; it gives us the guest's.
      return run_hardware_timers.call(cpu, acpiEnabled, performance.now());
    };

    listenForEvents(cpu, (event, atMs) => this.ontold?.(event, atMs));
    const { uart0, uart1, virtio_console } = cpu.devices;
    const toSerial = (index: 0 | 1) => (bytes: Uint8Array) => emulator.serial_send_bytes(index, bytes);
    const serial0 = new SerialPort('ttyS0', uart0, toSerial(0));
    const serial1 = new SerialPort('ttyS1', uart1, toSerial(1));
    const toConsole = (name: string, port: 0 | 1): VirtioConsolePort => {
      const channel = new VirtioConsolePort(name, virtio_console, port, (bytes) =>
        emulator.bus.send(`virtio-console${port}-input-bytes`, bytes),
      );
      // The published types know port 0 only.
      const output = (bytes: Uint8Array): void => channel.output(bytes);
      emulator.bus.register(`virtio-console${port}-output-bytes`, output, this);
      return channel;
    };
    const control = toConsole('the control channel', 0);
    const trace = toConsole('the trace channel', 1);
    emulator.add_listener('serial0-output-byte', (byte) => serial0.output(byte));
    emulator.add_listener('serial1-output-byte', (byte) => serial1.output(byte));
    for (const index of [0, 1]) {
      // A cable is plugged in: without CTS, a guest with hardware flow control would never send.
      emulator.serial_set_carrier_detect(index, true);
      emulator.serial_set_data_set_ready(index, true);
      emulator.serial_set_clear_to_send(index, true);
    }
    this.#channels = [serial0, serial1, control, trace];
    this.serial = [serial0, serial1];
    this.control = control;
    this.trace = trace;
    this.files = this.#files = new NinePFiles(emulator.fs9p);

    try {
      for (const plug of plugs)
        this.#bus.plug(
          plug,
          saved.find(({ slot }) => slot === plug.slot),
        );
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  get state(): MachineState {
    return this.#state;
  }

  /** True while the guest waits for an interrupt, as an idle one does. */
  get idle(): boolean {
    return this.#core?.main.cpu.in_hlt[0] === 1;
  }

  /**
   * Instructions executed so far. A heart-beat: a guest that is neither idle nor counting is not being
   * run, and one that counts without an answer on the control channel is hung.
   */
  instructionCounter(): number {
    if (this.#core !== null) {
      const counter = (this.#core.main.cpu.instruction_counter[0] ?? 0) >>> 0;
      this.#instructions += (counter - this.#lastCounter) >>> 0;
      this.#lastCounter = counter;
    }
    return this.#instructions;
  }

  /**
   * What the guest's time stamp counter shows now, beside the host's clock. The counter is that clock,
   * in nanoseconds since the machine was made (TICKS_PER_MS), and what it was before if it was restored, but stands
   * for a moment where guest-time.ts says; a guest may set it to something else.
   */
  timeStamp(): TimeStamp | undefined {
    if (this.#core === null) return undefined;
    const { time } = this.#core;
    const { cpu } = this.#core.main;
    for (let attempt = 1; ; attempt++) {
      const beforeMs = performance.now();
      const ticks = time.ticks(cpu);
      const afterMs = performance.now();
      // A busy host may have put us aside between the two.
      if (afterMs - beforeMs > SAME_MOMENT_MS && attempt < MOMENT_ATTEMPTS) continue;
      const now = { ticks, atMs: (beforeMs + afterMs) / 2 };
      return { ...now, msAt: (then) => time.hostMsAt(then, now) };
    }
  }

  /** Lets the CPU run, first or again after a pause. Throws when this machine has ended. */
  start(): void {
    if (this.#core === null || (this.#state !== 'ready' && this.#state !== 'running')) {
      throw new MachineError('ended', `The machine cannot run any more: it is ${this.#state}.`);
    }
    this.#pauseWanted = false;
    if (this.#state === 'running') return;
    this.#state = 'running';
    this.#core.main.run();
  }

  /** Stops the CPU, at the end of the current slice if it is executing. The guest's clocks go on. */
  pause(): void {
    if (this.#state !== 'running') return;
    if (this.#insideTick) {
      this.#pauseWanted = true;
    } else {
      this.#state = 'ready';
      this.#core?.stop();
    }
  }

  /**
   * A copy of the whole machine; it may go on afterwards. Throws a MachineError with the code `busy` unless
   * it is paused and at rest (saved-state.ts says what that takes): let it run some more and try again.
   */
  save(): SavedMachine {
    const core = this.#core;
    const busy = this.#whyBusy(this.#state === 'ready');
    if (core === null || busy !== null) {
      throw new MachineError('busy', `The machine cannot be saved now: ${busy}.`);
    }
    core.time.catchUp(core.main.cpu);
    return saveCore(core, this.#bus.save());
  }

  /**
   * Lets the machine run until it is at rest, and pauses it there, after the very slice: {@link save} then works.
   * Answers null, or after `timeoutMs` why it is not at rest, for the end of a sentence; it is not paused then.
   */
  pauseAtRest(timeoutMs: number): Promise<string | null> {
    return new Promise((resolve) => {
      let timeIsUp = false;
      const look = (): void => {
        const hasEnded = this.#state !== 'running' && this.#state !== 'ready';
        const busy = hasEnded ? 'it has stopped' : this.#whyBusy(true);
        if (busy !== null && !hasEnded && !timeIsUp) return;
        clearTimeout(timer);
        if (this.#onslice === look) this.#onslice = null;
        if (busy === null) this.pause();
        resolve(busy);
      };
      const timer = setTimeout(() => {
        timeIsUp = true;
        look();
      }, timeoutMs);
      this.#onslice = look;
      if (!this.#insideTick) look();
    });
  }

  /** Why it cannot be saved now, for the end of a sentence; null if it can. */
  #whyBusy(isPaused: boolean): string | null {
    if (this.#core === null) return 'it is off';
    return whyBusy({
      isPaused,
      isIdle: this.idle,
      functionsBusy: this.#bus.whyBusy(),
      linesQuiet: this.#router.isQuiet,
      channelsQuiet: this.#channels.every((channel) => channel.isQuiet),
      filesPending: this.#core.nineP.pending,
    });
  }

  /** Ends the machine: no callback is made after this, and its memory, timers and worker are let go. */
  async destroy(): Promise<void> {
    this.#state = 'destroyed';
    this.onhalt = this.ontold = this.onreboot = this.oncrash = null;
    for (const channel of this.#channels) channel.close();
    this.#clock.close();
    this.#bus.close();
    // A slice that is executing (we were called by one of its callbacks) ends before its memory goes.
    while (this.#insideTick) await Promise.resolve();
    this.#release();
    this.#onslice?.();
  }

  /** One slice of the CPU, and what follows from it. */
  #tick(tick: () => void): void {
    if (this.#core === null || this.#state !== 'running') return;
    const { time, main } = this.#core;
    this.#insideTick = true;
    try {
      time.sliceBegins(main.cpu);
      try {
        tick();
      } finally {
        time.sliceEnds();
        // Also after a reset or a crash: the last words matter most.
        this.instructionCounter();
        for (const channel of this.#channels) channel.flush();
      }
      this.#clock.drain();
      for (const channel of this.#channels) channel.pump();
    } catch (error) {
      if (error instanceof GuestReset) this.#end('reset', () => this.onreboot?.());
      else this.#crash(error);
    } finally {
      this.#insideTick = false;
    }
    if (this.#sawFinalHalt) this.#end('halted', () => this.onhalt?.());
    if (this.#pauseWanted) {
      this.#pauseWanted = false;
      this.pause();
    }
    this.#onslice?.();
  }

  #crash(error: unknown): void {
    const sentence = `The emulator stopped because of an error: ${reasonOf(error)}.`;
    this.#end('crashed', () => this.oncrash?.(new MachineError('emulator', sentence, error)));
  }

  #end(state: 'halted' | 'reset' | 'crashed', tell: () => void): void {
    if (this.#state !== 'running' && this.#state !== 'ready') return;
    this.#state = state;
    this.#core?.stop();
    tell();
    this.#onslice?.();
  }

  #release(): void {
    this.instructionCounter();
    this.#bus.close();
    this.#clock.close();
    this.#files.close();
    this.#core?.destroy();
    this.#core = null;
  }
}

export type { ByteChannel };
