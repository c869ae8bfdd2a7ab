import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import type { DiskCatalogue, DiskSpec, OpenDisk } from './catalogue.ts';
import { FakeLocks } from './fake-locks.ts';
import { FaultyDisk } from './faulty.ts';
import { FileCatalogue } from './file.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { MemoryCatalogue } from './memory.ts';

/** What every catalogue and every store must do, run against each. */

interface Place {
  /** The same disks, as another tab or process sees them. In RAM there is none. */
  readonly elsewhere: (() => DiskCatalogue) | undefined;
  readonly catalogue: DiskCatalogue;
  readonly tidy?: () => void;
  /** Files that are no disk's. */
  readonly leftovers?: () => readonly string[];
}

const places: Record<string, () => Place> = {
  memory: () => ({ catalogue: new MemoryCatalogue(), elsewhere: undefined }),
  indexeddb: () => {
    const env = { indexedDB: new IDBFactory(), keyRange: IDBKeyRange, locks: new FakeLocks() };
    return { catalogue: new IndexedDbCatalogue(env), elsewhere: () => new IndexedDbCatalogue(env) };
  },
  'indexeddb without locks': () => {
    const env = { indexedDB: new IDBFactory(), keyRange: IDBKeyRange, locks: undefined };
    return { catalogue: new IndexedDbCatalogue(env), elsewhere: undefined };
  },
  'faulty, with delays': () => {
    const inner = new MemoryCatalogue();
    const catalogue: DiskCatalogue = {
      list: () => inner.list(),
      create: (spec) => inner.create(spec),
      build: (spec, fill) =>
        inner.build(spec, (disk) => fill(new FaultyDisk(disk, { seed: 8, delayMs: [0, 2] }))),
      open: async (id) => new FaultyDisk(await inner.open(id), { seed: 7, delayMs: [0, 2] }),
      rename: (id, name) => inner.rename(id, name),
      wipe: (id) => inner.wipe(id),
      remove: (id) => inner.remove(id),
      fork: (id, name) => inner.fork(id, name),
      pin: (id) => inner.pin(id),
      pins: () => inner.pins(),
      forkPin: (pin, name) => inner.forkPin(pin, name),
      unpin: (pin) => inner.unpin(pin),
    };
    return { catalogue, elsewhere: undefined };
  },
  file: () => {
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-contract-'));
    return {
      catalogue: FileCatalogue.ofDirectory(directory),
      elsewhere: () => FileCatalogue.ofDirectory(directory),
      tidy: () => rmSync(directory, { recursive: true }),
      leftovers: () => readdirSync(directory).filter((name) => !name.endsWith('.lnvmdisk')),
    };
  },
};

const UNIT_BYTES = 96;
const spec: DiskSpec = {
  name: 'A disk',
  deviceLine: '-device nvme,drive=d,serial=x',
  sizeBytes: 1_000_000,
  unitBytes: UNIT_BYTES,
  totalUnits: 100_000,
};

const bytesOf = (seed: number, length = UNIT_BYTES): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff);
const unit = (number: number, seed = number) => ({ unit: number, bytes: bytesOf(seed) });
const empty: MediaCommit = { erased: [], units: [], shards: [] };
const put = (...numbers: number[]): MediaCommit => ({ ...empty, units: numbers.map((n) => unit(n)) });

