import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { Namespace } from '../../src/device/namespace.ts';
import type { PlainMedium } from '../../src/flash/plain.ts';
import { blockAddress } from '../../src/flash/address.ts';
import type { FuzzCommand } from './command.ts';
import type { FuzzMemory } from './fuzz-memory.ts';
import type { Playground } from './playground.ts';
import type { Random } from './random.ts';

type Flash = Exclude<Namespace, { kind: 'plain' }>['medium'];

/** Linux struct nvme_dsm_range. */
const RANGE_BYTES = 16;

/** Makes I/O commands as a driver would that knows how far each block is written. */
export class IoCommandMaker {
  private readonly random: Random;
  private readonly playground: Playground;
  private readonly memory: FuzzMemory;

  constructor(random: Random, playground: Playground, memory: FuzzMemory) {
    this.random = random;
    this.playground = playground;
    this.memory = memory;
  }

  make(command: FuzzCommand, ns: Namespace, nsid: number): void {
    if (ns.kind === 'plain') this.plain(command, ns.medium, nsid);
    else if (ns.kind === 'ocssd12') this.openChannel(command, ns.medium, nsid);
    else this.chunks(command, ns.medium, nsid, ns.config.writeRules.wsMin);
  }

  // Plain ------------------------------------------------------------------------------------------

  private plain(command: FuzzCommand, medium: PlainMedium, nsid: number): void {
    const { random } = this;
    const opcode = random.pick([
      IoOpcode.read,
      IoOpcode.read,
      IoOpcode.write,
      IoOpcode.write,
      IoOpcode.write,
      IoOpcode.flush,
      IoOpcode.compare,
      IoOpcode.writeZeroes,
      IoOpcode.writeUncorrectable,
      IoOpcode.datasetManagement,
    ]);
    if (opcode === IoOpcode.datasetManagement) {
      this.ranges(command.clear(opcode, nsid), medium.totalSecs);
      return;
    }
    const secs = 1 + (random.oneIn(4) ? random.below(64) : random.below(8));
    const lba = random.oneIn(12) ? medium.totalSecs - secs : random.below(medium.totalSecs - secs);
    command.clear(opcode, random.oneIn(20) && opcode === IoOpcode.flush ? 0xffff_ffff : nsid);
    command.wide(0, Math.max(0, lba));
    command.cdw[2] = secs - 1;
    if (random.oneIn(10)) command.cdw[2] |= 0x4000_0000; // FUA
    command.data(this.playground, secs * medium.secSizeBytes);
  }

  /** Dataset Management: a list of ranges in the data buffer. */
  private ranges(command: FuzzCommand, totalSecs: number, addresses?: () => number, secs = 0): void {
    const { random, memory } = this;
    const count = 1 + random.below(random.oneIn(10) ? 256 : 4);
    const at = this.playground.vectorPages();
    for (let i = 0; i < count; i++) {
      const range = at + i * RANGE_BYTES;
      memory.view.setUint32(range, 0, true);
      const length = secs || 1 + random.below(64);
      memory.view.setUint32(range + 4, random.oneIn(30) ? random.edge() : length, true);
      memory.put64(range + 8, addresses ? addresses() : random.below(totalSecs));
    }
    command.dwords(count - 1, random.oneIn(8) ? random.below(8) : 4);
    command.prp1 = at;
    command.prp2 = at + 4096;
  }

  // Open-channel 1.2 -------------------------------------------------------------------------------

  private openChannel(command: FuzzCommand, flash: Flash, nsid: number): void {
    const { random } = this;
    const g = flash.geometry;
    switch (random.below(16)) {
      case 0:
        command.clear(IoOpcode.flush, nsid);
        return;
      case 1:
      case 2:
        this.scalar(
          command.clear(IoOpcode.read, nsid),
          flash,
          random.below(g.totalSecs),
          1 + random.below(16),
        );
        return;
      case 3:
        this.scalar(command.clear(IoOpcode.write, nsid), flash, random.below(g.totalSecs), 1);
        return;
      case 4:
      case 5: {
        command.clear(IoOpcode.vectorErase, nsid);
        const planes = random.below(3);
        this.vector(command, flash, [
          this.address(
            flash,
            this.blockThat(flash, (b) => isFull(flash, b)),
            0,
          ),
        ]);
        command.cdw[2] = ((command.cdw[2] as number) | (planes << 16)) >>> 0;
        return;
      }
      default: {
        const opcode = random.pick([
          IoOpcode.vectorWrite,
          IoOpcode.vectorWrite,
          IoOpcode.vectorWrite,
          IoOpcode.vectorRead,
          IoOpcode.vectorRead,
          IoOpcode.vectorRead,
          random.oneIn(4) ? IoOpcode.rawWrite : IoOpcode.vectorWrite,
          random.oneIn(4) ? IoOpcode.rawRead : IoOpcode.vectorRead,
        ]);
        command.clear(opcode, nsid);
        const writes = opcode === IoOpcode.vectorWrite || opcode === IoOpcode.rawWrite;
        const most = random.oneIn(16) ? 64 : 8;
        const addresses = writes ? this.nextSectors(flash, most) : this.writtenSectors(flash, most);
        this.vector(command, flash, addresses);
        command.data(this.playground, addresses.length * g.secSizeBytes);
      }
    }
  }

  /** A command that names a run of logical blocks. */
  private scalar(command: FuzzCommand, flash: Flash, lba: number, secs: number): void {
    command.wide(0, lba);
    command.cdw[2] = secs - 1;
    command.data(this.playground, secs * flash.geometry.secSizeBytes);
  }

