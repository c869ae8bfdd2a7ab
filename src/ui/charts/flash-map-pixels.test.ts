import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { TraceModel } from '../../trace/model.ts';
import { CellPainter } from './flash-map-cells.ts';
import { layerContext } from './flash-map-codes.ts';
import { CHUNK_STATE } from './flash-map-data.ts';
import { DotPainter } from './flash-map-dots.ts';
import { cellRect, detailLevel, layoutFlashMap, type MapLayout } from './flash-map-layout.ts';
import { packPixel, readPalette } from './flash-map-palette.ts';
import { moveInLevel, placeRect, pointOf } from './flash-map-places.ts';
import { NARROW_SHAPE, sampleSmall, SMALL_SHAPE } from './flash-map-sample.ts';
import { mapSource, type MapLayer } from './flash-map-source.ts';

const css = readFileSync(new URL('../styles/tokens.css', import.meta.url), 'utf8');
const tokens = new Map<string, string>();
for (const [, selector = '', body = ''] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g))
  if (!selector.includes("'dark'"))
    for (const [, name = '', value = ''] of body.matchAll(/(--[\w-]+):\s*([^;]+);/g)) tokens.set(name, value);
const palette = readPalette(
  (name) => tokens.get(name) ?? '',
  (colour) => colour,
);

const PLOT = { x: 58, y: 20, width: 742, height: 480 };
const HOME = { k: 1, x: 0, y: 0 };

function painted(shape = SMALL_SHAPE, layer: MapLayer = 'validity', view = HOME) {
  const model = new TraceModel(shape);
  sampleSmall(model, shape);
  const source = mapSource(model);
  const layout = layoutFlashMap(shape, 800, 498, PLOT.x, PLOT.y);
  const pixels = new Uint32Array(PLOT.width * PLOT.height).fill(packPixel(palette.surface));
  const painter = new CellPainter();
  const context = layerContext(source, layer, 50);
  painter.aim(context, layout, view, PLOT, palette, '');
  painter.paintAll(context, layout, PLOT, pixels);
  return { model, source, layout, pixels, painter, context };
}

const at = (pixels: Uint32Array, x: number, y: number) => pixels[(y - PLOT.y) * PLOT.width + (x - PLOT.x)];

describe('pixels of chunks', () => {
  it('begin with the pure colour of the state at the left edge', () => {
    const { layout, pixels } = painted(NARROW_SHAPE, 'state');
    expect(detailLevel(layout, 1)).toBe('chunk');
    for (const [lun, chk, colour] of [
      [0, 0, palette.closed],
      [1, 3, palette.open],
      [3, 12, palette.free],
      [2, 9, palette.offline],
    ] as const) {
      const r = cellRect(layout, HOME, { ch: 0, lun, chk });
      expect(at(pixels, r.x + 1, Math.floor(r.y + r.h / 4)), `LUN ${lun} chunk ${chk}`).toBe(
        packPixel(colour),
      );
    }
  });

  it('show old copies, and where a line begins', () => {
    const { layout, pixels } = painted(NARROW_SHAPE, 'validity');
    const r = cellRect(layout, HOME, { ch: 0, lun: 0, chk: 0 });
    expect(at(pixels, r.x, r.y + 4)).toBe(packPixel(palette.meta));
    const inside = new Set<number | undefined>();
    for (let y = r.y; y < r.y + r.h; y++) for (let x = r.x; x < r.x + r.w; x++) inside.add(at(pixels, x, y));
    expect(inside).toContain(packPixel(palette.valid));
    expect(inside).toContain(packPixel(palette.staleTint));
  });

  it('are the same when only one chunk is painted again', () => {
    const { model, layout, pixels, painter, context } = painted(NARROW_SHAPE, 'validity');
    model.erase((1 * 4 + 0) * 2);
    painter.forget(4);
    painter.paintChunk(context, layout, PLOT, pixels, 4);
    const whole = new Uint32Array(pixels.length).fill(packPixel(palette.surface));
    painter.forgetAll();
    painter.paintAll(context, layout, PLOT, whole);
    expect(pixels).toEqual(whole);
  });

  it('of a sector are where placeRect says, at any zoom', () => {
    const view = { k: 9, x: -700, y: -300 };
    const { model, layout, pixels } = painted(SMALL_SHAPE, 'validity', view);
    expect(detailLevel(layout, view.k)).toBe('sector');
    const seen = new Set<string>();
    for (let block = 0; block < 24; block++)
      for (let sec = 0; sec < 64; sec++) {
        const r = placeRect(layout, view, pointOf(SMALL_SHAPE, block, sec), 'sector');
        const [x, y] = [Math.floor(r.x + r.w / 2), Math.floor(r.y + r.h / 2)];
        if (x < PLOT.x || y < PLOT.y || x >= 800 || y >= 500) continue;
        const kind = model.kindOf(block, sec);
        const wanted = [
          [palette.surface],
          [palette.valid],
          [palette.valid, palette.staleTint],
          [palette.padding, palette.paddingTint],
          [palette.meta],
        ][kind];
        if (!wanted) continue;
        seen.add(String(kind));
        expect(wanted.map(packPixel)).toContain(at(pixels, x, y));
        // The gap to the next one.
        expect(at(pixels, r.x + r.w, y)).toBe(packPixel(palette.surface));
      }
    expect(seen.size).toBeGreaterThanOrEqual(3);
  });
});

