/** So much earlier than asked is on time: what comes with a picture is then painted with it. */
const EARLY = 0.8;
/** And so much later: what is due just before a picture waits for it, rather than to be painted by itself. */
const LATE = 1.4;

/** Does something when it is asked to, at most so often; the last asking is never lost. */
export class Seldom {
  readonly #work: () => void;
  readonly #everyMs: () => number;
  #lastMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param everyMs a number, or what says it each time */
  constructor(everyMs: number | (() => number), work: () => void) {
    this.#everyMs = typeof everyMs === 'number' ? () => everyMs : everyMs;
    this.#work = work;
  }

  /** When the caller is done, if the last time was long enough ago; else with a later asking, or a little later. */
  ask(): void {
    const sinceMs = performance.now() - this.#lastMs;
    const everyMs = this.#everyMs();
    if (sinceMs >= EARLY * everyMs) {
      this.#begin();
      // Not in the middle of whoever asks: it may be what the work would call.
      queueMicrotask(this.#work);
    } else
      this.#timer ??= setTimeout(
        () => {
          this.#begin();
          this.#work();
        },
        LATE * everyMs - sinceMs,
      );
  }

  /** What was asked for and not done yet is not wanted any more. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(): void {
    this.cancel();
    this.#lastMs = performance.now();
  }
}
