import { CQE_BYTES } from '../spec/registers.ts';
import type { Command } from './command.ts';
import type { GuestMemory, InterruptLine } from './ports.ts';
import type { CompletionQueue, SubmissionQueue } from './queues.ts';

/** Writes completion queue entries (Linux struct nvme_completion) and holds the interrupt line. */
export class Completions {
  private readonly memory: GuestMemory;
  private readonly interrupt: InterruptLine;
  private readonly entry = new Uint8Array(CQE_BYTES);
  private readonly view = new DataView(this.entry.buffer);

  constructor(memory: GuestMemory, interrupt: InterruptLine) {
    this.memory = memory;
    this.interrupt = interrupt;
  }

  /** The entry of a command that ended; false when its queue is not in memory. */
  post(sq: SubmissionQueue, command: Command): boolean {
    const { cq } = sq;
    const { view } = this;
    view.setUint32(0, command.dw0, true);
    view.setUint32(4, command.dw1, true);
    view.setUint16(8, sq.head, true);
    view.setUint16(10, sq.id, true);
    view.setUint16(12, command.cid, true);
    view.setUint16(14, ((command.status << 1) | cq.phase) & 0xffff, true);
    if (!this.memory.write(cq.tailAddress(), this.entry, 0, CQE_BYTES)) return false;
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