  /** Puts addresses into the command or beside it, with room for OOB. */
  private vector(command: FuzzCommand, flash: Flash, addresses: readonly number[]): void {
    const { random, memory } = this;
    const page = this.playground.vectorPages();
    if (addresses.length === 1 && !random.oneIn(20)) command.wide(0, addresses[0] as number);
    else {
      // Behind the metadata, at no particular alignment, as Linux has it.
      const list = page + 64 * flash.geometry.oobSizeBytes + random.below(16);
      addresses.forEach((address, i) => memory.put64(list + 8 * i, address));
      command.wide(0, list);
    }
    command.cdw[2] = addresses.length - 1;
    if (!random.oneIn(3)) command.metadata = page;
  }

  private block(flash: Flash): number {
    return this.random.below(flash.geometry.totalBlks);
  }

  /** A block of which something holds, if one is found soon. */
  private blockThat(flash: Flash, holds: (block: number) => boolean): number {
    let block = this.block(flash);
    for (let i = 0; i < 6 && !holds(block); i++) block = this.block(flash);
    return block;
  }

  private address(flash: Flash, block: number, sec: number): number {
    const { secsPerPg } = flash.geometry;
    const { ch, lun, chk, pln } = blockAddress(flash.geometry, block);
    return flash.address.encode({ ch, lun, chk, pln, pg: Math.floor(sec / secsPerPg), sec: sec % secsPerPg });
  }

  /** The next sectors of one block, or of a page in all planes as pblk writes; a full block's are refused. */
  private nextSectors(flash: Flash, most: number): number[] {
    const { random } = this;
    const g = flash.geometry;
    const block = this.blockThat(flash, (b) => !isFull(flash, b));
    const addresses: number[] = [];
    if (random.oneIn(3)) {
      const first = block - (block % g.numPln);
      for (let pln = 0; pln < g.numPln; pln++) {
        const at = flash.table.written(first + pln);
        for (let i = 0; i < g.secsPerPg && at + i < g.secsPerBlk; i++)
          addresses.push(this.address(flash, first + pln, at + i));
      }
      if (addresses.length > 0) return addresses;
    }
    const at = flash.table.written(block);
    const count = Math.min(1 + random.below(most), g.secsPerBlk - at);
    for (let i = 0; i < count; i++) addresses.push(this.address(flash, block, at + i));
    if (addresses.length === 0) addresses.push(this.address(flash, block, 0));
    return addresses;
  }

  /** Sectors anywhere that are written, as far as some can be found; unsorted and more than once. */
  private writtenSectors(flash: Flash, most: number): number[] {
    const { random } = this;
    const count = 1 + random.below(most);
    return Array.from({ length: count }, () => {
      const block = this.blockThat(flash, (b) => flash.table.written(b) > 0);
      return this.address(flash, block, random.below(flash.table.written(block) || 1));
    });
  }

  // Open-channel 2.0 -------------------------------------------------------------------------------

  private chunks(command: FuzzCommand, flash: Flash, nsid: number, wsMin: number): void {
    const { random } = this;
    const g = flash.geometry;
    const block = this.blockThat(flash, (b) => !isFull(flash, b));
    const at = flash.table.written(block);
    const full = isFull(flash, block);
    const secs = Math.min(wsMin * (1 + random.below(4)), g.secsPerBlk - at);
    const run = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => this.address(flash, block, from + i));
    switch (random.below(16)) {
      case 0:
        command.clear(IoOpcode.flush, nsid);
        return;
      case 1:
      case 2:
      case 3:
        this.scalar(
          command.clear(IoOpcode.write, nsid),
          flash,
          this.address(flash, block, full ? 0 : at),
          full ? wsMin : secs,
        );
        return;
      case 4:
      case 5:
      case 6:
        this.scalar(
          command.clear(IoOpcode.read, nsid),
          flash,
          this.address(flash, block, random.below(at || 1)),
          1 + random.below(4),
        );
        return;
      case 7:
        this.ranges(
          command.clear(IoOpcode.datasetManagement, nsid),
          g.totalSecs,
          () => this.address(flash, this.block(flash), 0),
          g.secsPerBlk,
        );
        return;
      case 8: {
        // A descriptor for each chunk may follow at the metadata pointer.
        command.clear(IoOpcode.vectorErase, nsid);
        const count = 1 + random.below(3);
        this.vector(
          command,
          flash,
          Array.from({ length: count }, () => this.address(flash, this.block(flash), 0)),
        );
        return;
      }
      case 9: {
        command.clear(IoOpcode.vectorCopy, nsid);
        const count = full ? wsMin : secs;
        const sources = Array.from({ length: count }, () => this.writtenSectors(flash, 1)[0] as number);
        this.vector(command, flash, sources);
        const list = this.playground.vectorPages();
        const targets = run(full ? 0 : at, count);
        targets.forEach((address, i) => this.memory.put64(list + 8 * i, address));
        command.wide(4, count === 1 ? (targets[0] as number) : list);
        return;
      }
      case 10:
      case 11:
      case 12: {
        const addresses = run(full ? 0 : at, full ? wsMin : secs);
        this.vector(command.clear(IoOpcode.vectorWrite, nsid), flash, addresses);
        command.data(this.playground, addresses.length * g.secSizeBytes);
        return;
      }
      default: {
        const addresses = this.writtenSectors(flash, random.oneIn(16) ? 64 : 8);
        this.vector(command.clear(IoOpcode.vectorRead, nsid), flash, addresses);
        command.data(this.playground, addresses.length * g.secSizeBytes);
      }
    }
  }
}

const isFull = (flash: Flash, block: number): boolean =>
  flash.table.written(block) >= flash.geometry.secsPerBlk;
