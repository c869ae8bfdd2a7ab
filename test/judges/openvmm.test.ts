/** OpenVMM's tests of its NVMe controller, re-derived. */
import { expect } from 'vitest';
import { Cns, Feature } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Cc, Csts, Register } from '../../src/spec/registers.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { CC_LINUX } from '../driver/driver.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import {
  adminEnds,
  everyDisk,
  expectAlive,
  expectStatus,
  FLUSH,
  idle,
  ioEnds,
  judge,
  twoNamespaces,
} from './judge.ts';

judge('openvmm/test_basic_registers', everyDisk, async (bench) => {
  const rig = await bench.powered();
  const { registers } = rig.driver;
  expect(registers.cap.low & 0xffff).toBe(0x7ff);
  expect(registers.read64(Register.cap)).toBe(registers.cap.high * 2 ** 32 + registers.cap.low);
  expect(registers.version).toBe(0x0001_0200);
  expect(registers.read64(Register.acq)).toBe(0);
  registers.acq = 0x1000;
  expect(registers.read64(Register.acq)).toBe(0x1000);
  registers.acq = 0x1_2345_6000;
  expect(registers.read64(Register.acq)).toBe(0x1_2345_6000);
});

judge('openvmm/test_invalid_configuration', everyDisk, async (bench) => {
  const rig = await bench.powered();
  const { registers } = rig.driver;
  const fine = { aqa: 0x001f_001f, asq: 0x10_0000, acq: 0x10_1000, cc: CC_LINUX };
  const wrong: [string, Partial<typeof fine>][] = [
    ['a page size that is not offered', { cc: CC_LINUX | (7 << Cc.mpsShift) }],
    ['a command set that is not offered', { cc: CC_LINUX | (3 << Cc.cssShift) }],
    ['an arbitration that is not offered', { cc: CC_LINUX | (1 << Cc.amsShift) }],
    ['a submission queue of one entry', { aqa: 0x001f_0000 }],
    ['a completion queue of one entry', { aqa: 0x0000_001f }],
    ['a submission queue beyond memory', { asq: 2 ** 40 }],
    ['a completion queue beyond memory', { acq: 2 ** 52 }],
  ];
  for (const [what, over] of wrong) {
    const values = { ...fine, ...over };
    registers.aqa = values.aqa;
    registers.asq = values.asq;
    registers.acq = values.acq;
    registers.cc = values.cc | Cc.enable;
    expect(registers.csts & (Csts.fatal | Csts.ready), what).toBe(Csts.fatal);
    registers.cc = 0;
    expect(registers.csts, what).toBe(0);
  }
  rig.driver.enable();
  await adminEnds(rig, admin.getFeatures(Feature.arbitration), 0);
});

judge('openvmm/test_enable_controller', everyDisk, async (bench) => {
  const rig = await bench.powered({ adminSqEntries: 4, adminCqEntries: 4 });
  rig.driver.enable();
  expect(rig.driver.registers.cc & Cc.enable).toBe(Cc.enable);
  expect(rig.driver.registers.csts).toBe(Csts.ready);
  expect(rig.memory.deviceWrites).toEqual([]);
});

judge('openvmm/test_multi_page_admin_queues', everyDisk, async (bench) => {
  // 512 entries: eight pages of commands, two of completions; 4096: the most that AQA can say.
  for (const entries of [512, 4096]) {
    const rig = await bench.enabled({ adminSqEntries: entries, adminCqEntries: entries });
    for (let i = 0; i < entries + 10; i++)
      expectStatus(await rig.driver.admin(admin.getFeatures(Feature.arbitration)), 0);
    const cq = rig.driver.cqs.get(0);
    expect([cq?.head, cq?.phase]).toEqual([10, 0]);
  }
});

judge('openvmm/test_send_identify', everyDisk, async (bench) => {
  const rig = await bench.enabled({ adminSqEntries: 64, adminCqEntries: 64 });
  expect(rig.interrupt.rises).toBe(0);
  const data = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
  expect(rig.interrupt.rises).toBe(1);
  expect(new DataView(data.buffer).getUint16(0, true)).toBe(0x1d1d);
});

