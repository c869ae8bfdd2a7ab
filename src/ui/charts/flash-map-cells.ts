import {
  makeAxes,
  type Axes,
  type CellStyle,
  type Plot,
  type XSegment,
  type YSegment,
} from './flash-map-axes.ts';
import {
  blockCode,
  chunkStateOf,
  Code,
  isOfSectors,
  sectorCodes,
  writtenOfChunk,
  type LayerContext,
} from './flash-map-codes.ts';
import { CHUNK_STATE } from './flash-map-data.ts';
import type { MapLayout, View } from './flash-map-layout.ts';
import { Flag, lookTable, type LookSize } from './flash-map-looks.ts';
import type { Palette } from './flash-map-palette.ts';
import { ProfileMaker, type Profile } from './flash-map-profile.ts';
import type { MapLayer } from './flash-map-source.ts';

/** Patterns repeat after so many pixels. */
const PERIOD = 12;
/** Bytes of chunks' pictures that are kept for the next repaint. */
const MAX_PROFILE_BYTES = 8 << 20;

/**
 * Paints chunks that are more than dots, pixel by pixel, into memory: shares of a chunk, pages, sectors. What a
 * repaint costs is bounded by the pixels of the window, however many cells the device has.
 */
export class CellPainter {
  private readonly maker = new ProfileMaker();
  private readonly profiles = new Map<number, Profile>();
  private profileBytes = 0;
  private profileKey = '';
  private profilesOf: LayerContext['source'] | undefined;
  private sectors = new Uint8Array(0);
  private padded = new Uint8Array(0);
  private rows: Uint16Array[] = [];
  private table: Uint32Array = new Uint32Array(0);
  private tableFor: { palette: Palette; size: LookSize } | undefined;
  private axes: Axes | undefined;

  /** What was made of a chunk is made anew. */
  forget(chunk: number): void {
    this.profiles.delete(chunk);
  }

  forgetAll(): void {
    this.profiles.clear();
    this.profileBytes = 0;
  }

  /** Works out the grid of a view; before {@link paintAll} and {@link paintChunk}. */
  aim(c: LayerContext, layout: MapLayout, view: View, plot: Plot, palette: Palette, key: string): Axes {
    const axes = makeAxes(layout, view, plot, styleOf(c.layer));
    this.axes = axes;
    const profileKey = `${key} ${axes.bins} ${axes.levels}`;
    if (profileKey !== this.profileKey || c.source !== this.profilesOf) this.forgetAll();
    this.profileKey = profileKey;
    this.profilesOf = c.source;
    const size = sizeOf(axes);
    if (this.tableFor?.palette !== palette || this.tableFor.size !== size) {
      this.table = lookTable(palette, size);
      this.tableFor = { palette, size };
    }
    this.rows = patternRows(axes, view, plot);
    return axes;
  }

  paintAll(c: LayerContext, layout: MapLayout, plot: Plot, pixels: Uint32Array): void {
    const { axes } = this;
    if (!axes) return;
    for (const y of axes.y.segments)
      for (const x of axes.x.segments) this.paint(c, layout, plot, pixels, axes, x, y);
  }

  /** Repaints one chunk, where it is in sight; its rectangle in the plot. */
  paintChunk(c: LayerContext, layout: MapLayout, plot: Plot, pixels: Uint32Array, chunk: number) {
    const { axes } = this;
    if (!axes) return undefined;
    const { numCh, numLun } = layout.dims;
    const unit = chunk % (numCh * numLun);
    const chk = (chunk - unit) / (numCh * numLun);
    const row = Math.floor(chk / layout.columns);
    const first = axes.x.segments[0];
    const x = first && axes.x.segments[(chk % layout.columns) - first.column];
    if (!x) return undefined;
    let top = Infinity;
    let bottom = -Infinity;
    for (const y of axes.y.segments) {
      if (y.unit !== unit || y.row !== row) continue;
      this.paint(c, layout, plot, pixels, axes, x, y);
      top = Math.min(top, y.from);
      bottom = Math.max(bottom, y.to);
    }
    return top < bottom ? { x: x.from, y: top, w: x.to - x.from, h: bottom - top } : undefined;
  }

