import { describe, expect, it } from 'vitest';
import { barBytes } from '../../src/device/controller.ts';
import { Cc, Csts, Register } from '../../src/spec/registers.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { CC_LINUX } from '../driver/driver.ts';
import { makeRig, type Rig, startRig } from '../driver/rig.ts';
import { HOLE_BEGIN, HOLE_END } from '../fakes/fake-memory.ts';
import { plugIntoFakeBus } from './fake-bus.ts';
import { openChannel12, SEC, startDisk } from './disks.ts';

const DOORBELL = Register.doorbells;
const REGISTERS = 8 * 1024 * 1024;
const write = (rig: Rig, offset: number, value: number) => rig.controller.write32(offset, value);
const csts = (rig: Rig) => rig.controller.read32(Register.csts);

describe('8/16/32/64-bit, unaligned and last-byte register access (CVE-2018-16847)', () => {
  it('every byte of the BAR is read at every width, and agrees with the aligned dwords', async () => {
    const rig = await startRig();
    const size = barBytes(rig.controller.config);
    const dword = (at: number) => (at + 4 <= size ? rig.controller.read32(at) : 0);
    for (let at = 0; at < size; at++) {
      const aligned = at & ~3;
      const pair = BigInt(dword(aligned)) | (BigInt(dword(aligned + 4)) << 32n);
      expect(rig.controller.read8(at)).toBe(Number((pair >> BigInt(8 * (at & 3))) & 0xffn));
      if (at + 4 <= size)
        expect(rig.controller.read32(at)).toBe(Number((pair >> BigInt(8 * (at & 3))) & 0xffff_ffffn));
    }
  });

  it('narrow and unaligned writes over the whole BAR change nothing', async () => {
    const rig = await startRig();
    const size = barBytes(rig.controller.config);
    const before = Array.from({ length: 16 }, (_, i) => rig.controller.read32(4 * i));
    rig.memory.forget();
    for (let at = 0; at < size; at++) {
      rig.controller.write8(at, 0xff);
      if (at % 4 !== 0) rig.controller.write32(at, 0xffff_ffff);
    }
    expect(Array.from({ length: 16 }, (_, i) => rig.controller.read32(4 * i))).toEqual(before);
    expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
    expect(rig.telemetry.refusals.length).toBeLessThan(30);
  });

  it('the bus hands over only what is inside the BAR, its last byte included', async () => {
    const rig = await makeRig();
    const { map, pci, bytes, base, offsets } = plugIntoFakeBus(rig);
    const size = barBytes(rig.controller.config);
    expect(map.read32(base)).toBe(-1); // Memory Space is off
    pci.pci_write8((8 << 11) | 4, 0x6);
    expect(bytes[4]).toBe(0x6);
    expect(map.read32(base) >>> 0).toBe(rig.controller.read32(0));
    for (const at of [base - 1, base + size, base + size + 0x1000, 0, 2 ** 31, -1]) {
      expect(map.read8(at)).toBe(0xff);
      map.write8(at, 1);
    }
    for (let at = size - 3; at < size; at++) {
      expect(map.read32(base + at)).toBe(-1); // would reach beyond
      map.write32(base + at, 1);
    }
    map.read8(base + size - 1);
    // As v86 has addresses above 2 GiB: signed.
    map.read8((base + 4) | 0);
    expect(offsets.every((offset) => offset >= 0 && offset < size)).toBe(true);
    expect(offsets).toContain(size - 1);
    expect(offsets).toContain(4);
  });
});

describe('counts read from config space (CVE-2024-26328)', () => {
  it('there are none: whatever is written there, identification, the BAR’s size and capabilities stay', async () => {
    const rig = await makeRig();
    const { pci, bytes, map, base } = plugIntoFakeBus(rig);
    const before = bytes.slice();
    const function_ = 8 << 11;
    for (const value of [-1, 0x5555_5555, 0x7fff_ffff, 0]) {
      for (let at = 0; at < 256; at++) {
        pci.pci_write8(function_ | at, value & 0xff);
        if (at % 2 === 0) pci.pci_write16(function_ | at, value & 0xffff);
        if (at % 4 === 0) pci.pci_write32(function_ | at, value);
      }
    }
    const writable = new Set([0x04, 0x05, 0x0c, 0x3c, 0x10, 0x11, 0x12, 0x13]);
    for (let at = 0; at < 64; at++) if (!writable.has(at)) expect([at, bytes[at]]).toEqual([at, before[at]]);
    expect(bytes.subarray(64).every((byte) => byte === 0)).toBe(true);
    // No capability list, hence no SR-IOV with a count of virtual functions to believe.
    expect([(bytes[6] ?? 0) & 0x10, bytes[0x34]]).toEqual([0, 0]);
    const bar = () => new DataView(bytes.buffer).getUint32(0x10, true);
    pci.pci_write32(function_ | 0x10, -1);
    expect(2 ** 32 - bar()).toBe(barBytes(rig.controller.config));
    pci.pci_write32(function_ | 0x10, base | 0xff);
    expect(bar()).toBe(base);
    pci.pci_write8(function_ | 4, 0x6);
    expect(map.read32(base) >>> 0).toBe(rig.controller.read32(0));
  });

  it('writes to an empty slot go nowhere', async () => {
    const { pci } = plugIntoFakeBus(await makeRig());
    for (let id = 0; id < 0x100; id++) {
      for (const write of [pci.pci_write8, pci.pci_write16, pci.pci_write32])
        expect(() => write((id << 8) | 0x10, -1)).not.toThrow();
    }
  });
});

