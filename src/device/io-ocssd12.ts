import { MAX_VECTOR, VectorControl } from '../spec/ocssd12.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { OpenChannelNamespace } from './namespace.ts';
import { fetchAddresses, mapData, mapOob } from './transfer-map.ts';

/** I/O commands of an open-channel 1.2 namespace. Each ends in exactly one completion, at once or later. */
export class OpenChannelIo {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  execute(command: Command, ns: OpenChannelNamespace): void {
    switch (command.opcode) {
      case IoOpcode.read:
        this.readRaw(command, ns);
        return;
      case IoOpcode.write:
        this.refuse(
          command,
          Status.writeToReadOnlyRange,
          'read-only',
          'an open-channel disk is written with vector commands to physical addresses; create a pblk target on it and write there',
        );
        return;
      case IoOpcode.vectorErase:
      case IoOpcode.vectorWrite:
      case IoOpcode.vectorRead:
        this.vector(command, ns);
        return;
      default:
        this.refuse(command, Status.invalidOpcode, 'opcode', 'not a command of this namespace');
    }
  }

  private refuse(command: Command, status: StatusCode, rule: Parameters<typeof refuse>[3], why: string) {
    refuse(this.core, command, status, rule, why);
  }

  /** A plain read, as the kernel's partition scan sends. */
  private readRaw(command: Command, ns: OpenChannelNamespace): void {
    const { totalSecs, secSizeBytes } = ns.medium.geometry;
    const lba = command.cdw10and11;
    const secs = (command.cdw12 & 0xffff) + 1; // NLB is zero-based
    // By subtraction: a sum of two large numbers could lose bits.
    if (secs > totalSecs || lba > totalSecs - secs) {
      this.refuse(command, Status.lbaOutOfRange, 'range', `${secs} blocks from ${lba} of ${totalSecs}`);
      return;
    }
    if (!mapData(this.core, command, secs * secSizeBytes)) return;
    ns.medium.readRaw(lba, secs, command, (status) => this.core.complete(command, status));
  }

  private vector(command: Command, ns: OpenChannelNamespace): void {
    const count = (command.cdw12 & 0xffff) + 1;
    const control = command.cdw12 >>> 16;
    const planes = 1 << (control & VectorControl.planeMask);
    const g = ns.medium.geometry;
    const most = Math.min(MAX_VECTOR, ns.config.maxSecsPerRq);
    if (count > most) {
      const why = `${count} addresses; at most ${most} (lmax_sec_per_rq)`;
      this.refuse(command, Status.invalidField, 'vector-length', why);
      return;
    }
    if (planes > g.numPln) {
      const why = `plane mode ${planes} on a device with ${g.numPln} plane(s)`;
      this.refuse(command, Status.invalidField, 'plane-mode', why);
      return;
    }
    if (!fetchAddresses(this.core, command, ns.medium.address, count)) return;
    const v = command.vector;
    const done = (status: StatusCode) => this.core.complete(command, status, v.failedLow, v.failedHigh);
    if (command.opcode === IoOpcode.vectorErase) {
      ns.medium.erase(v, planes, command, done);
      return;
    }
    if (!mapData(this.core, command, count * g.secSizeBytes)) return;
    if (!mapOob(this.core, command, count * g.oobSizeBytes)) return;
    if (command.opcode === IoOpcode.vectorWrite) ns.medium.write(v, command, done);
    else ns.medium.read(v, command, done);
  }
}
