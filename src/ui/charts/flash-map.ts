import { select, zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior, type ZoomTransform } from 'd3';
import type { MapPicture } from './export-map.ts';
import type { Plot } from './flash-map-axes.ts';
import { layerContext } from './flash-map-codes.ts';
import type { ChunkOp } from './flash-map-data.ts';
import { Glows } from './flash-map-glows.ts';
import { drawGutters, GUTTER_LEFT, GUTTER_TOP } from './flash-map-gutters.ts';
import {
  cellRect,
  detailLevel,
  hitTest,
  layoutFlashMap,
  type CursorMove,
  type DetailLevel,
  type MapLayout,
  type MapPoint,
  type Rect,
} from './flash-map-layout.ts';
import { MarkFinder, NO_MARKS, type MapSelection, type MarkedCell } from './flash-map-marks.ts';
import { Overview } from './flash-map-overview.ts';
import { drawLines, drawMarks, drawRing, type OverlayJob } from './flash-map-overlay.ts';
import { readPalette, type Palette } from './flash-map-palette.ts';
import { moveInLevel, placeRect } from './flash-map-places.ts';
import { MapRaster } from './flash-map-raster.ts';
import { drawSectorNumbers, drawStateSigns, drawWearNumbers, type SignJob } from './flash-map-signs.ts';
import { sameDims, type MapLayer, type MapSource } from './flash-map-source.ts';

export interface FlashMapHooks {
  /** `level` tells how deep the map is drawn there: pages and sectors are only worth naming when seen. */
  hover(point: MapPoint | undefined, x: number, y: number, level: DetailLevel): void;
  select(at: MapPoint, level: DetailLevel): void;
  /** The keyboard cursor moved, or what is under it changed. */
  cursor(at: MapPoint, level: DetailLevel): void;
}

/** What other views point at, besides what the map itself has under its pointer. */
export interface MapPointers {
  readonly selected: MapSelection | undefined;
  readonly hovered: MapSelection | undefined;
  readonly highlighted: readonly { readonly block: number; readonly sec: number }[];
}

const ORIGIN: MapPoint = { ch: 0, lun: 0, chk: 0, pln: 0, pg: 0, sec: 0 };

/** A picture that was due before is not to be expected any more. */
const LATE = 1.4;

/**
 * The flash map on one canvas: zoom, cursor, selection. Draws only when something changed. Knows nothing of
 * Svelte or of the worker.
 */
export class FlashMap {
  readonly #canvas: HTMLCanvasElement;
  readonly #ctx: CanvasRenderingContext2D;
  readonly #hooks: FlashMapHooks;
  readonly #zoom: ZoomBehavior<HTMLCanvasElement, unknown>;
  readonly #raster = new MapRaster();
  readonly #glows = new Glows();
  readonly #overview = new Overview();
  readonly #selectedMarks = new MarkFinder();
  readonly #hoveredMarks = new MarkFinder();
  #palette: Palette;
  #source: MapSource | undefined;
  #layer: MapLayer = 'state';
  #layout: MapLayout | undefined;
  #plot: Plot = { x: GUTTER_LEFT, y: GUTTER_TOP, width: 1, height: 1 };
  #view: ZoomTransform = zoomIdentity;
  #width = 0;
  #height = 0;
  #cursor: MapPoint | undefined;
  #cursorShown = false;
  #hovered: MapPoint | undefined;
  #pointers: MapPointers = { selected: undefined, hovered: undefined, highlighted: [] };
  #highlighted: readonly MarkedCell[] = [];
  #pointer: PointerEvent | undefined;
  #scheduled = 0;
  #drawn = 0;
  #areLabelsShown = true;
  /** The newest press of the pointer was in the overview. */
  #isInOverview = false;
  reducedMotion = false;
  /** Milliseconds between two pictures of something that fades by itself; see `state/pace.ts`. */
  everyMs: () => number = () => 0;
  #fading: ReturnType<typeof setTimeout> | undefined;

