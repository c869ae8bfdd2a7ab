import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import type { Sqe } from '../../test/driver/entries.ts';
import { makeRig, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { HOLE_BEGIN } from '../../test/fakes/fake-memory.ts';
import { settle } from '../../test/fakes/fake-store.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const FLUSH: Sqe = { opcode: IoOpcode.flush, nsid: 1 };
const disks = { namespaces: [plainDisk()] };

/** Lets deferred work and storage go on for a while. */
async function idle(rig: Rig): Promise<void> {
  for (let i = 0; i < 10; i++) {
    rig.clock.run();
    await settle();
  }
}

describe('doorbells', () => {
  it('before the controller is ready have no effect', async () => {
    const rig = await makeRig();
    rig.driver.registers.ringSubmission(0, 1);
    rig.driver.registers.ringCompletion(0, 1);
    expect(rig.memory.deviceReads).toEqual([]);
    expect(rig.telemetry.refusals).toHaveLength(2);
  });

  it.each([
    ['of an absent queue', 0x1000 + 8 * 5, 1],
    ['of an absent completion queue', 0x1000 + 8 * 5 + 4, 1],
    ['far behind the last queue', 0x1000 + 8 * 500, 1],
    ['beyond the queue', 0x1008, 64],
    ['far beyond the queue', 0x1008, -1],
    ['of completions beyond the queue', 0x100c, 64],
    ['of completions that were never posted', 0x100c, 3],
  ])('%s are ignored and explained', async (_what, offset, value) => {
    const rig = await startRig(disks);
    const before = rig.telemetry.refusals.length;
    rig.memory.forget();
    rig.controller.write32(offset, value);
    expect(rig.memory.deviceReads).toEqual([]);
    expect(rig.telemetry.refusals).toHaveLength(before + 1);
    expect((await rig.driver.command(1, FLUSH)).status).toBe(0);
  });

  it('lie CAP.DSTRD apart; between them is nothing', async () => {
    const rig = await startRig({ ...disks, config: { doorbellStride: 2 } });
    expect(rig.driver.registers.doorbellBytes).toBe(16);
    expect((await rig.driver.command(1, FLUSH)).status).toBe(0);
    const before = rig.telemetry.refusals.length;
    rig.controller.write32(0x1004, 1);
    expect(rig.telemetry.refusals).toHaveLength(before + 1);
  });

  it('are explained at most so often a second', async () => {
    const rig = await makeRig();
    for (let i = 0; i < 1000; i++) rig.driver.registers.ringSubmission(0, 1);
    expect(rig.telemetry.refusals).toHaveLength(21);
    rig.clock.ms += 1000;
    rig.driver.registers.ringSubmission(0, 1);
    expect(rig.telemetry.refusals).toHaveLength(22);
  });
});

describe('queues', () => {
  it('wrap with their phase, any sizes together', async () => {
    const rig = await makeRig(disks);
    rig.driver.enable();
    for (const [id, sqSize, cqSize] of [
      [1, 2, 2],
      [2, 7, 3],
      [3, 3, 11],
    ] as const) {
      await rig.driver.createCq(id, cqSize);
      await rig.driver.createSq(id, sqSize, id);
      for (let i = 0; i < 50; i++) expect((await rig.driver.command(id, FLUSH)).status).toBe(0);
    }
    expect(rig.driver.unexpected).toEqual([]);
  });

  it('may share a completion queue', async () => {
    const rig = await startRig(disks);
    await rig.driver.createSq(2, 8, 1);
    await rig.driver.createSq(3, 8, 1);
    const all = [1, 2, 3, 2, 1].map((id) => rig.driver.submit(id, FLUSH));
    const completions = await rig.driver.waitAll(all);
    expect(completions.map((c) => c.sqId)).toEqual([1, 2, 3, 2, 1]);
  });

  it('of the admin kind may be many pages long', async () => {
    const rig = await makeRig({ ...disks, adminSqEntries: 4096, adminCqEntries: 4096 });
    rig.driver.enable();
    for (let i = 0; i < 4500; i++) await rig.driver.admin(admin.getFeatures(7));
    expect(rig.driver.unexpected).toEqual([]);
  });

  it('need not be contiguous when the controller allows it', async () => {
    const rig = await makeRig({ ...disks, config: { contiguousQueuesRequired: false } });
    rig.driver.enable();
    expect(rig.driver.registers.cap.low & 0x1_0000).toBe(0);
    await rig.driver.createQueuePair(1, 300, { contiguous: false });
    for (let i = 0; i < 700; i++) expect((await rig.driver.command(1, FLUSH)).status).toBe(0);
  });

  it('deliver more commands than one turn fetches', async () => {
    const rig = await makeRig(disks);
    rig.driver.enable();
    await rig.driver.createQueuePair(1, 1024);
    const all = Array.from({ length: 1000 }, () => rig.driver.enqueue(1, FLUSH));
    rig.driver.queue(1).ring();
    expect(rig.telemetry.commands.filter((c) => c.queueId === 1)).toHaveLength(256);
    expect(rig.clock.deferred).toBe(1);
    const completions = await rig.driver.waitAll(all);
    expect(new Set(completions.map((c) => c.cid)).size).toBe(1000);
  });

  it('forget deferred work at a reset', async () => {
    const rig = await makeRig(disks);
    rig.driver.enable();
    await rig.driver.createQueuePair(1, 1024);
    for (let i = 0; i < 1000; i++) rig.driver.enqueue(1, FLUSH);
    rig.driver.queue(1).ring();
    rig.driver.reset();
    rig.memory.forget();
    await idle(rig);
    expect(rig.memory.deviceWrites).toEqual([]);
  });
});

describe('a full completion queue', () => {
  it.each(['sync', 'soon'] as const)('holds commands back and loses none (%s)', async (store) => {
    const rig = await makeRig({ ...disks, store });
    rig.driver.enable();
    const cq = await rig.driver.createCq(1, 4, { interrupts: false });
    await rig.driver.createSq(1, 64, 1);
    await rig.driver.createSq(2, 64, 1);
    const all = Array.from({ length: 60 }, (_, i) => rig.driver.enqueue(1 + (i & 1), FLUSH));
    rig.driver.queue(1).ring();
    rig.driver.queue(2).ring();
    await idle(rig);
    const posted = () => rig.telemetry.commands.filter((c) => c.queueId > 0).length;
    expect(posted()).toBe(3); // one slot of four always stays free
    let taken = rig.driver.reap(cq, 1);
    await idle(rig);
    expect(posted()).toBe(4);
    for (let i = 0; i < 100; i++) {
      taken += rig.driver.reap(cq);
      await idle(rig);
    }
    expect(taken).toBe(60);
    expect(new Set(all.map((p) => p.completion?.cid)).size).toBe(60);
    expect(rig.driver.unexpected).toEqual([]);
    // No slot stays reserved: it can be filled to the last one again.
    for (let i = 0; i < 10; i++) rig.driver.submit(1, FLUSH);
    await idle(rig);
    expect(posted()).toBe(63);
  });

  it('does not fill up with held event requests', async () => {
    const rig = await makeRig({ adminCqEntries: 2, config: { aerlZ: 10 } });
    rig.driver.enable();
    for (let i = 0; i < 11; i++) rig.driver.submit(0, admin.asyncEvent());
    expect((await rig.driver.admin(admin.getFeatures(7))).status).toBe(0);
  });
});

describe('the interrupt line', () => {
  it('is a level: up until the last completion is taken', async () => {
    const rig = await startRig(disks);
    const cq = rig.driver.cqs.get(1);
    if (!cq) throw new Error();
    for (let i = 0; i < 3; i++) rig.driver.submit(1, FLUSH);
    expect(rig.interrupt.level).toBe(true);
    rig.driver.reap(cq, 1);
    expect(rig.interrupt.level).toBe(true);
    rig.driver.reap(cq, 1);
    expect(rig.interrupt.level).toBe(true);
    rig.driver.reap(cq, 1);
    expect(rig.interrupt.level).toBe(false);
  });

  it('follows the mask without losing anything', async () => {
    const rig = await startRig(disks);
    rig.driver.registers.maskInterrupts();
    const pending = rig.driver.submit(1, FLUSH);
    expect(rig.interrupt.level).toBe(false);
    rig.driver.registers.unmaskInterrupts();
    expect(rig.interrupt.level).toBe(true);
    rig.driver.registers.maskInterrupts();
    expect(rig.interrupt.level).toBe(false);
    rig.controller.write32(0x10, 0x2); // another vector
    expect(rig.interrupt.level).toBe(false);
    rig.driver.registers.unmaskInterrupts();
    expect((await rig.driver.wait(pending)).status).toBe(0);
    expect(rig.interrupt.level).toBe(false);
  });

  it('stays down for queues without interrupts, and up for others beside them', async () => {
    const rig = await startRig(disks);
    const polled = await rig.driver.createCq(2, 8, { interrupts: false });
    await rig.driver.createSq(2, 8, 2);
    const quiet = rig.driver.submit(2, FLUSH);
    expect(rig.interrupt.level).toBe(false);
    rig.driver.submit(1, FLUSH);
    expect(rig.interrupt.level).toBe(true);
    rig.driver.reap(polled);
    expect(quiet.completion?.status).toBe(0);
    expect(rig.interrupt.level).toBe(true);
    rig.driver.service();
    expect(rig.interrupt.level).toBe(false);
  });

  it('goes down at a reset', async () => {
    const rig = await startRig(disks);
    rig.driver.submit(1, FLUSH);
    rig.driver.disable();
    expect(rig.interrupt.level).toBe(false);
  });
});

describe('creating queues', () => {
  const QUEUE = 0x20_0000;
  const list = [
    ['completion queue 0', admin.createCq(0, 8, QUEUE), Status.invalidQueueId],
    ['a completion queue that exists', admin.createCq(1, 8, QUEUE), Status.invalidQueueId],
    ['a completion queue too many', admin.createCq(9, 8, QUEUE), Status.invalidQueueId],
    ['completion queue 65535', admin.createCq(0xffff, 8, QUEUE), Status.invalidQueueId],
    ['one of one entry', admin.createCq(2, 1, QUEUE), Status.invalidQueueSize],
    ['one larger than CAP.MQES', admin.createCq(2, 0x801, QUEUE), Status.invalidQueueSize],
    ['one with another vector', admin.createCq(2, 8, QUEUE, { vector: 1 }), Status.invalidInterruptVector],
    ['one that is not contiguous', admin.createCq(2, 8, QUEUE, { flags: 2 }), Status.invalidField],
    ['one off a page', admin.createCq(2, 8, QUEUE + 16), Status.prpOffsetInvalid],
    ['one beyond RAM', admin.createCq(2, 8, 2 ** 33), Status.dataTransferError],
    ['one that runs into the hole', admin.createCq(2, 0x200, HOLE_BEGIN - 4096), Status.dataTransferError],
    ['submission queue 0', admin.createSq(0, 8, QUEUE, 1), Status.invalidQueueId],
    ['a submission queue that exists', admin.createSq(1, 8, QUEUE, 1), Status.invalidQueueId],
    ['a submission queue of one entry', admin.createSq(2, 1, QUEUE, 1), Status.invalidQueueSize],
    ['one for the admin completion queue', admin.createSq(2, 8, QUEUE, 0), Status.completionQueueInvalid],
    ['one for a queue that does not exist', admin.createSq(2, 8, QUEUE, 5), Status.completionQueueInvalid],
    ['one for a queue that cannot exist', admin.createSq(2, 8, QUEUE, 0xffff), Status.invalidQueueId],
    ['a scattered submission queue', admin.createSq(2, 8, QUEUE, 1, 0), Status.invalidField],
    ['a submission queue in the registers', admin.createSq(2, 8, 0x80_0000, 1), Status.dataTransferError],
    ['deleting submission queue 0', admin.deleteSq(0), Status.invalidQueueId],
    ['deleting an absent one', admin.deleteSq(4), Status.invalidQueueId],
    ['deleting completion queue 0', admin.deleteCq(0), Status.invalidQueueId],
    ['deleting an absent completion queue', admin.deleteCq(4), Status.invalidQueueId],
    ['deleting a completion queue in use', admin.deleteCq(1), Status.invalidQueueDeletion],
  ] as const;

  it.each(list)('refuses %s', async (_what, sqe, status) => {
    const rig = await startRig(disks);
    expect((await rig.driver.admin(sqe)).status).toBe(status);
    expect((await rig.driver.command(1, FLUSH)).status).toBe(0);
  });

  it('checks the pages of a scattered queue', async () => {
    const rig = await makeRig({ ...disks, config: { contiguousQueuesRequired: false } });
    rig.driver.enable();
    const at = rig.driver.arena.pages();
    rig.memory.put64(at, QUEUE + 8);
    expect((await rig.driver.admin(admin.createCq(1, 8, at, { flags: 2 }))).status).toBe(
      Status.prpOffsetInvalid,
    );
    rig.memory.put64(at, HOLE_BEGIN);
    expect((await rig.driver.admin(admin.createCq(1, 8, at, { flags: 2 }))).status).toBe(
      Status.dataTransferError,
    );
  });

  it('wants the entry sizes in CC first', async () => {
    const rig = await makeRig(disks);
    rig.driver.enable(0);
    expect((await rig.driver.admin(admin.createCq(1, 8, QUEUE))).status).toBe(Status.commandSequenceError);
  });

  it('begins again with head and tail 0 and phase 1', async () => {
    const rig = await startRig(disks);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 5; i++) await rig.driver.command(1, FLUSH);
      await rig.driver.adminOk(admin.deleteSq(1));
      expect((await rig.driver.admin(admin.deleteSq(1))).status).toBe(Status.invalidQueueId);
      await rig.driver.adminOk(admin.deleteCq(1));
      await rig.driver.createQueuePair(1, 7);
    }
    expect(rig.driver.unexpected).toEqual([]);
  });

  it('can be done up to the number of queues offered', async () => {
    const rig = await makeRig(disks);
    rig.driver.enable();
    expect(await rig.driver.adminOk(admin.setFeatures(7, 0xfffe_fffe))).toBe(0x0007_0007);
    for (let id = 1; id <= 8; id++) await rig.driver.createQueuePair(id, 4);
    for (let id = 1; id <= 8; id++) expect((await rig.driver.command(id, FLUSH)).status).toBe(0);
  });
});

