import { describe, expect, it } from 'vitest';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import type { Sqe } from '../driver/entries.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import { plainDisk, type Rig, startRig } from '../driver/rig.ts';
import { vectorCommand } from '../driver/vector.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import { FakeMemory, HOLE_BEGIN, HOLE_END, type Range } from '../fakes/fake-memory.ts';
import { type Disk, disks, openChannel12, openChannel20, SEC, sendAlone, startDisk } from './disks.ts';

const RAM_END = 16 * 1024 * 1024;
const REGISTERS = 8 * 1024 * 1024;

const outside: readonly (readonly [string, number])[] = [
  ['the legacy hole', HOLE_BEGIN],
  ['the end of the legacy hole', HOLE_END - PAGE],
  ['the end of RAM', RAM_END],
  ['4 GiB', 2 ** 32],
  ['4 GiB above RAM', 2 ** 32 + HOLE_END],
  ['2^52', 2 ** 52],
  ['2^63', 2 ** 63],
  ['the last page of 64 bits', 2 ** 64 - PAGE],
];
const registers: readonly (readonly [string, number])[] = [
  ['the first register', REGISTERS],
  ['the doorbells', REGISTERS + 0x1000],
];

/** Every pointer that a read can have leads to `bad` in turn; none of them may move a byte. */
async function everyPointer(disk: Disk, bad: number): Promise<void> {
  const rig = await startDisk(disk);
  const { arena } = rig.driver;
  const good = arena.pages(4);
  const list = arena.pages();
  const commands = [
    disk.read(1, { prp1: bad, prp2: 0 }),
    disk.read(2, { prp1: good, prp2: bad }),
    disk.read(3, { prp1: good, prp2: bad }), // as a list
    disk.read(3, { prp1: good, prp2: list }),
    disk.read(1, { prp1: bad - 4, prp2: good }), // begins good, ends bad (or the other way round)
  ];
  rig.memory.put64(list, good + PAGE);
  rig.memory.put64(list + 8, bad);
  for (const sqe of commands) {
    const { status, written } = await sendAlone(rig, 1, sqe);
    if (sqe === commands[4] && rig.memory.isRam(bad - 4, 4)) continue; // page by page: all of it is RAM
    expect([Status.dataTransferError, Status.prpOffsetInvalid]).toContain(status);
    expect(written).toEqual([]);
  }
  const { status, written } = await sendAlone(rig, 0, admin.identify(1, 0, { prp1: bad, prp2: 0 }));
  expect(status).toBe(Status.dataTransferError);
  expect(written).toEqual([]);
  if (!disk.hasVectors) return;
  const data = arena.buffer(2 * SEC);
  const { sqe } = vectorCommand(arena, {
    opcode: IoOpcode.vectorRead,
    addresses: [0, 1],
    data,
    oobBytes: 16,
  });
  const inList = { ...sqe, cdw10: bad % 2 ** 32, cdw11: Math.floor(bad / 2 ** 32) };
  for (const vector of [{ ...sqe, metadata: bad }, inList]) {
    const answer = await sendAlone(rig, 1, vector);
    expect(answer.status).toBe(Status.dataTransferError);
    expect(answer.written).toEqual([]);
  }
}

describe('DMA outside RAM', () => {
  for (const disk of disks) {
    it.each(outside)(`${disk.name}: to %s`, (_where, address) => everyPointer(disk, address));
  }

  it('that begins in RAM and ends outside moves nothing at all', async () => {
    const rig = await startDisk(openChannel12);
    const data = rig.driver.arena.buffer(SEC);
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: IoOpcode.vectorWrite, addresses: [0], data });
    const { status } = await sendAlone(rig, 1, { ...sqe, metadata: RAM_END - 8 });
    expect(status).toBe(Status.dataTransferError);
    // And nothing was written to the flash: the same sector can still be written.
    expect((await sendAlone(rig, 1, sqe)).status).toBe(Status.success);
  });

  it('that was RAM when the command began, and is not when its data comes, ends with an error', async () => {
    const rig = await startRig({ namespaces: [plainDisk()], store: 'held' });
    const data = rig.driver.arena.buffer(SEC);
    const pending = rig.driver.submit(1, {
      opcode: IoOpcode.read,
      nsid: 1,
      ...prpsFor(rig.driver.arena, data),
    });
    rig.memory.write = (address, source, offset, length) =>
      length === 16 && FakeMemory.prototype.write.call(rig.memory, address, source, offset, length);
    await rig.stores[0]?.releaseAll();
    expect((await rig.driver.wait(pending)).status).toBe(Status.dataTransferError);
  });
});

describe('DMA into the device’s own registers (CVE-2021-3929)', () => {
  for (const disk of disks) {
    it.each(registers)(`${disk.name}: to %s`, async (_where, address) => {
      await everyPointer(disk, address);
    });
  }

  it('of a queue is refused when it is made', async () => {
    const rig = await startDisk(disks[0] as Disk);
    for (const sqe of [admin.createCq(2, 8, REGISTERS), admin.createSq(2, 8, REGISTERS, 1)])
      expect((await rig.driver.admin(sqe)).status).toBe(Status.dataTransferError);
  });
});

/** Memory of which every byte turns into something else as soon as the device has read it. */
class ShiftingMemory extends FakeMemory {
  shifting = false;

  override read(address: number, target: Uint8Array, offset: number, length: number): boolean {
    const ok = super.read(address, target, offset, length);
    if (ok && this.shifting) this.ram.fill(0xff, address, address + length);
    return ok;
  }
}

function overlaps(ranges: readonly Range[]): boolean {
  const sorted = [...ranges].filter(({ length }) => length > 0).sort((a, b) => a.address - b.address);
  return sorted.some((r, i) => {
    const next = sorted[i + 1];
    return next !== undefined && r.address + r.length > next.address;
  });
}

