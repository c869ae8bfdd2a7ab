import { expect, it, vi } from 'vitest';
import { NvmeDriver } from '../../test/driver/driver.ts';
import { DEFAULT_CONFIG, openChannel } from '../../test/driver/rig.ts';
import { FakeClock } from '../../test/fakes/fake-clock.ts';
import { FakeInterruptLine } from '../../test/fakes/fake-interrupt-line.ts';
import { FakeMemory } from '../../test/fakes/fake-memory.ts';
import { FakeStore } from '../../test/fakes/fake-store.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { unpackModel } from '../trace/model-state.ts';
import { LabDevice } from './device.ts';
import { TARGETS_SHARD } from './targets/recipe.ts';

it('the log of commands is read from a number on, and knows the last one refused', async () => {
  const device = await LabDevice.open({ ...DEFAULT_CONFIG, namespaces: [openChannel()] }, new FakeStore());
  expect([device.commandEvents(), device.lastRefused()]).toEqual([[], undefined]);
  const memory = new FakeMemory();
  const interrupt = new FakeInterruptLine();
  const driver = new NvmeDriver(
    device.attach({ memory, interrupt, clock: new FakeClock() }),
    memory,
    interrupt,
  );
  await driver.start();
  const before = device.commandEvents().at(-1)?.sequence ?? 0;
  expect(before).toBeGreaterThan(0);
  await driver.command(1, { opcode: IoOpcode.vectorErase, nsid: 1, cdw12: 3 << 16 });
  await driver.command(1, { opcode: IoOpcode.vectorErase, nsid: 1 });
  expect(device.commandEvents(before).map(({ name, rule }) => [name, rule])).toEqual([
    ['vectorErase', 'plane-mode'],
    ['vectorErase', undefined],
  ]);
  expect(device.lastRefused()?.sequence).toBe(before + 1);
  expect(structuredClone(device.commandEvents())).toEqual(device.commandEvents());
});

it.each(['before the power comes on', 'a second after it'])(
  'a recording that begins %s knows when it did',
  async (when) => {
    const device = await LabDevice.open({ ...DEFAULT_CONFIG, namespaces: [openChannel()] }, new FakeStore());
    if (when.startsWith('before')) device.watch(true);
    const clock = new FakeClock();
    clock.ms = 5000;
    device.attach({ memory: new FakeMemory(), interrupt: new FakeInterruptLine(), clock });
    clock.ms = 6000;
    device.watch(true);
    const state = device.takeTrace()?.state;
    expect(state && unpackModel(state).poweredOn).toEqual({ timeUs: 5_000_000, command: 0 });
  },
);

it('the targets that a disk remembers are there when it is opened again, and what is no record is none', async () => {
  const store = new FakeStore();
  const open = () => LabDevice.open({ ...DEFAULT_CONFIG, namespaces: [openChannel()] }, store);
  const device = await open();
  expect(device.recipes).toEqual([]);
  const target = { name: 'mydevice', type: 'pblk', begin: 0, end: 3, op: 30 };
  device.recipes = [target];
  await vi.waitFor(async () => expect((await open()).recipes).toEqual([target]));
  (await open()).recipes = [];
  await vi.waitFor(async () => expect((await open()).recipes).toEqual([]));
  await store.commit(
    { erased: [], units: [], shards: [{ shard: TARGETS_SHARD, bytes: new Uint8Array(72).fill(1) }] },
    'relaxed',
  );
  expect((await open()).recipes).toEqual([]);
});
