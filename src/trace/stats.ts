import type { GuestEvent } from './guest-event.ts';
import type { TraceModel } from './model.ts';
import type { CommandRecord, PowerMark, TraceSink } from './record.ts';
import { kindOf } from './wire-command.ts';

/** Length of one bin of the statistics, as long as a recording is short; see {@link TraceStats.binUs}. */
export const BIN_MS = 100;
/** Latencies go into buckets of a quarter octave, from 1 µs on: bucket b holds 2^(b/4) … 2^((b+1)/4) µs. */
export const LATENCY_BUCKETS = 96;
/** More bins than this (27 minutes of 100 ms) are merged in pairs: memory is bounded, however long it lasts. */
const MAX_BINS = 16_384;

const MEASURES = [
  'userBytes',
  'gcBytes',
  'paddingBytes',
  'metaBytes',
  /** Written by nobody that we know: vector writes outside a target, and all writes of a plain disk. */
  'otherBytes',
  'writtenBytes',
  'readBytes',
  'erases',
  'reads',
  'writes',
  'commands',
  'failed',
  'freeBlocks',
  /** Most commands that were under way together. */
  'inFlight',
  /** Microseconds that commands were under way, together: divided by the time, the mean queue depth. */
  'busyUs',
] as const;

export type Measure = (typeof MEASURES)[number];

interface Totals {
  user: number;
  gc: number;
  padding: number;
  meta: number;
}

/** What happened when, in bins: what timelines and charts are drawn from. A sink behind the model's. */
export class TraceStats implements TraceSink {
  /** Start of the first bin: where the model stood, or where the first record is if that was at no time. */
  originUs: number;
  /** Length of a bin: {@link BIN_MS}, doubled whenever there would be too many. */
  binUs = BIN_MS * 1000;
  /** Bins in use; the last one may not be over yet. */
  bins = 0;
  private readonly columns: Record<Measure, Float64Array>;
  private readonly latencies = { read: new Uint32Array(0), write: new Uint32Array(0) };
  private capacity = 0;
  /** The model in front of it. */
  private model: TraceModel;
  private bin = 0;
  private free: number;
  private last: Totals;
  /** When the commands of late ended, to see how many were under way together. */
  private recent: number[] = [];

  constructor(model: TraceModel) {
    this.model = model;
    this.originUs = Math.floor(model.nowUs / this.binUs) * this.binUs;
    this.columns = Object.fromEntries(MEASURES.map((name) => [name, new Float64Array(0)])) as Record<
      Measure,
      Float64Array
    >;
    this.free = model.freeBlocks;
    this.last = totalsOf(model);
  }

  /** After a gap: another model goes on; what it counted in between happened at no time that we know. */
  resume(model: TraceModel): void {
    this.model = model;
    this.free = model.freeBlocks;
    this.last = totalsOf(model);
    this.recent = [];
  }

  /** The bins of one measure, by number; those from {@link bins} on are not in use yet. */
  column(measure: Measure): Float64Array {
    return this.columns[measure];
  }

  /** Start of a bin. */
  timeUs(bin: number): number {
    return this.originUs + bin * this.binUs;
  }

  binAt(timeUs: number): number {
    return Math.floor((timeUs - this.originUs) / this.binUs);
  }

  /** The latency below which `share` of the commands between two bins (inclusive) ended; 0 without any. */
  latencyUs(kind: 'read' | 'write', share: number, firstBin: number, lastBin: number): number {
    return this.latenciesUs(kind, [share], firstBin, lastBin)[0] ?? 0;
  }

