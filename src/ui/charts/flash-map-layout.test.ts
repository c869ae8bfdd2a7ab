import { describe, expect, it } from 'vitest';
import {
  cellRect,
  chunkAt,
  chunkIndex,
  chunkRect,
  detailLevel,
  gridRect,
  hitTest,
  layoutFlashMap,
  moveCursor,
  planeRect,
  squarishGrid,
  type MapDims,
} from './flash-map-layout.ts';

const TUTORIAL: MapDims = { numCh: 1, numLun: 16, numPln: 2, numChk: 31, numPg: 512, secsPerPg: 4 };
const WIDE: MapDims = { numCh: 2, numLun: 2, numPln: 1, numChk: 1067, numPg: 256, secsPerPg: 4 };
const HOME = { k: 1, x: 0, y: 0 };

describe('layout of the flash map', () => {
  it('gives every LUN one row, so that a line is a column', () => {
    const layout = layoutFlashMap(TUTORIAL, 800, 400, 60, 20);
    expect(layout.rowsPerLun).toBe(1);
    const first = chunkRect(layout, { ch: 0, lun: 0, chk: 7 });
    const last = chunkRect(layout, { ch: 0, lun: 15, chk: 7 });
    expect(last.x).toBe(first.x);
    expect(last.y).toBeGreaterThan(first.y);
  });

  it('fits into the window it was made for', () => {
    for (const dims of [TUTORIAL, WIDE]) {
      const layout = layoutFlashMap(dims, 800, 400, 60, 20);
      expect(layout.originX + layout.width).toBeLessThanOrEqual(800.001);
      expect(layout.originY + layout.height).toBeLessThanOrEqual(400.001);
    }
  });

  it('splits a LUN over rows when its chunks would be thinner than readable', () => {
    const layout = layoutFlashMap(WIDE, 800, 400);
    expect(layout.rowsPerLun).toBeGreaterThan(1);
    expect(layout.columns * layout.rowsPerLun).toBeGreaterThanOrEqual(WIDE.numChk);
  });

  it('finds every chunk again under the middle of its cell, at any zoom', () => {
    for (const dims of [TUTORIAL, WIDE]) {
      const layout = layoutFlashMap(dims, 900, 500, 58, 20);
      for (const view of [HOME, { k: 3.7, x: -410, y: -222 }]) {
        for (const chk of [0, 1, dims.numChk - 1]) {
          for (let ch = 0; ch < dims.numCh; ch++) {
            const at = { ch, lun: dims.numLun - 1, chk };
            const r = chunkRect(layout, at);
            const x = view.k * (r.x + r.w / 2) + view.x;
            const y = view.k * (r.y + r.h / 2) + view.y;
            expect(hitTest(layout, view, x, y)).toMatchObject(at);
          }
        }
      }
    }
  });

  it('finds plane, page and sector under a point', () => {
    const layout = layoutFlashMap(TUTORIAL, 900, 500);
    const view = { k: 40, x: 0, y: 0 };
    const cell = chunkRect(layout, { ch: 0, lun: 0, chk: 0 });
    const strip = { x: cell.x, y: cell.y + cell.h / 2, w: cell.w, h: cell.h / 2 };
    const page = gridRect(strip, layout.pages, 77);
    const sector = gridRect(page, layout.sectors, 3);
    const point = hitTest(
      layout,
      view,
      view.k * (sector.x + sector.w / 2),
      view.k * (sector.y + sector.h / 2),
    );
    expect(point).toEqual({ ch: 0, lun: 0, chk: 0, pln: 1, pg: 77, sec: 3 });
  });

  it('finds nothing beyond the last chunk and in the gutters', () => {
    const layout = layoutFlashMap(WIDE, 800, 400, 60, 20);
    expect(hitTest(layout, HOME, 30, 200)).toBeUndefined();
    expect(hitTest(layout, HOME, 300, 10)).toBeUndefined();
    expect(hitTest(layout, HOME, 5000, 200)).toBeUndefined();
    expect(hitTest(layout, HOME, 300, 5000)).toBeUndefined();
  });

  it('numbers chunks as the worker numbers blocks', () => {
    for (let index = 0; index < 4 * 1067; index += 97) {
      expect(chunkIndex(WIDE, chunkAt(WIDE, index))).toBe(index);
    }
    expect(chunkIndex(WIDE, { ch: 1, lun: 0, chk: 3 })).toBe((3 * 2 + 1) * 2);
  });

  it('paints whole pixels, planes stacked without overlap', () => {
    const layout = layoutFlashMap(TUTORIAL, 801, 411, 58, 20);
    const cell = cellRect(layout, HOME, { ch: 0, lun: 3, chk: 5 });
    for (const v of [cell.x, cell.y, cell.w, cell.h]) expect(Number.isInteger(v)).toBe(true);
    const upper = planeRect(cell, 0, 2);
    const lower = planeRect(cell, 1, 2);
    expect(upper.y + upper.h).toBeLessThanOrEqual(lower.y);
    expect(lower.y + lower.h).toBe(cell.y + cell.h);
  });

  it('shows more the closer one looks', () => {
    const layout = layoutFlashMap(TUTORIAL, 900, 500);
    const levels = [1, 10, 60, layout.maxZoom].map((k) => detailLevel(layout, k));
    expect(levels[0]).toBe('chunk');
    expect(levels).toContain('page');
    expect(levels.at(-1)).toBe('sector');
    const many = layoutFlashMap({ ...WIDE, numCh: 16, numLun: 8, numChk: 4000 }, 900, 500);
    expect(detailLevel(many, 1)).toBe('dot');
  });

  it('makes grids that hold everything', () => {
    for (const [count, aspect] of [
      [512, 2],
      [1, 1],
      [3, 1],
      [256, 0.01],
      [256, 100],
    ] as const) {
      const grid = squarishGrid(count, aspect);
      expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
      expect(grid.columns).toBeLessThanOrEqual(count);
    }
  });
});

describe('keyboard cursor', () => {
  const layout = layoutFlashMap(TUTORIAL, 900, 500);

  it('moves along lines and LUNs and stays inside', () => {
    const at = { ch: 0, lun: 0, chk: 0 };
    expect(moveCursor(layout, at, 'left')).toEqual(at);
    expect(moveCursor(layout, at, 'up')).toEqual(at);
    expect(moveCursor(layout, at, 'right')).toEqual({ ...at, chk: 1 });
    expect(moveCursor(layout, at, 'down')).toEqual({ ...at, lun: 1 });
    expect(moveCursor(layout, at, 'rowEnd')).toEqual({ ...at, chk: 30 });
    expect(moveCursor(layout, { ch: 0, lun: 15, chk: 30 }, 'down')).toEqual({ ch: 0, lun: 15, chk: 30 });
  });

  it('goes through the rows of a split LUN before it leaves it', () => {
    const split = layoutFlashMap(WIDE, 800, 400);
    const down = moveCursor(split, { ch: 0, lun: 0, chk: 4 }, 'down');
    expect(down).toEqual({ ch: 0, lun: 0, chk: 4 + split.columns });
    const next = moveCursor(split, { ch: 0, lun: 1, chk: WIDE.numChk - 1 }, 'down');
    expect(next.ch).toBe(1);
    expect(next.lun).toBe(0);
  });
});
