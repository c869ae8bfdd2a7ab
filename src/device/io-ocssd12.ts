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
      case IoOpcode.rawWrite:
      case IoOpcode.rawRead:
        // The specification lists Physical Write Raw and Read Raw (sections 2.2.4 and 2.2.5). Linux 5.10 has no
        // opcode for them (NVM_OP_* of lightnvm.h), and a raw page also holds the drive's error-correction bytes,
        // which this flash does not have: better no answer than an invented one.
        this.refuse(
          command,
          Status.invalidOpcode,
          'opcode',
          'raw access (95h, 96h) is optional and not offered: this flash has no error-correction bytes to show',
        );
        return;
      case IoOpcode.vectorCopy:
        this.refuse(
          command,
          Status.invalidOpcode,
          'opcode',
          'vector copy is a command of open-channel 2.0; this namespace speaks 1.2 (lver=1)',
        );
        return;
      default:
        this.refuse(
          command,
          Status.invalidOpcode,
          'opcode',
          'an open-channel 1.2 namespace knows flush, plain reads, and vector erase, write and read (90h to 92h)',
        );
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
    ns.medium.readRaw(lba, secs, command, command.finish);
  }

  /**
   * Erase, write and read of up to 64 addresses, in any order (struct nvme_nvm_ph_rw, nvme_nvm_erase_blk). Of
   * the control bits only the plane mode decides anything: suspend and scramble are invisible from outside, SLC
   * pages are what this flash has anyway, and what else a host sets is ignored, as qemu-nvme does.
   */
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
    const { vector: v, finish: done } = command;
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