  /** The same for several shares, rising, in one go. */
  latenciesUs(
    kind: 'read' | 'write',
    shares: readonly number[],
    firstBin: number,
    lastBin: number,
  ): number[] {
    const counts = this.latencies[kind];
    const sums = new Float64Array(LATENCY_BUCKETS);
    let total = 0;
    const from = Math.max(0, firstBin) * LATENCY_BUCKETS;
    const to = (Math.min(lastBin, this.bins - 1) + 1) * LATENCY_BUCKETS;
    for (let at = from, b = 0; at < to; at++, b = b + 1 === LATENCY_BUCKETS ? 0 : b + 1) {
      const n = counts[at] as number;
      if (n === 0) continue;
      sums[b] = (sums[b] as number) + n;
      total += n;
    }
    const found = shares.map(() => 0);
    if (total === 0) return found;
    let sum = 0;
    let next = 0;
    for (let b = 0; b < LATENCY_BUCKETS; b++) {
      sum += sums[b] as number;
      for (; next < shares.length && sum >= total * (shares[next] as number); next++)
        found[next] = 2 ** ((b + 1) / 4);
    }
    return found;
  }

  at(timeUs: number): void {
    // A machine that was just made has no time yet.
    if (this.bins === 0) this.originUs = Math.floor(timeUs / this.binUs) * this.binUs;
    let bin = Math.max(0, this.binAt(timeUs));
    if (bin >= this.bins) {
      while (bin >= MAX_BINS) {
        this.merge();
        bin = Math.max(0, this.binAt(timeUs));
      }
      this.reserve(bin + 1);
      // Quiet bins keep what is a state and not a count.
      for (let b = this.bins; b <= bin; b++) this.columns.freeBlocks[b] = this.free;
      this.bins = Math.max(this.bins, bin + 1);
    }
    this.bin = bin;
  }

  /** Two bins become one of twice the length. */
  private merge(): void {
    const merged = Math.ceil(this.bins / 2);
    for (const name of MEASURES) {
      const column = this.columns[name];
      for (let b = 0; b < merged; b++) {
        const first = column[2 * b] as number;
        const hasSecond = 2 * b + 1 < this.bins;
        const second = hasSecond ? (column[2 * b + 1] as number) : 0;
        if (name === 'freeBlocks') column[b] = hasSecond ? second : first;
        else column[b] = name === 'inFlight' ? Math.max(first, second) : first + second;
      }
      column.fill(0, merged);
    }
    for (const counts of [this.latencies.read, this.latencies.write]) {
      for (let b = 0; b < merged; b++) {
        const [into, first, second] = [b, 2 * b, 2 * b + 1].map((at) => at * LATENCY_BUCKETS) as [
          number,
          number,
          number,
        ];
        for (let i = 0; i < LATENCY_BUCKETS; i++)
          counts[into + i] = (counts[first + i] ?? 0) + (counts[second + i] ?? 0);
      }
      counts.fill(0, merged * LATENCY_BUCKETS);
    }
    this.bins = merged;
    this.binUs *= 2;
  }

  private reserve(bins: number): void {
    if (bins <= this.capacity) return;
    this.capacity = Math.min(MAX_BINS, Math.max(512, this.capacity * 2, bins));
    for (const name of MEASURES) {
      const grown = new Float64Array(this.capacity);
      grown.set(this.columns[name]);
      this.columns[name] = grown;
    }
    for (const kind of ['read', 'write'] as const) {
      const grown = new Uint32Array(this.capacity * LATENCY_BUCKETS);
      grown.set(this.latencies[kind]);
      this.latencies[kind] = grown;
    }
  }

  private add(measure: Measure, amount: number, bin = this.bin): void {
    const column = this.columns[measure];
    column[bin] = (column[bin] ?? 0) + amount;
  }

  command(record: CommandRecord): void {
    const kind = kindOf(record);
    this.add('commands', 1);
    if (record.status !== 0) this.add('failed', 1);
    // Held until something happens (asynchronous events), or of no load: not what a queue's depth is about.
    if (kind === 'admin') return;
    if (kind === 'read' || kind === 'vectorRead') {
      this.add('reads', 1);
      this.add('readBytes', record.dataBytes);
      this.addLatency('read', record.latencyUs);
    } else if (kind === 'write' || kind === 'vectorWrite' || kind === 'vectorCopy') {
      this.add('writes', 1);
      this.add('writtenBytes', record.dataBytes);
      this.addLatency('write', record.latencyUs);
      if (kind === 'write' && this.model.shape.kind === 'plain') this.add('otherBytes', record.dataBytes);
    }
    this.addInFlight(record.latencyUs);
  }

