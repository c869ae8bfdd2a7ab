/** Bytes that plain writes may have on their way to the store at once. */
const LIMIT_BYTES = 32 * 1024 * 1024;

/**
 * Bounds what writes keep in memory while the store is slow: a piece of a write goes in when there is room,
 * else it waits for its turn. One piece may always go.
 */
export class WriteGate {
  private bytes = 0;
  private draining = false;
  private readonly waiting: (() => void)[] = [];

  /** Runs `task` now or later; the task calls {@link leave} with the same number when its bytes are stored. */
  enter(bytes: number, task: () => void): void {
    if (this.waiting.length > 0 || !this.hasRoom) {
      this.waiting.push(() => {
        this.bytes += bytes;
        task();
      });
      return;
    }
    this.bytes += bytes;
    task();
  }

  /** One that ends at once lets the next one in from the loop, not from within itself: the stack stays flat. */
  leave(bytes: number): void {
    this.bytes -= bytes;
    if (this.draining) return;
    this.draining = true;
    try {
      while (this.hasRoom) {
        const next = this.waiting.shift();
        if (!next) break;
        next();
      }
    } finally {
      this.draining = false;
    }
  }

  private get hasRoom(): boolean {
    return this.bytes < LIMIT_BYTES;
  }
}
