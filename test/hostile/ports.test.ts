import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NvmeController } from '../../src/device/controller.ts';
import { openMedia } from '../../src/device/media.ts';
import { Csts, Register } from '../../src/spec/registers.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { DEFAULT_CONFIG, makeRig, plainDisk, type Rig, startRig } from '../driver/rig.ts';
import { prpsFor } from '../driver/prp.ts';
import { pattern } from '../driver/pattern.ts';
import { FakeStore, settle } from '../fakes/fake-store.ts';
import { disks, openChannel12, SEC, startDisk } from './disks.ts';

/** Rejections that nobody handled: an exception that left the device by the back door. */
let rejections: unknown[] = [];
const onRejection = (error: unknown) => rejections.push(error);
beforeEach(() => {
  rejections = [];
  process.on('unhandledRejection', onRejection);
});
afterEach(async () => {
  await settle();
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

const fail = (): never => {
  throw new Error('a port failed');
};
const csts = (rig: Rig) => rig.controller.read32(Register.csts);

describe('a port that throws', () => {
  it.each(['sync', 'soon'] as const)(
    'telemetry: commands are carried out as ever (store %s)',
    async (store) => {
      for (const disk of disks) {
        const rig = await makeRig({ namespaces: disk.namespaces, store });
        Object.assign(rig.telemetry, { command: fail, flash: fail, refused: fail });
        await rig.driver.start();
        const data = rig.driver.arena.buffer(8 * SEC).fill(pattern(8 * SEC, 1));
        const write = { ...disk.write(rig, data), ...prpsFor(rig.driver.arena, data) };
        expect((await rig.driver.command(1, write)).status).toBe(Status.success);
        expect((await rig.driver.command(1, { opcode: 0xee, nsid: 1 })).status).toBe(Status.invalidOpcode);
        expect(rig.controller.isReady).toBe(true);
      }
    },
  );

  it('memory, while a command is fetched: fatal status', async () => {
    const rig = await startRig();
    rig.memory.read = fail;
    expect(() => rig.driver.submit(1, { opcode: 0, nsid: 1 })).not.toThrow();
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
  });

  it.each(disks)('memory, after storage was waited for: the command has an answer ($name)', async (disk) => {
    const rig = await startDisk(disk, { store: 'soon' });
    const write = rig.memory.write.bind(rig.memory);
    const data = rig.driver.arena.buffer(8 * SEC);
    const sqe = { ...disk.write(rig, data), ...prpsFor(rig.driver.arena, data) };
    expect((await rig.driver.command(1, sqe)).status).toBe(Status.success);
    const again = await startDisk(disk, { stores: [(rig.stores[0] as FakeStore).reopened('soon')] });
    const real = again.memory.write.bind(again.memory);
    again.memory.write = (address, source, offset, length) =>
      length === 16 ? real(address, source, offset, length) : fail();
    const into = again.driver.arena.buffer(8 * SEC);
    const { status } = await again.driver.command(1, disk.read(8, prpsFor(again.driver.arena, into)));
    expect(status).toBe(Status.internalError);
    expect(write).toBeTypeOf('function');
  });

  it.each(['sync', 'soon'] as const)(
    'memory, while a completion is written: fatal status (store %s)',
    async (store) => {
      const rig = await startRig({ namespaces: [plainDisk()], store });
      rig.memory.write = fail;
      rig.driver.submit(1, { opcode: IoOpcode.flush, nsid: 1 });
      await settle();
      expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
    },
  );

  it.each(['sync', 'soon'] as const)(
    'the interrupt line: fatal status, and a reset helps (store %s)',
    async (store) => {
      const rig = await startRig({ namespaces: [plainDisk()], store });
      const { assert, deassert } = rig.interrupt;
      Object.assign(rig.interrupt, { assert: fail, deassert: fail });
      rig.driver.submit(1, { opcode: IoOpcode.flush, nsid: 1 });
      await settle();
      expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
      // The reset fails as well: the next one has to work.
      rig.controller.write32(Register.cc, 0);
      Object.assign(rig.interrupt, { assert, deassert });
      rig.controller.write32(Register.cc, 0);
      expect(csts(rig)).toBe(0);
      await rig.driver.start();
      expect((await rig.driver.command(1, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(Status.success);
    },
  );

  it('memory, while commands are fetched in a later turn: fatal status', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    await rig.driver.createQueuePair(2, 2048);
    for (let i = 0; i < 2000; i++) rig.driver.enqueue(2, { opcode: IoOpcode.flush, nsid: 1 });
    rig.driver.queue(2).ring();
    expect(rig.clock.deferred).toBe(1);
    rig.memory.read = fail;
    expect(() => rig.clock.run()).not.toThrow();
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
  });

  it('the clock, asked for a later turn: fatal status, and after a reset queues go on', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    const defer = rig.clock.defer.bind(rig.clock);
    const flood = async () => {
      await rig.driver.createQueuePair(2, 2048);
      for (let i = 0; i < 1000; i++) rig.driver.enqueue(2, { opcode: IoOpcode.flush, nsid: 1 });
      rig.driver.queue(2).ring();
    };
    rig.clock.defer = fail;
    await flood();
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
    rig.clock.defer = defer;
    await rig.driver.start();
    await flood();
    for (let turn = 0; turn < 8; turn++) rig.clock.run();
    rig.driver.service();
    expect(rig.driver.pendingCount).toBe(0);
  });

  it('the clock: fatal status', async () => {
    const rig = await startRig({ namespaces: [plainDisk()] });
    rig.clock.nowMs = fail;
    rig.driver.submit(1, { opcode: IoOpcode.flush, nsid: 1 });
    expect(csts(rig) & Csts.fatal).toBe(Csts.fatal);
  });

  it('a power cycle ends whatever the ports do', async () => {
    const rig = await startRig();
    Object.assign(rig.interrupt, { assert: fail, deassert: fail });
    rig.controller.powerCycle();
    expect([csts(rig), rig.controller.read32(Register.cc)]).toEqual([0, 0]);
  });
});

describe('storage that fails', () => {
  it('whoever is told of it may throw', async () => {
    const rig = await startRig({ namespaces: [plainDisk()], store: 'soon' });
    const [ns] = rig.namespaces;
    if (ns) ns.medium.units.onfailure = fail;
    if (rig.stores[0]) rig.stores[0].failCommitIn = 1;
    const data = rig.driver.arena.buffer(SEC);
    const write = { opcode: IoOpcode.write, nsid: 1, ...prpsFor(rig.driver.arena, data) };
    expect((await rig.driver.command(1, write)).status).toBe(Status.internalError);
  });

  it('a unit that cannot be read is an error, not a rejection without a handler', async () => {
    class Gone extends FakeStore {
      override readUnit(): never {
        throw new Error('gone');
      }
    }
    const first = await startDisk(openChannel12);
    const data = first.driver.arena.buffer(8 * SEC);
    expect((await first.driver.command(1, openChannel12.write(first, data))).status).toBe(Status.success);
    const store = new Gone('sync');
    for (const [unit, bytes] of first.stores[0]?.units ?? []) store.units.set(unit, bytes);
    for (const [shard, bytes] of first.stores[0]?.shards ?? []) store.shards.set(shard, bytes);
    const rig = await startDisk(openChannel12, { stores: [store] });
    const into = rig.driver.arena.buffer(SEC);
    const sqe = { opcode: IoOpcode.vectorRead, nsid: 1, ...prpsFor(rig.driver.arena, into) };
    expect((await rig.driver.command(1, sqe)).status).toBe(Status.eccFailure);
  });
});

it('a controller can be made over ports that all throw, and does nothing', async () => {
  const config = { ...DEFAULT_CONFIG, namespaces: [plainDisk()] };
  const observer = { flash: fail, command: fail, refused: fail };
  const media = await openMedia(config, new FakeStore(), observer);
  const ports = {
    memory: { isRam: fail, read: fail, write: fail, readWords: fail, writeWords: fail },
    interrupt: { assert: fail, deassert: fail },
    clock: { nowMs: fail, defer: fail },
  };
  const controller = new NvmeController(config, media, ports, observer);
  for (let at = 0; at < 0x1100; at++) {
    controller.write32(at, 0xffff_ffff);
    controller.write8(at, 1);
    controller.read32(at);
    controller.read8(at);
  }
  controller.powerCycle();
  expect(controller.isReady).toBe(false);
});
