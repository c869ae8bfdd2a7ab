import type { ChartId } from '../charts/chart-series.ts';
import type { Words } from '../text/en.ts';

type TimeWords = Words['time'];

export function chartTitle(t: TimeWords, id: ChartId): string {
  return t.charts[id];
}

export function unitOf(t: TimeWords, id: ChartId): string {
  const { charts: c } = t;
  const units: Record<ChartId, string> = {
    throughput: c.mibPerSecond,
    iops: c.perSecond,
    readLatency: c.microseconds,
    writeLatency: c.microseconds,
    depth: c.commandsUnit,
    amplification: c.ratio,
    free: c.blocks,
  };
  return units[id];
}

/** Percentiles are called alike everywhere. */
export function seriesName(t: TimeWords, name: string): string {
  const names: Readonly<Record<string, string>> = {
    ...t.series,
    erases: t.lanes.erases,
    reads: t.charts.reads,
    writes: t.charts.writes,
    failed: t.charts.failed,
    mean: t.charts.mean,
    most: t.charts.most,
    ratio: t.charts.amplification,
    blocks: t.charts.free,
  };
  return names[name] ?? name;
}
