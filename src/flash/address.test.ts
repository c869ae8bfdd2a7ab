import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressDecoder,
  addressFormat,
  bitsFor,
  blockAddress,
  blockIndex,
  describeSector,
  type SectorAddress,
} from './address.ts';
import { deriveGeometry, type Geometry } from './geometry.ts';

const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    numCh: fc.constantFrom(1, 2, 4, 8),
    numLun: fc.constantFrom(1, 2, 4, 8, 16),
    numPln: fc.constantFrom(1, 2, 4),
    numChk: fc.integer({ min: 1, max: 4096 }),
    numPg: fc.integer({ min: 1, max: 600 }),
    secsPerPg: fc.constantFrom(1, 2, 4, 8, 16),
    secSizeBytes: fc.constant(4096),
    oobSizeBytes: fc.constant(16),
  })
  .filter((g) => addressFormat(g).totalBits <= 32);

const below = (n: number) => fc.integer({ min: 0, max: n - 1 });

const sectors: fc.Arbitrary<[Geometry, SectorAddress]> = geometries.chain((g) =>
  fc.tuple(
    fc.constant(g),
    fc.record({
      ch: below(g.numCh),
      lun: below(g.numLun),
      pln: below(g.numPln),
      chk: below(g.numChk),
      pg: below(g.numPg),
      sec: below(g.secsPerPg),
    }),
  ),
);

/** 32 bits exactly: the highest channel sets bit 31. */
const full: Geometry = {
  numCh: 8,
  numLun: 16,
  numPln: 4,
  numChk: 4096,
  numPg: 512,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
};

describe('addresses', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(sectors, ([g, a]) => {
        const decoder = new AddressDecoder(g);
        const wire = decoder.encode(a);
        expect(wire).toBeGreaterThanOrEqual(0);
        expect(decoder.decode(wire, 0)).toBe(true);
        expect(decoder.block).toBe(blockIndex(g, a.ch, a.lun, a.chk, a.pln));
        expect(decoder.sec).toBe(a.pg * g.secsPerPg + a.sec);
        expect(blockAddress(g, decoder.block)).toEqual({ ch: a.ch, lun: a.lun, chk: a.chk, pln: a.pln });
      }),
    );
  });

  it('are refused exactly when a part is too large or a foreign bit is set', () => {
    fc.assert(
      fc.property(geometries, fc.integer({ min: 0, max: 0xffff_ffff }), (g, low) => {
        const f = addressFormat(g);
        const part = ({ offset, bits }: { offset: number; bits: number }) =>
          Number((BigInt(low) >> BigInt(offset)) & ((1n << BigInt(bits)) - 1n));
        const inside =
          BigInt(low) >> BigInt(f.totalBits) === 0n &&
          part(f.sec) < g.secsPerPg &&
          part(f.pln) < g.numPln &&
          part(f.pg) < g.numPg &&
          part(f.blk) < g.numChk &&
          part(f.lun) < g.numLun &&
          part(f.ch) < g.numCh;
        expect(new AddressDecoder(g).decode(low, 0)).toBe(inside);
      }),
    );
  });

  it('never reach the upper half', () => {
    expect(new AddressDecoder(full).decode(0, 1)).toBe(false);
    expect(new AddressDecoder(full).decode(0, 0x8000_0000)).toBe(false);
  });

  it('may use all 32 bits', () => {
    const decoder = new AddressDecoder(full);
    expect(decoder.format.totalBits).toBe(32);
    const wire = decoder.encode({ ch: 7, lun: 15, pln: 3, chk: 4095, pg: 511, sec: 3 });
    expect(wire).toBe(0xffff_ffff);
    expect(decoder.decode(wire, 0)).toBe(true);
    expect(decoder.block).toBe(deriveGeometry(full).totalBlks - 1);
  });

  it('have room for every count', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 256, 257].map(bitsFor)).toEqual([0, 1, 2, 2, 3, 3, 4, 8, 9]);
  });

  it('give each block of the device its own number', () => {
    const g = { ...full, numChk: 3, numPg: 1, numCh: 2, numLun: 3 };
    const seen = new Set<number>();
    for (let ch = 0; ch < 2; ch++)
      for (let lun = 0; lun < 3; lun++)
        for (let chk = 0; chk < 3; chk++)
          for (let pln = 0; pln < 4; pln++) seen.add(blockIndex(g, ch, lun, chk, pln));
    expect(seen.size).toBe(2 * 3 * 3 * 4);
    expect(Math.max(...seen)).toBe(deriveGeometry(g).totalBlks - 1);
  });

  it('read as people say them', () => {
    const g = full;
    expect(describeSector(g, blockIndex(g, 1, 2, 3, 1), 9)).toBe('ch 1 lun 2 pln 1 chk 3 pg 2 sec 1');
  });
});
