import { BAD_BLOCK_TABLE_ID, badBlockTable, ADDRESS_BYTES, BadBlock, MAX_VECTOR } from '../spec/ocssd12.ts';
import { Cns, LogPage } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { AdminOpcode } from '../spec/opcodes.ts';
import { Cc, CQE_BYTES, SQE_BYTES } from '../spec/registers.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { SectorVector } from '../flash/transfer.ts';
import type { Command } from './command.ts';
import type { NvmeController } from './controller.ts';
import { Features } from './features.ts';
import {
  identifyActiveNamespaces,
  identifyControllerData,
  identifyGeometry,
  identifyNamespaceData,
} from './identify.ts';
import { logPage } from './log-pages.ts';
import type { Namespace } from './namespace.ts';
import { CompletionQueue, QueueMemory, SubmissionQueue } from './queues.ts';

const ALL_NAMESPACES = 0xffff_ffff;

/** Admin commands of NVMe 1.2 and open-channel 1.2. Each ends in exactly one completion, at once or later. */
export class AdminCommands {
  private readonly controller: NvmeController;
  private readonly features: Features;
  /** Asynchronous Event Requests: held, because nothing here ever happens that would complete one but a reset. */
  private events: Command[] = [];

  constructor(controller: NvmeController) {
    this.controller = controller;
    this.features = new Features(controller.config);
  }

  /** CC.EN went to 0. */
  reset(): void {
    this.events = [];
    this.features.reset();
  }

  execute(command: Command): void {
    switch (command.opcode) {
      case AdminOpcode.identify:
        return this.identify(command);
      case AdminOpcode.createCq:
        return this.end(command, this.createCq(command));
      case AdminOpcode.createSq:
        return this.end(command, this.createSq(command));
      case AdminOpcode.deleteCq:
        return this.end(command, this.deleteCq(command));
      case AdminOpcode.deleteSq:
        return this.deleteSq(command);
      case AdminOpcode.setFeatures:
      case AdminOpcode.getFeatures:
        return this.feature(command);
      case AdminOpcode.getLogPage:
        return this.getLogPage(command);
      case AdminOpcode.abort:
        // Bit 0 set: not aborted. Commands here end soon by themselves.
        return this.controller.complete(command, Status.success, 1);
      case AdminOpcode.asyncEventRequest:
        return this.holdEvent(command);
      case AdminOpcode.geometry:
        return this.onOpenChannel(command, (ns) => this.sendStruct(command, identifyGeometry(ns)));
      case AdminOpcode.getBadBlockTable:
        return this.onOpenChannel(command, (ns) => this.getBadBlocks(command, ns));
      case AdminOpcode.setBadBlockTable:
        return this.onOpenChannel(command, (ns) => this.setBadBlocks(command, ns));
      default:
        return this.end(
          command,
          this.controller.explain(command, Status.invalidOpcode, 'not an admin command of this controller'),
        );
    }
  }

  private end(command: Command, status: StatusCode): void {
    this.controller.complete(command, status);
  }

  private refuse(command: Command, status: StatusCode, why: string): void {
    this.end(command, this.controller.explain(command, status, why));
  }

  /** Sends bytes to the command's data buffer and completes it. */
  private sendStruct(command: Command, bytes: Uint8Array): void {
    const { memory, pageBytes } = this.controller;
    const status = command.data.resolve(memory, command.prp1, command.prp2, bytes.byteLength, pageBytes);
    if (status !== Status.success) {
      this.refuse(command, status, 'the data pointers (PRP) lead outside memory or are misaligned');
      return;
    }
    if (bytes.byteLength > 0) command.data.push(0, bytes, 0, bytes.byteLength);
    this.end(command, Status.success);
  }

  // Identify and logs -----------------------------------------------------------------------------

  private identify(command: Command): void {
    const { namespaces, config } = this.controller;
    const cns = command.cdw10 & 0xff;
    const nsid = command.nsid;
    switch (cns) {
      case Cns.controller:
        return this.sendStruct(command, identifyControllerData(config));
      case Cns.namespace: {
        const ns = namespaces[nsid - 1];
        if (!ns) return this.refuse(command, Status.invalidNamespace, `namespace ${nsid} does not exist`);
        return this.sendStruct(command, identifyNamespaceData(ns));
      }
      case Cns.activeNamespaces:
        // FFFFFFFEh and FFFFFFFFh cannot be "the last one seen".
        if (nsid >= 0xffff_fffe)
          return this.refuse(command, Status.invalidNamespace, 'no namespace lies above that');
        return this.sendStruct(command, identifyActiveNamespaces(nsid, namespaces.length));
      default:
        return this.refuse(
          command,
          Status.invalidField,
          `identify CNS ${cns} is not supported by NVMe 1.2 controllers`,
        );
    }
  }

