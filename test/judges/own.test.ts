/** Defects that were found here while the suites' cases were written. */
import { expect } from 'vitest';
import { Cns, Feature, LogPage } from '../../src/spec/identify.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { adminEnds, everyDisk, expectAlive, expectStatus, idle, ioEnds, judge, plainDisks } from './judge.ts';

judge('own/queueIdsLimitedByGrantedNumber', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  // Three completion and two submission queues are asked for, and granted.
  expect(await rig.driver.adminOk(admin.setFeatures(Feature.numberOfQueues, 0x0002_0001))).toBe(0x0002_0001);
  await adminEnds(rig, admin.createCq(4, 8, at), Status.invalidQueueId);
  for (const id of [1, 2, 3]) await rig.driver.createCq(id, 8);
  await adminEnds(rig, admin.createSq(3, 8, at, 3), Status.invalidQueueId);
  for (const id of [1, 2]) await rig.driver.createSq(id, 8, 3);
  await expectAlive(rig, 2);
  // A reset forgets what was granted.
  rig.driver.reset();
  await rig.driver.createQueuePair(8, 8);
  await expectAlive(rig, 8);
});

judge('own/queueIdsAreFreeWithoutSetFeatures', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const all = await rig.driver.adminOk(admin.getFeatures(Feature.numberOfQueues));
  expect(all).toBe(0x0007_0007);
  await rig.driver.createQueuePair(8, 8);
  await expectAlive(rig, 8);
});

judge('own/prp2ZeroIsNoPage', plainDisks, async (bench) => {
  const rig = await bench.started();
  const { arena } = rig.driver;
  rig.memory.ram.fill(0x77, 0, 0x1_0000);
  const page = arena.pages(4);
  rig.memory.forget();
  for (const cdw12 of [1, 2, 8]) {
    const { status } = await rig.driver.command(1, { opcode: 2, nsid: 1, cdw12, prp1: page, prp2: 0 });
    expect(status, `${cdw12 + 1} blocks`).not.toBe(0);
  }
  expect(
    (await rig.driver.admin(admin.identify(Cns.controller, 0, { prp1: page + 8, prp2: 0 }))).status,
  ).not.toBe(0);
  expect(rig.memory.ram.subarray(0, 0x1_0000).every((byte) => byte === 0x77)).toBe(true);
  await ioEnds(rig, 1, { opcode: 2, nsid: 1, prp1: page, prp2: 0 }, 0, 'one page needs no second');
});

judge('own/prpListEntryZeroIsNoPage', plainDisks, async (bench) => {
  const rig = await bench.started();
  const { arena } = rig.driver;
  rig.memory.ram.fill(0x77, 0, 0x1_0000);
  const page = arena.pages(4);
  const list = arena.pages();
  rig.memory.put64(list, page + PAGE);
  rig.memory.put64(list + 8, 0);
  rig.memory.put64(list + 16, page + 3 * PAGE);
  const sqe = { opcode: 2, nsid: 1, cdw12: 3, prp1: page, prp2: list };
  expect((await rig.driver.command(1, sqe)).status).not.toBe(0);
  expect(rig.memory.ram.subarray(0, 0x1_0000).every((byte) => byte === 0x77)).toBe(true);
  rig.memory.put64(list + 8, page + 2 * PAGE);
  await ioEnds(rig, 1, sqe, 0);
});

judge('own/invalidDoorbellValueEvent', everyDisk, async (bench) => {
  const rig = await bench.started();
  for (const [what, ring] of [
    ['a tail beyond the queue', () => rig.driver.registers.ringSubmission(1, 64)],
    ['a head beyond the queue', () => rig.driver.registers.ringCompletion(1, 64)],
    ['a head beyond what was posted', () => rig.driver.registers.ringCompletion(1, 3)],
  ] as const) {
    ring();
    await idle(rig);
    const done = await rig.driver.admin(admin.asyncEvent());
    expectStatus(done, 0, what);
    // Error status, "invalid doorbell write value", more in the error log, which is read to hear of the next.
    expect(done.dw0, what).toBe((LogPage.error << 16) | (1 << 8));
    await rig.driver.adminRead(64, (prps) => admin.getLogPage(LogPage.error, 64, prps));
  }
  await expectAlive(rig);
});
