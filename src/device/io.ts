import { IoOpcode } from '../spec/opcodes.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import { OpenChannelIo } from './io-ocssd12.ts';
import { ChunkIo } from './io-ocssd20.ts';
import { PlainIo } from './io-plain.ts';

const ALL_NAMESPACES = 0xffff_ffff;

/** I/O commands: finds the namespace and hands over to the command set that it speaks. */
export class IoCommands {
  private readonly core: Core;
  private readonly plain: PlainIo;
  private readonly openChannel: OpenChannelIo;
  private readonly chunk: ChunkIo;

  constructor(core: Core) {
    this.core = core;
    this.plain = new PlainIo(core);
    this.openChannel = new OpenChannelIo(core);
    this.chunk = new ChunkIo(core);
  }

  execute(command: Command): void {
    const { core } = this;
    // What was counted since the last write becomes durable as well.
    if (command.opcode === IoOpcode.flush) core.health.touch();
    if (command.opcode === IoOpcode.flush && command.nsid === ALL_NAMESPACES) {
      this.flushAll(command);
      return;
    }
    const ns = core.namespaces[command.nsid - 1];
    if (!ns) {
      const why = `namespace ${command.nsid} does not exist`;
      refuse(core, command, Status.invalidNamespace, 'namespace', why);
      return;
    }
    if (command.opcode === IoOpcode.flush) {
      ns.medium.flush((status) => core.complete(command, status));
      return;
    }
    switch (ns.kind) {
      case 'plain':
        return this.plain.execute(command, ns);
      case 'ocssd12':
        return this.openChannel.execute(command, ns);
      case 'ocssd20':
        return this.chunk.execute(command, ns);
    }
  }

  /** Flush to namespace FFFFFFFFh, as nvme-cli sends it: every namespace. */
  private flushAll(command: Command): void {
    let left = this.core.namespaces.length;
    let worst: StatusCode = Status.success;
    for (const ns of this.core.namespaces) {
      ns.medium.flush((status) => {
        worst = worst || status;
        if (--left === 0) this.core.complete(command, worst);
      });
    }
  }
}
