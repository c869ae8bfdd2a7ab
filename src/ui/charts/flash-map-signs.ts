import { chunkStateOf, Code, sectorCodes, writtenOfChunk, type LayerContext } from './flash-map-codes.ts';
import { CHUNK_STATE } from './flash-map-data.ts';
import {
  cellRect,
  chunkIndex,
  visibleRange,
  type ChunkAddress,
  type DetailLevel,
  type MapLayout,
  type Rect,
  type View,
} from './flash-map-layout.ts';
import type { Plot } from './flash-map-axes.ts';
import type { Palette } from './flash-map-palette.ts';
import { placeRect } from './flash-map-places.ts';

export interface SignJob {
  readonly ctx: CanvasRenderingContext2D;
  readonly layout: MapLayout;
  readonly view: View;
  readonly plot: Plot;
  readonly palette: Palette;
  readonly context: LayerContext;
}

/** Calls with every chunk in sight. */
export function eachVisible(job: SignJob, visit: (at: ChunkAddress, cell: Rect) => void): void {
  const { layout, view, plot } = job;
  const { dims } = layout;
  const seen = visibleRange(layout, view, plot.x + plot.width, plot.y + plot.height);
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const ch = Math.floor(unit / dims.numLun);
    const lun = unit % dims.numLun;
    for (let row = 0; row < layout.rowsPerLun; row++)
      for (let column = seen.firstColumn; column <= seen.lastColumn; column++) {
        const chk = row * layout.columns + column;
        if (chk < dims.numChk) visit({ ch, lun, chk }, cellRect(layout, view, { ch, lun, chk }));
      }
  }
}

/**
 * The states' second coding besides colour, drawn as paths (fonts differ from machine to machine): open ▸,
 * closed ■, offline ×. One path a colour: hundreds of them cost little then.
 */
export function drawStateSigns(job: SignJob): void {
  const { ctx, layout, view, palette, context } = job;
  if (layout.cellW * view.k < 18 || layout.cellH * view.k < 12) return;
  const { source } = context;
  const onSolid = new Path2D();
  const onTint = new Path2D();
  const grounds = new Path2D();
  const crosses = new Path2D();
  eachVisible(job, (at, cell) => {
    const chunk = chunkIndex(layout.dims, at);
    const state = chunkStateOf(source, chunk);
    const r = Math.min(4.5, cell.h / 5);
    const x = cell.x + cell.w - r - 5;
    const y = cell.y + cell.h / 2;
    if (state === CHUNK_STATE.open) {
      const share = writtenOfChunk(source, chunk) / (source.secsPerBlk * layout.dims.numPln);
      const path = cell.x + cell.w * share > x ? onSolid : onTint;
      path.moveTo(x - r, y - r);
      path.lineTo(x + r, y);
      path.lineTo(x - r, y + r);
      path.closePath();
    } else if (state === CHUNK_STATE.closed) onSolid.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7);
    else if (state === CHUNK_STATE.offline) {
      grounds.rect(x - r - 2, y - r - 2, 2 * r + 4, 2 * r + 4);
      crosses.moveTo(x - r * 0.8, y - r * 0.8);
      crosses.lineTo(x + r * 0.8, y + r * 0.8);
      crosses.moveTo(x + r * 0.8, y - r * 0.8);
      crosses.lineTo(x - r * 0.8, y + r * 0.8);
    }
  });
  ctx.fillStyle = palette.onState;
  ctx.fill(onSolid);
  ctx.fillStyle = palette.open;
  ctx.fill(onTint);
  ctx.fillStyle = palette.offline;
  ctx.fill(grounds);
  ctx.strokeStyle = palette.onState;
  ctx.lineWidth = 1.8;
  ctx.stroke(crosses);
}

/** Erase counts as numbers, where a chunk has room for them: nobody reads a colour as a number. */
export function drawWearNumbers(job: SignJob): void {
  const { ctx, layout, view, palette, context } = job;
  const { dims } = layout;
  if (layout.cellW * view.k < 22 || layout.cellH * view.k < 15) return;
  ctx.font = `10px ${palette.fontMono}`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  eachVisible(job, (at, cell) => {
    const first = chunkIndex(dims, at) * dims.numPln;
    let most = 0;
    for (let block = first; block < first + dims.numPln; block++)
      most = Math.max(most, context.source.eraseCount[block] ?? 0);
    if (most === 0 || context.source.state[first] === CHUNK_STATE.offline) return;
    const text = String(most);
    const half = text.length * 3 + 4;
    if (cell.w < 2 * half) return;
    // On a ground of its own: the scale goes through tones that no one colour of letters stands out from.
    ctx.fillStyle = palette.surface;
    ctx.fillRect(cell.x + cell.w / 2 - half, cell.y + cell.h / 2 - 7, 2 * half, 14);
    ctx.fillStyle = palette.text;
    ctx.fillText(text, cell.x + cell.w / 2, cell.y + cell.h / 2 + 0.5);
  });
}

/** Numbers of sectors, and of their pages, where they are large enough. */
export function drawSectorNumbers(job: SignJob, level: DetailLevel): void {
  const { ctx, layout, view, plot, palette, context } = job;
  const { dims, pages } = layout;
  if (level !== 'sector') return;
  const codes = new Uint8Array(context.source.secsPerBlk);
  // Letters on a light ground, on patterns; the others are on the states' full colours.
  const inks = new Map<number, string>([
    [Code.unwritten, palette.muted],
    [Code.unknownState, palette.muted],
    [Code.stale, palette.text],
    [Code.padding, palette.text],
  ]);
  ctx.font = `9px ${palette.fontMono}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'top';
  eachVisible(job, (at, cell) => {
    for (let pln = 0; pln < dims.numPln; pln++) {
      const block = chunkIndex(dims, at) * dims.numPln + pln;
      sectorCodes(context, block, codes);
      const columns = inSight(cell.x, cell.w, pages.columns, plot.x, plot.x + plot.width);
      const top = cell.y + (cell.h * pln) / dims.numPln;
      const rows = inSight(top, cell.h / dims.numPln, pages.rows, plot.y, plot.y + plot.height);
      for (let row = rows.first; row <= rows.last; row++)
        for (let column = columns.first; column <= columns.last; column++) {
          const pg = row * pages.columns + column;
          if (pg >= dims.numPg) break;
          for (let sec = 0; sec < dims.secsPerPg; sec++) {
            const s = placeRect(layout, view, { ...at, pln, pg, sec }, level);
            if (s.w < 22 || s.h < 13) return;
            ctx.fillStyle = inks.get(codes[pg * dims.secsPerPg + sec] ?? 0) ?? palette.onState;
            ctx.fillText(sec === 0 && s.w >= 34 ? `p${pg}.0` : `${sec}`, s.x + 3, s.y + 3);
          }
        }
    }
  });
}

/** Which of `count` parts of a stretch lie between two bounds. */
function inSight(start: number, size: number, count: number, low: number, high: number) {
  const part = size / count;
  return {
    first: Math.max(0, Math.floor((low - start) / part)),
    last: Math.min(count - 1, Math.floor((high - start) / part)),
  };
}