  private getLogPage(command: Command): void {
    const lid = command.cdw10 & 0xff;
    // NUMDL and NUMDU: dwords, zero-based. Offset in bytes in dwords 12 and 13.
    const length = ((command.cdw11 & 0xffff) * 0x1_0000 + (command.cdw10 >>> 16) + 1) * 4;
    const offset = command.cdw13 * 0x1_0000_0000 + command.cdw12;
    const log = logPage(lid, this.controller.config);
    if (!log) return this.refuse(command, Status.invalidLogPage, `log page ${lid.toString(16)}h is not kept`);
    const wantsNamespace = command.nsid !== 0 && command.nsid !== ALL_NAMESPACES;
    if (lid !== LogPage.error && wantsNamespace && !this.controller.namespaces[command.nsid - 1]) {
      return this.refuse(command, Status.invalidNamespace, `namespace ${command.nsid} does not exist`);
    }
    if (offset % 4 !== 0 || offset > log.byteLength) {
      return this.refuse(command, Status.invalidField, `log page offset ${offset} of ${log.byteLength}`);
    }
    this.sendStruct(command, log.subarray(offset, Math.min(log.byteLength, offset + length)));
  }

  private feature(command: Command): void {
    const { sqs, cqs, namespaces } = this.controller;
    const hasIoQueues = sqs.length > 1 || cqs.length > 1;
    const result =
      command.opcode === AdminOpcode.setFeatures
        ? this.features.set(command.cdw10, command.cdw11, command.nsid, hasIoQueues, namespaces.length)
        : this.features.get(command.cdw10, command.cdw11, command.nsid, namespaces.length);
    if (result.status !== Status.success) this.controller.explain(command, result.status, result.why);
    this.controller.complete(command, result.status, result.value);
  }

  private holdEvent(command: Command): void {
    if (this.events.length > this.controller.config.aerlZ) {
      return this.refuse(
        command,
        Status.asyncEventLimitExceeded,
        `more than ${this.controller.config.aerlZ + 1} requests held`,
      );
    }
    this.controller.hold(command);
    this.events.push(command);
  }

  // Queues -----------------------------------------------------------------------------------------

  private createCq(command: Command): StatusCode {
    const { config, cqs } = this.controller;
    const id = command.cdw10 & 0xffff;
    const size = (command.cdw10 >>> 16) + 1;
    const contiguous = (command.cdw11 & 1) !== 0;
    const vector = command.cdw11 >>> 16;
    const refuse = (status: StatusCode, why: string) => this.controller.explain(command, status, why);
    if (id === 0 || id > config.ioQueuePairs || cqs[id])
      return refuse(Status.invalidQueueId, `completion queue ${id}`);
    if (size < 2 || size > config.maxQueueEntriesZ + 1)
      return refuse(Status.invalidQueueSize, `${size} entries`);
    if (vector !== 0)
      return refuse(Status.invalidInterruptVector, `vector ${vector}; a pin has only vector 0`);
    if (!this.entrySizesOk())
      return refuse(Status.commandSequenceError, 'CC.IOSQES, CC.IOCQES are not 64 and 16 bytes');
    const memory = this.queueMemory(command, contiguous, size * CQE_BYTES);
    if (typeof memory === 'number') return refuse(memory, 'the queue’s pages');
    cqs[id] = new CompletionQueue(id, size, memory, (command.cdw11 & 2) !== 0, vector);
    return Status.success;
  }

  private createSq(command: Command): StatusCode {
    const { config, cqs, sqs } = this.controller;
    const id = command.cdw10 & 0xffff;
    const size = (command.cdw10 >>> 16) + 1;
    const contiguous = (command.cdw11 & 1) !== 0;
    const cqId = command.cdw11 >>> 16;
    const refuse = (status: StatusCode, why: string) => this.controller.explain(command, status, why);
    if (id === 0 || id > config.ioQueuePairs || sqs[id])
      return refuse(Status.invalidQueueId, `submission queue ${id}`);
    if (size < 2 || size > config.maxQueueEntriesZ + 1)
      return refuse(Status.invalidQueueSize, `${size} entries`);
    const cq = cqId === 0 ? undefined : cqs[cqId];
    if (!cq) {
      const status = cqId > config.ioQueuePairs ? Status.invalidQueueId : Status.completionQueueInvalid;
      return refuse(status, `completion queue ${cqId} cannot be used`);
    }
    if (!this.entrySizesOk())
      return refuse(Status.commandSequenceError, 'CC.IOSQES, CC.IOCQES are not 64 and 16 bytes');
    const memory = this.queueMemory(command, contiguous, size * SQE_BYTES);
    if (typeof memory === 'number') return refuse(memory, 'the queue’s pages');
    cq.users++;
    sqs[id] = new SubmissionQueue(id, size, memory, cq);
    return Status.success;
  }

  /** CC.IOSQES 6 and CC.IOCQES 4: NVMe wants them set before I/O queues are made. */
  private entrySizesOk(): boolean {
    const cc = this.controller.read32(0x14);
    return ((cc >>> Cc.iosqesShift) & Cc.esMask) === 6 && ((cc >>> Cc.iocqesShift) & Cc.esMask) === 4;
  }

