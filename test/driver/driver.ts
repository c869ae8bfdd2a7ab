import { Feature } from '../../src/spec/identify.ts';
import { Cc, CQE_BYTES, Csts, SQE_BYTES } from '../../src/spec/registers.ts';
import { admin } from './admin.ts';
import { Arena, PAGE } from './arena.ts';
import type { Completion, Sqe } from './entries.ts';
import type { HostInterrupt, HostMemory } from './host.ts';
import { prpsFor } from './prp.ts';
import { HostCq, HostSq, type QueuePages } from './queues.ts';
import { type RegisterAccess, Registers } from './registers.ts';

/** What Linux writes to CC: entries of 64 and 16 bytes, 4 KiB pages, NVM, round robin. */
export const CC_LINUX = (6 << Cc.iosqesShift) | (4 << Cc.iocqesShift);

/** A command on its way; `completion` appears when an interrupt has brought it. */
export interface Pending {
  readonly sq: HostSq;
  readonly cid: number;
  completion: Completion | undefined;
}

export interface DriverOptions {
  readonly adminSqEntries?: number;
  readonly adminCqEntries?: number;
  /** Lets time pass while the driver waits: deferred tasks, storage. */
  readonly idle?: () => Promise<void>;
}

const MAX_WAITS = 2000;

/** A small NVMe driver that knows the device through registers, memory and one interrupt line only. */
export class NvmeDriver {
  readonly registers: Registers;
  readonly memory: HostMemory;
  readonly arena: Arena;
  readonly cqs = new Map<number, HostCq>();
  readonly sqs = new Map<number, HostSq>();
  /** Completions nobody had asked for: a defect of the device. */
  readonly unexpected: Completion[] = [];
  private readonly interrupt: HostInterrupt;
  private readonly options: DriverOptions;
  private readonly pending = new Map<string, Pending>();
  private nextCid = 1;

  constructor(
    bar: RegisterAccess,
    memory: HostMemory,
    interrupt: HostInterrupt,
    options: DriverOptions = {},
  ) {
    this.registers = new Registers(bar);
    this.memory = memory;
    this.arena = new Arena(memory);
    this.interrupt = interrupt;
    this.options = options;
  }

  // Controller -------------------------------------------------------------------------------------

  /** CC.EN = 0, wait for CSTS.RDY = 0; what was pending is lost. */
  disable(): void {
    this.registers.cc = this.registers.cc & ~(Cc.enable | (Cc.shnMask << Cc.shnShift));
    if ((this.registers.csts & Csts.ready) !== 0) throw new Error('the controller stays ready');
    this.pending.clear();
    this.cqs.clear();
    this.sqs.clear();
  }

  /** AQA, ASQ, ACQ, CC.EN = 1, wait for CSTS.RDY = 1. */
  enable(cc = CC_LINUX): void {
    const sqEntries = this.options.adminSqEntries ?? 32;
    const cqEntries = this.options.adminCqEntries ?? 32;
    const cq = new HostCq(0, cqEntries, this.run(cqEntries * CQE_BYTES), this.memory, this.registers);
    const sq = new HostSq(0, sqEntries, this.run(sqEntries * SQE_BYTES), cq, this.memory, this.registers);
    this.cqs.set(0, cq);
    this.sqs.set(0, sq);
    this.registers.aqa = ((cqEntries - 1) << 16) | (sqEntries - 1);
    this.registers.asq = sq.pages[0] as number;
    this.registers.acq = cq.pages[0] as number;
    this.registers.cc = cc | Cc.enable;
    if ((this.registers.csts & Csts.ready) === 0) throw new Error('the controller does not become ready');
  }

  reset(): void {
    this.disable();
    this.enable();
  }

  private run(bytes: number): QueuePages {
    const first = this.arena.pages(Math.ceil(bytes / PAGE));
    return Array.from({ length: Math.ceil(bytes / PAGE) }, (_, i) => first + i * PAGE);
  }

  // Commands ---------------------------------------------------------------------------------------

  queue(id: number): HostSq {
    const sq = this.sqs.get(id);
    if (!sq) throw new Error(`the driver has no queue ${id}`);
    return sq;
  }

  /** Puts a command into a queue without ringing; with an identifier of the caller's choice, or the next one. */
  enqueue(queueId: number, sqe: Sqe, withCid?: number): Pending {
    const sq = this.queue(queueId);
    if (sq.isFull) throw new Error(`queue ${queueId} is full`);
    const cid = withCid ?? this.nextCid;
    if (withCid === undefined) this.nextCid = (this.nextCid % 0xffff) + 1;
    const pending: Pending = { sq, cid, completion: undefined };
    this.pending.set(key(queueId, cid), pending);
    sq.push(sqe, cid);
    return pending;
  }

  submit(queueId: number, sqe: Sqe): Pending {
    const pending = this.enqueue(queueId, sqe);
    pending.sq.ring();
    return pending;
  }

