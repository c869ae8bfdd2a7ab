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
  readonly fontMono: string;
}

/**
 * `read` answers for one custom property, e.g. getComputedStyle(canvas).getPropertyValue; `toHex` turns any
 * CSS colour into #rrggbb, because a minified style sheet says #fff or red.
 */
export function readPalette(read: (property: string) => string, toHex: (colour: string) => string): Palette {
  const colour = (name: string) => toHex(read(name).trim());
  const surface = colour('--map-surface');
  const open = colour('--state-open');
  const closed = colour('--state-closed');
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
    fontMono: read('--font-mono').trim(),
  };
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
