import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DiskSpec } from './catalogue.ts';
import { lockFile } from './file-lock.ts';
import { FileCatalogue } from './file.ts';

/** File systems that fail, and moments between two system calls. */

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  return {
    ...real,
    fdatasync: vi.fn(real.fdatasync),
    fdatasyncSync: vi.fn(real.fdatasyncSync),
    linkSync: vi.fn(real.linkSync),
  };
});

const failure = (code: string, syscall: string): Error => Object.assign(new Error(code), { code, syscall });

const spec: DiskSpec = { name: 'd', deviceLine: 'nvme', sizeBytes: 1e6, unitBytes: 64, totalUnits: 100 };
const commit = { erased: [], units: [{ unit: 1, bytes: new Uint8Array(64).fill(1) }], shards: [] };

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lnvm-file-'));
  path = join(directory, 'media.img');
  vi.clearAllMocks();
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a flush that fails', () => {
  const failFlush = (): void => {
    vi.mocked(fs.fdatasync).mockImplementationOnce((_fd, done) => {
      setTimeout(() => done(failure('EIO', 'fdatasync') as NodeJS.ErrnoException), 5);
    });
  };

  it('while closing: nothing is said to be flushed, and the lock is let go', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create(spec);
    const disk = await catalogue.open('media.img');
    failFlush();
    const committed = disk.commit(commit, 'strict') as Promise<void>;
    const lost = expect(committed).rejects.toMatchObject({ code: 'lost' });
    const before = readFileSync(path);
    vi.mocked(fs.fdatasyncSync).mockClear();
    await disk.close();
    await lost;
    expect(fs.fdatasyncSync).not.toHaveBeenCalled();
    expect(readFileSync(path)).toEqual(before);
    expect(existsSync(`${path}.lock`)).toBe(false);
    const again = await catalogue.open('media.img');
    expect(again.unitsStored()).toBe(1);
    await again.close();
    expect(statSync(path).size).toBeGreaterThan(before.length);
  });

  it('in use: the disk is lost, told once', async () => {
    const catalogue = FileCatalogue.ofFile(path);
    await catalogue.create(spec);
    const disk = await catalogue.open('media.img');
    const told = vi.fn();
    disk.onlost = told;
    failFlush();
    await expect(disk.commit(commit, 'strict')).rejects.toMatchObject({ code: 'lost' });
    await disk.close();
    expect(told).toHaveBeenCalledTimes(1);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});

describe('making a lock', () => {
  it('shows it with its owner at once, and leaves nothing else', () => {
    vi.mocked(fs.linkSync).mockImplementationOnce((from, to) => {
      expect(existsSync(to)).toBe(false);
      expect(JSON.parse(readFileSync(from, 'utf8'))).toMatchObject({ pid: process.pid });
      fs.renameSync(from, to);
    });
    const unlock = lockFile(path);
    expect(fs.linkSync).toHaveBeenCalledTimes(1);
    expect(readdirSync(directory)).toEqual(['media.img.lock']);
    unlock();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('works where there are no links', () => {
    vi.mocked(fs.linkSync).mockImplementation(() => {
      throw failure('EPERM', 'link');
    });
    try {
      const unlock = lockFile(path);
      expect(JSON.parse(readFileSync(`${path}.lock`, 'utf8'))).toMatchObject({ pid: process.pid });
      expect(readdirSync(directory)).toEqual(['media.img.lock']);
      expect(() => lockFile(path)).toThrow('in use by this process');
      unlock();
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      vi.mocked(fs.linkSync).mockReset();
    }
  });

  it('says so when the directory is not there', () => {
    expect(() => lockFile(join(directory, 'no', 'media.img'))).toThrow('ENOENT');
  });
});
