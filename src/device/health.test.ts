import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { blocksSqe, readBlocks, sendBlocks, writeBlocks } from '../../test/driver/blocks.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { openChannel, plainDisk, type Rig, type RigOptions, startRig } from '../../test/driver/rig.ts';
import { vectorCommand, vectorRead, vectorWrite } from '../../test/driver/vector.ts';
import { type FakeStore, settle } from '../../test/fakes/fake-store.ts';
import { errorLogEntry, smartLog } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const namespaces = [plainDisk(8192, 512)];
const disk = (rig: Rig) => ({ rig, nsid: 1, secSizeBytes: 512 });
const reopen = (rig: Rig, options: RigOptions = { namespaces }) =>
  startRig({ ...options, stores: [(rig.stores[0] as FakeStore).reopened()] });

type Counter = Exclude<keyof typeof smartLog.fields, never>;
async function smart(rig: Rig, ...names: Counter[]): Promise<number[]> {
  const bytes = await rig.driver.adminRead(512, (prps) => admin.getLogPage(2, 512, prps));
  return names.map((name) => unpack(smartLog.fields[name], bytes));
}

async function errors(rig: Rig) {
  const bytes = await rig.driver.adminRead(256, (prps) => admin.getLogPage(1, 256, prps));
  const f = errorLogEntry.fields;
  return [0, 64, 128, 192].map((at) => {
    const entry = bytes.subarray(at, at + 64);
    return {
      count: unpack(f.errorCount, entry),
      sqid: unpack(f.sqid, entry),
      status: unpack(f.statusField, entry) >> 1,
      location: unpack(f.parmErrorLocation, entry),
      lba: unpack(f.lba, entry),
      nsid: unpack(f.nsid, entry),
    };
  });
}

function shutDown(rig: Rig): void {
  rig.driver.registers.cc = rig.driver.registers.cc | (1 << 14);
}

