import { expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { blocksSqe, writeBlocks } from '../../test/driver/blocks.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { plainDisk, startRig } from '../../test/driver/rig.ts';
import type { FakeStore } from '../../test/fakes/fake-store.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const namespaces = [plainDisk(2048, 512)];

/** A disk of which unit 0 is stored, over a store that answers when told. */
async function heldDisk(config = {}) {
  const first = await startRig({ namespaces });
  await writeBlocks({ rig: first, nsid: 1, secSizeBytes: 512 }, 0, pattern(1024, 1));
  const store = (first.stores[0] as FakeStore).reopened('held');
  const rig = await startRig({ namespaces, stores: [store], config });
  return { rig, store, driver: rig.driver };
}

it('ends a held asynchronous event request, once', async () => {
  const { driver } = await startRig({ namespaces });
  const held = driver.submit(0, admin.asyncEvent());
  const { status, dw0 } = await driver.admin(admin.abort(0, held.cid));
  expect([status, dw0, held.completion?.status]).toEqual([0, 0, Status.abortedByRequest]);
  expect((await driver.admin(admin.abort(0, held.cid))).dw0).toBe(1);
  expect(driver.unexpected).toEqual([]);
});

it('leaves a held request where it is when its completion has no room, and does not wait for it', async () => {
  const { driver } = await startRig({ namespaces, adminCqEntries: 2 });
  const held = driver.submit(0, admin.asyncEvent());
  expect((await driver.admin(admin.abort(0, held.cid))).dw0).toBe(1);
  expect((await driver.admin(admin.getFeatures(7))).status).toBe(0);
  expect(held.completion).toBeUndefined();
});

it('ends a command that waits for storage, and says so when it has', async () => {
  const { driver, store } = await heldDisk();
  const buffer = driver.arena.buffer(512).fill(pattern(512, 9));
  const prp1 = buffer.pages[0] as number;
  const read = driver.submit(1, { ...blocksSqe(IoOpcode.read, 1, 0, 1), prp1 });
  const write = driver.submit(1, { ...blocksSqe(IoOpcode.write, 1, 1, 1), prp1 });
  const aborts = [read, write].map(({ cid }) => driver.submit(0, admin.abort(1, cid)));
  await store.releaseAll();
  driver.service();
  expect([read, write].map((p) => p.completion?.status)).toEqual([
    Status.abortedByRequest,
    Status.abortedByRequest,
  ]);
  expect(aborts.map((p) => p.completion?.dw0)).toEqual([0, 0]);
  expect(buffer.read()).toEqual(pattern(512, 9));
  expect(store.commits).toEqual([]);
  expect(driver.unexpected).toEqual([]);
});

it('comes too late for a write that is being stored: it succeeds', async () => {
  const { driver, store } = await heldDisk();
  const prp1 = driver.arena.pages();
  const write = driver.submit(1, { ...blocksSqe(IoOpcode.write, 1, 64, 64), prp1, prp2: 0 });
  const small = driver.submit(1, { ...blocksSqe(IoOpcode.writeUncorrectable, 1, 256, 1) });
  await store.releaseReads();
  const abort = driver.submit(0, admin.abort(1, small.cid));
  driver.service();
  expect(abort.completion).toBeUndefined();
  await store.releaseAll();
  driver.service();
  expect([small.completion?.status, abort.completion?.dw0]).toEqual([0, 1]);
  expect(write.completion).toBeDefined();
});

it('drops a command that was not fetched yet', async () => {
  const { driver } = await startRig({ namespaces });
  // One completion queue of two entries holds one completion: the second command waits in its queue.
  const cq = await driver.createCq(2, 2, { interrupts: false });
  await driver.createSq(2, 8, 2);
  const flush = { opcode: IoOpcode.flush, nsid: 1 };
  const all = [0, 1, 2].map(() => driver.submit(2, flush));
  const { dw0 } = await driver.admin(admin.abort(2, all[1]?.cid ?? 0));
  expect(dw0).toBe(0);
  for (let i = 0; i < 3; i++) driver.reap(cq);
  expect(all.map((p) => p.completion?.status)).toEqual([0, Status.abortedByRequest, 0]);
  expect((await driver.admin(admin.abort(2, all[1]?.cid ?? 0))).dw0).toBe(1);
  expect(driver.unexpected).toEqual([]);
});

it('takes ACL + 1 at once, finds nothing where there is nothing, and starts anew with a reset', async () => {
  const { driver, store } = await heldDisk({ aclZ: 1 });
  const prp1 = driver.arena.pages();
  for (let round = 0; round < 3; round++) {
    const reads = Array.from({ length: 3 }, () =>
      driver.submit(1, { ...blocksSqe(IoOpcode.read, 1, 0, 1), prp1 }),
    );
    const aborts = reads.map(({ cid }) => driver.submit(0, admin.abort(1, cid)));
    driver.service();
    expect(aborts.map((p) => p.completion?.status)).toEqual([
      undefined,
      undefined,
      Status.abortLimitExceeded,
    ]);
    driver.reset();
    await driver.start();
  }
  await store.releaseAll();
  for (const [sqid, cid] of [
    [1, 77],
    [0, 77],
    [9, 1],
    [0xffff, 0xffff],
  ] as const)
    expect((await driver.admin(admin.abort(sqid, cid))).dw0).toBe(1);
  expect(driver.unexpected).toEqual([]);
});
