import type { Figures } from '../lab-api-trace.ts';

export type FigureId =
  'user' | 'gc' | 'padding' | 'meta' | 'amplification' | 'erases' | 'open' | 'closed' | 'free' | 'offline';
export const FIGURES: readonly FigureId[] = [
  'user',
  'gc',
  'padding',
  'meta',
  'amplification',
  'erases',
  'open',
  'closed',
  'free',
  'offline',
];

/** What is compared: sectors, chunks, and their ratio. Undefined where a device does not tell. */
export type Compared = Readonly<Record<FigureId, number | undefined>>;

/**
 * What a device has done between two moments, and what it is at the later one (chunks by state). Without an earlier
 * moment, since it is recorded.
 */
export function compared(now: Figures, before: Figures | undefined): Compared {
  const { chunks } = now;
  const total = chunks.free + chunks.open + chunks.closed + chunks.offline;
  // A plain disk has no chunks, and nobody knows what is written in it for whom.
  if (total === 0) return nothing();
  const sum = { user: 0, gc: 0, padding: 0, meta: 0 };
  for (const target of now.targets) {
    const earlier = before?.targets.find(({ uuid }) => uuid === target.uuid);
    sum.user += target.userSecs - (earlier?.userSecs ?? 0);
    sum.gc += target.gcSecs - (earlier?.gcSecs ?? 0);
    sum.padding += target.paddingSecs - (earlier?.paddingSecs ?? 0);
    sum.meta += target.metaSecs - (earlier?.metaSecs ?? 0);
  }
  return {
    ...sum,
    // As in pblk's write_amp_mileage, its own books are left out.
    amplification: sum.user > 0 ? (sum.user + sum.gc + sum.padding) / sum.user : undefined,
    erases: now.erases - (before?.erases ?? 0),
    ...chunks,
  };
}

function nothing(): Compared {
  return Object.fromEntries(FIGURES.map((id) => [id, undefined])) as Record<FigureId, undefined>;
}
