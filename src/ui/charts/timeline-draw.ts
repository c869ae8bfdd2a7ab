import { scaleLinear, ticks as ticksOf } from 'd3';
import type { Mark, Recording } from '../../trace/recording.ts';
import { READ_TOKEN } from './chart-series.ts';
import { clock, Columns, decimalsFor, type Period, STACK, wholePeriod } from './timeline-data.ts';

/** Colours of the timeline, read from styles/tokens.css. */
export interface TimelinePalette {
  readonly surface: string;
  readonly sunken: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly stack: readonly string[];
  readonly read: string;
  readonly erase: string;
  readonly failed: string;
  readonly good: string;
  readonly warn: string;
  readonly font: string;
}

/** The tokens that series are drawn in, in the order of STACK. */
export const STACK_TOKENS = [
  '--cell-user-1',
  '--cell-gc',
  '--cell-padding',
  '--cell-meta',
  '--cell-unknown',
] as const;

export function readTimelinePalette(element: Element): TimelinePalette {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    surface: of('--surface'),
    sunken: of('--surface-sunken'),
    line: of('--border'),
    text: of('--text'),
    muted: of('--text-muted'),
    accent: of('--accent'),
    stack: STACK_TOKENS.map(of),
    read: of(READ_TOKEN),
    erase: of('--op-erase'),
    failed: of('--bad'),
    good: of('--good'),
    warn: of('--warn'),
    font: `11px ${of('--font-ui')}`,
  };
}

/** Where the parts of the timeline are, from the top, in CSS pixels. */
export interface TimelineLayout {
  readonly width: number;
  readonly height: number;
  /** Left of it the lanes have their names. */
  readonly left: number;
  readonly overview: { readonly y: number; readonly h: number };
  /** Undefined on the thin strip. */
  readonly detail:
    | {
        readonly axisY: number;
        readonly areaY: number;
        readonly areaH: number;
        readonly erasesY: number;
        readonly failedY: number;
        readonly laneH: number;
      }
    | undefined;
}

const OVERVIEW_HEIGHT = 22;
const AXIS_HEIGHT = 15;
const LANE_HEIGHT = 11;

export function layoutTimeline(width: number, height: number, left: number): TimelineLayout {
  const overview = { y: 0, h: Math.min(OVERVIEW_HEIGHT, height) };
  if (height < 70) return { width, height, left: 0, overview, detail: undefined };
  const axisY = overview.h + 3;
  const areaY = axisY + AXIS_HEIGHT;
  const failedY = height - LANE_HEIGHT - 1;
  const erasesY = failedY - LANE_HEIGHT - 2;
  const detail = { axisY, areaY, areaH: erasesY - areaY - 2, erasesY, failedY, laneH: LANE_HEIGHT };
  return { width, height, left, overview, detail };
}

/** CSS pixels of one column: two are as fine as anybody sees in an area, and half the work. */
const COLUMN = 2;

export interface TimelineWords {
  readonly lanes: {
    readonly written: string;
    readonly read: string;
    readonly erases: string;
    readonly failed: string;
  };
  readonly events: Readonly<Record<Mark['kind'], string>>;
  rate(bytesPerSecond: number): string;
}

