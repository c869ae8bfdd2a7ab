import type { Clock } from '../device/ports.ts';

/** setImmediate where there is one (Node); a message to oneself, which browsers do not delay, elsewhere. */
export interface Macrotask {
  /** Asks for one call of the function given at creation; asking twice before it runs is asking once. */
  schedule(): void;
  /** No call after this; nothing keeps the process alive. */
  close(): void;
}

interface NodeTimers {
  setImmediate?: (callback: () => void) => unknown;
  clearImmediate?: (handle: unknown) => void;
}

export function createMacrotask(run: () => void): Macrotask {
  const { setImmediate, clearImmediate } = globalThis as NodeTimers;
  if (setImmediate !== undefined && clearImmediate !== undefined) {
    let handle: unknown = null;
    return {
      schedule() {
        handle ??= setImmediate(() => {
          handle = null;
          run();
        });
      },
      close() {
        if (handle !== null) clearImmediate(handle);
        handle = null;
      },
    };
  }
  const channel = new MessageChannel();
  let asked = false;
  channel.port1.onmessage = () => {
    if (!asked) return;
    asked = false;
    run();
  };
  return {
    schedule() {
      if (asked) return;
      asked = true;
      channel.port2.postMessage(null);
    },
    close() {
      asked = false;
      channel.port1.onmessage = null;
      channel.port1.close();
      channel.port2.close();
    },
  };
}

/**
 * The device's clock: wall time, and tasks that run soon but never inside a register access.
 *
 * A task runs at whichever comes first of three safe places: just before the CPU looks for interrupts at
 * the end of a slice or in HLT (`cpu.run_hardware_timers`, see machine.ts), after the slice, or as a task
 * of the event loop when the CPU is not running. The first one is what makes a single read with a queue
 * depth of one cheap: the guest rings the doorbell, halts, and finds its interrupt without a turn of the
 * event loop. A task queued by a task waits for the next of these places, so that a device that keeps
 * itself busy leaves the guest its share.
 *
 * A timing model with deadlines below a millisecond would go to the same place: `run_hardware_timers`
 * returns the milliseconds until the next timer, so a wrapper may return the smaller of v86's and the
 * device's. `setTimeout` cannot do that.
 */
export class MachineClock implements Clock {
  #tasks: (() => void)[] = [];
  #closed = false;
  readonly #macrotask: Macrotask;

  /** `onError` gets what a task threw when the event loop ran it; elsewhere it reaches the caller of `drain`. */
  constructor(onError: (error: unknown) => void) {
    this.#macrotask = createMacrotask(() => {
      try {
        this.drain();
      } catch (error) {
        onError(error);
      }
    });
  }

  nowMs(): number {
    return performance.now();
  }

  defer(task: () => void): void {
    if (this.#closed) return;
    this.#tasks.push(task);
    this.#macrotask.schedule();
  }

  /** Runs what is queued now; what these tasks queue stays queued. */
  drain(): void {
    if (this.#tasks.length === 0) return;
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const [index, task] of tasks.entries()) {
      try {
        task();
      } catch (error) {
        // The rest is not lost: the machine may be looked at after a crash, and order is kept.
        this.#tasks = [...tasks.slice(index + 1), ...this.#tasks];
        throw error;
      }
      if (this.#closed) return;
    }
  }

  close(): void {
    this.#closed = true;
    this.#tasks = [];
    this.#macrotask.close();
  }
}
