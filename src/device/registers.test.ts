import { beforeEach, describe, expect, it } from 'vitest';
import { CC_LINUX } from '../../test/driver/driver.ts';
import { makeRig, type Rig } from '../../test/driver/rig.ts';
import { HOLE_BEGIN, HOLE_END } from '../../test/fakes/fake-memory.ts';
import { barBytes } from './controller.ts';
import { Cc, Csts, Register, VERSION_1_2 } from '../spec/registers.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await makeRig();
});

const read = (offset: number) => rig.controller.read32(offset);
const write = (offset: number, value: number) => rig.controller.write32(offset, value);

describe('registers', () => {
  it('after power-on: capabilities, version, and zeros', () => {
    expect(read(Register.cap) & 0xffff).toBe(0x7ff);
    expect(rig.driver.registers.read64(Register.cap)).toBe(read(4) * 2 ** 32 + read(0));
    expect(read(Register.vs)).toBe(VERSION_1_2);
    for (const offset of [0x0c, 0x10, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c]) {
      expect(read(offset), offset.toString(16)).toBe(0);
    }
  });

  it('keep AQA, ASQ and ACQ, but not their reserved bits', () => {
    write(Register.aqa, 0xffff_ffff);
    expect(read(Register.aqa)).toBe(0x0fff_0fff);
    for (const offset of [Register.asq, Register.acq]) {
      write(offset + 4, 0xffff_ffff);
      write(offset, -1); // as the machine hands values over: signed
      expect([read(offset), read(offset + 4)]).toEqual([0xffff_f000, 0xffff_ffff]);
      write(offset + 4, 0);
      expect([read(offset), read(offset + 4)]).toEqual([0xffff_f000, 0]);
    }
  });

  it('are read at any offset and width', () => {
    const bytes = new Uint8Array(0x40);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < 0x40; at += 4) view.setUint32(at, read(at), true);
    for (let at = 0; at < 0x40; at++) expect(rig.controller.read8(at), `${at}`).toBe(bytes[at]);
    for (let at = 0; at <= 0x3c; at++) expect(read(at), `${at}`).toBe(view.getUint32(at, true));
    const bytesOfBar = barBytes(rig.controller.config);
    for (let at = bytesOfBar - 8; at < bytesOfBar; at++) {
      expect(rig.controller.read8(at)).toBe(0);
      expect(read(at)).toBe(0);
    }
  });

  it('ignore unaligned and narrow writes, and say so', () => {
    rig.driver.enable();
    const cc = read(Register.cc);
    write(Register.cc + 1, 0);
    rig.controller.write8(Register.cc, 0);
    rig.controller.write8(0x1000, 1);
    rig.controller.write8(0x1003, -1);
    write(0x1002, 1);
    expect(read(Register.cc)).toBe(cc);
    expect(rig.controller.isReady).toBe(true);
    expect(rig.telemetry.refusals).toHaveLength(5);
  });

  it('that are read-only stay', () => {
    for (const offset of [0x00, 0x04, 0x08, 0x18, 0x1c, 0x20, 0x38, 0x3c, 0xffc]) {
      const before = read(offset);
      write(offset, 0xffff_ffff);
      expect(read(offset), offset.toString(16)).toBe(before);
    }
  });

  it('mask and unmask by set and clear', () => {
    write(Register.intms, 0b0110);
    write(Register.intms, 0b1000);
    write(Register.intmc, 0b0010);
    expect([read(Register.intms), read(Register.intmc)]).toEqual([0b1100, 0b1100]);
    write(Register.intms, 0x8000_0000);
    expect(read(Register.intms)).toBe(0x8000_000c);
  });

  it.each([
    [0, 8, 8192],
    [0, 64, 8192],
    [0, 600, 16384],
    [12, 8, 512 * 1024],
  ])(
    'with doorbells 4 << %i apart for %i queues are %i bytes',
    async (doorbellStride, ioQueuePairs, bytes) => {
      const { controller } = await makeRig({ config: { doorbellStride, ioQueuePairs } });
      expect(barBytes(controller.config)).toBe(bytes);
    },
  );
});

