import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** Pictures in a second, each asked for when it is due. */
function picturesPerSec(pace: Pace): number {
  let pictures = 0;
  for (let nowMs = 0; nowMs < 1000; nowMs += pace.waitMs(nowMs)) {
    pace.began(nowMs);
    pictures++;
  }
  return pictures;
}

describe('Pace', () => {
  it.each([
    [2, 4],
    [4, 20],
    [16, 31],
  ])('with %i processors shows %i pictures a second', (cores, expected) => {
    expect(picturesPerSec(new Pace(cores))).toBe(expected);
  });

  it('slows down for pictures that cost much, and no further than four a second', () => {
    const pace = new Pace(16);
    pace.took(8);
    expect(pace.everyMs).toBe(100);
    for (let i = 0; i < 20; i++) pace.took(90);
    expect(pace.everyMs).toBe(250);
    expect(picturesPerSec(pace)).toBe(4);
    for (let i = 0; i < 20; i++) pace.took(0.5);
    expect(pace.everyMs).toBe(33);
  });

  it('shows the first change after a quiet time at once', () => {
    const pace = new Pace(2);
    pace.began(0);
    expect(pace.waitMs(30)).toBe(220);
    expect(pace.waitMs(5000)).toBe(0);
  });
});
