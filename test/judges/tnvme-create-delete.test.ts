/** tnvme's groups for Create and Delete I/O Completion and Submission Queue, re-derived. */
import { expect } from 'vitest';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import type { Sqe } from '../driver/entries.ts';
import type { Rig } from '../driver/rig.ts';
import {
  adminEnds,
  type Bench,
  discontiguous,
  everyDisk,
  expectAlive,
  expectStatus,
  FLUSH,
  idle,
  judge,
} from './judge.ts';

const most = (rig: Rig): number => (rig.driver.registers.cap.low & 0xffff) + 1;
const beyond = [9, 10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff];

/** The command with every reserved field set: DW0, DW2, DW3, MPTR, PRP2, DW12 to DW15. */
const withReserved = (sqe: Sqe, more: Sqe | object = {}): Sqe => ({
  ...sqe,
  flags: 0x3c,
  cdw2: 0xffff_ffff,
  cdw3: 0xffff_ffff,
  metadata: 0xffff_f000,
  prp2: 0xffff_f000,
  cdw12: 0xffff_ffff,
  cdw13: 0xffff_ffff,
  cdw14: 0xffff_ffff,
  cdw15: 0xffff_ffff,
  ...more,
});

judge('tnvme/GrpAdminCreateIOCQCmd/invalidQID', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  for (const id of [0, ...beyond])
    await adminEnds(rig, admin.createCq(id, 2, at), Status.invalidQueueId, `${id}`);
  await adminEnds(rig, admin.createCq(8, 2, at), 0);
  await adminEnds(rig, admin.createCq(8, 2, at), Status.invalidQueueId, 'in use');
});

judge('tnvme/GrpAdminCreateIOSQCmd/invalidQID', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  await rig.driver.createCq(1, 2);
  for (const id of [0, ...beyond])
    await adminEnds(rig, admin.createSq(id, 2, at, 1), Status.invalidQueueId, `${id}`);
  await adminEnds(rig, admin.createSq(8, 2, at, 1), 0);
  await adminEnds(rig, admin.createSq(8, 2, at, 1), Status.invalidQueueId, 'in use');
});

judge('tnvme/GrpAdminCreateIOCQCmd/maxQSizeExceed', everyDisk, async (bench) => {
  for (const maxQueueEntriesZ of [1, 99, 2047]) {
    const rig = await bench.enabled({ config: { maxQueueEntriesZ } });
    const at = rig.driver.arena.pages(16);
    for (const size of [most(rig) + 1, 0x8000, 0x1_0000].filter((size) => size > most(rig)))
      await adminEnds(rig, admin.createCq(1, size, at), Status.invalidQueueSize, `${size}`);
    await adminEnds(rig, admin.createCq(1, 1, at), Status.invalidQueueSize, 'one entry');
    await adminEnds(rig, admin.createCq(1, most(rig), at), 0);
  }
});

judge('tnvme/GrpAdminCreateIOSQCmd/maxQSizeExceed', everyDisk, async (bench) => {
  for (const maxQueueEntriesZ of [1, 99, 2047]) {
    const rig = await bench.enabled({ config: { maxQueueEntriesZ } });
    await rig.driver.createCq(1, 2);
    const at = rig.driver.arena.pages(33);
    for (const size of [most(rig) + 1, 0x8000, 0x1_0000].filter((size) => size > most(rig)))
      await adminEnds(rig, admin.createSq(1, size, at, 1), Status.invalidQueueSize, `${size}`);
    await adminEnds(rig, admin.createSq(1, 1, at, 1), Status.invalidQueueSize, 'one entry');
    await adminEnds(rig, admin.createSq(1, most(rig), at, 1), 0);
  }
});

judge('tnvme/GrpAdminCreateIOCQCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const sqe = admin.createCq(1, 8, rig.driver.arena.pages());
  // DW11: bits 2 to 15 are reserved.
  await adminEnds(rig, withReserved(sqe, { cdw11: 0xffff }), 0);
});

judge('tnvme/GrpAdminCreateIOSQCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 8);
  const sqe = admin.createSq(1, 8, rig.driver.arena.pages(), 1);
  // DW11: bits 3 to 15 are reserved.
  await adminEnds(rig, withReserved(sqe, { cdw11: 0x1_fff9 }), 0);
});

judge('tnvme/GrpAdminCreateIOSQCmd/acceptQPriority', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 8);
  // The priority means nothing without weighted arbitration, and is accepted.
  for (const priority of [0, 1, 2, 3]) {
    const sqe = admin.createSq(1, 8, rig.driver.arena.pages(), 1, 1 | (priority << 1));
    await adminEnds(rig, sqe, 0, `priority ${priority}`);
    await adminEnds(rig, admin.deleteSq(1), 0);
  }
});

judge('tnvme/GrpAdminCreateIOSQCmd/completionQInvalid', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 2);
  const at = rig.driver.arena.pages();
  for (let cqId = 2; cqId <= 8; cqId++)
    await adminEnds(rig, admin.createSq(1, 2, at, cqId), Status.completionQueueInvalid, `${cqId}`);
  for (const cqId of beyond)
    expect((await rig.driver.admin(admin.createSq(1, 2, at, cqId))).status).not.toBe(0);
  await adminEnds(rig, admin.createSq(1, 2, at, 1), 0);
});

// Where queues lie ---------------------------------------------------------------------------------------

