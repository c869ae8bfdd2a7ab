/** SPDK's nvme_compliance, re-derived from the names of its cases and what they state. */
import { expect } from 'vitest';
import { Cns, Feature, LogPage } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { HOLE_END } from '../fakes/fake-memory.ts';
import { adminEnds, everyDisk, expectAlive, ioEnds, judge, plainDisks, twoNamespaces } from './judge.ts';

/** A read of the first block; plain reads work on every kind of disk. */
const readBlock0 = (rig: Rig) => ({
  opcode: IoOpcode.read,
  nsid: 1,
  ...prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096)),
});

judge('spdk/admin_identify_ctrlr_verify_dptr', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const whole = rig.driver.arena.buffer(4096);
  await adminEnds(rig, admin.identify(Cns.controller, 0, prpsFor(rig.driver.arena, whole)), 0);
  expect(whole.read().some((byte) => byte !== 0)).toBe(true);
  // Pointers to the last kilobyte of a page only: there is no room for the other three.
  const page = rig.driver.arena.pages();
  rig.memory.forget();
  const { status } = await rig.driver.admin(
    admin.identify(Cns.controller, 0, { prp1: page + PAGE - 1024, prp2: 0 }),
  );
  expect(status).not.toBe(0);
  expect(rig.memory.deviceWrites.filter(({ length }) => length !== 16)).toEqual([]);
});

judge('spdk/admin_identify_ctrlr_verify_fused', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096));
  const both = [1, 2].map((flags) =>
    rig.driver.enqueue(0, { ...admin.identify(Cns.controller, 0, prps), flags }),
  );
  rig.driver.queue(0).ring();
  for (const { status } of await rig.driver.waitAll(both)) expect(status).not.toBe(0);
  await adminEnds(rig, admin.identify(Cns.controller, 0, prps), 0);
});

judge('spdk/admin_identify_ns', [...everyDisk, ...twoNamespaces], async (bench) => {
  const rig = await bench.enabled();
  const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096));
  const count = bench.setup.namespaces.length;
  // Namespace management is not announced, so FFFFFFFFh means nothing here.
  for (const nsid of [0, count + 1, 0xffff_fffe, 0xffff_ffff])
    await adminEnds(rig, admin.identify(Cns.namespace, nsid, prps), Status.invalidNamespace, `${nsid}`);
  for (let nsid = 1; nsid <= count; nsid++)
    await adminEnds(rig, admin.identify(Cns.namespace, nsid, prps), 0, `${nsid}`);
});

judge('spdk/admin_get_features_mandatory_features', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // Keep Alive and Host Behavior, which SPDK asks its own target for as well, are not of NVMe 1.2.
  for (const fid of [0x01, 0x02, 0x04, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x0b])
    await adminEnds(rig, admin.getFeatures(fid), 0, `feature ${fid.toString(16)}h`);
});

judge('spdk/admin_get_features_optional_features', plainDisks, async (bench) => {
  for (const volatileWriteCache of [true, false]) {
    const rig = await bench.enabled({ config: { volatileWriteCache } });
    const data = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
    expect((data[525] as number) & 1).toBe(volatileWriteCache ? 1 : 0);
    await adminEnds(
      rig,
      admin.getFeatures(Feature.volatileWriteCache),
      volatileWriteCache ? 0 : Status.invalidField,
    );
  }
});

judge('spdk/admin_set_features_number_of_queues', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const set = (value: number) => admin.setFeatures(Feature.numberOfQueues, value);
  for (const value of [0xffff_ffff, 0x0000_ffff, 0xffff_0000])
    await adminEnds(rig, set(value), Status.invalidField);
  const { dw0 } = await adminEnds(rig, set(0x0080_0080), 0);
  expect([dw0 & 0xffff, dw0 >>> 16]).toEqual([7, 7]);
  await rig.driver.createQueuePair(1, 8);
  await adminEnds(rig, set(0x0080_0080), Status.commandSequenceError);
  expect((await adminEnds(rig, admin.getFeatures(Feature.numberOfQueues), 0)).dw0).toBe(dw0);
});

judge('spdk/admin_get_log_page_mandatory_logs', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [lid, length] of [
    [LogPage.error, 64],
    [LogPage.smart, 512],
    [LogPage.firmware, 512],
  ] as const) {
    const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(length));
    for (const nsid of [0, 0xffff_ffff])
      await adminEnds(rig, admin.getLogPage(lid, length, prps, { nsid }), 0);
  }
});

judge('spdk/admin_get_log_page_with_lpo', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const length = 512;
  const read = (offset: number) => {
    const buffer = rig.driver.arena.buffer(length);
    return {
      buffer,
      sqe: admin.getLogPage(LogPage.firmware, length, prpsFor(rig.driver.arena, buffer), { offset }),
    };
  };
  const whole = read(0);
  await adminEnds(rig, whole.sqe, 0);
  const part = read(8);
  await adminEnds(rig, part.sqe, 0);
  expect(part.buffer.read().subarray(0, length - 8)).toEqual(whole.buffer.read().subarray(8));
  await adminEnds(rig, read(4).sqe, 0);
  await adminEnds(rig, read(length + 4).sqe, Status.invalidField);
  await adminEnds(rig, read(2 ** 52).sqe, Status.invalidField);
  await adminEnds(rig, read(2).sqe, Status.invalidField, 'an offset inside a dword');
});

judge('spdk/fabric_property_get', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await adminEnds(
    rig,
    { opcode: 0x7f, flags: 0, nsid: 4 /* property get */, cdw10: 1 },
    Status.invalidOpcode,
  );
});

judge('spdk/admin_delete_io_sq_use_admin_qid', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await adminEnds(rig, admin.deleteSq(0), Status.invalidQueueId);
  await adminEnds(rig, admin.getFeatures(Feature.arbitration), 0);
});

