import { describe, expect, it } from 'vitest';
import { CommandLog } from '../../src/device/command-log.ts';
import { Register } from '../../src/spec/registers.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import { plainDisk, startRig } from '../driver/rig.ts';
import { FakeMemory } from '../fakes/fake-memory.ts';
import { type Disk, disks, openChannel12, plain, SEC, startDisk } from './disks.ts';

/** A disk with data on it, opened again over a store that answers when it is told. */
async function inUse(disk: Disk) {
  const first = await startDisk(disk);
  const data = first.driver.arena.buffer(64 * SEC).fill(pattern(64 * SEC, 5));
  const write = { ...disk.write(first, data), ...prpsFor(first.driver.arena, data) };
  expect((await first.driver.command(1, write)).status).toBe(Status.success);
  const store = (first.stores[0] as NonNullable<(typeof first.stores)[0]>).reopened('held');
  return { store, rig: await startDisk(disk, { stores: [store] }) };
}

describe('completions after a reset', () => {
  const ways = ['EN', 'power', 'EN and enabled again', 'shutdown and EN'] as const;

  for (const disk of disks) {
    it.each(ways)(`${disk.name}: nothing is written once the controller was disabled (%s)`, async (way) => {
      const { rig, store } = await inUse(disk);
      const { driver, memory, controller } = rig;
      const into = driver.arena.buffer(16 * SEC);
      driver.submit(1, disk.read(16, prpsFor(driver.arena, into)));
      const from = driver.arena.buffer(SEC);
      driver.submit(1, { opcode: IoOpcode.write, nsid: 1, ...prpsFor(driver.arena, from) });
      driver.submit(1, { opcode: IoOpcode.flush, nsid: 1 });
      driver.submit(0, admin.asyncEvent());
      if (way === 'shutdown and EN') controller.write32(Register.cc, driver.registers.cc | (1 << 14));
      if (way === 'power') controller.powerCycle();
      else driver.disable();
      if (way === 'EN and enabled again') driver.enable();
      memory.forget();
      const ram = memory.ram.slice();
      await store.releaseAll();
      rig.clock.run();
      expect([memory.deviceReads, memory.deviceWrites]).toEqual([[], []]);
      expect(Buffer.compare(memory.ram, ram)).toBe(0);
      expect(rig.interrupt.level).toBe(false);
    });

    it(`${disk.name}: a command of after the reset with the same identifier gets its own answer`, async () => {
      const { rig, store } = await inUse(disk);
      const stale = rig.driver.arena.buffer(4 * SEC);
      rig.driver.enqueue(1, disk.read(4, prpsFor(rig.driver.arena, stale)), 77);
      rig.driver.queue(1).ring();
      rig.driver.reset();
      // The new queue pair waits for storage as well.
      const started = rig.driver.start();
      await store.releaseAll();
      await started;
      const fresh = rig.driver.arena.buffer(4 * SEC);
      const pending = rig.driver.enqueue(1, disk.read(4, prpsFor(rig.driver.arena, fresh)), 77);
      pending.sq.ring();
      await store.releaseAll();
      expect((await rig.driver.wait(pending)).status).toBe(Status.success);
      expect(rig.driver.unexpected).toEqual([]);
      expect(stale.read().every((byte) => byte === 0)).toBe(true);
    });
  }

  it('of deleted queues never come either: the deletion waits for them', async () => {
    const { rig, store } = await inUse(plain);
    const data = rig.driver.arena.buffer(SEC);
    const read = rig.driver.submit(1, plain.read(1, prpsFor(rig.driver.arena, data)));
    const deletion = rig.driver.submit(0, admin.deleteSq(1));
    rig.driver.service();
    expect([read.completion, deletion.completion]).toEqual([undefined, undefined]);
    await store.releaseAll();
    rig.driver.service();
    expect(read.completion?.status).toBe(Status.success);
    expect(deletion.completion?.status).toBe(Status.success);
  });

  it('of an Abort that waits for its target are forgotten with it', async () => {
    const { rig, store } = await inUse(plain);
    const data = rig.driver.arena.buffer(SEC);
    const read = rig.driver.submit(1, plain.read(1, prpsFor(rig.driver.arena, data)));
    rig.driver.submit(0, admin.abort(1, read.cid));
    rig.driver.reset();
    rig.memory.forget();
    await store.releaseAll();
    expect(rig.memory.deviceWrites).toEqual([]);
    expect((await rig.driver.admin(admin.getFeatures(7))).status).toBe(Status.success);
  });
});

