import { DSM_DEALLOCATE, dsmRange, Oncs, WRITE_ZEROES_DEALLOCATE } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import type { BlockRun } from '../flash/plain.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { PlainNamespace } from './namespace.ts';
import { optionalIoCommands } from './optional.ts';
import { mapData } from './transfer-map.ts';

/** The bit of ONCS that says that a command exists; the others always do. */
const optional: ReadonlyMap<number, number> = new Map([
  [IoOpcode.compare, Oncs.compare],
  [IoOpcode.writeUncorrectable, Oncs.writeUncorrectable],
  [IoOpcode.datasetManagement, Oncs.datasetManagement],
  [IoOpcode.writeZeroes, Oncs.writeZeroes],
]);

/** I/O commands of an ordinary namespace. Each ends in exactly one completion, at once or later. */
export class PlainIo {
  private readonly core: Core;
  private readonly oncs: number;

  constructor(core: Core) {
    this.core = core;
    this.oncs = optionalIoCommands(core.config);
  }

  execute(command: Command, ns: PlainNamespace): void {
    const { medium } = ns;
    const bit = optional.get(command.opcode);
    if (bit !== undefined && (this.oncs & bit) === 0) {
      const why = 'this optional command is switched off (oncs)';
      refuse(this.core, command, Status.invalidOpcode, 'opcode', why);
      return;
    }
    const lba = command.cdw10and11;
    const secs = (command.cdw12 & 0xffff) + 1; // NLB is zero-based
    switch (command.opcode) {
      case IoOpcode.read:
        if (this.mapBlocks(command, ns, lba, secs))
          medium.read(lba, secs, command, command.finish, this.core.features.deallocatedFails(command.nsid));
        return;
      case IoOpcode.write:
        if (this.mapBlocks(command, ns, lba, secs)) medium.write(lba, secs, command, command.finish);
        return;
      case IoOpcode.compare:
        if (this.mapBlocks(command, ns, lba, secs))
          medium.compare(
            lba,
            secs,
            command,
            command.finish,
            this.core.features.deallocatedFails(command.nsid),
          );
        return;
      case IoOpcode.writeZeroes:
        if (this.inside(command, ns, lba, secs))
          medium.writeZeroes(lba, secs, command, command.finish, {
            deallocate: (command.cdw12 & WRITE_ZEROES_DEALLOCATE) !== 0,
          });
        return;
      case IoOpcode.writeUncorrectable:
        if (this.inside(command, ns, lba, secs)) medium.writeUncorrectable(lba, secs, command.finish);
        return;
      case IoOpcode.datasetManagement:
        this.manage(command, ns);
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

  private inside(command: Command, ns: PlainNamespace, lba: number, secs: number): boolean {
    if (ns.medium.contains(lba, secs)) return true;
    const why = `${secs} blocks from ${lba} of ${ns.medium.totalSecs}`;
    refuse(this.core, command, Status.lbaOutOfRange, 'range', why);
    return false;
  }

  private mapBlocks(command: Command, ns: PlainNamespace, lba: number, secs: number): boolean {
    return this.inside(command, ns, lba, secs) && mapData(this.core, command, secs * ns.medium.secSizeBytes);
  }

  /** Dataset Management: up to 256 ranges, whose blocks are given back if that is asked for; all else is advice. */
  private manage(command: Command, ns: PlainNamespace): void {
    const count = (command.cdw10 & 0xff) + 1; // NR is zero-based
    if (!mapData(this.core, command, count * dsmRange.sizeBytes)) return;
    const list = new Uint8Array(count * dsmRange.sizeBytes);
    command.pullData(0, list, 0, list.byteLength);
    const runs: BlockRun[] = [];
    for (let i = 0; i < count; i++) {
      const entry = list.subarray(i * dsmRange.sizeBytes);
      const run = { lba: unpack(dsmRange.fields.lba, entry), secs: unpack(dsmRange.fields.blocks, entry) };
      if (run.secs === 0) continue; // a length of 0 names no block
      if (!this.inside(command, ns, run.lba, run.secs)) return;
      runs.push(run);
    }
    if ((command.cdw11 & DSM_DEALLOCATE) === 0) command.finish(Status.success);
    else ns.medium.deallocate(runs, command, command.finish);
  }
}