/** Draws the recording's overview and, where there is room, the details of a period. A pure function of its inputs. */
export function drawTimeline(
  ctx: CanvasRenderingContext2D,
  layout: TimelineLayout,
  recording: Recording,
  period: Period,
  palette: TimelinePalette,
  words: TimelineWords,
): void {
  const { width, height, left, overview, detail } = layout;
  const endUs = recording.end.timeUs;
  const whole = wholePeriod(recording.stats, endUs);
  // The first bin begins a little before the first record: nothing is missing there.
  const startUs =
    recording.start.timeUs - recording.stats.originUs > recording.stats.binUs
      ? recording.start.timeUs
      : -Infinity;
  ctx.clearRect(0, 0, width, height);
  ctx.font = palette.font;
  ctx.textBaseline = 'middle';
  const at = (p: Period) => scaleLinear([p.fromUs, p.toUs], [left, width]);

  ctx.fillStyle = palette.sunken;
  ctx.fillRect(left, overview.y, width - left, overview.h);
  const columns = (p: Period) =>
    new Columns(recording.stats, p, Math.max(1, Math.floor((width - left) / COLUMN)), endUs);
  stackedArea(ctx, columns(whole), { x: left, y: overview.y + 1, h: overview.h - 1 }, palette, undefined);
  evicted(ctx, at(whole)(startUs), layout, overview.y, overview.h, palette);
  for (const mark of recording.marks) pin(ctx, at(whole)(mark.timeUs), overview.y, overview.h, mark, palette);
  if (!detail) return;

  const x = at(period);
  const inPeriod = columns(period);
  axis(ctx, period, x, layout, detail, recording.stats.originUs, palette);
  const area = { x: left, y: detail.areaY, h: detail.areaH };
  const top = stackedArea(ctx, inPeriod, area, palette, inPeriod.rate('readBytes'));
  laneOfTicks(ctx, inPeriod.sum('erases'), left, detail.erasesY, detail.laneH, palette.erase);
  laneOfTicks(ctx, inPeriod.sum('failed'), left, detail.failedY, detail.laneH, palette.failed);
  evicted(ctx, x(startUs), layout, detail.areaY, height - detail.areaY, palette);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, detail.axisY, width - left, height - detail.axisY);
  ctx.clip();
  for (const mark of recording.marks)
    if (mark.timeUs >= period.fromUs && mark.timeUs <= period.toUs)
      event(ctx, x(mark.timeUs), detail, height, mark, palette, words);
  ctx.restore();
  laneNames(ctx, layout, detail, top, palette, words);
}

/** Writes upwards from a base line, stacked; reads downwards, on the same scale. Returns the rate at the top. */
function stackedArea(
  ctx: CanvasRenderingContext2D,
  columns: Columns,
  box: { x: number; y: number; h: number },
  palette: TimelinePalette,
  reads: Float64Array | undefined,
): number {
  const { count, used } = columns;
  const layers = STACK.map((measure) => columns.rate(measure));
  let [most, mostRead] = [0, 0];
  for (let c = 0; c < used; c++) {
    let sum = 0;
    for (const layer of layers) sum += layer[c] as number;
    most = Math.max(most, sum);
    mostRead = Math.max(mostRead, reads?.[c] ?? 0);
  }
  const perByte = box.h / Math.max(1, most + mostRead);
  const base = box.y + box.h - mostRead * perByte;
  const below = new Float64Array(count);
  for (const [i, layer] of layers.entries()) {
    // Most recordings have no padding or nobody's writes: half of the work.
    if (layer.every((rate) => rate === 0)) continue;
    ctx.beginPath();
    ctx.moveTo(box.x, base - (below[0] as number) * perByte);
    for (let c = 0; c < used; c++) {
      const y = base - ((below[c] as number) + (layer[c] as number)) * perByte;
      ctx.lineTo(box.x + c * COLUMN, y);
      ctx.lineTo(box.x + (c + 1) * COLUMN, y);
    }
    for (let c = used - 1; c >= 0; c--) {
      const y = base - (below[c] as number) * perByte;
      ctx.lineTo(box.x + (c + 1) * COLUMN, y);
      ctx.lineTo(box.x + c * COLUMN, y);
      below[c] = (below[c] as number) + (layer[c] as number);
    }
    ctx.fillStyle = palette.stack[i] ?? palette.muted;
    ctx.fill();
  }
  if (reads && mostRead > 0) {
    ctx.beginPath();
    ctx.moveTo(box.x, base);
    for (let c = 0; c < used; c++) {
      const y = base + (reads[c] as number) * perByte;
      ctx.lineTo(box.x + c * COLUMN, y);
      ctx.lineTo(box.x + (c + 1) * COLUMN, y);
    }
    ctx.lineTo(box.x + used * COLUMN, base);
    ctx.fillStyle = palette.read;
    ctx.fill();
  }
  if (reads) {
    ctx.fillStyle = palette.line;
    ctx.fillRect(box.x, Math.round(base), count * COLUMN, 1);
  }
  return most;
}

function laneOfTicks(
  ctx: CanvasRenderingContext2D,
  counts: Float64Array,
  left: number,
  y: number,
  h: number,
  colour: string,
): void {
  let most = 0;
  for (const n of counts) most = Math.max(most, n);
  ctx.fillStyle = colour;
  for (let c = 0; c < counts.length; c++) {
    const n = counts[c] as number;
    if (n === 0) continue;
    // One is seen as well as many; many stand higher.
    const tick = Math.max(3, (h * Math.sqrt(n)) / Math.sqrt(most));
    ctx.fillRect(left + c * COLUMN, y + h - tick, COLUMN, tick);
  }
}

