import { StoreError } from '../flash/media-store.ts';
import type { DiskSpec, DiskSummary, PinnedDisk } from './catalogue.ts';
import { isIndex, randomDiskId, specProblem } from './disk-spec.ts';
import { newerVersion } from './errors.ts';

/** The format of disks in IndexedDB and in files; docs/disk-format.md describes it. */
export const DISK_FORMAT = 4;
/** All that can be read. */
const FORMATS: readonly unknown[] = [1, 2, 3, DISK_FORMAT];

/** The one record that says what a disk is. In IndexedDB an object, in disk files the same as JSON. */
export interface Superblock extends DiskSpec {
  readonly format: typeof DISK_FORMAT;
  readonly id: string;
  readonly createdAtMs: number;
  readonly epoch: number;
  /** Commits ever stored; not counted in format 1. */
  readonly commits: number;
  readonly unitsStored: number;
  /** Of them in this layer; only where there are layers below (IndexedDB). */
  unitsOwn?: number;
  /** Pieces that this layer ever began; absent when there are none (IndexedDB). */
  pieces?: number;
}

/** More pieces are never begun: positions in them stay exact numbers. */
export const MAX_PIECES = 2 ** 36;

/**
 * Reads a superblock from anything, in the form of today's format: records are data, and a page on the same origin could have written
 * them. Only known own fields are taken, each checked.
 * @param expectedId the disk it must be of, when that is known
 * @throws StoreError `version` when its format is newer than this program, else `corrupt`
 */
export function parseSuperblock(record: unknown, expectedId?: string): Superblock {
  const field = (name: string): unknown =>
    typeof record === 'object' && record !== null && Object.hasOwn(record, name)
      ? (record as Record<string, unknown>)[name]
      : undefined;
  const format = field('format');
  if (Number.isSafeInteger(format) && (format as number) > DISK_FORMAT) throw newerVersion();
  const spec = {
    name: field('name'),
    deviceLine: field('deviceLine'),
    sizeBytes: field('sizeBytes'),
    unitBytes: field('unitBytes'),
    totalUnits: field('totalUnits'),
  };
  const id = field('id');
  const createdAtMs = field('createdAtMs');
  const epoch = field('epoch');
  // Format 1 did not count them.
  const commits = format === 1 ? 0 : field('commits');
  const unitsStored = field('unitsStored');
  const unitsOwn = format === 1 ? undefined : field('unitsOwn');
  const pieces = format === 1 || format === 2 ? undefined : field('pieces');
  if (
    !FORMATS.includes(format) ||
    typeof id !== 'string' ||
    (expectedId !== undefined && id !== expectedId) ||
    !isIndex(createdAtMs, Number.MAX_SAFE_INTEGER) ||
    !isIndex(epoch, Number.MAX_SAFE_INTEGER) ||
    !isIndex(commits, Number.MAX_SAFE_INTEGER) ||
    specProblem(spec) !== undefined ||
    !isIndex(unitsStored, (spec.totalUnits as number) + 1) ||
    (unitsOwn !== undefined && !isIndex(unitsOwn, unitsStored + 1)) ||
    (pieces !== undefined && !isIndex(pieces, MAX_PIECES + 1))
  ) {
    throw new StoreError(
      'corrupt',
      'The first record of this disk is damaged; delete the disk, and restore it from an export if there is one.',
    );
  }
  return {
    format: DISK_FORMAT,
    id,
    createdAtMs,
    epoch,
    commits,
    unitsStored,
    ...(unitsOwn === undefined ? {} : { unitsOwn }),
    ...(pieces === undefined ? {} : { pieces }),
    ...(spec as DiskSpec),
  };
}

export function newSuperblock(spec: DiskSpec, id: string): Superblock {
  return { format: DISK_FORMAT, id, createdAtMs: Date.now(), epoch: 0, commits: 0, unitsStored: 0, ...spec };
}

/** That of a new layer on top of what a disk was, with no unit in it. */
export function layerAbove(superblock: Superblock): Superblock {
  const above = { ...superblock, unitsOwn: 0 };
  delete above.pieces;
  return above;
}

/** What the outside sees of it. */
export function summaryOf(superblock: Superblock, kept: DiskSummary['kept']): DiskSummary {
  const { id, createdAtMs, epoch, commits, unitsStored } = superblock;
  const { name, deviceLine, sizeBytes, unitBytes, totalUnits } = superblock;
  const spec = { name, deviceLine, sizeBytes, unitBytes, totalUnits };
  return { ...spec, id, createdAtMs, epoch, commits, unitsStored, kept };
}

/** A version of a disk, under a new name of its own. */
export function pinOf(disk: DiskSummary): PinnedDisk {
  const { id, name, deviceLine, sizeBytes, unitBytes, totalUnits, epoch, commits, unitsStored, kept } = disk;
  const spec = { name, deviceLine, sizeBytes, unitBytes, totalUnits };
  const pin = randomDiskId();
  return { ...spec, pin, diskId: id, pinnedAtMs: Date.now(), epoch, commits, unitsStored, kept };
}

/** The order of a list of pins. */
export function byPinning(a: PinnedDisk, b: PinnedDisk): number {
  return a.pinnedAtMs - b.pinnedAtMs || (a.pin < b.pin ? -1 : 1);
}

/** What the outside sees of a disk that cannot be read. */
export function unreadable(id: string, kept: DiskSummary['kept'], problem: string): DiskSummary {
  return {
    name: `unreadable disk ${id.slice(0, 6)}`,
    deviceLine: '',
    sizeBytes: 0,
    unitBytes: 0,
    totalUnits: 0,
    id,
    createdAtMs: 0,
    epoch: 0,
    commits: 0,
    unitsStored: 0,
    kept,
    problem,
  };
}

/** The order of a list: oldest first, those without a known age last. */
export function byAge(a: DiskSummary, b: DiskSummary): number {
  const unknown = Number(a.problem !== undefined) - Number(b.problem !== undefined);
  return unknown || a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
}