describe('enabling', () => {
  it('makes it ready, disabling makes it not', () => {
    rig.driver.enable();
    expect(read(Register.csts)).toBe(Csts.ready);
    rig.driver.disable();
    expect(read(Register.csts)).toBe(0);
    rig.driver.enable();
    expect(read(Register.csts)).toBe(Csts.ready);
  });

  const start = (over: Partial<Record<'aqa' | 'asq' | 'acq' | 'cc', number>>) => {
    const values = { aqa: 0x001f_001f, asq: HOLE_END, acq: HOLE_END + 4096, cc: CC_LINUX, ...over };
    rig.driver.registers.aqa = values.aqa;
    rig.driver.registers.asq = values.asq;
    rig.driver.registers.acq = values.acq;
    write(Register.cc, values.cc | Cc.enable);
  };

  it.each([
    ['a submission queue of one entry', { aqa: 0x001f_0000 }],
    ['a completion queue of one entry', { aqa: 0x0000_001f }],
    ['a submission queue beyond RAM', { asq: 16 * 1024 * 1024 }],
    ['a completion queue beyond RAM', { acq: 2 ** 40 }],
    ['a submission queue that runs into the legacy hole', { asq: HOLE_BEGIN - 4096, aqa: 0x001f_00ff }],
    ['a completion queue in the hole', { acq: HOLE_BEGIN }],
    ['a queue in the registers', { asq: 8 * 1024 * 1024 }],
    ['a page size it has not', { cc: CC_LINUX | (1 << Cc.mpsShift) }],
    ['another command set', { cc: CC_LINUX | (1 << Cc.cssShift) }],
    ['another arbitration', { cc: CC_LINUX | (1 << Cc.amsShift) }],
  ])('with %s is fatal, until it is disabled', (_what, over) => {
    start(over);
    expect(read(Register.csts)).toBe(Csts.fatal);
    expect(rig.controller.isFatal).toBe(true);
    expect(rig.telemetry.refusals.at(-1)).toMatch(/fatal/);
    write(0x1000, 1); // a doorbell has no effect
    expect(rig.memory.deviceReads).toEqual([]);
    write(Register.cc, 0);
    expect(read(Register.csts)).toBe(0);
    start({});
    expect(read(Register.csts)).toBe(Csts.ready);
  });

  it('with larger pages wants larger alignment', async () => {
    rig = await makeRig({ config: { mpsMax: 2 } });
    start({ cc: CC_LINUX | (2 << Cc.mpsShift), acq: HOLE_END + 4096 });
    expect(rig.controller.isFatal).toBe(true);
    write(Register.cc, 0);
    start({ cc: CC_LINUX | (2 << Cc.mpsShift), acq: HOLE_END + 4 * 4096 });
    expect(rig.controller.isReady).toBe(true);
    expect(rig.controller.pageBytes).toBe(16384);
  });

  it('survives a storm', () => {
    for (let i = 0; i < 200; i++) {
      start({ aqa: i % 3 === 0 ? 0 : 0x001f_001f });
      write(Register.cc, i % 2 === 0 ? 0 : CC_LINUX);
    }
    start({});
    expect(rig.controller.isReady).toBe(true);
  });
});

describe('shutdown', () => {
  const SHN_NORMAL = 1 << Cc.shnShift;

  it('is complete at once over a store that answers at once, and flushes', () => {
    rig.driver.enable();
    write(Register.cc, read(Register.cc) | SHN_NORMAL);
    expect(read(Register.csts) & Csts.shutdownMask).toBe(Csts.shutdownComplete);
    expect(rig.stores[0]?.commits.map((c) => c.durability)).toEqual(['strict']);
    rig.driver.disable();
    expect(read(Register.csts)).toBe(0);
  });

  it('occurs until the store has flushed, and completes even if that fails', async () => {
    rig = await makeRig({ store: 'held' });
    const store = rig.stores[0];
    if (store) store.failCommitIn = 1;
    rig.driver.enable();
    write(Register.cc, read(Register.cc) | SHN_NORMAL);
    expect(read(Register.csts) & Csts.shutdownMask).toBe(Csts.shutdownOccurring);
    await store?.releaseCommits(0);
    await store?.releaseCommits();
    expect(read(Register.csts) & Csts.shutdownMask).toBe(Csts.shutdownComplete);
  });

  it('that a reset has ended does not complete afterwards', async () => {
    rig = await makeRig({ store: 'held' });
    rig.driver.enable();
    write(Register.cc, read(Register.cc) | SHN_NORMAL);
    rig.driver.reset();
    await rig.stores[0]?.releaseAll();
    expect(read(Register.csts)).toBe(Csts.ready);
  });
});

it('a power cycle forgets the registers', () => {
  rig.driver.enable();
  write(Register.intms, 1);
  rig.controller.powerCycle();
  for (const offset of [0x0c, 0x14, 0x1c, 0x24, 0x28, 0x30]) expect(read(offset)).toBe(0);
  expect(rig.interrupt.level).toBe(false);
});
