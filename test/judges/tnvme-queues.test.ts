/** tnvme's group Queues, re-derived. */
import { expect } from 'vitest';
import { Feature } from '../../src/spec/identify.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import type { Pending } from '../driver/driver.ts';
import type { Rig } from '../driver/rig.ts';
import { adminEnds, everyDisk, expectAlive, expectStatus, FLUSH, idle, ioEnds, judge } from './judge.ts';

const GET = admin.getFeatures(Feature.arbitration);

judge('tnvme/GrpQueues/initialStateAdmin', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const cq = rig.driver.cqs.get(0);
  for (let round = 0; round < 3; round++) {
    const first = rig.driver.cqs.get(0);
    expect(first?.head).toBe(0);
    expect(first?.peek(), 'nothing is there').toBeUndefined();
    const done = await rig.driver.admin(GET);
    expect([done.phase, done.sqHead, done.sqId]).toEqual([1, 1, 0]);
    expect(rig.driver.cqs.get(0)?.head).toBe(1);
    rig.driver.reset();
  }
  expect(cq?.id).toBe(0);
});

/** Fills a submission queue to its last entry with one ring of the doorbell, and takes everything back. */
async function fillOnce(rig: Rig, queueId: number, sqe: typeof FLUSH): Promise<void> {
  const sq = rig.driver.queue(queueId);
  const all: Pending[] = [];
  while (!sq.isFull) all.push(rig.driver.enqueue(queueId, sqe));
  expect(all).toHaveLength(sq.size - 1);
  sq.ring();
  for (const done of await rig.driver.waitAll(all)) expectStatus(done, 0);
}

judge('tnvme/GrpQueues/adminQFull', everyDisk, async (bench) => {
  for (const entries of [2, 3, 64, 4096]) {
    const rig = await bench.enabled({ adminSqEntries: entries, adminCqEntries: entries });
    for (let round = 0; round < 3; round++) await fillOnce(rig, 0, GET);
  }
});

judge('tnvme/GrpQueues/ioqFull', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [i, size] of [2, 3, 64, 2048].entries()) {
    await rig.driver.createQueuePair(i + 1, size);
    for (let round = 0; round < 3; round++) await fillOnce(rig, i + 1, FLUSH);
  }
});

/** Twice around both queues and a bit, one command at a time; heads and phases as they have to be. */
async function rollOver(rig: Rig, queueId: number, sqe: typeof FLUSH): Promise<void> {
  const sq = rig.driver.queue(queueId);
  const { cq } = sq;
  const startTail = sq.tail;
  const startHead = cq.head;
  const startPhase = cq.phase;
  for (let i = 1; i <= 2 * Math.max(sq.size, cq.size) + 3; i++) {
    const done = await rig.driver.command(queueId, sqe);
    expectStatus(done, 0);
    expect(done.sqHead).toBe((startTail + i) % sq.size);
    const entry = startHead + i - 1;
    expect(done.phase).toBe(startPhase ^ (Math.floor(entry / cq.size) & 1));
    expect(cq.head).toBe((startHead + i) % cq.size);
  }
}

judge('tnvme/GrpQueues/adminQRollChkSame', everyDisk, async (bench) => {
  for (const entries of [2, 7, 64])
    await rollOver(await bench.enabled({ adminSqEntries: entries, adminCqEntries: entries }), 0, GET);
});

judge('tnvme/GrpQueues/adminQRollChkDiff', everyDisk, async (bench) => {
  for (const [adminSqEntries, adminCqEntries] of [
    [2, 9],
    [9, 2],
    [64, 100],
    [100, 64],
  ] as const)
    await rollOver(await bench.enabled({ adminSqEntries, adminCqEntries }), 0, GET);
});

judge('tnvme/GrpQueues/ioqRollChkSame', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [i, size] of [2, 7, 64, 300].entries()) {
    await rig.driver.createQueuePair(i + 1, size);
    await rollOver(rig, i + 1, FLUSH);
  }
});

judge('tnvme/GrpQueues/ioqRollChkDiff', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [i, [sqSize, cqSize]] of (
    [
      [2, 300],
      [300, 2],
      [63, 64],
      [64, 63],
    ] as const
  ).entries()) {
    await rig.driver.createCq(i + 1, cqSize);
    await rig.driver.createSq(i + 1, sqSize, i + 1);
    await rollOver(rig, i + 1, FLUSH);
  }
});

