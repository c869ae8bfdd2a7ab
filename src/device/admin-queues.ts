import { ADDRESS_BYTES } from '../spec/ocssd12.ts';
import { Cc, CQE_BYTES, SQE_BYTES } from '../spec/registers.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, explain, refuse } from './core.ts';
import { CompletionQueue, QueueMemory, SubmissionQueue } from './queues.ts';

/** Admin commands that make and delete I/O queues. */
export class QueueAdmin {
  private readonly core: Core;
  /** Completion and submission queues granted (feature 07h), zero-based, in the upper and lower half. */
  private readonly granted: () => number;

  constructor(core: Core, granted: () => number) {
    this.core = core;
    this.granted = granted;
  }

  createCq(command: Command): StatusCode {
    const { config, cqs } = this.core;
    const id = command.cdw10 & 0xffff;
    const size = (command.cdw10 >>> 16) + 1;
    const contiguous = (command.cdw11 & 1) !== 0;
    const vector = command.cdw11 >>> 16;
    const no = (status: StatusCode, why: string) => explain(command, status, 'queue', why);
    const most = (this.granted() >>> 16) + 1;
    if (id === 0 || id > most || cqs[id])
      return no(Status.invalidQueueId, `completion queue ${id}; ${most} were granted (feature 07h)`);
    if (size < 2 || size > config.maxQueueEntriesZ + 1) return no(Status.invalidQueueSize, `${size} entries`);
    if (vector !== 0) return no(Status.invalidInterruptVector, `vector ${vector}; a pin has only vector 0`);
    if (!this.entrySizesOk())
      return no(Status.commandSequenceError, 'CC.IOSQES, CC.IOCQES are not 64 and 16 bytes');
    const memory = this.queueMemory(command, contiguous, size * CQE_BYTES);
    if (typeof memory === 'number') return no(memory, 'the queue’s pages');
    cqs[id] = new CompletionQueue(id, size, memory, (command.cdw11 & 2) !== 0, vector);
    return Status.success;
  }

  createSq(command: Command): StatusCode {
    const { config, cqs, sqs } = this.core;
    const id = command.cdw10 & 0xffff;
    const size = (command.cdw10 >>> 16) + 1;
    const contiguous = (command.cdw11 & 1) !== 0;
    const cqId = command.cdw11 >>> 16;
    const no = (status: StatusCode, why: string) => explain(command, status, 'queue', why);
    const most = (this.granted() & 0xffff) + 1;
    if (id === 0 || id > most || sqs[id])
      return no(Status.invalidQueueId, `submission queue ${id}; ${most} were granted (feature 07h)`);
    if (size < 2 || size > config.maxQueueEntriesZ + 1) return no(Status.invalidQueueSize, `${size} entries`);
    const cq = cqId === 0 ? undefined : cqs[cqId];
    if (!cq) {
      const status =
        cqId > (this.granted() >>> 16) + 1 ? Status.invalidQueueId : Status.completionQueueInvalid;
      return no(status, `completion queue ${cqId} cannot be used`);
    }
    if (!this.entrySizesOk())
      return no(Status.commandSequenceError, 'CC.IOSQES, CC.IOCQES are not 64 and 16 bytes');
    const memory = this.queueMemory(command, contiguous, size * SQE_BYTES);
    if (typeof memory === 'number') return no(memory, 'the queue’s pages');
    cq.users++;
    sqs[id] = new SubmissionQueue(id, size, memory, cq);
    return Status.success;
  }

  /** CC.IOSQES 6 and CC.IOCQES 4: NVMe wants them set before I/O queues are made. */
  private entrySizesOk(): boolean {
    const cc = this.core.configuration;
    return ((cc >>> Cc.iosqesShift) & Cc.esMask) === 6 && ((cc >>> Cc.iocqesShift) & Cc.esMask) === 4;
  }

  /** The pages of a new queue, or the status that says why it cannot be there. */
  private queueMemory(command: Command, contiguous: boolean, bytes: number): QueueMemory | StatusCode {
    const { config, memory, pageBytes } = this.core;
    // Page 0 is nobody's queue: a host that left PRP1 out would have it overwritten.
    if (command.prp1 === 0 || command.prp1 % pageBytes !== 0) return Status.prpOffsetInvalid;
    if (contiguous) {
      return memory.isRam(command.prp1, bytes)
        ? QueueMemory.contiguous(command.prp1)
        : Status.dataTransferError;
    }
    if (config.contiguousQueuesRequired) return Status.invalidField;
    const list = new Uint8Array(Math.ceil(bytes / pageBytes) * ADDRESS_BYTES);
    if (list.byteLength > pageBytes || !memory.read(command.prp1, list, 0, list.byteLength))
      return Status.dataTransferError;
    const view = new DataView(list.buffer);
    const pages: number[] = [];
    for (let at = 0; at < list.byteLength; at += ADDRESS_BYTES) {
      const page = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
      if (page === 0 || page % pageBytes !== 0) return Status.prpOffsetInvalid;
      if (!memory.isRam(page, pageBytes)) return Status.dataTransferError;
      pages.push(page);
    }
    return QueueMemory.paged(pages, pageBytes);
  }

  deleteCq(command: Command): StatusCode {
    const { cqs } = this.core;
    const id = command.cdw10 & 0xffff;
    const cq = id === 0 ? undefined : cqs[id];
    if (!cq) return explain(command, Status.invalidQueueId, 'queue', `completion queue ${id}`);
    if (cq.users > 0) {
      return explain(
        command,
        Status.invalidQueueDeletion,
        'queue',
        `completion queue ${id} still has submission queues`,
      );
    }
    cqs[id] = undefined;
    return Status.success;
  }

  /** Ends when the queue's commands in flight have ended; those not fetched are never executed. */
  deleteSq(command: Command): void {
    const { sqs } = this.core;
    const id = command.cdw10 & 0xffff;
    const sq = id === 0 ? undefined : sqs[id];
    if (!sq || sq.deletedBy) {
      refuse(this.core, command, Status.invalidQueueId, 'queue', `submission queue ${id}`);
      return;
    }
    if (sq.inFlight > 0) sq.deletedBy = command;
    else this.finishSqDeletion(sq, command);
  }

  /** The queue is empty of commands: it goes, and the deletion is answered. */
  finishSqDeletion(sq: SubmissionQueue, command: Command): void {
    this.core.sqs[sq.id] = undefined;
    sq.cq.users--;
    this.core.complete(command, Status.success);
  }
}
