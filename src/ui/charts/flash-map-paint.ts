import { CHUNK_STATE, type FlashMapData } from './flash-map-data.ts';
import {
  cellRect,
  chunkIndex,
  detailLevel,
  gridRect,
  planeRect,
  toScreen,
  type ChunkAddress,
  type MapLayout,
  type Rect,
  type View,
} from './flash-map-layout.ts';
import { packPixel, type Palette } from './flash-map-palette.ts';

/**
 * Paints the cells. Everything here is called with device-independent pixels; the caller has scaled the
 * context and clipped to the plot.
 */
export interface PaintJob {
  readonly ctx: CanvasRenderingContext2D;
  readonly layout: MapLayout;
  readonly view: View;
  readonly data: FlashMapData;
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
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

export function paintCells(job: PaintJob, raster: CellRaster): void {
  const level = detailLevel(job.layout, job.view.k);
  if (level === 'dot') {
    raster.paint(job);
    return;
  }
  const { layout, view, data } = job;
  const { dims } = layout;
  const seen = visibleRange(layout, view, job.width, job.height);
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const ch = Math.floor(unit / dims.numLun);
    const lun = unit % dims.numLun;
    for (let row = 0; row < layout.rowsPerLun; row++) {
      for (let column = seen.firstColumn; column <= seen.lastColumn; column++) {
        const chk = row * layout.columns + column;
        if (chk >= dims.numChk) break;
        const at = { ch, lun, chk };
        const cell = cellRect(layout, view, at);
        if (cell.y > job.height || cell.y + cell.h < 0) continue;
        paintChunk(job, at, cell, level === 'chunk' ? 0 : level === 'page' ? 1 : 2, data);
      }
    }
  }
}

function paintChunk(job: PaintJob, at: ChunkAddress, cell: Rect, depth: 0 | 1 | 2, data: FlashMapData): void {
  const { layout } = job;
  const { dims } = layout;
  const index = chunkIndex(dims, at);
  const chunkCode = data.chunkState[index] ?? 0;
  // Planes apart only where each is at least a few pixels high.
  const planes = cell.h / dims.numPln >= 4 ? dims.numPln : 1;
  for (let pln = 0; pln < planes; pln++) {
    const block = index * dims.numPln + pln;
    const box = planes === 1 ? cell : planeRect(cell, pln, dims.numPln);
    const state = planes === 1 ? chunkCode : (data.blockState[block] ?? 0);
    const written = planes === 1 ? data.writtenOf(at) / dims.numPln : (data.blockWritten[block] ?? 0);
    paintBlock(job, box, state, written / data.secsPerBlk);
    if (depth > 0 && planes === dims.numPln) paintPages(job, box, state, written, depth === 2);
  }
  if (depth === 0 && cell.w >= 18 && cell.h >= 12)
    paintSign(job, cell, chunkCode, data.writtenOf(at) / dims.numPln / data.secsPerBlk);
}

function paintBlock(job: PaintJob, box: Rect, state: number, share: number): void {
  const { ctx, palette } = job;
  switch (state) {
    case CHUNK_STATE.open:
    case CHUNK_STATE.closed: {
      const full = state === CHUNK_STATE.open ? palette.open : palette.closed;
      ctx.fillStyle = state === CHUNK_STATE.open ? palette.openTint : palette.closedTint;
      ctx.fillRect(box.x, box.y, box.w, box.h);
      ctx.fillStyle = full;
      // Never nothing: a chunk opened by one sector must still be seen from afar.
      ctx.fillRect(box.x, box.y, Math.max(Math.min(3, box.w), Math.round(box.w * Math.min(1, share))), box.h);
      break;
    }
    case CHUNK_STATE.offline:
      ctx.fillStyle = palette.offline;
      ctx.fillRect(box.x, box.y, box.w, box.h);
      hatch(ctx, box, palette.surface);
      break;
    case CHUNK_STATE.free:
      ctx.fillStyle = palette.free;
      ctx.fillRect(box.x, box.y, box.w, box.h);
      outline(ctx, box, palette.gridLine);
      break;
    default:
      outline(ctx, box, palette.gridLine);
  }
}

/** Diagonals: offline must be told from the rest without colour. */
function hatch(ctx: CanvasRenderingContext2D, box: Rect, colour: string): void {
  if (box.w < 8 || box.h < 6) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.x + 4, box.y, box.w - 4, box.h);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  for (let x = box.x - box.h; x < box.x + box.w; x += 5) {
    ctx.moveTo(x, box.y + box.h);
    ctx.lineTo(x + box.h, box.y);
  }
  ctx.stroke();
  ctx.restore();
}

function outline(ctx: CanvasRenderingContext2D, box: Rect, colour: string): void {
  if (box.w < 4 || box.h < 3) return;
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.x + 0.5, box.y + 0.5, box.w - 1, box.h - 1);
}

/**
 * The second coding besides colour, drawn as paths (fonts differ from machine to machine): open ▸, closed ■,
 * offline ×.
 */
