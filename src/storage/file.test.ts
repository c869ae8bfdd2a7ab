import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import type { DiskSpec } from './catalogue.ts';
import { FileCatalogue } from './file.ts';

/** What only disk files can meet; the rest is in contract.test.ts. */

const spec: DiskSpec = { name: 'd', deviceLine: 'nvme', sizeBytes: 1e6, unitBytes: 64, totalUnits: 10_000 };
const filled = (value: number): Uint8Array => new Uint8Array(64).fill(value);
const put = (...numbers: number[]): MediaCommit => ({
  erased: [],
  units: numbers.map((unit) => ({ unit, bytes: filled(unit) })),
  shards: [{ shard: 0, bytes: filled(numbers[0] ?? 0) }],
});

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lnvm-file-'));
  path = join(directory, 'media.img');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a catalogue of one file', () => {
  it('has the file of that name or nothing', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    expect(await catalogue.list()).toEqual([]);
    const made = await catalogue.create(spec);
    expect(made).toMatchObject({ id: 'media.img', kept: 'file' });
    expect(await catalogue.list()).toEqual([made]);
    await expect(catalogue.create(spec)).rejects.toMatchObject({ code: 'io' });
    await expect(catalogue.open('other.img')).rejects.toMatchObject({ code: 'missing' });
    await catalogue.remove('media.img');
    expect(existsSync(path)).toBe(false);
  });

  it('refuses files of others and of a newer program', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    for (const [text, code] of [
      ['', 'corrupt'],
      ['something else entirely', 'corrupt'],
      ['LNVMDISK\u0005\u0000\u0000\u0000\u0000\u0000\u0000\u0000', 'version'],
      ['LNVMDISK\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000', 'corrupt'],
      ['LNVMDISK\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000', 'corrupt'],
      ['LNVMDISK\u0003\u0000\u0000\u0000\u0000\u0000\u0000\u0000', 'corrupt'],
      ['LNVMDISK\u0004\u0000\u0000\u0000\u0000\u0000\u0000\u0000', 'corrupt'],
    ]) {
      writeFileSync(path, text as string, 'latin1');
      await expect(catalogue.open('media.img')).rejects.toMatchObject({ name: 'StoreError', code });
      const [disk, ...others] = await catalogue.list();
      expect(disk).toMatchObject({ id: 'media.img', name: 'unreadable disk media.', kept: 'file' });
      expect(others).toEqual([]);
      await expect(catalogue.open('media.img')).rejects.toMatchObject({ message: disk?.problem });
      expect(readFileSync(path, 'latin1')).toBe(text);
      expect(existsSync(`${path}.lock`)).toBe(false);
    }
  });
});

describe('a catalogue of a directory', () => {
  it('lists unreadable disks last, with their problem, and removes them', async () => {
    const catalogue = FileCatalogue.ofDirectory(directory);
    const good = await catalogue.create(spec);
    writeFileSync(join(directory, '0000000000000000.lnvmdisk'), 'junk');
    mkdirSync(join(directory, '1111111111111111.lnvmdisk'));
    writeFileSync(join(directory, 'notes.txt'), 'not looked at');
    expect(await catalogue.list()).toEqual([
      good,
      expect.objectContaining({
        name: 'unreadable disk 000000',
        problem: expect.stringContaining('no disk of this program') as string,
      }),
      expect.objectContaining({
        name: 'unreadable disk 111111',
        problem: expect.stringContaining('EISDIR') as string,
      }),
    ]);
    await catalogue.remove('0000000000000000.lnvmdisk');
    expect(await catalogue.list()).toHaveLength(2);
  });
});

