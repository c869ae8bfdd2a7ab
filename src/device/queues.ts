import { CQE_BYTES, SQE_BYTES } from '../spec/registers.ts';
import type { Command } from './command.ts';

/**
 * Where a queue's entries are in guest memory: one contiguous run, or (PC = 0, only if CAP.CQR allows it)
 * a list of pages.
 */
export class QueueMemory {
  private readonly pages: readonly number[];
  private readonly pageBytes: number;

  private constructor(pages: readonly number[], pageBytes: number) {
    this.pages = pages;
    this.pageBytes = pageBytes;
  }

  static contiguous(base: number): QueueMemory {
    return new QueueMemory([base], Infinity);
  }

  static paged(pages: readonly number[], pageBytes: number): QueueMemory {
    return new QueueMemory(pages, pageBytes);
  }

  /** For a state that is saved: the pages of a list, or the one base. */
  save(): { paged: boolean; pages: readonly number[] } {
    return { paged: this.pageBytes !== Infinity, pages: this.pages };
  }

  addressOf(index: number, entryBytes: number): number {
    const at = index * entryBytes;
    if (this.pageBytes === Infinity) return (this.pages[0] as number) + at;
    return (this.pages[Math.floor(at / this.pageBytes)] as number) + (at % this.pageBytes);
  }
}

export class SubmissionQueue {
  /** Next entry to fetch, and (from the doorbell) the first that is not there yet. */
  head = 0;
  tail = 0;
  /** Fetched and not completed. Asynchronous Event Requests are not counted: they may wait for ever. */
  inFlight = 0;
  /** Slots whose commands are aborted before they were fetched; made when there is one. */
  dropped: Set<number> | undefined;
  /** The Delete command that waits for the commands in flight. */
  deletedBy: Command | undefined;
  readonly id: number;
  /** Entries. */
  readonly size: number;
  readonly memory: QueueMemory;
  readonly cq: CompletionQueue;

  constructor(id: number, size: number, memory: QueueMemory, cq: CompletionQueue) {
    this.id = id;
    this.size = size;
    this.memory = memory;
    this.cq = cq;
  }

  get isEmpty(): boolean {
    return this.head === this.tail;
  }

  headAddress(): number {
    return this.addressOf(this.head);
  }

  addressOf(slot: number): number {
    return this.memory.addressOf(slot, SQE_BYTES);
  }
}

export class CompletionQueue {
  /** Next entry the host will take (from the doorbell), next one to fill. */
  head = 0;
  tail = 0;
  phase = 1;
  /** Slots that commands in flight will need: a command is only fetched when its completion has room. */
  reserved = 0;
  /** Submission queues that complete here. */
  users = 0;
  readonly id: number;
  readonly size: number;
  readonly memory: QueueMemory;
  readonly interruptEnabled: boolean;
  readonly interruptVector: number;

  constructor(
    id: number,
    size: number,
    memory: QueueMemory,
    interruptEnabled: boolean,
    interruptVector: number,
  ) {
    this.id = id;
    this.size = size;
    this.memory = memory;
    this.interruptEnabled = interruptEnabled;
    this.interruptVector = interruptVector;
  }

  /** Entries the host has not taken. */
  get unread(): number {
    const ahead = this.tail - this.head;
    return ahead < 0 ? ahead + this.size : ahead;
  }

  /** Slots nobody has filled or claimed. One of `size` always stays free: full is tail + 1 = head. */
  get free(): number {
    return this.size - 1 - this.unread - this.reserved;
  }

  tailAddress(): number {
    return this.memory.addressOf(this.tail, CQE_BYTES);
  }

  advance(): void {
    this.tail++;
    if (this.tail === this.size) {
      this.tail = 0;
      this.phase ^= 1;
    }
  }
}