judge('tnvme/GrpQueues/sqcqSizeMismatch', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [i, [sqSize, cqSize]] of (
    [
      [64, 2],
      [2, 64],
      [64, 17],
    ] as const
  ).entries()) {
    const id = i + 1;
    await rig.driver.createCq(id, cqSize);
    const sq = await rig.driver.createSq(id, sqSize, id);
    // More than fits among the completions at once: what is left waits in the submission queue.
    for (let round = 0; round < 3; round++) {
      const all: Pending[] = [];
      while (!sq.isFull) all.push(rig.driver.enqueue(id, FLUSH));
      sq.ring();
      for (const done of await rig.driver.waitAll(all)) expectStatus(done, 0);
    }
  }
});

judge('tnvme/GrpQueues/illegalCreateOrder', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  await adminEnds(rig, admin.createSq(1, 2, at, 1), Status.completionQueueInvalid);
  await rig.driver.createCq(1, 2);
  await rig.driver.createSq(1, 2, 1);
  await expectAlive(rig);
});

judge('tnvme/GrpQueues/illegalCreateQs', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  await adminEnds(rig, admin.createCq(0, 2, at), Status.invalidQueueId);
  await adminEnds(rig, admin.createSq(0, 2, at, 1), Status.invalidQueueId);
  await adminEnds(
    rig,
    admin.createSq(1, 2, at, 0),
    Status.completionQueueInvalid,
    'the admin completion queue',
  );
  await adminEnds(rig, GET, 0);
});

judge('tnvme/GrpQueues/illegalDeleteQs', everyDisk, async (bench) => {
  const rig = await bench.started();
  await adminEnds(rig, admin.deleteSq(0), Status.invalidQueueId);
  await adminEnds(rig, admin.deleteCq(0), Status.invalidQueueId);
  await adminEnds(rig, admin.deleteCq(1), Status.invalidQueueDeletion);
  await expectAlive(rig);
});

judge('tnvme/GrpQueues/manyCmdSubmit', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createQueuePair(1, 2048);
  const sq = rig.driver.queue(1);
  for (const count of [1, 2, 255, 256, 257, 1000, 2047]) {
    const all = Array.from({ length: count }, () => rig.driver.enqueue(1, FLUSH));
    sq.ring();
    const done = await rig.driver.waitAll(all);
    expect(new Set(done.map(({ cid }) => cid)).size).toBe(count);
    for (const completion of done) expectStatus(completion, 0);
  }
});

judge('tnvme/GrpQueues/manySQtoCQAssoc', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const ids = [1, 2, 3, 4, 5, 6, 7, 8];
  await rig.driver.createCq(3, 6);
  for (const id of ids) await rig.driver.createSq(id, 5, 3);
  for (let round = 0; round < 10; round++) {
    const all = ids.flatMap((id) => Array.from({ length: 4 }, () => rig.driver.enqueue(id, FLUSH)));
    for (const id of ids.toReversed()) rig.driver.queue(id).ring();
    for (const [i, done] of (await rig.driver.waitAll(all)).entries()) {
      expectStatus(done, 0);
      expect(done.sqId).toBe(ids[Math.floor(i / 4)]);
    }
  }
  for (const id of ids.slice(1)) await adminEnds(rig, admin.deleteSq(id), 0);
  await expectAlive(rig, 1);
});

judge('tnvme/GrpQueues/maxIOQ', everyDisk, async (bench) => {
  for (const ioQueuePairs of [1, 8, 64]) {
    const rig = await bench.enabled({ config: { ioQueuePairs } });
    const granted = await rig.driver.adminOk(admin.setFeatures(Feature.numberOfQueues, 0x003f_003f));
    expect(granted).toBe((ioQueuePairs - 1) * 0x1_0001);
    for (let id = 1; id <= ioQueuePairs; id++) await rig.driver.createQueuePair(id, 4);
    const all = Array.from({ length: ioQueuePairs }, (_, i) => rig.driver.submit(i + 1, FLUSH));
    for (const done of await rig.driver.waitAll(all)) expectStatus(done, 0);
  }
});

judge('tnvme/GrpQueues/qIdVariations', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // Identifiers in any order, with gaps, and other ones on the other side.
  for (const [sqId, cqId] of [
    [8, 1],
    [1, 8],
    [5, 2],
    [2, 5],
  ] as const) {
    await rig.driver.createCq(cqId, 7);
    await rig.driver.createSq(sqId, 3, cqId);
  }
  for (const id of [1, 2, 5, 8, 5, 2]) {
    const done = await ioEnds(rig, id, FLUSH, 0);
    expect(done.sqId).toBe(id);
  }
  await adminEnds(rig, admin.deleteSq(5), 0);
  await adminEnds(rig, admin.deleteCq(5), Status.invalidQueueDeletion, 'submission queue 2 uses it');
  await adminEnds(rig, admin.deleteCq(2), 0);
  await idle(rig);
  await expectAlive(rig, 2);
});
