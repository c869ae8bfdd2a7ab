import { StoreError } from '../flash/media-store.ts';

/** What whoever moves a whole disk may want. */
export interface TransferOptions {
  /** Ends it early: the transfer rejects with StoreError `aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** Told after each part: bytes of the disk dealt with, of how many. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Ends a transfer that is not wanted any more. @throws StoreError `aborted` */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new StoreError('aborted', 'The transfer was cancelled; nothing was changed.');
}

/** So long a transfer may keep everybody else waiting. */
const TURN_MS = 20;

/** Lets others have their turn of the event loop: where all is in memory, nothing else would, a "cancel" included. */
export class Turns {
  readonly #signal: AbortSignal | undefined;
  #lastMs = 0;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Rejects with StoreError `aborted` when the transfer is not wanted any more. */
  async next(): Promise<void> {
    if (performance.now() - this.#lastMs > TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      this.#lastMs = performance.now();
    }
    throwIfAborted(this.#signal);
  }
}
