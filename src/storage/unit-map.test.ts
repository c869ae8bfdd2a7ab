import { describe, expect, it } from 'vitest';
import { UNIT_MAP_PAGE_BYTES, UnitMap } from './unit-map.ts';

const none = { erased: [], units: [], shards: [] };
const bytes = new Uint8Array(0);
const at = (...numbers: number[]) => numbers.map((unit) => ({ unit, bytes }));

describe('UnitMap', () => {
  it('changes nothing before apply, and only the pages that changed', () => {
    const map = UnitMap.load([], 0, 1_000_000);
    const change = map.change({ ...none, units: at(5, 5, 40_000) });
    expect(map.has(5)).toBe(false);
    expect([...change.pages.keys()]).toEqual([0, 1]);
    expect(change.stored).toBe(2);
    map.apply(change);
    expect([map.has(5), map.has(40_000), map.has(6), map.stored]).toEqual([true, true, false, 2]);
    expect(map.change({ ...none, units: at(5) }).pages.size).toBe(0);
    expect(map.change({ ...none, erased: [{ first: 6, count: 30_000 }] }).pages.size).toBe(0);
  });

  it('erases before it puts', () => {
    const map = UnitMap.load([], 0, 100);
    map.apply(map.change({ ...none, units: at(1, 2, 3) }));
    map.apply(map.change({ ...none, erased: [{ first: 0, count: 100 }], units: at(2) }));
    expect([map.has(1), map.has(2), map.has(3), map.stored]).toEqual([false, true, false, 1]);
  });

  it('trims a run to what is stored in it', () => {
    const map = UnitMap.load([], 0, 2 ** 31);
    map.apply(map.change({ ...none, units: at(100, 200_000) }));
    expect(map.trim({ first: 0, count: 100 })).toBeUndefined();
    expect(map.trim({ first: 0, count: 101 })).toEqual({ first: 100, count: 1 });
    expect(map.trim({ first: 50, count: 300_000 })).toEqual({ first: 100, count: 199_901 });
    expect(map.trim({ first: 101, count: 2 ** 20 })).toEqual({ first: 200_000, count: 1 });
  });

  it('refuses pages that disagree with the count or the size', () => {
    const page = new Uint8Array(UNIT_MAP_PAGE_BYTES);
    page[1] = 0b1000_0001;
    const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error;
    expect(UnitMap.load([[0, page]], 2, 16).has(15)).toBe(true);
    expect(() => UnitMap.load([[0, page]], 1, 16)).toThrow(corrupt);
    expect(() => UnitMap.load([[0, page]], 2, 15)).toThrow(corrupt);
    expect(() => UnitMap.load([[1, page]], 2, 16)).toThrow(corrupt);
  });
});