describe('SMART', () => {
  it('counts commands, and 512-byte units in thousands rounded up', async () => {
    const rig = await startRig({ namespaces });
    await writeBlocks(disk(rig), 0, pattern(512, 1));
    expect(await smart(rig, 'dataUnitsWritten', 'hostWrites', 'dataUnitsRead')).toEqual([1, 1, 0]);
    for (let i = 0; i < 4; i++) await writeBlocks(disk(rig), 0, pattern(250 * 512, 1));
    expect(await smart(rig, 'dataUnitsWritten', 'hostWrites')).toEqual([2, 5]);
    await readBlocks(disk(rig), 0, 500);
    await sendBlocks(disk(rig), IoOpcode.compare, 0, pattern(250 * 512, 1));
    await rig.driver.command(1, blocksSqe(IoOpcode.writeZeroes, 1, 0, 8000));
    await readBlocks(disk(rig), 0, 251);
    expect(await smart(rig, 'dataUnitsRead', 'hostReads', 'dataUnitsWritten', 'hostWrites')).toEqual([
      2, 3, 2, 5,
    ]);
  });

  it('counts vectors of an open-channel disk, and its wear', async () => {
    const rig = await startRig({ namespaces: [openChannel()] });
    const data = rig.driver.arena.buffer(3 * 4096).fill(pattern(3 * 4096, 1));
    for (const opcode of [vectorWrite, vectorRead]) {
      const { sqe } = vectorCommand(rig.driver.arena, { opcode, addresses: [0, 1, 2], data });
      expect((await rig.driver.command(1, sqe)).status).toBe(0);
    }
    expect(
      await smart(rig, 'hostReads', 'hostWrites', 'dataUnitsRead', 'availableSpare', 'percentUsed'),
    ).toEqual([1, 1, 1, 100, 0]);
    const [ns] = rig.namespaces;
    if (ns?.kind !== 'ocssd12') throw new Error('kind');
    ns.medium.table.eraseCount.fill(1500);
    expect(await smart(rig, 'percentUsed')).toEqual([50]);
  });

  it('knows clean shutdowns from others, and keeps what was counted', async () => {
    const first = await startRig({ namespaces });
    expect(await smart(first, 'powerCycles', 'unsafeShutdowns')).toEqual([1, 0]);
    await writeBlocks(disk(first), 0, pattern(512, 1));
    // Killed.
    const second = await reopen(first);
    expect(await smart(second, 'powerCycles', 'unsafeShutdowns', 'hostWrites')).toEqual([2, 1, 1]);
    await readBlocks(disk(second), 0, 1);
    second.driver.reset();
    await second.driver.start();
    expect(await smart(second, 'powerCycles')).toEqual([2]);
    shutDown(second);
    const third = await reopen(second);
    expect(await smart(third, 'powerCycles', 'unsafeShutdowns', 'hostReads')).toEqual([3, 1, 1]);
  });

  it('has counted after a power cut the writes whose data was kept, and no others', async () => {
    const before = await startRig({ namespaces });
    await writeBlocks(disk(before), 0, pattern(512, 1));
    const store = (before.stores[0] as FakeStore).reopened('held');
    const rig = await startRig({ namespaces, stores: [store] });
    const { driver } = rig;
    const data = driver.arena.buffer(64 * 512);
    // One waits for the rest of its unit, which the store does not bring; another one is stored meanwhile.
    const waiting = driver.submit(1, {
      ...blocksSqe(IoOpcode.write, 1, 1, 1),
      prp1: data.pages[0] as number,
    });
    const stored = driver.submit(1, {
      ...blocksSqe(IoOpcode.write, 1, 64, 64),
      ...prpsFor(driver.arena, data),
    });
    await settle();
    await store.releaseCommits();
    driver.service();
    expect([waiting.completion?.status, stored.completion?.status]).toEqual([undefined, 0]);
    expect(await smart(await reopen({ ...rig, stores: [store.reopened('sync')] }), 'hostWrites')).toEqual([
      2,
    ]);
  });

  it('does not count a write that failed in part, also after a power cut', async () => {
    const options = { namespaces: [openChannel()] };
    const rig = await startRig({ ...options, store: 'soon' });
    const { driver } = rig;
    const data = driver.arena.buffer(2 * 4096);
    // The first sector is written and stored; the other one is not at the write pointer of its block.
    const { sqe } = vectorCommand(driver.arena, { opcode: vectorWrite, addresses: [0, 7], data });
    expect((await driver.command(1, sqe)).status).not.toBe(0);
    expect(await smart(rig, 'hostWrites')).toEqual([0]);
    expect(await smart(await reopen(rig, options), 'hostWrites')).toEqual([0]);
  });

  it('counts reads since the last write at Flush', async () => {
    const rig = await startRig({ namespaces });
    await readBlocks(disk(rig), 0, 1);
    expect(await smart(await reopen(rig), 'hostReads')).toEqual([0]);
    await rig.driver.command(1, { opcode: IoOpcode.flush, nsid: 1 });
    expect(await smart(await reopen(rig), 'hostReads')).toEqual([1]);
  });

  it('tells time with power, and with commands outstanding', async () => {
    const rig = await startRig({ namespaces, store: 'held' });
    rig.clock.ms += 3 * 3_600_000;
    const write = rig.driver.submit(1, {
      ...blocksSqe(IoOpcode.write, 1, 0, 1),
      prp1: rig.driver.arena.pages(),
    });
    rig.clock.ms += 7 * 60_000;
    expect(await smart(rig, 'powerOnHours', 'ctrlBusyTimeMinutes')).toEqual([3, 7]);
    await (rig.stores[0] as FakeStore).releaseAll();
    rig.driver.service();
    expect(write.completion?.status).toBe(0);
    rig.clock.ms += 60 * 60_000;
    expect(await smart(rig, 'powerOnHours', 'ctrlBusyTimeMinutes')).toEqual([4, 7]);
  });

  it('warns of temperatures beyond the thresholds that the host sets', async () => {
    const { driver } = await startRig({ namespaces });
    const critical = async () => (await driver.adminRead(512, (p) => admin.getLogPage(2, 512, p)))[0];
    const held = driver.submit(0, admin.asyncEvent());
    await driver.adminOk(admin.setFeatures(0xb, 2));
    await driver.adminOk(admin.setFeatures(4, 303));
    expect((await driver.wait(held)).dw0).toBe(0x0002_0101);
    expect(await critical()).toBe(2);
    await driver.adminOk(admin.setFeatures(4, 343));
    expect(await critical()).toBe(0);
    await driver.adminOk(admin.setFeatures(4, (1 << 20) | 310));
    expect(await critical()).toBe(2);
    expect(await driver.adminOk(admin.getFeatures(4, { cdw11: 1 << 20 }))).toBe(310);
    for (const dword of [1 << 16, 2 << 20])
      expect((await driver.admin(admin.setFeatures(4, dword))).status).toBe(Status.invalidField);
  });
});

