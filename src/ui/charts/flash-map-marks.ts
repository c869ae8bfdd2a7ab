import { CellKind } from '../../trace/cells.ts';
import type { TraceModel } from '../../trace/model.ts';
import type { Target, TargetLayout } from '../../trace/target.ts';
import { cellRect, type MapLayout, type Rect, type View } from './flash-map-layout.ts';
import type { MapSource } from './flash-map-source.ts';

/** What some view has chosen or points at (Selection in src/ui/state/trace.svelte.ts). */
export type MapSelection =
  | { readonly kind: 'cell'; readonly block: number; readonly sec: number }
  | { readonly kind: 'chunk'; readonly block: number }
  | { readonly kind: 'command'; readonly number: number }
  | { readonly kind: 'lba'; readonly uuid: string; readonly lba: number }
  | { readonly kind: 'line'; readonly uuid: string; readonly line: number }
  | { readonly kind: 'process'; readonly process: number };

export interface MarkedCell {
  readonly block: number;
  readonly sec: number;
  /** An old copy. */
  readonly isOld: boolean;
}

/** What is to be pointed out on the map. */
export interface Marks {
  readonly chunks: readonly number[];
  readonly cells: readonly MarkedCell[];
  readonly lines: readonly { readonly target: Target; readonly line: number }[];
  /** The cells are copies of one logical block: lines lead from the old ones to the newest, `cells[0]`. */
  readonly areCopies: boolean;
}

export const NO_MARKS: Marks = { chunks: [], cells: [], lines: [], areCopies: false };
/** More cells would be a pattern, and slow. */
const MAX_CELLS = 4000;
const MAX_LBA = 0xffff_fffd;

export function marksOf(source: MapSource, selection: MapSelection | undefined): Marks {
  const { model } = source;
  if (!selection) return NO_MARKS;
  switch (selection.kind) {
    case 'chunk':
      return { ...NO_MARKS, chunks: [Math.floor(selection.block / source.dims.numPln)] };
    case 'cell':
      return ofCell(model, selection.block, selection.sec);
    case 'lba': {
      const target = model?.targets.find(({ uuid }) => uuid === selection.uuid);
      return model && target ? ofLba(model, target, selection.lba) : NO_MARKS;
    }
    case 'line': {
      const target = model?.targets.find(({ uuid }) => uuid === selection.uuid);
      return target ? { ...NO_MARKS, lines: [{ target, line: selection.line }] } : NO_MARKS;
    }
    case 'command':
      return model ? ofColumn(model, 'command', selection.number) : NO_MARKS;
    case 'process':
      return model && selection.process > 0 ? ofColumn(model, 'process', selection.process) : NO_MARKS;
  }
}

/** A cell with the other copies of its logical block, if it holds one. */
function ofCell(model: TraceModel | undefined, block: number, sec: number): Marks {
  const itself = { block, sec, isOld: false };
  const cells = model?.cellsOf(block);
  const kind = model?.kindOf(block, sec);
  const holdsBlock = kind === CellKind.valid || kind === CellKind.stale;
  const lba = cells?.lba[sec] ?? Infinity;
  const target = model?.lineAt(block)?.target;
  if (!model || !target || !holdsBlock || lba > MAX_LBA) return { ...NO_MARKS, cells: [itself] };
  const marks = ofLba(model, target, lba);
  return marks.cells.length > 1 ? marks : { ...NO_MARKS, cells: [itself] };
}

function ofLba(model: TraceModel, target: Target, lba: number): Marks {
  const newest = model.find(target, lba);
  const cells = model
    .copiesOf(target, lba)
    .slice(0, MAX_CELLS)
    .map((at) => ({ ...at, isOld: at.block !== newest?.block || at.sec !== newest.sec }))
    .sort((a, b) => Number(a.isOld) - Number(b.isOld));
  return { ...NO_MARKS, cells, areCopies: newest !== undefined };
}

function ofColumn(model: TraceModel, column: 'command' | 'process', value: number): Marks {
  const found: MarkedCell[] = [];
  for (let block = 0; block < model.totalBlks && found.length < MAX_CELLS; block++) {
    const cells = model.cellsOf(block);
    if (!cells) continue;
    const written = model.writtenSecs[block] ?? 0;
    const values = cells[column];
    for (
      let sec = values.indexOf(value);
      sec >= 0 && sec < written && found.length < MAX_CELLS;
      sec = values.indexOf(value, sec + 1)
    )
      found.push({ block, sec, isOld: cells.kind[sec] === CellKind.stale });
  }
  return { ...NO_MARKS, cells: found };
}

/** Where a line of a target is painted: a band over its LUNs, a channel each, or its chunks where LUNs have rows. */
export function lineRects(layout: MapLayout, view: View, target: TargetLayout, line: number): Rect[] {
  const rects: Rect[] = [];
  const { firstCh, firstLun, numCh, numLun } = target;
  for (let ch = firstCh; ch < firstCh + numCh; ch++) {
    const first = cellRect(layout, view, { ch, lun: firstLun, chk: line });
    const last = cellRect(layout, view, { ch, lun: firstLun + numLun - 1, chk: line });
    if (layout.rowsPerLun === 1) {
      rects.push({ x: first.x, y: first.y, w: first.w, h: last.y + last.h - first.y });
      continue;
    }
    for (let lun = firstLun; lun < firstLun + numLun; lun++)
      rects.push(cellRect(layout, view, { ch, lun, chk: line }));
  }
  return rects;
}

/** Finds marks again while the device goes on, but not with every frame: a search walks over the target. */
export class MarkFinder {
  private marks = NO_MARKS;
  private of: { source: MapSource; selection: MapSelection; atMs: number; version: number } | undefined;

  /** @returns the marks, a moment old at most; `isDue` asks for another look then. */
  find(source: MapSource, selection: MapSelection | undefined): { marks: Marks; isDue: boolean } {
    if (selection === undefined) {
      this.of = undefined;
      return { marks: NO_MARKS, isDue: false };
    }
    const { of } = this;
    const version = source.model?.version ?? 0;
    const nowMs = performance.now();
    const isSame = of?.source === source && of.selection === selection;
    if (isSame && of.version === version) return { marks: this.marks, isDue: false };
    if (isSame && nowMs - of.atMs < SEARCH_EVERY_MS) return { marks: this.marks, isDue: true };
    this.of = { source, selection, atMs: nowMs, version };
    this.marks = marksOf(source, selection);
    return { marks: this.marks, isDue: false };
  }
}

const SEARCH_EVERY_MS = 250;
