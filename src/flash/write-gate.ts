import { Status, type StatusCode } from '../spec/status.ts';
import type { Transfer } from './transfer.ts';

/** Bytes that may be on their way to the store at once, and one piece more: a piece of any size may go alone. */
export const IN_FLIGHT_BYTES = 32 * 1024 * 1024;

/** Pieces that have gone in are dropped from the list so many at a time: one by one costs as much as the list is long. */
const DROP_COUNT = 1024;

type Done = (status: StatusCode) => void;

/** A command, or a piece of one, that wants to change the disk. */
interface Piece {
  readonly bytes: number;
  readonly transfer: Transfer;
  readonly done: Done;
  readonly work: (ended: Done) => void;
}

/**
 * Bounds what all that changes a disk keeps in memory while the store is slow. Everything passes in the order
 * in which it came, also what needs no memory (an erase): so a write never overtakes an erase of its chunk, nor
 * the other way round. Reads do not pass here; they see what has passed.
 */
export class WriteGate {
  private bytes = 0;
  private lettingIn = false;
  /** Those from `next` on wait; the ones before it have gone in. */
  private waiting: Piece[] = [];
  private next = 0;

  /**
   * Runs `work` now or when it is its turn. `bytes` is what it keeps in memory until it calls what it is given,
   * once, with its status; that goes on to `done`.
   */
  pass(bytes: number, transfer: Transfer, done: Done, work: (ended: Done) => void): void {
    const piece = { bytes, transfer, done, work };
    // Who has given up does not wait.
    if (transfer.abandoned || (this.waitingCount === 0 && this.hasRoomFor(bytes))) this.begin(piece);
    else this.waiting.push(piece);
  }

  /** A controller reset: nobody is there any more for those that wait, and they never run. */
  forgetWaiting(): void {
    this.waiting = [];
    this.next = 0;
  }

  /** Pieces that wait for room. */
  get waitingCount(): number {
    return this.waiting.length - this.next;
  }

  /** Nothing waits, and nothing that has gone in is still on its way. */
  get isEmpty(): boolean {
    return this.waitingCount === 0 && this.bytes === 0;
  }

  private begin({ bytes, transfer, done, work }: Piece): void {
    if (transfer.abandoned) {
      done(Status.abortedByRequest);
      return;
    }
    this.bytes += bytes;
    let inside = true;
    const ended: Done = (status) => {
      if (!inside) return;
      inside = false;
      this.bytes -= bytes;
      try {
        done(status);
      } finally {
        this.letIn();
      }
    };
    try {
      work(ended);
    } catch (error) {
      if (!inside) throw error;
      // A defect of ours; where it waited nobody else would answer for it, or give its bytes back.
      transfer.refuse('internal', `internal error: ${String(error)}`);
      ended(Status.internalError);
    }
  }

  /** One that ends at once lets the next one in from the loop, not from within itself: the stack stays flat. */
  private letIn(): void {
    if (this.lettingIn) return;
    this.lettingIn = true;
    try {
      for (;;) {
        const piece = this.waiting[this.next];
        if (!piece) this.forgetWaiting();
        if (!piece || !this.hasRoomFor(piece.bytes)) break;
        this.next++;
        if (this.next === DROP_COUNT) {
          this.waiting.splice(0, DROP_COUNT);
          this.next = 0;
        }
        this.begin(piece);
      }
    } finally {
      this.lettingIn = false;
    }
  }

  private hasRoomFor(bytes: number): boolean {
    return bytes === 0 || this.bytes < IN_FLIGHT_BYTES;
  }
}
