import { createMacrotask } from './clock.ts';

/**
 * When the next slice of the CPU runs. v86 itself asks a nested worker to send a message back, in browsers: each
 * slice of a millisecond then waits for two changes of threads. Ours goes round in the thread that it is in, and can
 * be taken back.
 */
export class SliceTimer {
  #wanted: (() => void) | null = null;
  /** Its time has come; a turn of the event loop that was asked for before may come earlier. */
  #isDue = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #turn = createMacrotask(() => {
    if (!this.#isDue) return;
    const run = this.#wanted;
    this.cancel();
    run?.();
  });

  /** Runs `run` after so many milliseconds; below 1, as soon as what already waits has had its turn. Only the latest counts. */
  after(delayMs: number, run: () => void): void {
    this.cancel();
    this.#wanted = run;
    if (delayMs < 1) this.#nextTurn();
    // By way of a turn: a timer that is set in a timer, and so on, waits 4 ms at least in a browser.
    else this.#timer = setTimeout(() => this.#nextTurn(), delayMs);
  }

  #nextTurn(): void {
    this.#isDue = true;
    this.#turn.schedule();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#wanted = null;
    this.#isDue = false;
  }

  /** Nothing runs after this. */
  close(): void {
    this.cancel();
    this.#turn.close();
  }
}
