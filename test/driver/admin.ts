import { AdminOpcode } from '../../src/spec/opcodes.ts';
import type { Prps } from './prp.ts';
import type { Sqe } from './entries.ts';

/** Admin commands as entries, with the fields of Linux' struct nvme_identify, nvme_create_cq and so on. */
export const admin = {
  identify: (cns: number, nsid: number, prps: Prps): Sqe => ({
    opcode: AdminOpcode.identify,
    nsid,
    cdw10: cns,
    ...prps,
  }),

  setFeatures: (fid: number, value: number, nsid = 0): Sqe => ({
    opcode: AdminOpcode.setFeatures,
    nsid,
    cdw10: fid,
    cdw11: value,
  }),

  getFeatures: (fid: number, { select = 0, cdw11 = 0, nsid = 0 } = {}): Sqe => ({
    opcode: AdminOpcode.getFeatures,
    nsid,
    cdw10: fid | (select << 8),
    cdw11,
  }),

  createCq: (
    id: number,
    size: number,
    prp1: number,
    more: { vector?: number; flags?: number } = {},
  ): Sqe => ({
    opcode: AdminOpcode.createCq,
    prp1,
    cdw10: (((size - 1) << 16) | id) >>> 0,
    // PC and IEN
    cdw11: (((more.vector ?? 0) << 16) | (more.flags ?? 3)) >>> 0,
  }),

  createSq: (id: number, size: number, prp1: number, cqId: number, flags = 1): Sqe => ({
    opcode: AdminOpcode.createSq,
    prp1,
    cdw10: (((size - 1) << 16) | id) >>> 0,
    cdw11: ((cqId << 16) | flags) >>> 0,
  }),

  deleteSq: (id: number): Sqe => ({ opcode: AdminOpcode.deleteSq, cdw10: id }),
  deleteCq: (id: number): Sqe => ({ opcode: AdminOpcode.deleteCq, cdw10: id }),

  /** `length` and `offset` in bytes. */
  getLogPage: (lid: number, length: number, prps: Prps, { offset = 0, nsid = 0xffff_ffff } = {}): Sqe => {
    const dwordsZ = length / 4 - 1;
    return {
      opcode: AdminOpcode.getLogPage,
      nsid,
      cdw10: (((dwordsZ & 0xffff) << 16) | lid) >>> 0,
      cdw11: Math.floor(dwordsZ / 0x1_0000),
      cdw12: offset % 0x1_0000_0000,
      cdw13: Math.floor(offset / 0x1_0000_0000),
      ...prps,
    };
  },

  abort: (sqId: number, cid: number): Sqe => ({
    opcode: AdminOpcode.abort,
    cdw10: ((cid << 16) | sqId) >>> 0,
  }),
  /** `more`: MSET (bit 4), PI, PIL, SES as they are in dword 10. */
  formatNvm: (nsid: number, lbaf: number, more = 0): Sqe => ({
    opcode: AdminOpcode.formatNvm,
    nsid,
    cdw10: lbaf | more,
  }),
  asyncEvent: (): Sqe => ({ opcode: AdminOpcode.asyncEventRequest }),

  geometry: (nsid: number, prps: Prps): Sqe => ({ opcode: AdminOpcode.geometry, nsid, ...prps }),

  getBadBlocks: (nsid: number, address: number, prps: Prps): Sqe => ({
    opcode: AdminOpcode.getBadBlockTable,
    nsid,
    cdw10: address,
    ...prps,
  }),

  /** One address, or where the list of `count` is. */
  setBadBlocks: (nsid: number, addressOrList: number, value: number, count = 1): Sqe => ({
    opcode: AdminOpcode.setBadBlockTable,
    nsid,
    cdw10: addressOrList,
    cdw12: (count - 1) | (value << 16),
  }),
};
