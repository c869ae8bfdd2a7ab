import { putChunkDescriptor } from '../flash/chunk-log.ts';
import { SectorVector } from '../flash/transfer.ts';
import { DSM_DEALLOCATE, dsmRange, Oncs } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { MAX_VECTOR } from '../spec/ocssd12.ts';
import { CHUNK_DESCRIPTOR_BYTES, Mccap } from '../spec/ocssd20.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import type { ChunkNamespace } from './namespace.ts';
import { optionalIoCommands } from './optional.ts';
import { fetchVector, mapData, mapOob } from './transfer-map.ts';

/** I/O commands of an open-channel 2.0 namespace. Each ends in exactly one completion, at once or later. */
export class ChunkIo {
  private readonly core: Core;
  private readonly hasDsm: boolean;

  constructor(core: Core) {
    this.core = core;
    this.hasDsm = (optionalIoCommands(core.config) & Oncs.datasetManagement) !== 0;
  }

  execute(command: Command, ns: ChunkNamespace): void {
    switch (command.opcode) {
      case IoOpcode.read:
      case IoOpcode.write:
        this.scalar(command, ns);
        return;
      case IoOpcode.datasetManagement:
        if (this.hasDsm) this.manage(command, ns);
        else
          this.refuse(command, Status.invalidOpcode, 'opcode', 'Dataset Management is switched off (oncs)');
        return;
      case IoOpcode.vectorErase:
      case IoOpcode.vectorWrite:
      case IoOpcode.vectorRead:
        this.vector(command, ns);
        return;
      case IoOpcode.vectorCopy:
        if ((ns.config.mccap & Mccap.vectorCopy) !== 0) this.vector(command, ns);
        else
          this.refuse(
            command,
            Status.invalidOpcode,
            'opcode',
            'vector copy needs bit 0 of mccap, which this device does not have',
          );
        return;
      default:
        this.refuse(
          command,
          Status.invalidOpcode,
          'opcode',
          'an open-channel 2.0 namespace knows flush, read, write, deallocate, and vector reset, write, read and copy (90h to 93h)',
        );
    }
  }

  private refuse(command: Command, status: StatusCode, rule: Parameters<typeof refuse>[3], why: string) {
    refuse(this.core, command, status, rule, why);
  }

  private failsUnwritten(command: Command): boolean {
    return this.core.features.deallocatedFails(command.nsid);
  }

  // Scalar -----------------------------------------------------------------------------------------

  /**
   * Read or write of a run of addresses. Runs that leave the address space are NVMe's own error; what in it
   * leads to no sector, or crosses the end of a chunk, is judged by the flash.
   */
  private scalar(command: Command, { medium }: ChunkNamespace): void {
    const { address, geometry: g } = medium;
    const lba = command.cdw10and11;
    const secs = (command.cdw12 & 0xffff) + 1; // NLB is zero-based
    // By subtraction: a sum of two large numbers could lose bits.
    if (secs > address.spaceSecs || lba > address.spaceSecs - secs) {
      const why = `${secs} blocks from ${lba} of ${address.spaceSecs}`;
      this.refuse(command, Status.lbaOutOfRange, 'range', why);
      return;
    }
    if (!mapData(this.core, command, secs * g.secSizeBytes)) return;
    if (!mapOob(this.core, command, secs * g.oobSizeBytes)) return;
    // The command's own vector is for addresses that it names; its completion carries no map of failures.
    const vector = new SectorVector(secs);
    if (command.opcode === IoOpcode.read) {
      for (let i = 0; i < secs; i++) {
        const inside = address.decodeLba(lba + i);
        vector.push(inside ? address.block : -1, inside ? address.sec : 0);
      }
      medium.read(vector, command, this.failsUnwritten(command), command.finish);
      return;
    }
    // A write is one run of one chunk. What is behind the chunk's end is still said to be in it, and refused there.
    const inside = address.decodeLba(lba);
    const { block, sec } = address;
    for (let i = 0; i < secs; i++) vector.push(inside ? block : -1, inside ? sec + i : i);
    medium.write(vector, command, command.finish);
  }

