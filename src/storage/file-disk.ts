import {
  closeSync,
  constants,
  copyFileSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writevSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { StoreError, type Durability, type MediaCommit, type TableShard } from '../flash/media-store.ts';
import type { DiskSummary, DiskVersion, OpenDisk } from './catalogue.ts';
import { crc32, putSeal, SEAL_BYTES, unseal } from './checksum.ts';
import { checkCommit, commitUnderWay } from './disk-spec.ts';
import { closedDisk, notify } from './errors.ts';
import { fileError } from './file-errors.ts';
import {
  encodeCommitIndex,
  encodeFileHeader,
  encodeRecord,
  FILE_HEADER_BYTES,
  RECORD_KIND,
} from './file-format.ts';
import { placeCommit, readAt, readJournal, type JournalState } from './file-journal.ts';
import { DISK_FORMAT, summaryOf, type Superblock } from './superblock.ts';

/** Buffers that one system call takes (Linux: IOV_MAX). */
const MAX_BUFFERS = 1024;
/** Dead bytes that are never worth a compaction, and those that are not while the disk is in use. */
const SMALL_GARBAGE_BYTES = 1024 * 1024;
const MUCH_GARBAGE_BYTES = 256 * 1024 * 1024;
/** Units copied in one record when compacting. */
const UNITS_PER_COPY = 256;

/**
 * A disk file, open. All but a strict commit is synchronous: an append to the page cache takes
 * microseconds, and it survives the death of the process.
 */
export class FileDisk implements OpenDisk {
  onlost: ((error: Error) => void) | undefined;
  readonly #path: string;
  readonly #unlock: () => void;
  #fd: number;
  #state: JournalState;
  #flushedBytes = 0;
  #underWay: Promise<void> | undefined;
  /** After that nobody knows what is on the medium, and flushing again would succeed without it. */
  #flushFailed = false;
  #end: StoreError | undefined;
  #closing: Promise<void> | undefined;

  /** @param unlock called once, when it is closed or lost */
  constructor(path: string, fd: number, state: JournalState, unlock: () => void) {
    this.#path = path;
    this.#fd = fd;
    this.#state = state;
    this.#unlock = unlock;
  }

  /**
   * Opens a disk file that this process has locked, and cuts off a torn tail. Its id is the file's name.
   * @throws StoreError
   */
  static open(path: string, unlock: () => void): FileDisk {
    let fd: number | undefined;
    try {
      fd = openSync(path, 'r+');
      const state = readJournal(fd, true);
      ftruncateSync(fd, state.endBytes);
      state.superblock = { ...state.superblock, id: basename(path) };
      return new FileDisk(path, fd, state, unlock);
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      throw fileError(error, path);
    }
  }

  get summary(): DiskSummary {
    return summaryOf(superblockOf(this.#state), 'file');
  }

  version(): DiskVersion {
    return { epoch: this.#state.superblock.epoch, commits: this.#state.commits };
  }

  unitsStored(): number {
    return this.#state.units.size;
  }

  isStored(unit: number): boolean {
    return this.#state.units.has(unit);
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    try {
      const offset = this.#state.units.get(unit);
      return offset === undefined
        ? undefined
        : this.#unsealed(offset, this.#state.superblock.unitBytes, `Unit ${unit}`);
    } catch (error) {
      return Promise.reject(fileError(error, this.#path));
    }
  }

  async loadTable(): Promise<readonly TableShard[]> {
    if (this.#end !== undefined) throw this.#end;
    try {
      return [...this.#state.shards].map(([shard, { offset, lengthBytes }]) => ({
        shard,
        bytes: this.#unsealed(offset, lengthBytes, `Table shard ${shard}`),
      }));
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  commit(commit: MediaCommit, durability: Durability): void | Promise<void> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    if (this.#underWay !== undefined) return Promise.reject(commitUnderWay());
    try {
      checkCommit(commit, this.#state.superblock);
      this.#appendCommit(commit, 1);
    } catch (error) {
      return Promise.reject(fileError(error, this.#path));
    }
    if (durability === 'strict') return this.#flush();
    this.#compactIfWorthIt(2, MUCH_GARBAGE_BYTES);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      const lost = this.#end !== undefined;
      this.#end ??= closedDisk();
      this.#closing = this.#finish(lost);
    }
    return this.#closing;
  }

  /** Brings a file of an older format up to date as well. @throws StoreError */
  countEpoch(): void {
    try {
      if (this.#state.format < DISK_FORMAT) {
        writeAll(this.#fd, 0, [encodeFileHeader()]);
        this.#state.format = DISK_FORMAT;
      }
      this.#appendSuperblock({ ...this.#state.superblock, epoch: this.#state.superblock.epoch + 1 });
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  /** @throws StoreError */
  rename(name: string): void {
    try {
      this.#appendSuperblock({ ...this.#state.superblock, name });
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  /** Empties the disk; all or nothing. @throws StoreError */
  wipe(): void {
    const commits = this.#state.commits + 1;
    this.#rewrite({ ...this.#state, commits, units: new Map(), shards: new Map() });
  }

  async #finish(lost: boolean): Promise<void> {
    await this.#underWay;
    if (lost) return;
    try {
      if (this.#flushFailed) return;
      this.#compactIfWorthIt(1, SMALL_GARBAGE_BYTES);
      fdatasyncSync(this.#fd);
      this.#flushedBytes = this.#state.endBytes;
      // Tells the next opening that all before it is on the medium, so that it need not read the data.
      this.#appendSuperblock(this.#state.superblock);
    } catch {
      // Every commit was acknowledged for what it was; only the next opening takes longer.
    } finally {
      closeSync(this.#fd);
      this.#unlock();
    }
  }

  #flush(): Promise<void> {
    const { endBytes } = this.#state;
    const flushed = new Promise<void>((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        this.#underWay = undefined;
        if (error === null) {
          this.#flushedBytes = endBytes;
          if (this.#end === undefined) this.#compactIfWorthIt(2, MUCH_GARBAGE_BYTES);
          resolve();
          return;
        }
        // Linux drops the pages then. Remembered apart: while it is being closed, `lose` does nothing.
        this.#flushFailed = true;
        const lost = new StoreError(
          'lost',
          `${this.#path} could not be flushed to its disk (${error.code ?? 'unknown error'}); check the disk and open it again.`,
          { cause: error },
        );
        this.#lose(lost);
        reject(lost);
      });
    });
    this.#underWay = flushed.catch(() => undefined);
    return flushed;
  }

  #unsealed(offset: number, lengthBytes: number, what: string): Uint8Array {
    const sealed = readAt(this.#fd, offset, lengthBytes + SEAL_BYTES);
    // A plain view: Buffer's own `slice` shares memory, and callers expect Uint8Array's.
    return unseal(new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.length), what, lengthBytes);
  }

  #appendSuperblock(superblock: Superblock): void {
    const kept = superblockOf({ ...this.#state, superblock });
    this.#append(RECORD_KIND.superblock, Buffer.from(JSON.stringify(kept)), []);
    this.#state.superblock = kept;
  }

  /** @param commits how many it counts as: none when it only moves what is there */
  #appendCommit(commit: MediaCommit, commits: 0 | 1): void {
    const payload: Uint8Array[] = [];
    for (const { bytes } of [...commit.units, ...commit.shards]) {
      const checksum = new Uint8Array(SEAL_BYTES);
      putSeal(checksum, 0, crc32(bytes));
      payload.push(bytes, checksum);
    }
    const counted = this.#state.commits + commits;
    const payloadOffset = this.#append(RECORD_KIND.commit, encodeCommitIndex(commit), payload, counted);
    this.#state.commits = counted;
    placeCommit(
      this.#state,
      {
        erased: commit.erased,
        units: commit.units.map(({ unit }) => unit),
        shards: commit.shards.map(({ shard, bytes }) => ({ shard, lengthBytes: bytes.length })),
      },
      payloadOffset,
    );
  }

  /** Appends a record and says where its payload lies. On failure the file is as before. */
  #append(
    kind: number,
    index: Buffer,
    payload: readonly Uint8Array[],
    commits = this.#state.commits,
  ): number {
    const { endBytes, lastSequence } = this.#state;
    const payloadBytes = payload.reduce((sum, part) => sum + part.length, 0);
    const sequence = lastSequence + 1;
    const record = encodeRecord(kind, sequence, this.#flushedBytes, index, payloadBytes, commits);
    try {
      writeAll(this.#fd, endBytes, [record, ...payload]);
    } catch (error) {
      try {
        ftruncateSync(this.#fd, endBytes);
      } catch (again) {
        this.#lose(fileError(again, this.#path));
      }
      throw error;
    }
    this.#state.endBytes = endBytes + record.length + payloadBytes;
    this.#state.lastSequence = lastSequence + 1;
    return endBytes + record.length;
  }

  #compactIfWorthIt(timesLive: number, leastBytes: number): void {
    const { endBytes, units, shards, superblock } = this.#state;
    let liveBytes = units.size * (superblock.unitBytes + SEAL_BYTES);
    for (const { lengthBytes } of shards.values()) liveBytes += lengthBytes + SEAL_BYTES;
    const deadBytes = endBytes - liveBytes;
    if (deadBytes < leastBytes || deadBytes < liveBytes * timesLive) return;
    try {
      this.#rewrite(this.#state);
    } catch {
      // The old file is as good as ever, only larger; a full disk is the likely reason.
    }
  }

  /** Writes what lives to a new file and puts it in place of the old one. @throws StoreError */
  #rewrite(from: JournalState): void {
    const newPath = `${this.#path}.new`;
    let next: FileDisk | undefined;
    try {
      next = FileDisk.#begin(newPath, superblockOf(from));
      const shards = [...from.shards].map(([shard, { offset, lengthBytes }]) => ({
        shard,
        bytes: this.#unsealed(offset, lengthBytes, `Table shard ${shard}`),
      }));
      next.#appendCommit({ erased: [], units: [], shards }, 0);
      // In the order of the numbers: what is read in a row lies in a row.
      const units = [...from.units.keys()].sort((a, b) => a - b);
      for (let i = 0; i < units.length; i += UNITS_PER_COPY) {
        const copies = units.slice(i, i + UNITS_PER_COPY).map((unit) => ({
          unit,
          bytes: this.#unsealed(from.units.get(unit) as number, from.superblock.unitBytes, `Unit ${unit}`),
        }));
        next.#appendCommit({ erased: [], units: copies, shards: [] }, 0);
      }
      fdatasyncSync(next.#fd);
      next.#flushedBytes = next.#state.endBytes;
      next.#appendSuperblock(from.superblock);
      renameSync(newPath, this.#path);
    } catch (error) {
      if (next !== undefined) {
        closeSync(next.#fd);
        unlinkSync(newPath);
      }
      throw fileError(error, this.#path);
    }
    closeSync(this.#fd);
    this.#fd = next.#fd;
    this.#state = next.#state;
    this.#flushedBytes = next.#flushedBytes;
    flushDirectory(this.#path);
  }

  /** A new file with a header and a superblock, not locked. */
  static #begin(path: string, superblock: Superblock): FileDisk {
    const fd = openSync(path, 'w+', 0o600);
    writeAll(fd, 0, [encodeFileHeader()]);
    const state: JournalState = {
      format: DISK_FORMAT,
      superblock,
      commits: superblock.commits,
      units: new Map(),
      shards: new Map(),
      endBytes: FILE_HEADER_BYTES,
      lastSequence: 0,
    };
    const disk = new FileDisk(path, fd, state, () => undefined);
    disk.#appendSuperblock(superblock);
    return disk;
  }

  /** Makes a disk file; all of it or none. Replaces nothing that is there. @throws StoreError */
  static create(path: string, superblock: Superblock): void {
    const newPath = `${path}.new`;
    try {
      const disk = FileDisk.#begin(newPath, superblock);
      try {
        fdatasyncSync(disk.#fd);
      } finally {
        closeSync(disk.#fd);
      }
      renameSync(newPath, path);
      flushDirectory(path);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /**
   * Makes a disk file from another, which nobody writes to meanwhile; all of it or none. Where the file system can,
   * the two share their blocks (reflink).
   * @throws StoreError
   */
  static copy(from: string, path: string, change: (superblock: Superblock) => Superblock): void {
    const newPath = `${path}.new`;
    try {
      copyFileSync(from, newPath, constants.COPYFILE_FICLONE);
      const copy = FileDisk.open(newPath, () => undefined);
      try {
        copy.#appendSuperblock(change(copy.#state.superblock));
        fdatasyncSync(copy.#fd);
      } finally {
        closeSync(copy.#fd);
      }
      renameSync(newPath, path);
      flushDirectory(path);
    } catch (error) {
      rmSync(newPath, { force: true });
      throw fileError(error, path);
    }
  }

  #lose(error: StoreError): void {
    if (this.#end !== undefined) return;
    this.#end = error.code === 'lost' ? error : new StoreError('lost', error.message, { cause: error });
    closeSync(this.#fd);
    this.#unlock();
    notify(this.onlost, this.#end);
  }
}

/** The superblock with what is counted now. */
function superblockOf({ superblock, commits, units }: JournalState): Superblock {
  return { ...superblock, commits, unitsStored: units.size };
}

/** Writes everything at an offset, in order: a process that dies in between leaves a beginning of it. */
function writeAll(fd: number, offset: number, parts: readonly Uint8Array[]): void {
  let at = offset;
  for (let i = 0; i < parts.length; i += MAX_BUFFERS) {
    let rest = parts.slice(i, i + MAX_BUFFERS).filter((part) => part.length > 0);
    while (rest.length > 0) {
      let written = writevSync(fd, rest, at);
      at += written;
      rest = rest.flatMap((part) => {
        const done = Math.min(written, part.length);
        written -= done;
        return done === part.length ? [] : [part.subarray(done)];
      });
    }
  }
}

/** Makes a rename durable. Not every system can open a directory; then the file system must do. */
function flushDirectory(path: string): void {
  try {
    const fd = openSync(dirname(path), 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // See above.
  }
}
