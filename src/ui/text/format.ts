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

/** To make one takes longer than to write a thousand numbers with it. */
const grouped = new Intl.NumberFormat('en');

/** "339,968": grouped alike in all languages of the page. */
export function formatCount(n: number): string {
  return grouped.format(Math.round(n));
}

export function formatSeconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

const AGES = [
  ['second', 60_000, 1000],
  ['minute', 3_600_000, 60_000],
  ['hour', 86_400_000, 3_600_000],
  ['day', Infinity, 86_400_000],
] as const;

/** "5 seconds ago", "2 days ago", in the page's language. */
export function formatAge(ms: number, language: string): string {
  const [unit, , unitMs] = AGES.find(([, below]) => ms < below) ?? AGES[3];
  return new Intl.RelativeTimeFormat(language, { numeric: 'always' }).format(-Math.round(ms / unitMs), unit);
}
