import {
  chunkRect,
  toScreen,
  visibleRange,
  type ChunkAddress,
  type MapLayout,
  type View,
} from './flash-map-layout.ts';
import type { Palette } from './flash-map-palette.ts';
import { USERS } from './flash-map-codes.ts';

/** Room for the names of rows and columns. */
export const GUTTER_LEFT = 58;
export const GUTTER_TOP = 20;

export interface GutterJob {
  readonly ctx: CanvasRenderingContext2D;
  readonly layout: MapLayout;
  readonly view: View;
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
  /** Row and column to emphasize. */
  readonly marked: ChunkAddress | undefined;
  /** Columns of the lines that are being written. */
  readonly openLines: readonly number[];
  /** Index of the target of each LUN, -1 for none. */
  readonly targetOfUnit: Int8Array;
  /** Without letters: for pictures that have to be the same on every machine. */
  readonly labels: boolean;
}

/** Names of rows and columns stay in place while the cells move under them, as in a spreadsheet. */
export function drawGutters(job: GutterJob): void {
  const { ctx } = job;
  ctx.font = `${ctx.canvas.dataset['labelPx'] ?? 11}px ${job.palette.fontMono}`;
  ctx.textBaseline = 'middle';
  drawTargets(job);
  if (job.labels) {
    drawRows(job);
    drawColumns(job);
  }
  drawPens(job);
}

function drawRows({ ctx, layout, view, palette, width, height, marked }: GutterJob): void {
  const { dims } = layout;
  const seen = visibleRange(layout, view, width, height);
  const rowStep = everyNth(layout.lunPitch * view.k, 13);
  // LUNs too thin for a label each: one a channel, or one every few channels.
  const chStep = rowStep < dims.numLun ? 1 : everyNth(layout.chPitch * view.k, 13);
  ctx.textAlign = 'right';
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, GUTTER_TOP - 8, GUTTER_LEFT, height);
  ctx.clip();
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const ch = Math.floor(unit / dims.numLun);
    const lun = unit % dims.numLun;
    const isMarked = marked?.ch === ch && marked.lun === lun;
    if ((lun % rowStep !== 0 || ch % chStep !== 0) && !isMarked) continue;
    const r = toScreen(view, chunkRect(layout, { ch, lun, chk: 0 }));
    const rows = r.h * layout.rowsPerLun;
    // In a tall row the label stays in sight as long as any of the row is.
    const y =
      rows < 16
        ? r.y + rows / 2
        : clamp(r.y + rows / 2, GUTTER_TOP + 8, Math.max(GUTTER_TOP, r.y + rows - 8));
    if (isMarked) {
      ctx.fillStyle = palette.free;
      ctx.fillRect(2, y - 8, GUTTER_LEFT - 9, 16);
    }
    ctx.fillStyle = isMarked ? palette.text : palette.muted;
    ctx.fillText(dims.numCh > 1 ? `c${ch} L${lun}` : `LUN ${lun}`, GUTTER_LEFT - 10, y);
  }
  ctx.restore();
}

function drawColumns(job: GutterJob): void {
  const { ctx, layout, view, palette, width, height, marked } = job;
  const { dims } = layout;
  const seen = visibleRange(layout, view, width, height);
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER_LEFT, 0, width, GUTTER_TOP);
  ctx.clip();
  ctx.textAlign = 'center';
  const step = everyNth(layout.cellW * view.k, 12 + 7 * String(dims.numChk).length);
  const label = (column: number, ground: string | undefined, colour: string) => {
    const r = toScreen(view, chunkRect(layout, { ch: 0, lun: 0, chk: column }));
    const half = 4 + 3.5 * String(column).length;
    const left = Math.max(r.x, GUTTER_LEFT);
    const middle = clamp(r.x + r.w / 2, left + half, Math.max(left, r.x + r.w - half));
    const x = Math.min(middle, width - half);
    if (ground) {
      ctx.fillStyle = ground;
      ctx.beginPath();
      ctx.roundRect(x - half, 1, 2 * half, GUTTER_TOP - 6, 3);
      ctx.fill();
    }
    ctx.fillStyle = colour;
    ctx.fillText(String(column), x, GUTTER_TOP / 2 - 2);
  };
  const first = Math.ceil(seen.firstColumn / step) * step;
  for (let column = first; column <= seen.lastColumn; column += step) label(column, undefined, palette.muted);
  const inSight = (column: number) => column >= seen.firstColumn && column <= seen.lastColumn;
  if (layout.rowsPerLun === 1)
    for (const line of job.openLines) if (inSight(line)) label(line, palette.open, palette.onState);
  const column = marked ? marked.chk % layout.columns : -1;
  if (inSight(column) && !job.openLines.includes(column)) label(column, palette.free, palette.text);
  ctx.restore();
}

/** A pen's tip over the column of each line that is being written. */
function drawPens({ ctx, layout, view, palette, width, openLines }: GutterJob): void {
  if (layout.rowsPerLun > 1) return;
  ctx.fillStyle = palette.open;
  for (const line of openLines) {
    const r = toScreen(view, chunkRect(layout, { ch: 0, lun: 0, chk: line }));
    const x = r.x + r.w / 2;
    if (x < GUTTER_LEFT || x > width) continue;
    ctx.beginPath();
    ctx.moveTo(x - 4, GUTTER_TOP - 6);
    ctx.lineTo(x + 4, GUTTER_TOP - 6);
    ctx.lineTo(x, GUTTER_TOP - 1);
    ctx.closePath();
    ctx.fill();
  }
}

/** Which LUNs belong together: a stripe beside those of each target. */
function drawTargets({ ctx, layout, view, palette, width, height, targetOfUnit }: GutterJob): void {
  const { dims } = layout;
  const seen = visibleRange(layout, view, width, height);
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, GUTTER_TOP, GUTTER_LEFT, height);
  ctx.clip();
  for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
    const target = targetOfUnit[unit] ?? -1;
    if (target < 0) continue;
    const lun = unit % dims.numLun;
    const r = toScreen(view, chunkRect(layout, { ch: Math.floor(unit / dims.numLun), lun, chk: 0 }));
    // Up to the next LUN of the same target, so that they are one stripe.
    const isLast = lun === dims.numLun - 1 || targetOfUnit[unit + 1] !== target;
    const size = isLast ? r.h * layout.rowsPerLun - 1 : layout.lunPitch * view.k;
    ctx.fillStyle = palette.users[target % USERS] ?? palette.muted;
    ctx.fillRect(GUTTER_LEFT - 6, Math.round(r.y), 3, Math.max(1, Math.round(r.y + size) - Math.round(r.y)));
  }
  ctx.restore();
}

/** Between low and high; low wins where they cross. */
function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

/** Which labels fit: every one, every 2nd, 5th, 10th, 20th … */
export function everyNth(pitchPx: number, neededPx: number): number {
  let step = 1;
  while (pitchPx * step < neededPx) step = String(step).startsWith('2') ? step * 2.5 : step * 2;
  return step;
}
