import { describe, expect, it } from 'vitest';
import { AdminOpcode, IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { prpsFor } from '../driver/prp.ts';
import { type Disk, disks, plain, sendAlone, startDisk } from './disks.ts';

const bytes = Array.from({ length: 256 }, (_, i) => i);
const END = 0xffff_ffff;

describe('log offset and length (CVE-2021-3947, CVE-2023-4135)', () => {
  /** Every log that some device keeps, and what none does. */
  const logs = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x80, 0xc0, 0xca, 0xd0];
  const offsets: readonly (readonly [low: number, high: number])[] = [
    [0, 0],
    [4, 0],
    [2, 0], // not on a dword
    [508, 0],
    [512, 0],
    [516, 0],
    [0xffff_fffc, 0],
    [0, 1],
    [0, 0x8000_0000],
    [0xffff_fffc, END], // 2^64 - 4
    [0xffff_fe00, END], // offset + 512 wraps to 0
    [END, END],
  ];

  it.each(disks)('never lead outside a page, whatever they are ($name)', async (disk) => {
    const rig = await startDisk(disk);
    const buffer = rig.driver.arena.buffer(64 * 1024);
    const prps = prpsFor(rig.driver.arena, buffer);
    for (const lid of logs) {
      for (const [low, high] of offsets) {
        for (const [numdl, numdu] of [
          [0, 0],
          [0x7f, 0],
          [0xff, 0],
          [0xffff, 0],
          [0xffff, 0xffff],
        ] as const) {
          const sqe = {
            opcode: AdminOpcode.getLogPage,
            nsid: disk === plain ? END : 1,
            ...prps,
            cdw10: (numdl * 0x1_0000 + lid) >>> 0,
            cdw11: numdu,
            cdw12: low,
            cdw13: high,
          };
          const { status, written } = await sendAlone(rig, 0, sqe);
          const sum = written.reduce((n, { length }) => n + length, 0);
          expect(sum).toBeLessThanOrEqual(4 * (numdu * 0x1_0000 + numdl + 1));
          expect(sum).toBeLessThanOrEqual(buffer.length);
          if (status !== 0) expect(sum).toBe(0);
          // No log is this long.
          if (high > 0) expect(status).not.toBe(Status.success);
        }
      }
    }
  });

  it('of a page that ends in the middle of a dword list give the rest, not more', async () => {
    const rig = await startDisk(plain);
    const buffer = rig.driver.arena.buffer(4096);
    const sqe = admin.getLogPage(0x02, 4096, prpsFor(rig.driver.arena, buffer), { offset: 508 });
    const { status, written } = await sendAlone(rig, 0, sqe);
    expect(status).toBe(Status.success);
    expect(written.reduce((n, { length }) => n + length, 0)).toBe(4);
  });
});

