import type { Recording } from '../../trace/recording.ts';
import {
  drawTimeline,
  layoutTimeline,
  readTimelinePalette,
  type TimelineLayout,
  type TimelinePalette,
  type TimelineWords,
} from './timeline-draw.ts';
import { type Period, wholePeriod } from './timeline-data.ts';

/** Draws so many of the newest times are kept, for who asks what it costs. */
const KEPT_TIMES = 120;

/** The timeline's canvas: draws at most once a frame, and only when something that it shows has changed. */
export class Timeline {
  layout: TimelineLayout = layoutTimeline(1, 1, 0);
  /** Milliseconds that the newest draws took. */
  readonly drawMs: number[] = [];
  private readonly canvas: HTMLCanvasElement;
  private readonly scene: () => { recording: Recording; period: Period | undefined } | undefined;
  private words: TimelineWords;
  private palette: TimelinePalette;
  private raf = 0;
  private draws = 0;

  constructor(
    canvas: HTMLCanvasElement,
    scene: () => { recording: Recording; period: Period | undefined } | undefined,
    words: TimelineWords,
  ) {
    this.canvas = canvas;
    this.scene = scene;
    this.words = words;
    this.palette = readTimelinePalette(canvas);
  }

  /** @param left room for the names of the lanes */
  resize(width: number, height: number, left: number): void {
    const scale = devicePixelRatio;
    this.canvas.width = Math.max(1, Math.round(width * scale));
    this.canvas.height = Math.max(1, Math.round(height * scale));
    this.layout = layoutTimeline(width, height, left);
    this.draw();
  }

  setWords(words: TimelineWords): void {
    this.words = words;
    this.changed();
  }

  themeChanged(): void {
    this.palette = readTimelinePalette(this.canvas);
    this.changed();
  }

  changed(): void {
    if (this.raf === 0) this.raf = requestAnimationFrame(() => this.draw());
  }

  destroy(): void {
    cancelAnimationFrame(this.raf);
  }

  private draw(): void {
    cancelAnimationFrame(this.raf);
    this.raf = 0;
    const ctx = this.canvas.getContext('2d');
    if (!ctx) return;
    const from = performance.now();
    const scale = this.canvas.width / Math.max(1, this.layout.width);
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    const scene = this.scene();
    if (!scene) {
      ctx.clearRect(0, 0, this.layout.width, this.layout.height);
      return;
    }
    const { recording } = scene;
    const period = scene.period ?? wholePeriod(recording.stats, recording.end.timeUs);
    drawTimeline(ctx, this.layout, recording, period, this.palette, this.words);
    this.drawMs.push(performance.now() - from);
    if (this.drawMs.length > KEPT_TIMES) this.drawMs.shift();
    this.canvas.dataset['draws'] = String(++this.draws);
    this.canvas.dataset['drawMs'] = median(this.drawMs).toFixed(2);
  }

  /** Where a moment is in a period, in CSS pixels. */
  x(us: number, { fromUs, toUs }: Period): number {
    const { width, left } = this.layout;
    return left + ((us - fromUs) / (toUs - fromUs)) * (width - left);
  }

  us(x: number, { fromUs, toUs }: Period): number {
    const { width, left } = this.layout;
    return fromUs + ((x - left) / Math.max(1, width - left)) * (toUs - fromUs);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
