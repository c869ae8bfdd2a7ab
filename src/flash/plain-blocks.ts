import { pack, struct, u32, unpack } from '../spec/layout.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { BlockMarks } from './block-marks.ts';
import { DEVICE_SHARD, type TableShard } from './media-store.ts';
import type { Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

/** Bytes of logical blocks stored together. */
export const PLAIN_UNIT_BYTES = 32 * 1024;
/** The smallest and the largest logical block, as powers of two: a unit has at most 64 of them. */
export const MIN_LBADS = 9;
export const MAX_LBADS = 12;

/** Of each namespace: its record, then the shards of its two kinds of marks. The counters are in shard 0 of the device. */
const NAMESPACE_SHARDS = 2 ** 21;
const EXCEPTION_MARKS = 1;
const UNCORRECTABLE_MARKS = 2 ** 20;
/** The stored record of a namespace: the block size it was formatted with last. */
const record = struct(8, { version: u32(0), secSizeBytes: u32(4) });
const RECORD_VERSION = 1;

export interface PlainOptions {
  readonly sizeBytes: number;
  /** Bytes of a logical block of a new disk. */
  readonly secSizeBytes: number;
}

type Visit = (unit: number, firstSec: number, count: number, atBytes: number) => void;

/**
 * The logical blocks of a plain namespace and what is remembered of them. Nothing here waits: units that a
 * method needs have been brought in before. Units count from the beginning of the namespace.
 *
 * A unit that is not stored reads as zeros. Which blocks were written is kept apart, as marks that say the
 * exception: in a stored unit a marked block is unwritten (or was given back), in one that is not stored a
 * marked block was written with zeros. So a disk that was written in whole units has no marks.
 */
export class PlainBlocks {
  readonly units: UnitStore;
  readonly totalUnits: number;
  secSizeBytes: number;
  totalSecs: number;
  secsPerUnit: number;
  private readonly sizeBytes: number;
  /** Units of other namespaces come before this one's. */
  private readonly firstUnit: number;
  private readonly recordShard: number;
  private readonly exceptions: BlockMarks;
  private readonly uncorrectable: BlockMarks;

  /** `index` tells the namespaces of one disk apart, from 0. */
  constructor({ sizeBytes, secSizeBytes }: PlainOptions, units: UnitStore, firstUnit: number, index: number) {
    this.sizeBytes = sizeBytes;
    this.units = units;
    this.firstUnit = firstUnit;
    this.totalUnits = Math.ceil(sizeBytes / PLAIN_UNIT_BYTES);
    this.secSizeBytes = secSizeBytes;
    this.totalSecs = Math.floor(sizeBytes / secSizeBytes);
    this.secsPerUnit = PLAIN_UNIT_BYTES / secSizeBytes;
    this.recordShard = DEVICE_SHARD + NAMESPACE_SHARDS * (1 + index);
    units.keepShards(this.recordShard, 1, () =>
      pack(record, { version: RECORD_VERSION, secSizeBytes: this.secSizeBytes }),
    );
    this.exceptions = new BlockMarks(units, this.recordShard + EXCEPTION_MARKS, this.totalUnits);
    this.uncorrectable = new BlockMarks(units, this.recordShard + UNCORRECTABLE_MARKS, this.totalUnits);
  }

  /** Takes over what the disk remembers of this namespace. */
  load(shards: readonly TableShard[]): void {
    for (const { shard, bytes } of shards) {
      const at = shard - this.recordShard;
      if (at < 0 || at >= NAMESPACE_SHARDS) continue;
      if (at === 0) this.loadRecord(bytes);
      else if (at < UNCORRECTABLE_MARKS) this.exceptions.load(shard, bytes);
      else this.uncorrectable.load(shard, bytes);
    }
  }

  private loadRecord(bytes: Uint8Array): void {
    if (bytes.byteLength !== record.sizeBytes) return;
    const size = unpack(record.fields.secSizeBytes, bytes);
    const known = unpack(record.fields.version, bytes) === RECORD_VERSION;
    if (known && formatOf(size) !== undefined) this.setSectorSize(size);
  }

  private setSectorSize(bytes: number): void {
    this.secSizeBytes = bytes;
    this.totalSecs = Math.floor(this.sizeBytes / bytes);
    this.secsPerUnit = PLAIN_UNIT_BYTES / bytes;
  }

  /** Whether the run of blocks is inside the namespace. Written so that no sum can overflow. */
  contains(lba: number, secs: number): boolean {
    return lba >= 0 && secs <= this.totalSecs && lba <= this.totalSecs - secs;
  }

  /** Visits the parts of a run, one a unit. */
  eachUnit(lba: number, secs: number, visit: Visit): void {
    const { secsPerUnit, secSizeBytes } = this;
    let done = 0;
    while (done < secs) {
      const firstSec = (lba + done) % secsPerUnit;
      const count = Math.min(secs - done, secsPerUnit - firstSec);
      visit((lba + done - firstSec) / secsPerUnit, firstSec, count, done * secSizeBytes);
      done += count;
    }
  }

  get(unit: number): Uint8Array | undefined | Promise<void> {
    return this.units.get(this.firstUnit + unit);
  }

  /** Brings units in that are not here yet; for a change only those that it covers in part. */
  bringIn(lba: number, secs: number, partialOnly: boolean): Promise<unknown> | undefined {
    let waits: Promise<void>[] | undefined;
    this.eachUnit(lba, secs, (unit, _firstSec, count) => {
      if (partialOnly && count === this.secsPerUnit) return;
      const answer = this.get(unit);
      if (answer instanceof Promise) (waits ??= []).push(answer);
    });
    return waits && Promise.all(waits);
  }

  // Reading ----------------------------------------------------------------------------------------

  /** No block here needs a second look before it is read. */
  get allReadable(): boolean {
    return this.uncorrectable.isEmpty;
  }

  /** Why these blocks cannot be read; 0 when they can. With `deallocatedFails` (DULBE) all must have been written. */
  unreadable(lba: number, secs: number, transfer: Transfer, deallocatedFails: boolean): StatusCode {
    if (this.uncorrectable.isEmpty && !deallocatedFails) return Status.success;
    let status: StatusCode = Status.success;
    this.eachUnit(lba, secs, (unit, firstSec, count) => {
      if (status !== Status.success) return;
      const first = unit * this.secsPerUnit + firstSec;
      const blocks = `of blocks ${first} to ${first + count - 1} some are`;
      if (this.uncorrectable.any(unit, firstSec, count)) {
        status = Status.eccFailure;
        transfer.refuse('uncorrectable', `${blocks} marked`);
      } else if (deallocatedFails && !this.isWritten(unit, firstSec, count)) {
        status = Status.unwrittenBlock;
        transfer.refuse('unwritten-read', `${blocks} not written, and such reads shall fail (DULBE)`);
      }
    });
    return status;
  }

  private isWritten(unit: number, firstSec: number, secs: number): boolean {
    const stored = this.get(unit) !== undefined;
    return stored ? !this.exceptions.any(unit, firstSec, secs) : this.exceptions.all(unit, firstSec, secs);
  }

  // Changing: what is changed becomes durable with the next commit -----------------------------------

  /** Takes a run of blocks from the host's data, which begins at `atBytes`. */
  write(lba: number, secs: number, transfer: Transfer, atBytes: number): void {
    const { secSizeBytes } = this;
    this.eachUnit(lba, secs, (unit, firstSec, count, at) => {
      const bytes = this.forWriting(unit, count);
      transfer.pullData(atBytes + at, bytes, firstSec * secSizeBytes, count * secSizeBytes);
      this.exceptions.mark(unit, firstSec, count, false);
      this.units.put(this.firstUnit + unit, bytes);
    });
    this.correct(lba, secs);
  }

  /** The unit's bytes, to be changed and put; in a new one all blocks are unwritten but those with zeros. */
  private forWriting(unit: number, secs: number): Uint8Array {
    if (secs === this.secsPerUnit) return new Uint8Array(PLAIN_UNIT_BYTES);
    const here = this.get(unit);
    if (here instanceof Uint8Array) return here;
    this.exceptions.invert(unit, this.secsPerUnit);
    return new Uint8Array(PLAIN_UNIT_BYTES);
  }

  /** Part of a unit becomes zeros: `written` ones, or blocks that are given back. */
  blankPart(unit: number, firstSec: number, secs: number, written: boolean): void {
    const bytes = this.get(unit);
    if (!(bytes instanceof Uint8Array)) {
      this.exceptions.mark(unit, firstSec, secs, written);
      return;
    }
    this.exceptions.mark(unit, firstSec, secs, !written);
    if (!written && this.exceptions.all(unit, 0, this.secsPerUnit)) {
      this.blankUnits(unit, 1, false);
      return;
    }
    bytes.fill(0, firstSec * this.secSizeBytes, (firstSec + secs) * this.secSizeBytes);
    this.units.put(this.firstUnit + unit, bytes);
  }

  /** Whole units become zeros, and are not stored any more. */
  blankUnits(first: number, count: number, written: boolean): void {
    this.units.erase(this.firstUnit + first, count);
    if (!written) this.exceptions.clearUnits(first, count);
    else for (let i = 0; i < count; i++) this.exceptions.mark(first + i, 0, this.secsPerUnit, true);
  }

  /** From now on these blocks cannot be read. */
  spoil(lba: number, secs: number): void {
    this.eachUnit(lba, secs, (unit, firstSec, count) => this.uncorrectable.mark(unit, firstSec, count, true));
  }

  /** These blocks were written. */
  correct(lba: number, secs: number): void {
    if (this.uncorrectable.isEmpty) return;
    this.eachUnit(lba, secs, (unit, firstSec, count) =>
      this.uncorrectable.mark(unit, firstSec, count, false),
    );
  }

  /** Nothing is left, and blocks have this size from now on. */
  format(secSizeBytes: number): void {
    this.units.erase(this.firstUnit, this.totalUnits);
    this.exceptions.clearUnits(0, this.totalUnits);
    this.uncorrectable.clearUnits(0, this.totalUnits);
    this.setSectorSize(secSizeBytes);
    this.units.touchShard(this.recordShard);
  }
}

/** The format number of a block size; undefined for one that is not offered. */
export function formatOf(secSizeBytes: number): number | undefined {
  const lbads = Math.log2(secSizeBytes);
  return Number.isInteger(lbads) && lbads >= MIN_LBADS && lbads <= MAX_LBADS ? lbads - MIN_LBADS : undefined;
}
