import { arc } from 'd3';
import type { WriteBuffer } from '../../trace/pblk-sysfs.ts';

/** Parts of pblk's write buffer, in the order in which a sector goes through them. */
export type RingPart = 'waiting' | 'underWay' | 'cached';

export interface RingArc {
  readonly part: RingPart;
  readonly sectors: number;
  readonly path: string;
}

export interface RingPointer {
  readonly name: 'mem' | 'subm' | 'sync' | 'l2p' | 'flush';
  /** Clockwise from the top, in degrees. */
  readonly degrees: number;
  readonly entry: number;
}

const TURN = 2 * Math.PI;

/** Sectors from one pointer to another, the way round that they go. */
export function distance(from: number, to: number, entries: number): number {
  return (to - from + entries) % entries;
}

/**
 * The buffer as a ring: what users and garbage collection put in and waits (mem back to subm), what the flash has
 * been given and not acknowledged (subm to sync), what it has, and is still found here (sync to l2p update).
 */
export function ringArcs(buffer: WriteBuffer, inner: number, outer: number): RingArc[] {
  const { entries, mem, subm, sync, l2pUpdate } = buffer;
  const shape = arc<{ from: number; to: number }>()
    .innerRadius(inner)
    .outerRadius(outer)
    .startAngle(({ from }) => (from / entries) * TURN)
    .endAngle(({ to }) => (to / entries) * TURN);
  const parts: readonly (readonly [RingPart, number, number])[] = [
    ['cached', l2pUpdate, distance(l2pUpdate, sync, entries)],
    ['underWay', sync, distance(sync, subm, entries)],
    ['waiting', subm, distance(subm, mem, entries)],
  ];
  return parts
    .filter(([, , sectors]) => sectors > 0)
    .map(([part, from, sectors]) => ({ part, sectors, path: shape({ from, to: from + sectors }) ?? '' }));
}

export function ringPointers(buffer: WriteBuffer): RingPointer[] {
  const { entries, mem, subm, sync, l2pUpdate, flushPoint } = buffer;
  const at = (name: RingPointer['name'], entry: number): RingPointer => ({
    name,
    entry,
    degrees: (entry / entries) * 360,
  });
  const pointers = [at('mem', mem), at('subm', subm), at('sync', sync), at('l2p', l2pUpdate)];
  return flushPoint === undefined ? pointers : [...pointers, at('flush', flushPoint)];
}

/** An angle that goes on from another the shorter way round: pointers do not spin back at the top. */
export function unwound(degrees: number, before: number): number {
  return before + ((((degrees - before + 180) % 360) + 360) % 360) - 180;
}

/** An arc of a gauge, from the left end (0) to the right end (1). */
export function gaugeArc(from: number, to: number, inner: number, outer: number): string {
  const angle = (share: number) => (Math.min(1, Math.max(0, share)) - 0.5) * Math.PI;
  return (
    arc<null>().innerRadius(inner).outerRadius(outer).startAngle(angle(from)).endAngle(angle(to))(null) ?? ''
  );
}

/** A point on a gauge. */
export function gaugePoint(share: number, radius: number): { x: number; y: number } {
  const angle = (Math.min(1, Math.max(0, share)) - 0.5) * Math.PI;
  return { x: Math.sin(angle) * radius, y: -Math.cos(angle) * radius };
}