  private paint(
    c: LayerContext,
    layout: MapLayout,
    plot: Plot,
    pixels: Uint32Array,
    axes: Axes,
    x: XSegment,
    y: YSegment,
  ): void {
    const { dims } = layout;
    const chk = y.row * layout.columns + x.column;
    if (chk >= dims.numChk) return;
    const chunk = chk * dims.numCh * dims.numLun + y.unit;
    const box: Box = {
      x0: Math.max(0, x.from),
      x1: Math.min(plot.width, x.to),
      y0: Math.max(0, y.from),
      y1: Math.min(plot.height, y.to),
    };
    if (box.x0 >= box.x1 || box.y0 >= box.y1) return;
    if (axes.level === 'page' || axes.level === 'sector') {
      const block = chunk * dims.numPln + Math.max(0, y.pln);
      this.indexed(pixels, plot.width, box, this.sectorsOf(c, layout, axes, block));
    } else if (axes.bins > 0) {
      const profile = this.profileOf(c, chunk, axes);
      this.indexed(pixels, plot.width, box, profile.codes);
      this.ends(c, pixels, plot.width, box, x, profile);
    } else this.strip(c, pixels, plot.width, box, x, y, chunk);
  }

  private profileOf(c: LayerContext, chunk: number, axes: Axes): Profile {
    let profile = this.profiles.get(chunk);
    if (!profile) {
      profile = this.maker.make(c, chunk, axes.bins, axes.levels);
      this.profileBytes += profile.codes.length;
      if (this.profileBytes > MAX_PROFILE_BYTES) {
        this.forgetAll();
        this.profileBytes = profile.codes.length;
      }
      this.profiles.set(chunk, profile);
    }
    return profile;
  }

  /** Codes of a block's sectors in the order of the grid. */
  private sectorsOf(c: LayerContext, layout: MapLayout, axes: Axes, block: number): Uint8Array {
    const { pages } = layout;
    const { numPg, secsPerPg } = layout.dims;
    const room = pages.columns * pages.rows * axes.pageStride;
    if (this.padded.length < room) this.padded = new Uint8Array(room);
    const { padded } = this;
    const used = numPg * axes.pageStride;
    if (axes.pageStride === secsPerPg) {
      sectorCodes(c, block, padded);
    } else {
      if (this.sectors.length < numPg * secsPerPg) this.sectors = new Uint8Array(numPg * secsPerPg);
      sectorCodes(c, block, this.sectors);
      padded.fill(Code.none, 0, used);
      for (let pg = 0; pg < numPg; pg++)
        for (let sec = 0; sec < secsPerPg; sec++)
          padded[pg * axes.pageStride + sec] = this.sectors[pg * secsPerPg + sec] as number;
    }
    padded.fill(Code.none, used, room);
    return padded;
  }

  private indexed(pixels: Uint32Array, width: number, box: Box, codes: Uint8Array): void {
    const { axes, table, rows } = this;
    if (!axes) return;
    const xIndex = axes.x.index;
    for (let y = box.y0; y < box.y1; y++) {
      const row = rows[y % PERIOD] as Uint16Array;
      const yIndex = axes.y.index[y] as number;
      const yFlags = axes.y.flags[y] as number;
      let at = y * width + box.x0;
      for (let x = box.x0; x < box.x1; x++, at++)
        pixels[at] = table[
          (codes[(xIndex[x] as number) + yIndex] as number) | (row[x] as number) | yFlags
        ] as number;
    }
  }

  private flat(pixels: Uint32Array, width: number, box: Box, code: number): void {
    const { axes, table, rows } = this;
    if (!axes) return;
    for (let y = box.y0; y < box.y1; y++) {
      const row = rows[y % PERIOD] as Uint16Array;
      const common = code | (axes.y.flags[y] as number);
      let at = y * width + box.x0;
      for (let x = box.x0; x < box.x1; x++, at++) pixels[at] = table[common | (row[x] as number)] as number;
    }
  }