describe('fetching a command or PRP list twice', () => {
  const store = ['sync', 'soon'] as const;
  const cases = disks.flatMap((disk) =>
    store.map((mode) => ({ disk, mode, name: `${disk.name}, store ${mode}` })),
  );

  async function writeAndRead(rig: Rig, disk: Disk): Promise<Uint8Array> {
    const memory = rig.memory as ShiftingMemory;
    const { arena } = rig.driver;
    const from = arena.buffer(8 * SEC, { scattered: true }).fill(pattern(8 * SEC, 7));
    const write = { ...disk.write(rig, from, 16), ...prpsFor(arena, from) };
    const alone = async (sqe: Sqe) => {
      const pending = rig.driver.enqueue(1, sqe);
      memory.shifting = memory.constructor === ShiftingMemory;
      memory.forget();
      pending.sq.ring();
      const { status } = await rig.driver.wait(pending);
      memory.shifting = false;
      expect(overlaps(memory.deviceReads)).toBe(false);
      return status;
    };
    expect(await alone(write)).toBe(Status.success);
    // (In 2.0 these are still in the cache, and read as zeros; what was written is looked up in the store.)
    const into = arena.buffer(4 * SEC, { scattered: true });
    expect(await alone(disk.read(4, prpsFor(arena, into)))).toBe(Status.success);
    return into.read();
  }

  it.each(cases)('makes no difference: each byte is read once ($name)', async ({ disk, mode }) => {
    const still = await writeAndRead(await startDisk(disk, { store: mode }), disk);
    const shifting = await startDisk(disk, { store: mode, memory: new ShiftingMemory() });
    expectBytes(await writeAndRead(shifting, disk), still);
    const stored = [...(shifting.stores[0]?.units.values() ?? [])].map((unit) => unit.subarray(0, SEC));
    expect(stored.length).toBeGreaterThan(0);
    expectBytes(stored[0] as Uint8Array, pattern(8 * SEC, 7).subarray(0, SEC));
  });

  it.each([openChannel12, openChannel20])('nor of a list of addresses ($name)', async (disk) => {
    const memory = new ShiftingMemory();
    const rig = await startDisk(disk, { memory });
    const data = rig.driver.arena.buffer(64 * SEC);
    const addresses = Array.from({ length: 64 }, (_, i) => i);
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: IoOpcode.vectorWrite, addresses, data });
    memory.shifting = true;
    memory.forget();
    const { status, dw0, dw1 } = await rig.driver.command(1, sqe);
    expect({ status, dw0, dw1 }).toEqual({ status: 0, dw0: 0, dw1: 0 });
    expect(overlaps(memory.deviceReads)).toBe(false);
  });
});

describe('PRP unaligned, zero, mid-page list, chain at page end, self-loop', () => {
  describe.each(disks)('$name', (disk) => {
    it('unaligned: refused, nothing is moved', async () => {
      const rig = await startDisk(disk);
      const at = rig.driver.arena.pages(8);
      const list = rig.driver.arena.pages();
      rig.memory.put64(list, at + PAGE + 4);
      for (const prps of [
        { prp1: at + 1, prp2: 0 },
        { prp1: at + 2, prp2: 0 },
        { prp1: at + 3, prp2: 0 },
      ]) {
        const { status, written } = await sendAlone(rig, 1, disk.read(1, prps));
        expect([status, written]).toEqual([Status.prpOffsetInvalid, []]);
      }
      for (const [secs, prp2] of [
        [2, at + PAGE + 4],
        [3, list + 4],
        [3, list],
      ] as const) {
        const { status, written } = await sendAlone(rig, 1, disk.read(secs, { prp1: at, prp2 }));
        expect([status, written]).toEqual([Status.prpOffsetInvalid, []]);
      }
    });

    it('zero: page 0 is nobody’s buffer', async () => {
      const rig = await startDisk(disk);
      const at = rig.driver.arena.pages(8);
      const list = rig.driver.arena.pages(); // all zeros
      for (const [secs, prp1, prp2] of [
        [1, 0, 0],
        [2, at, 0],
        [3, at, 0],
        [3, at, list],
      ] as const) {
        const { status, written } = await sendAlone(rig, 1, disk.read(secs, { prp1, prp2 }));
        expect([Status.invalidField, Status.prpOffsetInvalid]).toContain(status);
        expect(written).toEqual([]);
      }
    });

    it.each([
      ['mid-page', 256],
      ['in the last slots of its page, chained on', 511],
      ['ending exactly at the page end', 512 - 7],
    ])('a list %s', async (_what, slot) => {
      const rig = await startDisk(disk);
      const { arena } = rig.driver;
      const into = arena.buffer(8 * SEC, { scattered: true });
      into.fill(pattern(8 * SEC, 3));
      const { status, written } = await sendAlone(rig, 1, disk.read(8, prpsFor(arena, into, slot * 8)));
      expect(status).toBe(Status.success);
      expect(
        written.every((w) => into.ranges.some((r) => w.address >= r.address && w.address < r.address + PAGE)),
      ).toBe(true);
    });

    it('a list that is only a pointer to itself: refused, not followed for ever', async () => {
      const rig = await startDisk(disk);
      const { arena } = rig.driver;
      const [list, at] = [arena.pages(), arena.pages()];
      rig.memory.put64(list + PAGE - 8, list + PAGE - 8);
      const { status, written } = await sendAlone(rig, 1, disk.read(8, { prp1: at, prp2: list + PAGE - 8 }));
      expect([status, written]).toEqual([Status.prpOffsetInvalid, []]);
      expect(rig.memory.deviceReads.length).toBeLessThan(6);
    });
  });
});