  /** The pages of a new queue, or the status that says why it cannot be there. */
  private queueMemory(command: Command, contiguous: boolean, bytes: number): QueueMemory | StatusCode {
    const { config, memory, pageBytes } = this.controller;
    if (command.prp1 % pageBytes !== 0) return Status.prpOffsetInvalid;
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
      if (page % pageBytes !== 0) return Status.prpOffsetInvalid;
      if (!memory.isRam(page, pageBytes)) return Status.dataTransferError;
      pages.push(page);
    }
    return QueueMemory.paged(pages, pageBytes);
  }

  private deleteCq(command: Command): StatusCode {
    const { cqs } = this.controller;
    const id = command.cdw10 & 0xffff;
    const cq = id === 0 ? undefined : cqs[id];
    if (!cq) return this.controller.explain(command, Status.invalidQueueId, `completion queue ${id}`);
    if (cq.users > 0) {
      return this.controller.explain(
        command,
        Status.invalidQueueDeletion,
        `completion queue ${id} still has submission queues`,
      );
    }
    cqs[id] = undefined;
    return Status.success;
  }

  /** Ends when the queue's commands in flight have ended; those not fetched are never executed. */
  private deleteSq(command: Command): void {
    const { sqs } = this.controller;
    const id = command.cdw10 & 0xffff;
    const sq = id === 0 ? undefined : sqs[id];
    if (!sq || sq.deletedBy) return this.refuse(command, Status.invalidQueueId, `submission queue ${id}`);
    if (sq.inFlight > 0) sq.deletedBy = command;
    else this.finishSqDeletion(sq, command);
  }

  finishSqDeletion(sq: SubmissionQueue, command: Command): void {
    this.controller.sqs[sq.id] = undefined;
    sq.cq.users--;
    this.end(command, Status.success);
  }

  // Open-channel 1.2 --------------------------------------------------------------------------------

  private onOpenChannel(
    command: Command,
    action: (ns: Extract<Namespace, { kind: 'ocssd12' }>) => void,
  ): void {
    const ns = this.controller.namespaces[command.nsid - 1];
    if (!ns) return this.refuse(command, Status.invalidNamespace, `namespace ${command.nsid} does not exist`);
    if (ns.kind !== 'ocssd12') {
      return this.refuse(
        command,
        Status.invalidOpcode,
        'this namespace is a plain disk (lver=0), not an open-channel one',
      );
    }
    action(ns);
  }

  /** F2h: header and one byte a block of the LUN that the address is in. */
  private getBadBlocks(command: Command, ns: Extract<Namespace, { kind: 'ocssd12' }>): void {
    const flash = ns.medium;
    if (!flash.address.decode(command.cdw10, command.cdw11)) {
      return this.refuse(command, Status.lbaOutOfRange, 'the address is outside the device');
    }
    const g = flash.geometry;
    const lunIndex = Math.floor(flash.address.block / g.numPln) % g.totalLuns;
    const blocks = flash.badBlocks(Math.floor(lunIndex / g.numLun), lunIndex % g.numLun);
    const count = (value: number) => blocks.reduce((n, b) => n + (b === value ? 1 : 0), 0);
    const bytes = new Uint8Array(badBlockTable.sizeBytes + blocks.byteLength);
    bytes.set(
      pack(badBlockTable, {
        tblid: BAD_BLOCK_TABLE_ID,
        verid: 1,
        tblks: blocks.byteLength,
        tfact: count(BadBlock.factory),
        tgrown: count(BadBlock.grown),
        tdresv: count(BadBlock.device),
        thresv: count(BadBlock.host),
      }),
    );
    bytes.set(blocks, badBlockTable.sizeBytes);
    this.sendStruct(command, bytes);
  }

  /** F1h (struct nvme_nvm_setbbtbl): the address or list in dwords 10, 11; nlb in 12, the value in the byte after. */
  private setBadBlocks(command: Command, ns: Extract<Namespace, { kind: 'ocssd12' }>): void {
    const count = (command.cdw12 & 0xffff) + 1;
    const value = (command.cdw12 >>> 16) & 0xff;
    if (count > MAX_VECTOR)
      return this.refuse(command, Status.invalidField, `${count} addresses; at most ${MAX_VECTOR}`);
    const list = new Uint8Array(count * ADDRESS_BYTES);
    const view = new DataView(list.buffer);
    if (count === 1) {
      view.setUint32(0, command.cdw10, true);
      view.setUint32(4, command.cdw11, true);
    } else if (!this.controller.memory.read(command.cdw10and11, list, 0, list.byteLength)) {
      return this.refuse(command, Status.dataTransferError, 'the address list is not in memory');
    }
    const vector = new SectorVector(count);
    for (let i = 0; i < count; i++) {
      if (!ns.medium.address.decode(view.getUint32(i * 8, true), view.getUint32(i * 8 + 4, true))) {
        return this.refuse(command, Status.lbaOutOfRange, `address ${i} is outside the device`);
      }
      vector.push(ns.medium.address.block, ns.medium.address.sec);
    }
    ns.medium.markBlocks(vector, value, (status) => this.end(command, status));
  }
}