  /** Submits and waits. */
  async command(queueId: number, sqe: Sqe): Promise<Completion> {
    return this.wait(this.submit(queueId, sqe));
  }

  async admin(sqe: Sqe): Promise<Completion> {
    return this.command(0, sqe);
  }

  /** An admin command that has to succeed; answers with dword 0. */
  async adminOk(sqe: Sqe): Promise<number> {
    const { status, dw0 } = await this.admin(sqe);
    if (status !== 0) throw new Error(`opcode ${sqe.opcode}: status ${status.toString(16)}`);
    return dw0;
  }

  /** An admin command that fills `length` bytes. */
  async adminRead(length: number, make: (prps: { prp1: number; prp2: number }) => Sqe): Promise<Uint8Array> {
    const buffer = this.arena.buffer(length);
    await this.adminOk(make(prpsFor(this.arena, buffer)));
    return buffer.read();
  }

  async wait(pending: Pending): Promise<Completion> {
    for (let i = 0; i < MAX_WAITS; i++) {
      this.service();
      if (pending.completion) return pending.completion;
      await this.options.idle?.();
    }
    throw new Error(`command ${pending.cid} of queue ${pending.sq.id} never completed`);
  }

  async waitAll(all: readonly Pending[]): Promise<Completion[]> {
    const completions: Completion[] = [];
    for (const pending of all) completions.push(await this.wait(pending));
    return completions;
  }

  /** What the processor does when the line is up: mask, take all completions, unmask. */
  service(): void {
    while (this.interrupt.level) {
      this.registers.maskInterrupts();
      if (this.interrupt.level) throw new Error('the line is up while its vector is masked');
      let taken = 0;
      for (const cq of this.cqs.values()) taken += this.reap(cq);
      this.registers.unmaskInterrupts();
      if (taken === 0 && this.interrupt.level) throw new Error('the line is up and nothing is there');
    }
  }

  /** Takes completions of one queue, interrupt or not; how many there were. */
  reap(cq: HostCq, limit = Infinity): number {
    const taken = cq.reap(limit);
    for (const completion of taken) {
      const id = key(completion.sqId, completion.cid);
      const pending = this.pending.get(id);
      const sq = this.sqs.get(completion.sqId);
      if (sq) sq.head = completion.sqHead;
      if (!pending) {
        this.unexpected.push(completion);
        continue;
      }
      this.pending.delete(id);
      pending.completion = completion;
    }
    return taken.length;
  }

  get pendingCount(): number {
    return this.pending.size;
  }

  // Queues -----------------------------------------------------------------------------------------

  /** Creates a pair with the same number on both sides. */
  async createQueuePair(id: number, size = 64, { interrupts = true, contiguous = true } = {}): Promise<void> {
    await this.createCq(id, size, { interrupts, contiguous });
    await this.createSq(id, size, id, contiguous);
  }

  async createCq(id: number, size: number, { interrupts = true, contiguous = true } = {}): Promise<HostCq> {
    const { pages, prp1 } = this.queueMemory(size * CQE_BYTES, contiguous);
    await this.adminOk(
      admin.createCq(id, size, prp1, { flags: (contiguous ? 1 : 0) | (interrupts ? 2 : 0) }),
    );
    const cq = new HostCq(id, size, pages, this.memory, this.registers);
    this.cqs.set(id, cq);
    return cq;
  }

  async createSq(id: number, size: number, cqId: number, contiguous = true): Promise<HostSq> {
    const { pages, prp1 } = this.queueMemory(size * SQE_BYTES, contiguous);
    await this.adminOk(admin.createSq(id, size, prp1, cqId, contiguous ? 1 : 0));
    const cq = this.cqs.get(cqId);
    if (!cq) throw new Error(`the driver has no completion queue ${cqId}`);
    const sq = new HostSq(id, size, pages, cq, this.memory, this.registers);
    this.sqs.set(id, sq);
    return sq;
  }

  private queueMemory(bytes: number, contiguous: boolean): { pages: QueuePages; prp1: number } {
    if (contiguous) {
      const pages = this.run(bytes);
      return { pages, prp1: pages[0] as number };
    }
    const { pages } = this.arena.buffer(bytes, { scattered: true });
    const list = this.arena.pages();
    pages.forEach((page, i) => this.memory.put64(list + 8 * i, page));
    return { pages, prp1: list };
  }

  /** Disable, enable, number of queues (all there are), one pair: enough for I/O. */
  async start(queueSize = 64): Promise<void> {
    this.disable();
    this.enable();
    await this.adminOk(admin.setFeatures(Feature.numberOfQueues, 0x003f_003f));
    await this.createQueuePair(1, queueSize);
  }
}

const key = (queueId: number, cid: number): string => `${queueId}:${cid}`;