/** Goes around a pair, so that the last entry of both is used; then unaligned pointers, which are refused. */
async function around(bench: Bench, size: number, contiguous: boolean): Promise<void> {
  const rig = await bench.enabled(contiguous ? {} : discontiguous);
  await rig.driver.createQueuePair(1, size, { contiguous });
  for (let done = 0; done < 2 * size; done++) expectStatus(await rig.driver.command(1, FLUSH), 0);
  const at = rig.driver.arena.pages(1 + Math.ceil((size * 64) / PAGE));
  const list = rig.driver.arena.pages();
  for (let i = 0; i < 512; i++) rig.memory.put64(list + 8 * i, at + PAGE * (i % 1));
  const flags = contiguous ? 1 : 0;
  const base = contiguous ? at : list;
  for (const offset of [4, 8, 16, 64, 2048, PAGE - 4]) {
    await adminEnds(
      rig,
      admin.createCq(2, size, base + offset, { flags }),
      Status.prpOffsetInvalid,
      `${offset}`,
    );
    await adminEnds(
      rig,
      admin.createSq(2, size, base + offset, 1, flags),
      Status.prpOffsetInvalid,
      `${offset}`,
    );
  }
  if (!contiguous) {
    rig.memory.put64(list, at + 16);
    await adminEnds(
      rig,
      admin.createCq(2, size, list, { flags }),
      Status.prpOffsetInvalid,
      'an entry off its page',
    );
    rig.memory.put64(list, 2 ** 40);
    await adminEnds(
      rig,
      admin.createCq(2, size, list, { flags }),
      Status.dataTransferError,
      'an entry beyond RAM',
    );
  }
  await expectAlive(rig);
}

// 64 submission entries fill a page; 256 completion entries do.
judge('tnvme/GrpAdminCreateIOQCmd/prpLessPageContig', everyDisk, (bench) => around(bench, 10, true));
judge('tnvme/GrpAdminCreateIOQCmd/prpLessPageDiscontig', everyDisk, (bench) => around(bench, 10, false));
judge('tnvme/GrpAdminCreateIOQCmd/prpSinglePageContig', everyDisk, (bench) => around(bench, 64, true));
judge('tnvme/GrpAdminCreateIOQCmd/prpSinglePageDiscontig', everyDisk, (bench) => around(bench, 64, false));
judge('tnvme/GrpAdminCreateIOQCmd/prpGreaterPageContig', everyDisk, (bench) => around(bench, 700, true));
judge('tnvme/GrpAdminCreateIOQCmd/prpGreaterPageDiscontig', everyDisk, (bench) => around(bench, 700, false));

// Deletion -----------------------------------------------------------------------------------------------

judge('tnvme/GrpAdminDeleteIOCQCmd/invalidQID', everyDisk, async (bench) => {
  const rig = await bench.started();
  for (const id of [0, 2, 8, ...beyond])
    await adminEnds(rig, admin.deleteCq(id), Status.invalidQueueId, `${id}`);
  await expectAlive(rig);
});

judge('tnvme/GrpAdminDeleteIOSQCmd/invalidQID', everyDisk, async (bench) => {
  const rig = await bench.started();
  for (const id of [0, 2, 8, ...beyond])
    await adminEnds(rig, admin.deleteSq(id), Status.invalidQueueId, `${id}`);
  await expectAlive(rig);
});

judge('tnvme/GrpAdminDeleteIOCQCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 8);
  await adminEnds(rig, withReserved(admin.deleteCq(1), { cdw10: 0xffff_0001, cdw11: 0xffff_ffff }), 0);
});

judge('tnvme/GrpAdminDeleteIOSQCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.started();
  await adminEnds(rig, withReserved(admin.deleteSq(1), { cdw10: 0xffff_0001, cdw11: 0xffff_ffff }), 0);
});

/** All queues of one side in one ring of the admin doorbell. */
async function deleteAllAtOnce(rig: Rig, sqe: (id: number) => Sqe): Promise<void> {
  const all = [3, 1, 8, 2, 7, 4, 6, 5].map((id) => rig.driver.enqueue(0, sqe(id)));
  rig.driver.queue(0).ring();
  for (const done of await rig.driver.waitAll(all)) expectStatus(done, 0);
}

judge('tnvme/GrpAdminDeleteIOCQCmd/deleteAllAtOnce', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (let round = 0; round < 3; round++) {
    for (let id = 1; id <= 8; id++) await rig.driver.createCq(id, 8);
    await deleteAllAtOnce(rig, admin.deleteCq);
  }
});

judge('tnvme/GrpAdminDeleteIOSQCmd/deleteAllAtOnce', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 8);
  for (let round = 0; round < 3; round++) {
    for (let id = 1; id <= 8; id++) await rig.driver.createSq(id, 8, 1);
    await deleteAllAtOnce(rig, admin.deleteSq);
  }
});

judge('tnvme/GrpAdminDeleteIOCQCmd/deleteFullQ', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createCq(1, 8, { interrupts: false });
  await rig.driver.createSq(1, 64, 1);
  const all = Array.from({ length: 40 }, () => rig.driver.enqueue(1, FLUSH));
  rig.driver.queue(1).ring();
  await idle(rig);
  rig.driver.cqs.delete(1); // nobody takes its completions
  await adminEnds(rig, admin.deleteSq(1), 0);
  await adminEnds(rig, admin.deleteCq(1), 0);
  expect(rig.log.events().filter(({ queueId }) => queueId === 1)).toHaveLength(7);
  expect(all.every(({ completion }) => completion === undefined)).toBe(true);
  expect(rig.interrupt.level).toBe(false);
  rig.driver.reset();
  await rig.driver.createQueuePair(1, 8);
  await expectAlive(rig);
});
