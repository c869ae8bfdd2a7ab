/** Makes the disks of test/fixture-disks.ts in today's format; see scripts/fixtures.mjs. */
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import type { DiskCatalogue } from '../src/storage/catalogue.ts';
import { FakeLocks } from '../src/storage/fake-locks.ts';
import { FileCatalogue } from '../src/storage/file.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { DISK_FORMAT } from '../src/storage/superblock.ts';
import { dumpDatabases } from './database-dump.ts';
import { fixtureDisks, fixtureFork, fixtureGroups } from './fixture-disks.ts';

const folder = join(fileURLToPath(import.meta.url), '..', '..', 'src', 'storage', 'fixtures');

async function fill(catalogue: DiskCatalogue): Promise<string[]> {
  const ids: string[] = [];
  for (const { spec, make } of fixtureDisks) {
    const { id } = await catalogue.create(spec);
    const disk = await catalogue.open(id);
    await make(disk);
    await disk.close();
    ids.push(id);
  }
  ids.push(await fixtureFork.make(catalogue, ids[fixtureDisks.indexOf(fixtureFork.of)] ?? ''));
  // Left open, so that what a program that dies leaves behind is kept as well.
  const { id } = await catalogue.create(fixtureGroups.spec);
  await fixtureGroups.make(await catalogue.open(id));
  return [...ids, id];
}

const dump = join(folder, `v${DISK_FORMAT}.indexeddb.json`);
if (existsSync(dump)) throw new Error(`${dump} is there; a fixture is never made anew.`);
const indexedDB = new IDBFactory();
await fill(new IndexedDbCatalogue({ indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks() }));
writeFileSync(dump, `${JSON.stringify(await dumpDatabases(indexedDB), undefined, 1)}\n`);

const directory = mkdtempSync(join(tmpdir(), 'lnvm-fixtures-'));
const ids = await fill(FileCatalogue.ofDirectory(directory));
ids.forEach((id, i) => {
  const name =
    [...fixtureDisks, fixtureFork, fixtureGroups.spec][i]?.name.replaceAll(/[^a-z0-9]+/g, '-') ?? '';
  copyFileSync(join(directory, id), join(folder, `v${DISK_FORMAT}.${name}.lnvmdisk`));
});
rmSync(directory, { recursive: true });
