import { describe, expect, it } from 'vitest';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import type { Sqe } from '../driver/entries.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import { type Disk, disks, openChannel12, openChannel20, SEC, sendAlone, startDisk } from './disks.ts';

const vectorDisks = [openChannel12, openChannel20];

/** A vector command over addresses of the first block (or any), with data for all of them. */
function vector(rig: Rig, opcode: number, addresses: readonly number[], seed = 1): Sqe {
  const data = rig.driver.arena.buffer(addresses.length * SEC).fill(pattern(addresses.length * SEC, seed));
  return vectorCommand(rig.driver.arena, { opcode, addresses, data }).sqe;
}

const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);

describe('NLB zero-based and 0xFFFF, vectors over 64', () => {
  describe.each(disks)('$name', (disk) => {
    it('NLB 0 is one sector: exactly its bytes are moved', async () => {
      const rig = await startDisk(disk);
      const data = rig.driver.arena.buffer(4 * SEC);
      const { status, written } = await sendAlone(rig, 1, disk.read(1, prpsFor(rig.driver.arena, data)));
      expect(status).toBe(Status.success);
      expect(written.reduce((sum, { length }) => sum + length, 0)).toBe(SEC);
    });

    it.each([IoOpcode.read, IoOpcode.write])(
      'NLB 0xFFFF is 65,536 sectors: too many (opcode %i)',
      async (opcode) => {
        const rig = await startDisk(disk);
        const at = rig.driver.arena.pages();
        const sqe = { opcode, nsid: 1, prp1: at, prp2: at, cdw12: 0xffff };
        const { status, written } = await sendAlone(rig, 1, sqe);
        expect(status).not.toBe(Status.success);
        expect(written).toEqual([]);
      },
    );

    it('what is as long as the disk, and longer than MDTS, is refused before any list is read', async () => {
      const rig = await startDisk(disk, { config: { mdts: 2 } });
      const at = rig.driver.arena.pages(2);
      const { status } = await sendAlone(rig, 1, disk.read(64, { prp1: at, prp2: at + 4096 }));
      expect(status).toBe(Status.invalidField);
      expect(rig.memory.deviceReads).toHaveLength(1); // the command itself
    });
  });

  describe.each(vectorDisks)('$name', (disk) => {
    it.each([65, 66, 128, 0x8000, 0x1_0000])(
      'a vector of %i is refused, and its list is not read',
      async (count) => {
        const rig = await startDisk(disk);
        const sqe = vector(rig, IoOpcode.vectorRead, upTo(64));
        for (const opcode of [IoOpcode.vectorErase, IoOpcode.vectorWrite, IoOpcode.vectorRead]) {
          const { status, written } = await sendAlone(rig, 1, { ...sqe, opcode, cdw12: count - 1 });
          expect([status, written]).toEqual([Status.invalidField, []]);
          expect(rig.memory.deviceReads).toHaveLength(1);
        }
      },
    );

    it('a vector of 64 is carried out', async () => {
      const rig = await startDisk(disk);
      const { status } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(64)));
      expect(status).toBe(Status.success);
    });
  });
});

describe('SLBA + NLB wrap (BigInt, compare by subtraction)', () => {
  const END = 0xffff_ffff;
  const wraps = (disk: Disk): readonly (readonly [low: number, high: number, secs: number])[] => [
    [END, END, 1], // 2^64 - 1
    [END, END, 2], // wraps to 1
    [END, END, 65_536],
    [END - 7, END, 8], // ends at 2^64 exactly
    [0, 0x8000_0000, 1], // 2^63: negative where signed
    [0, 1, 1], // 2^32: 0 in 32 bits
    [END, 0, 2], // 32-bit sum wraps
    [0, 0x20_0000, 1], // 2^53: doubles lose bits from here on
    [1, 0x20_0000, 1],
    [disk.addressEnd, 0, 1],
    [disk.addressEnd - 1, 0, 2],
  ];

  describe.each(disks)('$name', (disk) => {
    it.each([
      IoOpcode.read,
      IoOpcode.write,
      IoOpcode.compare,
      IoOpcode.writeZeroes,
      IoOpcode.writeUncorrectable,
    ])('opcode %i: out of range (or no such command), nothing is moved', async (opcode) => {
      const rig = await startDisk(disk);
      const at = rig.driver.arena.pages(2);
      for (const [cdw10, cdw11, secs] of wraps(disk)) {
        const sqe = { opcode, nsid: 1, prp1: at, prp2: at + 4096, cdw10, cdw11, cdw12: secs - 1 };
        const { status, written } = await sendAlone(rig, 1, sqe);
        expect(written).toEqual([]);
        const allowed = [Status.lbaOutOfRange];
        if (disk.hasVectors && opcode !== IoOpcode.read)
          allowed.push(Status.invalidOpcode, Status.writeToReadOnlyRange, Status.writeFault);
        expect(allowed, `${cdw11.toString(16)}:${cdw10.toString(16)} + ${secs}`).toContain(status);
      }
      expect(rig.stores[0]?.units.size).toBe(0);
    });
  });

  it.each(vectorDisks)('a vector address above 2^32 is not its low half ($name)', async (disk) => {
    const rig = await startDisk(disk);
    for (const cdw11 of [1, 0x20_0000, 0x8000_0000, END]) {
      const sqe = { ...vector(rig, IoOpcode.vectorWrite, [0]), cdw11 };
      expect((await sendAlone(rig, 1, sqe)).status).not.toBe(Status.success);
    }
    expect(rig.stores[0]?.units.size).toBe(0);
  });
});

