/**
 * Where everything is on the flash map: channels → LUNs → chunks → planes → pages → sectors. Pure
 * arithmetic both ways (address → rectangle, point → address), so that nothing needs an element per cell
 * and tests need no browser.
 *
 * A LUN is a row (or a few, when its chunks do not fit in one) and the same chunk index is the same
 * column in every LUN: that column is what pblk calls a line.
 */

/** The part of MapShape (src/rpc/protocol.ts) that the layout needs. */
export interface MapDims {
  readonly numCh: number;
  readonly numLun: number;
  readonly numPln: number;
  readonly numChk: number;
  readonly numPg: number;
  readonly secsPerPg: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** Zoom as d3 has it: screen = k × world + (x, y). */
export interface View {
  readonly k: number;
  readonly x: number;
  readonly y: number;
}

export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

export interface MapLayout {
  readonly dims: MapDims;
  /** World coordinates of the first cell (the labels' gutters are to the left and above). */
  readonly originX: number;
  readonly originY: number;
  /** Pitch of a chunk's cell at zoom 1. */
  readonly cellW: number;
  readonly cellH: number;
  /** Chunks side by side in one row of a LUN, and rows in one LUN. */
  readonly columns: number;
  readonly rowsPerLun: number;
  readonly lunPitch: number;
  readonly chPitch: number;
  readonly width: number;
  readonly height: number;
  /** Pages within a plane's strip, sectors within a page. */
  readonly pages: Grid;
  readonly sectors: Grid;
  /** Zoom at which a sector is big enough to read. */
  readonly maxZoom: number;
}

export interface ChunkAddress {
  readonly ch: number;
  readonly lun: number;
  readonly chk: number;
}

/** A point of the map, as deep as it goes; pg and sec are where the point lies, drawn or not. */
export interface MapPoint extends ChunkAddress {
  readonly pln: number;
  readonly pg: number;
  readonly sec: number;
}

/** What one cell shows at a zoom: a coloured dot, a chunk, its pages, their sectors. */
export type DetailLevel = 'dot' | 'chunk' | 'page' | 'sector';

const MAX_CELL_PX = 60;
const READABLE_SECTOR_PX = 30;
/** A row is split only when its cells would be narrower than this. */
const WRAP_BELOW_PX = 5;

export function layoutFlashMap(
  dims: MapDims,
  viewWidth: number,
  viewHeight: number,
  gutterLeft = 0,
  gutterTop = 0,
): MapLayout {
  const plotW = Math.max(40, viewWidth - gutterLeft);
  const plotH = Math.max(40, viewHeight - gutterTop);
  const luns = dims.numCh * dims.numLun;
  const lunGap = Math.min(3, (plotH * 0.15) / luns);
  const chGap = dims.numCh > 1 ? Math.min(10, (plotH * 0.1) / dims.numCh) : 0;
  const rowsSpace = plotH - lunGap * luns - chGap * dims.numCh;

  const rowsPerLun = chooseRows(dims.numChk, luns, plotW, rowsSpace);
  const columns = Math.ceil(dims.numChk / rowsPerLun);
  const cellW = Math.min(MAX_CELL_PX, plotW / columns);
  const cellH = Math.min(MAX_CELL_PX, rowsSpace / (luns * rowsPerLun));
  const lunPitch = rowsPerLun * cellH + lunGap;
  const chPitch = dims.numLun * lunPitch + chGap;

  const pages = squarishGrid(dims.numPg, cellW / (cellH / dims.numPln));
  const sectors = squarishGrid(dims.secsPerPg, 1.5);
  const sectorSide = Math.min(
    cellW / pages.columns / sectors.columns,
    cellH / dims.numPln / pages.rows / sectors.rows,
  );
  return {
    dims,
    originX: gutterLeft,
    originY: gutterTop,
    cellW,
    cellH,
    columns,
    rowsPerLun,
    lunPitch,
    chPitch,
    width: columns * cellW,
    height: dims.numCh * chPitch,
    pages,
    sectors,
    maxZoom: Math.max(8, READABLE_SECTOR_PX / sectorSide),
  };
}

/** One row a LUN wherever that is readable: lines are columns then. Otherwise the squarest split. */
function chooseRows(numChk: number, luns: number, width: number, height: number): number {
  const smallestSide = (rows: number) => Math.min(width / Math.ceil(numChk / rows), height / (luns * rows));
  let best = 1;
  if (width / numChk >= WRAP_BELOW_PX) return best;
  for (let rows = 2; rows <= numChk && height / (luns * rows) >= 1; rows++) {
    if (smallestSide(rows) > smallestSide(best)) best = rows;
  }
  return best;
}

/** Columns and rows for `count` things in a box of that aspect (width / height); columns a power of two. */
export function squarishGrid(count: number, aspect: number): Grid {
  const ideal = Math.sqrt(count * aspect);
  const columns = Math.min(count, 2 ** Math.max(0, Math.round(Math.log2(Math.max(1, ideal)))));
  return { columns, rows: Math.ceil(count / columns) };
}

/** Index of a chunk over the whole device: the block index of protocol.ts divided by the planes. */
export function chunkIndex(dims: MapDims, at: ChunkAddress): number {
  return (at.chk * dims.numCh + at.ch) * dims.numLun + at.lun;
}

export function chunkAt(dims: MapDims, index: number): ChunkAddress {
  const lun = index % dims.numLun;
  const rest = (index - lun) / dims.numLun;
  const ch = rest % dims.numCh;
  return { ch, lun, chk: (rest - ch) / dims.numCh };
}

/** The chunk's cell in world coordinates, without the hairline between cells. */
export function chunkRect(layout: MapLayout, at: ChunkAddress): Rect {
  const row = Math.floor(at.chk / layout.columns);
  return {
    x: layout.originX + (at.chk % layout.columns) * layout.cellW,
    y: layout.originY + at.ch * layout.chPitch + at.lun * layout.lunPitch + row * layout.cellH,
    w: layout.cellW,
    h: layout.cellH,
  };
}

export function toScreen(view: View, rect: Rect): Rect {
  return {
    x: view.k * rect.x + view.x,
    y: view.k * rect.y + view.y,
    w: view.k * rect.w,
    h: view.k * rect.h,
  };
}

/** Between chunks: a hairline, and more where their pages are set apart by one. */
export function cellGap(w: number, h: number): number {
  const side = Math.min(w, h);
  return side < 5 ? 0 : side < 48 ? 1 : side < 120 ? 2 : 4;
}

/** The chunk's cell on the screen as it is painted: whole pixels, less a hairline where there is room. */
export function cellRect(layout: MapLayout, view: View, at: ChunkAddress): Rect {
  const r = toScreen(view, chunkRect(layout, at));
  const gap = cellGap(r.w, r.h);
  const x = Math.round(r.x);
  const y = Math.round(r.y);
  return {
    x,
    y,
    w: Math.max(1, Math.round(r.x + r.w) - x - gap),
    h: Math.max(1, Math.round(r.y + r.h) - y - gap),
  };
}

/** The n-th of `count` parts of a stretch of pixels, from and to: whole pixels, nothing left over. */
export function spanOf(start: number, size: number, count: number, n: number): readonly [number, number] {
  return [start + Math.round((size * n) / count), start + Math.round((size * (n + 1)) / count)];
}

/** A plane's strip within a painted cell: planes are stacked, plane 0 on top. */
export function planeRect(cell: Rect, pln: number, numPln: number): Rect {
  const top = Math.round((cell.h * pln) / numPln);
  const bottom = Math.round((cell.h * (pln + 1)) / numPln);
  const size = bottom - top;
  const gap = pln === numPln - 1 || size < 5 ? 0 : size < 48 ? 1 : 2;
  return { x: cell.x, y: cell.y + top, w: cell.w, h: Math.max(1, bottom - top - gap) };
}

/** The n-th part of a box divided by a grid, row by row. */
export function gridRect(box: Rect, grid: Grid, n: number): Rect {
  const w = box.w / grid.columns;
  const h = box.h / grid.rows;
  return { x: box.x + (n % grid.columns) * w, y: box.y + Math.floor(n / grid.columns) * h, w, h };
}

export function detailLevel(layout: MapLayout, k: number): DetailLevel {
  const w = layout.cellW * k;
  const h = layout.cellH * k;
  if (Math.min(w, h) < 5) return 'dot';
  const page = Math.min(w / layout.pages.columns, h / layout.dims.numPln / layout.pages.rows);
  if (page < 4) return 'chunk';
  const sector = Math.min(
    w / layout.pages.columns / layout.sectors.columns,
    h / layout.dims.numPln / layout.pages.rows / layout.sectors.rows,
  );
  return sector < 9 ? 'page' : 'sector';
}

/** What lies under a point of the screen; undefined in the gaps, gutters and beyond the last chunk. */
export function hitTest(
  layout: MapLayout,
  view: View,
  screenX: number,
  screenY: number,
): MapPoint | undefined {
  const { dims } = layout;
  const x = (screenX - view.x) / view.k - layout.originX;
  const y = (screenY - view.y) / view.k - layout.originY;
  if (x < 0 || y < 0) return undefined;
  const ch = Math.floor(y / layout.chPitch);
  const inCh = y - ch * layout.chPitch;
  const lun = Math.floor(inCh / layout.lunPitch);
  const inLun = inCh - lun * layout.lunPitch;
  const row = Math.floor(inLun / layout.cellH);
  const column = Math.floor(x / layout.cellW);
  if (ch >= dims.numCh || lun >= dims.numLun || row >= layout.rowsPerLun || column >= layout.columns)
    return undefined;
  const chk = row * layout.columns + column;
  if (chk >= dims.numChk) return undefined;

  const fx = x / layout.cellW - column;
  const fy = (inLun / layout.cellH - row) * dims.numPln;
  const pln = Math.min(dims.numPln - 1, Math.floor(fy));
  const page = inGrid(layout.pages, fx, fy - pln, dims.numPg);
  const sector = inGrid(layout.sectors, page.fx, page.fy, dims.secsPerPg);
  return { ch, lun, chk, pln, pg: page.n, sec: sector.n };
}

function inGrid(grid: Grid, fx: number, fy: number, count: number) {
  const x = fx * grid.columns;
  const y = fy * grid.rows;
  const n = Math.floor(y) * grid.columns + Math.floor(x);
  return { n: Math.min(n, count - 1), fx: x - Math.floor(x), fy: y - Math.floor(y) };
}

/** Inclusive ranges of LUN units (channel-major) and of columns and rows that the window shows. */
export interface Visible {
  readonly firstUnit: number;
  readonly lastUnit: number;
  readonly firstColumn: number;
  readonly lastColumn: number;
}

export function visibleRange(layout: MapLayout, view: View, width: number, height: number): Visible {
  const { dims } = layout;
  const top = (layout.originY - view.y) / view.k - layout.originY;
  const bottom = (height - view.y) / view.k - layout.originY;
  const left = (layout.originX - view.x) / view.k - layout.originX;
  const right = (width - view.x) / view.k - layout.originX;
  const unitAt = (y: number) => {
    const ch = Math.max(0, Math.min(dims.numCh - 1, Math.floor(y / layout.chPitch)));
    const lun = Math.floor((y - ch * layout.chPitch) / layout.lunPitch);
    return ch * dims.numLun + Math.max(0, Math.min(dims.numLun - 1, lun));
  };
  const columnAt = (x: number) => Math.max(0, Math.min(layout.columns - 1, Math.floor(x / layout.cellW)));
  return {
    firstUnit: unitAt(top),
    lastUnit: unitAt(bottom),
    firstColumn: columnAt(left),
    lastColumn: columnAt(right),
  };
}

export type CursorMove = 'left' | 'right' | 'up' | 'down' | 'rowStart' | 'rowEnd' | 'prevCh' | 'nextCh';

/** Where the keyboard cursor goes; it stays put at the edges. */
export function moveCursor(layout: MapLayout, at: ChunkAddress, move: CursorMove): ChunkAddress {
  const { dims, columns } = layout;
  const unit = at.ch * dims.numLun + at.lun;
  const toUnit = (n: number, chk: number): ChunkAddress => ({
    ch: Math.floor(n / dims.numLun),
    lun: n % dims.numLun,
    chk: Math.min(chk, dims.numChk - 1),
  });
  switch (move) {
    case 'left':
      return at.chk > 0 ? { ...at, chk: at.chk - 1 } : at;
    case 'right':
      return at.chk < dims.numChk - 1 ? { ...at, chk: at.chk + 1 } : at;
    case 'rowStart':
      return { ...at, chk: at.chk - (at.chk % columns) };
    case 'rowEnd':
      return { ...at, chk: Math.min(dims.numChk - 1, at.chk - (at.chk % columns) + columns - 1) };
    case 'up':
      if (at.chk >= columns) return { ...at, chk: at.chk - columns };
      return unit > 0 ? toUnit(unit - 1, (layout.rowsPerLun - 1) * columns + at.chk) : at;
    case 'down':
      if (at.chk + columns < dims.numChk) return { ...at, chk: at.chk + columns };
      return unit < dims.numCh * dims.numLun - 1 ? toUnit(unit + 1, at.chk % columns) : at;
    case 'prevCh':
      return at.ch > 0 ? { ...at, ch: at.ch - 1 } : at;
    case 'nextCh':
      return at.ch < dims.numCh - 1 ? { ...at, ch: at.ch + 1 } : at;
  }
}
