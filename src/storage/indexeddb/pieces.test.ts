import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEAL_BYTES, unseal } from '../checksum.ts';
import { PIECE_BYTES, PieceCutter, piecesAt, piecesOf, unitIn } from './pieces.ts';

const unitOf = (lengthBytes: number, n: number): Uint8Array =>
  Uint8Array.from({ length: lengthBytes }, (_, i) => (n * 31 + i * 7 + (i >> 8)) % 256);

describe('units in pieces', () => {
  it('are found again, whatever their size', () => {
    const cutter = new PieceCutter(2);
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 200_000 }),
      fc.constantFrom(PIECE_BYTES - 4, PIECE_BYTES),
    );
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 9 }),
        fc.nat(PIECE_BYTES),
        (lengthBytes, count, before) => {
          const units = Array.from({ length: count }, (_, n) => unitOf(lengthBytes, n));
          const head = unitOf(before, 77);
          const pieces = [...cutter.cut(units, head)];
          const sealedBytes = lengthBytes + SEAL_BYTES;
          expect(pieces).toHaveLength(piecesOf(before + count * sealedBytes));
          expect(Buffer.compare(pieces[0]?.subarray(0, before) ?? head, head)).toBe(0);
          for (const [n, unit] of units.entries()) {
            const position = before + n * sealedBytes;
            const [first, last] = piecesAt(position, sealedBytes);
            const found = unitIn(pieces.slice(first, last + 1), position, sealedBytes);
            expect(Buffer.compare(unseal(found, 'it', lengthBytes), unit)).toBe(0);
          }
          cutter.trim();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of pieces that are missing, short or something else are not', () => {
    const pieces = [...new PieceCutter(9).cut([unitOf(PIECE_BYTES, 1)])];
    expect(pieces).toHaveLength(2);
    const sealedBytes = PIECE_BYTES + SEAL_BYTES;
    expect(unitIn(pieces, 0, sealedBytes)).toBeDefined();
    const [first, last] = pieces as [Uint8Array, Uint8Array];
    for (const bad of [
      [first],
      [first, undefined],
      [first, last.slice(1)],
      ['x', last],
      [first.slice(1), last],
    ])
      expect(unitIn(bad, 0, sealedBytes)).toBeUndefined();
    expect(unitIn([new Uint8Array(5)], 10, 2)).toBeUndefined();
  });
});
