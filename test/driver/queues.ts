import { CQE_BYTES, SQE_BYTES } from '../../src/spec/registers.ts';
import { PAGE } from './arena.ts';
import { type Completion, decodeCqe, encodeSqe, type Sqe } from './entries.ts';
import type { HostMemory } from './host.ts';
import type { Registers } from './registers.ts';

/** Where a queue's entries are: one run of pages, or pages anywhere (PC = 0). */
export type QueuePages = readonly number[];

function entryAddress(pages: QueuePages, index: number, entryBytes: number): number {
  const at = index * entryBytes;
  return (pages[Math.floor(at / PAGE)] as number) + (at % PAGE);
}

/** The host's end of a submission queue. */
export class HostSq {
  readonly id: number;
  readonly size: number;
  readonly pages: QueuePages;
  readonly cq: HostCq;
  tail = 0;
  /** What the device says it has fetched, from the last completion. */
  head = 0;
  private readonly memory: HostMemory;
  private readonly registers: Registers;

  constructor(
    id: number,
    size: number,
    pages: QueuePages,
    cq: HostCq,
    memory: HostMemory,
    registers: Registers,
  ) {
    this.id = id;
    this.size = size;
    this.pages = pages;
    this.cq = cq;
    this.memory = memory;
    this.registers = registers;
  }

  get isFull(): boolean {
    return (this.tail + 1) % this.size === this.head;
  }

  /** Writes an entry and moves the tail; {@link ring} tells the device. */
  push(sqe: Sqe, cid: number): void {
    this.pushBytes(encodeSqe(sqe, cid));
  }

  pushBytes(bytes: Uint8Array): void {
    this.memory.put(entryAddress(this.pages, this.tail, SQE_BYTES), bytes);
    this.tail = (this.tail + 1) % this.size;
  }

  ring(): void {
    this.registers.ringSubmission(this.id, this.tail);
  }
}

/** The host's end of a completion queue: the phase bit says which entries are new. */
export class HostCq {
  readonly id: number;
  readonly size: number;
  readonly pages: QueuePages;
  head = 0;
  phase = 1;
  private readonly memory: HostMemory;
  private readonly registers: Registers;

  constructor(id: number, size: number, pages: QueuePages, memory: HostMemory, registers: Registers) {
    this.id = id;
    this.size = size;
    this.pages = pages;
    this.memory = memory;
    this.registers = registers;
  }

  /** The next entry, if the device has written it. */
  peek(): Completion | undefined {
    const at = entryAddress(this.pages, this.head, CQE_BYTES);
    const entry = decodeCqe(this.memory.bytes(at, CQE_BYTES));
    return entry.phase === this.phase ? entry : undefined;
  }

  /** Takes up to `limit` new entries and tells the device so. */
  reap(limit = Infinity): Completion[] {
    const taken: Completion[] = [];
    while (taken.length < limit) {
      const entry = this.peek();
      if (!entry) break;
      taken.push(entry);
      this.head++;
      if (this.head === this.size) {
        this.head = 0;
        this.phase ^= 1;
      }
    }
    if (taken.length > 0) this.registers.ringCompletion(this.id, this.head);
    return taken;
  }
}
