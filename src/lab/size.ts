/**
 * Sizes as people write them for `qemu-img create`: a number and one letter, every letter binary
 * (K = 1024), as QEMU's util/cutils.c (qemu_strtosz) reads them.
 */

/** The smallest disk: one MiB. */
export const MIN_DISK_BYTES = 2 ** 20;
/** The largest disk: one TiB. Its sectors still have 32-bit addresses, and its tables stay bounded. */
export const MAX_DISK_BYTES = 2 ** 40;

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;

export type SizeResult =
  { readonly ok: true; readonly bytes: number } | { readonly ok: false; readonly error: string };

/**
 * Reads a disk size: `8G`, `1024M`, `512MiB`, `1.5G` or plain bytes. Fractions must come out as whole bytes.
 * @returns bytes, or one sentence that says what is wrong and what would work. Never throws.
 */
export function parseSize(text: string): SizeResult {
  const given = shown(text);
  const match = /^(\d{1,16})(?:\.(\d{1,9}))?\s*(?:([kmgt])(?:i?b)?|b)?$/i.exec(text.trim());
  if (match === null) {
    return {
      ok: false,
      error: `The size ${given} is not a number with an optional K, M, G or T: write 8G, 1024M or 8589934592.`,
    };
  }
  const [, whole = '0', fraction = '', letter = ''] = match;
  const unitBytes = 1024 ** UNITS.findIndex((unit) => unit === letter.toUpperCase());
  const bytes =
    Number(whole) * unitBytes +
    (fraction === '' ? 0 : (Number(fraction) * unitBytes) / 10 ** fraction.length);
  if (!Number.isInteger(bytes)) {
    return {
      ok: false,
      error: `The size ${given} is not a whole number of bytes: ${formatSize(Math.ceil(bytes))} would work.`,
    };
  }
  const error = checkSize(bytes, given);
  return error === undefined ? { ok: true, bytes } : { ok: false, error };
}

/**
 * Whether a number of bytes can be a disk here.
 * @returns one sentence when not, else undefined.
 */
export function checkSize(bytes: number, given: string = formatSize(bytes)): string | undefined {
  if (!Number.isSafeInteger(bytes) || bytes < MIN_DISK_BYTES) {
    return `The size ${given} is too small for a disk: from 1M to 1T is possible, and 8G suits the tutorial.`;
  }
  if (bytes > MAX_DISK_BYTES) {
    return `The size ${given} is too large for a disk here: from 1M to 1T is possible, and 8G suits the tutorial.`;
  }
  return undefined;
}

/** Bytes in the largest unit that divides them, so that {@link parseSize} gives the same number back. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (unit < UNITS.length - 1 && value !== 0 && value % 1024 === 0) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${UNITS[unit] ?? ''}`;
}

/** Bytes for reading, rounded to one decimal: `5.2 GiB`. Not meant to be parsed again. */
export function readableBytes(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (unit < names.length - 1 && value >= 1024) {
    value /= 1024;
    unit += 1;
  }
  const digits = Number.isInteger(value) || value >= 1000 ? Math.round(value).toString() : value.toFixed(1);
  return `${digits} ${names[unit] ?? 'B'}`;
}

/**
 * What somebody typed, fit to stand in a sentence: control characters gone, at most 40 characters.
 */
export function shown(text: string): string {
  const clean = [...text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim()];
  return clean.length > 40 ? `${clean.slice(0, 39).join('')}…` : clean.join('');
}
