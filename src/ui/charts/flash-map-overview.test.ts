import { describe, expect, it } from 'vitest';
import { layoutFlashMap } from './flash-map-layout.ts';
import { boxIn, seenIn } from './flash-map-overview.ts';

const layout = layoutFlashMap(
  { numCh: 2, numLun: 4, numPln: 2, numChk: 60, numPg: 64, secsPerPg: 4 },
  800,
  400,
  58,
  20,
);
const plot = { x: 58, y: 20, width: 742, height: 380 };

describe('the overview of a map', () => {
  it('lies inside the plot, in its lower right corner', () => {
    const box = boxIn(layout, plot);
    if (!box) throw new Error('no room');
    expect(box.x + box.w).toBeLessThan(plot.x + plot.width);
    expect(box.y + box.h).toBeLessThan(plot.y + plot.height);
    expect(box.x).toBeGreaterThan(plot.x + plot.width / 2);
    expect(box.y).toBeGreaterThan(plot.y + plot.height / 2);
  });

  it('marks everything when everything is in sight', () => {
    const box = { x: 600, y: 300, w: 100, h: 50 };
    const seen = seenIn(box, layout, { k: 1, x: 0, y: 0 }, plot);
    expect(seen.x).toBeCloseTo(box.x);
    expect(seen.w).toBeCloseTo(box.w, 0);
  });

  it('marks the quarter in the middle at twice the size', () => {
    const box = { x: 600, y: 300, w: 100, h: 50 };
    // The middle of the plot stays where it is.
    const middle = [layout.originX + layout.width / 2, layout.originY + layout.height / 2] as const;
    const view = { k: 2, x: -middle[0], y: -middle[1] };
    const seen = seenIn(box, layout, view, { ...plot, width: layout.width, height: layout.height });
    expect(seen.w).toBeCloseTo(50, 0);
    expect(seen.h).toBeCloseTo(25, 0);
    expect(seen.x - box.x).toBeCloseTo(25, 0);
    expect(seen.y - box.y).toBeCloseTo(12.5, 0);
  });

  it('has no place in a map that is too small for it', () => {
    expect(
      boxIn(layoutFlashMap(layout.dims, 200, 60, 58, 20), { x: 58, y: 20, width: 142, height: 40 }),
    ).toBe(undefined);
  });
});