  private addLatency(kind: 'read' | 'write', latencyUs: number): void {
    const bucket = Math.min(LATENCY_BUCKETS - 1, Math.floor(4 * Math.log2(Math.max(1, latencyUs))));
    const at = this.bin * LATENCY_BUCKETS + bucket;
    const counts = this.latencies[kind];
    counts[at] = (counts[at] ?? 0) + 1;
  }

  private addInFlight(latencyUs: number): void {
    const toUs = this.model.nowUs;
    const fromUs = toUs - latencyUs;
    // Those that ended since this one was fetched, and itself: they are in the order of their ends.
    while (this.recent.length > 0 && (this.recent[0] as number) < fromUs) this.recent.shift();
    this.recent.push(toUs);
    const column = this.columns.inFlight;
    column[this.bin] = Math.max(column[this.bin] ?? 0, this.recent.length);
    // A command that took long was under way in earlier bins too.
    for (let bin = this.bin, left = latencyUs; bin >= 0 && left > 0; bin--) {
      const inBin = Math.min(left, bin === this.bin ? Math.max(0, toUs - this.timeUs(bin)) : this.binUs);
      this.add('busyUs', inBin, bin);
      left -= inBin;
    }
  }

  write(_block: number, _sec: number, secs: number): void {
    const moved = this.countTotals();
    this.add('otherBytes', Math.max(0, secs - moved) * this.model.shape.secSizeBytes);
    this.countFree();
  }

  /** Books of pblk are known as such only when their content is seen. */
  content(): void {
    const bytes = this.countTotals() * this.model.shape.secSizeBytes;
    // They were nobody's when they were written, a moment ago.
    if (bytes > 0) this.add('otherBytes', -Math.min(bytes, this.columns.otherBytes[this.bin] ?? 0));
  }

  /** What was written since the last time, by whom; in sectors. */
  private countTotals(): number {
    const now = totalsOf(this.model);
    const { last } = this;
    const bytes = this.model.shape.secSizeBytes;
    this.last = now;
    // A target that is gone takes its totals with it.
    const user = Math.max(0, now.user - last.user);
    const gc = Math.max(0, now.gc - last.gc);
    const padding = Math.max(0, now.padding - last.padding);
    const meta = Math.max(0, now.meta - last.meta);
    if (user > 0) this.add('userBytes', user * bytes);
    if (gc > 0) this.add('gcBytes', gc * bytes);
    if (padding > 0) this.add('paddingBytes', padding * bytes);
    if (meta > 0) this.add('metaBytes', meta * bytes);
    return user + gc + padding + meta;
  }

  learn(): void {
    // Of the past.
  }

  erase(): void {
    this.add('erases', 1);
    this.countFree();
  }

  entry(): void {
    this.countFree();
  }

  private countFree(): void {
    this.free = this.model.freeBlocks;
    this.columns.freeBlocks[this.bin] = this.free;
  }

  guest(_event: GuestEvent): void {
    // Who caused a write becomes known later: the totals move without anything being written.
    this.last = totalsOf(this.model);
  }

  power(_mark: PowerMark): void {
    this.last = totalsOf(this.model);
  }

  mark(): void {
    // Kept by the recording.
  }
}

function totalsOf(model: TraceModel): Totals {
  const sum = { user: 0, gc: 0, padding: 0, meta: 0 };
  for (const target of model.targets) {
    sum.user += target.userSecs;
    sum.gc += target.gcSecs;
    sum.padding += target.paddingSecs;
    sum.meta += target.metaSecs;
  }
  return sum;
}
