import { AdminOpcode } from '../../src/spec/opcodes.ts';
import { Cc, CQE_BYTES, Register, SQE_BYTES } from '../../src/spec/registers.ts';
import type { NvmeController } from '../../src/device/controller.ts';
import { FuzzCommand } from './command.ts';
import { type FuzzMemory, PAGE } from './fuzz-memory.ts';

export const QUEUE_ENTRIES = 64;
/** Commands kept for the report of a failure. */
const RECENT = 12;
/** Where the host's own queues are: addresses that nothing random is likely to name. */
const QUEUES_AT = 0x2d_b000;
export const CC_ENABLE = Cc.enable | (6 << Cc.iosqesShift) | (4 << Cc.iocqesShift);

/** One queue pair of the host, and which of its command identifiers are out. */
class HostPair {
  readonly sqAt: number;
  readonly cqAt: number;
  tail = 0;
  head = 0;
  phase = 1;
  /** Identifiers whose completion is due. */
  readonly out = new Map<number, number>();

  constructor(id: number) {
    this.sqAt = QUEUES_AT + 2 * id * PAGE;
    this.cqAt = this.sqAt + PAGE;
  }

  reset(): void {
    this.tail = 0;
    this.head = 0;
    this.phase = 1;
    this.out.clear();
  }
}

/** The driver's side: an admin and an I/O queue pair, and an account of each command. */
export class FuzzHost {
  readonly pairs: readonly [HostPair, HostPair];
  /** What is wrong with the completions; the first few. */
  readonly complaints: string[] = [];
  private readonly recent = new Uint8Array(RECENT * SQE_BYTES);
  /** False once queue 1 was deleted by a random command, or doorbells went astray: then only a reset helps. */
  inStep = true;
  /** How commands ended: success or not, by queue and opcode. */
  readonly outcomes = new Map<string, { good: number; bad: number }>();
  sent = 0;
  private readonly memory: FuzzMemory;
  private nextCid = 0;

  constructor(memory: FuzzMemory) {
    this.memory = memory;
    this.pairs = [new HostPair(0), new HostPair(1)];
    for (const { sqAt, cqAt } of this.pairs) {
      memory.add(sqAt, 1, false);
      memory.add(cqAt, 1, true);
    }
  }

  /** Disable and enable; makes queue pair 1. False when the controller does not become ready. */
  start(controller: NvmeController): boolean {
    this.memory.unreachable = false;
    controller.write32(Register.cc, 0);
    controller.write32(Register.intmc, 0xffff_ffff);
    for (const pair of this.pairs) {
      pair.reset();
      this.memory.ram.fill(0, pair.sqAt, pair.cqAt + PAGE);
    }
    const [admin] = this.pairs;
    controller.write32(Register.aqa, ((QUEUE_ENTRIES - 1) << 16) | (QUEUE_ENTRIES - 1));
    controller.write32(Register.asq, admin.sqAt);
    controller.write32(Register.asq + 4, 0);
    controller.write32(Register.acq, admin.cqAt);
    controller.write32(Register.acq + 4, 0);
    this.memory.frozen = false;
    controller.write32(Register.cc, CC_ENABLE);
    if (!controller.isReady) return false;
    this.inStep = true;
    const command = new FuzzCommand();
    const io = this.pairs[1];
    const size = (((QUEUE_ENTRIES - 1) << 16) | 1) >>> 0;
    command.clear(AdminOpcode.createCq, 0).dwords(size, 3).prp1 = io.cqAt;
    this.push(0, command);
    command.clear(AdminOpcode.createSq, 0).dwords(size, (1 << 16) | 1).prp1 = io.sqAt;
    this.push(0, command);
    this.ring(controller, 0);
    this.reap(controller);
    return controller.sqs[1] !== undefined && controller.cqs[1] !== undefined;
  }