describe('every unimplemented feature, log and directive id (CVE-2023-40360)', () => {
  /** What each kind of disk carries out; all other opcodes have to be refused as unknown. */
  const io: Readonly<Record<string, readonly number[]>> = {
    plain: [0, 1, 2, 4, 5, 8, 9],
    'open-channel 1.2': [0, 1, 2, 0x90, 0x91, 0x92],
    'open-channel 2.0': [0, 1, 2, 9, 0x90, 0x91, 0x92],
  };
  const adminCommands = (disk: Disk): readonly number[] => [
    ...[0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc],
    ...(disk === plain ? [AdminOpcode.formatNvm] : [AdminOpcode.geometry]),
    ...(disk.name === 'open-channel 1.2' ? [AdminOpcode.setBadBlockTable, AdminOpcode.getBadBlockTable] : []),
  ];

  describe.each(disks)('$name', (disk) => {
    it('each of the 256 I/O opcodes gets one completion; the unknown ones change nothing', async () => {
      const rig = await startDisk(disk);
      for (const opcode of bytes) {
        if (io[disk.name]?.includes(opcode)) continue;
        const at = rig.driver.arena.pages(2);
        const { status, written } = await sendAlone(rig, 1, { opcode, nsid: 1, prp1: at, prp2: at + 4096 });
        expect([opcode, status, written]).toEqual([opcode, Status.invalidOpcode, []]);
        expect(rig.memory.deviceReads).toHaveLength(1);
        rig.driver.arena.rewind(at);
      }
      expect(rig.stores[0]?.commits).toEqual([]);
    });

    it('each of the 256 admin opcodes gets one completion; the unknown ones change nothing', async () => {
      const rig = await startDisk(disk);
      for (const opcode of bytes) {
        if (adminCommands(disk).includes(opcode)) continue;
        const at = rig.driver.arena.pages(2);
        const { status, written } = await sendAlone(rig, 0, { opcode, nsid: 1, prp1: at, prp2: at + 4096 });
        expect([opcode, written]).toEqual([opcode, []]);
        expect([Status.invalidOpcode]).toContain(status);
        rig.driver.arena.rewind(at);
      }
      expect(rig.stores[0]?.commits).toEqual([]);
    });

    it.each([0, 1, 2, END, END - 1, 0x8000_0000])(
      'each opcode on namespace %i answers once',
      async (nsid) => {
        const rig = await startDisk(disk);
        for (const opcode of bytes) {
          const at = rig.driver.arena.pages(2);
          for (const queue of [0, 1] as const) {
            // Requests that may wait for ever, and the queue that the test needs.
            if (queue === 0 && [0, 1, 4, 5, 0xc].includes(opcode)) continue;
            await sendAlone(rig, queue, { opcode, nsid, prp1: at, prp2: at + 4096 });
          }
          rig.driver.arena.rewind(at);
        }
        expect(rig.controller.isFatal).toBe(false);
      },
    );

    it('each of the 256 values of CNS: known ones fill 4096 bytes, all others none', async () => {
      const rig = await startDisk(disk);
      for (const cns of bytes) {
        const buffer = rig.driver.arena.buffer(4096);
        const { status, written } = await sendAlone(
          rig,
          0,
          admin.identify(cns, 1, prpsFor(rig.driver.arena, buffer)),
        );
        const sum = written.reduce((n, { length }) => n + length, 0);
        expect([cns, sum]).toEqual([cns, status === 0 ? 4096 : 0]);
        if (status !== 0) expect(status).toBe(Status.invalidField);
        rig.driver.arena.rewind(buffer.pages[0] as number);
      }
    });

    it('each of the 256 features: set and get agree on whether it exists, and no unknown one is kept', async () => {
      const rig = await startDisk(disk);
      const page = rig.driver.arena.pages();
      for (const fid of bytes) {
        const more = { prp1: page, prp2: 0 };
        const get = await sendAlone(rig, 0, { ...admin.getFeatures(fid), ...more });
        expect(get.written).toEqual([]);
        for (const select of [1, 2, 3, 4, 5, 6, 7])
          await sendAlone(rig, 0, { ...admin.getFeatures(fid, { select }), ...more });
        const set = await sendAlone(rig, 0, { ...admin.setFeatures(fid, 0), ...more });
        if (get.status === Status.invalidField && fid !== 7) expect(set.status).not.toBe(Status.success);
        const saved = await sendAlone(rig, 0, { ...admin.setFeatures(fid | 0x8000_0000, 0), ...more });
        expect(saved.status).not.toBe(Status.success);
      }
      expect(rig.controller.isFatal).toBe(false);
    });

    it('each of the 256 log pages: known ones answer inside their length, others are refused', async () => {
      const rig = await startDisk(disk);
      for (const lid of bytes) {
        const buffer = rig.driver.arena.buffer(512);
        const { status, written } = await sendAlone(
          rig,
          0,
          admin.getLogPage(lid, 512, prpsFor(rig.driver.arena, buffer), { nsid: 1 }),
        );
        if (status !== 0) {
          expect([Status.invalidLogPage, Status.invalidField]).toContain(status);
          expect(written).toEqual([]);
        }
        rig.driver.arena.rewind(buffer.pages[0] as number);
      }
    });

    it('each directive type and operation (commands 19h, 1Ah; write hints) is refused', async () => {
      const rig = await startDisk(disk);
      const page = rig.driver.arena.pages();
      for (const opcode of [0x19, 0x1a]) {
        for (let type = 0; type < 256; type += 5) {
          const sqe = { opcode, nsid: 1, prp1: page, cdw10: 0xff, cdw11: (type << 8) | 1 };
          const { status, written } = await sendAlone(rig, 0, sqe);
          expect([status, written]).toEqual([Status.invalidOpcode, []]);
        }
      }
      // Hints of the directives' kind beside a read mean nothing, and do no harm.
      for (let hint = 0; hint < 16; hint++) {
        const sqe = { ...disk.read(1, { prp1: page, prp2: 0 }), cdw12: hint << 20, cdw13: END };
        expect((await sendAlone(rig, 1, sqe)).status).toBe(Status.success);
      }
    });

    it.each(Object.values(IoOpcode))('reserved bits and dwords do no harm (opcode %i)', async (opcode) => {
      const rig = await startDisk(disk);
      const page = rig.driver.arena.pages(2);
      for (const flags of [0x04, 0x08, 0x10, 0x20, 0x3c])
        await sendAlone(rig, 1, {
          opcode,
          flags,
          nsid: 1,
          prp1: page,
          prp2: page + 4096,
          cdw13: END,
          cdw14: END,
          cdw15: END,
        });
      for (const flags of [0x01, 0x02, 0x40, 0x80, 0xff]) {
        const { status, written } = await sendAlone(rig, 1, { opcode, flags, nsid: 1, prp1: page });
        expect([status, written]).toEqual([Status.invalidField, []]);
      }
    });
  });
});
