/** tnvme's groups PciRegisters, CtrlRegisters, BasicInit and Resets, re-derived. */
import { expect } from 'vitest';
import { barBytes } from '../../src/device/controller.ts';
import { configurationHeader } from '../../src/machine/pci.ts';
import { Cns, Feature } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Cc, Csts, Register } from '../../src/spec/registers.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { CC_LINUX } from '../driver/driver.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig, RigOptions } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import {
  adminEnds,
  type Bench,
  discontiguous,
  everyDisk,
  expectAlive,
  FLUSH,
  idle,
  ioEnds,
  judge,
  plainDisks,
} from './judge.ts';

const NVM_EXPRESS = 0x010802;

judge('tnvme/GrpPciRegisters/allPciRegs', everyDisk, async (bench) => {
  const { config } = (await bench.powered()).controller;
  const plug = {
    slot: 8,
    name: 'nvme',
    vendorId: config.vendorId,
    deviceId: config.deviceId,
    classCode: NVM_EXPRESS,
    revision: 2,
    subsystemVendorId: config.vendorId,
    subsystemId: config.deviceId,
    bar0Bytes: barBytes(config),
  };
  const view = new DataView(configurationHeader(plug, 0xf000_0000).buffer);
  expect(view.getUint16(0, true), 'vendor').toBe(0x1d1d);
  expect(view.getUint16(2, true), 'device').toBe(0x1f1f);
  expect(view.getUint32(4, true), 'command and status after reset').toBe(0);
  expect(view.getUint32(8, true) >>> 8, 'class').toBe(NVM_EXPRESS);
  expect(view.getUint8(0x0e), 'header type').toBe(0);
  expect(view.getUint32(0x10, true) & 0xf, 'BAR0: memory, 32 bits').toBe(0);
  for (let at = 0x14; at < 0x2c; at += 4) expect(view.getUint32(at, true), `${at}`).toBe(0);
  expect(view.getUint8(0x34), 'capabilities pointer').toBe(0);
  expect(view.getUint8(0x3d), 'interrupt pin').toBe(1);
  expect(Math.log2(barBytes(config)) % 1, 'a power of two').toBe(0);
});

judge('tnvme/GrpCtrlRegisters/ctrlCapabilities', everyDisk, async (bench) => {
  const { low, high } = (await bench.powered()).driver.registers.cap;
  expect(low & 0xffff, 'MQES: at least two entries').toBeGreaterThanOrEqual(1);
  expect(low >>> 24, 'TO').toBeGreaterThan(0);
  expect((low >>> 19) & 0x1f, 'reserved').toBe(0);
  expect((high >>> 5) & 1, 'CSS: the NVM command set').toBe(1);
  expect((high >>> 16) & 0xf, 'MPSMIN').toBeLessThanOrEqual((high >>> 20) & 0xf);
  expect(high >>> 24, 'reserved').toBe(0);
});

judge('tnvme/GrpCtrlRegisters/allCtrlRegs', everyDisk, async (bench) => {
  const rig = await bench.powered();
  const read = (at: number) => rig.controller.read32(at);
  expect(read(Register.vs)).toBe(0x0001_0200);
  const readOnly = [0x00, 0x04, 0x08, 0x18, 0x1c, 0x20, 0x38, 0x3c];
  const reserved = [0x18, 0x40, 0x44, 0xe00, 0xefc, 0xf00, 0xffc];
  const before = readOnly.map(read);
  for (const value of [0, 0xffff_ffff, 0xaaaa_aaaa, 0x5555_5555])
    for (const at of [...readOnly, ...reserved]) rig.controller.write32(at, value);
  expect(readOnly.map(read)).toEqual(before);
  for (const at of reserved) expect(read(at), `reserved ${at.toString(16)}h`).toBe(0);
  for (const value of [0xffff_ffff, 0xaaaa_aaaa, 0x5555_5555, 0]) {
    rig.controller.write32(Register.aqa, value);
    expect(read(Register.aqa)).toBe((value & 0x0fff_0fff) >>> 0);
    for (const at of [Register.asq, Register.acq]) {
      rig.controller.write32(at, value);
      rig.controller.write32(at + 4, value);
      expect([read(at), read(at + 4)]).toEqual([(value & 0xffff_f000) >>> 0, value]);
    }
  }
  rig.controller.write32(Register.intms, 0xf0);
  rig.controller.write32(Register.intms, 0x0f);
  expect(read(Register.intms)).toBe(0xff);
  rig.controller.write32(Register.intmc, 0x3c);
  expect([read(Register.intms), read(Register.intmc)]).toEqual([0xc3, 0xc3]);
});

