/**
 * The PC: v86 behind one adapter. Memory, interrupts and registers for PCI functions of our own on one
 * side; two serial ports, two channels to our agents and shared files on the other.
 *
 * It runs unchanged in Node and in a module worker of a browser. Nothing here touches the DOM, and
 * nothing is fetched except the WebAssembly when it is given as a path.
 *
 * Left out: keyboard, mouse, sound, network, disks other than what is plugged in, ACPI (so the guest has
 * no power button, and `poweroff` ends in HLT), saved states.
 */
import { V86, type V86Options } from 'v86';
import { type ByteChannel, SerialPort, VirtioConsolePort } from './channels.ts';
import { MachineClock } from './clock.ts';
import { MachineError, reasonOf } from './errors.ts';
import { NinePFiles, type SharedFiles } from './files.ts';
import { InterruptRouter, RegisterAccess } from './interrupt.ts';
import {
  type Bytes,
  checkFirmware,
  checkInitrd,
  checkKernel,
  checkMemorySize,
  ownBuffer,
} from './kernel-image.ts';
import { guardNineP } from './nine-p.ts';
import { PciBus, type PciPlug } from './pci.ts';
import { type V86Cpu, type V86Emulator, type V86Main, WASM_TABLE_OFFSET } from './v86-types.ts';
import { compileWasm, type WasmSource } from './wasm.ts';

export interface MachineOptions {
  readonly wasm: WasmSource;
  readonly bios: Bytes;
  readonly vgaBios: Bytes;
  /** A bzImage. None of the images is changed or kept. */
  readonly kernel: Bytes;
  /** An initramfs, loaded at 64 MiB. */
  readonly initrd?: Bytes;
  readonly cmdline: string;
  /** 64 to 1024 MiB, whole MiB. */
  readonly memoryBytes: number;
  readonly plugs: readonly PciPlug[];
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
}

/** v86's time stamp counter goes at 1 GHz, whatever the host's does. */
export const TICKS_PER_MS = 1e6;

const SAME_MOMENT_MS = 0.05;
const MOMENT_ATTEMPTS = 4;

