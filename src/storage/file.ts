import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { StoreError } from '../flash/media-store.ts';
import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk, PinnedDisk } from './catalogue.ts';
import { checkedName, checkedSpec, randomDiskId } from './disk-spec.ts';
import { missingDisk, missingPin } from './errors.ts';
import { FileDisk } from './file-disk.ts';
import { fileError } from './file-errors.ts';
import { readJournal } from './file-journal.ts';
import { lockFile } from './file-lock.ts';
import {
  byAge,
  byPinning,
  newSuperblock,
  pinOf,
  summaryOf,
  unreadable,
  type Superblock,
} from './superblock.ts';

/**
 * Disks in files, for Node: one file a disk, docs/disk-format.md. A disk's id is the name of its file.
 */

const EXTENSION = '.lnvmdisk';
/** A version that was pinned: a whole disk file, of which the superblock's id is still that of its disk. */
const PIN_EXTENSION = '.lnvmpin';
const PIN = /^[0-9a-f]{16}$/;

export class FileCatalogue implements DiskCatalogue {
  readonly #directory: string;
  /** The only id, when this is the catalogue of one file. */
  readonly #only: string | undefined;
  readonly #open = new Map<string, FileDisk>();

  private constructor(directory: string, only: string | undefined) {
    this.#directory = directory;
    this.#only = only;
  }

  /** Every disk file (`*.lnvmdisk`) of a directory, which is made if need be. */
  static ofDirectory(path: string): FileCatalogue {
    return new FileCatalogue(resolve(path), undefined);
  }

  /** One file of any name, there or not yet (`--media FILE`): holds at most that disk. */
  static ofFile(path: string): FileCatalogue {
    return new FileCatalogue(dirname(resolve(path)), basename(path));
  }

  // The methods are async so that an error is a rejection, as with the other catalogues.