describe('crashes', () => {
  /** A file with commits, never closed: as a killed process leaves it. */
  async function crashed(commits: number): Promise<number[]> {
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create(spec);
    const disk = await catalogue.open('media.img');
    const ends = [statSync(path).size];
    for (let n = 1; n <= commits; n++) {
      await disk.commit({ ...put(n, 100 + n), erased: [{ first: n - 1, count: 1 }] }, 'relaxed');
      ends.push(statSync(path).size);
    }
    copyFileSync(path, join(directory, 'copy.img'));
    await disk.close();
    return ends;
  }

  it('tear at most what was never acknowledged, wherever the file ends', async () => {
    const ends = await crashed(3);
    const copy = join(directory, 'copy.img');
    const torn = join(directory, 'torn.img');
    for (let size = ends[0] as number; size <= (ends[3] as number); size++) {
      // Each opening flushes once: every length near a border of records, every thirteenth elsewhere.
      if (size % 13 !== 0 && !ends.some((end) => Math.abs(end - size) < 3)) continue;
      copyFileSync(copy, torn);
      truncateSync(torn, size);
      const kept = ends.filter((end) => end <= size).length - 1;
      const catalogue = FileCatalogue.ofFile(torn);
      const disk = await catalogue.open('torn.img');
      expect(disk.unitsStored()).toBe(kept === 0 ? 0 : kept + 1);
      for (let n = 1; n <= 3; n++) {
        expect(await disk.readUnit(100 + n)).toEqual(n <= kept ? filled(100 + n) : undefined);
        expect(await disk.readUnit(n)).toEqual(n === kept ? filled(n) : undefined);
      }
      expect(await disk.loadTable()).toEqual(kept === 0 ? [] : [{ shard: 0, bytes: filled(kept) }]);
      await disk.commit(put(50), 'relaxed');
      await disk.close();
      expect(await catalogue.list()).toMatchObject([{ unitsStored: (kept === 0 ? 0 : kept + 1) + 1 }]);
    }
  }, 30_000);

  it('of the whole computer may leave lengths without bytes: those commits were relaxed, and go', async () => {
    const ends = await crashed(3);
    const bytes = readFileSync(join(directory, 'copy.img'));
    bytes.fill(0, (ends[2] as number) - 40, ends[2]);
    writeFileSync(join(directory, 'torn.img'), bytes);
    const disk = await FileCatalogue.ofFile(join(directory, 'torn.img')).open('torn.img');
    expect(disk.unitsStored()).toBe(2);
    expect(await disk.readUnit(101)).toEqual(filled(101));
    await disk.close();
  });

  it('do not explain damage before a flush: that is refused, and the file stays as it is', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create(spec);
    const disk = await catalogue.open('media.img');
    await disk.commit(put(1), 'relaxed');
    const middle = statSync(path).size;
    await disk.commit(put(2), 'strict');
    await disk.commit(put(3), 'relaxed');
    await disk.close();
    const bytes = readFileSync(path);
    bytes[middle + 9] = 0xff;
    writeFileSync(path, bytes);
    await expect(catalogue.open('media.img')).rejects.toMatchObject({ code: 'corrupt' });
    expect(readFileSync(path)).toEqual(bytes);
  });

  it('do not explain a changed unit either: reading it is corrupt, the others are fine', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create(spec);
    let disk = await catalogue.open('media.img');
    await disk.commit(put(1, 2), 'strict');
    await disk.close();
    const bytes = readFileSync(path);
    bytes[bytes.indexOf(Buffer.alloc(64, 2)) + 5] = 3;
    writeFileSync(path, bytes);
    disk = await catalogue.open('media.img');
    expect(await disk.readUnit(1)).toEqual(filled(1));
    await expect((async () => disk.readUnit(2))()).rejects.toMatchObject({ code: 'corrupt' });
    await disk.close();
  });

  it('by kill -9 lose nothing that was acknowledged', async () => {
    await FileCatalogue.ofFile(path).create(spec);
    const program = `
      const { FileCatalogue } = await import(${JSON.stringify(new URL('./file.ts', import.meta.url).href)});
      const disk = await FileCatalogue.ofFile(${JSON.stringify(path)}).open('media.img');
      for (let n = 0; n < 10000; n++) {
        const units = [0, 1, 2].map((i) => ({ unit: (n * 3 + i) % 10000, bytes: new Uint8Array(64).fill(n) }));
        await disk.commit({ erased: [], units, shards: [{ shard: 0, bytes: Uint8Array.of(n, n >> 8) }] }, n % 50 ? 'relaxed' : 'strict');
        process.stdout.write(n + '\\n');
      }`;
    for (const patienceMs of [30, 90]) {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exit = once(child, 'exit');
      let last = -1;
      for await (const line of createInterface({ input: child.stdout })) {
        last = Number(line);
        if (last === 20) setTimeout(() => child.kill('SIGKILL'), patienceMs);
      }
      await exit;
      expect(last).toBeGreaterThan(19);
      expect(existsSync(`${path}.lock`)).toBe(true);
      const disk = await FileCatalogue.ofFile(path).open('media.img');
      const [shard] = await disk.loadTable();
      const kept = (shard?.bytes[0] as number) + (shard?.bytes[1] as number) * 256;
      // One may have been kept and not told.
      expect(kept - last === 0 || kept - last === 1).toBe(true);
      for (let n = Math.max(0, kept - 500); n <= kept; n++) {
        for (const i of [0, 1, 2]) expect(await disk.readUnit((n * 3 + i) % 10_000)).toEqual(filled(n));
      }
      await disk.close();
    }
  }, 30_000);
});