describe('deleting a submission queue', () => {
  it('waits for its commands in flight and executes no others', async () => {
    const rig = await startRig({ ...disks, store: 'held' });
    const before = rig.driver.submit(1, FLUSH);
    const deletion = rig.driver.submit(0, admin.deleteSq(1));
    const twice = rig.driver.submit(0, admin.deleteSq(1));
    const after = rig.driver.submit(1, FLUSH);
    await settle();
    rig.driver.service();
    expect(before.completion).toBeUndefined();
    expect(deletion.completion).toBeUndefined();
    expect(twice.completion?.status).toBe(Status.invalidQueueId);
    await rig.stores[0]?.releaseAll();
    rig.driver.service();
    expect(before.completion?.status).toBe(0);
    expect(deletion.completion?.status).toBe(0);
    await idle(rig);
    rig.driver.service();
    expect(after.completion).toBeUndefined();
    expect((await rig.driver.admin(admin.deleteCq(1))).status).toBe(0);
  });

  it('leaves no reserved slot in a completion queue that others use', async () => {
    const rig = await startRig({ ...disks, store: 'soon' });
    await rig.driver.createCq(2, 4);
    for (let round = 0; round < 10; round++) {
      await rig.driver.createSq(3, 8, 2);
      for (let i = 0; i < 3; i++) rig.driver.submit(3, FLUSH);
      await rig.driver.adminOk(admin.deleteSq(3));
      await idle(rig);
      rig.driver.service();
    }
    await rig.driver.createSq(3, 8, 2);
    expect((await rig.driver.command(3, FLUSH)).status).toBe(0);
  });
});

describe('memory that goes away', () => {
  it('is fatal when a completion cannot be posted or a command not be fetched', async () => {
    for (const when of ['fetch', 'post']) {
      const rig = await startRig({ ...disks, store: 'held' });
      if (when === 'post') rig.driver.submit(1, FLUSH);
      rig.memory.unreachable = true;
      if (when === 'fetch') rig.driver.submit(1, FLUSH);
      await settle();
      await rig.stores[0]?.releaseAll();
      expect(rig.controller.isFatal).toBe(true);
      rig.memory.unreachable = false;
      rig.driver.reset();
      expect(rig.controller.isReady).toBe(true);
    }
  });
});

it('a command with fused or SGL bits is refused', async () => {
  const rig = await startRig(disks);
  for (const flags of [0x01, 0x02, 0x40, 0x80]) {
    expect((await rig.driver.command(1, { ...FLUSH, flags })).status).toBe(Status.invalidField);
    expect((await rig.driver.admin({ opcode: AdminOpcode.getFeatures, cdw10: 7, flags })).status).toBe(
      Status.invalidField,
    );
  }
  expect((await rig.driver.command(1, { ...FLUSH, flags: 0x3c })).status).toBe(0);
});
