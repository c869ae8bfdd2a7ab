import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { describe, expect, it } from 'vitest';
import { type DatabaseDump, restoreDatabases } from '../../test/database-dump.ts';
import { type FixtureDisk, fixtureDisks } from '../../test/fixture-disks.ts';
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
    ({ name, deviceLine }) => name === spec.name || deviceLine === spec.deviceLine,
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

describe.each(versions)('disks of format %i', (version) => {
  it.each(fixtureDisks)('in IndexedDB: $name', async (fixture) => {
    const indexedDB = new IDBFactory();
    const dumps = JSON.parse(
      readFileSync(new URL(`v${version}.indexeddb.json`, folder), 'utf8'),
    ) as DatabaseDump[];
    await restoreDatabases(indexedDB, dumps);
    await checkTwice(
      new IndexedDbCatalogue({ indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks() }),
      fixture,
    );
  });

  it.each(fixtureDisks)('in a file: $name', async (fixture) => {
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-fixture-'));
    try {
      for (const file of readdirSync(folder))
        if (file.startsWith(`v${version}.`) && file.endsWith('.lnvmdisk'))
          copyFileSync(new URL(file, folder), join(directory, file));
      await checkTwice(FileCatalogue.ofDirectory(directory), fixture);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
