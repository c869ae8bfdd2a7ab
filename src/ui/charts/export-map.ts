import type { Plot } from './flash-map-axes.ts';
import { everyNth } from './flash-map-gutters.ts';
import { chunkRect, toScreen, visibleRange, type MapLayout, type View } from './flash-map-layout.ts';
import type { Palette } from './flash-map-palette.ts';

/** One line of a legend as it is drawn: a swatch in one colour, and words. */
export interface DrawnEntry {
  readonly colour: string;
  readonly text: string;
}

export interface MapPicture {
  readonly layout: MapLayout;
  readonly view: View;
  /** Where the cells are in the picture, CSS pixels. */
  readonly plot: Plot;
  /** The cells as they are painted: pixels of the plot as 0xAABBGGRR, row by row. */
  readonly pixels: Uint32Array;
  readonly palette: Palette;
  readonly title: string;
  readonly legend: readonly DrawnEntry[];
}

const TITLE_HEIGHT = 24;
const LEGEND_ROW = 18;
const LEGEND_COLUMN = 190;

/**
 * The map as SVG text: each cell is an area, each name a text, so that it can be enlarged and edited. Made from the
 * pixels that are on the page, so it shows exactly those, patterns included.
 */
export function mapSvg(picture: MapPicture): string {
  const { plot, palette, legend } = picture;
  const width = Math.ceil(plot.x + plot.width + 4);
  const perRow = Math.max(1, Math.floor((width - 16) / LEGEND_COLUMN));
  const legendTop = TITLE_HEIGHT + plot.y + plot.height + 10;
  const height = Math.ceil(legendTop + Math.ceil(legend.length / perRow) * LEGEND_ROW + 8);
  const entries = legend.map(({ colour, text }, i) => {
    const x = 8 + (i % perRow) * LEGEND_COLUMN;
    const y = legendTop + Math.floor(i / perRow) * LEGEND_ROW;
    return `<rect x="${x}" y="${y}" width="14" height="10" rx="2" fill="${colour}" stroke="${palette.gridLine}"/><text x="${x + 20}" y="${y + 9}">${escape(text)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="100%" height="100%" fill="${palette.surface}"/>`,
    `<g font-family="system-ui, sans-serif" font-size="12" fill="${palette.text}">`,
    `<text x="8" y="16" font-size="13" font-weight="600">${escape(picture.title)}</text>`,
    ...entries,
    '</g>',
    `<g transform="translate(0 ${TITLE_HEIGHT})">`,
    `<g font-family="monospace" font-size="11" fill="${palette.muted}">`,
    ...names(picture),
    '</g>',
    `<g transform="translate(${plot.x} ${plot.y})" shape-rendering="crispEdges">`,
    ...areas(picture.pixels, plot.width, plot.height, palette.surface),
    '</g></g></svg>',
  ].join('\n');
}

/** LUNs at the left and chunks on top, as many as there is room for. */
function names({ layout, view, plot }: MapPicture): string[] {
  const { dims } = layout;
  const seen = visibleRange(layout, view, plot.x + plot.width, plot.y + plot.height);
  const out: string[] = [];
  const rowStep = everyNth(layout.lunPitch * view.k, 13);
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const ch = Math.floor(unit / dims.numLun);
    const lun = unit % dims.numLun;
    if (lun % rowStep !== 0) continue;
    const r = toScreen(view, chunkRect(layout, { ch, lun, chk: 0 }));
    const y = r.y + (r.h * layout.rowsPerLun) / 2;
    if (y < plot.y || y > plot.y + plot.height) continue;
    const text = dims.numCh > 1 ? `c${ch} L${lun}` : `LUN ${lun}`;
    out.push(`<text x="${plot.x - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end">${text}</text>`);
  }
  const step = everyNth(layout.cellW * view.k, 12 + 7 * String(dims.numChk).length);
  for (let column = Math.ceil(seen.firstColumn / step) * step; column <= seen.lastColumn; column += step) {
    const r = toScreen(view, chunkRect(layout, { ch: 0, lun: 0, chk: column }));
    const x = r.x + r.w / 2;
    if (x < plot.x || x > plot.x + plot.width) continue;
    out.push(`<text x="${x.toFixed(1)}" y="${plot.y - 6}" text-anchor="middle">${column}</text>`);
  }
  return out;
}

interface Run {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly colour: number;
}

/** One path for each colour: neighbouring pixels of a row are one run, equal runs below each other one rectangle. */
export function areas(pixels: Uint32Array, width: number, height: number, ground: string): string[] {
  const paths = new Map<number, string[]>();
  const emit = ({ x, y, w, colour }: Run, end: number) => {
    const list = paths.get(colour) ?? [];
    paths.set(colour, list);
    list.push(`M${x} ${y}h${w}v${end - y}h-${w}z`);
  };
  let above = new Map<number, Run>();
  for (let y = 0; y < height; y++) {
    const row = new Map<number, Run>();
    for (let x = 0; x < width;) {
      const colour = pixels[y * width + x] as number;
      let end = x + 1;
      while (end < width && pixels[y * width + end] === colour) end++;
      const before = above.get(x);
      if (before?.colour === colour && before.w === end - x) {
        row.set(x, before);
        above.delete(x);
      } else row.set(x, { x, y, w: end - x, colour });
      x = end;
    }
    for (const run of above.values()) emit(run, y);
    above = row;
  }
  for (const run of above.values()) emit(run, height);
  return [...paths]
    .map(([colour, list]) => [css(colour), list] as const)
    .filter(([colour]) => colour !== ground.toLowerCase())
    .map(([colour, list]) => `<path fill="${colour}" d="${list.join('')}"/>`);
}

/** A pixel, 0xAABBGGRR, as #rrggbb. */
function css(pixel: number): string {
  const hex = (n: number) => (n & 0xff).toString(16).padStart(2, '0');
  return `#${hex(pixel)}${hex(pixel >>> 8)}${hex(pixel >>> 16)}`;
}

/** Words come from the guest too (names of disks): they stay words. */
function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