  /** Dataset Management: deallocating whole chunks resets them (each range is one chunk); all else is advice. */
  private manage(command: Command, { medium }: ChunkNamespace): void {
    const { address, geometry: g } = medium;
    const count = (command.cdw10 & 0xff) + 1; // NR is zero-based
    if (!mapData(this.core, command, count * dsmRange.sizeBytes)) return;
    if ((command.cdw11 & DSM_DEALLOCATE) === 0) {
      command.finish(Status.success);
      return;
    }
    const list = new Uint8Array(count * dsmRange.sizeBytes);
    command.pullData(0, list, 0, list.byteLength);
    const vector = new SectorVector(count);
    for (let i = 0; i < count; i++) {
      const entry = list.subarray(i * dsmRange.sizeBytes);
      const lba = unpack(dsmRange.fields.lba, entry);
      const secs = unpack(dsmRange.fields.blocks, entry);
      const inside = address.decodeLba(lba);
      if (inside && (address.sec !== 0 || secs !== g.secsPerBlk)) {
        const why = `range ${i}, ${secs} blocks from ${lba}, is not one whole chunk of ${g.secsPerBlk}`;
        this.refuse(command, Status.lbaOutOfRange, 'range', why);
        return;
      }
      vector.push(inside ? address.block : -1, 0);
    }
    medium.reset(vector, command, command.finish);
  }

  // Vector -----------------------------------------------------------------------------------------

  private vector(command: Command, ns: ChunkNamespace): void {
    const { core } = this;
    const { medium } = ns;
    const g = medium.geometry;
    const count = (command.cdw12 & 0xffff) + 1;
    if (count > MAX_VECTOR) {
      this.refuse(command, Status.invalidField, 'vector-length', `${count} addresses; at most ${MAX_VECTOR}`);
      return;
    }
    if (command.opcode === IoOpcode.vectorCopy) {
      this.copy(command, ns, count);
      return;
    }
    const { vector, cdw10, cdw11 } = command;
    if (!fetchVector(core, command, medium.address, count, vector, cdw10, cdw11)) return;
    if (command.opcode === IoOpcode.vectorErase) {
      this.reset(command, ns, count);
      return;
    }
    if (!mapData(core, command, count * g.secSizeBytes)) return;
    if (!mapOob(core, command, count * g.oobSizeBytes)) return;
    if (command.opcode === IoOpcode.vectorWrite) medium.write(vector, command, command.finish);
    else medium.read(vector, command, this.failsUnwritten(command), command.finish);
  }

  /** A metadata pointer gets the descriptors of the chunks, as they are afterwards (SPDK's chunk_info). */
  private reset(command: Command, { medium }: ChunkNamespace, count: number): void {
    if (!mapOob(this.core, command, count * CHUNK_DESCRIPTOR_BYTES)) return;
    const { vector } = command;
    medium.reset(vector, command, (status) => {
      if (command.hasOob && !command.abandoned) {
        const bytes = new Uint8Array(CHUNK_DESCRIPTOR_BYTES);
        const view = new DataView(bytes.buffer);
        for (let i = 0; i < count; i++) {
          const block = vector.block[i] as number;
          if (block < 0) continue;
          putChunkDescriptor(medium, block, view, 0);
          command.pushOob(i * CHUNK_DESCRIPTOR_BYTES, bytes, 0, CHUNK_DESCRIPTOR_BYTES);
        }
      }
      command.finish(status);
    });
  }

  /**
   * Vector copy: sources in dwords 10 and 11, destinations in 14 and 15 (SPDK nvme_ns_ocssd_cmd.c). The log has
   * the destinations: it is there that rules are broken.
   */
  private copy(command: Command, { medium }: ChunkNamespace, count: number): void {
    const { core } = this;
    const { vector, cdw10, cdw11, cdw14, cdw15 } = command;
    const from = new SectorVector(count);
    if (!fetchVector(core, command, medium.address, count, from, cdw10, cdw11)) return;
    command.sources = from;
    if (!fetchVector(core, command, medium.address, count, vector, cdw14, cdw15)) return;
    medium.copy(from, vector, command, this.failsUnwritten(command), command.finish);
  }
}