function axis(
  ctx: CanvasRenderingContext2D,
  period: Period,
  x: (us: number) => number,
  { width, height, left }: TimelineLayout,
  detail: { axisY: number; areaY: number },
  originUs: number,
  palette: TimelinePalette,
): void {
  // Ticks at round seconds of the recording, not of the machine's clock.
  const ticks = ticksOf(period.fromUs - originUs, period.toUs - originUs, Math.max(2, (width - left) / 110));
  const decimals = decimalsFor((ticks[1] ?? 1e6) - (ticks[0] ?? 0));
  for (const tick of ticks) {
    const at = Math.round(x(tick + originUs));
    ctx.fillStyle = palette.line;
    ctx.fillRect(at, detail.areaY - 3, 1, height - detail.areaY + 3);
    ctx.fillStyle = palette.muted;
    const text = clock(tick, decimals);
    if (at + 4 + ctx.measureText(text).width < width)
      ctx.fillText(text, at + 4, detail.axisY + AXIS_HEIGHT / 2 - 1);
  }
}

/** Before this, only the totals are still known. */
function evicted(
  ctx: CanvasRenderingContext2D,
  untilX: number,
  { left, width }: TimelineLayout,
  y: number,
  h: number,
  palette: TimelinePalette,
): void {
  const end = Math.min(width, untilX);
  // A pixel is only rounding.
  if (end <= left + 1.5) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y, end - left, h);
  ctx.clip();
  ctx.globalAlpha = 0.6;
  ctx.fillStyle = palette.surface;
  ctx.fillRect(left, y, end - left, h);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = palette.line;
  ctx.beginPath();
  for (let x = left - h; x < end; x += 7) {
    ctx.moveTo(x, y + h);
    ctx.lineTo(x + h, y);
  }
  ctx.stroke();
  ctx.restore();
}

function colourOf(kind: Mark['kind'], palette: TimelinePalette): string {
  return { on: palette.good, off: palette.muted, gap: palette.warn, mark: palette.accent }[kind];
}

function pin(
  ctx: CanvasRenderingContext2D,
  x: number,
  y: number,
  h: number,
  mark: Mark,
  palette: TimelinePalette,
): void {
  ctx.fillStyle = colourOf(mark.kind, palette);
  ctx.fillRect(Math.round(x), y, 1.5, h);
}

function event(
  ctx: CanvasRenderingContext2D,
  x: number,
  detail: { areaY: number },
  height: number,
  mark: Mark,
  palette: TimelinePalette,
  words: TimelineWords,
): void {
  const colour = colourOf(mark.kind, palette);
  const at = Math.round(x);
  ctx.fillStyle = colour;
  ctx.fillRect(at, detail.areaY - 1, 1.5, height - detail.areaY + 1);
  const text = mark.text === '' ? words.events[mark.kind] : mark.text;
  const width = Math.min(180, ctx.measureText(text).width) + 8;
  ctx.fillRect(at, detail.areaY - 1, width, 14);
  ctx.fillStyle = palette.surface;
  ctx.fillText(text, at + 4, detail.areaY + 6, 180);
}

function laneNames(
  ctx: CanvasRenderingContext2D,
  { left }: TimelineLayout,
  detail: { areaY: number; areaH: number; erasesY: number; failedY: number; laneH: number },
  topRate: number,
  palette: TimelinePalette,
  words: TimelineWords,
): void {
  if (left === 0) return;
  ctx.textAlign = 'right';
  const at = left - 6;
  ctx.fillStyle = palette.muted;
  ctx.fillText(words.lanes.written, at, detail.areaY + detail.areaH / 2 - 7, left - 8);
  if (topRate > 0) ctx.fillText(words.rate(topRate), at, detail.areaY + detail.areaH / 2 + 7, left - 8);
  ctx.fillText(words.lanes.erases, at, detail.erasesY + detail.laneH / 2, left - 8);
  ctx.fillText(words.lanes.failed, at, detail.failedY + detail.laneH / 2, left - 8);
  ctx.textAlign = 'left';
}
