import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { ChunkNamespace } from './namespace.ts';

/** Admin commands of an open-channel 2.0 namespace. */
export class ChunkAdmin {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  /** E2h: the geometry. */
  geometry(command: Command, _ns: ChunkNamespace): void {
    refuse(this.core, command, Status.invalidOpcode, 'opcode', 'not yet');
  }
}
