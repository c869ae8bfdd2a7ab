/**
 * Small choices of the reader, kept over reloads. Storage may be refused (private windows, policies): the
 * page then simply forgets.
 */
const PREFIX = 'lightnvm-lab.';
/** What each side of a page with two labs (`?side=`) remembers for itself; the rest is the reader's, everywhere. */
const OF_A_SIDE: readonly string[] = ['disk', 'mapShare', 'timelineFolded'];
const side = new URLSearchParams(globalThis.location?.search ?? '').get('side');

const nameOf = (key: string) => PREFIX + (side !== null && OF_A_SIDE.includes(key) ? `${side}.${key}` : key);

export function remember(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(nameOf(key));
    else localStorage.setItem(nameOf(key), value);
  } catch {
    // Refused: not worth a message.
  }
}

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(nameOf(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function recallNumber(key: string, fallback: number, min: number, max: number): number {
  const value = Number(recall(key) ?? Number.NaN);
  return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : fallback;
}
