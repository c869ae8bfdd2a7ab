/**
 * Small choices of the reader, kept over reloads. Storage may be refused (private windows, policies): the
 * page then simply forgets.
 */
const PREFIX = 'lightnvm-lab.';

export function remember(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // Refused: not worth a message.
  }
}

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(PREFIX + key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function recallNumber(key: string, fallback: number, min: number, max: number): number {
  const value = Number(recall(key) ?? Number.NaN);
  return Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : fallback;
}
