import type { MediaCommit, UnitRun } from '../flash/media-store.ts';
import { crc32, putSeal, SEAL_BYTES } from './checksum.ts';
import { DISK_FORMAT } from './superblock.ts';

/**
 * The disk file: a file header, then a journal of records, each appended by one commit. Byte layouts are
 * in docs/disk-format.md; all numbers are little-endian.
 */

export const FILE_HEADER_BYTES = 16;
const FILE_MAGIC = 'LNVMDISK';

export const RECORD_HEADER_BYTES = 48;
/** "LNVR" */
export const RECORD_MAGIC = 0x52564e4c;
/** No index comes near it; a longer one is damage. */
export const MAX_INDEX_BYTES = 64 * 1024 * 1024;

export const RECORD_KIND = { superblock: 1, commit: 2 } as const;

export interface RecordHeader {
  readonly kind: number;
  /** Counts records from 1. */
  readonly sequence: number;
  /** Bytes of the file that were surely on the medium when this was written; none of them may be missing. */
  readonly flushedBytes: number;
  readonly indexBytes: number;
  readonly payloadBytes: number;
  /** Commits that the disk had taken when this was written, itself included; 0 in format 1. */
  readonly commits: number;
}

export function encodeFileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.write(FILE_MAGIC, 'latin1');
  header.writeUInt32LE(DISK_FORMAT, 8);
  return header;
}

/** The format version; undefined when it is no disk file. */
export function decodeFileHeader(header: Buffer): number | undefined {
  if (header.length < FILE_HEADER_BYTES || header.toString('latin1', 0, 8) !== FILE_MAGIC) return undefined;
  return header.readUInt32LE(8);
}

/** Header and index of a record, in one buffer. */
export function encodeRecord(
  kind: number,
  sequence: number,
  flushedBytes: number,
  index: Buffer,
  payloadBytes: number,
  commits: number,
): Buffer {
  const record = Buffer.alloc(RECORD_HEADER_BYTES + index.length);
  record.writeUInt32LE(RECORD_MAGIC, 0);
  record.writeUInt32LE(kind, 4);
  record.writeBigUInt64LE(BigInt(sequence), 8);
  record.writeBigUInt64LE(BigInt(flushedBytes), 16);
  record.writeBigUInt64LE(BigInt(payloadBytes), 24);
  record.writeUInt32LE(index.length, 32);
  record.writeBigUInt64LE(BigInt(commits), 36);
  index.copy(record, RECORD_HEADER_BYTES);
  putSeal(record, 44, checksumOf(record.subarray(0, RECORD_HEADER_BYTES), index));
  return record;
}

/** Reads a record header; its checksum is {@link recordChecks}' business. Undefined when it cannot be one. */
export function decodeRecordHeader(header: Buffer): RecordHeader | undefined {
  if (header.length < RECORD_HEADER_BYTES || header.readUInt32LE(0) !== RECORD_MAGIC) return undefined;
  const decoded = {
    kind: header.readUInt32LE(4),
    sequence: Number(header.readBigUInt64LE(8)),
    flushedBytes: Number(header.readBigUInt64LE(16)),
    payloadBytes: Number(header.readBigUInt64LE(24)),
    indexBytes: header.readUInt32LE(32),
    commits: Number(header.readBigUInt64LE(36)),
  };
  return Number.isSafeInteger(decoded.sequence) &&
    Number.isSafeInteger(decoded.payloadBytes) &&
    Number.isSafeInteger(decoded.commits) &&
    decoded.indexBytes <= MAX_INDEX_BYTES
    ? decoded
    : undefined;
}

export function recordChecks(header: Buffer, index: Buffer): boolean {
  return header.readUInt32LE(44) === checksumOf(header, index);
}

/** Over the header up to its own checksum, then the index. */
function checksumOf(header: Buffer, index: Buffer): number {
  return crc32(index, crc32(header.subarray(0, 44)));
}

/** What a commit record says about its payload: sealed units in this order, then sealed shards. */
export interface CommitIndex {
  readonly erased: readonly UnitRun[];
  readonly units: readonly number[];
  readonly shards: readonly { readonly shard: number; readonly lengthBytes: number }[];
}

export function encodeCommitIndex(commit: MediaCommit): Buffer {
  const words = [commit.erased.length, commit.units.length, commit.shards.length];
  for (const { first, count } of commit.erased) words.push(first, count);
  for (const { unit } of commit.units) words.push(unit);
  for (const { shard, bytes } of commit.shards) words.push(shard, bytes.length);
  const index = Buffer.allocUnsafe(words.length * 4);
  words.forEach((word, i) => index.writeUInt32LE(word, i * 4));
  return index;
}

/** Undefined when the numbers do not fit each other, the disk or the payload. */
export function decodeCommitIndex(
  index: Buffer,
  unitBytes: number,
  totalUnits: number,
  payloadBytes: number,
): CommitIndex | undefined {
  if (index.length < 12) return undefined;
  const [erasedCount, unitCount, shardCount] = [
    index.readUInt32LE(0),
    index.readUInt32LE(4),
    index.readUInt32LE(8),
  ];
  if (index.length !== 4 * (3 + 2 * erasedCount + unitCount + 2 * shardCount)) return undefined;
  let at = 12;
  const next = (): number => {
    at += 4;
    return index.readUInt32LE(at - 4);
  };
  const erased = Array.from({ length: erasedCount }, () => ({ first: next(), count: next() }));
  const units = Array.from({ length: unitCount }, next);
  const shards = Array.from({ length: shardCount }, () => ({ shard: next(), lengthBytes: next() }));
  let expected = unitCount * (unitBytes + SEAL_BYTES);
  for (const { lengthBytes } of shards) expected += lengthBytes + SEAL_BYTES;
  const fits =
    expected === payloadBytes &&
    erased.every(({ first, count }) => first + count <= totalUnits) &&
    units.every((unit) => unit < totalUnits);
  return fits ? { erased, units, shards } : undefined;
}
