import { watchChanges, type ChangeWatch } from './flash-map-changes.ts';
import type { ChunkOp } from './flash-map-data.ts';
import { cellRect, chunkAt, type MapLayout, type View } from './flash-map-layout.ts';
import type { Palette } from './flash-map-palette.ts';
import type { MapSource } from './flash-map-source.ts';

const GLOW_MS = 400;
/** More would be a flicker of the whole map, and costs. */
const MAX_GLOWS = 4000;
/** What was done in this time before a moment of the past glows when one goes there. */
const JUST_NOW_US = 1000;

/** The glow round what something was done to just now; it fades and is gone. */
export class Glows {
  private readonly glows = new Map<number, { op: number; atMs: number }>();
  private watch: ChangeWatch | undefined;
  private source: MapSource | undefined;
  private seenUs = 0;

  get size(): number {
    return this.glows.size;
  }

  clear(): void {
    this.glows.clear();
  }

  stop(): void {
    this.watch?.stop();
  }

  /** Where a recording tells what was done and when. */
  follow(source: MapSource): void {
    const { model } = source;
    if (source !== this.source) {
      this.watch?.stop();
      this.source = source;
      this.watch = model && watchChanges(source);
      this.watch?.take();
      this.seenUs = source.nowUs;
      if (model)
        for (let block = 0; block < model.totalBlks; block++)
          if ((model.lastOperationUs[block] as number) > model.nowUs - JUST_NOW_US) this.begin(source, block);
      return;
    }
    if (!model || !this.watch) return;
    for (const block of this.watch.take())
      if ((model.lastOperationUs[block] as number) > this.seenUs) this.begin(source, block);
    this.seenUs = source.nowUs;
  }

  private begin({ model, dims }: MapSource, block: number): void {
    const op = model?.lastOperation[block] ?? 0;
    if (op !== 0) this.add([{ chunk: Math.floor(block / dims.numPln), op }]);
  }

  add(ops: readonly ChunkOp[]): void {
    const atMs = performance.now();
    for (const { chunk, op } of ops) {
      if (this.glows.size >= MAX_GLOWS && !this.glows.has(chunk)) break;
      this.glows.set(chunk, { op, atMs });
    }
  }

  draw(ctx: CanvasRenderingContext2D, layout: MapLayout, view: View, palette: Palette): void {
    const now = performance.now();
    const colours = ['', palette.opRead, palette.opWrite, palette.opErase];
    for (const [chunk, { op, atMs }] of this.glows) {
      const left = 1 - (now - atMs) / GLOW_MS;
      if (left <= 0) {
        this.glows.delete(chunk);
        continue;
      }
      const r = cellRect(layout, view, chunkAt(layout.dims, chunk));
      ctx.globalAlpha = left;
      ctx.strokeStyle = ctx.fillStyle = colours[op] ?? '';
      if (r.w < 8 || r.h < 8) {
        ctx.fillRect(r.x, r.y, Math.max(2, r.w), Math.max(2, r.h));
      } else {
        ctx.lineWidth = 3;
        ctx.strokeRect(r.x + 1, r.y + 1, r.w - 2, r.h - 2);
      }
    }
    ctx.globalAlpha = 1;
  }
}
