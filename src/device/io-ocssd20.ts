import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { ChunkNamespace } from './namespace.ts';

/** I/O commands of an open-channel 2.0 namespace. Each ends in exactly one completion, at once or later. */
export class ChunkIo {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  execute(command: Command, _ns: ChunkNamespace): void {
    refuse(this.core, command, Status.invalidOpcode, 'opcode', 'not a command of this namespace');
  }
}