describe('pixels of dots', () => {
  it('lose no chunk that matters, however many share a pixel', () => {
    const shape = { ...SMALL_SHAPE, numCh: 4, numLun: 32, numPln: 1, numChk: 7000 };
    const model = new TraceModel(shape);
    const bad = [3, 777_777, 4 * 32 * 7000 - 1];
    for (const block of bad) model.entry(block, CHUNK_STATE.offline, 0, 0);
    const source = mapSource(model);
    const layout: MapLayout = layoutFlashMap(shape, 800, 498, PLOT.x, PLOT.y);
    expect(detailLevel(layout, 1)).toBe('dot');
    const pixels = new Uint32Array(PLOT.width * PLOT.height);
    const dots = new DotPainter();
    const context = layerContext(source, 'state', 5);
    dots.restart(context);
    while (!dots.update(context, 1000));
    dots.paint(layout, HOME, PLOT, palette, pixels);
    const found = pixels.filter((pixel) => pixel === packPixel(palette.offline)).length;
    expect(found).toBeGreaterThanOrEqual(bad.length);
    for (const block of bad) {
      const r = cellRect(layout, HOME, pointOf(shape, block));
      const near = [at(pixels, Math.max(r.x - 1, PLOT.x), r.y), at(pixels, r.x, r.y)];
      expect(near, String(block)).toContain(packPixel(palette.offline));
    }
  });
});

describe('the cursor among pages and sectors', () => {
  const layout = layoutFlashMap(SMALL_SHAPE, 800, 498, PLOT.x, PLOT.y);
  const home = { ch: 0, lun: 0, chk: 0, pln: 0, pg: 0, sec: 0 };

  it('goes to every neighbour and back', () => {
    for (const level of ['page', 'sector'] as const)
      for (const [there, back] of [
        ['right', 'left'],
        ['down', 'up'],
      ] as const) {
        let place = home;
        for (let i = 0; i < 40; i++) {
          const next = moveInLevel(layout, place, level, there);
          expect(next).not.toEqual(place);
          expect(moveInLevel(layout, next, level, back)).toEqual(place);
          place = next;
          if (place.lun === 3 && there === 'down') break;
        }
      }
  });

  it('stays at the edges of the device', () => {
    expect(moveInLevel(layout, home, 'sector', 'left')).toEqual(home);
    expect(moveInLevel(layout, home, 'sector', 'up')).toEqual(home);
    const last = { ch: 0, lun: 3, chk: 23, pln: 1, pg: 15, sec: 3 };
    expect(moveInLevel(layout, last, 'sector', 'right')).toEqual(last);
    expect(moveInLevel(layout, last, 'sector', 'down')).toEqual(last);
  });
});
