import type { Plot } from './flash-map-axes.ts';
import {
  ageCode,
  AGES,
  Code,
  dotCode,
  FADES,
  newestMs,
  operationCode,
  type LayerContext,
} from './flash-map-codes.ts';
import { visibleRange, type MapLayout, type View, type Visible } from './flash-map-layout.ts';
import { lookTable } from './flash-map-looks.ts';
import type { Palette } from './flash-map-palette.ts';

/** Chunks that are looked at between two looks at the clock. */
const SLICE = 4096;

/**
 * Chunks as dots, up to a million of them: a code each, kept in the order in which they are painted. Where several
 * share a pixel the one with the larger code is seen, so that nothing that matters falls between two pixels.
 */
export class DotPainter {
  private codes = new Uint8Array(0);
  /** When a chunk was written or touched last, in the layers where that decides. */
  private times = new Float64Array(0);
  private isTimed = false;
  private codedMs = NaN;
  /** The next chunk to look at; the rest is as it was before. */
  private next = 0;
  private row = new Uint8Array(0);
  private table: Uint32Array = new Uint32Array(0);
  private tableFor: Palette | undefined;

  /** Another device, layer or scale: every chunk is looked at again, as far as each {@link update} gets. */
  restart(c: LayerContext): void {
    if (this.codes.length !== c.source.chunks) this.codes = new Uint8Array(c.source.chunks);
    this.isTimed = c.layer === 'age' || c.layer === 'operation';
    if (this.isTimed && this.times.length !== c.source.chunks) this.times = new Float64Array(c.source.chunks);
    this.codedMs = c.nowMs;
    this.next = 0;
  }

  forget(c: LayerContext, chunk: number): void {
    if (chunk < this.next) this.look(c, chunk);
  }

  /** Goes on looking for some time; true when all chunks have been looked at. */
  update(c: LayerContext, budgetMs: number): boolean {
    const { chunks } = c.source;
    const until = performance.now() + budgetMs;
    while (this.next < chunks && performance.now() < until) {
      const end = Math.min(chunks, this.next + SLICE);
      while (this.next < end) this.look(c, this.next++);
    }
    if (this.isTimed && this.codedMs !== c.nowMs) this.grow(c);
    return this.next === chunks;
  }

  private look(c: LayerContext, chunk: number): void {
    const { dims } = c.source;
    const units = dims.numCh * dims.numLun;
    const unit = chunk % units;
    const at = unit * dims.numChk + (chunk - unit) / units;
    this.codes[at] = dotCode(c, chunk);
    if (c.layer === 'age') this.times[at] = newestMs(c.source, chunk);
    else if (c.layer === 'operation') this.times[at] = latestMs(c, chunk);
  }

  /** Everything has become older. */
  private grow(c: LayerContext): void {
    this.codedMs = c.nowMs;
    const { codes, times } = this;
    const first = c.layer === 'age' ? Code.age : Code.operation;
    const last = c.layer === 'age' ? Code.age + AGES - 1 : Code.operation + 3 * FADES - 1;
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] as number;
      if (code < first || code > last) continue;
      codes[i] =
        c.layer === 'age'
          ? ageCode(times[i] as number, c.nowMs)
          : operationCode(Math.floor((code - first) / FADES) + 1, times[i] as number, c.nowMs);
    }
  }

  paint(layout: MapLayout, view: View, plot: Plot, palette: Palette, pixels: Uint32Array): void {
    if (this.tableFor !== palette) {
      this.table = lookTable(palette, 'plain');
      this.tableFor = palette;
    }
    const { dims, columns, rowsPerLun } = layout;
    if (this.row.length !== plot.width) this.row = new Uint8Array(plot.width);
    const seen = visibleRange(layout, view, plot.x + plot.width, plot.y + plot.height);
    const { from: firstOf, to: lastOf } = columnsByPixel(layout, view, plot, seen);
    let row: YRange | undefined;
    for (let unit = seen.firstUnit; unit <= seen.lastUnit; unit++) {
      const ch = Math.floor(unit / dims.numLun);
      const top = layout.originY + ch * layout.chPitch + (unit % dims.numLun) * layout.lunPitch;
      for (let r = 0; r < rowsPerLun; r++) {
        const from = Math.round(view.k * (top + r * layout.cellH) + view.y) - plot.y;
        const to = Math.max(from + 1, Math.round(view.k * (top + (r + 1) * layout.cellH) + view.y) - plot.y);
        // Rows thinner than a pixel share one.
        if (!row || from >= row.to) {
          this.flush(row, plot, pixels);
          row = { from, to };
          this.row.fill(0);
        }
        const first = unit * dims.numChk + r * columns;
        this.gather(first, Math.min(columns, dims.numChk - r * columns), firstOf, lastOf);
      }
    }
    this.flush(row, plot, pixels);
  }

  private gather(first: number, count: number, firstOf: Int32Array, lastOf: Int32Array): void {
    const { codes, row } = this;
    for (let x = 0; x < row.length; x++) {
      const end = first + Math.min(count, lastOf[x] as number);
      let most = row[x] as number;
      for (let i = first + (firstOf[x] as number); i < end; i++)
        if ((codes[i] as number) > most) most = codes[i] as number;
      row[x] = most;
    }
  }

  private flush(range: YRange | undefined, plot: Plot, pixels: Uint32Array): void {
    if (!range) return;
    const from = Math.max(0, range.from);
    const to = Math.min(plot.height, range.to);
    if (from >= to) return;
    const { row, table } = this;
    const at = from * plot.width;
    for (let x = 0; x < plot.width; x++) pixels[at + x] = table[row[x] as number] as number;
    for (let y = from + 1; y < to; y++) pixels.copyWithin(y * plot.width, at, at + plot.width);
  }
}

interface YRange {
  readonly from: number;
  readonly to: number;
}

/** Which columns each pixel of a row shows, from and to; none where nothing is. */
function columnsByPixel(layout: MapLayout, view: View, plot: Plot, seen: Visible) {
  const from = new Int32Array(plot.width);
  const to = new Int32Array(plot.width);
  // Rounded up, the last of those thinner than a pixel would be outside.
  const whole = view.k * layout.cellW < 1 ? Math.floor : Math.round;
  const edgeOf = (column: number) =>
    whole(view.k * (layout.originX + column * layout.cellW) + view.x) - plot.x;
  let edge = edgeOf(seen.firstColumn);
  for (let column = seen.firstColumn; column <= seen.lastColumn; column++) {
    const next = edgeOf(column + 1);
    for (let x = Math.max(0, edge), end = Math.min(plot.width, Math.max(edge + 1, next)); x < end; x++) {
      if (to[x] === 0) from[x] = column;
      to[x] = column + 1;
    }
    edge = next;
  }
  return { from, to };
}

function latestMs(c: LayerContext, chunk: number): number {
  const { numPln } = c.source.dims;
  let latest = 0;
  for (let block = chunk * numPln; block < (chunk + 1) * numPln; block++)
    latest = Math.max(latest, (c.source.model?.lastOperationUs[block] ?? 0) / 1000);
  return latest;
}
