import { WIDE_GAP } from './flash-map-axes.ts';
import {
  cellRect,
  chunkAt,
  chunkIndex,
  moveCursor,
  planeRect,
  spanOf,
  type CursorMove,
  type DetailLevel,
  type MapDims,
  type MapLayout,
  type MapPoint,
  type Rect,
  type View,
} from './flash-map-layout.ts';

/** Block (a plane of a chunk) and sector in it, as recordings count, of a point of the map. */
export function blockOf(dims: MapDims, at: MapPoint): { block: number; sec: number } {
  return { block: chunkIndex(dims, at) * dims.numPln + at.pln, sec: at.pg * dims.secsPerPg + at.sec };
}

export function pointOf(dims: MapDims, block: number, sec = 0): MapPoint {
  const pln = block % dims.numPln;
  const inPage = sec % dims.secsPerPg;
  return {
    ...chunkAt(dims, (block - pln) / dims.numPln),
    pln,
    pg: (sec - inPage) / dims.secsPerPg,
    sec: inPage,
  };
}

/** Where a point is painted, as small as the level shows it: a chunk, a page or a sector. */
export function placeRect(layout: MapLayout, view: View, at: MapPoint, level: DetailLevel): Rect {
  const cell = cellRect(layout, view, at);
  if (level === 'dot' || level === 'chunk') return cell;
  const { pages, sectors, dims } = layout;
  const strip = planeRect(cell, at.pln, dims.numPln);
  const [x0, x1] = spanOf(strip.x, strip.w, pages.columns, at.pg % pages.columns);
  const [y0, y1] = spanOf(strip.y, strip.h, pages.rows, Math.floor(at.pg / pages.columns));
  if (level === 'page') return { x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
  const [u0, u1] = spanOf(x0, x1 - x0 - WIDE_GAP, sectors.columns, at.sec % sectors.columns);
  const [v0, v1] = spanOf(y0, y1 - y0 - WIDE_GAP, sectors.rows, Math.floor(at.sec / sectors.columns));
  return { x: u0, y: v0, w: u1 - u0 - 1, h: v1 - v0 - 1 };
}

/** Where the keyboard cursor goes, in steps of what the level shows. It stays put at the edges of the device. */
export function moveInLevel(layout: MapLayout, at: MapPoint, level: DetailLevel, move: CursorMove): MapPoint {
  if (level === 'dot' || level === 'chunk') return { ...at, ...moveCursor(layout, at, move) };
  if (move === 'prevCh' || move === 'nextCh')
    return { ...at, ...moveCursor(layout, at, move === 'prevCh' ? 'left' : 'right') };
  const grid = new FineGrid(layout, level);
  const { x, y } = grid.of(at);
  switch (move) {
    case 'left':
      return grid.at(at, x - 1, y) ?? (grid.isAtEdge(at, move) ? at : grid.last(grid.beside(at, move), y));
    case 'right':
      return grid.at(at, x + 1, y) ?? (grid.isAtEdge(at, move) ? at : grid.first(grid.beside(at, move), y));
    case 'rowStart':
      return grid.at(at, 0, y) ?? at;
    case 'rowEnd':
      return grid.last(at, y);
    case 'up':
      return grid.at(at, x, y - 1) ?? grid.above(at, x);
    case 'down':
      return grid.at(at, x, y + 1) ?? grid.below(at, x);
  }
}

/** Cells of one plane of a chunk by their column and row: pages, or sectors. */
class FineGrid {
  private readonly layout: MapLayout;
  private readonly inX: number;
  private readonly inY: number;

  constructor(layout: MapLayout, level: DetailLevel) {
    this.layout = layout;
    this.inX = level === 'sector' ? layout.sectors.columns : 1;
    this.inY = level === 'sector' ? layout.sectors.rows : 1;
  }

  of({ pg, sec }: MapPoint): { x: number; y: number } {
    const { pages, sectors } = this.layout;
    const inPage = this.inX * this.inY > 1 ? sec : 0;
    return {
      x: (pg % pages.columns) * this.inX + (inPage % sectors.columns),
      y: Math.floor(pg / pages.columns) * this.inY + Math.floor(inPage / sectors.columns),
    };
  }

  /** The cell there, in the plane of `in`; undefined where there is none. */
  at(base: MapPoint, x: number, y: number): MapPoint | undefined {
    const { pages, dims } = this.layout;
    if (x < 0 || y < 0 || x >= pages.columns * this.inX) return undefined;
    const pg = Math.floor(y / this.inY) * pages.columns + Math.floor(x / this.inX);
    const sec = (y % this.inY) * this.inX + (x % this.inX);
    return pg < dims.numPg && sec < dims.secsPerPg ? { ...base, pg, sec } : undefined;
  }

  first(base: MapPoint, y: number): MapPoint {
    return this.at(base, 0, y) ?? { ...base, pg: 0, sec: 0 };
  }

  last(base: MapPoint, y: number): MapPoint {
    for (let x = this.layout.pages.columns * this.inX - 1; x >= 0; x--) {
      const found = this.at(base, x, y);
      if (found) return found;
    }
    return base;
  }

  isAtEdge(at: MapPoint, move: 'left' | 'right'): boolean {
    return moveCursor(this.layout, at, move).chk === at.chk;
  }

  beside(at: MapPoint, move: 'left' | 'right'): MapPoint {
    return { ...at, ...moveCursor(this.layout, at, move) };
  }

  above(at: MapPoint, x: number): MapPoint {
    const { dims } = this.layout;
    const up = at.pln > 0 ? { ...at, pln: at.pln - 1 } : this.otherChunk(at, 'up', dims.numPln - 1);
    if (up === at) return at;
    for (let y = this.layout.pages.rows * this.inY - 1; y >= 0; y--) {
      const found = this.at(up, x, y);
      if (found) return found;
    }
    return up;
  }

  below(at: MapPoint, x: number): MapPoint {
    const { dims } = this.layout;
    const down = at.pln < dims.numPln - 1 ? { ...at, pln: at.pln + 1 } : this.otherChunk(at, 'down', 0);
    return down === at ? at : (this.at(down, x, 0) ?? down);
  }

  private otherChunk(at: MapPoint, move: 'up' | 'down', pln: number): MapPoint {
    const to = moveCursor(this.layout, at, move);
    return chunkIndex(this.layout.dims, to) === chunkIndex(this.layout.dims, at) ? at : { ...at, ...to, pln };
  }
}
