import { CQE_BYTES } from '../spec/registers.ts';
import type { Command } from './command.ts';
import type { GuestMemory, InterruptLine } from './ports.ts';
import type { CompletionQueue, SubmissionQueue } from './queues.ts';

/** Writes completion queue entries (Linux struct nvme_completion) and holds the interrupt line. */
export class Completions {
  private readonly memory: GuestMemory;
  private readonly interrupt: InterruptLine;
  private readonly entry = new Uint32Array(CQE_BYTES / 4);

  constructor(memory: GuestMemory, interrupt: InterruptLine) {
    this.memory = memory;
    this.interrupt = interrupt;
  }

  /** The entry of a command that ended; false when its queue is not in memory. */
  post(sq: SubmissionQueue, command: Command): boolean {
    const { cq } = sq;
    const { entry } = this;
    entry[0] = command.dw0;
    entry[1] = command.dw1;
    entry[2] = sq.head | (sq.id << 16);
    entry[3] = command.cid | (((command.status << 1) | cq.phase) << 16);
    if (!this.memory.writeWords(cq.tailAddress(), entry)) return false;
    cq.advance();
    return true;
  }

  /** The line is up while any completion queue with interrupts holds entries the host has not taken. */
  updateInterrupt(cqs: readonly (CompletionQueue | undefined)[], mask: number): void {
    for (const cq of cqs) {
      if (!cq || !cq.interruptEnabled || cq.head === cq.tail) continue;
      if ((mask & (1 << cq.interruptVector)) !== 0) continue;
      this.interrupt.assert();
      return;
    }
    this.interrupt.deassert();
  }
}
