import { StoreError, type MediaCommit } from '../flash/media-store.ts';
import type { DiskSpec } from './catalogue.ts';

/** Limits of a disk, and the checks that every catalogue and every commit goes through. */

export const MAX_NAME_CHARACTERS = 64;
export const MAX_DEVICE_LINE_CHARACTERS = 16_384;
/** A unit is one page across planes with its OOB; 16 MiB is far above any that a device line can name. */
export const MAX_UNIT_BYTES = 16 * 1024 * 1024;
/** Unit and shard numbers are 32-bit in disk files. */
export const MAX_UNITS = 2 ** 32 - 1;

/** Control characters, lone surrogates, and line and paragraph separators. */
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

/**
 * Refuses what cannot be a disk, and returns a copy with the known fields only.
 * @throws StoreError `io`
 */
export function checkedSpec(spec: DiskSpec): DiskSpec {
  const problem = specProblem(spec);
  if (problem !== undefined) throw new StoreError('io', problem);
  const { name, deviceLine, sizeBytes, unitBytes, totalUnits } = spec;
  return { name, deviceLine, sizeBytes, unitBytes, totalUnits };
}

/** A text from elsewhere as a name: without what cannot be printed. It may be empty, or too long. */
export function printable(text: string): string {
  return text.replace(new RegExp(unprintable, 'gu'), ' ').trim();
}

/** The name, if it is one. @throws StoreError `io` */
export function checkedName(name: string): string {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new StoreError('io', problem);
  return name;
}

/** What is wrong with a spec, in one sentence; undefined if nothing is. Takes anything: records are read with it too. */
export function specProblem(spec: { readonly [K in keyof DiskSpec]: unknown }): string | undefined {
  if (typeof spec.deviceLine !== 'string' || spec.deviceLine.length > MAX_DEVICE_LINE_CHARACTERS) {
    return `The device line must be a text of at most ${MAX_DEVICE_LINE_CHARACTERS} characters; shorten it.`;
  }
  if (!isCount(spec.sizeBytes, Number.MAX_SAFE_INTEGER)) {
    return 'The size of the disk must be a whole number of bytes above zero; give another size.';
  }
  if (!isCount(spec.unitBytes, MAX_UNIT_BYTES)) {
    return `A unit must have 1 to ${MAX_UNIT_BYTES} bytes; choose smaller pages or fewer planes.`;
  }
  if (!isCount(spec.totalUnits, MAX_UNITS)) {
    return `A disk must have 1 to ${MAX_UNITS} units; choose another size.`;
  }
  return nameProblem(spec.name);
}

function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name.trim() === '') return 'A disk needs a name; give it one.';
  if ([...name].length > MAX_NAME_CHARACTERS) {
    return `The name has more than ${MAX_NAME_CHARACTERS} characters; shorten it.`;
  }
  if (unprintable.test(name)) return 'The name contains a control character; use visible characters only.';
  return undefined;
}

function isCount(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= max;
}

/** True for a whole number from 0 to below `end`: an index that may be used as a key. */
export function isIndex(value: unknown, end: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < end;
}

/**
 * Refuses a commit that does not fit the disk, before anything of it is kept.
 * @throws StoreError `corrupt`
 */
export function checkCommit(commit: MediaCommit, spec: DiskSpec): void {
  for (const { first, count } of commit.erased) {
    if (!isIndex(first, spec.totalUnits) || !isIndex(count, spec.totalUnits - first + 1)) {
      throw refused(`units ${first} to ${first + count - 1} to erase are not all on this disk`);
    }
  }
  for (const { unit, bytes } of commit.units) {
    if (!isIndex(unit, spec.totalUnits)) throw refused(`unit ${unit} is not on this disk`);
    if (bytes.length !== spec.unitBytes) {
      throw refused(`unit ${unit} has ${bytes.length} bytes where this disk's have ${spec.unitBytes}`);
    }
  }
  for (const { shard } of commit.shards) {
    if (!isIndex(shard, MAX_UNITS)) throw refused(`table shard ${shard} has no valid number`);
  }
}

function refused(reason: string): StoreError {
  return new StoreError(
    'corrupt',
    `A write was refused because ${reason}; switch the machine off and on, and report this as a bug.`,
  );
}

/** Refuses a second commit while one is under way: the port allows one. */
export function commitUnderWay(): StoreError {
  return new StoreError(
    'io',
    'A write began before the one before it had ended; switch the machine off and on, and report this as a bug.',
  );
}

/** Sixteen hexadecimal digits. Not randomUUID: browsers have that on secure pages only. */
export function randomDiskId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
