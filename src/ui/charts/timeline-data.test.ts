import { describe, expect, it } from 'vitest';
import { TraceModel } from '../../trace/model.ts';
import { TraceStats } from '../../trace/stats.ts';
import { clampPeriod, clock, Columns, decimalsFor, wholePeriod, zoomPeriod } from './timeline-data.ts';

const SHAPE = {
  kind: 'plain',
  numCh: 0,
  numLun: 0,
  numPln: 0,
  numChk: 0,
  numPg: 0,
  secsPerPg: 0,
  secSizeBytes: 512,
  oobSizeBytes: 0,
  wsOpt: 0,
} as const;

/** A write of 1,000 bytes every 50 ms, for `seconds`. */
function steady(seconds: number): TraceStats {
  const model = new TraceModel(SHAPE);
  const stats = new TraceStats(model);
  const sqe = new Uint8Array(64);
  sqe[0] = 1;
  const rest = { queueId: 1, sqe, status: 0, dw0: 0, dw1: 0, addresses: [], rule: '', why: '', pages: [] };
  for (let us = 0; us < seconds * 1e6; us += 50_000) {
    model.at(us);
    stats.at(us);
    stats.command({ ...rest, dataBytes: 1000, latencyUs: 25_000 });
  }
  return stats;
}

describe('columns', () => {
  it('keep the rate whatever their width', () => {
    const stats = steady(10);
    for (const count of [5, 50, 100, 333]) {
      const columns = new Columns(stats, { fromUs: 0, toUs: 10e6 }, count, 10e6);
      for (const rate of columns.rate('writtenBytes')) expect(rate).toBeCloseTo(20_000, 0);
      for (const mean of columns.mean('busyUs').subarray(4, -4)) expect(mean).toBeCloseTo(0.5, 1);
    }
  });

  it('know where nothing is recorded yet', () => {
    const columns = new Columns(steady(5), { fromUs: 0, toUs: 10e6 }, 100, 5e6);
    expect(columns.used).toBe(50);
    expect(columns.rate('writes')[80]).toBe(0);
    expect(columns.latest('freeBlocks')[80]).toBeNaN();
  });

  it('stay right when bins were merged', () => {
    const stats = steady(1700);
    expect(stats.binUs).toBe(200_000);
    expect(stats.bins).toBeLessThan(16_384);
    const columns = new Columns(stats, { fromUs: 0, toUs: 1700e6 }, 100, 1700e6);
    for (const rate of columns.rate('writtenBytes')) expect(rate).toBeCloseTo(20_000, 0);
    const [p50] = stats.latenciesUs('write', [0.5], 0, stats.bins);
    expect(p50).toBeGreaterThanOrEqual(25_000);
    expect(p50).toBeLessThan(25_000 * 1.2);
  });
});

describe('periods', () => {
  it('stay inside and are not too short', () => {
    const whole = wholePeriod(steady(10), 10e6);
    expect(whole).toEqual({ fromUs: 0, toUs: 10e6 });
    expect(clampPeriod({ fromUs: -5e6, toUs: 2e6 }, whole)).toEqual({ fromUs: 0, toUs: 7e6 });
    expect(clampPeriod({ fromUs: 5e6, toUs: 5e6 + 1 }, whole)).toEqual({ fromUs: 5e6, toUs: 5.2e6 });
    const near = zoomPeriod(whole, 4e6, 0.5, whole);
    expect(near).toEqual({ fromUs: 2e6, toUs: 7e6 });
    expect(zoomPeriod(near, 4e6, 100, whole)).toEqual(whole);
  });

  it('are written as a clock', () => {
    expect(clock(7_250_000)).toBe('0:07.250');
    expect(clock(59_999_900)).toBe('1:00.000');
    expect(clock(125e6, 0)).toBe('2:05');
    expect([1e6, 1e5, 2e4, 1e3].map(decimalsFor)).toEqual([0, 1, 2, 3]);
  });
});
