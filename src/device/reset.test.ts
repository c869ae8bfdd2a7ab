import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { flashOf, openChannel, plainDisk, startRig } from '../../test/driver/rig.ts';
import { vectorCommand, vectorRead, vectorWrite } from '../../test/driver/vector.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { FakeStore, settle } from '../../test/fakes/fake-store.ts';

const SEC = 4096;

/** A disk with 3 of the 8 sectors of unit 0 written, over a store that answers when told. */
async function diskInUse() {
  const first = await startRig({ store: 'sync' });
  const data = first.driver.arena.buffer(3 * SEC).fill(pattern(3 * SEC, 1));
  const { sqe } = vectorCommand(first.driver.arena, { opcode: vectorWrite, addresses: [0, 1, 2], data });
  expect((await first.driver.command(1, sqe)).status).toBe(0);
  const store = (first.stores[0] as FakeStore).reopened('held');
  return { rig: await startRig({ stores: [store] }), store };
}

const ends = [
  ['a reset', (rig: Awaited<ReturnType<typeof diskInUse>>['rig']) => rig.driver.reset()],
  ['a power cycle', (rig: Awaited<ReturnType<typeof diskInUse>>['rig']) => rig.controller.powerCycle()],
] as const;

describe.each(ends)('after %s', (_what, end) => {
  it('a read that the store answers late writes nothing into memory', async () => {
    const { rig, store } = await diskInUse();
    const data = rig.driver.arena.buffer(3 * SEC).fill(new Uint8Array(3 * SEC).fill(0xee));
    const vector = vectorCommand(rig.driver.arena, {
      opcode: vectorRead,
      addresses: [0, 1, 2],
      data,
      oobBytes: 16,
    });
    rig.driver.submit(1, vector.sqe);
    rig.driver.submit(1, { opcode: 2, nsid: 1, cdw12: 2, ...prpsFor(rig.driver.arena, data) });
    expect(store.waitingReads).toBe(1);
    end(rig);
    rig.memory.forget();
    await store.releaseAll();
    expect(rig.memory.deviceWrites).toEqual([]);
    expectBytes(data.read(), new Uint8Array(3 * SEC).fill(0xee));
  });

  it('a write that waited for its unit takes nothing from memory and leaves the flash alone', async () => {
    const { rig, store } = await diskInUse();
    const data = rig.driver.arena.buffer(SEC);
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: vectorWrite, addresses: [3], data });
    rig.driver.submit(1, sqe);
    end(rig);
    rig.memory.forget();
    await store.releaseAll();
    expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
    expect(flashOf(rig).table.written(0)).toBe(3);
    expect(store.commits).toEqual([]);
  });

  it('a completion that the store gives late is dropped', async () => {
    const { rig, store } = await diskInUse();
    rig.driver.submit(1, { opcode: 0, nsid: 1 });
    await settle();
    end(rig);
    rig.memory.forget();
    await store.releaseAll();
    expect(rig.memory.deviceWrites).toEqual([]);
    expect(rig.interrupt.level).toBe(false);
  });
});

it('a plain disk lets go of late reads and writes as well', async () => {
  const store = new FakeStore('held');
  store.units.set(0, pattern(32 * 1024, 1));
  const rig = await startRig({ namespaces: [plainDisk()], stores: [store] });
  const data = rig.driver.arena.buffer(SEC).fill(new Uint8Array(SEC).fill(0xee));
  const prps = prpsFor(rig.driver.arena, data);
  rig.driver.submit(1, { opcode: 2, nsid: 1, ...prps });
  rig.driver.submit(1, { opcode: 1, nsid: 1, cdw10: 1, ...prps });
  rig.driver.reset();
  rig.memory.forget();
  await store.releaseAll();
  expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
  expect(store.commits).toEqual([]);
});

it('resets in the middle of everything leave a controller that works', async () => {
  const store = new FakeStore('soon');
  const rig = await startRig({ namespaces: [openChannel()], stores: [store] });
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 20; i++) {
      const data = rig.driver.arena.buffer(SEC);
      const addresses = [
        flashOf(rig).address.encode({ ch: 0, lun: i % 4, pln: 0, chk: round % 8, pg: 0, sec: 0 }),
      ];
      rig.driver.submit(1, vectorCommand(rig.driver.arena, { opcode: vectorWrite, addresses, data }).sqe);
    }
    for (let i = 0; i < round % 4; i++) await Promise.resolve();
    rig.driver.disable();
    rig.driver.arena.rewind(0x10_0000);
    await rig.driver.start();
    expect((await rig.driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(0);
  }
  expect(rig.driver.unexpected).toEqual([]);
  expect(store.overlaps).toBe(0);
});
