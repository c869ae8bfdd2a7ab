import type { V86Cpu } from './v86-types.ts';

/** v86's time stamp counter goes at 1 GHz, whatever the host's does. */
export const TICKS_PER_MS = 1e6;
/** A kernel stack of Linux on i386 begins at a multiple of it: THREAD_SIZE, arch/x86/include/asm/page_32_types.h. */
const STACK_BYTES = 8192;
/** The guest's clock is never further behind than this: timers, which go right, would come early by as much. */
export const MAX_BEHIND_MS = 4;
/** Moments that are remembered. A guest that writes all the time makes 4,000 a second. */
const MOMENTS = 8192;

/** What of v86's CPU this file touches. */
export type TimedCpu = Pick<V86Cpu, 'cpl' | 'in_hlt' | 'reg32' | 'current_tsc' | 'store_current_tsc'>;

/**
 * The clock behind the guest's time stamp counter.
 *
 * A real SSD works while the processor goes on. Ours works in the register that was written to, and were the guest's
 * clock to go on, its scheduler would count that as time of the thread that wrote. pblk has one thread that writes and
 * others that call the scheduler over and over until its buffer has room (pblk-cache.c, NVM_IO_REQUEUE); each gets as
 * much time, and so the device's work was paid for twice: a third of all instructions of a guest that writes were of
 * those loops, and a recording cost double.
 *
 * So the clock stands while a register works, and while the machine is between two slices, and is put right when
 * another thread runs, a program, or none. It never goes back, and is a few milliseconds behind at most.
 *
 * In browsers `performance.now()` goes in steps of 0.1 ms and more, and between them v86 counts up by how often it was
 * asked, as long as it gets the very same number. So what is hidden is whole steps, never a part of one.
 */
export class GuestTime {
  #behindMs = 0;
  #stack = -1;
  /** The general registers. v86's own view makes a new array at each touch, and each write to a register asks for it. */
  #reg32: Int32Array = new Int32Array(0);
  #registersOf: TimedCpu | undefined;
  /** Nobody has looked at the guest's clock since; NaN during a slice. */
  #restsSinceMs = NaN;
  /** From when on, by the guest's counter, that was how many milliseconds behind; the oldest are forgotten. */
  readonly #fromTicks = new Float64Array(MOMENTS);
  readonly #wasBehindMs = new Float64Array(MOMENTS);
  #moments = 0;

  /** Milliseconds, for v86: what `performance.now()` is to everybody else. */
  readonly nowMs = (): number => performance.now() - this.#behindMs;

  /** The guest writes to a register of ours: what that takes is not its time. */
  duringRegister(cpu: TimedCpu, work: () => void): void {
    const beganMs = performance.now();
    try {
      work();
    } finally {
      this.#stack = this.#stackOf(cpu);
      this.#hide(cpu, performance.now() - beganMs);
    }
  }

  sliceBegins(cpu: TimedCpu): void {
    const isHis = cpu.in_hlt[0] === 0 && cpu.cpl[0] === 0 && this.#stackOf(cpu) === this.#stack;
    if (!isHis) this.catchUp(cpu);
    else if (!Number.isNaN(this.#restsSinceMs)) this.#hide(cpu, performance.now() - this.#restsSinceMs);
    this.#restsSinceMs = NaN;
  }

  sliceEnds(): void {
    this.#restsSinceMs = performance.now();
  }

  /** The clock is right from now on. */
  catchUp(cpu: TimedCpu): void {
    if (this.#behindMs === 0) return;
    this.#behindMs = 0;
    this.#remember(cpu);
  }

  /** The guest's counter. What it has shown, it has shown: what is hidden later begins later. */
  ticks(cpu: TimedCpu): number {
    const ticks = ticksOf(cpu);
    if (!Number.isNaN(this.#restsSinceMs)) this.#restsSinceMs = performance.now();
    return ticks;
  }

  /** The host's clock when the guest's counter showed `ticks`, if it shows `now.ticks` at `now.atMs`. */
  hostMsAt(ticks: number, now: { readonly ticks: number; readonly atMs: number }): number {
    const sinceMs = (now.ticks - ticks) / TICKS_PER_MS;
    return now.atMs - sinceMs - this.#behindAt(now.ticks) + this.#behindAt(ticks);
  }

  #stackOf(cpu: TimedCpu): number {
    // Where the emulator's memory has grown, the view is of no memory any more.
    if (this.#registersOf !== cpu || this.#reg32.length === 0) {
      const { buffer, byteOffset, length } = cpu.reg32;
      this.#reg32 = new Int32Array(buffer, byteOffset, length);
      this.#registersOf = cpu;
    }
    return Math.floor(((this.#reg32[4] ?? 0) >>> 0) / STACK_BYTES);
  }

  #behindAt(ticks: number): number {
    const oldest = Math.max(0, this.#moments - MOMENTS);
    let low = oldest;
    let high = this.#moments;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#fromTicks[middle % MOMENTS] ?? 0) <= ticks) low = middle + 1;
      else high = middle;
    }
    return low === oldest ? 0 : (this.#wasBehindMs[(low - 1) % MOMENTS] ?? 0);
  }

  #hide(cpu: TimedCpu, ms: number): void {
    const behindMs = this.#behindMs + ms;
    if (!(ms > 0) || behindMs > MAX_BEHIND_MS) return;
    this.#behindMs = behindMs;
    this.#remember(cpu);
  }

  #remember(cpu: TimedCpu): void {
    const at = this.#moments++ % MOMENTS;
    this.#fromTicks[at] = ticksOf(cpu);
    this.#wasBehindMs[at] = this.#behindMs;
  }
}

function ticksOf(cpu: TimedCpu): number {
  cpu.store_current_tsc();
  const { 0: low = 0, 1: high = 0 } = cpu.current_tsc;
  return (high >>> 0) * 2 ** 32 + (low >>> 0);
}