judge('tnvme/GrpCtrlRegisters/ctrlrResetDefaults', everyDisk, async (bench) => {
  const rig = await bench.powered();
  const fresh = [Register.vs, Register.intms, Register.cc, Register.csts, Register.nssr].map((at) =>
    rig.controller.read32(at),
  );
  expect(fresh).toEqual([0x0001_0200, 0, 0, 0, 0]);
  rig.driver.enable();
  rig.driver.registers.maskInterrupts();
  await rig.driver.adminOk(admin.setFeatures(Feature.temperatureThreshold, 350)).catch(() => undefined);
  rig.driver.registers.cc = 0;
  const after = [Register.vs, Register.intms, Register.cc, Register.csts, Register.nssr].map((at) =>
    rig.controller.read32(at),
  );
  expect(after).toEqual(fresh);
});

judge('tnvme/GrpBasicInit/disableCompletely', everyDisk, async (bench) => {
  const rig = await bench.started();
  rig.driver.registers.cc = 0;
  expect(rig.driver.registers.csts).toBe(0);
  expect(rig.interrupt.level).toBe(false);
  rig.memory.forget();
  for (const id of [0, 1]) rig.driver.registers.ringSubmission(id, 1);
  await idle(rig);
  expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
});

judge('tnvme/GrpBasicInit/createACQASQ', everyDisk, async (bench) => {
  for (const [adminSqEntries, adminCqEntries] of [
    [2, 2],
    [2, 4096],
    [4096, 2],
    [33, 17],
  ] as const) {
    const rig = await bench.enabled({ adminSqEntries, adminCqEntries });
    expect(rig.driver.registers.csts).toBe(Csts.ready);
    expect(rig.interrupt.level).toBe(false);
    for (let i = 0; i < 5; i++) await adminEnds(rig, admin.getFeatures(Feature.arbitration), 0);
  }
});

judge('tnvme/GrpBasicInit/identifyCmd', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const controller = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
  const view = new DataView(controller.buffer);
  expect(view.getUint16(0, true)).toBe(0x1d1d);
  expect(view.getUint32(80, true), 'VER').toBe(rig.driver.registers.version);
  expect(view.getUint32(516, true), 'NN').toBe(bench.setup.namespaces.length);
  expect([controller[512], controller[513]].map((sizes) => (sizes as number) & 0xf)).toEqual([6, 4]);
  const namespace = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.namespace, 1, prps));
  const ns = new DataView(namespace.buffer);
  const size = ns.getBigUint64(0, true);
  expect(size).toBeGreaterThan(0n);
  expect(ns.getBigUint64(8, true), 'NCAP').toBeLessThanOrEqual(size);
  expect(ns.getBigUint64(16, true), 'NUSE').toBeLessThanOrEqual(ns.getBigUint64(8, true));
  expect((namespace[26] as number) & 0xf, 'the format in use').toBeLessThanOrEqual(namespace[25] as number);
});

/** A pair made as asked for, and enough commands to go around each queue several times. */
async function pair(
  bench: Bench,
  options: RigOptions,
  contiguous: boolean,
  interrupts: boolean,
): Promise<Rig> {
  const rig = await bench.enabled(options);
  await rig.driver.createQueuePair(1, 100, { interrupts, contiguous });
  for (let i = 0; i < 250; i++) {
    const pending = rig.driver.submit(1, FLUSH);
    if (interrupts) {
      expect((await rig.driver.wait(pending)).status).toBe(0);
      continue;
    }
    const cq = rig.driver.cqs.get(1);
    for (let turn = 0; turn < 50 && !cq?.peek(); turn++) await idle(rig);
    expect(rig.interrupt.level, 'polled').toBe(false);
    expect(cq && rig.driver.reap(cq)).toBe(1);
    expect(pending.completion?.status).toBe(0);
  }
  return rig;
}

