import { IoOpcode } from '../spec/opcodes.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { PlainNamespace } from './namespace.ts';
import { mapData } from './transfer-map.ts';

/** I/O commands of an ordinary namespace. Each ends in exactly one completion, at once or later. */
export class PlainIo {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  execute(command: Command, ns: PlainNamespace): void {
    switch (command.opcode) {
      case IoOpcode.read:
      case IoOpcode.write:
        this.readWrite(command, ns);
        return;
      default:
        refuse(
          this.core,
          command,
          Status.invalidOpcode,
          'opcode',
          'not a command of this namespace, which is a plain disk (lver=0)',
        );
    }
  }

  private readWrite(command: Command, ns: PlainNamespace): void {
    const { totalSecs, secSizeBytes } = ns.medium;
    const lba = command.cdw10and11;
    const secs = (command.cdw12 & 0xffff) + 1; // NLB is zero-based
    // By subtraction: a sum of two large numbers could lose bits.
    if (secs > totalSecs || lba > totalSecs - secs) {
      const why = `${secs} blocks from ${lba} of ${totalSecs}`;
      refuse(this.core, command, Status.lbaOutOfRange, 'range', why);
      return;
    }
    if (!mapData(this.core, command, secs * secSizeBytes)) return;
    const done = (status: StatusCode) => this.core.complete(command, status);
    if (command.opcode === IoOpcode.read) ns.medium.read(lba, secs, command, done);
    else ns.medium.write(lba, secs, command, done);
  }
}
