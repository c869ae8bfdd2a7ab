import type { Plot } from './flash-map-axes.ts';
import { CellPainter } from './flash-map-cells.ts';
import { watchChanges, type ChangeWatch } from './flash-map-changes.ts';
import { layerContext, wearTopOf, type LayerContext } from './flash-map-codes.ts';
import { DotPainter } from './flash-map-dots.ts';
import { detailLevel, type MapLayout, type Rect, type View } from './flash-map-layout.ts';
import { packPixel, type Palette } from './flash-map-palette.ts';
import type { MapLayer, MapSource } from './flash-map-source.ts';

export interface RasterJob {
  readonly source: MapSource;
  readonly layer: MapLayer;
  readonly layout: MapLayout;
  readonly view: View;
  readonly plot: Plot;
  readonly palette: Palette;
}

/** Time that goes into looking at the chunks of a large device anew, in one repaint. */
const LOOK_BUDGET_MS = 6;
/** How often what grows older is painted again. */
const AGE_EVERY_MS = 500;
const FADE_EVERY_MS = 100;
/** Beyond this share of chunks a repaint of everything is no more work. */
const MAX_CHANGED_SHARE = 0.3;

/** The cells as an image in memory, kept up to date: whole when the view changed, else only what was touched. */
export class MapRaster {
  /** Erases that the wear scale ends with. */
  wearTop = 5;
  /** The last paint did everything; false when only some chunks were repainted. */
  wasWhole = false;
  private readonly cells = new CellPainter();
  private readonly dots = new DotPainter();
  private image: ImageData | undefined;
  private pixels = new Uint32Array(0);
  private canvas: HTMLCanvasElement | undefined;
  private last: (RasterJob & { key: string }) | undefined;
  private watch: ChangeWatch | undefined;
  private watched: MapSource | undefined;
  private context: LayerContext | undefined;
  private isLookedAt = true;
  private isLooking = false;
  private isStale = true;

  /** Forgets what is painted, and with `fresh` what was worked out for it: the next paint does all of it. */
  invalidate(fresh = false): void {
    this.isStale = true;
    if (!fresh) return;
    this.cells.forgetAll();
    this.last = undefined;
  }

  /** What was painted last, 0xAABBGGRR, row by row. */
  get painted(): Uint32Array {
    return this.pixels;
  }

  destroy(): void {
    this.watch?.stop();
  }

  /** Paints and returns what to draw at the plot's corner; `isDone` false asks for another paint soon. */
  paint(job: RasterJob): { canvas: HTMLCanvasElement; isDone: boolean } {
    const canvas = this.prepare(job.plot);
    const changed = this.changes(job);
    const context = layerContext(job.source, job.layer, this.wearTop);
    const key = timeless(context);
    const { last } = this;
    const isDots = detailLevel(job.layout, job.view.k) === 'dot';
    const isSameCells =
      last !== undefined && last.source === job.source && last.layer === job.layer && last.key === key;
    const isSameView =
      last !== undefined &&
      !this.isStale &&
      last.layout === job.layout &&
      last.palette === job.palette &&
      last.plot === job.plot &&
      last.view.k === job.view.k &&
      last.view.x === job.view.x &&
      last.view.y === job.view.y;
    this.last = { ...job, key };
    this.isStale = false;
    // Ages are told in steps, so that between two steps nothing but what was touched is painted.
    const nowMs = steppedMs(context);
    const timely = { ...context, nowMs };
    const isSameTime = this.context?.nowMs === nowMs || !isTimed(job.layer);
    this.context = timely;
    if (isDots) this.paintDots(job, timely, isSameCells, isSameView && isSameTime, changed);
    else {
      this.isLookedAt = false;
      this.paintCells(job, timely, `${key} ${isTimed(job.layer) ? nowMs : ''}`, {
        changed,
        isSame: isSameCells && isSameView && isSameTime,
      });
    }
    return { canvas, isDone: !isDots || this.isLookedAt };
  }

  private prepare({ width, height }: Plot): HTMLCanvasElement {
    if (!this.canvas || !this.image || this.image.width !== width || this.image.height !== height) {
      this.canvas = document.createElement('canvas');
      this.canvas.width = width;
      this.canvas.height = height;
      this.image = new ImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.invalidate();
    }
    return this.canvas;
  }

  /** Chunks that changed since the last paint; every one where the source is another. */
  private changes({ source }: RasterJob): Set<number> {
    if (source !== this.watched || !this.watch) {
      this.watched = source;
      this.watch?.stop();
      this.watch = watchChanges(source);
      this.watch.take();
      this.wearTop = wearTopOf(source.eraseCount);
      this.cells.forgetAll();
      return new Set();
    }
    const chunks = new Set<number>();
    const { numPln } = source.dims;
    for (const block of this.watch.take()) {
      chunks.add(Math.floor(block / numPln));
      if ((source.eraseCount[block] ?? 0) > this.wearTop) this.wearTop = wearTopOf(source.eraseCount);
    }
    for (const chunk of chunks) this.cells.forget(chunk);
    return chunks;
  }

  private paintDots(
    job: RasterJob,
    context: LayerContext,
    isSameCells: boolean,
    isSameView: boolean,
    changed: Set<number>,
  ): void {
    const wasDone = this.isLookedAt && isSameCells;
    if (!wasDone && (!isSameCells || !this.isLooking)) this.dots.restart(context);
    this.isLooking = true;
    for (const chunk of changed) this.dots.forget(context, chunk);
    this.isLookedAt = this.dots.update(context, LOOK_BUDGET_MS);
    if (this.isLookedAt) this.isLooking = false;
    this.wasWhole = !(wasDone && isSameView && changed.size === 0);
    if (!this.wasWhole) return;
    this.pixels.fill(packPixel(job.palette.surface));
    this.dots.paint(job.layout, job.view, job.plot, job.palette, this.pixels);
    this.put({ x: 0, y: 0, w: job.plot.width, h: job.plot.height });
  }

  private paintCells(
    job: RasterJob,
    context: LayerContext,
    key: string,
    { changed, isSame }: { changed: Set<number>; isSame: boolean },
  ): void {
    this.isLooking = false;
    const { layout, plot } = job;
    this.wasWhole = !isSame || changed.size > job.source.chunks * MAX_CHANGED_SHARE;
    if (this.wasWhole) {
      this.cells.aim(context, layout, job.view, plot, job.palette, key);
      this.pixels.fill(packPixel(job.palette.surface));
      this.cells.paintAll(context, layout, plot, this.pixels);
      this.put({ x: 0, y: 0, w: plot.width, h: plot.height });
      return;
    }
    for (const chunk of changed) {
      const r = this.cells.paintChunk(context, layout, plot, this.pixels, chunk);
      if (r) this.put(r);
    }
  }

  private put(r: Rect): void {
    if (this.image) this.canvas?.getContext('2d')?.putImageData(this.image, 0, 0, r.x, r.y, r.w, r.h);
  }
}

function isTimed(layer: MapLayer): boolean {
  return layer === 'age' || layer === 'operation';
}

function steppedMs({ layer, nowMs }: LayerContext): number {
  const step = layer === 'age' ? AGE_EVERY_MS : FADE_EVERY_MS;
  return isTimed(layer) ? Math.ceil(nowMs / step) * step : 0;
}

/** All of a context that changes cells which nothing was done to, but for the time. */
function timeless(c: LayerContext): string {
  return `${c.layer === 'wear' ? c.wearTop : ''} ${c.layer === 'owner' ? c.targetOfUnit.join() : ''}`;
}
