/** Draws whose cost is remembered. */
const REMEMBERED = 8;
/** Of the page's thread, live pictures take no more than this share in script. */
const SHARE = 0.08;
const SLOWEST_MS = 250;

/**
 * How often the page takes what is new from the worker and draws it. The guest, the page's script and the
 * browser's painting share the processors: where there are few, every picture is paid for by the guest. What the
 * reader does on the page (zoom, scrub, play) keeps to no pace.
 */
export class Pace {
  readonly #leastMs: number;
  readonly #costsMs: number[] = [];
  #lastMs = -Infinity;

  /** @param cores as navigator.hardwareConcurrency tells; a browser that hides it says 2 or more */
  constructor(cores: number) {
    this.#leastMs = cores <= 2 ? 250 : cores <= 4 ? 50 : 33;
  }

  /** Milliseconds between two pictures. */
  get everyMs(): number {
    if (this.#costsMs.length === 0) return this.#leastMs;
    const mean = this.#costsMs.reduce((sum, ms) => sum + ms, 0) / this.#costsMs.length;
    return Math.min(SLOWEST_MS, Math.max(this.#leastMs, mean / SHARE));
  }

  /** Milliseconds from now until the next picture is due. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#lastMs + this.everyMs - nowMs);
  }

  /** A picture is being made. */
  began(nowMs: number): void {
    this.#lastMs = nowMs;
  }

  /** What the newest picture took, in milliseconds of script. */
  took(ms: number): void {
    this.#costsMs.push(ms);
    if (this.#costsMs.length > REMEMBERED) this.#costsMs.shift();
  }
}