const readOf = (rig: Rig, nsid: number) => ({
  opcode: IoOpcode.read,
  nsid,
  ...prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096)),
});

judge('openvmm/test_io_command_invalid_namespace', everyDisk, async (bench) => {
  const rig = await bench.started({}, 17);
  for (const nsid of [0xffff, 0, 2, 0xffff_fffe])
    await ioEnds(rig, 1, readOf(rig, nsid), Status.invalidNamespace);
  await expectAlive(rig);
});

/** Commands that the queue was deleted under: with and without room for their completions. */
judge('openvmm/test_invalid_namespace_queued_then_delete_sq', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const cq = await rig.driver.createCq(1, 2, { interrupts: false });
  await rig.driver.createSq(1, 17, 1);
  const all = Array.from({ length: 4 }, () => rig.driver.enqueue(1, readOf(rig, 0xffff)));
  rig.driver.queue(1).ring();
  await idle(rig);
  rig.driver.cqs.delete(1); // nobody takes its completions
  await adminEnds(rig, admin.deleteSq(1), 0);
  await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
  // The one completion that had room is there; the other commands were never executed.
  expect(rig.driver.reap(cq)).toBe(1);
  await idle(rig);
  expect(rig.driver.reap(cq)).toBe(0);
  expect(all.filter(({ completion }) => completion !== undefined)).toHaveLength(1);
  await adminEnds(rig, admin.deleteCq(1), 0);
});

judge('openvmm/test_full_cq_does_not_leak_io_count', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const cq = await rig.driver.createCq(1, 2);
  await rig.driver.createSq(1, 32, 1);
  for (let round = 0; round < 5; round++) {
    const all = Array.from({ length: 16 }, () => rig.driver.enqueue(1, FLUSH));
    rig.driver.queue(1).ring();
    for (let i = 0; i < 16; i++) {
      await idle(rig);
      expect(rig.interrupt.level).toBe(true);
      expect(rig.driver.reap(cq, 1), 'one slot, one completion').toBe(1);
    }
    await idle(rig);
    expect(cq.peek()).toBeUndefined();
    expect(all.every(({ completion }) => completion?.status === 0)).toBe(true);
  }
});

judge('openvmm/test_set_get_features_async_event_config', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // Bits of every class, and one (21) that a later revision gave a meaning: all come back.
  const mask = 0x0020_011f;
  await adminEnds(rig, admin.setFeatures(Feature.asyncEventConfig, mask), 0);
  expect((await adminEnds(rig, admin.getFeatures(Feature.asyncEventConfig), 0)).dw0).toBe(mask);
});

/** Namespaces are fixed here; the event that the mask gates is the temperature warning (feature 0Bh, bit 1). */
judge('openvmm/test_async_event_config_masks_namespace_aen', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const set = (fid: number, value: number) => adminEnds(rig, admin.setFeatures(fid, value), 0);
  await set(Feature.asyncEventConfig, 0);
  const pending = rig.driver.submit(0, admin.asyncEvent());
  await set(Feature.temperatureThreshold, 200);
  await idle(rig);
  rig.driver.service();
  expect(pending.completion, 'masked').toBeUndefined();
  await set(Feature.asyncEventConfig, 0x2);
  await set(Feature.temperatureThreshold, 200);
  const done = await rig.driver.wait(pending);
  expectStatus(done, 0);
  // SMART / health status, temperature, more in log page 02h.
  expect(done.dw0).toBe(0x0002_0101);
});

judge('openvmm/test_identify_reports_fixed_nn', [...everyDisk, ...twoNamespaces], async (bench) => {
  const rig = await bench.enabled();
  for (let round = 0; round < 2; round++) {
    const data = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
    expect(new DataView(data.buffer).getUint32(516, true)).toBe(bench.setup.namespaces.length);
    rig.driver.reset();
  }
});
