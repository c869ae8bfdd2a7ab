import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { describe, expect, it } from 'vitest';
import { type DatabaseDump, dumpDatabases, restoreDatabases } from '../../test/database-dump.ts';
import { type FixtureDisk, fixtureDisks, fixtureFork, fixtureGroups } from '../../test/fixture-disks.ts';
import type { DiskCatalogue } from './catalogue.ts';
import { FakeLocks } from './fake-locks.ts';
import { FileCatalogue } from './file.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { DISK_FORMAT } from './superblock.ts';

/**
 * Disks as every version of the format has written them, made once by scripts/fixtures.mjs and never changed: each
 * is opened, holds what it held, and goes on being a disk.
 */
const folder = new URL('fixtures/', import.meta.url);
const versions = Array.from({ length: DISK_FORMAT }, (_, i) => i + 1);

async function checkTwice(catalogue: DiskCatalogue, { spec, check }: FixtureDisk): Promise<void> {
  const row = (await catalogue.list()).find(
    ({ name, deviceLine }) =>
      name === spec.name || (deviceLine === spec.deviceLine && name !== fixtureFork.name),
  );
  expect(row).toMatchObject({
    deviceLine: spec.deviceLine,
    unitBytes: spec.unitBytes,
    totalUnits: spec.totalUnits,
  });
  for (let i = 0; i < 2; i++) {
    const disk = await catalogue.open(row?.id ?? '');
    await check(disk);
    // What the device counts is kept, in today's format.
    await disk.commit({ erased: [], units: [], shards: await disk.loadTable() }, 'relaxed');
    await disk.close();
  }
}

async function inIndexedDb(version: number, indexedDB = new IDBFactory()): Promise<IndexedDbCatalogue> {
  const dump = readFileSync(new URL(`v${version}.indexeddb.json`, folder), 'utf8');
  await restoreDatabases(indexedDB, JSON.parse(dump) as DatabaseDump[]);
  return new IndexedDbCatalogue({ indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks() });
}

async function inFiles(
  version: number,
  work: (catalogue: DiskCatalogue, directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'lnvm-fixture-'));
  try {
    for (const file of readdirSync(folder))
      if (file.startsWith(`v${version}.`) && file.endsWith('.lnvmdisk'))
        copyFileSync(new URL(file, folder), join(directory, file));
    await work(FileCatalogue.ofDirectory(directory), directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Counted from the first opening in today's format on. */
async function checkCommits(catalogue: DiskCatalogue, version: number): Promise<void> {
  for (const { id, commits } of await catalogue.list()) {
    if (version === 1) expect(commits).toBe(0);
    else expect(commits).toBeGreaterThan(0);
    const disk = await catalogue.open(id);
    expect(disk.version().commits).toBe(commits);
    await disk.commit({ erased: [], units: [], shards: [] }, 'relaxed');
    await disk.close();
    const again = (await catalogue.list()).find((row) => row.id === id);
    expect(again?.commits).toBe(commits + 1);
  }
}

async function checkFork(catalogue: DiskCatalogue): Promise<void> {
  const row = (await catalogue.list()).find(({ name }) => name === fixtureFork.name);
  for (let i = 0; i < 2; i++) {
    const disk = await catalogue.open(row?.id ?? '');
    await fixtureFork.check(disk);
    await disk.commit({ erased: [], units: [], shards: await disk.loadTable() }, 'relaxed');
    await disk.close();
  }
}

describe.each(versions)('disks of format %i', (version) => {
  it.each(fixtureDisks)('in IndexedDB: $name', async (fixture) => {
    await checkTwice(await inIndexedDb(version), fixture);
  });

  it.each(fixtureDisks)('in a file: $name', async (fixture) => {
    await inFiles(version, (catalogue) => checkTwice(catalogue, fixture));
  });

  it('count commits', async () => {
    await checkCommits(await inIndexedDb(version), version);
    await inFiles(version, (catalogue) => checkCommits(catalogue, version));
  });

  it('are of today’s format when they were opened', async () => {
    await inFiles(version, async (catalogue, directory) => {
      for (const { id } of await catalogue.list()) {
        await (await catalogue.open(id)).close();
        expect(readFileSync(join(directory, id)).readUInt32LE(8)).toBe(DISK_FORMAT);
      }
    });
  });

  it('are of today’s format in IndexedDB from the first opening on, and go on with pieces', async () => {
    const indexedDB = new IDBFactory();
    const catalogue = await inIndexedDb(version, indexedDB);
    const { id } = (await catalogue.list()).find(({ name }) => name === fixtureFork.of.spec.name) as {
      id: string;
    };
    await catalogue.rename(id, 'renamed');
    const disk = await catalogue.open(id);
    await fixtureFork.of.check(disk);
    const bytes = new Uint8Array(disk.summary.unitBytes).fill(9);
    const units = Array.from({ length: 8 }, (_, i) => ({ unit: 20 + i, bytes }));
    await disk.commit({ erased: [], units, shards: [] }, 'relaxed');
    const { commits } = disk.version();
    await disk.close();
    const dump = await dumpDatabases(indexedDB);
    const layers = dump.filter(({ name }) => name.includes(id));
    const superblocks = layers.flatMap(({ stores }) => stores.superblock?.map(([, value]) => value) ?? []);
    // Format 4 has put a unit of the fixture into a piece as well.
    const pieces = version >= 4 ? 6 : 5;
    expect(superblocks).toContainEqual(expect.objectContaining({ format: DISK_FORMAT, commits, pieces }));
    const again = await catalogue.open(id);
    expect(await again.readUnit(27)).toEqual(bytes);
    expect(again.summary.name).toBe('renamed');
    await again.close();
  });

  it('can be forked as they are', async () => {
    const check = async (catalogue: DiskCatalogue): Promise<void> => {
      const plain = (await catalogue.list()).find(({ name }) => name === fixtureFork.of.spec.name);
      const fork = await catalogue.fork(plain?.id ?? '', 'another');
      for (const id of [plain?.id ?? '', fork.id]) {
        const disk = await catalogue.open(id);
        await fixtureFork.of.check(disk);
        await disk.close();
      }
    };
    await check(await inIndexedDb(version));
    await inFiles(version, check);
  });
});

describe.each(versions.filter((version) => version >= 2))('a fork in format %i', (version) => {
  it('in IndexedDB, and a pinned version', async () => {
    const catalogue = await inIndexedDb(version);
    await checkFork(catalogue);
    const [pin] = await catalogue.pins();
    const disk = await catalogue.open((await catalogue.forkPin(pin?.pin ?? '', 'pinned')).id);
    await fixtureFork.of.check(disk);
    expect(disk.isStored(6)).toBe(false);
    await disk.close();
  });

  it('in a file', async () => {
    await inFiles(version, checkFork);
  });
});

describe.each(versions.filter((version) => version >= 3))('units put together in format %i', (version) => {
  const check = async (catalogue: DiskCatalogue): Promise<void> => {
    const row = (await catalogue.list()).find(({ name }) => name === fixtureGroups.spec.name);
    expect(row).toMatchObject({ commits: 71, unitsStored: fixtureGroups.units.size });
    const fork = await catalogue.fork(row?.id ?? '', 'of groups');
    for (const id of [row?.id ?? '', fork.id])
      for (let i = 0; i < 2; i++) {
        const disk = await catalogue.open(id);
        await fixtureGroups.check(disk);
        await disk.close();
      }
  };

  it('in IndexedDB, by a program that died', async () => {
    await check(await inIndexedDb(version));
  });

  it('in a file', async () => {
    await inFiles(version, check);
  });
});
