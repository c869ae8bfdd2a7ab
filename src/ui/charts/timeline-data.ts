import type { Measure, TraceStats } from '../../trace/stats.ts';

/** Written bytes, from the bottom of the stack upwards. */
export const STACK = ['userBytes', 'gcBytes', 'paddingBytes', 'metaBytes', 'otherBytes'] as const;
export type StackMeasure = (typeof STACK)[number];

export interface Period {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Shorter than this there is nothing to see: a few bins. */
export const SHORTEST_US = 200_000;

/** Bins of the statistics brought to columns of a picture: each column is some bins, or a part of one. */
export class Columns {
  readonly count: number;
  private readonly first: Int32Array;
  /** One behind the last. */
  private readonly last: Int32Array;
  private readonly lengthUs: Float64Array;
  private readonly stats: TraceStats;

  constructor(stats: TraceStats, { fromUs, toUs }: Period, count: number, endUs: number) {
    this.stats = stats;
    this.count = count;
    this.first = new Int32Array(count);
    this.last = new Int32Array(count);
    this.lengthUs = new Float64Array(count);
    const perColumn = (toUs - fromUs) / count;
    for (let c = 0; c < count; c++) {
      const first = stats.binAt(fromUs + c * perColumn);
      const last = Math.max(first + 1, stats.binAt(fromUs + (c + 1) * perColumn));
      this.first[c] = Math.max(0, first);
      this.last[c] = Math.min(stats.bins, last);
      // The newest bin is not over yet: its rate counts what there is of it, but no sliver.
      const untilUs = Math.min(stats.timeUs(last), Math.max(endUs, stats.timeUs(last - 1) + stats.binUs / 4));
      this.lengthUs[c] = Math.max(1, untilUs - stats.timeUs(first));
    }
  }

  range(column: number): readonly [first: number, last: number] {
    return [this.first[column] ?? 0, this.last[column] ?? 0];
  }

  sum(measure: Measure): Float64Array {
    const bins = this.stats.column(measure);
    const sums = new Float64Array(this.count);
    for (let c = 0; c < this.count; c++) {
      let sum = 0;
      for (let b = this.first[c] as number; b < (this.last[c] as number); b++) sum += bins[b] as number;
      sums[c] = sum;
    }
    return sums;
  }

  /** Per second. */
  rate(measure: Measure): Float64Array {
    const sums = this.sum(measure);
    for (let c = 0; c < this.count; c++) sums[c] = ((sums[c] as number) * 1e6) / (this.lengthUs[c] as number);
    return sums;
  }

  /** Share of the time. */
  mean(measure: Measure): Float64Array {
    const sums = this.sum(measure);
    for (let c = 0; c < this.count; c++) sums[c] = (sums[c] as number) / (this.lengthUs[c] as number);
    return sums;
  }

  most(measure: Measure): Float64Array {
    const bins = this.stats.column(measure);
    const found = new Float64Array(this.count);
    for (let c = 0; c < this.count; c++) {
      let most = 0;
      for (let b = this.first[c] as number; b < (this.last[c] as number); b++)
        most = Math.max(most, bins[b] as number);
      found[c] = most;
    }
    return found;
  }

  /** Of something that is a state: the newest of the column, or what it was before. */
  latest(measure: Measure): Float64Array {
    const bins = this.stats.column(measure);
    const found = new Float64Array(this.count).fill(Number.NaN);
    for (let c = 0; c < this.count; c++) {
      const last = Math.min(this.last[c] as number, this.stats.bins) - 1;
      if (last >= (this.first[c] as number)) found[c] = bins[last] as number;
    }
    return found;
  }

  /** Columns in which anything is recorded. */
  get used(): number {
    let used = this.count;
    while (used > 0 && (this.first[used - 1] as number) >= (this.last[used - 1] as number)) used--;
    return used;
  }
}

/** The whole of a recording's statistics, which go back further than its records do. */
export function wholePeriod(stats: TraceStats, endUs: number): Period {
  return { fromUs: stats.originUs, toUs: Math.max(endUs, stats.originUs + 1_000_000) };
}

/** A period within the whole, not too short. */
export function clampPeriod({ fromUs, toUs }: Period, whole: Period): Period {
  const length = Math.min(whole.toUs - whole.fromUs, Math.max(SHORTEST_US, toUs - fromUs));
  const from = Math.max(whole.fromUs, Math.min(fromUs, whole.toUs - length));
  return { fromUs: from, toUs: from + length };
}

/** The period around a moment, longer or shorter by a factor; what is under the pointer stays there. */
export function zoomPeriod(period: Period, atUs: number, factor: number, whole: Period): Period {
  return clampPeriod(
    { fromUs: atUs - (atUs - period.fromUs) * factor, toUs: atUs + (period.toUs - atUs) * factor },
    whole,
  );
}

/** "0:07.250": minutes, seconds, and as many decimals as the step shows. */
export function clock(us: number, decimals = 3): string {
  const seconds = Math.max(0, us) / 1e6;
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(decimals);
  // 59.9996 is no 60.000 of the same minute.
  if (Number(rest) >= 60)
    return `${minutes + 1}:${(0).toFixed(decimals).padStart(decimals > 0 ? 3 + decimals : 2, '0')}`;
  return `${minutes}:${rest.padStart(decimals > 0 ? 3 + decimals : 2, '0')}`;
}

/** Decimals that tell ticks of this distance apart. */
export function decimalsFor(stepUs: number): number {
  return stepUs >= 1e6 ? 0 : stepUs >= 1e5 ? 1 : stepUs >= 1e4 ? 2 : 3;
}
