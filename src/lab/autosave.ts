/** How long nothing has to happen before the machine is saved, and how often that is looked at. */
const QUIET_MS = 3000;
const LOOK_EVERY_MS = 1000;
/** A machine that could not be saved is tried again, after twice as long each time. */
const FIRST_RETRY_MS = 5000;
const LAST_RETRY_MS = 80_000;

export interface AutosaveParts {
  /** A number that changes with whatever happens: bytes of the consoles, commands of the device, work for the guest. */
  activity(): number;
  /** There is a machine, and a disk that would still be here after a reload. */
  canSave(): boolean;
  /** Rejects when the machine is not at rest, or there is no room. */
  save(): Promise<void>;
  nowMs(): number;
}

/**
 * Decides when the running lab is saved by itself: when something has happened since the last time and now nothing
 * does, and when the page is hidden. A guest that computes in silence is not at rest; saving it fails, and is tried
 * again ever more seldom.
 */
export class Autosave {
  readonly #parts: AutosaveParts;
  #timer: ReturnType<typeof setInterval> | undefined;
  #seen = -1;
  #seenMs = 0;
  #saved = -1;
  #notBeforeMs = 0;
  #retryMs = FIRST_RETRY_MS;
  #saving: Promise<void> | undefined;

  constructor(parts: AutosaveParts) {
    this.#parts = parts;
  }

  /** A machine was switched on; what it does until then is saved when it is `asSaved`. */
  start({ asSaved = false } = {}): void {
    this.stop();
    this.#seen = this.#parts.activity();
    this.#seenMs = this.#parts.nowMs();
    this.#saved = asSaved ? this.#seen : -1;
    this.#notBeforeMs = 0;
    this.#retryMs = FIRST_RETRY_MS;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const nowMs = this.#parts.nowMs();
    const activity = this.#parts.activity();
    if (activity !== this.#seen) {
      this.#seen = activity;
      this.#seenMs = nowMs;
      return;
    }
    if (nowMs - this.#seenMs >= QUIET_MS && nowMs >= this.#notBeforeMs) void this.now();
  }

  /** Saves if anything has happened since the last time; resolves when that is done, or has failed. */
  now(): Promise<void> {
    if (this.#timer === undefined || this.#saving || !this.#parts.canSave())
      return this.#saving ?? Promise.resolve();
    const activity = this.#parts.activity();
    if (activity === this.#saved) return Promise.resolve();
    this.#saving = this.#save(activity).finally(() => (this.#saving = undefined));
    return this.#saving;
  }

  async #save(activity: number): Promise<void> {
    try {
      await this.#parts.save();
      this.#saved = activity;
      this.#retryMs = FIRST_RETRY_MS;
    } catch {
      this.#notBeforeMs = this.#parts.nowMs() + this.#retryMs;
      this.#retryMs = Math.min(LAST_RETRY_MS, 2 * this.#retryMs);
    }
  }
}
