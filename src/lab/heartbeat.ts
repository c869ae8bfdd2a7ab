const BEAT_MS = 5_000;
/** Beats without an answer until the guest counts as hung: a minute of our own time, however slow the host. */
const MISSED_BEATS = 12;

/**
 * Asks the guest's agent for a sign of life. It counts its own beats, not the clock: a tab that was frozen
 * for an hour has missed none.
 */
export class Heartbeat {
  private timer: ReturnType<typeof setInterval> | undefined;
  private missed = 0;
  /** How often something was heard, ever. */
  answers = 0;
  private hung = false;
  private readonly ask: () => void;
  private readonly onchange: (hung: boolean) => void;

  constructor(ask: () => void, onchange: (hung: boolean) => void) {
    this.ask = ask;
    this.onchange = onchange;
  }

  start(): void {
    this.timer = setInterval(() => this.beat(), BEAT_MS);
    // In Node: a lab alone does not keep the process alive.
    (this.timer as { unref?: () => void }).unref?.();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** The guest said something. */
  answered(): void {
    this.answers++;
    this.missed = 0;
    if (!this.hung) return;
    this.hung = false;
    this.onchange(false);
  }

  private beat(): void {
    this.missed++;
    if (this.missed >= MISSED_BEATS && !this.hung) {
      this.hung = true;
      this.onchange(true);
    }
    this.ask();
  }
}