/** Sets the admin queue registers and enables. */
function enableWith(rig: Rig, over: Partial<Record<'aqa' | 'asq' | 'acq' | 'cc', number>>): void {
  const { registers } = rig.driver;
  registers.aqa = over.aqa ?? 0x001f_001f;
  registers.asq = over.asq ?? HOLE_END;
  registers.acq = over.acq ?? HOLE_END + 4096;
  write(rig, Register.cc, (over.cc ?? CC_LINUX) | Cc.enable);
}

describe('bad admin-queue size or address', () => {
  it.each([
    ['sizes of one entry', { aqa: 0 }],
    ['a submission queue of one entry', { aqa: 0x001f_0000 }],
    ['a completion queue of one entry', { aqa: 0x0000_001f }],
    ['no submission queue', { asq: 0 }],
    ['no completion queue', { acq: 0 }],
    ['a submission queue in the legacy hole', { asq: HOLE_BEGIN }],
    ['one whose last entry is in the hole', { asq: HOLE_BEGIN - 4096, aqa: 0x001f_0040 }],
    ['a completion queue beyond RAM', { acq: 16 * 1024 * 1024 }],
    ['one that ends beyond RAM', { acq: 16 * 1024 * 1024 - 4096, aqa: 0x0fff_001f }],
    ['a completion queue in the registers', { acq: REGISTERS }],
    ['a submission queue in the doorbells', { asq: REGISTERS + 0x1000 }],
    ['addresses that wrap', { asq: 2 ** 64 - 4096, acq: 2 ** 63 }],
  ])('%s: fatal status, nothing is read or written, and a reset mends it', async (_what, over) => {
    const rig = await makeRig();
    enableWith(rig, over);
    expect(csts(rig)).toBe(Csts.fatal);
    write(rig, DOORBELL, 1);
    expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
    write(rig, Register.cc, 0);
    expect(csts(rig)).toBe(0);
    enableWith(rig, {});
    expect(csts(rig)).toBe(Csts.ready);
  });

  it('the largest queues work, and roll over', async () => {
    const rig = await makeRig({ adminSqEntries: 4096, adminCqEntries: 4096 });
    rig.driver.enable();
    for (let i = 0; i < 5000; i++) await rig.driver.admin(admin.getFeatures(7));
    expect(rig.driver.unexpected).toEqual([]);
  });
});