  /** Puts a command into a queue. */
  push(queue: 0 | 1, command: FuzzCommand): void {
    const pair = this.pairs[queue];
    do this.nextCid = (this.nextCid + 1) & 0xffff;
    while (pair.out.has(this.nextCid));
    command.write(this.memory, pair.sqAt + pair.tail * SQE_BYTES, this.nextCid);
    pair.tail = (pair.tail + 1) % QUEUE_ENTRIES;
    pair.out.set(this.nextCid, (command.opcode & 0xff) | ((command.flags & 0xff) << 8));
    this.sent++;
    this.recent.copyWithin(0, SQE_BYTES);
    const at = pair.sqAt + ((pair.tail + QUEUE_ENTRIES - 1) % QUEUE_ENTRIES) * SQE_BYTES;
    for (let i = 0; i < SQE_BYTES; i++)
      this.recent[RECENT * SQE_BYTES - SQE_BYTES + i] = this.memory.ram[at + i] as number;
  }

  /** The commands sent last, the newest at the end: sixteen dwords each. */
  get recentText(): string {
    const view = new DataView(this.recent.buffer);
    const lines = Array.from({ length: RECENT }, (_, line) =>
      Array.from({ length: SQE_BYTES / 4 }, (_dword, i) =>
        view.getUint32(line * SQE_BYTES + 4 * i, true).toString(16),
      ).join(' '),
    );
    return lines.join('\n');
  }

  ring(controller: NvmeController, queue: 0 | 1): void {
    controller.write32(Register.doorbells + 8 * queue, this.pairs[queue].tail);
  }

  /** Takes all completions that are there; each must be for a command that is out. */
  reap(controller: NvmeController): void {
    for (const queue of [0, 1] as const) {
      const pair = this.pairs[queue];
      let taken = 0;
      for (;;) {
        const at = pair.cqAt + pair.head * CQE_BYTES;
        const last = this.memory.view.getUint16(at + 14, true);
        if ((last & 1) !== pair.phase) break;
        this.account(queue, at, last >>> 1);
        pair.head = (pair.head + 1) % QUEUE_ENTRIES;
        if (pair.head === 0) pair.phase ^= 1;
        taken++;
      }
      if (taken > 0) controller.write32(Register.doorbells + 8 * queue + 4, pair.head);
    }
  }

  private account(queue: 0 | 1, at: number, status: number): void {
    const from = this.memory.view.getUint16(at + 10, true);
    const cid = this.memory.view.getUint16(at + 12, true);
    // Queues that a random command made may complete here as well.
    if (from > 1) return;
    const { out } = this.pairs[from as 0 | 1];
    const kind = out.get(cid);
    if (from !== queue || kind === undefined) {
      if (this.inStep) this.complain(`a completion for ${from}:${cid} in queue ${queue}, which is not out`);
      return;
    }
    out.delete(cid);
    const key = `${queue === 0 ? 'admin' : 'I/O'} ${(kind & 0xff).toString(16).padStart(2, '0')}h`;
    let outcome = this.outcomes.get(key);
    if (!outcome) this.outcomes.set(key, (outcome = { good: 0, bad: 0 }));
    if (status === 0) outcome.good++;
    else outcome.bad++;
  }

  /** Whether commands are out that have to end by themselves; only Asynchronous Event Requests may wait. */
  get isWaiting(): boolean {
    if (this.pairs[1].out.size > 0) return true;
    for (const kind of this.pairs[0].out.values()) if (!mayWait(kind)) return true;
    return false;
  }

  /** Asynchronous Event Requests that are out. */
  get held(): number {
    return this.pairs[0].out.size;
  }

  complain(what: string): void {
    if (this.complaints.length < 10) this.complaints.push(what);
  }
}

/** An Asynchronous Event Request, neither fused nor with SGLs; `kind` is its opcode and flags. */
const mayWait = (kind: number): boolean => (kind & 0xc3ff) === AdminOpcode.asyncEventRequest;
