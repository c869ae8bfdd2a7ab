import { select, zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior, type ZoomTransform } from 'd3';
import type { ChunkOp, FlashMapData } from './flash-map-data.ts';
import {
  cellRect,
  chunkAt,
  chunkIndex,
  chunkRect,
  detailLevel,
  hitTest,
  layoutFlashMap,
  moveCursor,
  toScreen,
  type ChunkAddress,
  type CursorMove,
  type DetailLevel,
  type MapLayout,
  type MapPoint,
  type Rect,
} from './flash-map-layout.ts';
import { CellRaster, paintCells, visibleRange } from './flash-map-paint.ts';
import { readPalette, type Palette } from './flash-map-palette.ts';

export interface FlashMapHooks {
  /** `level` tells how deep the map is drawn there: pages and sectors are only worth naming when seen. */
  hover(point: MapPoint | undefined, x: number, y: number, level: DetailLevel): void;
  select(at: ChunkAddress): void;
  /** The keyboard cursor moved, or what is under it changed. */
  cursor(at: ChunkAddress): void;
}

const GUTTER_LEFT = 58;
const GUTTER_TOP = 20;
const GLOW_MS = 400;
/** More would be a flicker of the whole map, and costs. */
const MAX_GLOWS = 4000;

/**
 * The flash map on one canvas: zoom, cursor, selection, glow. Draws only when something changed. Knows
 * nothing of Svelte or of the worker.
 */
export class FlashMap {
  readonly #canvas: HTMLCanvasElement;
  readonly #ctx: CanvasRenderingContext2D;
  readonly #hooks: FlashMapHooks;
  readonly #zoom: ZoomBehavior<HTMLCanvasElement, unknown>;
  readonly #raster = new CellRaster();
  readonly #glows = new Map<number, { op: number; atMs: number }>();
  #palette: Palette;
  #data: FlashMapData | undefined;
  #layout: MapLayout | undefined;
  #view: ZoomTransform = zoomIdentity;
  #width = 0;
  #height = 0;
  #cursor: ChunkAddress | undefined;
  #cursorShown = false;
  #selected: ChunkAddress | undefined;
  #hovered: ChunkAddress | undefined;
  #pointer: PointerEvent | undefined;
  #scheduled = 0;
  #drawn = 0;
  reducedMotion = false;