  constructor(canvas: HTMLCanvasElement, hooks: FlashMapHooks) {
    const ctx = canvas.getContext('2d');
    if (!ctx) throw new Error('This browser gives no 2D canvas.');
    this.#canvas = canvas;
    this.#ctx = ctx;
    this.#hooks = hooks;
    this.#palette = this.#readPalette();
    this.#zoom = zoom<HTMLCanvasElement, unknown>()
      .clickDistance(4)
      // As d3 has it by default, but in the overview a drag goes elsewhere.
      .filter(
        (event: MouseEvent) =>
          (!event.ctrlKey || event.type === 'wheel') && !event.button && !this.#inOverview(event),
      )
      .on('zoom', (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        this.#view = event.transform;
        this.#hoverAgain();
        this.requestDraw();
      });
    // Double click selects twice rather than zooming: + and the wheel zoom.
    select(canvas).call(this.#zoom).on('dblclick.zoom', null);
    canvas.addEventListener('pointerdown', this.#onPointerDown);
    canvas.addEventListener('pointerup', this.#onPointerUp);
    canvas.addEventListener('pointermove', this.#onPointerMove);
    canvas.addEventListener('pointerleave', this.#onPointerLeave);
    canvas.addEventListener('click', this.#onClick);
    canvas.addEventListener('keydown', this.#onKey);
    canvas.addEventListener('focus', this.#onFocus);
    canvas.addEventListener('blur', this.#onBlur);
  }

  destroy(): void {
    cancelAnimationFrame(this.#scheduled);
    clearTimeout(this.#fading);
    this.#raster.destroy();
    this.#overview.destroy();
    this.#glows.stop();
    select(this.#canvas).on('.zoom', null);
    this.#canvas.removeEventListener('pointerdown', this.#onPointerDown);
    this.#canvas.removeEventListener('pointerup', this.#onPointerUp);
    this.#canvas.removeEventListener('pointermove', this.#onPointerMove);
    this.#canvas.removeEventListener('pointerleave', this.#onPointerLeave);
    this.#canvas.removeEventListener('click', this.#onClick);
    this.#canvas.removeEventListener('keydown', this.#onKey);
    this.#canvas.removeEventListener('focus', this.#onFocus);
    this.#canvas.removeEventListener('blur', this.#onBlur);
  }

  /** Another device, another moment of it, or none; the zoom starts over only if the shape is another. */
  setSource(source: MapSource | undefined): void {
    if (source === this.#source) return;
    const isSameShape = source && this.#source && sameDims(source.dims, this.#source.dims);
    this.#source = source;
    this.#glows.clear();
    if (!isSameShape) {
      this.#cursor = undefined;
      this.#hovered = undefined;
      this.#relayout();
      this.fit();
    }
    this.requestDraw();
  }

  resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.max(1, Math.round(width * ratio));
    this.#canvas.height = Math.max(1, Math.round(height * ratio));
    this.#relayout();
    if (this.#view.k === 1) this.fit();
    this.requestDraw();
  }

  themeChanged(): void {
    this.#palette = this.#readPalette();
    this.requestDraw();
  }

  /** The source changed; `ops` is what was done, where the source itself does not tell. */
  changed(ops: readonly ChunkOp[] = []): void {
    if (!this.reducedMotion) this.#glows.add(ops);
    this.requestDraw();
  }

  get layer(): MapLayer {
    return this.#layer;
  }

  set layer(layer: MapLayer) {
    if (layer === this.#layer) return;
    this.#layer = layer;
    this.requestDraw();
  }

  set pointers(pointers: MapPointers) {
    this.#pointers = pointers;
    this.#highlighted = pointers.highlighted.map((at) => ({ ...at, isOld: false }));
    this.requestDraw();
  }

  /** Letters and numbers; without them a picture is the same on every machine. */
  set labels(areShown: boolean) {
    this.#areLabelsShown = areShown;
    this.requestDraw();
  }

  get palette(): Palette {
    return this.#palette;
  }

  get wearTop(): number {
    return this.#raster.wearTop;
  }

  focus(): void {
    this.#canvas.focus();
  }

  fit(): void {
    select(this.#canvas).call(this.#zoom.transform, zoomIdentity);
  }

  zoomBy(factor: number): void {
    // Around what the reader is busy with, if that is in sight; else around the middle.
    const busyWith = this.#busyWith();
    const [x, y] =
      busyWith && this.#layout ? centreOf(cellRect(this.#layout, this.#view, busyWith)) : [-1, -1];
    const seen = x > GUTTER_LEFT && y > GUTTER_TOP && x < this.#width && y < this.#height;
    const target = select(this.#canvas);
    if (seen) target.call(this.#zoom.scaleBy, factor, [x, y]);
    else target.call(this.#zoom.scaleBy, factor);
  }

  /** Shows a place at a zoom, in the middle as far as the edges allow. */
  lookAt(at: MapPoint, k: number): void {
    if (!this.#layout) return;
    const target = select(this.#canvas);
    target.call(this.#zoom.scaleTo, k);
    const [x, y] = this.#worldCentre(at);
    target.call(this.#zoom.translateTo, x, y);
  }

  get maxZoom(): number {
    return this.#layout?.maxZoom ?? 1;
  }

  /** Painted rectangle of a chunk's cell, in CSS pixels from the canvas' corner. */
  cellRect(ch: number, lun: number, chk: number): Rect | undefined {
    return this.#layout && cellRect(this.#layout, this.#view, { ch, lun, chk });
  }

  /** The same of a page or a sector, as far as they are drawn apart at the present zoom. */
  placeRect(at: MapPoint): Rect | undefined {
    return this.#layout && placeRect(this.#layout, this.#view, at, this.#level);
  }

  /** For the tests: the colour the page gives to a state, as written in the tokens. */
  colour(state: 'free' | 'open' | 'closed' | 'offline'): string {
    return this.#palette[state];
  }

  /** For the tests: paints everything at once, `fresh` from the sectors on; milliseconds of script that it took. */
  paintMs(fresh = false): number {
    this.#raster.invalidate(fresh);
    const from = performance.now();
    this.#paint();
    return performance.now() - from;
  }

  /** The map as it is now, for a picture of it; undefined while there is nothing on it. */
  picture(): Pick<MapPicture, 'layout' | 'view' | 'plot' | 'pixels' | 'palette'> | undefined {
    if (!this.#layout || !this.#source) return undefined;
    this.#paint();
    const { k, x, y } = this.#view;
    return {
      layout: this.#layout,
      view: { k, x, y },
      plot: this.#plot,
      pixels: this.#raster.painted.slice(),
      palette: this.#palette,
    };
  }

  requestDraw(): void {
    if (this.#scheduled === 0) this.#scheduled = requestAnimationFrame(this.#draw);
  }

  get #level(): DetailLevel {
    return this.#layout ? detailLevel(this.#layout, this.#view.k) : 'dot';
  }

  #readPalette(): Palette {
    const style = getComputedStyle(this.#canvas);
    return readPalette(
      (name) => style.getPropertyValue(name),
      (colour) => {
        // A canvas gives opaque colours back as #rrggbb, however they were written.
        this.#ctx.fillStyle = colour;
        return String(this.#ctx.fillStyle);
      },
    );
  }

  #relayout(): void {
    if (!this.#source || this.#width === 0) {
      this.#layout = undefined;
      return;
    }
    this.#layout = layoutFlashMap(this.#source.dims, this.#width, this.#height - 2, GUTTER_LEFT, GUTTER_TOP);
    this.#plot = {
      x: GUTTER_LEFT,
      y: GUTTER_TOP,
      width: Math.max(1, Math.floor(this.#width) - GUTTER_LEFT),
      height: Math.max(1, Math.floor(this.#height) - GUTTER_TOP),
    };
    const right = Math.max(this.#width, GUTTER_LEFT + this.#layout.width);
    const bottom = Math.max(this.#height, GUTTER_TOP + this.#layout.height);
    this.#zoom
      .extent([
        [GUTTER_LEFT, GUTTER_TOP],
        [this.#width, this.#height],
      ])
      .translateExtent([
        [GUTTER_LEFT, GUTTER_TOP],
        [right, bottom],
      ])
      .scaleExtent([1, this.#layout.maxZoom]);
  }

  readonly #draw = (): void => {
    this.#scheduled = 0;
    this.#paint();
  };

  #paint(): void {
    const ctx = this.#ctx;
    const ratio = this.#canvas.width / Math.max(1, this.#width);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.#width, this.#height);
    const layout = this.#layout;
    const source = this.#source;
    if (!layout || !source) return;
    const { model } = source;
    const view = this.#view;
    const level = this.#level;
    const plot = this.#plot;
    const palette = this.#palette;

    const { canvas, isDone } = this.#raster.paint({
      source,
      layer: this.#layer,
      layout,
      view,
      plot,
      palette,
    });
    const context = layerContext(source, this.#layer, this.#raster.wearTop);
    const openLines = model?.targets.map(({ openLine }) => openLine).filter((line) => line >= 0) ?? [];
    drawGutters({
      ctx,
      layout,
      view,
      palette,
      width: this.#width,
      height: this.#height,
      marked: this.#hovered ?? this.#busyWith(),
      openLines,
      targetOfUnit: context.targetOfUnit,
      labels: this.#areLabelsShown,
    });
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.x - 2, plot.y - 2, this.#width, this.#height);
    ctx.clip();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(canvas, plot.x, plot.y);
    this.#drawSigns({ ctx, layout, view, plot, palette, context }, level);
    const overlay = { ctx, layout, view, palette, level, width: this.#width, height: this.#height };
    if (model) drawLines(overlay, model);
    if (!this.reducedMotion) this.#glows.follow(source);
    this.#glows.draw(ctx, layout, view, palette);
    const isDue = this.#drawPointers(overlay, source);
    const isOverviewDue =
      this.#areLabelsShown &&
      this.#overview.draw({ ctx, source, layer: this.#layer, layout, view, plot, palette });
    ctx.restore();

    // What the tests look at besides pixels.
    const set = this.#canvas.dataset;
    set['cells'] = String(source.chunks);
    set['level'] = level;
    set['draws'] = String(++this.#drawn);
    if (!isDone || isOverviewDue) this.requestDraw();
    else if (isDue || this.#glows.size > 0) this.#fadeLater();
  }

  /** While pictures come at their pace, what fades is drawn with the next of them and not in one of its own. */
  #fadeLater(): void {
    clearTimeout(this.#fading);
    this.#fading = setTimeout(this.#fade, this.everyMs() * LATE);
  }

  readonly #fade = (): void => {
    this.#fading = undefined;
    this.requestDraw();
  };

  #drawSigns(job: SignJob, level: DetailLevel): void {
    if (level === 'chunk' && this.#layer === 'state') drawStateSigns(job);
    if (!this.#areLabelsShown || level === 'dot') return;
    if (this.#layer === 'wear') drawWearNumbers(job);
    else drawSectorNumbers(job, level);
  }

  /** True when the marks are to be looked for again soon. */
  #drawPointers(job: OverlayJob, source: MapSource): boolean {
    const { palette } = this;
    if (this.#highlighted.length > 0)
      drawMarks(job, { ...NO_MARKS, cells: this.#highlighted }, palette.focus, 2);
    const hovered = this.#hoveredMarks.find(source, this.#pointers.hovered);
    const selected = this.#selectedMarks.find(source, this.#pointers.selected);
    drawMarks(job, hovered.marks, palette.muted, 1);
    if (this.#hovered) drawRing(job, this.#hovered, palette.muted, 1, []);
    drawMarks(job, selected.marks, palette.text, 2);
    if (this.#cursorShown && this.#cursor) drawRing(job, this.#cursor, palette.focus, 2, [4, 3]);
    return hovered.isDue || selected.isDue;
  }

  #busyWith(): MapPoint | undefined {
    return (this.#cursorShown ? this.#cursor : undefined) ?? this.#selectedPoint();
  }

  #selectedPoint(): MapPoint | undefined {
    const { selected } = this.#pointers;
    return selected?.kind === 'chunk' || selected?.kind === 'cell' ? this.#cursor : undefined;
  }

  #pointAt(event: MouseEvent): MapPoint | undefined {
    if (!this.#layout) return undefined;
    const box = this.#canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    if (x < GUTTER_LEFT || y < GUTTER_TOP) return undefined;
    return hitTest(this.#layout, this.#view, x, y);
  }

  #inOverview(event: MouseEvent): boolean {
    return this.#placeInOverview(event, false) !== undefined;
  }

  #placeInOverview(event: MouseEvent, isDragging: boolean): [number, number] | undefined {
    if (!this.#layout || !this.#areLabelsShown || !this.#overview.isShown) return undefined;
    const box = this.#canvas.getBoundingClientRect();
    return this.#overview.worldAt(
      this.#layout,
      event.clientX - box.left,
      event.clientY - box.top,
      isDragging,
    );
  }

  /** Goes where the overview was pressed, and follows the pointer from there. */
  readonly #onPointerDown = (event: PointerEvent): void => {
    this.#isInOverview = event.button === 0 && this.#inOverview(event);
    if (!this.#isInOverview) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#followOverview(event);
  };

  readonly #onPointerUp = (event: PointerEvent): void => {
    if (this.#isInOverview) this.#canvas.releasePointerCapture(event.pointerId);
  };

  #followOverview(event: PointerEvent): void {
    const to = this.#placeInOverview(event, true);
    if (to) select(this.#canvas).call(this.#zoom.translateTo, ...to);
  }

  readonly #onPointerMove = (event: PointerEvent): void => {
    if (this.#isInOverview && event.buttons !== 0) {
      this.#followOverview(event);
      return;
    }
    this.#pointer = event.pointerType === 'touch' ? undefined : event;
    this.#hoverAgain();
  };

  readonly #onPointerLeave = (): void => {
    this.#pointer = undefined;
    this.#hoverAgain();
  };

  /** What is under the pointer: after it moved, and after the map moved under it. */
  #hoverAgain(): void {
    const isOnMap = this.#pointer && !this.#inOverview(this.#pointer);
    const point = isOnMap ? this.#pointAt(this.#pointer as PointerEvent) : undefined;
    const before = this.#hovered;
    if (!point && !before) return;
    this.#hovered = point;
    if (!point || !before || !samePlace(before, point)) this.requestDraw();
    const box = this.#canvas.getBoundingClientRect();
    const x = (this.#pointer?.clientX ?? 0) - box.left;
    const y = (this.#pointer?.clientY ?? 0) - box.top;
    this.#hooks.hover(point, x, y, this.#level);
  }

  readonly #onClick = (event: MouseEvent): void => {
    if (this.#isInOverview) return;
    const point = this.#pointAt(event);
    if (!point) return;
    this.#cursorShown = false;
    this.#choose(point);
  };

  readonly #onFocus = (): void => {
    // Only a focus that came by keyboard shows the cursor.
    if (!this.#canvas.matches(':focus-visible')) return;
    this.#cursorShown = true;
    this.#cursor ??= ORIGIN;
    if (this.#layout) this.#hooks.cursor(this.#cursor, this.#level);
    this.requestDraw();
  };

  readonly #onBlur = (): void => {
    this.#cursorShown = false;
    this.requestDraw();
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    if (!this.#layout || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    const at = this.#cursor ?? ORIGIN;
    if (move) this.#moveTo(moveInLevel(this.#layout, at, this.#level, move));
    else if (event.key === '+' || event.key === '=') this.zoomBy(1.5);
    else if (event.key === '-') this.zoomBy(1 / 1.5);
    else if (event.key === '0') this.fit();
    else if (event.key === 'Enter' || event.key === ' ') this.#choose(at);
    else return;
    event.preventDefault();
  };

  #moveTo(at: MapPoint): void {
    this.#cursor = at;
    this.#cursorShown = true;
    this.#reveal(at);
    this.#hooks.cursor(at, this.#level);
    this.requestDraw();
  }

  #choose(at: MapPoint): void {
    this.#cursor = at;
    this.#hooks.select(at, this.#level);
    this.requestDraw();
  }

  /** Pans so that the place is in sight, when it is not. */
  #reveal(at: MapPoint): void {
    if (!this.#layout) return;
    const r = placeRect(this.#layout, this.#view, at, this.#level);
    const inside =
      r.x >= GUTTER_LEFT - 2 &&
      r.y >= GUTTER_TOP - 2 &&
      r.x + r.w <= this.#width &&
      r.y + r.h <= this.#height;
    if (inside) return;
    const [x, y] = this.#worldCentre(at);
    select(this.#canvas).call(this.#zoom.translateTo, x, y);
  }

  #worldCentre(at: MapPoint): [number, number] {
    if (!this.#layout) return [0, 0];
    const [x, y] = centreOf(placeRect(this.#layout, this.#view, at, this.#level));
    return [(x - this.#view.x) / this.#view.k, (y - this.#view.y) / this.#view.k];
  }
}

const MOVES: Readonly<Record<string, CursorMove>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'rowStart',
  End: 'rowEnd',
  PageUp: 'prevCh',
  PageDown: 'nextCh',
};

function centreOf(r: Rect): [number, number] {
  return [r.x + r.w / 2, r.y + r.h / 2];
}

function samePlace(a: MapPoint, b: MapPoint): boolean {
  return (
    a.ch === b.ch && a.lun === b.lun && a.chk === b.chk && a.pln === b.pln && a.pg === b.pg && a.sec === b.sec
  );
}