  /** A plane's strip, or a chunk's: of one colour, or as full as it is written. */
  private strip(
    c: LayerContext,
    pixels: Uint32Array,
    width: number,
    box: Box,
    x: XSegment,
    y: YSegment,
    chunk: number,
  ): void {
    const { source } = c;
    const { numPln } = source.dims;
    const block = chunk * numPln + Math.max(0, y.pln);
    if (c.layer !== 'state') {
      let code = blockCode(c, block);
      if (y.pln < 0) for (let p = 1; p < numPln; p++) code = Math.max(code, blockCode(c, block + p));
      this.flat(pixels, width, box, code);
      return;
    }
    const state = y.pln < 0 ? chunkStateOf(source, chunk) : (source.state[block] ?? 0);
    if (state !== CHUNK_STATE.open && state !== CHUNK_STATE.closed) {
      const isFree = state === CHUNK_STATE.free;
      this.flat(pixels, width, box, isFree ? Code.free : state ? Code.offline : Code.unknownState);
      return;
    }
    const written = y.pln < 0 ? writtenOfChunk(source, chunk) / numPln : (source.writtenSecs[block] ?? 0);
    const size = x.to - x.from;
    const share = Math.min(1, written / source.secsPerBlk);
    // Never nothing: a chunk opened by one sector must still be seen from afar.
    const split = x.from + Math.max(Math.min(3, size), Math.round(size * share));
    const [full, tint] =
      state === CHUNK_STATE.open ? [Code.open, Code.openTint] : [Code.closed, Code.closedTint];
    this.flat(pixels, width, { ...box, x1: Math.min(box.x1, split) }, full);
    this.flat(pixels, width, { ...box, x0: Math.max(box.x0, split) }, tint);
  }

  /** Where a line begins and ends, in pblk's books' colour: they are few sectors, and must be seen from afar. */
  private ends(
    c: LayerContext,
    pixels: Uint32Array,
    width: number,
    box: Box,
    x: XSegment,
    profile: Profile,
  ): void {
    if (c.layer !== 'validity') return;
    const size = Math.max(1, Math.min(4, Math.round((x.to - x.from) / 8)));
    if (profile.hasSmeta)
      this.flat(pixels, width, { ...box, x1: Math.min(box.x1, x.from + size) }, Code.smeta);
    if (profile.hasEmeta) this.flat(pixels, width, { ...box, x0: Math.max(box.x0, x.to - size) }, Code.emeta);
  }
}

interface Box {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
}

function styleOf(layer: MapLayer): CellStyle {
  return layer === 'wear' ? 'flat' : isOfSectors(layer) ? 'shares' : 'strips';
}

function sizeOf({ level, detailPx }: Axes): LookSize {
  if (level === 'sector') return 'cells';
  return detailPx >= (level === 'page' ? 4 : 7) ? 'bars' : 'plain';
}

/** For each row of the pattern: which columns are on its lines, with the columns' own borders and gaps. */
function patternRows(axes: Axes, view: View, plot: Plot): Uint16Array[] {
  // The pattern moves with the cells; one that stands still would shimmer.
  const dx = mod(Math.round(view.x) - plot.x, PERIOD);
  const dy = mod(Math.round(view.y) - plot.y, PERIOD);
  return Array.from({ length: PERIOD }, (_, y) => {
    const row = axes.x.flags.slice();
    const v = y - dy + PERIOD;
    for (let x = 0; x < row.length; x++) {
      const u = x - dx + PERIOD;
      let flags = row[x] as number;
      if ((u + v) % 6 < 2) flags |= Flag.diagonal;
      if ((u - v + 2 * PERIOD) % 6 < 2) flags |= Flag.counter;
      if (u % 4 < 2 && v % 4 < 2) flags |= Flag.dot;
      row[x] = flags;
    }
    return row;
  });
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
