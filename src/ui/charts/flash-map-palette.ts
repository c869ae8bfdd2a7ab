import { interpolateCividis, interpolateViridis } from 'd3';

/** Colours of the map. The values live in styles/tokens.css (one truth for canvas, legend and table). */

export interface Palette {
  readonly surface: string;
  readonly text: string;
  readonly muted: string;
  readonly focus: string;
  readonly gridLine: string;
  readonly free: string;
  readonly open: string;
  readonly closed: string;
  readonly offline: string;
  /** Signs on a solid state colour. */
  readonly onState: string;
  readonly openTint: string;
  readonly closedTint: string;
  readonly opRead: string;
  readonly opWrite: string;
  readonly opErase: string;
  readonly valid: string;
  /** A stale cell's ground, and its tone as a whole where there is no room for its diagonals. */
  readonly staleTint: string;
  readonly stale: string;
  readonly padding: string;
  readonly paddingTint: string;
  /** smeta and emeta: what pblk writes about itself. */
  readonly meta: string;
  readonly unknownCell: string;
  readonly gc: string;
  /** Users of up to four targets. */
  readonly users: readonly string[];
  /** From few erases to many. */
  readonly wear: readonly string[];
  /** From just now to long ago. */
  readonly ages: readonly string[];
  readonly fontMono: string;
}

/** Steps of the wear scale, and classes of age, in colours. */
const WEAR_STEPS = 32;
const AGE_STEPS = 6;
/** Parts of the scales that stand out from the ground by 3:1; what is more is further away from it. */
const RANGES = {
  light: { wear: [0.56, 0], age: [0, 0.54] },
  dark: { wear: [0.46, 1], age: [1, 0.48] },
} as const;

/**
 * `read` answers for one custom property, e.g. getComputedStyle(canvas).getPropertyValue; `toHex` turns any
 * CSS colour into #rrggbb, because a minified style sheet says #fff or red.
 */
export function readPalette(read: (property: string) => string, toHex: (colour: string) => string): Palette {
  const colour = (name: string) => toHex(read(name).trim());
  const surface = colour('--map-surface');
  const open = colour('--state-open');
  const closed = colour('--state-closed');
  const valid = colour('--cell-valid');
  const padding = colour('--cell-padding');
  const range = luminance(surface) > 0.5 ? RANGES.light : RANGES.dark;
  return {
    surface,
    text: colour('--text'),
    muted: colour('--text-muted'),
    focus: colour('--focus'),
    gridLine: colour('--map-line'),
    free: colour('--state-free'),
    open,
    closed,
    offline: colour('--state-offline'),
    onState: colour('--on-state'),
    openTint: mix(open, surface, 0.72),
    closedTint: mix(closed, surface, 0.72),
    opRead: colour('--op-read'),
    opWrite: colour('--op-write'),
    opErase: colour('--op-erase'),
    valid,
    staleTint: mix(valid, surface, 0.65),
    stale: mix(valid, surface, 0.45),
    padding,
    paddingTint: mix(padding, surface, 0.72),
    meta: colour('--cell-meta'),
    unknownCell: colour('--cell-unknown'),
    gc: colour('--cell-gc'),
    users: [1, 2, 3, 4].map((n) => colour(`--cell-user-${n}`)),
    wear: ramp(interpolateCividis, range.wear, WEAR_STEPS),
    ages: ramp(interpolateViridis, range.age, AGE_STEPS),
    fontMono: read('--font-mono').trim(),
  };
}

function ramp(scale: (t: number) => string, [from, to]: readonly [number, number], steps: number): string[] {
  return Array.from({ length: steps }, (_, i) => rgbToHex(scale(from + ((to - from) * i) / (steps - 1))));
}

/** d3 says rgb(0, 34, 78), or #rrggbb. */
export function rgbToHex(colour: string): string {
  if (colour.startsWith('#')) return colour;
  const parts = colour.match(/\d+/g) ?? [];
  return `#${parts
    .slice(0, 3)
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')}`;
}

export type Rgb = readonly [number, number, number];

/** #rrggbb only; anything else is black. */
export function parseHex(hex: string): Rgb {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex.trim());
  if (!match) return [0, 0, 0];
  const [, r, g, b] = match;
  return [parseInt(r ?? '0', 16), parseInt(g ?? '0', 16), parseInt(b ?? '0', 16)];
}

/** `share` of the second colour in the first. */
export function mix(first: string, second: string, share: number): string {
  const a = parseHex(first);
  const b = parseHex(second);
  const part = (i: 0 | 1 | 2) =>
    Math.round(a[i] * (1 - share) + b[i] * share)
      .toString(16)
      .padStart(2, '0');
  return `#${part(0)}${part(1)}${part(2)}`;
}

/** A pixel for ImageData seen as Uint32Array on a little-endian machine (all that run browsers are). */
export function packPixel(hex: string): number {
  const [r, g, b] = parseHex(hex);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** WCAG 2 contrast ratio, for the test that keeps the tokens honest. */
export function contrast(first: string, second: string): number {
  const a = luminance(first);
  const b = luminance(second);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(hex: string): number {
  const [r, g, b] = parseHex(hex).map((v) => {
    const s = v / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
