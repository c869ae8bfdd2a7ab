import { fstatSync, readSync } from 'node:fs';
import { StoreError } from '../flash/media-store.ts';
import { SEAL_BYTES, unseal } from './checksum.ts';
import { newerVersion } from './errors.ts';
import {
  decodeCommitIndex,
  decodeFileHeader,
  decodeRecordHeader,
  FILE_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  RECORD_KIND,
  RECORD_MAGIC,
  recordChecks,
  type CommitIndex,
  type RecordHeader,
} from './file-format.ts';
import { eraseRun } from './memory.ts';
import { DISK_FORMAT, parseSuperblock, type Superblock } from './superblock.ts';

/** Where a sealed shard lies in the file. */
export interface ShardPlace {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** What a journal says, found from its record headers alone: data is not read. */
export interface JournalState {
  /** Of the file's header, which opening brings up to date. */
  format: number;
  superblock: Superblock;
  /** Commits that the disk ever took. */
  commits: number;
  /** Offset of each stored unit, sealed. */
  readonly units: Map<number, number>;
  readonly shards: Map<number, ShardPlace>;
  /** Where the next record goes. What is in the file beyond it was never acknowledged. */
  endBytes: number;
  lastSequence: number;
}

/**
 * Reads a journal from its beginning. It ends at the first record that is not whole: the process died
 * while writing it, so nobody was told that it was kept. Records that were not surely on the medium when
 * the last one was written are checked to the last byte, for after a power cut the file system may have
 * kept a length without its bytes.
 *
 * @param verify false leaves that last check out, for a look at a disk that another process may be writing
 * @throws StoreError `corrupt` when it is no disk file, or damaged where it had been flushed; `version`
 */
export function readJournal(fd: number, verify: boolean): JournalState {
  const sizeBytes = fstatSync(fd).size;
  const format = decodeFileHeader(readAt(fd, 0, FILE_HEADER_BYTES));
  if (format === undefined) {
    throw new StoreError('corrupt', 'This file is no disk of this program; give the name of another file.');
  }
  if (format > DISK_FORMAT) throw newerVersion();

  const found = recordsOf(fd, sizeBytes);
  const flushedBytes = found.reduce((most, { header }) => Math.max(most, header.flushedBytes), 0);
  let state: JournalState | undefined;
  let endBytes = FILE_HEADER_BYTES;
  for (const record of found) {
    const next = apply(fd, format, state, record, verify && record.offset >= flushedBytes);
    if (next === undefined) break;
    state = next;
    endBytes = record.endBytes;
  }
  if (state === undefined || damagedBeyond(fd, endBytes, sizeBytes, state.lastSequence)) {
    throw new StoreError('corrupt', 'This disk file is damaged in its middle; restore it from a copy.');
  }
  state.endBytes = endBytes;
  return state;
}

interface FoundRecord {
  readonly header: RecordHeader;
  readonly index: Buffer;
  readonly offset: number;
  readonly endBytes: number;
}

/** The whole records in a row from the beginning of the file. */
function recordsOf(fd: number, sizeBytes: number): FoundRecord[] {
  const found: FoundRecord[] = [];
  for (let offset = FILE_HEADER_BYTES; ;) {
    const record = recordAt(fd, offset, sizeBytes);
    if (
      record === undefined ||
      record.header.sequence !== found.length + (found[0]?.header.sequence ?? record.header.sequence)
    ) {
      return found;
    }
    found.push(record);
    offset = record.endBytes;
  }
}

/** The record that begins at an offset, if a whole one does. Its payload is not read. */
function recordAt(fd: number, offset: number, sizeBytes: number): FoundRecord | undefined {
  // One read gets the index of all but the largest records too.
  const start = readAt(fd, offset, Math.min(4096, sizeBytes - offset));
  const header = decodeRecordHeader(start);
  if (header === undefined) return undefined;
  const payloadOffset = offset + RECORD_HEADER_BYTES + header.indexBytes;
  const endBytes = payloadOffset + header.payloadBytes;
  if (endBytes > sizeBytes) return undefined;
  const whole = payloadOffset - offset <= start.length ? start : readAt(fd, offset, payloadOffset - offset);
  const index = whole.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.indexBytes);
  if (!recordChecks(whole.subarray(0, RECORD_HEADER_BYTES), index)) return undefined;
  return { header, index, offset, endBytes };
}

