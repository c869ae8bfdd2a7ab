import type { Plot } from './flash-map-axes.ts';
import type { MapLayout, Rect, View } from './flash-map-layout.ts';
import type { Palette } from './flash-map-palette.ts';
import { MapRaster } from './flash-map-raster.ts';
import type { MapLayer, MapSource } from './flash-map-source.ts';

/** Below this zoom nearly everything is in sight anyway. */
const FROM_ZOOM = 1.3;
/** Share of the map's width and height that the whole device takes in the corner. */
const SHARE = 0.22;
const MARGIN = 8;
const LEAST_PX = 60;
/** It is painted again so often while things change: a glance, not the map itself. */
const EVERY_MS = 1000;
const UNZOOMED: View = { k: 1, x: 0, y: 0 };

export interface OverviewJob {
  readonly ctx: CanvasRenderingContext2D;
  readonly source: MapSource;
  readonly layer: MapLayer;
  readonly layout: MapLayout;
  readonly view: View;
  readonly plot: Plot;
  readonly palette: Palette;
}

/** The whole device in a corner of the map, and in it the part that is in sight: to know where one is, and to go elsewhere. */
export class Overview {
  private readonly raster = new MapRaster();
  private box: Rect | undefined;
  private canvas: HTMLCanvasElement | undefined;
  private painted: { layer: MapLayer; layout: MapLayout; palette: Palette; atMs: number } | undefined;

  /** Asked at each move of the pointer, before anything is measured. */
  get isShown(): boolean {
    return this.box !== undefined;
  }

  destroy(): void {
    this.raster.destroy();
  }

  /** Draws it where the map is zoomed in. Returns true while it is not up to date. */
  draw(job: OverviewJob): boolean {
    const { ctx, layout, view, plot, palette } = job;
    this.box = view.k < FROM_ZOOM ? undefined : boxIn(layout, plot);
    const { box } = this;
    if (!box) return false;
    const isDue = this.paint(job);
    ctx.save();
    ctx.globalAlpha = 0.94;
    ctx.fillStyle = palette.surface;
    ctx.fillRect(box.x - 3, box.y - 3, box.w + 6, box.h + 6);
    ctx.globalAlpha = 1;
    ctx.imageSmoothingEnabled = true;
    const { width, height } = covered(layout, plot);
    if (this.canvas) ctx.drawImage(this.canvas, 0, 0, width, height, box.x, box.y, box.w, box.h);
    ctx.strokeStyle = palette.gridLine;
    ctx.lineWidth = 1;
    ctx.strokeRect(box.x - 2.5, box.y - 2.5, box.w + 5, box.h + 5);
    const seen = seenIn(box, layout, view, plot);
    ctx.strokeStyle = palette.surface;
    ctx.lineWidth = 4;
    ctx.strokeRect(seen.x, seen.y, seen.w, seen.h);
    ctx.strokeStyle = palette.text;
    ctx.lineWidth = 2;
    ctx.strokeRect(seen.x, seen.y, seen.w, seen.h);
    ctx.restore();
    return isDue;
  }

  private paint({ source, layer, layout, plot, palette }: OverviewJob): boolean {
    const nowMs = performance.now();
    const { painted } = this;
    const isSame = painted?.layer === layer && painted.layout === layout && painted.palette === palette;
    if (isSame && nowMs - painted.atMs < EVERY_MS) return false;
    const { canvas, isDone } = this.raster.paint({
      source,
      layer,
      layout,
      view: UNZOOMED,
      plot,
      palette,
    });
    this.canvas = canvas;
    if (isDone) this.painted = { layer, layout, palette, atMs: nowMs };
    return !isDone;
  }

  /** The point of the map, in world coordinates, that lies there in the overview; undefined beside it. */
  worldAt(layout: MapLayout, x: number, y: number, isDragging: boolean): [number, number] | undefined {
    const { box } = this;
    if (!box) return undefined;
    const isIn = x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h;
    if (!isIn && !isDragging) return undefined;
    const fx = Math.max(0, Math.min(1, (x - box.x) / box.w));
    const fy = Math.max(0, Math.min(1, (y - box.y) / box.h));
    return [layout.originX + fx * layout.width, layout.originY + fy * layout.height];
  }
}

function covered(layout: MapLayout, plot: Plot): { width: number; height: number } {
  return {
    width: Math.max(1, Math.min(plot.width, Math.ceil(layout.width))),
    height: Math.max(1, Math.min(plot.height, Math.ceil(layout.height))),
  };
}

/** The corner at the lower right, in the shape of the device; undefined where there is no room for it. */
export function boxIn(layout: MapLayout, plot: Plot): Rect | undefined {
  const { width, height } = covered(layout, plot);
  const scale = Math.min((plot.width * SHARE) / width, (plot.height * SHARE * 1.6) / height);
  const w = Math.round(width * scale);
  const h = Math.max(16, Math.round(height * scale));
  if (w < LEAST_PX || plot.height < 3 * h) return undefined;
  return { x: plot.x + plot.width - w - MARGIN, y: plot.y + plot.height - h - MARGIN, w, h };
}

/** The part in sight, as a rectangle in the overview. */
export function seenIn(box: Rect, layout: MapLayout, view: View, plot: Plot): Rect {
  const share = (at: number, origin: number, size: number) => Math.max(0, Math.min(1, (at - origin) / size));
  const left = share((plot.x - view.x) / view.k, layout.originX, layout.width);
  const right = share((plot.x + plot.width - view.x) / view.k, layout.originX, layout.width);
  const top = share((plot.y - view.y) / view.k, layout.originY, layout.height);
  const bottom = share((plot.y + plot.height - view.y) / view.k, layout.originY, layout.height);
  return {
    x: box.x + left * box.w,
    y: box.y + top * box.h,
    w: Math.max(3, (right - left) * box.w),
    h: Math.max(3, (bottom - top) * box.h),
  };
}
