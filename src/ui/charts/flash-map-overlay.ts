import type { TraceModel } from '../../trace/model.ts';
import {
  chunkAt,
  cellRect,
  type DetailLevel,
  type MapLayout,
  type MapPoint,
  type Rect,
  type View,
} from './flash-map-layout.ts';
import { lineRects, type Marks } from './flash-map-marks.ts';
import type { Palette } from './flash-map-palette.ts';
import { placeRect, pointOf } from './flash-map-places.ts';

export interface OverlayJob {
  readonly ctx: CanvasRenderingContext2D;
  readonly layout: MapLayout;
  readonly view: View;
  readonly palette: Palette;
  readonly level: DetailLevel;
  readonly width: number;
  readonly height: number;
}

/** Chunks marked one by one; more are a pattern. */
const MAX_RINGS = 2000;
/** Lines from old copies to the new one. */
const MAX_LINKS = 200;

/** Frames round the line that each target writes, and round those that it is collecting. */
export function drawLines(job: OverlayJob, model: TraceModel): void {
  const { ctx, layout, view, palette } = job;
  for (const { layout: target, openLine, lines } of model.targets) {
    if (openLine >= 0)
      for (const r of lineRects(layout, view, target, openLine)) frame(job, r, palette.open, 2, []);
    for (const line of lines)
      if (line?.state === 'collecting')
        for (const r of lineRects(layout, view, target, line.id)) frame(job, r, palette.gc, 2, [5, 3]);
  }
  ctx.setLineDash([]);
}

/** What is chosen or pointed at: rings, bands for lines, and lines from old copies to the newest. */
export function drawMarks(job: OverlayJob, marks: Marks, colour: string, width: number): void {
  const { ctx, layout, view, level, palette } = job;
  for (const { target, line } of marks.lines)
    for (const r of lineRects(layout, view, target.layout, line)) frame(job, r, colour, width, []);
  for (const chunk of marks.chunks.slice(0, MAX_RINGS))
    frame(job, cellRect(layout, view, chunkAt(layout.dims, chunk)), colour, width, []);
  if (marks.cells.length === 0) return;
  const seen = new Set<string>();
  const path = new Path2D();
  const faint = new Path2D();
  let rings = 0;
  for (const { block, sec, isOld } of marks.cells) {
    const r = placeRect(layout, view, pointOf(layout.dims, block, sec), level);
    if (r.x > job.width || r.y > job.height || r.x + r.w < 0 || r.y + r.h < 0) continue;
    const key = `${r.x} ${r.y}`;
    if (seen.has(key) || rings >= MAX_RINGS) continue;
    seen.add(key);
    rings++;
    (isOld ? faint : path).rect(r.x - 1, r.y - 1, r.w + 2, r.h + 2);
  }
  // A halo first: rings lie over every colour there is.
  ctx.strokeStyle = palette.surface;
  ctx.lineWidth = width + 2;
  ctx.stroke(path);
  ctx.stroke(faint);
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.stroke(path);
  ctx.setLineDash([3, 2]);
  ctx.stroke(faint);
  ctx.setLineDash([]);
  if (marks.areCopies) drawLinks(job, marks, colour);
}

/** The new copy is elsewhere, and the old one is left behind: an arrow says it. */
function drawLinks({ ctx, layout, view, level, palette }: OverlayJob, marks: Marks, colour: string): void {
  const [newest, ...old] = marks.cells;
  if (!newest) return;
  const centre = (block: number, sec: number) =>
    middle(placeRect(layout, view, pointOf(layout.dims, block, sec), level));
  const to = centre(newest.block, newest.sec);
  const path = new Path2D();
  for (const { block, sec } of old.slice(0, MAX_LINKS)) {
    const from = centre(block, sec);
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length < 8) continue;
    const [ux, uy] = [(to.x - from.x) / length, (to.y - from.y) / length];
    path.moveTo(from.x, from.y);
    path.lineTo(to.x, to.y);
    path.moveTo(to.x - 7 * ux - 4 * uy, to.y - 7 * uy + 4 * ux);
    path.lineTo(to.x, to.y);
    path.lineTo(to.x - 7 * ux + 4 * uy, to.y - 7 * uy - 4 * ux);
  }
  ctx.lineWidth = 3.5;
  ctx.strokeStyle = palette.surface;
  ctx.stroke(path);
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = colour;
  ctx.stroke(path);
}

/** The ring of one place, e.g. the keyboard cursor. */
export function drawRing(job: OverlayJob, at: MapPoint, colour: string, width: number, dash: number[]): void {
  frame(job, placeRect(job.layout, job.view, at, job.level), colour, width, dash);
  job.ctx.setLineDash([]);
}

function frame({ ctx, palette }: OverlayJob, r: Rect, colour: string, width: number, dash: number[]): void {
  const grow = width / 2;
  ctx.setLineDash([]);
  if (width > 1) {
    ctx.lineWidth = width + 2;
    ctx.strokeStyle = palette.surface;
    ctx.strokeRect(r.x - grow, r.y - grow, r.w + width, r.h + width);
  }
  ctx.setLineDash(dash);
  ctx.lineWidth = width;
  ctx.strokeStyle = colour;
  ctx.strokeRect(r.x - grow, r.y - grow, r.w + width, r.h + width);
}

function middle(r: Rect): { x: number; y: number } {
  return { x: r.x + r.w / 2, y: r.y + r.h / 2 };
}
