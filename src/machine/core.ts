/** v86 itself: its construction, its loop, and every way out of it. */
import { V86, type V86Options } from 'v86';
import { MachineError, reasonOf } from './errors.ts';
import { GuestTime } from './guest-time.ts';
import { type Bytes, ownBuffer } from './kernel-image.ts';
import { guardNineP, type NinePTraffic } from './nine-p.ts';
import { SliceTimer } from './slice-timer.ts';
import { type V86Cpu, type V86Emulator, type V86Main, WASM_TABLE_OFFSET } from './v86-types.ts';

/** Nobody looks at the screen: the least that v86 gives it, which is part of every saved state. */
const VGA_BYTES = 256 * 1024;

/** Thrown through the guest's instruction when it asks for a reset: this machine executes nothing after it. */
export class GuestReset extends Error {}

/** v86, built and initialised, with every way out of its loop taken over. */
export class Core {
  readonly emulator: V86Emulator;
  readonly main: V86Main;
  readonly nineP: NinePTraffic;
  readonly time: GuestTime;
  /** Gets each slice as a function that executes it. */
  ontick: ((tick: () => void) => void) | null = null;
  /** The CPU executed HLT with interrupts off. */
  onhalt: (() => void) | null = null;
  /** Something failed outside a slice. */
  oncrash: ((error: unknown) => void) | null = null;
  #destroyed = false;
  readonly #timer = new SliceTimer();

  constructor(emulator: V86Emulator, main: V86Main, nineP: NinePTraffic, time: GuestTime) {
    this.emulator = emulator;
    this.main = main;
    this.nineP = nineP;
    this.time = time;
    // All ways to go on end in do_tick, so this one place catches what is thrown in any of them.
    const { do_tick } = main;
    main.do_tick = () => this.ontick?.(() => do_tick.call(main));
    this.#ownTimers();
    this.#guardTranslation(main.cpu);
    emulator.bus.register('cpu-event-halt', () => this.onhalt?.(), this);
  }

  /** Stops the loop at once; `main.run()` starts it again. Only from outside a slice, or after its end. */
  stop(): void {
    this.main.tick_counter++; // what was asked for before is no longer the latest, and is ignored
    this.main.running = false;
    this.main.stopping = false;
    this.#timer.cancel();
  }

  destroy(): void {
    this.#destroyed = true;
    this.stop();
    this.#timer.close();
    this.main.destroy();
    this.ontick = this.onhalt = this.oncrash = null;
  }

  /** v86's own ways to go on: a nested worker in browsers, timers that cannot be taken back in Node. */
  #ownTimers(): void {
    const { main } = this;
    main.unregister_yield();
    main.yield = (delayMs, tick) => this.#timer.after(delayMs, () => main.yield_callback(tick));
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

/** What the firmware finds at power-on. A machine that is restored needs none of it: all is in its memory. */
export interface BootImages {
  readonly bios: Bytes;
  readonly vgaBios: Bytes;
  /** A bzImage. None of the images is changed or kept. */
  readonly kernel: Bytes;
  /** An initramfs, loaded at 64 MiB. */
  readonly initrd?: Bytes;
  readonly cmdline: string;
}

/**
 * Constructs v86 and waits until it is initialised; rejects where v86 itself would only leave a promise
 * unhandled. Without images nothing can run until a state was restored.
 */
export function startCore(
  module: WebAssembly.Module,
  memoryBytes: number,
  images: BootImages | null,
): Promise<Core> {
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
    const time = new GuestTime();
    const v86Options: Omit<V86Options, 'net_device'> & { net_device: { type: string } } = {
      // v86 only ever calls `.then(onFulfilled)` on what this returns, and throws away that call's
      // result: errors of its constructor are caught here or nowhere.
      wasm_fn: (imports) =>
        ({
          then: (onFulfilled: (exports: WebAssembly.Exports) => void) => {
            WebAssembly.instantiate(module, withClock(imports, time))
              .then((instance) => onFulfilled(instance.exports))
              .catch(fail);
          },
        }) as unknown as Promise<WebAssembly.Exports>,
      memory_size: memoryBytes,
      vga_memory_size: VGA_BYTES,
      ...(images === null ? {} : v86Images(images)),
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
            resolve(new Core(emulator, main, guardNineP(main.cpu, emulator.fs9p), time));
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

/** v86's processor asks its import for the time; its other devices ask the host. */
function withClock(imports: WebAssembly.Imports, { nowMs }: GuestTime): WebAssembly.Imports {
  return { ...imports, env: { ...imports['env'], microtick: nowMs } };
}

function v86Images({ bios, vgaBios, kernel, initrd, cmdline }: BootImages): Partial<V86Options> {
  return {
    bios: { buffer: ownBuffer(bios) },
    vga_bios: { buffer: ownBuffer(vgaBios) },
    bzimage: { buffer: ownBuffer(kernel) }, // v86 writes into it
    ...(initrd === undefined ? {} : { initrd: { buffer: exactBuffer(initrd) } }),
    cmdline,
  };
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
