import { describe, expect, it } from 'vitest';
import { SEAL_BYTES } from '../checksum.ts';
import { UnitMap } from '../unit-map.ts';
import { PIECE_BYTES } from './pieces.ts';
import { INDEX_PAGE_BYTES, NOWHERE, UnitIndex } from './unit-index.ts';

/** Three units are two pieces: the second one lies in both. */
const SEALED = PIECE_BYTES / 2 + 1000;
const spec = {
  name: 'x',
  deviceLine: 'x',
  sizeBytes: 1,
  unitBytes: SEALED - SEAL_BYTES,
  totalUnits: 1000,
};
const mapOf = (...units: number[]): UnitMap => {
  const map = new UnitMap();
  map.apply(map.change({ erased: [], units: units.map((unit) => ({ unit })) }));
  return map;
};
const pageOf = (entries: Record<number, number>): Uint8Array => {
  const bytes = new Uint8Array(INDEX_PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, entry] of Object.entries(entries)) view.setFloat64(Number(i) * 8, entry, true);
  return bytes;
};

describe('the index of units in pieces', () => {
  it('changes nothing before apply, and frees a piece with the last unit in it', () => {
    const index = new UnitIndex(spec.unitBytes);
    const put = index.change([], [], [1, 600, 2], 4 * PIECE_BYTES);
    expect(index.position(600)).toBe(NOWHERE);
    expect([...UnitIndex.pagesOf(put)].sort()).toEqual([0, 1]);
    index.apply(put);
    expect([1, 600, 2, 3].map((unit) => index.position(unit) - 4 * PIECE_BYTES)).toEqual([
      0,
      SEALED,
      2 * SEALED,
      NOWHERE - 4 * PIECE_BYTES,
    ]);
    const first = index.change([{ first: 0, count: 2 }], [], [], 0);
    expect([...first.positions]).toEqual([[1, NOWHERE]]);
    expect(first.freed).toEqual([]);
    index.apply(first);
    const second = index.change([{ first: 600, count: 400 }], [], [], 0);
    expect(second.freed).toEqual([4]);
    expect(index.change([], [600, 2], [], 0).freed).toEqual([4, 5]);
    // Erased and put again elsewhere in the same commit.
    const moved = index.change([{ first: 0, count: 1000 }], [], [600], 9 * PIECE_BYTES);
    expect([moved.freed, moved.positions.get(600), moved.positions.get(2)]).toEqual([
      [4, 5],
      9 * PIECE_BYTES,
      NOWHERE,
    ]);
    index.apply(moved);
    expect(index.change([{ first: 0, count: 1000 }], [], [], 0).freed).toEqual([9]);
  });

  it('is stored in pages, as it is and as it will be', () => {
    const index = new UnitIndex(spec.unitBytes);
    const put = index.change([], [], [1, 600, 2], 0);
    expect(index.page(0, put)).toEqual(pageOf({ 1: 1, 2: 2 * SEALED + 1 }));
    index.apply(put);
    expect(index.page(1)).toEqual(pageOf({ 88: SEALED + 1 }));
    const pages = [0, 1].map((page) => [page, index.page(page)] as const);
    const loaded = UnitIndex.load(pages, spec, mapOf(1, 2, 3, 600), 2);
    expect([1, 600, 2, 3].map((unit) => loaded.position(unit))).toEqual([0, SEALED, 2 * SEALED, NOWHERE]);
    expect(loaded.change([{ first: 2, count: 599 }], [], [], 0).freed).toEqual([1]);
  });

  it('that says what cannot be is refused', () => {
    const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error;
    const end = 2 * PIECE_BYTES - SEALED + 1;
    expect(UnitIndex.load([[0, pageOf({ 1: end })]], spec, mapOf(1), 2).position(1)).toBe(end - 1);
    const load = (entry: number, unit = 1, page = 0, pieces = 2) =>
      UnitIndex.load([[page, pageOf({ [unit]: entry })]], spec, mapOf(1, 511), pieces);
    for (const entry of [-1, 0.5, NaN, Infinity, -Infinity, end + 1, 2 ** 53, 1e300])
      expect(() => load(entry)).toThrow(corrupt);
    expect(() => load(1, 2)).toThrow(corrupt);
    expect(() => load(1, 1, 0, 0)).toThrow(corrupt);
    expect(() => load(1, 0, 2)).toThrow(corrupt);
    expect(() => load(1, 0, 2 ** 23)).toThrow(corrupt);
  });
});
