import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32, seal, unseal } from './checksum.ts';

const random = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24);

describe('crc32', () => {
  it('gives the check value of the standard', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('agrees with zlib at every length and alignment, whole and in parts', () => {
    const bytes = random(200);
    for (let start = 0; start < 9; start++) {
      for (let end = start; end < 60; end++) {
        const part = bytes.subarray(start, end);
        expect(crc32(part)).toBe(zlibCrc32(part));
        expect(crc32(part.subarray(3), crc32(part.subarray(0, 3)))).toBe(zlibCrc32(part));
      }
    }
  });
});

describe('seal', () => {
  it('goes round', () => {
    for (const length of [0, 1, 8, 4112]) {
      expect(unseal(seal(random(length)), 'It', length)).toEqual(random(length));
    }
  });

  it('notices every single changed bit', () => {
    const sealed = seal(random(20));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = sealed.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => unseal(damaged, 'It')).toThrow(/It does not match its checksum/);
    }
  });

  it.each([undefined, null, 7, 'text', [], {}, new ArrayBuffer(8), new Uint8Array(3), new Uint16Array(8)])(
    'refuses shape %#',
    (record) => {
      expect(() => unseal(record, 'It')).toThrow(expect.objectContaining({ code: 'corrupt' }));
    },
  );

  it('refuses another length', () => {
    expect(() => unseal(seal(random(20)), 'It', 19)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  });
});
