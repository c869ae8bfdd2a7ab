import type { V86Cpu } from './v86-types.ts';

/** A kernel stack of Linux on i386 begins at a multiple of it: THREAD_SIZE, arch/x86/include/asm/page_32_types.h. */
const STACK_BYTES = 8192;
/** The guest's clock is never further behind than this: timers, which go right, would come early by as much. */
export const MAX_BEHIND_MS = 4;
/** Moments that are remembered, a power of two. A guest that writes all the time makes 4,000 a second. */
const MOMENTS = 8192;

/** What of v86's CPU this file touches. */
export type TimedCpu = Pick<V86Cpu, 'cpl' | 'in_hlt' | 'reg32'>;

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
 */
export class GuestTime {
  #behindMs = 0;
  #stack = -1;
  #sliceEndMs = NaN;
  /** From when on, by the guest's clock, that was how many milliseconds behind; the oldest are forgotten. */
  readonly #fromMs = new Float64Array(MOMENTS).fill(-Infinity);
  readonly #wasBehindMs = new Float64Array(MOMENTS);
  #moments = 0;

  /** Milliseconds, for v86: what `performance.now()` is to everybody else. */
  readonly nowMs = (): number => this.guestMsAt(performance.now());

  /** What the guest's clock shows at a moment just now. */
  guestMsAt(hostMs: number): number {
    return hostMs - this.#behindMs;
  }

  /** The guest writes to a register of ours: what that takes is not its time. */
  duringRegister(cpu: TimedCpu, work: () => void): void {
    const beganMs = performance.now();
    try {
      work();
    } finally {
      this.#stack = stackOf(cpu);
      this.#hide(performance.now() - beganMs);
    }
  }

  sliceBegins(cpu: TimedCpu): void {
    const isHis = cpu.in_hlt[0] === 0 && cpu.cpl[0] === 0 && stackOf(cpu) === this.#stack;
    if (!isHis) this.catchUp();
    else if (!Number.isNaN(this.#sliceEndMs)) this.#hide(performance.now() - this.#sliceEndMs);
  }

  sliceEnds(): void {
    this.#sliceEndMs = performance.now();
  }

  /** The clock is right from now on. */
  catchUp(): void {
    if (this.#behindMs === 0) return;
    this.#behindMs = 0;
    this.#remember();
  }

  /** When it was, by everybody else's clock, what `guestMs` is by the guest's. */
  hostMsAt(guestMs: number): number {
    const oldest = Math.max(0, this.#moments - MOMENTS);
    let low = oldest;
    let high = this.#moments;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#fromMs[middle % MOMENTS] ?? 0) <= guestMs) low = middle + 1;
      else high = middle;
    }
    return low === oldest ? guestMs : guestMs + (this.#wasBehindMs[(low - 1) % MOMENTS] ?? 0);
  }

  #hide(ms: number): void {
    const behindMs = Math.min(MAX_BEHIND_MS, this.#behindMs + Math.max(0, ms));
    if (behindMs === this.#behindMs) return;
    this.#behindMs = behindMs;
    this.#remember();
  }

  #remember(): void {
    const at = this.#moments++ % MOMENTS;
    this.#fromMs[at] = this.nowMs();
    this.#wasBehindMs[at] = this.#behindMs;
  }
}

function stackOf(cpu: TimedCpu): number {
  return Math.floor(((cpu.reg32[4] ?? 0) >>> 0) / STACK_BYTES);
}
