import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FOR_GOOD, NAMED_BY_CONTENT } from './kept-by-name-plugin.ts';

describe('files that browsers keep for good', () => {
  it.each(['/assets/main-Bb9Zzq8I.js', '/guest/booted-128-501d42d6.packed', '/guest/v86-e8196577.packed'])(
    '%s is one',
    (path) => expect(NAMED_BY_CONTENT.test(path)).toBe(true),
  );

  it.each(['/', '/index.html', '/sw.js', '/guest/instant.json', '/guest/bzImage', '/guest/manifest.json'])(
    '%s is none: it may be another one tomorrow',
    (path) => expect(NAMED_BY_CONTENT.test(path)).toBe(false),
  );

  it('are the same to hosts that read _headers', () => {
    const lines = readFileSync(new URL('../../public/_headers', import.meta.url), 'utf8').split('\n');
    const kept = lines.filter((_line, i) => lines[i + 1]?.trim() === `Cache-Control: ${FOR_GOOD}`);
    expect(kept).toEqual(['/assets/*', '/guest/booted-*', '/guest/v86-*']);
  });
});