/** Thrown through the guest's instruction when it asks for a reset: this machine executes nothing after it. */
class GuestReset extends Error {}

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
  /** The guest asked for a reset. Called once; this machine has stopped and a new one has to be made. */
  onreboot: (() => void) | null = null;
  /** The emulator or a device threw. Called once; the machine has stopped. */
  oncrash: ((error: MachineError) => void) | null = null;

  #state: MachineState = 'ready';
  #core: Core | null;
  readonly #channels: readonly [SerialPort, SerialPort, VirtioConsolePort, VirtioConsolePort];
  readonly #files: NinePFiles;
  readonly #clock: MachineClock;
  readonly #bus: PciBus;
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
    return new Machine(await startCore(options, module), options.plugs);
  }

  private constructor(core: Core, plugs: readonly PciPlug[]) {
    this.#core = core;
    const { emulator, main } = core;
    const { cpu } = main;
    this.#clock = new MachineClock((error) => this.#crash(error));
    core.ontick = (tick) => this.#tick(tick);
    core.onhalt = () => (this.#sawFinalHalt = true);
    core.oncrash = (error) => this.#crash(error);

    const access = new RegisterAccess();
    this.#bus = new PciBus(cpu, new InterruptRouter(cpu, access), access, this.#clock);
    const { run_hardware_timers } = cpu;
    cpu.run_hardware_timers = (acpiEnabled, nowMs) => {
      this.#clock.drain();
      return run_hardware_timers.call(cpu, acpiEnabled, nowMs);
    };

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
      for (const plug of plugs) this.#bus.plug(plug);
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
   * in nanoseconds since the machine was made (TICKS_PER_MS); a guest may set it to something else.
   */
  timeStamp(): TimeStamp | undefined {
    if (this.#core === null) return undefined;
    const { cpu } = this.#core.main;
    for (let attempt = 1; ; attempt++) {
      const beforeMs = performance.now();
      cpu.store_current_tsc();
      const afterMs = performance.now();
      // A busy host may have put us aside between the two.
      if (afterMs - beforeMs > SAME_MOMENT_MS && attempt < MOMENT_ATTEMPTS) continue;
      const [low = 0, high = 0] = [cpu.current_tsc[0], cpu.current_tsc[1]];
      return { ticks: (high >>> 0) * 2 ** 32 + (low >>> 0), atMs: (beforeMs + afterMs) / 2 };
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

  /** Ends the machine: no callback is made after this, and its memory, timers and worker are let go. */
  async destroy(): Promise<void> {
    this.#state = 'destroyed';
    this.onhalt = this.onreboot = this.oncrash = null;
    for (const channel of this.#channels) channel.close();
    this.#clock.close();
    this.#bus.close();
    // A slice that is executing (we were called by one of its callbacks) ends before its memory goes.
    while (this.#insideTick) await Promise.resolve();
    this.#release();
  }

  /** One slice of the CPU, and what follows from it. */
  #tick(tick: () => void): void {
    if (this.#state !== 'running') return;
    this.#insideTick = true;
    try {
      try {
        tick();
      } finally {
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

/** v86, built and initialised, with every way out of its loop taken over. */
class Core {
  readonly emulator: V86Emulator;
  readonly main: V86Main;
  /** Gets each slice as a function that executes it. */
  ontick: ((tick: () => void) => void) | null = null;
  /** The CPU executed HLT with interrupts off. */
  onhalt: (() => void) | null = null;
  /** Something failed outside a slice. */
  oncrash: ((error: unknown) => void) | null = null;
  #destroyed = false;
  #clearTimer: (() => void) | null = null;

  constructor(emulator: V86Emulator, main: V86Main) {
    this.emulator = emulator;
    this.main = main;
    // All of v86's ways to go on (setImmediate, setTimeout, the nested worker's message) end in do_tick,
    // so this one place catches what is thrown in any of them.
    const { do_tick } = main;
    main.do_tick = () => this.ontick?.(() => do_tick.call(main));
    if (main.worker === null) this.#ownTimers();
    this.#guardTranslation(main.cpu);
    emulator.bus.register('cpu-event-halt', () => this.onhalt?.(), this);
  }

  /** Stops the loop at once; `main.run()` starts it again. Only from outside a slice, or after its end. */
  stop(): void {
    this.main.tick_counter++; // what was asked for before is no longer the latest, and is ignored
    this.main.running = false;
    this.main.stopping = false;
    this.#clearTimer?.();
  }

  destroy(): void {
    this.#destroyed = true;
    this.stop();
    this.main.destroy();
    this.ontick = this.onhalt = this.oncrash = null;
  }

  /** In Node, v86's timers cannot be taken back; ours can, so that nothing keeps the process alive. */
  #ownTimers(): void {
    const { main } = this;
    const timers = globalThis as unknown as {
      setImmediate(callback: () => void): unknown;
      clearImmediate(handle: unknown): void;
    };
    main.yield = (delayMs, tick) => {
      this.#clearTimer?.(); // only the latest tick counts
      const run = (): void => {
        this.#clearTimer = null;
        main.yield_callback(tick);
      };
      if (delayMs < 1) {
        const handle = timers.setImmediate(run);
        this.#clearTimer = () => timers.clearImmediate(handle);
      } else {
        const handle = setTimeout(run, delayMs);
        this.#clearTimer = () => clearTimeout(handle);
      }
    };
  }

  /** As v86 does it, except that a module that cannot be made crashes the machine and not the process. */
  #guardTranslation(cpu: V86Cpu): void {
    cpu.codegen_finalize = (tableIndex, start, stateFlags, pointer, length) => {
      const code = new Uint8Array(cpu.wasm_memory.buffer, pointer >>> 0, length >>> 0);
      WebAssembly.instantiate(code as Uint8Array<ArrayBuffer>, { e: cpu.jit_imports })
        .then(({ instance }) => {
          if (this.#destroyed) return;
          cpu.wm.wasm_table.set(tableIndex + WASM_TABLE_OFFSET, instance.exports['f']);
          cpu.codegen_finalize_finished(tableIndex, start, stateFlags);
        })
        .catch((error: unknown) => this.oncrash?.(error));
    };
  }
}

/** Constructs v86 and waits until it is initialised; rejects where v86 itself would only leave a promise unhandled. */
function startCore(options: MachineOptions, module: WebAssembly.Module): Promise<Core> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      const memory = error instanceof RangeError || error instanceof WebAssembly.RuntimeError;
      reject(
        memory
          ? new MachineError(
              'memory',
              `This computer has no room for the machine's memory: ${reasonOf(error)}.`,
              error,
            )
          : new MachineError('emulator', `The emulator cannot be started: ${reasonOf(error)}.`, error),
      );
    };
    const v86Options: Omit<V86Options, 'net_device'> & { net_device: { type: string } } = {
      // v86 only ever calls `.then(onFulfilled)` on what this returns, and throws away that call's
      // result: errors of its constructor are caught here or nowhere.
      wasm_fn: (imports) =>
        ({
          then: (onFulfilled: (exports: WebAssembly.Exports) => void) => {
            WebAssembly.instantiate(module, imports)
              .then((instance) => onFulfilled(instance.exports))
              .catch(fail);
          },
        }) as unknown as Promise<WebAssembly.Exports>,
      memory_size: options.memoryBytes,
      bios: { buffer: ownBuffer(options.bios) },
      vga_bios: { buffer: ownBuffer(options.vgaBios) },
      bzimage: { buffer: ownBuffer(options.kernel) }, // v86 writes into it
      ...(options.initrd === undefined ? {} : { initrd: { buffer: exactBuffer(options.initrd) } }),
      cmdline: options.cmdline,
      autostart: false,
      acpi: false,
      disable_keyboard: true,
      disable_mouse: true,
      disable_speaker: true,
      net_device: { type: 'none' }, // otherwise there is an NE2000
      uart1: true,
      virtio_console: { type: 'none' },
      filesystem: {},
    };
    const emulator = new V86(v86Options as V86Options) as V86Emulator;
    const { continue_init } = emulator;
    emulator.continue_init = async (main, settings) => {
      try {
        const { init } = main;
        main.init = (initSettings) => {
          try {
            init.call(main, initSettings);
            takeOverReset(main.cpu);
            guardNineP(main.cpu, emulator.fs9p);
            resolve(new Core(emulator, main));
          } catch (error) {
            main.destroy();
            fail(error);
          }
        };
        await continue_init.call(emulator, main, settings);
      } catch (error) {
        fail(error);
      }
    };
  });
}

/** The initramfs keeps its length: the kernel reads padding as a broken archive. */
function exactBuffer(bytes: Bytes): ArrayBuffer {
  return bytes instanceof Uint8Array ? bytes.slice().buffer : bytes;
}

/** A guest's reset (keyboard controller FEh, port CF9h) would silently boot again, with our devices as they were. */
function takeOverReset(cpu: V86Cpu): void {
  cpu.reboot_internal = () => {
    throw new GuestReset('The guest asked for a reset');
  };
}

export type { ByteChannel };
