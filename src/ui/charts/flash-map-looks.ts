import { AGES, Code, FADES, SHARES, USERS, WEARS } from './flash-map-codes.ts';
import { mix, packPixel, type Palette } from './flash-map-palette.ts';

/**
 * How codes look: one table from a code and what kind of pixel it is to a colour, so that painting a pixel is one
 * look-up, patterns included. A code has eight bits; these come on top.
 */
export const Flag = {
  /** On a diagonal, on the other diagonal, on a dot of the pattern. */
  diagonal: 1 << 8,
  counter: 1 << 9,
  dot: 1 << 10,
  /** At the border of the cell. */
  edge: 1 << 11,
  /** Between cells. */
  gap: 1 << 12,
} as const;
const TABLE = 1 << 13;
const FLAGS = TABLE >> 8;

/** Cells large enough for patterns and outlines, cells as shares of a chunk's bar, and those too small for either. */
export type LookSize = 'cells' | 'bars' | 'plain';

export interface Look {
  readonly base: string;
  readonly diagonal?: string;
  readonly counter?: string;
  readonly dot?: string;
  readonly edge?: string;
}

/** How the codes that mean something look; the rest is the surface. */
export function looks(p: Palette, size: LookSize): Map<number, Look> {
  const patterned = size !== 'plain';
  const map = new Map<number, Look>();
  const set = (code: number, base: string, more: Omit<Look, 'base'> = {}) =>
    map.set(code, patterned ? { base, ...more } : { base });
  // Whole chunks have room for a pattern when their sectors have none.
  const setLarge = (code: number, base: string, diagonal: string) => map.set(code, { base, diagonal });
  set(Code.free, p.free, { edge: p.gridLine });
  set(Code.unknownState, p.surface, { edge: p.gridLine });
  // Between the cells of a chunk's picture what is erased is the ground; from afar it is a free chunk's colour.
  set(Code.unwritten, size === 'cells' ? p.surface : p.free, { edge: p.gridLine });
  set(Code.open, p.open);
  set(Code.openTint, p.openTint);
  set(Code.closed, p.closed);
  set(Code.closedTint, p.closedTint);
  setLarge(Code.offline, p.offline, p.surface);
  for (let i = 0; i < SHARES; i++) set(Code.share + i, mix(p.stale, p.valid, i / (SHARES - 1)));
  set(Code.valid, p.valid);
  set(Code.validGc, p.valid, size === 'cells' ? { edge: p.gc } : { counter: p.gc });
  set(Code.stale, patterned ? p.staleTint : p.stale, { diagonal: p.valid });
  set(Code.padding, patterned ? p.paddingTint : mix(p.padding, p.surface, 0.35), { dot: p.padding });
  set(Code.smeta, p.meta);
  set(Code.emeta, p.meta, { counter: mix(p.meta, p.surface, 0.5) });
  set(Code.unknown, p.unknownCell);
  for (let i = 0; i < USERS; i++) set(Code.user + i, p.users[i] ?? p.unknownCell);
  set(Code.ownerUnknown, p.unknownCell);
  set(Code.gc, p.gc, { counter: mix(p.gc, p.surface, 0.45) });
  set(Code.pblk, p.meta);
  for (let i = 0; i < AGES; i++) set(Code.age + i, p.ages[i] ?? p.unknownCell);
  setLarge(Code.ageBefore, p.unknownCell, p.surface);
  for (let i = 0; i < WEARS; i++) set(Code.wear + i, p.wear[i] ?? p.unknownCell);
  for (const [op, colour] of [p.opRead, p.opWrite, p.opErase].entries())
    for (let step = 0; step < FADES; step++)
      set(Code.operation + op * FADES + step, mix(colour, p.surface, FADE[step] ?? 0.8));
  return map;
}

/** Share of the surface in an operation's colour, from fresh to old. */
const FADE = [0, 0.18, 0.4, 0.62, 0.78] as const;

export function lookTable(p: Palette, size: LookSize): Uint32Array {
  const table = new Uint32Array(TABLE).fill(packPixel(p.surface));
  for (const [code, look] of looks(p, size)) {
    for (let flags = 0; flags < FLAGS; flags++) {
      const bits = flags << 8;
      const colour =
        bits & Flag.gap
          ? p.surface
          : bits & Flag.edge && look.edge
            ? look.edge
            : bits & Flag.diagonal && look.diagonal
              ? look.diagonal
              : bits & Flag.counter && look.counter
                ? look.counter
                : bits & Flag.dot && look.dot
                  ? look.dot
                  : look.base;
      table[bits | code] = packPixel(colour);
    }
  }
  return table;
}