describe.each(Object.entries(places))('catalogue and store: %s', (_name, makePlace) => {
  let place: Place;
  let catalogue: DiskCatalogue;
  let opened: OpenDisk[];

  beforeEach(() => {
    place = makePlace();
    catalogue = place.catalogue;
    opened = [];
  });
  afterEach(async () => {
    for (const disk of opened) await disk.close();
    place.tidy?.();
  });

  const open = async (id: string): Promise<OpenDisk> => {
    const disk = await catalogue.open(id);
    opened.push(disk);
    return disk;
  };
  const fresh = async (): Promise<OpenDisk> => open((await catalogue.create(spec)).id);
  const reopened = async (disk: OpenDisk): Promise<OpenDisk> => {
    await disk.close();
    return open(disk.summary.id);
  };

  it('lists what was created, oldest first, with the spec as given', async () => {
    expect(await catalogue.list()).toEqual([]);
    const one = await catalogue.create(spec);
    const two = await catalogue.create({ ...spec, name: '第二 🙂' });
    expect(one).toMatchObject({ ...spec, epoch: 0, unitsStored: 0 });
    expect(one.id).not.toBe(two.id);
    expect(Math.abs(Date.now() - one.createdAtMs)).toBeLessThan(5000);
    const listed = await catalogue.list();
    expect(listed).toHaveLength(2);
    expect(listed).toEqual(expect.arrayContaining([one, two]));
  });

  it('builds a disk with content, which is in the list when it is whole', async () => {
    const before = await catalogue.create(spec);
    const built = await catalogue.build({ ...spec, name: 'built' }, async (disk) => {
      await disk.commit({ ...put(1, 99_999), shards: [{ shard: 7, bytes: bytesOf(9, 40) }] }, 'relaxed');
      expect((await catalogue.list()).map(({ id }) => id)).toEqual([before.id]);
      if (place.elsewhere) expect((await place.elsewhere().list()).map(({ id }) => id)).toEqual([before.id]);
      await disk.commit({ ...empty, erased: [{ first: 1, count: 1 }] }, 'strict');
    });
    expect(built).toMatchObject({ ...spec, name: 'built', unitsStored: 1 });
    expect(await catalogue.list()).toHaveLength(2);
    const disk = await open(built.id);
    expect(disk.unitsStored()).toBe(1);
    expect(await disk.readUnit(1)).toBeUndefined();
    expect(await disk.readUnit(99_999)).toEqual(bytesOf(99_999));
    expect(await disk.loadTable()).toEqual([{ shard: 7, bytes: bytesOf(9, 40) }]);
  });

  it('leaves nothing of a disk whose filling fails, and passes the reason on', async () => {
    const kept = await catalogue.create(spec);
    const reason = new Error('enough');
    await expect(
      catalogue.build(spec, async (disk) => {
        await disk.commit(put(1, 2, 3), 'relaxed');
        throw reason;
      }),
    ).rejects.toBe(reason);
    await expect(catalogue.build({ ...spec, unitBytes: 0 }, async () => {})).rejects.toMatchObject({
      code: 'io',
    });
    await expect(
      catalogue.build(spec, async (disk) => {
        await disk.commit(put(100_000), 'relaxed');
      }),
    ).rejects.toMatchObject({ code: 'corrupt' });
    expect((await catalogue.list()).map(({ id }) => id)).toEqual([kept.id]);
    expect(place.leftovers?.() ?? []).toEqual([]);
  });

  it('keeps only known fields of a spec', async () => {
    const hostile = JSON.parse(`{"__proto__": {"evil": 1}, "more": 2}`) as object;
    const made = await catalogue.create({ ...hostile, ...spec });
    expect(Object.keys(made)).not.toContain('more');
    expect((made as { evil?: unknown }).evil).toBeUndefined();
  });

  it.each([
    '',
    '   ',
    'a\u0000b',
    'line\nbreak',
    '\u007f',
    '\u0085',
    '\ud800',
    'x'.repeat(65),
    42 as unknown as string,
  ])('refuses bad name %#', async (name) => {
    await expect(catalogue.create({ ...spec, name })).rejects.toMatchObject({
      name: 'StoreError',
      code: 'io',
    });
    const { id } = await catalogue.create(spec);
    await expect(catalogue.rename(id, name)).rejects.toMatchObject({ code: 'io' });
    expect((await catalogue.list()).map((disk) => disk.name)).toEqual([spec.name]);
  });

  it('accepts 64 characters, counted as a reader counts them', async () => {
    expect((await catalogue.create({ ...spec, name: '🙂'.repeat(64) })).name).toBe('🙂'.repeat(64));
  });

  it.each([
    { unitBytes: 0 },
    { unitBytes: 1.5 },
    { unitBytes: 2 ** 25 },
    { totalUnits: 0 },
    { totalUnits: 2 ** 32 },
    { sizeBytes: -1 },
    { sizeBytes: Number.NaN },
    { deviceLine: 'x'.repeat(20_000) },
    { deviceLine: undefined as unknown as string },
  ])('refuses bad spec %#', async (wrong) => {
    await expect(catalogue.create({ ...spec, ...wrong })).rejects.toMatchObject({ code: 'io' });
  });

  it.each(['nonesuch', '', '../etc/passwd', '__proto__', 'x.lnvmdisk'])(
    'says missing for the id %j',
    async (id) => {
      for (const attempt of [
        () => catalogue.open(id),
        () => catalogue.rename(id, 'new'),
        () => catalogue.wipe(id),
        () => catalogue.remove(id),
      ]) {
        await expect(attempt()).rejects.toMatchObject({ code: 'missing' });
      }
    },
  );

  it('counts the epoch at each opening and nowhere else', async () => {
    const { id } = await catalogue.create(spec);
    let disk = await open(id);
    expect(disk.summary.epoch).toBe(1);
    disk = await reopened(disk);
    expect(disk.summary.epoch).toBe(2);
    await disk.close();
    expect(await catalogue.rename(id, 'Other')).toMatchObject({ name: 'Other', epoch: 2 });
    expect(await catalogue.wipe(id)).toMatchObject({ name: 'Other', epoch: 2 });
    expect((await open(id)).summary).toMatchObject({ name: 'Other', epoch: 3 });
  });

  it('gives a disk to one only', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    for (const other of [catalogue, ...(place.elsewhere ? [place.elsewhere()] : [])]) {
      await expect(other.open(id)).rejects.toMatchObject({ code: 'busy' });
      await expect(other.wipe(id)).rejects.toMatchObject({ code: 'busy' });
      await expect(other.remove(id)).rejects.toMatchObject({ code: 'busy' });
      expect(await other.list()).toHaveLength(1);
    }
    await disk.commit(put(1), 'relaxed');
    await disk.close();
    const other = place.elsewhere?.() ?? catalogue;
    const again = await other.open(id);
    expect(await again.readUnit(1)).toEqual(bytesOf(1));
    await again.close();
  });

  it('lets one of two openers at the same moment have it', async () => {
    const { id } = await catalogue.create(spec);
    const other = place.elsewhere?.() ?? catalogue;
    const both = await Promise.allSettled([catalogue.open(id), other.open(id)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const one of both) {
      if (one.status === 'fulfilled') await one.value.close();
      else expect(one.reason).toMatchObject({ code: 'busy' });
    }
    await open(id);
  });

  it('renames an open disk, and its next commit keeps the name', async () => {
    const disk = await fresh();
    await catalogue.rename(disk.summary.id, 'While open');
    expect(disk.summary.name).toBe('While open');
    await disk.commit(put(3), 'relaxed');
    expect(await catalogue.list()).toMatchObject([{ name: 'While open', unitsStored: 1, epoch: 1 }]);
  });

  it('wipes everything but the spec', async () => {
    const disk = await fresh();
    await disk.commit({ ...put(1, 2, 99_999), shards: [{ shard: 0, bytes: bytesOf(1) }] }, 'strict');
    await disk.close();
    const { id } = disk.summary;
    expect(await catalogue.wipe(id)).toMatchObject({ ...spec, id, unitsStored: 0 });
    expect(await catalogue.list()).toHaveLength(1);
    const wiped = await open(id);
    expect(await wiped.loadTable()).toEqual([]);
    expect(await wiped.readUnit(1)).toBeUndefined();
    expect(wiped.unitsStored()).toBe(0);
    await wiped.commit(put(2), 'relaxed');
    const after = await reopened(wiped);
    expect(after.unitsStored()).toBe(1);
    await after.close();
    expect(await catalogue.wipe(id)).toMatchObject({ unitsStored: 0 });
  });

  it('removes a disk and no other', async () => {
    const one = await catalogue.create(spec);
    const disk = await fresh();
    await disk.commit(put(5), 'relaxed');
    await catalogue.remove(one.id);
    expect((await catalogue.list()).map(({ id }) => id)).toEqual([disk.summary.id]);
    await expect(catalogue.open(one.id)).rejects.toMatchObject({ code: 'missing' });
    expect(await disk.readUnit(5)).toEqual(bytesOf(5));
  });

  it('gives back what was committed, at once and after reopening', async () => {
    let disk = await fresh();
    expect(await disk.readUnit(0)).toBeUndefined();
    expect(await disk.loadTable()).toEqual([]);
    await disk.commit(
      {
        erased: [],
        units: [unit(0), unit(7), unit(40_000), unit(99_999)],
        shards: [
          { shard: 0, bytes: bytesOf(50, 10) },
          { shard: 9, bytes: new Uint8Array(0) },
        ],
      },
      'relaxed',
    );
    await disk.commit({ ...put(8), shards: [{ shard: 0, bytes: bytesOf(51, 4000) }] }, 'strict');
    for (let round = 0; round < 2; round++) {
      for (const n of [0, 7, 8, 40_000, 99_999]) expect(await disk.readUnit(n)).toEqual(bytesOf(n));
      expect(await disk.readUnit(1)).toBeUndefined();
      expect(disk.unitsStored()).toBe(5);
      expect(disk.summary.unitsStored).toBe(5);
      const table = [...(await disk.loadTable())].sort((a, b) => a.shard - b.shard);
      expect(table).toEqual([
        { shard: 0, bytes: bytesOf(51, 4000) },
        { shard: 9, bytes: new Uint8Array(0) },
      ]);
      disk = await reopened(disk);
    }
    await disk.close();
    expect(await catalogue.list()).toMatchObject([{ unitsStored: 5, epoch: 3 }]);
  });

  it('answers reads asked for together, the same unit twice, and views into larger buffers', async () => {
    const disk = await fresh();
    const large = new Uint8Array(10 * UNIT_BYTES).map((_, i) => i * 3);
    const view = large.subarray(100, 100 + UNIT_BYTES);
    await disk.commit({ ...empty, units: [{ unit: 1, bytes: view }, unit(2), unit(3)] }, 'relaxed');
    const answers = await Promise.all([1, 2, 3, 2, 4].map((n) => disk.readUnit(n)));
    expect(answers).toEqual([view, bytesOf(2), bytesOf(3), bytesOf(2), undefined]);
  });

  it('erases before it puts, and counts exactly', async () => {
    let disk = await fresh();
    await disk.commit(put(10, 11, 12, 13, 20), 'relaxed');
    await disk.commit(
      {
        erased: [
          { first: 11, count: 3 },
          { first: 500, count: 0 },
          { first: 600, count: 1000 },
        ],
        units: [unit(12, 77), unit(20, 78), unit(30, 79)],
        shards: [],
      },
      'relaxed',
    );
    for (let round = 0; round < 2; round++) {
      expect(await Promise.all([10, 11, 12, 13, 20, 30].map((n) => disk.readUnit(n)))).toEqual([
        bytesOf(10),
        undefined,
        bytesOf(77),
        undefined,
        bytesOf(78),
        bytesOf(79),
      ]);
      expect(disk.unitsStored()).toBe(4);
      disk = await reopened(disk);
    }
    await disk.commit({ ...empty, erased: [{ first: 0, count: spec.totalUnits }] }, 'relaxed');
    expect(disk.unitsStored()).toBe(0);
    expect((await reopened(disk)).unitsStored()).toBe(0);
  });

  it('agrees with a plain map over random commits', async () => {
    let disk = await fresh();
    const model = new Map<number, number>();
    let state = 12345;
    const below = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
    for (let i = 0; i < 300; i++) {
      const first = below(400);
      const erased = below(3) === 0 ? [{ first, count: below(60) }] : [];
      const units = Array.from({ length: below(5) }, () =>
        unit(below(460) * (below(2) === 0 ? 1 : 200), below(200)),
      );
      for (const run of erased) for (let n = run.first; n < run.first + run.count; n++) model.delete(n);
      for (const one of units) model.set(one.unit, one.bytes[0] as number);
      await disk.commit({ erased, units, shards: [] }, 'relaxed');
      expect(disk.unitsStored()).toBe(model.size);
      if (i % 100 === 99) disk = await reopened(disk);
    }
    for (let n = 0; n < 100_000; n = n < 460 ? n + 1 : n + 200 - (n % 200)) {
      expect((await disk.readUnit(n))?.[0]).toBe(model.get(n));
    }
  });

  it('keeps a point in time of table shards', async () => {
    const disk = await fresh();
    const shard = bytesOf(1);
    const done = disk.commit({ ...empty, shards: [{ shard: 4, bytes: shard }] }, 'relaxed');
    shard.fill(0xee);
    await done;
    expect(await disk.loadTable()).toEqual([{ shard: 4, bytes: bytesOf(1) }]);
  });

  it.each([
    ['a short unit', { ...empty, units: [{ unit: 1, bytes: new Uint8Array(UNIT_BYTES - 1) }] }],
    ['a long unit', { ...empty, units: [{ unit: 1, bytes: new Uint8Array(UNIT_BYTES + 1) }] }],
    ['a unit beyond the end', put(100_000)],
    ['a negative unit', put(-1)],
    ['a fraction', put(0.5)],
    ['a run beyond the end', { ...empty, erased: [{ first: 99_999, count: 2 }] }],
    ['a shard without number', { ...empty, shards: [{ shard: Number.NaN, bytes: bytesOf(1) }] }],
  ])('refuses %s and keeps nothing of that commit', async (_what, wrong: MediaCommit) => {
    let disk = await fresh();
    await disk.commit(put(1), 'relaxed');
    const mixed = { erased: wrong.erased, units: [unit(2), ...wrong.units], shards: wrong.shards };
    await expect((async () => disk.commit(mixed, 'relaxed'))()).rejects.toMatchObject({ code: 'corrupt' });
    await disk.commit(put(3), 'relaxed');
    disk = await reopened(disk);
    expect(await Promise.all([1, 2, 3].map((n) => disk.readUnit(n)))).toEqual([
      bytesOf(1),
      undefined,
      bytesOf(3),
    ]);
    expect(disk.unitsStored()).toBe(2);
  });

  /** Everything of a disk, by unit and by shard. */
  const contentOf = async (disk: OpenDisk, units: readonly number[]): Promise<unknown> => ({
    units: await Promise.all(units.map(async (n) => [n, await disk.readUnit(n)])),
    shards: [...(await disk.loadTable())].sort((a, b) => a.shard - b.shard),
    stored: disk.unitsStored(),
    known: units.filter((n) => disk.isStored(n)),
  });
  const mixed = (seed: number, erased: MediaCommit['erased'], ...numbers: number[]): MediaCommit => ({
    erased,
    units: numbers.map((n) => unit(n, n + seed)),
    shards: [{ shard: seed % 2, bytes: bytesOf(seed, 30) }],
  });
  const some = [0, 1, 2, 3, 4, 5, 6, 40_000, 99_999];

  it('counts commits, and nothing else but a wipe', async () => {
    let disk = await fresh();
    expect(disk.version()).toEqual({ epoch: 1, commits: 0 });
    await disk.commit(put(1), 'relaxed');
    await disk.commit(put(2), 'strict');
    await disk.commit(empty, 'relaxed');
    expect(disk.version()).toEqual({ epoch: 1, commits: 3 });
    expect(disk.summary.commits).toBe(3);
    await Promise.resolve(disk.commit(put(-1), 'relaxed')).catch(() => undefined);
    expect(disk.version().commits).toBe(3);
    disk = await reopened(disk);
    expect(disk.version()).toEqual({ epoch: 2, commits: 3 });
    await disk.commit(put(3), 'relaxed');
    await disk.close();
    const { id } = disk.summary;
    await catalogue.rename(id, 'Other');
    expect(await catalogue.list()).toMatchObject([{ commits: 4, epoch: 2 }]);
    expect(await catalogue.wipe(id)).toMatchObject({ commits: 5 });
    expect((await open(id)).version()).toEqual({ epoch: 3, commits: 5 });
  });

  it('forks a disk; from then on each goes its own way', async () => {
    let parent = await fresh();
    await parent.commit(mixed(0, [], 0, 1, 2, 3, 40_000), 'relaxed');
    const { id } = parent.summary;
    await parent.close();
    const fork = await catalogue.fork(id, 'A disk (fork)');
    expect(fork).toMatchObject({ ...spec, name: 'A disk (fork)', epoch: 0, commits: 1, unitsStored: 5 });
    expect(fork.id).not.toBe(id);
    expect(fork.kept).toBe(parent.summary.kept);
    expect((await catalogue.list()).map((row) => row.id).sort()).toEqual([id, fork.id].sort());
    parent = await open(id);
    let child = await open(fork.id);
    expect(parent.version()).toMatchObject({ commits: 1 });
    const shared = await contentOf(parent, some);
    expect(await contentOf(child, some)).toEqual(shared);
    await child.commit(mixed(7, [{ first: 1, count: 2 }], 3, 5), 'relaxed');
    expect(await contentOf(parent, some)).toEqual(shared);
    await parent.commit(mixed(9, [{ first: 0, count: 1 }], 1, 4, 40_000), 'relaxed');
    for (let round = 0; round < 2; round++) {
      expect(await contentOf(parent, some)).toEqual({
        units: [
          [0, undefined],
          [1, bytesOf(10)],
          [2, bytesOf(2)],
          [3, bytesOf(3)],
          [4, bytesOf(13)],
          [5, undefined],
          [6, undefined],
          [40_000, bytesOf(40_009)],
          [99_999, undefined],
        ],
        shards: [
          { shard: 0, bytes: bytesOf(0, 30) },
          { shard: 1, bytes: bytesOf(9, 30) },
        ],
        stored: 5,
        known: [1, 2, 3, 4, 40_000],
      });
      expect(await contentOf(child, some)).toMatchObject({
        units: [
          [0, bytesOf(0)],
          [1, undefined],
          [2, undefined],
          [3, bytesOf(10)],
          [4, undefined],
          [5, bytesOf(12)],
          [6, undefined],
          [40_000, bytesOf(40_000)],
          [99_999, undefined],
        ],
        stored: 4,
      });
      parent = await reopened(parent);
      child = await reopened(child);
    }
    expect(parent.summary).toMatchObject({ unitsStored: 5, commits: 2 });
    expect(child.summary).toMatchObject({ unitsStored: 4, commits: 2 });
  });

  it('erases in a fork what it shares, writes it anew and erases it again', async () => {
    const parent = await fresh();
    await parent.commit(put(1, 2, 3), 'relaxed');
    await parent.close();
    let child = await open((await catalogue.fork(parent.summary.id, 'fork')).id);
    await child.commit({ ...empty, erased: [{ first: 0, count: spec.totalUnits }] }, 'relaxed');
    expect(child.unitsStored()).toBe(0);
    child = await reopened(child);
    expect(await child.readUnit(2)).toBeUndefined();
    await child.commit({ ...empty, units: [unit(2, 50)] }, 'relaxed');
    expect(await child.readUnit(2)).toEqual(bytesOf(50));
    await child.commit({ ...empty, erased: [{ first: 2, count: 1 }] }, 'relaxed');
    child = await reopened(child);
    expect(await child.readUnit(2)).toBeUndefined();
    expect(child.unitsStored()).toBe(0);
    expect((await open(parent.summary.id)).unitsStored()).toBe(3);
  });

  it('forks forks; wiping and removing what is in between takes nothing from the others', async () => {
    const first = await fresh();
    await first.commit(mixed(0, [], 0, 1, 2, 3), 'relaxed');
    await first.close();
    const second = await open((await catalogue.fork(first.summary.id, 'second')).id);
    await second.commit(mixed(20, [{ first: 0, count: 1 }], 1, 4), 'relaxed');
    await second.close();
    const third = await open((await catalogue.fork(second.summary.id, 'third')).id);
    await third.commit(mixed(41, [], 2), 'relaxed');
    const seen = await contentOf(third, some);
    await third.close();
    const expectThird = async (): Promise<void> => {
      const disk = await open(third.summary.id);
      expect(await contentOf(disk, some)).toEqual(seen);
      await disk.close();
    };
    await catalogue.wipe(second.summary.id);
    await expectThird();
    expect((await open(second.summary.id)).unitsStored()).toBe(0);
    await catalogue.remove(first.summary.id);
    await expectThird();
    const fourth = await catalogue.fork(third.summary.id, 'fourth');
    await catalogue.remove(third.summary.id);
    const last = await open(fourth.id);
    expect(await contentOf(last, some)).toEqual(seen);
    expect(await last.readUnit(1)).toEqual(bytesOf(21));
    await last.commit(put(99_999), 'relaxed');
    expect(await last.readUnit(99_999)).toEqual(bytesOf(99_999));
  });

  it('forks a disk that is open here, between two commits', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    await disk.commit(mixed(0, [], 1, 2), 'relaxed');
    const under = disk.commit(put(3), 'relaxed');
    const forking = catalogue.fork(id, 'while open');
    await under;
    // The array may be changed as soon as the call is over, whenever it is written.
    const late = put(4);
    const waits = disk.commit(late, 'strict');
    if (waits instanceof Promise) for (const { bytes } of late.units) bytes.fill(0xee);
    const read = disk.readUnit(1);
    const fork = await forking;
    await waits;
    expect(await read).toEqual(bytesOf(1));
    expect(disk.version()).toEqual({ epoch: 1, commits: 3 });
    expect(disk.unitsStored()).toBe(4);
    await disk.commit({ ...empty, erased: [{ first: 1, count: 1 }], units: [unit(2, 60)] }, 'relaxed');
    const child = await open(fork.id);
    expect(fork.unitsStored).toBe(child.unitsStored());
    expect(await child.readUnit(1)).toEqual(bytesOf(1));
    expect(await child.readUnit(2)).toEqual(bytesOf(2));
    const again = await reopened(disk);
    expect(await Promise.all([1, 2, 3, 4].map((n) => again.readUnit(n)))).toEqual([
      undefined,
      bytesOf(60),
      bytesOf(3),
      waits instanceof Promise ? bytesOf(4) : late.units[0]?.bytes,
    ]);
    if (place.elsewhere) {
      await expect(place.elsewhere().fork(id, 'elsewhere')).rejects.toMatchObject({ code: 'busy' });
      await expect(place.elsewhere().pin(id)).rejects.toMatchObject({ code: 'busy' });
    }
  });

  it('changes no fork when the device changes what it was given to read', async () => {
    const disk = await fresh();
    await disk.commit(put(1), 'relaxed');
    const fork = await open((await catalogue.fork(disk.summary.id, 'fork')).id);
    const bytes = (await disk.readUnit(1)) as Uint8Array;
    bytes.fill(0x77);
    await disk.commit({ ...empty, units: [{ unit: 1, bytes }] }, 'relaxed');
    expect(await fork.readUnit(1)).toEqual(bytesOf(1));
    await fork.commit({ ...empty, erased: [{ first: 1, count: 1 }] }, 'relaxed');
    fork.spareUnit?.()?.fill(0);
    disk.spareUnit?.()?.fill(0);
    expect(await disk.readUnit(1)).toEqual(new Uint8Array(UNIT_BYTES).fill(0x77));
  });

  it('pins a version, makes disks of it however often, and lets it go', async () => {
    const disk = await fresh();
    const { id } = disk.summary;
    await disk.commit(mixed(0, [], 1, 2), 'relaxed');
    const seen = await contentOf(disk, some);
    const pin = await catalogue.pin(id);
    expect(JSON.parse(JSON.stringify(pin))).toEqual(pin);
    expect(pin).toMatchObject({ ...spec, diskId: id, epoch: 1, commits: 1, unitsStored: 2 });
    expect(await catalogue.pins()).toEqual([pin]);
    await disk.commit(mixed(1, [{ first: 1, count: 1 }], 2, 3), 'relaxed');
    const later = await catalogue.pin(id);
    expect(later).toMatchObject({ commits: 2, unitsStored: 2 });
    expect((await catalogue.pins()).map((one) => one.pin).sort()).toEqual([pin.pin, later.pin].sort());
    await disk.close();
    await catalogue.remove(id);
    expect(await catalogue.list()).toEqual([]);
    for (const name of ['one', 'two']) {
      const made = await catalogue.forkPin(pin.pin, name);
      expect(made).toMatchObject({ ...spec, name, epoch: 0, commits: 1, unitsStored: 2 });
      const fork = await open(made.id);
      expect(await contentOf(fork, some)).toEqual(seen);
      await fork.commit(mixed(5, [], 1), 'relaxed');
    }
    await catalogue.unpin(pin.pin);
    await catalogue.unpin(pin.pin);
    expect(await catalogue.pins()).toEqual([later]);
    await expect(catalogue.forkPin(pin.pin, 'no')).rejects.toMatchObject({ code: 'missing' });
    expect(await (await open((await catalogue.forkPin(later.pin, 'three')).id)).readUnit(3)).toEqual(
      bytesOf(4),
    );
    await catalogue.unpin(later.pin);
    expect(await catalogue.pins()).toEqual([]);
    expect(await catalogue.list()).toHaveLength(3);
  });

  it('forks under good names only, and what is there', async () => {
    const { id } = await catalogue.create(spec);
    const { pin } = await catalogue.pin(id);
    await expect(catalogue.fork(id, '')).rejects.toMatchObject({ code: 'io' });
    await expect(catalogue.forkPin(pin, 'a\u0000')).rejects.toMatchObject({ code: 'io' });
    for (const none of ['nonesuch', '', '../x', '__proto__']) {
      await expect(catalogue.fork(none, 'x')).rejects.toMatchObject({ code: 'missing' });
      await expect(catalogue.pin(none)).rejects.toMatchObject({ code: 'missing' });
      await expect(catalogue.forkPin(none, 'x')).rejects.toMatchObject({ code: 'missing' });
      await catalogue.unpin(none);
    }
    expect(await catalogue.list()).toHaveLength(1);
    expect(await catalogue.pins()).toHaveLength(1);
  });

  it('ends with close: what was under way is kept, later calls say lost', async () => {
    const disk = await fresh();
    const underWay = disk.commit(put(6), 'strict');
    const closed = disk.close();
    await Promise.all([underWay, closed, disk.close()]);
    for (const call of [
      async () => disk.readUnit(6),
      async () => disk.readUnit(7),
      () => disk.loadTable(),
      async () => disk.commit(put(8), 'relaxed'),
    ]) {
      await expect(call()).rejects.toMatchObject({ name: 'StoreError', code: 'lost' });
    }
    expect(await (await open(disk.summary.id)).readUnit(6)).toEqual(bytesOf(6));
  });

  it('says every error in one sentence', async () => {
    const errors = await Promise.all(
      [
        () => catalogue.open('nonesuch'),
        () => catalogue.create({ ...spec, name: '' }),
        () => catalogue.create({ ...spec, unitBytes: 0 }),
      ].map((attempt) => attempt().then(undefined, (error: unknown) => error as Error)),
    );
    for (const error of errors) {
      expect((error as Error).message).toMatch(/^[A-Z][^.!?]*; [^.!?]*\.$/);
    }
  });
});