describe('the error log', () => {
  it('has the newest errors first, at most ELPE + 1, and counts them for life', async () => {
    const rig = await startRig({ namespaces });
    expect(await smart(rig, 'numErrLogEntries')).toEqual([0]);
    for (let lba = 9000; lba < 9005; lba++) await readBlocks(disk(rig), lba, 1);
    await rig.driver.command(1, { opcode: IoOpcode.read, nsid: 5 });
    await rig.driver.admin({ opcode: 0x7f });
    const log = await errors(rig);
    expect(log.map(({ count }) => count)).toEqual([7, 6, 5, 4]);
    expect(log[0]).toMatchObject({ sqid: 0, status: Status.invalidOpcode, location: 0 });
    expect(log[1]).toMatchObject({ sqid: 1, status: Status.invalidNamespace, location: 4, nsid: 5 });
    expect(log[2]).toMatchObject({ status: Status.lbaOutOfRange, location: 40, lba: 9004, nsid: 1 });
    shutDown(rig);
    const again = await reopen(rig);
    expect(await smart(again, 'numErrLogEntries')).toEqual([7]);
    expect((await errors(again))[0]?.count).toBe(0);
  });

  it('counts unrecovered reads as media errors', async () => {
    const rig = await startRig({ namespaces });
    await rig.driver.command(1, blocksSqe(IoOpcode.writeUncorrectable, 1, 3, 1));
    await readBlocks(disk(rig), 0, 8);
    expect(await smart(rig, 'mediaErrors', 'numErrLogEntries')).toEqual([1, 1]);
  });

  it('has wrong doorbells, told by one event until the log is read without "retain"', async () => {
    const rig = await startRig({ namespaces });
    const { driver } = rig;
    const held = [0, 1, 2].map(() => driver.submit(0, admin.asyncEvent()));
    for (let i = 0; i < 100; i++) driver.registers.ringSubmission(7, 1);
    driver.registers.ringCompletion(1, 5000);
    driver.service();
    expect(held.map((p) => p.completion?.dw0)).toEqual([0x0001_0000, undefined, undefined]);
    const retain = driver.arena.buffer(256);
    const sqe = admin.getLogPage(1, 256, { prp1: retain.pages[0] as number, prp2: 0 });
    await driver.adminOk({ ...sqe, cdw10: (sqe.cdw10 ?? 0) | 0x8000 });
    expect(held[1]?.completion).toBeUndefined();
    const log = await errors(rig);
    expect(log[0]).toMatchObject({ count: 101, sqid: 0xffff, status: Status.invalidField });
    driver.service();
    // What came after the first event waited, each kind once.
    expect(held.map((p) => p.completion?.dw0)).toEqual([0x0001_0000, 0x0001_0000, undefined]);
    await errors(rig);
    driver.service();
    expect(held.map((p) => p.completion?.dw0)).toEqual([0x0001_0000, 0x0001_0000, 0x0001_0100]);
    expect((await readBlocks(disk(rig), 0, 1)).status).toBe(0);
  });
});
