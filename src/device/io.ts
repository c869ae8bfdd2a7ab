import { ADDRESS_BYTES, MAX_VECTOR, VectorControl } from '../spec/ocssd12.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import type { NvmeController } from './controller.ts';
import { type Namespace, namespaceSize } from './namespace.ts';

const ALL_NAMESPACES = 0xffff_ffff;

type OpenChannel = Extract<Namespace, { kind: 'ocssd12' }>;

/** NVM and open-channel 1.2 vector commands. Each ends in exactly one completion, at once or later. */
export class IoCommands {
  private readonly controller: NvmeController;
  private readonly list = new Uint8Array(MAX_VECTOR * ADDRESS_BYTES);
  private readonly listView = new DataView(this.list.buffer);

  constructor(controller: NvmeController) {
    this.controller = controller;
  }

  execute(command: Command): void {
    if (command.opcode === IoOpcode.flush && command.nsid === ALL_NAMESPACES) {
      this.flushAll(command);
      return;
    }
    const ns = this.controller.namespaces[command.nsid - 1];
    if (!ns) {
      this.refuse(command, Status.invalidNamespace, `namespace ${command.nsid} does not exist`);
      return;
    }
    switch (command.opcode) {
      case IoOpcode.flush:
        ns.medium.flush((status) => this.controller.complete(command, status));
        return;
      case IoOpcode.read:
      case IoOpcode.write:
        this.readWrite(command, ns);
        return;
      case IoOpcode.vectorErase:
      case IoOpcode.vectorWrite:
      case IoOpcode.vectorRead:
        if (ns.kind === 'ocssd12') {
          this.vector(command, ns);
          return;
        }
        this.refuse(
          command,
          Status.invalidOpcode,
          'this namespace is a plain disk (lver=0); it has no vector commands',
        );
        return;
      default:
        this.refuse(command, Status.invalidOpcode, 'not a command of this controller');
    }
  }

  /** Flush to namespace FFFFFFFFh, as nvme-cli sends it: every namespace. */
  private flushAll(command: Command): void {
    let left = this.controller.namespaces.length;
    let worst: StatusCode = Status.success;
    for (const ns of this.controller.namespaces) {
      ns.medium.flush((status) => {
        worst = worst || status;
        if (--left === 0) this.controller.complete(command, worst);
      });
    }
  }

  private refuse(command: Command, status: StatusCode, why: string): void {
    this.controller.complete(command, this.controller.explain(command, status, why));
  }

  private finish(command: Command): (status: StatusCode) => void {
    return (status) => this.controller.complete(command, status);
  }

  // Read and write of logical blocks -----------------------------------------------------------

  private readWrite(command: Command, ns: Namespace): void {
    const { totalSecs, secSizeBytes } = namespaceSize(ns);
    const lba = command.cdw10and11;
    const secs = (command.cdw12 & 0xffff) + 1; // NLB is zero-based
    if (command.opcode === IoOpcode.write && ns.kind === 'ocssd12') {
      this.refuse(
        command,
        Status.writeToReadOnlyRange,
        'an open-channel disk is written with vector commands to physical addresses; create a pblk target on it and write there',
      );
      return;
    }
    // By subtraction: a sum of two large numbers could lose bits.
    if (secs > totalSecs || lba > totalSecs - secs) {
      this.refuse(command, Status.lbaOutOfRange, `blocks ${lba} to ${lba + secs - 1} of ${totalSecs}`);
      return;
    }
    if (!this.mapData(command, secs * secSizeBytes)) return;
    if (ns.kind === 'ocssd12') ns.medium.readRaw(lba, secs, command, this.finish(command));
    else if (command.opcode === IoOpcode.read) ns.medium.read(lba, secs, command, this.finish(command));
    else ns.medium.write(lba, secs, command, this.finish(command));
  }

  /** Resolves the data buffer; false when the command was completed with an error instead. */
  private mapData(command: Command, length: number): boolean {
    const { config, memory, pageBytes } = this.controller;
    const limit = config.mdts === 0 ? Infinity : 2 ** config.mdts * 4096 * 2 ** config.mpsMin;
    if (length > limit) {
      this.refuse(command, Status.invalidField, `${length} bytes in one command; at most ${limit} (mdts)`);
      return false;
    }
    const status = command.data.resolve(memory, command.prp1, command.prp2, length, pageBytes);
    if (status === Status.success) return true;
    this.refuse(command, status, 'the data pointers (PRP) lead outside memory or are misaligned');
    return false;
  }

  // Vector commands --------------------------------------------------------------------------------

  private vector(command: Command, ns: OpenChannel): void {
    const count = (command.cdw12 & 0xffff) + 1;
    const control = command.cdw12 >>> 16;
    const planes = 1 << (control & VectorControl.planeMask);
    if (count > Math.min(MAX_VECTOR, ns.config.maxSecsPerRq)) {
      this.refuse(
        command,
        Status.invalidField,
        `${count} addresses; at most ${ns.config.maxSecsPerRq} (lmax_sec_per_rq)`,
      );
      return;
    }
    if (planes > ns.medium.geometry.numPln) {
      this.refuse(
        command,
        Status.invalidField,
        `plane mode ${planes} on a device with ${ns.medium.geometry.numPln} plane(s)`,
      );
      return;
    }
    if (!this.fetchAddresses(command, ns, count)) return;
    const v = command.vector;
    const done = (status: StatusCode) => this.controller.complete(command, status, v.failedLow, v.failedHigh);
    if (command.opcode === IoOpcode.vectorErase) {
      ns.medium.erase(v, planes, done);
      return;
    }
    const g = ns.medium.geometry;
    if (!this.mapData(command, count * g.secSizeBytes) || !this.mapOob(command, count * g.oobSizeBytes))
      return;
    if (command.opcode === IoOpcode.vectorWrite) ns.medium.write(v, command, done);
    else ns.medium.read(v, command, done);
  }

  /**
   * One address is in the command itself, several are in a list it points to (Linux puts it right behind
   * the metadata, at no particular alignment). The list is copied once.
   */
  private fetchAddresses(command: Command, ns: OpenChannel, count: number): boolean {
    const v = this.listView;
    if (count === 1) {
      v.setUint32(0, command.cdw10, true);
      v.setUint32(4, command.cdw11, true);
    } else if (!this.controller.memory.read(command.cdw10and11, this.list, 0, count * ADDRESS_BYTES)) {
      this.refuse(command, Status.dataTransferError, 'the address list is not in memory');
      return false;
    }
    const address = ns.medium.address;
    for (let i = 0; i < count; i++) {
      const low = v.getUint32(i * ADDRESS_BYTES, true);
      const high = v.getUint32(i * ADDRESS_BYTES + 4, true);
      if (!address.decode(low, high)) {
        this.refuse(
          command,
          Status.lbaOutOfRange,
          `address ${high.toString(16)}:${low.toString(16)} (entry ${i}) is outside the device`,
        );
        return false;
      }
      command.vector.push(address.block, address.sec);
    }
    return true;
  }

  /** The out-of-band buffer: contiguous, and none when the pointer is 0 or the device has no OOB. */
  private mapOob(command: Command, length: number): boolean {
    if (command.metadata === 0 || length === 0) return true;
    const status = command.oob.contiguous(this.controller.memory, command.metadata, length);
    if (status !== Status.success) {
      this.refuse(command, status, 'the metadata pointer leads outside memory');
      return false;
    }
    command.hasOob = true;
    return true;
  }
}
