/**
 * When a write counts as done, by QEMU's names (`-drive cache=`).
 *
 * - `writethrough`: when it is stored; nothing acknowledged is ever lost.
 * - `writeback`: at once; a flush waits until it is stored. A killed tab loses at most the last moments (the
 *   bounds are in write-cache.ts), and what is left is the disk as it was at one moment.
 * - `unsafe`: at once, and a flush waits for nothing. All stays in memory until the power goes off in an orderly
 *   way.
 */
export const CACHE_MODES = ['writethrough', 'writeback', 'unsafe'] as const;
export type CacheMode = (typeof CACHE_MODES)[number];

export const DEFAULT_CACHE_MODE: CacheMode = 'writethrough';

export function isCacheMode(text: unknown): text is CacheMode {
  return CACHE_MODES.some((mode) => mode === text);
}
