import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { type BlockDisk, blocksSqe, readBlocks, writeBlocks } from '../../test/driver/blocks.ts';
import { CC_LINUX } from '../../test/driver/driver.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { makeRig, plainDisk, startRig } from '../../test/driver/rig.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { Cc } from '../spec/registers.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const namespaces = [plainDisk(1024, 4096)];

it.each([0, 1, 2, 5, 8])('doorbells %i strides apart work for each queue', async (doorbellStride) => {
  const rig = await startRig({ namespaces, config: { doorbellStride } });
  expect(rig.driver.registers.doorbellBytes).toBe(4 << doorbellStride);
  for (const id of [2, 8]) {
    await rig.driver.createQueuePair(id, 4);
    for (let i = 0; i < 9; i++)
      expect((await rig.driver.command(id, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(0);
  }
});

describe.each([0, 1, 3])('memory pages of 4096 × 2^%i bytes', (mps) => {
  const page = 4096 << mps;
  async function disk(): Promise<BlockDisk> {
    // An admin completion queue of 64 KiB, so that the submission queue behind it is aligned as well.
    const rig = await makeRig({ namespaces, config: { mpsMax: 4 }, adminCqEntries: 4096 });
    // The driver's pages are 4 KiB: its queues have to begin on larger ones.
    rig.driver.arena.pages(16 - ((rig.driver.arena.mark / 4096) % 16));
    rig.driver.enable(CC_LINUX | (mps << Cc.mpsShift));
    rig.driver.arena.pages(16 - ((rig.driver.arena.mark / 4096) % 16));
    await rig.driver.createCq(1, 16);
    rig.driver.arena.pages(16 - ((rig.driver.arena.mark / 4096) % 16));
    await rig.driver.createSq(1, 16, 1);
    return { rig, nsid: 1, secSizeBytes: 4096 };
  }

  it('are what PRPs are counted in', async () => {
    const { rig } = await disk();
    const { arena, memory } = rig.driver;
    const secs = (5 * page) / 4096;
    const run = Math.ceil(arena.pages(64) / 65_536) * 65_536;
    const data = pattern(secs * 4096, 7);
    // Five pages in falling order; the list is in a sixth.
    const pages = [4, 3, 2, 1, 0].map((i) => run + i * page);
    const list = run + 5 * page;
    pages.slice(1).forEach((at, i) => memory.put64(list + 8 * i, at));
    pages.forEach((at, i) => memory.put(at, data.subarray(i * page, (i + 1) * page)));
    const prps = { prp1: pages[0] as number, prp2: list };
    expect((await rig.driver.command(1, { ...blocksSqe(IoOpcode.write, 1, 9, secs), ...prps })).status).toBe(
      0,
    );
    for (const at of pages) memory.put(at, new Uint8Array(page));
    expect((await rig.driver.command(1, { ...blocksSqe(IoOpcode.read, 1, 9, secs), ...prps })).status).toBe(
      0,
    );
    pages.forEach((at, i) => expectBytes(memory.bytes(at, page), data.subarray(i * page, (i + 1) * page)));
    if (mps === 0) return;
    memory.put64(list + 8, run + 4096);
    const crooked = { ...blocksSqe(IoOpcode.read, 1, 9, secs), ...prps };
    expect((await rig.driver.command(1, crooked)).status).toBe(Status.prpOffsetInvalid);
  });
});

it('MDTS limits reads, writes and compares to so many of the smallest pages, and nothing else', async () => {
  for (const mdts of [1, 3]) {
    const rig = await startRig({ namespaces, config: { mdts } });
    const d = { rig, nsid: 1, secSizeBytes: 4096 };
    const most = 2 ** mdts;
    expect((await writeBlocks(d, 0, pattern(most * 4096, 1))).status).toBe(0);
    expect((await readBlocks(d, 0, most)).status).toBe(0);
    expect((await writeBlocks(d, 0, pattern((most + 1) * 4096, 1))).status).toBe(Status.invalidField);
    expect((await readBlocks(d, 0, most + 1)).status).toBe(Status.invalidField);
    expect((await rig.driver.command(1, blocksSqe(IoOpcode.writeZeroes, 1, 0, 1000))).status).toBe(0);
  }
});

it('queues have 2 to MQES + 1 entries, and identifiers up to the number that was granted', async () => {
  const rig = await makeRig({ namespaces, config: { maxQueueEntriesZ: 127, ioQueuePairs: 6 } });
  const { driver } = rig;
  driver.enable();
  await driver.adminOk(admin.setFeatures(7, (2 << 16) | 1)); // 3 completion queues, 2 submission queues
  const prp1 = driver.arena.pages(4);
  for (const size of [1, 129, 65_536])
    expect((await driver.admin(admin.createCq(1, size, prp1))).status, `${size}`).toBe(
      Status.invalidQueueSize,
    );
  expect((await driver.admin(admin.createCq(4, 128, prp1))).status).toBe(Status.invalidQueueId);
  await driver.createCq(1, 128);
  await driver.createCq(3, 2);
  expect((await driver.admin(admin.createSq(3, 128, prp1, 1))).status).toBe(Status.invalidQueueId);
  await driver.createSq(1, 128, 1);
  await driver.createSq(2, 2, 3);
  for (const id of [1, 2, 1, 2])
    expect((await driver.command(id, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(0);
});

it('queues with a backlog take turns by the arbitration burst', async () => {
  const rig = await startRig({ namespaces });
  const { driver } = rig;
  await driver.adminOk(admin.setFeatures(1, 1)); // bursts of two
  for (const id of [2, 3]) {
    await driver.createCq(id, 1024, { interrupts: false });
    await driver.createSq(id, 1024, id);
  }
  const flush = { opcode: IoOpcode.flush, nsid: 1 };
  for (const id of [2, 3]) for (let i = 0; i < 600; i++) driver.enqueue(id, flush);
  const before = rig.telemetry.commands.length;
  driver.queue(2).ring(); // 256 of them, the rest waits
  driver.queue(3).ring();
  rig.clock.run();
  const order = rig.telemetry.commands.slice(before).map(({ queueId }) => queueId);
  expect(order.slice(0, 256).every((id) => id === 2)).toBe(true);
  const turns = order.slice(256);
  expect(turns).toHaveLength(256);
  for (let i = 0; i + 4 <= turns.length; i += 4)
    expect(turns.slice(i, i + 4).toSorted(), `${i}`).toEqual([2, 2, 3, 3]);
  for (let i = 0; i < 10; i++) rig.clock.run();
  expect(rig.telemetry.commands.length - before).toBe(1200);
});

it('the volatile write cache is there, and can be switched, where it was asked for', async () => {
  const without = await startRig({ namespaces });
  expect((await without.driver.admin(admin.getFeatures(6))).status).toBe(Status.invalidField);
  const { driver } = await startRig({ namespaces, config: { volatileWriteCache: true } });
  const id = await driver.adminRead(4096, (prps) => admin.identify(1, 0, prps));
  expect((id[525] ?? 0) & 1).toBe(1);
  expect(await driver.adminOk(admin.getFeatures(6))).toBe(1);
  await driver.adminOk(admin.setFeatures(6, 0));
  expect(await driver.adminOk(admin.getFeatures(6))).toBe(0);
});

it('features of the controller are not set for a namespace; descriptors name a namespace for ever', async () => {
  const rig = await startRig({ namespaces: [...namespaces, ...namespaces] });
  expect((await rig.driver.admin(admin.setFeatures(4, 300, 1))).status).toBe(
    Status.featureNotNamespaceSpecific,
  );
  const uuid = async (r: typeof rig, nsid: number) => {
    const bytes = await r.driver.adminRead(4096, (prps) => admin.identify(3, nsid, prps));
    expect([bytes[0], bytes[1], bytes[20]], 'one descriptor: UUID, 16 bytes').toEqual([3, 16, 0]);
    return Array.from(bytes.subarray(4, 20)).join();
  };
  const first = await uuid(rig, 1);
  expect(await uuid(rig, 2)).not.toBe(first);
  expect(await uuid(await startRig({ namespaces }), 1)).toBe(first);
  expect(await uuid(await startRig({ namespaces, config: { serial: 'other' } }), 1)).not.toBe(first);
});
