import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { PowerOptions, SavedLab, SaveOptions } from '../src/lab/lab.ts';
import type { PowerState } from '../src/lab/types.ts';
import type { OpenDisk } from '../src/storage/catalogue.ts';
import { FakeLocks } from '../src/storage/fake-locks.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { autoId, SavedLabs } from '../src/storage/saved-labs.ts';
import { diskVersion, type KeptLab, LabKeeper } from '../workers/lab-keeper.ts';

const spec = { name: 'tutorial', deviceLine: 'nvme', sizeBytes: 1e6, unitBytes: 16, totalUnits: 100 };
const unit = (value: number) => ({ unit: 1, bytes: new Uint8Array(16).fill(value) });
const encoder = new TextEncoder();

/** A lab whose machine is whatever its disk was when it was saved. */
class FakeLab implements KeptLab {
  power: PowerState = 'off';
  disk: OpenDisk | undefined;
  refuses = '';
  /** What is switched on comes to run. */
  runs = true;
  resumed: SavedLab | undefined;
  commands = 0;
  keeper: LabKeeper | undefined;
  device = {
    activity: {
      counters: () => ({
        commands: this.commands,
        readBytes: 0,
        writtenBytes: 0,
        erases: 0,
        pendingCommits: 0,
      }),
    },
  };

  async powerOn(options: PowerOptions): Promise<void> {
    if (this.refuses !== '') throw new Error(this.refuses);
    const resumed = await options.resume;
    this.disk = await options.catalogue.open(options.diskId);
    this.resumed = resumed;
    this.keeper?.opened(this.disk);
    if (this.runs) this.set('running');
  }

  set(state: PowerState): void {
    this.power = state;
    this.keeper?.power(state);
  }

  async powerCut(): Promise<void> {
    await this.disk?.close();
    this.disk = undefined;
    this.set('off');
  }

  async save({ whilePaused }: SaveOptions = {}): Promise<SavedLab> {
    const { disk } = this;
    if (!disk || this.refuses !== '') throw new Error(this.refuses || 'off');
    const saved: SavedLab = {
      format: 1,
      machine: {
        version: 'v',
        memoryBytes: 128 * 2 ** 20,
        savedAtMs: 1,
        bytes: Uint8Array.of(1, 2, 3),
        functions: [],
      },
      deviceLine: 'nvme',
      sizeBytes: 1e6,
      configCrc: 1,
      cache: 'writethrough',
      memoryMiB: 128,
      diskId: disk.summary.id,
      diskVersion: diskVersion(disk),
      tableCrc: 1,
      savedAtMs: Date.now(),
      controlId: 1,
      traceRun: 0,
    };
    await whilePaused?.(saved, disk);
    return saved;
  }
}

let lab: FakeLab;
let catalogue: IndexedDbCatalogue;
let labs: SavedLabs;
let keeper: LabKeeper;
let said: string[];
let diskId: string;

beforeEach(async () => {
  const env = { indexedDB: new IDBFactory(), keyRange: IDBKeyRange, openTimeoutMs: 500 };
  catalogue = new IndexedDbCatalogue({ ...env, locks: new FakeLocks() });
  labs = new SavedLabs(env);
  lab = new FakeLab();
  said = [];
  keeper = lab.keeper = new LabKeeper({
    lab,
    labs,
    catalogue: async () => catalogue,
    console: (tty, bytes) => said.push(`${tty}:${new TextDecoder().decode(bytes)}`),
  });
  diskId = (await catalogue.create(spec)).id;
  await lab.powerOn({ catalogue, diskId, memoryMiB: 128, cmdline: '' });
  await lab.disk?.commit({ erased: [], units: [unit(1)], shards: [] }, 'relaxed');
});
afterEach(async () => {
  if (lab.disk) await lab.powerCut();
  vi.restoreAllMocks();
});

const states = async () => (await keeper.list()).map(({ kind, name, state }) => `${kind} ${name} ${state}`);

/** The tab goes: nobody switches anything off. */
async function killTab(): Promise<void> {
  lab.keeper = undefined;
  await lab.powerCut();
  lab.keeper = keeper;
}

it('a machine that was saved by itself goes on with what its shells had said, while its disk is as it was', async () => {
  keeper.console(0, encoder.encode('/ # ls\n'));
  await keeper.hidden();
  expect(await states()).toEqual(['auto  ready']);
  await killTab();
  await keeper.resume(autoId(diskId));
  expect(lab.resumed?.diskId).toBe(diskId);
  expect(said).toEqual(['0:/ # ls\n', '1:']);
});

