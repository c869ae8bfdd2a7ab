import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSize, MAX_DISK_BYTES, MIN_DISK_BYTES, parseSize, readableBytes, shown } from './size.ts';

describe('parseSize', () => {
  it.each([
    ['8G', 8 * 2 ** 30],
    ['1024M', 2 ** 30],
    ['512MiB', 512 * 2 ** 20],
    ['512mb', 512 * 2 ** 20],
    ['8589934592', 8 * 2 ** 30],
    ['8589934592B', 8 * 2 ** 30],
    ['1.5G', 1.5 * 2 ** 30],
    [' 3 G ', 3 * 2 ** 30],
    ['1T', 2 ** 40],
    ['2048k', 2 ** 21],
  ])('reads %s as %i bytes', (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, bytes });
  });

  it.each([
    ['', /not a number/],
    ['lots', /The size lots is not a number.*8G/],
    ['-1G', /not a number/],
    ['8E', /not a number/],
    ['1.0000001K', /whole number of bytes/],
    ['512K', /too small.*1M to 1T/],
    ['2T', /too large.*1M to 1T/],
    ['0', /too small/],
  ])('refuses %s in one sentence', (text, says) => {
    const result = parseSize(text);
    expect(result).toMatchObject({ ok: false, error: expect.stringMatching(says) as string });
  });

  it('gives back what formatSize wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: MIN_DISK_BYTES, max: MAX_DISK_BYTES }), (bytes) => {
        expect(parseSize(formatSize(bytes))).toEqual({ ok: true, bytes });
      }),
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof parseSize(text).ok === 'boolean'));
  });
});

describe('readableBytes', () => {
  it.each([
    [0, '0 B'],
    [4096, '4 KiB'],
    [1_392_508_928, '1.3 GiB'],
    [512 * 2 ** 20, '512 MiB'],
  ])('%i is %s', (bytes, text) => {
    expect(readableBytes(bytes)).toBe(text);
  });
});

describe('shown', () => {
  it('cuts to 40 characters and drops control characters', () => {
    expect(shown(`a\u0000\u001bb${'c'.repeat(80)}`)).toBe(`a b${'c'.repeat(36)}…`);
    expect([...shown('😀'.repeat(99))]).toHaveLength(40);
  });
});