  /** With `problem` also files that are no disk: a file that is there must not look like none. */
  async list(): Promise<readonly DiskSummary[]> {
    return this.#ids()
      .flatMap((id) => {
        try {
          return [this.#summary(id)];
        } catch (error) {
          const { code, message } = fileError(error, join(this.#directory, id));
          return code === 'missing' ? [] : [unreadable(id, 'file', message)];
        }
      })
      .sort(byAge);
  }

  async create(spec: DiskSpec): Promise<DiskSummary> {
    const id = this.#only ?? `${randomDiskId()}${EXTENSION}`;
    const superblock = newSuperblock(checkedSpec(spec), id);
    const path = join(this.#directory, id);
    this.#locked(path, () => {
      if (existsSync(path)) throw existsAlready(path);
      FileDisk.create(path, superblock);
    });
    return summaryOf(superblock, 'file');
  }

  /** The new file is `NAME.new`, as that of a rewriting is, until it gets its name. */
  async build(spec: DiskSpec, fill: (disk: OpenDisk) => Promise<void>): Promise<DiskSummary> {
    const id = this.#only ?? `${randomDiskId()}${EXTENSION}`;
    const superblock = newSuperblock(checkedSpec(spec), id);
    const path = join(this.#directory, id);
    const unlock = tried(path, () => {
      mkdirSync(this.#directory, { recursive: true });
      return lockFile(path);
    });
    const newPath = `${path}.new`;
    try {
      if (existsSync(path)) throw existsAlready(path);
      FileDisk.create(newPath, superblock);
      const disk = FileDisk.open(newPath, () => undefined);
      try {
        await fill(disk);
      } finally {
        await disk.close();
      }
      tried(path, () => renameSync(newPath, path));
      return this.#summary(id);
    } catch (error) {
      rmSync(newPath, { force: true });
      throw error;
    } finally {
      unlock();
    }
  }

  async open(id: string): Promise<OpenDisk> {
    const disk = this.#hold(id);
    try {
      disk.countEpoch();
      return disk;
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  /** Rejects `busy` while another process has the disk; in this one it may be open. */
  async rename(id: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    const open = this.#open.get(id);
    if (open === undefined) return this.#withHeld(id, (disk) => disk.rename(name));
    open.rename(name);
    return open.summary;
  }

  async wipe(id: string): Promise<DiskSummary> {
    return this.#withHeld(id, (disk) => disk.wipe());
  }

  async remove(id: string): Promise<void> {
    const path = this.#path(id);
    this.#locked(path, () => {
      rmSync(path);
      rmSync(`${path}.new`, { force: true });
    });
  }

  /** A copy of the file; see {@link FileDisk.copy}. */
  async fork(id: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    const path = this.#path(id);
    return this.#atRest(id, () => this.#forked(path, name));
  }

  async pin(id: string): Promise<PinnedDisk> {
    const path = this.#path(id);
    const { pin } = pinOf(this.#summary(id));
    this.#atRest(id, () => FileDisk.copy(path, this.#pinPath(pin), (superblock) => ({ ...superblock, id })));
    return this.#pinned(pin);
  }

  /** Files that cannot be read are passed over. */
  async pins(): Promise<readonly PinnedDisk[]> {
    if (this.#only !== undefined || !existsSync(this.#directory)) return [];
    return tried(this.#directory, () => readdirSync(this.#directory))
      .filter((name) => name.endsWith(PIN_EXTENSION) && PIN.test(basename(name, PIN_EXTENSION)))
      .flatMap((name) => {
        try {
          return [this.#pinned(basename(name, PIN_EXTENSION))];
        } catch {
          return [];
        }
      })
      .sort(byPinning);
  }

  async forkPin(pin: string, name: string): Promise<DiskSummary> {
    checkedName(name);
    if (!PIN.test(pin) || !existsSync(this.#pinPath(pin))) throw missingPin();
    return this.#forked(this.#pinPath(pin), name);
  }

  async unpin(pin: string): Promise<void> {
    if (PIN.test(pin)) tried(this.#pinPath(pin), () => rmSync(this.#pinPath(pin), { force: true }));
  }

  /** Runs `work` while nobody writes to the file: this process does so only in one go, others respect the lock. */
  #atRest<T>(id: string, work: () => T): T {
    if (this.#only !== undefined)
      throw new StoreError(
        'io',
        'A disk in a file of its own has no room for another; copy the file instead.',
      );
    if (this.#open.has(id)) return work();
    const path = this.#path(id);
    const unlock = tried(path, () => lockFile(path));
    try {
      return work();
    } finally {
      unlock();
    }
  }

  #forked(from: string, name: string): DiskSummary {
    const id = `${randomDiskId()}${EXTENSION}`;
    const change = (superblock: Superblock): Superblock => ({
      ...superblock,
      id,
      name,
      createdAtMs: Date.now(),
      epoch: 0,
    });
    FileDisk.copy(from, join(this.#directory, id), change);
    return this.#summary(id);
  }

  #pinPath(pin: string): string {
    return join(this.#directory, `${pin}${PIN_EXTENSION}`);
  }

  #pinned(pin: string): PinnedDisk {
    const fd = openSync(this.#pinPath(pin), 'r');
    try {
      const { superblock, commits, units } = readJournal(fd, false);
      const summary = summaryOf({ ...superblock, commits, unitsStored: units.size }, 'file');
      return { ...pinOf(summary), pin, pinnedAtMs: Math.round(fstatSync(fd).mtimeMs) };
    } finally {
      closeSync(fd);
    }
  }

  /** Takes a disk that nobody else has. */
  #hold(id: string): FileDisk {
    const path = this.#path(id);
    const unlock = tried(path, () => lockFile(path));
    try {
      // Of a rewriting that was cut short.
      tried(path, () => rmSync(`${path}.new`, { force: true }));
      const disk = FileDisk.open(path, () => {
        this.#open.delete(id);
        unlock();
      });
      this.#open.set(id, disk);
      return disk;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  async #withHeld(id: string, work: (disk: FileDisk) => void): Promise<DiskSummary> {
    const disk = this.#hold(id);
    try {
      work(disk);
      return disk.summary;
    } finally {
      await disk.close();
    }
  }

  #locked(path: string, work: () => void): void {
    tried(path, () => {
      mkdirSync(this.#directory, { recursive: true });
      const unlock = lockFile(path);
      try {
        work();
      } finally {
        unlock();
      }
    });
  }

  #ids(): readonly string[] {
    if (this.#only !== undefined) return existsSync(join(this.#directory, this.#only)) ? [this.#only] : [];
    if (!existsSync(this.#directory)) return [];
    return tried(this.#directory, () => readdirSync(this.#directory)).filter((name) =>
      name.endsWith(EXTENSION),
    );
  }

  /** Reads headers only, locked or not. */
  #summary(id: string): DiskSummary {
    const open = this.#open.get(id);
    if (open !== undefined) return open.summary;
    const fd = openSync(join(this.#directory, id), 'r');
    try {
      const { superblock, commits, units } = readJournal(fd, false);
      return summaryOf({ ...superblock, id, commits, unitsStored: units.size }, 'file');
    } finally {
      closeSync(fd);
    }
  }

  /** Of an existing disk's file. An id is a plain file name: none leads out of the directory. */
  #path(id: string): string {
    const known =
      this.#only === undefined ? id.endsWith(EXTENSION) && basename(id) === id : id === this.#only;
    const path = join(this.#directory, known ? id : '');
    if (!known || !existsSync(path)) throw missingDisk();
    return path;
  }
}

function existsAlready(path: string): StoreError {
  return new StoreError('io', `${path} exists already; give the name of a new file.`);
}

function tried<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(error, path);
  }
}