/** The state after a record; undefined when the record does not hold. */
function apply(
  fd: number,
  format: number,
  before: JournalState | undefined,
  { header, index, offset, endBytes }: FoundRecord,
  verifyPayload: boolean,
): JournalState | undefined {
  const payloadOffset = offset + RECORD_HEADER_BYTES + header.indexBytes;
  if (header.kind === RECORD_KIND.superblock) {
    const superblock = parseSuperblock(parsedJson(index));
    if (before === undefined) {
      return {
        format,
        superblock,
        commits: superblock.commits,
        units: new Map(),
        shards: new Map(),
        endBytes,
        lastSequence: header.sequence,
      };
    }
    before.superblock = superblock;
    before.commits = superblock.commits;
    before.lastSequence = header.sequence;
    return before;
  }
  if (header.kind !== RECORD_KIND.commit || before === undefined) return undefined;
  const { unitBytes, totalUnits } = before.superblock;
  const commit = decodeCommitIndex(index, unitBytes, totalUnits, header.payloadBytes);
  if (commit === undefined) return undefined;
  if (verifyPayload && !payloadChecks(fd, payloadOffset, commit, unitBytes)) return undefined;
  before.lastSequence = header.sequence;
  before.commits = header.commits;
  placeCommit(before, commit, payloadOffset);
  return before;
}

/** Enters a commit whose payload lies at `payloadOffset`. */
export function placeCommit(state: JournalState, commit: CommitIndex, payloadOffset: number): void {
  for (const { first, count } of commit.erased) eraseRun(state.units, first, count);
  let offset = payloadOffset;
  for (const unit of commit.units) {
    state.units.set(unit, offset);
    offset += state.superblock.unitBytes + SEAL_BYTES;
  }
  for (const { shard, lengthBytes } of commit.shards) {
    state.shards.set(shard, { offset, lengthBytes });
    offset += lengthBytes + SEAL_BYTES;
  }
}

function payloadChecks(fd: number, payloadOffset: number, commit: CommitIndex, unitBytes: number): boolean {
  let offset = payloadOffset;
  const lengths = [...commit.units.map(() => unitBytes), ...commit.shards.map((shard) => shard.lengthBytes)];
  for (const lengthBytes of lengths) {
    try {
      unseal(readAt(fd, offset, lengthBytes + SEAL_BYTES), 'A record', lengthBytes);
    } catch (error) {
      if (error instanceof StoreError) return false;
      throw error;
    }
    offset += lengthBytes + SEAL_BYTES;
  }
  return true;
}

/**
 * True when, after the place where the journal seems to end, a later record says that this place had
 * been flushed: then it is damage, and cutting the file there would destroy what follows.
 */
function damagedBeyond(fd: number, endBytes: number, sizeBytes: number, lastSequence: number): boolean {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(RECORD_MAGIC);
  const stepBytes = 1024 * 1024;
  for (let base = endBytes; base < sizeBytes; base += stepBytes) {
    // Three bytes more, for a magic number across the border.
    const part = readAt(fd, base, Math.min(stepBytes + 3, sizeBytes - base));
    for (let at = part.indexOf(magic); at !== -1; at = part.indexOf(magic, at + 1)) {
      const record = recordAt(fd, base + at, sizeBytes);
      if (
        record !== undefined &&
        record.header.sequence > lastSequence &&
        record.header.flushedBytes > endBytes
      ) {
        return true;
      }
    }
  }
  return false;
}

function parsedJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Up to `lengthBytes` bytes from `offset`; fewer at the end of the file. */
export function readAt(fd: number, offset: number, lengthBytes: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.max(0, lengthBytes));
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(fd, bytes, done, bytes.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done === bytes.length ? bytes : bytes.subarray(0, done);
}
