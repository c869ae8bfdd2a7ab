import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Code } from './flash-map-codes.ts';
import { Flag, lookTable } from './flash-map-looks.ts';
import { contrast, packPixel, readPalette } from './flash-map-palette.ts';

const css = readFileSync(new URL('../styles/tokens.css', import.meta.url), 'utf8');

function palette(theme: 'light' | 'dark') {
  const values = new Map<string, string>();
  for (const [, selector = '', body = ''] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    if (selector.includes('data-theme') && !selector.includes(`'${theme}'`)) continue;
    for (const [, name = '', value = ''] of body.matchAll(/(--[\w-]+):\s*([^;]+);/g)) values.set(name, value);
  }
  return readPalette(
    (name) => values.get(name) ?? '',
    (colour) => colour,
  );
}

for (const theme of ['light', 'dark'] as const) {
  describe(`looks of cells, ${theme}`, () => {
    const p = palette(theme);
    const grounds = [p.surface, p.free];

    it('what means something stands out from the ground by 3:1', () => {
      const meant = {
        valid: p.valid,
        staleDiagonal: p.valid,
        padding: p.padding,
        meta: p.meta,
        unknown: p.unknownCell,
        gc: p.gc,
        users: p.users,
        wear: p.wear,
        ages: p.ages,
        offline: p.offline,
        operations: [p.opRead, p.opWrite, p.opErase],
      };
      for (const [name, colours] of Object.entries(meant))
        for (const colour of [colours].flat())
          for (const ground of grounds)
            expect(contrast(colour, ground), `${name} ${colour} on ${ground}`).toBeGreaterThanOrEqual(3);
    });

    it('stale is told from valid and from erased, with its diagonals and without', () => {
      expect(contrast(p.valid, p.staleTint)).toBeGreaterThanOrEqual(2);
      expect(contrast(p.valid, p.stale)).toBeGreaterThanOrEqual(1.5);
      for (const ground of grounds) expect(contrast(p.stale, ground)).toBeGreaterThanOrEqual(1.5);
      const table = lookTable(p, 'cells');
      expect(table[Code.stale]).toBe(packPixel(p.staleTint));
      expect(table[Code.stale | Flag.diagonal]).toBe(packPixel(p.valid));
      expect(table[Code.valid | Flag.diagonal]).toBe(packPixel(p.valid));
      expect(lookTable(p, 'plain')[Code.stale | Flag.diagonal]).toBe(packPixel(p.stale));
    });

    it('scales go one way', () => {
      for (const scale of [p.wear, p.ages]) {
        const steps = scale.map((colour) => contrast(colour, p.surface));
        const sorted = [...steps].sort((a, b) => a - b);
        expect([sorted, sorted.toReversed()]).toContainEqual(steps);
      }
      expect(contrast(p.wear[0] ?? '', p.wear.at(-1) ?? '')).toBeGreaterThan(2.5);
    });

    it('outlines what garbage collection copied, and leaves gaps alone', () => {
      const table = lookTable(p, 'cells');
      expect(table[Code.validGc | Flag.edge]).toBe(packPixel(p.gc));
      expect(table[Code.valid | Flag.edge]).toBe(packPixel(p.valid));
      for (const code of [Code.valid, Code.offline, Code.free])
        expect(table[code | Flag.gap | Flag.edge]).toBe(packPixel(p.surface));
    });
  });
}