judge('spdk/admin_delete_io_cq_use_admin_qid', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await adminEnds(rig, admin.deleteCq(0), Status.invalidQueueId);
  await adminEnds(rig, admin.getFeatures(Feature.arbitration), 0);
});

judge('spdk/admin_delete_io_sq_delete_sq_twice', plainDisks, async (bench) => {
  const rig = await bench.started();
  await ioEnds(rig, 1, readBlock0(rig), 0);
  await adminEnds(rig, admin.deleteSq(1), 0);
  await adminEnds(rig, admin.deleteSq(1), Status.invalidQueueId);
  await rig.driver.createSq(1, 8, 1);
  await ioEnds(rig, 1, readBlock0(rig), 0);
});

judge('spdk/admin_delete_io_cq_delete_cq_first', everyDisk, async (bench) => {
  const rig = await bench.started();
  await expectAlive(rig);
  await adminEnds(rig, admin.deleteCq(1), Status.invalidQueueDeletion);
  await expectAlive(rig);
  await adminEnds(rig, admin.deleteSq(1), 0);
  await adminEnds(rig, admin.deleteCq(1), 0);
  await adminEnds(rig, admin.deleteCq(1), Status.invalidQueueId);
});

/** Entries that CAP.MQES allows. */
const mostEntries = (rig: Rig) => (rig.driver.registers.cap.low & 0xffff) + 1;

judge('spdk/admin_create_io_cq_verify_iv_pc', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const size = mostEntries(rig);
  const at = rig.driver.arena.pages(Math.ceil((size * 16) / PAGE));
  for (const vector of [1, 2048, 0xffff])
    await adminEnds(rig, admin.createCq(1, size, at, { vector }), Status.invalidInterruptVector);
  expect(rig.driver.registers.cap.low & 0x1_0000, 'CAP.CQR').not.toBe(0);
  await adminEnds(rig, admin.createCq(1, size, at, { flags: 2 }), Status.invalidField);
  await adminEnds(rig, admin.createCq(1, size, at, { flags: 3 }), 0);
  await adminEnds(rig, admin.deleteCq(1), 0);
});

judge('spdk/admin_create_io_sq_verify_qsize_cqid', everyDisk, async (bench) => {
  const rig = await bench.started();
  await expectAlive(rig);
  await adminEnds(rig, admin.deleteSq(1), 0);
  const most = mostEntries(rig);
  const at = rig.driver.arena.pages(Math.ceil((most * 64) / PAGE));
  await adminEnds(rig, admin.createSq(1, 1, at, 1), Status.invalidQueueSize);
  await adminEnds(rig, admin.createSq(1, most + 1, at, 1), Status.invalidQueueSize);
  await adminEnds(rig, admin.createSq(1, 0x1_0000, at, 1), Status.invalidQueueSize);
  await adminEnds(rig, admin.createSq(1, most, at, 0), Status.completionQueueInvalid);
  await adminEnds(rig, admin.createSq(1, most, at, 2), Status.completionQueueInvalid, 'a queue not made yet');
  await adminEnds(rig, admin.createSq(1, most, at, 0xffff), Status.invalidQueueId, 'out of range');
  await adminEnds(rig, admin.createSq(1, most, at, 1), 0);
});

judge('spdk/admin_create_io_sq_verify_pc', everyDisk, async (bench) => {
  const rig = await bench.started();
  await adminEnds(rig, admin.deleteSq(1), 0);
  const most = mostEntries(rig);
  const at = rig.driver.arena.pages(Math.ceil((most * 64) / PAGE));
  await adminEnds(rig, admin.createSq(1, most, at, 1, 0), Status.invalidField);
  await adminEnds(rig, admin.createSq(1, most, at, 1, 1), 0);
});

judge('spdk/admin_create_io_qp_max_qps', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const granted = await rig.driver.adminOk(admin.getFeatures(Feature.numberOfQueues));
  const count = Math.min(granted & 0xffff, granted >>> 16) + 1;
  for (let id = 1; id <= count; id++) await rig.driver.createQueuePair(id, 2);
  const at = rig.driver.arena.pages();
  await adminEnds(rig, admin.createCq(count + 1, 2, at), Status.invalidQueueId);
  await adminEnds(rig, admin.createSq(count + 1, 2, at, 1), Status.invalidQueueId);
  for (let id = 1; id <= count; id++) await expectAlive(rig, id);
});

judge('spdk/admin_create_io_sq_shared_cq', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // Two completion and four submission queues are asked for; both are counted from zero.
  await adminEnds(rig, admin.setFeatures(Feature.numberOfQueues, 0x0001_0003), 0);
  for (const id of [1, 2]) await rig.driver.createCq(id, 8);
  for (const [id, cqId] of [
    [1, 2],
    [2, 2],
    [3, 2],
    [4, 1],
  ] as const)
    await rig.driver.createSq(id, 8, cqId);
  for (const id of [1, 2, 3, 4]) await expectAlive(rig, id);
  await adminEnds(rig, admin.deleteSq(1), 0);
  await adminEnds(rig, admin.deleteSq(2), 0);
  await adminEnds(rig, admin.deleteCq(2), Status.invalidQueueDeletion);
  await expectAlive(rig, 3);
  await adminEnds(rig, admin.deleteSq(3), 0);
  await adminEnds(rig, admin.deleteSq(4), 0);
  await adminEnds(rig, admin.deleteCq(2), 0);
  await adminEnds(rig, admin.deleteCq(1), 0);
  // The arena begins above the legacy hole: the device was never told of anything below.
  expect(rig.memory.deviceWrites.every(({ address }) => address >= HOLE_END)).toBe(true);
});