describe('floods (a budget per tick, bounded telemetry)', () => {
  it('one doorbell fetches a bounded number of commands; the rest comes in later turns', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    await rig.driver.createQueuePair(2, 2048);
    const sq = rig.driver.queue(2);
    for (let i = 0; i < 2000; i++) rig.driver.enqueue(2, { opcode: IoOpcode.flush, nsid: 1 });
    rig.memory.forget();
    sq.ring();
    const perTurn = rig.memory.deviceReads.length;
    expect(perTurn).toBeLessThanOrEqual(256);
    for (let turn = 1; turn < 20 && rig.clock.deferred > 0; turn++) {
      const before = rig.memory.deviceReads.length;
      rig.clock.run();
      expect(rig.memory.deviceReads.length - before).toBeLessThanOrEqual(256);
    }
    rig.driver.service();
    expect(rig.driver.pendingCount).toBe(0);
  });

  it('a full queue does not starve another: it is served within a few turns', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    await rig.driver.createQueuePair(2, 2048);
    for (let i = 0; i < 2000; i++) rig.driver.enqueue(2, { opcode: IoOpcode.flush, nsid: 1 });
    rig.driver.queue(2).ring();
    const other = rig.driver.submit(1, { opcode: IoOpcode.flush, nsid: 1 });
    const command = rig.driver.submit(0, admin.getFeatures(7));
    for (let turn = 0; turn < 3 && !(other.completion && command.completion); turn++) {
      rig.clock.run();
      rig.driver.reap(rig.driver.cqs.get(0) as NonNullable<ReturnType<typeof rig.driver.cqs.get>>);
      rig.driver.reap(rig.driver.cqs.get(1) as NonNullable<ReturnType<typeof rig.driver.cqs.get>>);
    }
    expect([other.completion?.status, command.completion?.status]).toEqual([0, 0]);
  });

  it('of refused commands and doorbells tell the page at most some twenty sentences a second', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    for (let i = 0; i < 5000; i++) {
      rig.controller.write32(0x1800, i);
      rig.controller.write8(i % 64, i);
    }
    for (let i = 0; i < 500; i++) await rig.driver.command(1, { opcode: 0xee, nsid: 1 });
    expect(rig.telemetry.refusals.length).toBeLessThanOrEqual(21);
    rig.clock.ms += 1000;
    rig.controller.write8(0, 0);
    expect(rig.telemetry.refusals.length).toBeLessThanOrEqual(22);
  });

  it('of wrong doorbells fill neither the events nor the error log', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    for (let i = 0; i < 20_000; i++) rig.controller.write32(0x1800 + 4 * (i % 64), i);
    const { waiting } = rig.controller.events as unknown as { waiting: readonly unknown[] };
    expect(waiting.length).toBeLessThanOrEqual(64);
    const page = await rig.driver.adminRead(4 * 64, (prps) => admin.getLogPage(1, 4 * 64, prps));
    expect(page.byteLength).toBe(256);
  });

  it('of events, requests and aborts are held within their limits', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    const requests = Array.from({ length: 20 }, () => rig.driver.submit(0, admin.asyncEvent()));
    rig.driver.service();
    const refused = requests.filter(({ completion }) => completion !== undefined);
    expect(refused).toHaveLength(20 - (rig.controller.config.aerlZ + 1));
    expect(refused.every(({ completion }) => completion?.status === Status.asyncEventLimitExceeded)).toBe(
      true,
    );
  });

  it('of commands that storage keeps waiting: the log has a fixed size, and all are answered', async () => {
    const rig = await startDisk(openChannel12, { store: 'held' });
    const data = rig.driver.arena.buffer(SEC);
    await rig.driver.createQueuePair(2, 2048);
    const all = Array.from({ length: 2000 }, (_, i) =>
      rig.driver.enqueue(2, {
        opcode: IoOpcode.vectorRead,
        nsid: 1,
        ...prpsFor(rig.driver.arena, data),
        cdw10: i % 1024,
      }),
    );
    rig.driver.queue(2).ring();
    await rig.stores[0]?.releaseAll();
    const answers = await rig.driver.waitAll(all);
    expect(answers).toHaveLength(2000);
    expect(rig.log).toBeInstanceOf(CommandLog);
    expect(rig.log.events().length).toBeLessThanOrEqual(1024);
  });

  it('of huge transfers leave no huge lists behind', async () => {
    const memory = new FakeMemory(64);
    const rig = await startRig({ namespaces: [plainDisk(65_536, 512)], config: { mdts: 0 }, memory });
    const pages = rig.driver.arena.buffer(512 * 16_384, { scattered: true });
    const sqe = { opcode: IoOpcode.read, nsid: 1, ...prpsFor(rig.driver.arena, pages), cdw12: 16_383 };
    expect((await rig.driver.command(1, sqe)).status).toBe(Status.success);
    await rig.driver.command(1, { ...sqe, cdw12: 0 });
    const { commands } = rig.controller as unknown as {
      commands: { idle: readonly { data: { addresses: Float64Array } }[] };
    };
    expect(Math.max(...commands.idle.map(({ data }) => data.addresses.length))).toBeLessThanOrEqual(PAGE / 4);
  });
});
