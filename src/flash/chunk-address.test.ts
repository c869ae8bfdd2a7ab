import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockIndex } from './address.ts';
import { ChunkAddressDecoder, describeChunkSector } from './chunk-address.ts';
import { deriveGeometry } from './geometry.ts';

const shape = (numCh: number, numLun: number, numChk: number, numPg: number, secsPerPg: number) =>
  deriveGeometry({ numCh, numLun, numPln: 1, numChk, numPg, secsPerPg, secSizeBytes: 512, oobSizeBytes: 0 });

describe('2.0 addresses', () => {
  it('put the sector lowest, then chunk, parallel unit, group', () => {
    const a = new ChunkAddressDecoder(shape(2, 8, 60, 512, 8));
    expect(a.format).toEqual({ sec: 12, chk: 6, pu: 3, grp: 1, totalBits: 22 });
    expect(a.spaceSecs).toBe(2 ** 22);
    // group 1, unit 5, chunk 59, sector 4095
    const lba = (1 << 21) | (5 << 18) | (59 << 12) | 4095;
    expect(a.decodeLba(lba)).toBe(true);
    expect([a.block, a.sec]).toEqual([blockIndex(shape(2, 8, 60, 512, 8), 1, 5, 59, 0), 4095]);
    expect(a.place(lba, 0)).toEqual({ ch: 1, lun: 5, pln: 0, chk: 59, pg: 511, sec: 7 });
    expect(describeChunkSector(shape(2, 8, 60, 512, 8), a.block, a.sec)).toBe(
      'group 1 pu 5 chunk 59 sector 4095',
    );
  });

  it('lead nowhere beyond each count, and beyond all bits', () => {
    const a = new ChunkAddressDecoder(shape(3, 5, 60, 6, 4)); // 24 sectors: bits 5, 6, 3, 2
    expect(a.decodeLba(23)).toBe(true);
    for (const lba of [24, 60 << 5, 63 << 5, 5 << 11, 3 << 14, 2 ** 16, 2 ** 40])
      expect(a.decodeLba(lba), String(lba)).toBe(false);
    expect(a.decode(0, 1)).toBe(false);
    expect(a.place(24, 0)).toBeUndefined();
  });

  it('may need more than 32 bits', () => {
    const a = new ChunkAddressDecoder(shape(128, 128, 1 << 20, 4096, 1));
    const place = { ch: 127, lun: 100, pln: 0, chk: (1 << 20) - 1, pg: 4095, sec: 0 };
    const lba = a.encode(place);
    expect(lba).toBeGreaterThan(2 ** 40);
    expect(a.place(lba % 2 ** 32, Math.floor(lba / 2 ** 32))).toEqual(place);
    expect(a.decodeLba(2 ** 63)).toBe(false);
  });

  it('every sector has one address, below the size of the space, and gets back from it', () => {
    const counts = fc.tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 24 }),
    );
    fc.assert(
      fc.property(counts, fc.nat(), ([ch, lun, chk, pg, sec], pick) => {
        const g = shape(ch, lun, chk, pg, sec);
        const a = new ChunkAddressDecoder(g);
        const block = pick % g.totalBlks;
        const at = pick % g.secsPerBlk;
        const lba = a.lbaOf(block, at);
        expect(lba).toBeLessThan(a.spaceSecs);
        expect(a.decodeLba(lba)).toBe(true);
        expect([a.block, a.sec]).toEqual([block, at]);
        const place = a.place(lba, 0);
        expect(place && a.encode(place)).toBe(lba);
      }),
      { numRuns: 300 },
    );
  });
});
