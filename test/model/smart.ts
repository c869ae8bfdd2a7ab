import { smartLog } from '../../src/spec/identify.ts';
import { unpack } from '../../src/spec/layout.ts';
import { Status } from '../../src/spec/status.ts';

/** A number known to lie between two. */
interface Span {
  low: number;
  high: number;
}

const names = [
  'hostReads',
  'hostWrites',
  'units512Read',
  'units512Written',
  'mediaErrors',
  'powerCycles',
  'unsafeShutdowns',
] as const;
type Name = (typeof names)[number];
type Counts = Record<Name, number>;

/** An I/O command as SMART sees it. */
export interface Counted {
  readonly counts?: 'read' | 'write';
  readonly dataBytes?: number;
}

/** What was counted when a command was sent. */
export type Mark = Readonly<Counts>;

/**
 * The counters of a drive's life. While there is power they are exact; a power cut may take back what was
 * counted since the last acknowledged write, flush or shutdown, and may keep writes that were never acknowledged.
 */
export class SmartModel {
  private readonly spans: Record<Name, Span>;
  private readonly durable: Counts;
  /** Whether the disk knows itself to be in use: what an unsafe shutdown is told by. */
  private inUse: 'yes' | 'no' | 'maybe' = 'no';
  /** Writes under way, or that vanished with a reset: perhaps stored, and then counted, although nobody heard of it. */
  private readonly attempts: Counts;

  constructor() {
    const zero = (): Counts => Object.fromEntries(names.map((name) => [name, 0])) as Counts;
    this.durable = zero();
    this.attempts = zero();
    this.spans = Object.fromEntries(names.map((name) => [name, { low: 0, high: 0 }])) as Record<Name, Span>;
  }

  private add(name: Name, count: number): void {
    this.spans[name].low += count;
    this.spans[name].high += count;
  }

  mark(): Mark {
    return Object.fromEntries(names.map((name) => [name, this.spans[name].low])) as Counts;
  }

  powerOn(): void {
    this.add('powerCycles', 1);
    if (this.inUse !== 'no') this.spans.unsafeShutdowns.high++;
    if (this.inUse === 'yes') this.spans.unsafeShutdowns.low++;
    this.enabled();
  }

  enabled(): void {
    if (this.inUse === 'no') this.inUse = 'maybe';
  }

  submitted({ counts, dataBytes = 0 }: Counted): void {
    if (counts !== 'write') return;
    this.attempts.hostWrites++;
    this.attempts.units512Written += dataBytes / 512;
  }

  completed({ counts, dataBytes = 0 }: Counted, status: number, isFlush: boolean, mark: Mark): void {
    if ((status & 0x7ff) === (Status.eccFailure & 0x7ff)) this.add('mediaErrors', 1);
    if (counts === 'write') {
      // One that failed was not counted, or its count was not stored either.
      this.attempts.hostWrites--;
      this.attempts.units512Written -= dataBytes / 512;
    }
    if (status !== 0) return;
    if (counts === 'read') {
      this.add('hostReads', 1);
      this.add('units512Read', dataBytes / 512);
    } else if (counts === 'write') {
      this.add('hostWrites', 1);
      this.add('units512Written', dataBytes / 512);
    }
    if (counts !== 'write' && !isFlush) return;
    this.kept(mark);
    if (counts === 'write') {
      // Each write that is acknowledged took its own count along.
      this.durable.hostWrites = Math.max(this.durable.hostWrites, mark.hostWrites + 1);
      this.durable.units512Written = Math.max(
        this.durable.units512Written,
        mark.units512Written + dataBytes / 512,
      );
    }
    this.inUse = 'yes';
  }

  private kept(mark: Mark): void {
    for (const name of names) this.durable[name] = Math.max(this.durable[name], mark[name]);
  }

  shutdownBegins(): void {
    this.inUse = 'maybe';
  }

  shutdownComplete(mark: Mark): void {
    this.kept(mark);
    this.inUse = 'no';
  }

  /** A controller reset: writes that were under way may be counted or not. */
  reset(): void {
    for (const name of names) this.spans[name].high += this.attempts[name];
  }

  crash(): void {
    this.reset();
    for (const name of names) {
      this.spans[name].low = Math.min(this.spans[name].low, this.durable[name]);
      this.attempts[name] = 0;
    }
  }

  /** Compares with the log page, and learns from it. */
  check(page: Uint8Array): void {
    const { fields } = smartLog;
    const read = (field: Parameters<typeof unpack>[0]) => unpack(field, page);
    this.see('hostReads', read(fields.hostReads));
    this.see('hostWrites', read(fields.hostWrites));
    this.see('mediaErrors', read(fields.mediaErrors));
    this.see('powerCycles', read(fields.powerCycles));
    this.see('unsafeShutdowns', read(fields.unsafeShutdowns));
    this.seeThousands('units512Read', read(fields.dataUnitsRead));
    this.seeThousands('units512Written', read(fields.dataUnitsWritten));
  }

  private see(name: Name, value: number): void {
    this.seeBetween(name, value, value);
  }

  private seeThousands(name: Name, value: number): void {
    this.seeBetween(name, value === 0 ? 0 : (value - 1) * 1000 + 1, value * 1000);
  }

  private seeBetween(name: Name, low: number, high: number): void {
    const span = this.spans[name];
    if (high < span.low || low > span.high)
      throw new Error(`SMART ${name}: ${low} to ${high}, expected ${span.low} to ${span.high}`);
    span.low = Math.max(span.low, low);
    span.high = Math.min(span.high, high);
  }
}
