/**
 * The whole of a machine as bytes, and what v86 does not keep of it.
 *
 * v86 saves the processor, the memory that is not zero, its own devices (interrupt controllers, timer,
 * clock, UARTs, both virtio devices) and the files of the 9p share. Of the rest, nothing may be there to
 * be saved ({@link whyBusy}), or it is put right when the state is restored:
 *
 * - **functions of our own**: each is asked for its state, and a machine with one that cannot be saved, or that is
 *   at work, is not saved. Restored, they are in their slots, with their BARs where they were. A function that the
 *   saved machine did not have is plugged in as on power-on, and the guest finds it by a rescan of its bus;
 * - **who holds an interrupt line up** (interrupt.ts counts them, v86 does not): nobody;
 * - **bytes on their way** in the channels and in a UART's receiver, and an XOFF that is in force: none.
 *   RTS having been up is learnt again from the UART's register;
 * - **9p requests** under way: none; open files and the tree are v86's and are kept;
 * - **the interval timer** counts from a moment of the host's clock: moved to the new host's
 *   ({@link moveTimer}). The time stamp counter goes on where it was, so for the guest no time has passed.
 *   Its wall clock has to be set, and the real-time clock, which v86 keeps by the host's, is right;
 * - **translated code**: none is saved, and v86 drops what there is;
 * - **instructions counted**: a restored machine counts from 0.
 */
import type { Core } from './core.ts';
import { MachineError, reasonOf } from './errors.ts';
import type { SavedFunction } from './pci.ts';
import type { V86Pit } from './v86-types.ts';

/**
 * Names the machine a state is of: v86's version, and a number that goes up when this room changes what
 * hardware the guest sees. Another machine's state is refused.
 */
export const MACHINE_VERSION = 'v86 0.5.462, machine 1';

export interface SavedMachine {
  /** MACHINE_VERSION of the machine that was saved. */
  readonly version: string;
  readonly memoryBytes: number;
  /** performance.now() of the thread that saved it. */
  readonly savedAtMs: number;
  /** v86's own format, plain or as one zstd frame. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Functions of our own; none where it is absent. */
  readonly functions?: readonly SavedFunction[];
}

/** What of a machine must be at rest. */
export interface Rest {
  readonly isPaused: boolean;
  readonly isIdle: boolean;
  /** Why the functions on its bus cannot be saved, if so. */
  readonly functionsBusy: string | null;
  readonly linesQuiet: boolean;
  readonly channelsQuiet: boolean;
  readonly filesPending: number;
}

/** Why a machine cannot be saved now, for the end of a sentence; null if it can. */
export function whyBusy(rest: Rest): string | null {
  if (!rest.isPaused) return 'it is not paused';
  if (!rest.isIdle) return 'the guest is at work';
  if (rest.functionsBusy !== null) return rest.functionsBusy;
  if (!rest.linesQuiet) return 'an interrupt is waiting';
  if (!rest.channelsQuiet) return 'bytes are on their way between host and guest';
  if (rest.filesPending > 0) return 'a file of the share is being read or written';
  return null;
}

/** Copies a machine that is at rest. */
export function saveCore(core: Core, functions: readonly SavedFunction[]): SavedMachine {
  const savedAtMs = performance.now();
  return {
    version: MACHINE_VERSION,
    memoryBytes: memoryBytesOf(core),
    savedAtMs,
    bytes: new Uint8Array(core.main.save_state()),
    functions,
  };
}

/** Throws a MachineError unless `saved` may be tried on a machine of this size with functions in these slots. */
export function checkSaved(saved: SavedMachine, memoryBytes: number, slots: readonly number[]): void {
  if (saved.version !== MACHINE_VERSION) {
    throw broken(`it was made by "${saved.version}", and this is "${MACHINE_VERSION}"`);
  }
  if (saved.memoryBytes !== memoryBytes) {
    throw broken(`it has ${saved.memoryBytes} bytes of memory, and ${memoryBytes} were asked for`);
  }
  const missing = saved.functions?.find(({ slot }) => !slots.includes(slot));
  if (missing) throw broken(`nothing is plugged into slot ${missing.slot}, where it has a function`);
}

/** Makes a new core what was saved. After an error the core is of no use. */
export function restoreCore(core: Core, saved: SavedMachine): void {
  const { main } = core;
  const { zero_memory } = main.cpu;
  // v86 zeroes all memory first. A new machine's is zero, and touching it would cost its pages' worth of time.
  main.cpu.zero_memory = () => {};
  try {
    main.restore_state(wholeBuffer(saved.bytes));
  } catch (error) {
    throw broken(reasonOf(error), error);
  } finally {
    main.cpu.zero_memory = zero_memory;
  }
  // v86 takes the size from the state, whatever memory there is.
  if (memoryBytesOf(core) !== saved.memoryBytes) throw broken('it holds memory of another size');
  moveTimer(main.cpu.devices.pit, performance.now() - saved.savedAtMs);
}

/** v86 takes a buffer from its beginning to its end. It copies what it keeps. */
function wholeBuffer(bytes: Uint8Array<ArrayBuffer>): ArrayBuffer {
  const isWhole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return isWhole ? bytes.buffer : bytes.slice().buffer;
}

function moveTimer(pit: V86Pit, byMs: number): void {
  for (let i = 0; i < pit.counter_start_time.length; i++) {
    pit.counter_start_time[i] = (pit.counter_start_time[i] ?? 0) + byMs;
  }
}

function memoryBytesOf(core: Core): number {
  return (core.main.cpu.memory_size[0] ?? 0) >>> 0;
}

function broken(why: string, cause?: unknown): MachineError {
  return new MachineError('state', `The saved state of the machine cannot be restored: ${why}.`, cause);
}