describe('vectors that span chunks, repeat or unsort addresses', () => {
  /** The first sectors of two blocks. */
  const second = (disk: Disk) => (disk === openChannel12 ? 128 : 64);

  describe.each(vectorDisks)('$name', (disk) => {
    it('that span chunks: each part goes to its own chunk', async () => {
      const rig = await startDisk(disk);
      const addresses = [...upTo(4), ...upTo(4, second(disk))];
      const { status, dw0, dw1 } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, addresses));
      expect({ status, dw0, dw1 }).toEqual({ status: Status.success, dw0: 0, dw1: 0 });
      expect(rig.stores[0]?.units.size).toBe(2);
    });

    it('that run over the end of a chunk do not reach the next', async () => {
      const rig = await startDisk(disk);
      const size = second(disk);
      for (let at = 0; at < size - 8; at += 8)
        expect((await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(8, at)))).status).toBe(0);
      const data = rig.driver.arena.buffer(16 * SEC);
      const run = {
        opcode: IoOpcode.write,
        nsid: 1,
        ...prpsFor(rig.driver.arena, data),
        cdw10: size - 8,
        cdw12: 15,
      };
      expect((await sendAlone(rig, 1, run)).status).not.toBe(Status.success);
    });

    it('that repeat an address write it once at most', async () => {
      const rig = await startDisk(disk);
      const { status } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, [0, 0, 0, 0]));
      expect(status).not.toBe(Status.success);
      // The chunk is where it was, or one sector on; never four.
      const rest = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(4, 4)));
      expect(rest.status).not.toBe(Status.success);
    });

    it('that repeat a chunk erase it, and answer', async () => {
      const rig = await startDisk(disk);
      await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(8)));
      const sqe = {
        ...vector(
          rig,
          IoOpcode.vectorErase,
          upTo(64).map(() => 0),
        ),
        metadata: 0,
      };
      await sendAlone(rig, 1, sqe);
      expect((await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(8)))).status).toBe(0);
    });

    it('that unsort addresses are read in the order asked for', async () => {
      const rig = await startDisk(disk);
      // Fill the chunk, so that no sector of it is in the cache of 2.0.
      for (let at = 0; at < second(disk); at += 8)
        await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(8, at), at));
      const data = rig.driver.arena.buffer(4 * SEC);
      const { sqe } = vectorCommand(rig.driver.arena, {
        opcode: IoOpcode.vectorRead,
        addresses: [9, 0, 8, 0],
        data,
      });
      expect((await sendAlone(rig, 1, sqe)).status).toBe(0);
      const sector = (sec: number) =>
        pattern(8 * SEC, sec - (sec % 8)).subarray((sec % 8) * SEC, ((sec % 8) + 1) * SEC);
      [9, 0, 8, 0].forEach((sec, i) =>
        expect(Buffer.compare(data.read().subarray(i * SEC, (i + 1) * SEC), sector(sec))).toBe(0),
      );
    });
  });
});

describe('range error masked as another', () => {
  it.each(disks)('is said even where other things are wrong as well ($name)', async (disk) => {
    const rig = await startDisk(disk, { config: { mdts: 2 } });
    const bad = { prp1: 0xa_0000, prp2: 0xa_0000 };
    const far = { ...disk.read(4, bad), cdw10: 0xffff_fff0, cdw11: 0xffff };
    expect((await sendAlone(rig, 1, far)).status).toBe(Status.lbaOutOfRange);
    expect((await sendAlone(rig, 1, { ...far, cdw12: 0xffff })).status).toBe(Status.lbaOutOfRange);
  });

  it('of a vector address is said before the data is looked at (1.2)', async () => {
    const rig = await startDisk(openChannel12);
    const sqe = { ...vector(rig, IoOpcode.vectorRead, [0, 0xffff_ffff]), prp1: 0xa_0000 };
    expect((await sendAlone(rig, 1, sqe)).status).toBe(Status.lbaOutOfRange);
  });
});

describe('64-entry bitmaps', () => {
  const fails = (bits: readonly number[]) => ({
    dw0: bits.filter((b) => b < 32).reduce((n, b) => n + 2 ** b, 0),
    dw1: bits.filter((b) => b >= 32).reduce((n, b) => n + 2 ** (b - 32), 0),
  });

  it.each([[[0]], [[31]], [[32]], [[33]], [[63]], [[0, 31, 32, 63]], [upTo(64)]])(
    '1.2: reads of unwritten sectors at %j set exactly those bits',
    async (bits) => {
      const rig = await startDisk(openChannel12);
      await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(8)));
      const addresses = upTo(64).map((i) => (bits.includes(i) ? 200 + i : i % 8));
      const { status, dw0, dw1 } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorRead, addresses));
      expect(status).toBe(Status.emptyPage);
      expect({ dw0, dw1 }).toEqual(fails(bits));
    },
  );

  it.each([[[31]], [[32]], [[63]]])('1.2: a write out of order at %j fails alone', async (bits) => {
    const rig = await startDisk(openChannel12);
    const addresses = upTo(64);
    bits.forEach((b) => (addresses[b] = 128 + 77));
    addresses.splice(
      0,
      64,
      ...addresses.map((a, i) => (bits.includes(i) ? a : i - bits.filter((b) => b < i).length)),
    );
    const { status, dw0, dw1 } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, addresses));
    expect(status).toBe(Status.writeFailure);
    expect({ dw0, dw1 }).toEqual(fails(bits));
  });

  it('are 0 of a command that did not fail, even when the one before did', async () => {
    const rig = await startDisk(openChannel12);
    await sendAlone(rig, 1, vector(rig, IoOpcode.vectorRead, upTo(64)));
    const { status, dw0, dw1 } = await sendAlone(rig, 1, vector(rig, IoOpcode.vectorWrite, upTo(64)));
    expect({ status, dw0, dw1 }).toEqual({ status: 0, dw0: 0, dw1: 0 });
  });
});