it('and does not when the disk was written to since', async () => {
  await keeper.hidden();
  await lab.disk?.commit({ erased: [], units: [unit(2)], shards: [] }, 'relaxed');
  expect(await states()).toEqual(['auto  moved']);
  await killTab();
  await expect(keeper.resume(autoId(diskId))).rejects.toThrow(/disk is no longer as it was then/);
  expect(lab.power).toBe('off');
});

it.each(['off', 'halted', 'crashed'] as const)('nor after the reader has seen it end: %s', async (state) => {
  await keeper.hidden();
  lab.set(state);
  await vi.waitFor(async () => expect(await states()).toEqual([]));
});

it('nothing of a machine is kept that ends while it is being packed', async () => {
  const saving = keeper.hidden();
  lab.set('off');
  await saving;
  expect(await labs.list()).toEqual([]);
});

it('a machine with a name goes on with a fork of its disk as it was', async () => {
  const row = await keeper.save('  before ');
  expect([row.name, row.state]).toEqual(['before', 'ready']);
  await lab.disk?.commit({ erased: [], units: [unit(9)], shards: [] }, 'relaxed');
  await lab.powerCut();
  const { diskId: fork } = await keeper.resume(row.id);
  expect(fork).not.toBe(diskId);
  expect(lab.resumed?.diskId).toBe(fork);
  expect(await lab.disk?.readUnit(1)).toEqual(unit(1).bytes);
  await lab.powerCut();
  // Its disk may go; the version of it stays.
  await catalogue.remove(diskId);
  expect(await states()).toEqual(['named before gone']);
  await keeper.remove(row.id);
  expect([await states(), await catalogue.pins()]).toEqual([[], []]);
});

it('forks for one machine are told apart by their names', async () => {
  const { id } = await keeper.save('lesson');
  for (let i = 0; i < 2; i++) {
    await lab.disk?.commit({ erased: [], units: [unit(9)], shards: [] }, 'relaxed');
    await lab.powerCut();
    await keeper.resume(id);
  }
  expect((await catalogue.list()).map(({ name }) => name).sort()).toEqual(['lesson', 'lesson 2', 'tutorial']);
});

it('what the shells of a machine said is not shown on the disk of another one', async () => {
  keeper.console(0, encoder.encode('/ # ls\n'));
  const { id } = await keeper.save('a');
  await lab.powerCut();
  lab.runs = false;
  await keeper.resume(id);
  expect(said).toEqual(['0:/ # ls\n', '1:']);
  // It is cut before it runs.
  await lab.powerCut();
  lab.runs = true;
  said.length = 0;
  const other = (await catalogue.create({ ...spec, name: 'other' })).id;
  await lab.powerOn({ catalogue, diskId: other, memoryMiB: 128, cmdline: '' });
  expect(said).toEqual([]);
});

it('a machine whose record is gone leaves no fork, and no disk open', async () => {
  const { id } = await keeper.save('a');
  await lab.disk?.commit({ erased: [], units: [unit(9)], shards: [] }, 'relaxed');
  await lab.powerCut();
  vi.spyOn(labs, 'machine').mockResolvedValue(undefined);
  await expect(keeper.resume(id)).rejects.toThrow('That saved machine is not here any more.');
  expect((await catalogue.list()).map((disk) => disk.id)).toEqual([diskId]);
});

it('a machine that cannot be saved leaves no version of its disk behind', async () => {
  vi.spyOn(labs, 'put').mockRejectedValue(new Error('no room'));
  await expect(keeper.save('a')).rejects.toThrow('no room');
  expect(await catalogue.pins()).toEqual([]);
});

it('what cannot go on leaves no fork behind', async () => {
  const { id } = await keeper.save('a');
  await lab.disk?.commit({ erased: [], units: [unit(9)], shards: [] }, 'relaxed');
  await lab.powerCut();
  lab.refuses = 'not today';
  await expect(keeper.resume(id)).rejects.toThrow('not today');
  lab.refuses = '';
  expect((await catalogue.list()).map((disk) => disk.id)).toEqual([diskId]);
});

it('a version that a tab left behind is let go, but not one that may yet be named', async () => {
  await catalogue.pin(diskId);
  await keeper.list();
  expect(await catalogue.pins()).toHaveLength(1);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now + 3_600_000);
  await keeper.list();
  expect(await catalogue.pins()).toEqual([]);
});

it.each(['', '   ', 'x'.repeat(65)])('refuses the name %j', async (name) => {
  await expect(keeper.save(name)).rejects.toThrow(/name of 1 to 64 characters/);
});

it('what is not there is said in a sentence', async () => {
  await expect(keeper.resume('nobody')).rejects.toThrow('That saved machine is not here any more.');
  await expect(keeper.remove('nobody')).resolves.toBeUndefined();
});
