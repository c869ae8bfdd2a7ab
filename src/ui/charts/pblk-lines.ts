import { gcGroupOf, type GcGroup } from '../../trace/pblk-sysfs.ts';
import type { Line, Target } from '../../trace/target.ts';

/** What a line is to pblk: closed ones are in a list of garbage collection. */
export type LineGroup = 'open' | 'collecting' | Exclude<GcGroup, 'werr'> | 'free';
export const LINE_GROUPS: readonly LineGroup[] = [
  'open',
  'collecting',
  'full',
  'high',
  'mid',
  'low',
  'empty',
  'free',
];

export interface LineBar {
  readonly id: number;
  readonly group: LineGroup;
  /** Shares of the line's sectors. */
  readonly valid: number;
  readonly stale: number;
  readonly padding: number;
  readonly meta: number;
  /** The rest was not written yet. */
  readonly validSecs: number;
}

export interface LineStrip {
  readonly group: LineGroup;
  readonly bars: readonly LineBar[];
}

/** The lines of a target by group; in each the fullest of garbage first, as garbage collection would take them. */
export function lineStrips(target: Target, lines: number): LineStrip[] {
  const bars = Array.from({ length: lines }, (_, id) => barOf(target, id, target.lines[id]));
  return LINE_GROUPS.map((group) => ({
    group,
    bars: bars
      .filter((bar) => bar.group === group)
      .sort((a, b) => (group === 'free' ? a.id - b.id : a.valid - b.valid || a.id - b.id)),
  }));
}

function barOf({ layout }: Target, id: number, line: Line | undefined): LineBar {
  if (!line || line.state === 'free')
    return { id, group: 'free', valid: 0, stale: 0, padding: 0, meta: 0, validSecs: 0 };
  const { secsPerLine, smetaSecs, emetaSecs } = layout.sizes;
  const { validSecs, dataSecs, paddingSecs, state } = line;
  const share = (secs: number) => Math.max(0, Math.min(1, secs / secsPerLine));
  return {
    id,
    group: state === 'closed' ? groupOf(line, secsPerLine) : state,
    valid: share(validSecs),
    stale: share(dataSecs - validSecs),
    padding: share(paddingSecs),
    meta: share(smetaSecs + (state === 'open' ? 0 : emetaSecs)),
    validSecs,
  };
}

function groupOf({ validSecs, dataSecs, paddingSecs }: Line, secsPerLine: number): LineGroup {
  const group = gcGroupOf(validSecs, dataSecs + paddingSecs, secsPerLine);
  return group === 'werr' ? 'full' : group;
}

/** A bar's parts from its foot upwards, in a box of a height. */
export function barParts(
  bar: LineBar,
  height: number,
): readonly {
  readonly kind: 'meta' | 'valid' | 'stale' | 'padding';
  readonly y: number;
  readonly h: number;
}[] {
  const kinds = ['meta', 'valid', 'stale', 'padding'] as const;
  let top = height;
  return kinds
    .filter((kind) => bar[kind] > 0)
    .map((kind) => {
      // What is there is seen, however small its share.
      const h = Math.min(top, Math.max(1, bar[kind] * height));
      top -= h;
      return { kind, y: top, h };
    });
}

/** Ours and pblk's write amplification: what was written to the flash for what users wrote. */
export function amplification(target: Target): { data: number | undefined; all: number | undefined } {
  const { userSecs, gcSecs, paddingSecs, metaSecs } = target;
  if (userSecs === 0) return { data: undefined, all: undefined };
  const data = userSecs + gcSecs + paddingSecs;
  return { data: data / userSecs, all: (data + metaSecs) / userSecs };
}