function paintSign(job: PaintJob, cell: Rect, state: number, share: number): void {
  const { ctx, palette } = job;
  if (state !== CHUNK_STATE.open && state !== CHUNK_STATE.closed && state !== CHUNK_STATE.offline) return;
  const r = Math.min(4.5, cell.h / 5);
  const x = cell.x + cell.w - r - 5;
  const y = cell.y + cell.h / 2;
  const onSolid = cell.x + cell.w * share > x;
  ctx.beginPath();
  if (state === CHUNK_STATE.open) {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x - r, y + r);
    ctx.closePath();
    ctx.fillStyle = onSolid ? palette.onState : palette.open;
    ctx.fill();
  } else if (state === CHUNK_STATE.closed) {
    ctx.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7);
    ctx.fillStyle = palette.onState;
    ctx.fill();
  } else {
    ctx.fillStyle = palette.offline;
    ctx.fillRect(x - r - 2, y - r - 2, 2 * r + 4, 2 * r + 4);
    ctx.moveTo(x - r * 0.8, y - r * 0.8);
    ctx.lineTo(x + r * 0.8, y + r * 0.8);
    ctx.moveTo(x + r * 0.8, y - r * 0.8);
    ctx.lineTo(x - r * 0.8, y + r * 0.8);
    ctx.strokeStyle = palette.onState;
    ctx.lineWidth = 1.8;
    ctx.stroke();
  }
}

/** Pages of one plane, and the sectors in them; blocks are written from the first page on. */
function paintPages(job: PaintJob, box: Rect, state: number, written: number, sectorsToo: boolean): void {
  const { ctx, layout, palette } = job;
  const { dims } = layout;
  if (state === CHUNK_STATE.unknown) return;
  const full =
    state === CHUNK_STATE.closed
      ? palette.closed
      : state === CHUNK_STATE.offline
        ? palette.offline
        : palette.open;
  const perPage = dims.secsPerPg;
  ctx.fillStyle = palette.free;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  for (let pg = 0; pg < dims.numPg; pg++) {
    const page = gridRect(box, layout.pages, pg);
    if (page.x > job.width || page.y > job.height || page.x + page.w < 0 || page.y + page.h < 0) continue;
    const inPage = Math.max(0, Math.min(perPage, written - pg * perPage));
    const gap = page.w >= 7 ? 1 : 0.5;
    if (!sectorsToo) {
      ctx.fillStyle = inPage > 0 ? full : palette.surface;
      ctx.fillRect(page.x, page.y, (page.w - gap) * (inPage > 0 ? inPage / perPage : 1), page.h - gap);
      continue;
    }
    for (let sec = 0; sec < perPage; sec++) {
      const s = gridRect({ x: page.x, y: page.y, w: page.w - 3, h: page.h - 3 }, layout.sectors, sec);
      ctx.fillStyle = sec < inPage ? full : palette.surface;
      ctx.fillRect(s.x, s.y, s.w - 1, s.h - 1);
      if (s.w >= 22 && s.h >= 13) {
        ctx.font = `9px ${palette.fontMono}`;
        ctx.textAlign = 'left';
        ctx.textBaseline = 'top';
        ctx.fillStyle = sec < inPage ? palette.surface : palette.muted;
        ctx.fillText(sec === 0 && s.w >= 34 ? `p${pg}.0` : `${sec}`, s.x + 3, s.y + 3);
      }
    }
  }
  if (state === CHUNK_STATE.offline) hatch(ctx, box, palette.surface);
}

/** One pixel a chunk, blown up by drawImage: for disks whose cells are smaller than five pixels. */
export class CellRaster {
  #image: ImageData | undefined;
  #canvas: HTMLCanvasElement | undefined;
  #version = -1;
  #for: FlashMapData | undefined;
  #palette: Palette | undefined;

  paint(job: PaintJob): void {
    const { layout, view, ctx } = job;
    const canvas = this.#refresh(job);
    if (!canvas) return;
    const { dims } = layout;
    const seen = visibleRange(layout, view, job.width, job.height);
    ctx.imageSmoothingEnabled = false;
    for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
      const at = { ch: Math.floor(unit / dims.numLun), lun: unit % dims.numLun };
      const r = toScreen(view, {
        x: layout.originX,
        y: layout.originY + at.ch * layout.chPitch + at.lun * layout.lunPitch,
        w: layout.columns * layout.cellW,
        h: layout.rowsPerLun * layout.cellH,
      });
      ctx.drawImage(
        canvas,
        0,
        unit * layout.rowsPerLun,
        layout.columns,
        layout.rowsPerLun,
        r.x,
        r.y,
        r.w,
        r.h,
      );
    }
  }

  /** The picture of the data as it is now; repainted whole (10⁶ pixels take about a millisecond). */
  #refresh(job: PaintJob): HTMLCanvasElement | undefined {
    const { layout, data, palette } = job;
    const { dims } = layout;
    const width = layout.columns;
    const height = dims.numCh * dims.numLun * layout.rowsPerLun;
    if (!this.#canvas || !this.#image || this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas = document.createElement('canvas');
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#image = new ImageData(width, height);
      this.#version = -1;
    }
    if (this.#version === data.version && this.#for === data && this.#palette === palette)
      return this.#canvas;
    this.#version = data.version;
    this.#for = data;
    this.#palette = palette;

    const colours = new Uint32Array(9).fill(packPixel(palette.surface));
    colours[CHUNK_STATE.free] = packPixel(palette.free);
    colours[CHUNK_STATE.open] = packPixel(palette.open);
    colours[CHUNK_STATE.closed] = packPixel(palette.closed);
    colours[CHUNK_STATE.offline] = packPixel(palette.offline);
    const pixels = new Uint32Array(this.#image.data.buffer);
    const units = dims.numCh * dims.numLun;
    const perUnit = layout.rowsPerLun * width;
    for (let unit = 0; unit < units; unit++) {
      // Chunk index is chk × units + unit: a LUN's chunks are `units` apart.
      for (let chk = 0, from = unit, to = unit * perUnit; chk < dims.numChk; chk++, from += units, to++) {
        pixels[to] = colours[data.chunkState[from] ?? 0] ?? 0;
      }
    }
    this.#canvas.getContext('2d')?.putImageData(this.#image, 0, 0);
    return this.#canvas;
  }
}
