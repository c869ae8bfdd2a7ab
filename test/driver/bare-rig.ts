import type { NamespaceConfig } from '../../src/device/config.ts';
import type { ControllerPorts, NvmeController } from '../../src/device/controller.ts';
import type { Clock, InterruptLine } from '../../src/device/ports.ts';
import { DmaMemory } from '../../src/machine/dma.ts';
import { AdminOpcode } from '../../src/spec/opcodes.ts';
import { Cc, CQE_BYTES, Csts, Register, SQE_BYTES } from '../../src/spec/registers.ts';

const MIB = 1024 * 1024;
const RAM_BYTES = 64 * MIB;
export const ENTRIES = 1024;
/** Commands a doorbell announces: what a busy Linux hands over at a time. */
export const BATCH = 32;
export const SECTOR = 4096;

// Guest memory: where everything lies.
const ADMIN_SQ = 1 * MIB;
const ADMIN_CQ = ADMIN_SQ + ENTRIES * SQE_BYTES;
const IO_SQ = 2 * MIB;
const IO_CQ = IO_SQ + ENTRIES * SQE_BYTES;
/** Room for PRP lists, address lists and metadata, up to the data. */
export const LISTS = 4 * MIB;
export const DATA = 8 * MIB;

export type RawSqe = Partial<
  Record<'opcode' | 'nsid' | 'metadata' | 'prp1' | 'prp2' | 'cdw10' | 'cdw11' | 'cdw12', number>
>;

/**
 * A guest that only rings doorbells: entries are written before, so that nothing but the device takes time. For
 * benches and for tests of a million commands; what a driver does is in driver.ts.
 */
export class BareRig {
  readonly ram = new Uint8Array(RAM_BYTES);
  readonly view = new DataView(this.ram.buffer);
  readonly controller: NvmeController;
  private tail = [0, 0];
  private head = [0, 0];

  /** @param attach makes the controller, e.g. of a LabDevice */
  constructor(attach: (ports: ControllerPorts) => NvmeController) {
    const cpu = {
      wasm_memory: { buffer: this.ram.buffer } as WebAssembly.Memory,
      mem8: this.ram,
      memory_size: Int32Array.of(RAM_BYTES),
      jit_dirty_cache() {},
    };
    const interrupt: InterruptLine = { assert() {}, deassert() {} };
    const clock: Clock = { nowMs: () => performance.now(), defer: (task) => task() };
    this.controller = attach({ memory: new DmaMemory(cpu, () => true), interrupt, clock });
    this.enable();
  }

  get namespace(): NamespaceConfig {
    return this.controller.config.namespaces[0] as NamespaceConfig;
  }

  private enable(): void {
    const c = this.controller;
    c.write32(Register.aqa, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
    c.write32(Register.asq, ADMIN_SQ);
    c.write32(Register.acq, ADMIN_CQ);
    c.write32(Register.cc, (6 << Cc.iosqesShift) | (4 << Cc.iocqesShift) | Cc.enable);
    if ((c.read32(Register.csts) & Csts.ready) === 0) throw new Error('not ready');
    this.put(0, 0, { opcode: AdminOpcode.createCq, prp1: IO_CQ, cdw10: ((ENTRIES - 1) << 16) | 1, cdw11: 3 });
    this.put(0, 1, {
      opcode: AdminOpcode.createSq,
      prp1: IO_SQ,
      cdw10: ((ENTRIES - 1) << 16) | 1,
      cdw11: 0x1_0001,
    });
    this.run(0, 2, 2);
  }

  /** Writes an entry of a submission queue. */
  put(queue: number, slot: number, sqe: RawSqe): void {
    const at = (queue === 0 ? ADMIN_SQ : IO_SQ) + (slot % ENTRIES) * SQE_BYTES;
    this.ram.fill(0, at, at + SQE_BYTES);
    const v = this.view;
    v.setUint32(at, (sqe.opcode ?? 0) | ((slot & 0xffff) << 16), true);
    v.setUint32(at + 4, sqe.nsid ?? 0, true);
    v.setUint32(at + 16, sqe.metadata ?? 0, true);
    v.setUint32(at + 24, sqe.prp1 ?? 0, true);
    v.setUint32(at + 32, sqe.prp2 ?? 0, true);
    v.setUint32(at + 40, sqe.cdw10 ?? 0, true);
    v.setUint32(at + 44, sqe.cdw11 ?? 0, true);
    v.setUint32(at + 48, sqe.cdw12 ?? 0, true);
  }

  /** Announces `count` entries, `batch` at a time, and takes their completions. Throws if one failed. */
  run(queue: number, count: number, batch = BATCH): void {
    const c = this.controller;
    const sqDoorbell = Register.doorbells + queue * 8;
    const cqBase = queue === 0 ? ADMIN_CQ : IO_CQ;
    for (let done = 0; done < count; done += batch) {
      this.tail[queue] = ((this.tail[queue] as number) + batch) % ENTRIES;
      c.write32(sqDoorbell, this.tail[queue] as number);
      const last = ((this.head[queue] as number) + batch - 1) % ENTRIES;
      const status = this.view.getUint16(cqBase + last * CQE_BYTES + 14, true) >>> 1;
      if (status !== 0) throw new Error(`status ${status.toString(16)}`);
      this.head[queue] = ((this.head[queue] as number) + batch) % ENTRIES;
      c.write32(sqDoorbell + 4, this.head[queue] as number);
    }
  }

  /** PRP list, or the second pointer itself, for `bytes` bytes at a page-aligned address. */
  prp2(slot: number, address: number, bytes: number): number {
    if (bytes <= SECTOR) return 0;
    if (bytes <= 2 * SECTOR) return address + SECTOR;
    const list = LISTS + slot * SECTOR;
    for (let page = 1; page * SECTOR < bytes; page++) {
      this.view.setUint32(list + (page - 1) * 8, address + page * SECTOR, true);
      this.view.setUint32(list + (page - 1) * 8 + 4, 0, true);
    }
    return list;
  }
}
