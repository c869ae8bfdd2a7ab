import { describe, expect, it } from 'vitest';
import type { MediaCommit } from '../../src/flash/media-store.ts';
import type { DiskCatalogue, OpenDisk } from '../../src/storage/catalogue.ts';
import { MemoryCatalogue } from '../../src/storage/memory.ts';
import { boot, createTarget, kernelComplaints, line12 } from '../boot.ts';
import { Random } from '../fuzz/random.ts';
import { CRASH_SEED } from './hosts.ts';

/**
 * A guest writes files to ext4 on pblk and flushes each; every transaction of the store is noted, and which files
 * had been flushed by then. Then the disk is put together as it was after some of them, a guest boots on it, pblk
 * recovers, and each file that was flushed has its checksum. `npm run test:crash` cuts a hundred times.
 */
const CUTS = Number(process.env.CRASH_CUTS ?? 0);
const LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16');
const SIZE_MIB = 257;
const FILES = 40;
const TARGET = createTarget(0, 3);

/** Files that were flushed when so many transactions had been kept. */
interface Flushed {
  readonly commits: number;
  readonly name: string;
  readonly md5: string;
}

/** A catalogue that notes what is committed to its disks. */
function noting(inner: DiskCatalogue, commits: MediaCommit[]): DiskCatalogue {
  return {
    list: () => inner.list(),
    create: (spec) => inner.create(spec),
    build: (spec, fill) => inner.build(spec, fill),
    rename: (id, name) => inner.rename(id, name),
    wipe: (id) => inner.wipe(id),
    remove: (id) => inner.remove(id),
    fork: (id, name) => inner.fork(id, name),
    pin: (id) => inner.pin(id),
    pins: () => inner.pins(),
    forkPin: (pin, name) => inner.forkPin(pin, name),
    unpin: (pin) => inner.unpin(pin),
    async open(id) {
      const disk = await inner.open(id);
      const commit = disk.commit.bind(disk);
      const noted: OpenDisk = Object.create(disk, {
        // As a store that answers late, so that commands share transactions as they do in a browser.
        immediate: { value: false },
        summary: { get: () => disk.summary },
        onlost: { value: undefined, writable: true },
        readUnit: { value: (unit: number) => disk.readUnit(unit) },
        loadTable: { value: () => disk.loadTable() },
        version: { value: () => disk.version() },
        unitsStored: { value: () => disk.unitsStored() },
        spareUnit: { value: undefined },
        close: { value: () => disk.close() },
        commit: {
          value: async (what: MediaCommit, durability: 'relaxed' | 'strict') => {
            const copy = {
              erased: [...what.erased],
              units: what.units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() })),
              shards: what.shards.map(({ shard, bytes }) => ({ shard, bytes: bytes.slice() })),
            };
            await new Promise((resolve) => setTimeout(resolve, 2));
            await commit(copy, durability);
            commits.push(copy);
          },
        },
      }) as OpenDisk;
      return noted;
    },
  };
}

describe.skipIf(CUTS === 0)('a guest on a disk that was cut', () => {
  it(`finds what was flushed, ${CUTS} times`, { timeout: 7_200_000 }, async () => {
    const random = new Random(CRASH_SEED);
    const commits: MediaCommit[] = [];
    const inner = new MemoryCatalogue();
    const flushed: Flushed[] = [];
    const writer = await boot({ line: LINE, sizeMiB: SIZE_MIB, catalogue: noting(inner, commits) });
    const [row] = await inner.list();
    if (!row) throw new Error('the disk is not there');
    const { deviceLine, sizeBytes, unitBytes, totalUnits } = row;
    await writer.run(
      `${TARGET} && mkfs.ext4 -q /dev/mydevice && mkdir -p /d && mount /dev/mydevice /d && sync`,
    );
    const first = commits.length;
    for (let i = 0; i < FILES; i++) {
      const name = `f${i % 12}.${i}`;
      const kib = 16 + random.below(496);
      const md5 = await writer.run(
        `head -c ${kib}k /dev/urandom > /d/.new && md5sum < /d/.new && mv /d/.new /d/${name} && sync -f /d/${name} 2>/dev/null || sync`,
      );
      flushed.push({ commits: commits.length, name, md5: md5.trim() });
    }
    await writer.off();
    const total = commits.length;
    console.log(`CRASH_SEED=${CRASH_SEED}: ${total} transactions, ${CUTS} of them cut`);
    let files = 0;
    for (let cut = 0; cut < CUTS; cut++) {
      const kept = first + random.below(total - first);
      const spec = { name: `cut ${kept}`, deviceLine, sizeBytes, unitBytes, totalUnits };
      const catalogue = new MemoryCatalogue();
      const { id } = await catalogue.build(spec, async (disk) => {
        for (const commit of commits.slice(0, kept)) await disk.commit(copyOf(commit), 'relaxed');
      });
      const reader = await boot({ line: LINE, sizeMiB: SIZE_MIB, catalogue, diskId: id });
      const where = `CRASH_SEED=${CRASH_SEED}, after ${kept} transactions`;
      await reader.run(`${TARGET} && mkdir -p /d && mount /dev/mydevice /d`);
      const due = flushed.filter((file) => file.commits <= kept);
      const names = due.map(({ name }) => `/d/${name}`).join(' ');
      const sums = due.length === 0 ? '' : await reader.run(`md5sum ${names}`);
      for (const { name, md5 } of due)
        expect(sums, `${where}, ${name}`).toContain(`${md5.split(' ')[0]}  /d/${name}`);
      files += due.length;
      expect(kernelComplaints(await reader.run('dmesg')), where).toEqual([]);
      await reader.off();
    }
    console.log(`${files} files were there`);
    expect(files).toBeGreaterThan(CUTS);
  });
});

/** A disk in memory keeps the arrays that it is given. */
function copyOf(commit: MediaCommit): MediaCommit {
  return { ...commit, units: commit.units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() })) };
}
