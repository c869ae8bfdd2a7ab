import { Feature } from '../../src/spec/identify.ts';
import { ChunkState } from '../../src/spec/ocssd12.ts';
import { LogPage20 } from '../../src/spec/ocssd20.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { admin } from './admin.ts';
import type { DmaBuffer } from './dma-buffer.ts';
import type { Completion, Sqe } from './entries.ts';
import { prpsFor } from './prp.ts';
import type { Rig } from './rig.ts';
import { vectorCommand } from './vector.ts';

/** How a host reaches sectors: by a first address and a count, or by a list of addresses. */
export type Mode = 'scalar' | 'vector';

/** A chunk as the chunk information log tells it. */
export interface ChunkReport {
  readonly state: number;
  readonly type: number;
  readonly wearIndex: number;
  readonly slba: number;
  readonly cnlb: number;
  readonly wp: bigint;
}

export interface ReadAnswer {
  readonly completion: Completion;
  readonly data: Uint8Array;
  readonly oob: Uint8Array;
}

const DULBE = 0x1_0000;
const DEALLOCATE = 0x4;

/** An open-channel 2.0 disk as a host sees it: it knows only what the device tells in its geometry. */
export class ChunkDiskHost {
  readonly rig: Rig;
  readonly secBytes: number;
  readonly oobBytes: number;
  numGrp = 0;
  numPu = 0;
  numChk = 0;
  clba = 0;
  wsMin = 0;
  mwCunits = 0;
  private bits = { grp: 0, pu: 0, chk: 0, sec: 0 };

  private constructor(rig: Rig, secBytes: number, oobBytes: number) {
    this.rig = rig;
    this.secBytes = secBytes;
    this.oobBytes = oobBytes;
  }

  static async attach(rig: Rig): Promise<ChunkDiskHost> {
    const { driver } = rig;
    const id = await driver.adminRead(4096, (prps) => admin.identify(0, 1, prps));
    const lbaf = new DataView(id.buffer, 128 + 4 * ((id[26] as number) & 0xf), 4);
    const host = new ChunkDiskHost(rig, 2 ** lbaf.getUint8(2), lbaf.getUint16(0, true));
    const bytes = await driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    const view = new DataView(bytes.buffer);
    const [grp = 0, pu = 0, chk = 0, sec = 0] = bytes.subarray(8, 12);
    host.bits = { grp, pu, chk, sec };
    host.numGrp = view.getUint16(64, true);
    host.numPu = view.getUint16(66, true);
    host.numChk = view.getUint32(68, true);
    host.clba = view.getUint32(72, true);
    host.wsMin = view.getUint32(128, true);
    host.mwCunits = view.getUint32(136, true);
    return host;
  }

  lba({
    grp = 0,
    pu = 0,
    chk = 0,
    sec = 0,
  }: {
    grp?: number;
    pu?: number;
    chk?: number;
    sec?: number;
  }): number {
    const { bits } = this;
    return ((grp * 2 ** bits.pu + pu) * 2 ** bits.chk + chk) * 2 ** bits.sec + sec;
  }

  // Commands; each gives back the memory that it took ----------------------------------------------------

  private async run(make: () => { sqe: Sqe; data?: DmaBuffer; oob?: number }): Promise<ReadAnswer> {
    const { arena, memory } = this.rig.driver;
    const mark = arena.mark;
    const { sqe, data, oob } = make();
    const completion = await this.rig.driver.command(1, sqe);
    const secs = data ? data.length / this.secBytes : 0;
    const answer = {
      completion,
      data: data ? data.read() : new Uint8Array(0),
      oob: oob === undefined ? new Uint8Array(0) : memory.bytes(oob, secs * this.oobBytes),
    };
    arena.rewind(mark);
    return answer;
  }

  private transfer(
    mode: Mode,
    opcodes: Readonly<Record<Mode, number>>,
    lba: number,
    secs: number,
    data: Uint8Array,
    oob: Uint8Array,
  ) {
    const { arena, memory } = this.rig.driver;
    const buffer = arena.buffer(data.length).fill(data);
    if (mode === 'vector') {
      const addresses = Array.from({ length: secs }, (_, i) => lba + i);
      const { sqe, metadata } = vectorCommand(arena, {
        opcode: opcodes.vector,
        addresses,
        data: buffer,
        oobBytes: this.oobBytes,
        oob,
      });
      return { sqe, data: buffer, oob: metadata.address };
    }
    const at = arena.run(Math.max(1, oob.length)).address;
    memory.put(at, oob);
    const sqe = {
      opcode: opcodes.scalar,
      nsid: 1,
      metadata: this.oobBytes > 0 ? at : 0,
      ...prpsFor(arena, buffer),
      cdw10: lba % 2 ** 32,
      cdw11: Math.floor(lba / 2 ** 32),
      cdw12: secs - 1,
    };
    return { sqe, data: buffer, oob: at };
  }