  constructor(canvas: HTMLCanvasElement, hooks: FlashMapHooks) {
    const ctx = canvas.getContext('2d');
    if (!ctx) throw new Error('This browser gives no 2D canvas.');
    this.#canvas = canvas;
    this.#ctx = ctx;
    this.#hooks = hooks;
    this.#palette = this.#readPalette();
    this.#zoom = zoom<HTMLCanvasElement, unknown>()
      .clickDistance(4)
      .on('zoom', (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        this.#view = event.transform;
        this.#hoverAgain();
        this.requestDraw();
      });
    // Double click selects twice rather than zooming: + and the wheel zoom.
    select(canvas).call(this.#zoom).on('dblclick.zoom', null);
    canvas.addEventListener('pointermove', this.#onPointerMove);
    canvas.addEventListener('pointerleave', this.#onPointerLeave);
    canvas.addEventListener('click', this.#onClick);
    canvas.addEventListener('keydown', this.#onKey);
    canvas.addEventListener('focus', this.#onFocus);
    canvas.addEventListener('blur', this.#onBlur);
  }

  destroy(): void {
    cancelAnimationFrame(this.#scheduled);
    select(this.#canvas).on('.zoom', null);
    this.#canvas.removeEventListener('pointermove', this.#onPointerMove);
    this.#canvas.removeEventListener('pointerleave', this.#onPointerLeave);
    this.#canvas.removeEventListener('click', this.#onClick);
    this.#canvas.removeEventListener('keydown', this.#onKey);
    this.#canvas.removeEventListener('focus', this.#onFocus);
    this.#canvas.removeEventListener('blur', this.#onBlur);
  }

  /** Another disk, or none; the zoom starts over only if the shape is another. */
  setData(data: FlashMapData | undefined): void {
    const sameShape = data && this.#data && JSON.stringify(data.dims) === JSON.stringify(this.#data.dims);
    this.#data = data;
    this.#glows.clear();
    if (!sameShape) {
      this.#cursor = undefined;
      this.#selected = undefined;
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

  /** After data.apply(): lets what was touched glow and draws. */
  changed(ops: readonly ChunkOp[]): void {
    if (!this.reducedMotion) {
      const now = performance.now();
      for (const { chunk, op } of ops) {
        if (this.#glows.size >= MAX_GLOWS && !this.#glows.has(chunk)) break;
        this.#glows.set(chunk, { op, atMs: now });
      }
    }
    this.requestDraw();
  }

  set selected(at: ChunkAddress | undefined) {
    this.#selected = at;
    this.requestDraw();
  }

  focus(): void {
    this.#canvas.focus();
  }

  fit(): void {
    select(this.#canvas).call(this.#zoom.transform, zoomIdentity);
  }

  zoomBy(factor: number): void {
    // Around what the reader is busy with, if that is in sight; else around the middle.
    const busyWith = (this.#cursorShown ? this.#cursor : undefined) ?? this.#selected;
    const [x, y] = busyWith && this.#layout ? centreOf(this.#screen(busyWith)) : [-1, -1];
    const seen = x > GUTTER_LEFT && y > GUTTER_TOP && x < this.#width && y < this.#height;
    const target = select(this.#canvas);
    if (seen) target.call(this.#zoom.scaleBy, factor, [x, y]);
    else target.call(this.#zoom.scaleBy, factor);
  }

  /** Painted rectangle of a chunk's cell, in CSS pixels from the canvas' corner. */
  cellRect(ch: number, lun: number, chk: number): Rect | undefined {
    return this.#layout && cellRect(this.#layout, this.#view, { ch, lun, chk });
  }

  /** For the tests: the colour the page gives to a state, as written in the tokens. */
  colour(state: 'free' | 'open' | 'closed' | 'offline'): string {
    return this.#palette[state];
  }

  requestDraw(): void {
    if (this.#scheduled === 0) this.#scheduled = requestAnimationFrame(this.#draw);
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
    if (!this.#data || this.#width === 0) {
      this.#layout = undefined;
      return;
    }
    this.#layout = layoutFlashMap(this.#data.dims, this.#width, this.#height - 2, GUTTER_LEFT, GUTTER_TOP);
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
    const ctx = this.#ctx;
    const ratio = this.#canvas.width / Math.max(1, this.#width);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.#width, this.#height);
    const layout = this.#layout;
    const data = this.#data;
    if (!layout || !data) return;

    this.#drawGutters(layout);
    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER_LEFT - 1, GUTTER_TOP - 1, this.#width, this.#height);
    ctx.clip();
    paintCells(
      {
        ctx,
        layout,
        view: this.#view,
        data,
        palette: this.#palette,
        width: this.#width,
        height: this.#height,
      },
      this.#raster,
    );
    this.#drawGlows();
    this.#drawMarks();
    ctx.restore();

    // What the tests look at besides pixels.
    const set = this.#canvas.dataset;
    set['cells'] = String(data.chunks);
    set['level'] = detailLevel(layout, this.#view.k);
    set['draws'] = String(++this.#drawn);
    if (this.#glows.size > 0) this.requestDraw();
  };

  /** Names of rows and columns stay in place while the cells move under them, as in a spreadsheet. */
  #drawGutters(layout: MapLayout): void {
    const ctx = this.#ctx;
    const { dims } = layout;
    const view = this.#view;
    const seen = visibleRange(layout, view, this.#width, this.#height);
    const marked = this.#hovered ?? (this.#cursorShown ? this.#cursor : undefined) ?? this.#selected;
    ctx.font = `11px ${this.#palette.fontMono}`;
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'right';

    const rowStep = everyNth(layout.lunPitch * view.k, 13);
    // LUNs too thin for a label each: one a channel, or one every few channels.
    const chStep = rowStep < dims.numLun ? 1 : everyNth(layout.chPitch * view.k, 13);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, GUTTER_TOP - 8, GUTTER_LEFT, this.#height);
    ctx.clip();
    for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
      const ch = Math.floor(unit / dims.numLun);
      const lun = unit % dims.numLun;
      const isMarked = marked?.ch === ch && marked.lun === lun;
      if ((lun % rowStep !== 0 || ch % chStep !== 0) && !isMarked) continue;
      const r = toScreen(view, chunkRect(layout, { ch, lun, chk: 0 }));
      const height = r.h * layout.rowsPerLun;
      // In a tall row the label stays in sight as long as any of the row is.
      const y =
        height < 16
          ? r.y + height / 2
          : clamp(r.y + height / 2, GUTTER_TOP + 8, Math.max(GUTTER_TOP, r.y + height - 8));
      const text = dims.numCh > 1 ? `c${ch} L${lun}` : `LUN ${lun}`;
      if (isMarked) {
        ctx.fillStyle = this.#palette.free;
        ctx.fillRect(4, y - 8, GUTTER_LEFT - 8, 16);
      }
      ctx.fillStyle = isMarked ? this.#palette.text : this.#palette.muted;
      ctx.fillText(text, GUTTER_LEFT - 8, y);
    }
    ctx.restore();

    ctx.save();
    ctx.beginPath();
    ctx.rect(GUTTER_LEFT, 0, this.#width, GUTTER_TOP);
    ctx.clip();
    ctx.textAlign = 'center';
    const columnStep = everyNth(layout.cellW * view.k, 12 + 7 * String(dims.numChk).length);
    const label = (column: number, isMarked: boolean) => {
      const r = toScreen(view, chunkRect(layout, { ch: 0, lun: 0, chk: column }));
      const half = 4 + 3.5 * String(column).length;
      const left = Math.max(r.x, GUTTER_LEFT);
      const x = Math.min(
        clamp(r.x + r.w / 2, left + half, Math.max(left, r.x + r.w - half)),
        this.#width - half,
      );
      if (isMarked) {
        ctx.fillStyle = this.#palette.free;
        ctx.fillRect(x - half, 2, 2 * half, GUTTER_TOP - 5);
      }
      ctx.fillStyle = isMarked ? this.#palette.text : this.#palette.muted;
      ctx.fillText(String(column), x, GUTTER_TOP / 2);
    };
    const first = Math.ceil(seen.firstColumn / columnStep) * columnStep;
    for (let column = first; column <= seen.lastColumn; column += columnStep) label(column, false);
    const column = marked ? marked.chk % layout.columns : -1;
    if (column >= seen.firstColumn && column <= seen.lastColumn) label(column, true);
    ctx.restore();
  }

  #drawGlows(): void {
    const now = performance.now();
    const data = this.#data;
    if (!data || !this.#layout) return;
    const colours = ['', this.#palette.opRead, this.#palette.opWrite, this.#palette.opErase];
    for (const [chunk, glow] of this.#glows) {
      const left = 1 - (now - glow.atMs) / GLOW_MS;
      if (left <= 0) {
        this.#glows.delete(chunk);
        continue;
      }
      const r = this.#screen(chunkAt(data.dims, chunk));
      this.#ctx.globalAlpha = left;
      this.#ctx.strokeStyle = colours[glow.op] ?? '';
      this.#ctx.fillStyle = colours[glow.op] ?? '';
      if (r.w < 8 || r.h < 8) {
        this.#ctx.fillRect(r.x, r.y, Math.max(2, r.w), Math.max(2, r.h));
      } else {
        this.#ctx.lineWidth = 3;
        this.#ctx.strokeRect(r.x + 1, r.y + 1, r.w - 2, r.h - 2);
      }
    }
    this.#ctx.globalAlpha = 1;
  }

  #drawMarks(): void {
    const ctx = this.#ctx;
    const ring = (at: ChunkAddress, colour: string, width: number, dash: number[]) => {
      const r = this.#screen(at);
      ctx.setLineDash(dash);
      ctx.lineWidth = width;
      ctx.strokeStyle = colour;
      ctx.strokeRect(r.x - 1, r.y - 1, r.w + 2, r.h + 2);
      ctx.setLineDash([]);
    };
    if (this.#hovered) ring(this.#hovered, this.#palette.muted, 1, []);
    if (this.#selected) ring(this.#selected, this.#palette.text, 2, []);
    if (this.#cursorShown && this.#cursor) ring(this.#cursor, this.#palette.focus, 2, [4, 3]);
  }

  #screen(at: ChunkAddress): Rect {
    return this.#layout ? cellRect(this.#layout, this.#view, at) : { x: 0, y: 0, w: 0, h: 0 };
  }

  #pointAt(event: MouseEvent): MapPoint | undefined {
    if (!this.#layout) return undefined;
    const box = this.#canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    if (x < GUTTER_LEFT || y < GUTTER_TOP) return undefined;
    return hitTest(this.#layout, this.#view, x, y);
  }

  readonly #onPointerMove = (event: PointerEvent): void => {
    this.#pointer = event.pointerType === 'touch' ? undefined : event;
    this.#hoverAgain();
  };

  readonly #onPointerLeave = (): void => {
    this.#pointer = undefined;
    this.#hoverAgain();
  };

  /** What is under the pointer: after it moved, and after the map moved under it. */
  #hoverAgain(): void {
    const point = this.#pointer && this.#pointAt(this.#pointer);
    const dims = this.#data?.dims;
    const before = this.#hovered && dims ? chunkIndex(dims, this.#hovered) : -1;
    const after = point && dims ? chunkIndex(dims, point) : -1;
    this.#hovered = point;
    if (before !== after) this.requestDraw();
    const box = this.#canvas.getBoundingClientRect();
    const x = (this.#pointer?.clientX ?? 0) - box.left;
    const y = (this.#pointer?.clientY ?? 0) - box.top;
    const level = this.#layout ? detailLevel(this.#layout, this.#view.k) : 'dot';
    this.#hooks.hover(point, x, y, level);
  }

  readonly #onClick = (event: MouseEvent): void => {
    const point = this.#pointAt(event);
    if (!point) return;
    this.#cursor = { ch: point.ch, lun: point.lun, chk: point.chk };
    this.#cursorShown = false;
    this.#choose(this.#cursor);
  };

  readonly #onFocus = (): void => {
    // Only a focus that came by keyboard shows the cursor.
    if (!this.#canvas.matches(':focus-visible')) return;
    this.#cursorShown = true;
    this.#cursor ??= { ch: 0, lun: 0, chk: 0 };
    if (this.#layout) this.#hooks.cursor(this.#cursor);
    this.requestDraw();
  };

  readonly #onBlur = (): void => {
    this.#cursorShown = false;
    this.requestDraw();
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    if (!this.#layout || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = MOVES[event.key];
    if (move) this.#moveTo(moveCursor(this.#layout, this.#cursor ?? { ch: 0, lun: 0, chk: 0 }, move));
    else if (event.key === '+' || event.key === '=') this.zoomBy(1.5);
    else if (event.key === '-') this.zoomBy(1 / 1.5);
    else if (event.key === '0') this.fit();
    else if (event.key === 'Enter' || event.key === ' ')
      this.#choose(this.#cursor ?? { ch: 0, lun: 0, chk: 0 });
    else return;
    event.preventDefault();
  };

  #moveTo(at: ChunkAddress): void {
    this.#cursor = at;
    this.#cursorShown = true;
    this.#reveal(at);
    this.#hooks.cursor(at);
    this.requestDraw();
  }

  #choose(at: ChunkAddress): void {
    this.#cursor = at;
    this.#selected = at;
    this.#hooks.select(at);
    this.requestDraw();
  }

  /** Pans so that the cell is in sight, when it is not. */
  #reveal(at: ChunkAddress): void {
    if (!this.#layout) return;
    const r = this.#screen(at);
    const inside =
      r.x >= GUTTER_LEFT - 2 &&
      r.y >= GUTTER_TOP - 2 &&
      r.x + r.w <= this.#width &&
      r.y + r.h <= this.#height;
    if (inside) return;
    const world = chunkRect(this.#layout, at);
    select(this.#canvas).call(this.#zoom.translateTo, world.x + world.w / 2, world.y + world.h / 2);
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

/** Between low and high; low wins where they cross. */
function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

/** Which labels fit: every one, every 2nd, 5th, 10th, 20th … */
function everyNth(pitchPx: number, neededPx: number): number {
  let step = 1;
  while (pitchPx * step < neededPx) step = String(step).startsWith('2') ? step * 2.5 : step * 2;
  return step;
}
