import type { TraceStats } from '../../trace/stats.ts';
import { formatCount } from '../text/format.ts';
import { type Columns, STACK } from './timeline-data.ts';

const MIB = 1024 * 1024;
/** Shares of the commands that end below a latency. */
const SHARES = [0.5, 0.95, 0.99] as const;

export type ChartId =
  'throughput' | 'iops' | 'readLatency' | 'writeLatency' | 'depth' | 'amplification' | 'free';
export const CHARTS: readonly ChartId[] = [
  'throughput',
  'iops',
  'readLatency',
  'writeLatency',
  'depth',
  'amplification',
  'free',
];

export interface Series {
  /** What it is called in the dictionary, or as it is. */
  readonly name: string;
  /** A token of styles/tokens.css. */
  readonly colour: string;
  /** One for each column; NaN where there is nothing to say. */
  readonly values: Float64Array;
  readonly look: 'line' | 'area' | 'dashed';
}

/** Areas stand on each other where `stacked`. */
export interface ChartData {
  readonly id: ChartId;
  readonly series: readonly Series[];
  readonly stacked: boolean;
  /** Powers of ten up the axis. */
  readonly logarithmic: boolean;
}

const line = (name: string, colour: string, values: Float64Array): Series => ({
  name,
  colour,
  values,
  look: 'line',
});

/** Reads in all views of time: the sky blue that they glow in on the map is too near to the users' blue. */
export const READ_TOKEN = '--cell-valid';

/** What one chart shows of a period. */
export function chartData(id: ChartId, stats: TraceStats, columns: Columns): ChartData {
  const plain = { id, stacked: false, logarithmic: false };
  switch (id) {
    case 'throughput':
      return { ...plain, stacked: true, series: throughput(columns) };
    case 'iops':
      return {
        ...plain,
        series: [
          line('writes', '--cell-user-1', blank(columns, columns.rate('writes'))),
          line('reads', READ_TOKEN, blank(columns, columns.rate('reads'))),
          line('erases', '--op-erase', blank(columns, columns.rate('erases'))),
          line('failed', '--bad', hideZeros(columns.rate('failed'))),
        ],
      };
    case 'readLatency':
    case 'writeLatency':
      return { ...plain, logarithmic: true, series: latencies(id, stats, columns) };
    case 'depth':
      return {
        ...plain,
        series: [
          { ...line('mean', '--cell-user-1', blank(columns, columns.mean('busyUs'))), look: 'area' },
          { ...line('most', '--text-muted', blank(columns, columns.most('inFlight'))), look: 'line' },
        ],
      };
    case 'amplification':
      return { ...plain, series: [line('ratio', '--cell-gc', amplification(columns))] };
    case 'free':
      return {
        ...plain,
        series: [{ ...line('blocks', '--cell-padding', columns.latest('freeBlocks')), look: 'area' }],
      };
  }
}

function throughput(columns: Columns): Series[] {
  const tokens = ['--cell-user-1', '--cell-gc', '--cell-padding', '--cell-meta', '--cell-unknown'];
  const written = STACK.map((measure, i): Series => ({
    name: measure,
    colour: tokens[i] ?? '--text',
    values: inMib(columns, columns.rate(measure)),
    look: 'area',
  }));
  return [...written, line('readBytes', READ_TOKEN, inMib(columns, columns.rate('readBytes')))];
}

function inMib(columns: Columns, values: Float64Array): Float64Array {
  return blank(
    columns,
    values.map((v) => v / MIB),
  );
}

/** Nothing is drawn where nothing is recorded yet. */
function blank(columns: Columns, values: Float64Array): Float64Array {
  return values.fill(Number.NaN, columns.used);
}

/** What is mostly nothing is drawn only where it is something. */
function hideZeros(values: Float64Array): Float64Array {
  return values.map((v) => (v === 0 ? Number.NaN : v));
}

function latencies(id: 'readLatency' | 'writeLatency', stats: TraceStats, columns: Columns): Series[] {
  const found = SHARES.map(() => new Float64Array(columns.count).fill(Number.NaN));
  for (let c = 0; c < columns.used; c++) {
    const [first, end] = columns.range(c);
    const values = stats.latenciesUs(id === 'readLatency' ? 'read' : 'write', SHARES, first, end - 1);
    for (const [i, value] of values.entries()) if (value > 0) (found[i] as Float64Array)[c] = value;
  }
  const colours = ['--cell-user-1', '--cell-gc', '--bad'];
  return SHARES.map((share, i) => line(`p${share * 100}`, colours[i] ?? '--text', found[i] as Float64Array));
}

/** Sectors that reached the flash for each that a user wrote, since the recording began until then. */
function amplification(columns: Columns): Float64Array {
  const values = new Float64Array(columns.count).fill(Number.NaN);
  const parts = STACK.map((measure) => columns.sum(measure));
  const [user] = parts;
  // A window of some columns: one alone has often no user data at all.
  const reach = Math.max(2, Math.round(columns.count / 24));
  for (let c = 0; c < columns.used; c++) {
    let all = 0;
    let users = 0;
    for (let i = Math.max(0, c - reach); i <= c; i++) {
      for (const part of parts) all += part[i] as number;
      users += user?.[i] ?? 0;
    }
    if (users > 0) values[c] = all / users;
  }
  return values;
}

/** Least, mean and most of a series; undefined when it says nothing. */
export function extent(values: Float64Array): { min: number; mean: number; max: number } | undefined {
  let [min, max, sum, n] = [Infinity, -Infinity, 0, 0];
  for (const v of values) {
    if (Number.isNaN(v)) continue;
    min = Math.min(min, v);
    max = Math.max(max, v);
    sum += v;
    n++;
  }
  return n === 0 ? undefined : { min, mean: sum / n, max };
}

export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Blocks by how often they were erased, in at most `most` bars of equal width. */
export function eraseBars(eraseCount: Uint32Array, most = 32): Bar[] {
  if (eraseCount.length === 0) return [];
  let [min, max] = [Infinity, 0];
  for (const n of eraseCount) {
    min = Math.min(min, n);
    max = Math.max(max, n);
  }
  const width = Math.ceil((max - min + 1) / most);
  const bars = Array.from({ length: Math.ceil((max - min + 1) / width) }, (_, i) => ({
    from: min + i * width,
    to: min + (i + 1) * width - 1,
    count: 0,
  }));
  for (const n of eraseCount) (bars[Math.floor((n - min) / width)] as { count: number }).count++;
  return bars;
}

const threeDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** "12.3", "0.04", "1,204": three figures are enough to read. */
export function short(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return formatCount(value);
  return threeDigits.format(value);
}