describe('the lock', () => {
  const lockOf = (owner: object): void => writeFileSync(`${path}.lock`, JSON.stringify(owner));

  beforeEach(async () => {
    await FileCatalogue.ofFile(path).create(spec);
  });
  const open = async (): Promise<void> => (await FileCatalogue.ofFile(path).open('media.img')).close();

  it('of a living process holds', async () => {
    const child = spawn('sleep', ['30']);
    lockOf({ pid: child.pid, started: '', host: hostname() });
    await expect(open()).rejects.toMatchObject({ code: 'busy' });
    child.kill();
    await once(child, 'exit');
    await open();
  });

  it('of another computer holds', async () => {
    lockOf({ pid: process.pid, started: '', host: 'elsewhere.example' });
    await expect(open()).rejects.toMatchObject({ code: 'busy' });
  });

  it('of a dead process, of an earlier one with our number, or empty, does not', async () => {
    for (const owner of [
      { pid: 2 ** 22 + 5, started: '', host: hostname() },
      { pid: process.pid, host: hostname() },
    ]) {
      lockOf(owner);
      await open();
    }
    // Empty, it may be in the making for a moment.
    writeFileSync(`${path}.lock`, '');
    await expect(open()).rejects.toMatchObject({ code: 'busy' });
    const then = new Date(Date.now() - 10_000);
    utimesSync(`${path}.lock`, then, then);
    await open();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});

describe('compaction', () => {
  it('on close drops what is dead, and keeps what lives', async () => {
    const unitBytes = 4096;
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create({ ...spec, unitBytes });
    let disk = await catalogue.open('media.img');
    for (let n = 0; n < 1000; n++) {
      const unit = { unit: n % 300, bytes: new Uint8Array(unitBytes).fill(n) };
      await disk.commit(
        { erased: [], units: [unit], shards: [{ shard: 1, bytes: Uint8Array.of(n) }] },
        'relaxed',
      );
    }
    expect(statSync(path).size).toBeGreaterThan(4_000_000);
    writeFileSync(`${path}.new`, 'left over');
    await disk.close();
    expect(statSync(path).size).toBeLessThan(1_300_000);
    expect(existsSync(`${path}.new`)).toBe(false);
    disk = await catalogue.open('media.img');
    expect(disk.unitsStored()).toBe(300);
    for (let n = 700; n < 1000; n++)
      expect(await disk.readUnit(n % 300)).toEqual(new Uint8Array(unitBytes).fill(n));
    expect(await disk.loadTable()).toEqual([{ shard: 1, bytes: Uint8Array.of(999) }]);
    await disk.commit({ erased: [{ first: 0, count: 300 }], units: [], shards: [] }, 'strict');
    await disk.close();
    expect(statSync(path).size).toBeLessThan(2000);
  }, 30_000);
});
