/** Numbers with units, as the page shows them. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** "8 GiB", "1.3 GiB", "513 MiB": powers of 1024, at most one decimal, none when it is exact. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const text = Number.isInteger(value) || value >= 100 ? String(Math.round(value)) : value.toFixed(1);
  return `${text} ${UNITS[unit]}`;
}

/** "339,968": grouped alike in all languages of the page. */
export function formatCount(n: number): string {
  return Math.round(n).toLocaleString('en');
}

export function formatSeconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