describe('doorbell before ready or to an absent queue', () => {
  it('before ready: nothing is fetched, then or later', async () => {
    const rig = await makeRig();
    for (let i = 0; i < 64; i++) write(rig, DOORBELL + 4 * i, i);
    rig.driver.enable();
    rig.clock.run();
    expect(rig.memory.deviceReads).toEqual([]);
    expect((await rig.driver.admin(admin.getFeatures(7))).status).toBe(Status.success);
  });

  it('to an absent queue, over the whole BAR: nothing is fetched, and what is there goes on', async () => {
    const rig = await startRig();
    rig.memory.forget();
    for (let at = DOORBELL + 16; at < barBytes(rig.controller.config); at += 4)
      for (const value of [0, 1, 0xffff, 0xffff_ffff]) write(rig, at, value);
    expect(rig.memory.deviceReads).toEqual([]);
    expect((await rig.driver.admin(admin.getFeatures(7))).status).toBe(Status.success);
    expect(csts(rig)).toBe(Csts.ready);
  });

  it.each([64, 65, 0x1_0000, 0x8000_0000, 0xffff_ffff])(
    'with the value %i that the queue cannot have',
    async (value) => {
      const rig = await startRig();
      rig.memory.forget();
      write(rig, DOORBELL + 8, value);
      write(rig, DOORBELL + 12, value);
      expect(rig.memory.deviceReads).toEqual([]);
      expect((await rig.driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(Status.success);
    },
  );

  it('of completions that were never there: not taken', async () => {
    const rig = await startRig();
    for (let value = 1; value < 64; value++) write(rig, DOORBELL + 12, value);
    for (let i = 0; i < 200; i++)
      expect((await rig.driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(0);
  });
});

describe('ready with fatal status', () => {
  async function broken(): Promise<Rig> {
    const rig = await startRig();
    rig.memory.unreachable = true;
    write(rig, DOORBELL + 8, 1);
    rig.memory.unreachable = false;
    return rig;
  }

  it('comes when a queue is no longer in memory; doorbells are dead from then on', async () => {
    const rig = await broken();
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
    rig.memory.forget();
    write(rig, DOORBELL + 8, 2);
    write(rig, DOORBELL, 5);
    rig.clock.run();
    expect(rig.memory.deviceReads).toEqual([]);
  });

  it('is not left by anything but a reset', async () => {
    const rig = await broken();
    write(rig, Register.cc, CC_LINUX | Cc.enable); // EN was and is 1
    write(rig, Register.csts, 0xffff_ffff);
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
    await rig.driver.start();
    expect(csts(rig)).toBe(Csts.ready);
    expect((await rig.driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(Status.success);
  });
});

describe('EN toggled in a storm', () => {
  it.each(['sync', 'soon', 'held'] as const)(
    'with commands in flight each time (store %s)',
    async (store) => {
      const rig = await startDisk(openChannel12, { store });
      for (let i = 0; i < 200; i++) {
        if (i % 3 === 0) {
          const data = rig.driver.arena.buffer(8 * SEC);
          rig.driver.submit(1, openChannel12.write(rig, data));
          rig.driver.submit(0, admin.asyncEvent());
          rig.driver.submit(1, { opcode: 0, nsid: 1 });
        }
        rig.driver.disable();
        expect(csts(rig) & (Csts.ready | Csts.fatal)).toBe(0);
        expect(rig.interrupt.level).toBe(false);
        if (i % 7 === 0) await rig.stores[0]?.releaseAll();
        rig.driver.arena.rewind(HOLE_END);
        await rig.driver.start();
      }
      await rig.stores[0]?.releaseAll();
      expect(rig.driver.unexpected).toEqual([]);
      // Neither the requests that were held nor the commands that waited are kept.
      const { commands } = rig.controller as unknown as { commands: { all: readonly unknown[] } };
      expect(commands.all.length).toBeLessThan(16);
    },
  );

  it('bare, ten thousand times, with every queue address there is', async () => {
    const rig = await makeRig();
    for (let i = 0; i < 10_000; i++) {
      enableWith(rig, { asq: (i * 4096) % (17 * 1024 * 1024), acq: (i * 8192) % (17 * 1024 * 1024), aqa: i });
      write(rig, Register.cc, i % 2 === 0 ? 0 : CC_LINUX & ~Cc.enable);
      expect(csts(rig) & (Csts.ready | Csts.fatal)).toBe(0);
    }
    await rig.driver.start();
  });
});

describe('head and tail not reset on re-create', () => {
  it('a queue that is nowhere is not made', async () => {
    const rig = await startRig();
    for (const sqe of [admin.createCq(2, 8, 0), admin.createSq(2, 8, 0, 1)])
      expect((await rig.driver.admin(sqe)).status).toBe(Status.prpOffsetInvalid);
  });

  it('a queue pair that is deleted and made again begins at 0 with phase 1', async () => {
    const rig = await startRig();
    for (let i = 0; i < 20; i++) {
      // Stop at a different place each time, half of the times in the second round.
      for (let n = 0; n < 5 * i; n++)
        expect((await rig.driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(Status.success);
      await rig.driver.adminOk(admin.deleteSq(1));
      await rig.driver.adminOk(admin.deleteCq(1));
      await rig.driver.createQueuePair(1, 64);
      rig.memory.forget();
      const { sqHead } = await rig.driver.command(1, { opcode: 0, nsid: 1 });
      expect(sqHead).toBe(1);
      expect(rig.memory.deviceReads[0]?.address).toBe(rig.driver.queue(1).pages[0]);
      expect(rig.memory.deviceWrites[0]?.address).toBe(rig.driver.cqs.get(1)?.pages[0]);
    }
    expect(rig.driver.unexpected).toEqual([]);
  });

  it('nor is the admin queue’s after a reset', async () => {
    const rig = await startRig();
    for (let i = 0; i < 10; i++) {
      for (let n = 0; n < 7 * i; n++) await rig.driver.admin(admin.getFeatures(7));
      rig.driver.reset();
      const { sqHead, phase } = await rig.driver.admin(admin.getFeatures(7));
      expect([sqHead, phase]).toEqual([1, 1]);
    }
  });
});
