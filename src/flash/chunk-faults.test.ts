import { describe, expect, it } from 'vitest';
import { ChunkFaultInjector } from './chunk-faults.ts';

const place = { grp: 1, pu: 2, chk: 3 };

describe('faults', () => {
  it('fit the place they name; what they leave out is any', () => {
    const faults = new ChunkFaultInjector({
      writes: [
        { grp: 1, percent: 100 },
        { chk: 3, sec: 7, percent: 0 },
      ],
      resets: [{ pu: 2, chk: 3, percent: 100 }],
    });
    expect(faults.failsWrites).toBe(true);
    expect(faults.writeFails(place, 6)).toBe(true);
    expect(faults.writeFails(place, 7)).toBe(false); // the last that fits counts
    expect(faults.writeFails({ ...place, grp: 0 }, 6)).toBe(false);
    expect(faults.resetFails(place)).toBe(true);
    expect(faults.resetFails({ ...place, chk: 4 })).toBe(false);
  });

  it('come as often as they should, and in each run at the same commands', () => {
    const draw = () => {
      const faults = new ChunkFaultInjector({ writes: [{ percent: 25 }], resets: [] });
      return Array.from({ length: 4000 }, (_, sec) => faults.writeFails(place, sec));
    };
    const first = draw();
    expect(draw()).toEqual(first);
    const count = first.filter(Boolean).length;
    expect(count).toBeGreaterThan(850);
    expect(count).toBeLessThan(1150);
  });

  it('are none where none were asked for', () => {
    const faults = new ChunkFaultInjector({ writes: [], resets: [] });
    expect([faults.failsWrites, faults.writeFails(place, 0), faults.resetFails(place)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
