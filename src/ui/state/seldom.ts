/** So much earlier than asked is on time: what comes with a picture is then painted with it. */
const EARLY = 0.8;

/** Does something when it is asked to, at most so often; the last asking is never lost. */
export class Seldom {
  readonly #work: () => void;
  readonly #everyMs: number;
  #lastMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(everyMs: number, work: () => void) {
    this.#everyMs = everyMs;
    this.#work = work;
  }

  /** When the caller is done, if the last time was long enough ago; else when it is. */
  ask(): void {
    const sinceMs = performance.now() - this.#lastMs;
    if (sinceMs >= EARLY * this.#everyMs) {
      this.#begin();
      // Not in the middle of whoever asks: it may be what the work would call.
      queueMicrotask(this.#work);
    } else
      this.#timer ??= setTimeout(() => {
        this.#begin();
        this.#work();
      }, this.#everyMs - sinceMs);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastMs = performance.now();
  }
}
