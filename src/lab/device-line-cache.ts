import type { CacheMode } from '../storage/cache-mode.ts';

/** QEMU's names, and which of this lab's modes each is: there is no host page cache here to go round. */
const MODES: Readonly<Record<string, CacheMode>> = {
  writethrough: 'writethrough',
  directsync: 'writethrough',
  writeback: 'writeback',
  none: 'writeback',
  unsafe: 'unsafe',
};

const MEANINGS: Readonly<Record<CacheMode, string>> = {
  writethrough: 'a write is done when it is stored',
  writeback: 'a write is done at once and stored within half a second; a flush waits for it',
  unsafe: 'writes stay in memory until the power is off, and a flush waits for nothing',
};

export type CacheResult =
  | { readonly ok: true; readonly cache: CacheMode | undefined; readonly note: string }
  | { readonly ok: false; readonly error: string };

/** The `cache=` of a `-drive` among the words beside the device; undefined where it says nothing. */
export function cacheOfDrive(words: readonly string[]): CacheResult {
  for (const [i, word] of words.entries()) {
    if (!/^--?drive$/.test(words[i - 1] ?? '')) continue;
    const given = /(?:^|,)cache=([^,]*)/.exec(word)?.[1];
    if (given === undefined) continue;
    const cache = Object.hasOwn(MODES, given) ? MODES[given] : undefined;
    if (cache === undefined) {
      const names = Object.keys(MODES).join(', ');
      return { ok: false, error: `cache=${given.slice(0, 40)} is no cache mode: ${names} are.` };
    }
    const as = cache === given ? '' : ` is ${cache} here`;
    return { ok: true, cache, note: `cache=${given}${as}: ${MEANINGS[cache]}.` };
  }
  return { ok: true, cache: undefined, note: '' };
}