judge('tnvme/GrpBasicInit/createIOQContigPoll', everyDisk, async (bench) => {
  await pair(bench, {}, true, false);
});
judge('tnvme/GrpBasicInit/createIOQContigIrq', everyDisk, async (bench) => {
  await pair(bench, {}, true, true);
});
judge('tnvme/GrpBasicInit/createIOQDiscontigPoll', everyDisk, async (bench) => {
  await pair(bench, discontiguous, false, false);
});
judge('tnvme/GrpBasicInit/createIOQDiscontigIrq', everyDisk, async (bench) => {
  await pair(bench, discontiguous, false, true);
});

const BLOCKS = 16;
const transfer = (rig: Rig, opcode: number, buffer: ReturnType<Rig['driver']['arena']['buffer']>) =>
  ioEnds(rig, 1, { opcode, nsid: 1, cdw12: BLOCKS - 1, ...prpsFor(rig.driver.arena, buffer) }, 0);

judge('tnvme/GrpBasicInit/writeDataPat', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = pattern(BLOCKS * 4096, 1);
  const buffer = rig.driver.arena.buffer(data.length).fill(data);
  await transfer(rig, IoOpcode.write, buffer);
  expectBytes(buffer.read(), data); // a write changes nothing of the host's
});

judge('tnvme/GrpBasicInit/verifyDataPat', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = pattern(BLOCKS * 4096, 2);
  await transfer(rig, IoOpcode.write, rig.driver.arena.buffer(data.length).fill(data));
  const back = rig.driver.arena.buffer(data.length);
  await transfer(rig, IoOpcode.read, back);
  expectBytes(back.read(), data);
});

async function deletion(rig: Rig): Promise<void> {
  await adminEnds(rig, admin.deleteSq(1), 0);
  await adminEnds(rig, admin.deleteCq(1), 0);
  rig.memory.forget();
  rig.driver.registers.ringSubmission(1, 1);
  await idle(rig);
  expect(rig.memory.deviceReads).toEqual([]);
}

judge('tnvme/GrpBasicInit/deleteIOQContig', everyDisk, async (bench) => {
  await deletion(await pair(bench, {}, true, true));
});
judge('tnvme/GrpBasicInit/deleteIOQDiscontig', everyDisk, async (bench) => {
  await deletion(await pair(bench, discontiguous, false, true));
});

judge('tnvme/GrpResets/ctrlrResetIOQDeleted', everyDisk, async (bench) => {
  const rig = await bench.started();
  await rig.driver.createQueuePair(2, 8);
  await expectAlive(rig, 2);
  rig.driver.reset();
  for (const id of [1, 2]) {
    await adminEnds(rig, admin.deleteSq(id), Status.invalidQueueId);
    await adminEnds(rig, admin.deleteCq(id), Status.invalidQueueId);
  }
  for (const id of [1, 2]) await rig.driver.createQueuePair(id, 8);
  for (const id of [1, 2]) await expectAlive(rig, id);
});

judge('tnvme/GrpResets/ctrlrResetNotEffectAdminQ', everyDisk, async (bench) => {
  const rig = await bench.started();
  const registers = [0x24, 0x28, 0x2c, 0x30, 0x34];
  const before = registers.map((at) => rig.controller.read32(at));
  for (let round = 0; round < 3; round++) {
    rig.driver.registers.cc = 0;
    expect(registers.map((at) => rig.controller.read32(at))).toEqual(before);
    rig.driver.registers.cc = CC_LINUX | Cc.enable;
    expect(rig.driver.registers.csts).toBe(Csts.ready);
  }
  // Both queues begin at their first entry again.
  const sq = rig.driver.queue(0);
  const cq = rig.driver.cqs.get(0);
  if (!cq) throw new Error();
  sq.tail = sq.head = cq.head = 0;
  cq.phase = 1;
  rig.memory.ram.fill(0, cq.pages[0], (cq.pages[0] as number) + cq.size * 16);
  await adminEnds(rig, admin.getFeatures(Feature.arbitration), 0);
});
