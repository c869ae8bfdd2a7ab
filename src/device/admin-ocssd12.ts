import { BAD_BLOCK_TABLE_ID, BadBlock, badBlockTable, badBlockValues, MAX_VECTOR } from '../spec/ocssd12.ts';
import { pack } from '../spec/layout.ts';
import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';
import { identifyGeometry } from './identify.ts';
import type { OpenChannelNamespace } from './namespace.ts';
import { fetchAddresses, sendStruct } from './transfer-map.ts';

/** Admin commands of an open-channel 1.2 namespace. */
export class OpenChannelAdmin {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  /** E2h: the identity. */
  geometry(command: Command, ns: OpenChannelNamespace): void {
    sendStruct(this.core, command, identifyGeometry(ns));
  }

  /** F2h: header and one byte a block of the LUN that the address is in. */
  getBadBlocks(command: Command, ns: OpenChannelNamespace): void {
    const flash = ns.medium;
    if (!flash.address.decode(command.cdw10, command.cdw11)) {
      refuse(this.core, command, Status.lbaOutOfRange, 'range', 'the address is outside the device');
      return;
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
    sendStruct(this.core, command, bytes);
  }

  /**
   * F1h (struct nvme_nvm_setbbtbl): the address, or for more than one where their list is, in dwords 10 and 11;
   * nlb in 12, the value in the byte after. A list may name a block twice. All are entered or none.
   */
  setBadBlocks(command: Command, ns: OpenChannelNamespace): void {
    const count = (command.cdw12 & 0xffff) + 1;
    const value = (command.cdw12 >>> 16) & 0xff;
    if (count > MAX_VECTOR) {
      const why = `${count} addresses; at most ${MAX_VECTOR}`;
      refuse(this.core, command, Status.invalidField, 'vector-length', why);
      return;
    }
    if (!badBlockValues.includes(value)) {
      const why = `${value} is no value of a bad-block table; ${badBlockValues.join(', ')} are`;
      refuse(this.core, command, Status.invalidField, 'field', why);
      return;
    }
    if (!fetchAddresses(this.core, command, ns.medium.address, count)) return;
    ns.medium.markBlocks(command.vector, value, command.finish, command);
  }
}
