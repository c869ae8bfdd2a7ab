import { Flag } from './flash-map-looks.ts';
import {
  cellGap,
  detailLevel,
  planeRect,
  spanOf,
  visibleRange,
  type DetailLevel,
  type MapLayout,
  type View,
} from './flash-map-layout.ts';

/**
 * The map's cells lie in a grid, so where a pixel belongs is said by its column and its row apart: what is worked
 * out here for each column and each row of pixels, the painting only adds up.
 */
export interface Axis {
  /** Added up over both axes: where the pixel's code is among the codes of its chunk. */
  readonly index: Int32Array;
  /** Borders and gaps ({@link Flag}). */
  readonly flags: Uint16Array;
}

export interface XSegment {
  readonly column: number;
  readonly from: number;
  readonly to: number;
}

export interface YSegment {
  readonly unit: number;
  readonly row: number;
  /** -1: all planes together. */
  readonly pln: number;
  readonly from: number;
  readonly to: number;
}

export interface Axes {
  readonly level: DetailLevel;
  readonly x: Axis & { readonly segments: readonly XSegment[] };
  readonly y: Axis & { readonly segments: readonly YSegment[] };
  /** Shares are drawn in a grid of so many columns and levels; 0 where each sector is drawn. */
  readonly bins: number;
  readonly levels: number;
  /** Sectors a page takes in the codes: the sectors' grid may have more room than sectors. */
  readonly pageStride: number;
  /** Shorter side of the smallest thing that is drawn, pixels. */
  readonly detailPx: number;
}

/** The part of the canvas that is painted: its place there and its size. */
export interface Plot {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * How a chunk is painted before its pages are large enough to see: as strips of one colour, as shares of what it
 * holds; `flat` stays with strips at every zoom.
 */
export type CellStyle = 'strips' | 'shares' | 'flat';

const MIN_BINS = 4;
const MAX_BINS = 64;
const MAX_LEVELS = 32;
/** Pages are set apart from this size on. */
const PAGE_GAP_FROM = 6;
/** Between pages, and between their sectors, where sectors are cells. */
export const WIDE_GAP = 3;

export function makeAxes(layout: MapLayout, view: View, plot: Plot, style: CellStyle): Axes {
  const seen = detailLevel(layout, view.k);
  const level = style === 'flat' && seen !== 'dot' ? 'chunk' : seen;
  const { pages, sectors, dims } = layout;
  const w = layout.cellW * view.k;
  const h = layout.cellH * view.k;
  const isBars = level === 'chunk' || level === 'dot';
  const bins = isBars && style === 'shares' ? powerBelow(w, MIN_BINS, MAX_BINS) : 0;
  const levels = isBars && style === 'shares' ? powerBelow(h, MIN_BINS, MAX_LEVELS) : 0;
  const pageStride = sectors.columns * sectors.rows;
  const shape: Shape = {
    layout,
    view,
    plot,
    level,
    bins,
    levels,
    pageStride,
    gap: cellGap(w, h),
  };
  const planes = isBars ? (style === 'shares' || h / dims.numPln < 4 ? 1 : dims.numPln) : dims.numPln;
  const detailPx = isBars
    ? Math.min(w, h / planes)
    : Math.min(w / pages.columns / sectors.columns, h / dims.numPln / pages.rows / sectors.rows);
  return { level, x: xAxis(shape), y: yAxis(shape, planes), bins, levels, pageStride, detailPx };
}

interface Shape {
  readonly layout: MapLayout;
  readonly view: View;
  readonly plot: Plot;
  readonly level: DetailLevel;
  readonly bins: number;
  readonly levels: number;
  readonly pageStride: number;
  /** The hairline between cells. */
  readonly gap: number;
}

function xAxis(s: Shape): Axes['x'] {
  const { layout, view, plot } = s;
  const index = new Int32Array(plot.width);
  const flags = new Uint16Array(plot.width);
  const segments: XSegment[] = [];
  const seen = visibleRange(layout, view, plot.x + plot.width, plot.y + plot.height);
  for (let column = seen.firstColumn; column <= seen.lastColumn; column++) {
    const [from, to] = edges(
      view.k * (layout.originX + column * layout.cellW) + view.x,
      view.k * layout.cellW,
      s,
    );
    segments.push({ column, from: from - plot.x, to: to - plot.x });
    const at = { index, flags, from: from - plot.x, to: to - plot.x };
    if (s.level === 'page' || s.level === 'sector') {
      const { pages, sectors } = layout;
      grids(at, s.level, pages.columns, sectors.columns, s.pageStride, 1);
    } else {
      if (s.bins > 0) parts(at, s.bins, s.levels, false);
      border(at, 4);
    }
  }
  return { index, flags, segments };
}

function yAxis(s: Shape, planes: number): Axes['y'] {
  const { layout, view, plot } = s;
  const { dims, pages, sectors } = layout;
  const index = new Int32Array(plot.height);
  const flags = new Uint16Array(plot.height);
  const segments: YSegment[] = [];
  const seen = visibleRange(layout, view, plot.x + plot.width, plot.y + plot.height);
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const ch = Math.floor(unit / dims.numLun);
    const top = layout.originY + ch * layout.chPitch + (unit % dims.numLun) * layout.lunPitch;
    for (let row = 0; row < layout.rowsPerLun; row++) {
      const [y0, y1] = edges(view.k * (top + row * layout.cellH) + view.y, view.k * layout.cellH, s);
      if (y1 < plot.y || y0 > plot.y + plot.height) continue;
      for (let p = 0; p < planes; p++) {
        const strip =
          planes === 1 ? { y: y0, h: y1 - y0 } : planeRect({ x: 0, y: y0, w: 1, h: y1 - y0 }, p, planes);
        const from = strip.y - plot.y;
        const to = strip.y + strip.h - plot.y;
        segments.push({ unit, row, pln: planes === 1 && dims.numPln > 1 ? -1 : p, from, to });
        const at = { index, flags, from, to };
        if (s.level === 'page' || s.level === 'sector')
          grids(at, s.level, pages.rows, sectors.rows, s.pageStride * pages.columns, sectors.columns);
        else {
          if (s.levels > 0) parts(at, s.levels, 1, true);
          border(at, 3);
        }
      }
    }
  }
  return { index, flags, segments };
}