  async write(mode: Mode, lba: number, data: Uint8Array, oob?: Uint8Array): Promise<Completion> {
    const secs = data.length / this.secBytes;
    const opcodes = { scalar: IoOpcode.write, vector: IoOpcode.vectorWrite };
    const meta = oob ?? new Uint8Array(secs * this.oobBytes);
    return (await this.run(() => this.transfer(mode, opcodes, lba, secs, data, meta))).completion;
  }

  /** The buffers hold A5h before. */
  async read(mode: Mode, lba: number, secs: number): Promise<ReadAnswer> {
    const opcodes = { scalar: IoOpcode.read, vector: IoOpcode.vectorRead };
    const data = new Uint8Array(secs * this.secBytes).fill(0xa5);
    const oob = new Uint8Array(secs * this.oobBytes).fill(0xa5);
    return this.run(() => this.transfer(mode, opcodes, lba, secs, data, oob));
  }

  /** Resets the chunk that begins at an address: a whole chunk is deallocated, or 90h names it. */
  async reset(mode: Mode, lba: number): Promise<Completion> {
    const { arena } = this.rig.driver;
    const answer = await this.run(() => {
      if (mode === 'vector') return vectorCommand(arena, { opcode: IoOpcode.vectorErase, addresses: [lba] });
      const range = new Uint8Array(16);
      const view = new DataView(range.buffer);
      view.setUint32(4, this.clba, true);
      view.setBigUint64(8, BigInt(lba), true);
      const buffer = arena.buffer(16).fill(range);
      const prps = prpsFor(arena, buffer);
      return { sqe: { opcode: IoOpcode.datasetManagement, nsid: 1, ...prps, cdw10: 0, cdw11: DEALLOCATE } };
    });
    return answer.completion;
  }

  /** 93h, of as many sectors in a row. */
  async copy(from: readonly number[], to: readonly number[]): Promise<Completion> {
    const { arena } = this.rig.driver;
    const list = (lbas: readonly number[]): [number, number] => {
      const [only = 0] = lbas;
      if (lbas.length === 1) return [only % 2 ** 32, Math.floor(only / 2 ** 32)];
      const at = arena.pages();
      lbas.forEach((lba, i) => arena.memory.put64(at + 8 * i, lba));
      return [at, 0];
    };
    const answer = await this.run(() => {
      const [cdw10, cdw11] = list(from);
      const [cdw14, cdw15] = list(to);
      return {
        sqe: { opcode: IoOpcode.vectorCopy, nsid: 1, cdw10, cdw11, cdw12: from.length - 1, cdw14, cdw15 },
      };
    });
    return answer.completion;
  }

  async setDulbe(on: boolean): Promise<void> {
    await this.rig.driver.adminOk(admin.setFeatures(Feature.errorRecovery, on ? DULBE : 0, 1));
  }

  // Reports ------------------------------------------------------------------------------------------

  async chunks(): Promise<ChunkReport[]> {
    const length = this.numGrp * this.numPu * this.numChk * 32;
    const { arena } = this.rig.driver;
    const mark = arena.mark;
    const bytes = await this.rig.driver.adminRead(length, (prps) =>
      admin.getLogPage(LogPage20.chunkInformation, length, prps, { nsid: 1 }),
    );
    arena.rewind(mark);
    const view = new DataView(bytes.buffer);
    return Array.from({ length: length / 32 }, (_, i) => ({
      state: view.getUint8(i * 32),
      type: view.getUint8(i * 32 + 1),
      wearIndex: view.getUint8(i * 32 + 2),
      slba: Number(view.getBigUint64(i * 32 + 8, true)),
      cnlb: Number(view.getBigUint64(i * 32 + 16, true)),
      wp: view.getBigUint64(i * 32 + 24, true),
    }));
  }

  async chunkAt(slba: number): Promise<ChunkReport> {
    const found = (await this.chunks()).find((chunk) => chunk.slba === slba);
    if (!found) throw new Error(`no chunk begins at ${slba}`);
    return found;
  }

  /** The first address of any chunk in a state. */
  async anyChunk(state: keyof typeof ChunkState): Promise<number> {
    const found = (await this.chunks()).find((chunk) => chunk.state === ChunkState[state]);
    if (!found) throw new Error(`no chunk is ${state}`);
    return found.slba;
  }
}
