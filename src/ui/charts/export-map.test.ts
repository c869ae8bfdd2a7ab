import { describe, expect, it } from 'vitest';
import { areas, mapSvg } from './export-map.ts';
import { layoutFlashMap } from './flash-map-layout.ts';
import { packPixel, type Palette } from './flash-map-palette.ts';

/** Fills the areas again. */
function painted(paths: readonly string[], width: number, height: number, ground: string): Uint32Array {
  const pixels = new Uint32Array(width * height).fill(packPixel(ground));
  for (const path of paths) {
    const [, fill = '', d = ''] = /fill="(#[0-9a-f]{6})" d="([^"]*)"/.exec(path) ?? [];
    for (const [, x, y, w, h] of d.matchAll(/M(\d+) (\d+)h(\d+)v(\d+)h-\d+z/g))
      for (let j = 0; j < Number(h); j++)
        for (let i = 0; i < Number(w); i++) pixels[(Number(y) + j) * width + Number(x) + i] = packPixel(fill);
  }
  return pixels;
}

describe('the map as SVG', () => {
  it('has exactly the pixels that were painted', () => {
    const [width, height] = [37, 23];
    const colours = ['#ffffff', '#009e73', '#e69f00', '#56b4e9'].map(packPixel);
    let seed = 12345;
    const random = () => (seed = (seed * 1103515245 + 12345) >>> 0) / 2 ** 32;
    // Cells of some pixels, as on a map, and single pixels as in its patterns.
    const pixels = Uint32Array.from({ length: width * height }, () => colours[0] as number);
    for (let n = 0; n < 60; n++) {
      const [x0, y0] = [Math.floor(random() * width), Math.floor(random() * height)];
      const colour = colours[Math.floor(random() * 4)] as number;
      for (let y = y0; y < Math.min(height, y0 + n / 8); y++)
        for (let x = x0; x < Math.min(width, x0 + 5); x++) pixels[y * width + x] = colour;
    }
    expect(painted(areas(pixels, width, height, '#ffffff'), width, height, '#ffffff')).toEqual(pixels);
  });

  it('makes one area of what is one', () => {
    const pixels = new Uint32Array(100 * 50).fill(packPixel('#009e73'));
    expect(areas(pixels, 100, 50, '#ffffff')).toEqual(['<path fill="#009e73" d="M0 0h100v50h-100z"/>']);
  });

  it('names rows and columns, and lets no word be more than a word', () => {
    const dims = { numCh: 2, numLun: 2, numPln: 1, numChk: 8, numPg: 4, secsPerPg: 4 };
    const plot = { x: 58, y: 20, width: 342, height: 180 };
    const svg = mapSvg({
      layout: layoutFlashMap(dims, 400, 200, 58, 20),
      view: { k: 1, x: 0, y: 0 },
      plot,
      pixels: new Uint32Array(plot.width * plot.height).fill(packPixel('#ffffff')),
      palette: { surface: '#ffffff', text: '#000000', muted: '#555555', gridLine: '#cccccc' } as Palette,
      title: '<script>alert("x")</script>',
      legend: [{ colour: '#009e73', text: 'a & b' }],
    });
    expect(svg).toContain('>c1 L1</text>');
    expect(svg).toContain('>7</text>');
    expect(svg).toContain('a &amp; b');
    expect(svg).not.toContain('<script');
  });
});
