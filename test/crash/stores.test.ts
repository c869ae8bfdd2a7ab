import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBFactory, IDBKeyRange, IDBObjectStore, IDBTransaction } from 'fake-indexeddb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mediumOf } from '../../src/lab/device-line.ts';
import type { DiskSpec, OpenDisk } from '../../src/storage/catalogue.ts';
import { FakeLocks } from '../../src/storage/fake-locks.ts';
import { FileCatalogue } from '../../src/storage/file.ts';
import { IndexedDbCatalogue } from '../../src/storage/indexeddb.ts';
import { DEFAULT_CONFIG } from '../driver/rig.ts';
import { Random } from '../fuzz/random.ts';
import type { CrashHost } from './crash-host.ts';
import { CRASH_SEED, hosts } from './hosts.ts';
import { guestMemory, openRig, Session } from './session.ts';
import { DELAYS, type Moment, promised, record } from './sweep.ts';

/** The same workloads on the stores as they are, which are cut in the middle of a transaction. */
const DEEDS = Number(process.env.CRASH_DEEDS ?? 120);

const specOf = (host: CrashHost): DiskSpec => ({
  name: 'crash',
  deviceLine: 'nvme',
  sizeBytes: 2 ** 20,
  ...mediumOf({ ...DEFAULT_CONFIG, namespaces: host.namespaces }),
});

async function recorded(make: () => CrashHost) {
  const random = new Random(CRASH_SEED);
  const session = new Session(make(), 'writethrough', random, DELAYS);
  return { session, random, moments: await record(session, random, DEEDS) };
}

const memory = guestMemory();

/** What a disk holds is what its host was told by then. */
async function check(session: Session, disk: OpenDisk, { event, ms }: Moment): Promise<void> {
  memory.forget();
  const rig = await openRig(
    session.host,
    disk,
    memory,
    'writethrough',
    () => new Promise((r) => setImmediate(r)),
  );
  session.ledger.check(await session.host.inspect(rig), event, ms, promised('writethrough'));
}

afterEach(() => void vi.restoreAllMocks());

describe('a disk file of which the last record is torn', () => {
  it.each(hosts)('$name', { timeout: 600_000 }, async ({ make, name }) => {
    const { session, random, moments } = await recorded(make);
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-crash-'));
    try {
      const catalogue = FileCatalogue.ofDirectory(directory);
      const { id } = await catalogue.create(specOf(session.host));
      const path = join(directory, id);
      const disk = await catalogue.open(id);
      const ends = [statSync(path).size];
      for (const { commit } of moments) {
        await disk.commit(commit, 'relaxed');
        ends.push(statSync(path).size);
      }
      const whole = readFileSync(path);
      const torn = join(directory, 'torn.lnvmdisk');
      let cuts = 0;
      for (const [i, moment] of moments.entries()) {
        const [begin = 0, end = 0] = ends.slice(i, i + 2);
        const bytes = whole.subarray(0, end);
        const within = begin + random.below(end - begin);
        // A beginning of the record; the record with a hole, as a power cut may leave it; all of it.
        for (const way of ['begun', 'holed', 'whole'] as const) {
          writeFileSync(torn, way === 'begun' ? bytes.subarray(0, within) : bytes);
          if (way === 'holed') spoil(torn, within, Math.min(64, end - within));
          const opened = await catalogue.open('torn.lnvmdisk');
          await check(session, opened, moment);
          await opened.close();
          cuts++;
        }
      }
      await disk.close();
      console.log(`${name}, file: ${cuts} cuts`);
      expect(cuts).toBeGreaterThan(60);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

function spoil(path: string, at: number, count: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, new Uint8Array(count), 0, count, at);
  closeSync(fd);
}

describe('a database of which a transaction was under way', () => {
  it.each(hosts)('$name', { timeout: 600_000 }, async ({ make, name }) => {
    const { session, random, moments } = await recorded(make);
    const indexedDB = new IDBFactory();
    const tab = () => new IndexedDbCatalogue({ indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks() });
    const { id } = await tab().create(specOf(session.host));
    let cuts = 0;
    const real = IDBObjectStore.prototype.put;
    // A tab that dies closes nothing, and leaves a journal.
    const end = async (disk: OpenDisk): Promise<void> => (random.oneIn(2) ? disk.close() : undefined);
    for (const [i, moment] of moments.entries()) {
      const dying = await tab().open(id);
      // Nothing of what was kept before gets lost with it.
      if (i > 0 && random.oneIn(2)) await dying.commit({ erased: [], units: [], shards: [] }, 'relaxed');
      const { units, shards } = moment.commit;
      let left = random.below(units.length + shards.length + 1);
      const dies = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
        this: IDBObjectStore,
        ...args
      ) {
        const request = real.apply(this, args as Parameters<typeof real>);
        if (left-- <= 0) this.transaction.abort();
        return request;
      });
      // At the latest when all was put: a few puts can hold much.
      const endsSo = vi.spyOn(IDBTransaction.prototype, 'commit').mockImplementation(function (
        this: IDBTransaction,
      ) {
        this.abort();
      });
      await expect(dying.commit(moment.commit, 'relaxed')).rejects.toMatchObject({ name: 'StoreError' });
      dies.mockRestore();
      endsSo.mockRestore();
      await end(dying);
      // And the next program finds what was there before; it is done again, and kept.
      const found = await tab().open(id);
      await check(session, found, moment);
      await found.commit(moment.commit, 'relaxed');
      await check(session, found, moment);
      await end(found);
      cuts += 2;
    }
    console.log(`${name}, IndexedDB: ${cuts} cuts`);
    expect(cuts).toBeGreaterThan(40);
  });
});