/** Whole pixels, less the hairline: as cellRect() has it. */
function edges(start: number, size: number, { gap }: Shape): [number, number] {
  const from = Math.round(start);
  return [from, from + Math.max(1, Math.round(start + size) - from - gap)];
}

interface Stretch extends Axis {
  readonly from: number;
  readonly to: number;
}

/** Divides a stretch evenly; `isUpwards` counts from its end. */
function parts({ index, from, to }: Stretch, count: number, stride: number, isUpwards: boolean): void {
  const size = to - from;
  for (let i = Math.max(0, from); i < Math.min(to, index.length); i++) {
    const part = Math.min(count - 1, Math.floor(((i - from + 0.5) * count) / size));
    index[i] = (isUpwards ? count - 1 - part : part) * stride;
  }
}

/** Pages, and the sectors in them, along one axis; only those in sight are visited. */
function grids(
  { index, flags, from, to }: Stretch,
  level: DetailLevel,
  pages: number,
  sectors: number,
  pageStride: number,
  sectorStride: number,
): void {
  const size = to - from;
  const first = clamp(Math.floor((-from * pages) / size) - 1, 0, pages - 1);
  const last = clamp(Math.ceil(((index.length - from) * pages) / size) + 1, 0, pages - 1);
  for (let page = first; page <= last; page++) {
    const [p0, p1] = spanOf(from, size, pages, page);
    const gap = level === 'sector' ? WIDE_GAP : p1 - p0 >= PAGE_GAP_FROM ? 1 : 0;
    for (let sec = 0; sec < sectors; sec++) {
      const [s0, s1] = spanOf(p0, p1 - p0 - gap, sectors, sec);
      const end = level === 'sector' ? s1 - 1 : s1;
      for (let i = Math.max(0, s0); i < Math.min(s1, index.length); i++) {
        index[i] = page * pageStride + sec * sectorStride;
        flags[i] = i >= end ? Flag.gap : level === 'sector' && (i === s0 || i === end - 1) ? Flag.edge : 0;
      }
    }
    for (let i = Math.max(0, p1 - gap); i < Math.min(p1, index.length); i++) flags[i] = Flag.gap;
  }
}

function border({ flags, from, to }: Stretch, fromSize: number): void {
  if (to - from < fromSize) return;
  for (const i of [from, to - 1]) if (i >= 0 && i < flags.length) flags[i] = Flag.edge;
}

function powerBelow(value: number, low: number, high: number): number {
  return clamp(2 ** Math.floor(Math.log2(Math.max(1, value))), low, high);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
