import { TraceDecoder, type Segment } from './encode.ts';
import type { TraceModel } from './model.ts';
import { type CommandRecord, type TraceSink, tee } from './record.ts';
import { sinkOf } from './sink.ts';
import { type Snapshotted, Snapshots } from './snapshots.ts';
import { TraceStats } from './stats.ts';

export const DEFAULT_BUDGET_BYTES = 96 * 1024 * 1024;

export { sinkOf } from './sink.ts';

/** A place in a recording. */
export interface Position {
  /** Records that were applied, counted from the beginning of the recording (evicted ones included). */
  readonly record: number;
  /** Commands among them. */
  readonly command: number;
  readonly timeUs: number;
}

export interface Mark {
  readonly timeUs: number;
  readonly command: number;
  readonly kind: 'mark' | 'on' | 'off' | 'gap';
  readonly text: string;
  /** Set afterwards, by the reader: no record of the recording says so. */
  readonly added?: true;
}

/** What a file keeps of a recording. */
export interface Contents {
  /** The device when the first segment begins. */
  readonly base: TraceModel;
  readonly segments: readonly Segment[];
  /** Of segments behind a gap, by their index: the device when they begin. */
  readonly restarts: ReadonlyMap<number, TraceModel>;
  readonly marks: readonly Mark[];
}

export interface RecordedCommand extends CommandRecord {
  /** Counts from 1. */
  readonly number: number;
  readonly timeUs: number;
}

interface Stored extends Snapshotted {
  readonly segment: Segment;
  /** Records and commands before it. */
  readonly record: number;
  readonly command: number;
}

/**
 * Everything that was recorded of one device, within a budget of bytes: the oldest goes first. {@link head} is the
 * device now; {@link seek} makes the device as it was.
 */
export class Recording {
  /** The model after the last record. */
  head: TraceModel;
  readonly stats: TraceStats;
  /** Where the device stood when the recording began; for one that began with power-on, that. */
  readonly began: Position;
  readonly marks: Mark[] = [];
  /** Bytes of records that are kept. */
  keptBytes = 0;
  private readonly budgetBytes: number;
  private readonly snapshots: Snapshots;
  private readonly stored: Stored[] = [];
  private sinceSnapshot = Infinity;
  /** The next segment begins behind a gap. */
  private isRestarted = false;
  private sink: TraceSink;

  /** @param base the device when the recording begins; it becomes the recording's own */
  constructor(base: TraceModel, budgetBytes = DEFAULT_BUDGET_BYTES) {
    this.head = base;
    this.began = this.positionOf(base);
    this.budgetBytes = budgetBytes;
    this.snapshots = new Snapshots(budgetBytes, base.totalBlks);
    this.stats = new TraceStats(base);
    this.sink = this.makeSink();
  }

  private makeSink(): TraceSink {
    return tee(tee(this.head, this.stats), this.markKeeper());
  }

  /** Oldest moment that can be seen. */
  get start(): Position {
    const [first] = this.stored;
    return first
      ? { record: first.record, command: first.command, timeUs: first.segment.fromUs }
      : this.positionOf(this.head);
  }

  get end(): Position {
    return this.positionOf(this.head);
  }

  private positionOf(model: TraceModel): Position {
    return { record: model.records, command: model.commands, timeUs: model.nowUs };
  }

  /** Plays a segment on the head and keeps it. Throws a TraceError, and keeps nothing of it, when it is none. */
  add(segment: Segment): void {
    const before = this.sinceSnapshot >= this.snapshots.everyBytes ? this.head.snapshot() : undefined;
    const { records: record, commands: command } = this.head;
    const marks = this.marks.length;
    try {
      const decoder = new TraceDecoder(segment);
      while (decoder.next(this.sink)) {
        // The sink does the work.
      }
    } catch (error) {
      this.marks.length = marks;
      this.goOnFrom(before?.snapshot() ?? this.seekRecord(record).model);
      throw error;
    }
    if (before) this.sinceSnapshot = 0;
    this.stored.push({ segment, record, command, snapshot: before, isRestart: this.isRestarted });
    this.isRestarted = false;
    this.sinceSnapshot += segment.bytes.length;
    this.keptBytes += segment.bytes.length;
    if (before) this.snapshots.added(this.stored);
    this.evict();
  }

  /** Records were lost: what follows begins with another state of the device. */
  restart(model: TraceModel, text: string): void {
    const { records, commands } = this.head;
    // One more than before at least: that is how a cursor sees that it has come to the gap.
    model.records = Math.max(model.records, records + 1);
    model.commands = Math.max(model.commands, commands);
    model.nowUs = Math.max(model.nowUs, this.head.nowUs);
    this.goOnFrom(model);
    this.sinceSnapshot = Infinity;
    this.isRestarted = true;
    this.marks.push({ timeUs: model.nowUs, command: model.commands, kind: 'gap', text });
  }

  private goOnFrom(model: TraceModel): void {
    this.head = model;
    this.stats.resume(model);
    this.sink = this.makeSink();
  }

  /** A mark that the reader sets, now or at a moment of the past. */
  addMark(text: string, at: Position = this.end): void {
    const mark: Mark = { timeUs: at.timeUs, command: at.command, kind: 'mark', text, added: true };
    const later = this.marks.findIndex(({ timeUs }) => timeUs > mark.timeUs);
    this.marks.splice(later < 0 ? this.marks.length : later, 0, mark);
  }

  /** Drops the oldest, up to a segment that begins with a snapshot. */
  private evict(): void {
    while (this.keptBytes > this.budgetBytes || this.snapshots.areTooMany(this.stored)) {
      const next = this.stored.findIndex(({ snapshot }, i) => i > 0 && snapshot !== undefined);
      if (next < 0) return;
      for (const { segment } of this.stored.splice(0, next)) this.keptBytes -= segment.bytes.length;
      this.snapshots.removed(this.stored);
    }
  }

  /** The device at a moment: after the last record that is not later. */
  seekTime(timeUs: number): Cursor {
    return this.cursorAt(this.lastStored(({ segment }) => segment.fromUs <= timeUs)).toTime(timeUs);
  }

  /** The device after command `command` had ended. */
  seekCommand(command: number): Cursor {
    return this.cursorAt(this.lastStored((stored) => stored.command < command)).toCommand(command);
  }

  seekRecord(record: number): Cursor {
    return this.cursorAt(this.lastStored((stored) => stored.record < record)).toRecord(record);
  }

  private lastStored(fits: (stored: Stored) => boolean): number {
    // Segments are in order: the first that does not fit ends the search.
    let low = 0;
    let high = this.stored.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (fits(this.stored[middle] as Stored)) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** A cursor at the last snapshot that is not after the beginning of segment `index`. */
  private cursorAt(index: number): Cursor {
    let first = index;
    while (first > 0 && this.stored[first]?.snapshot === undefined) first--;
    const base = this.stored[first]?.snapshot ?? this.head;
    return new Cursor(this.stored, first, base.snapshot());
  }

  /** Commands from number `first` to `last`, as far as they are kept; oldest first. */
  commands(first: number, last: number): RecordedCommand[] {
    const found: RecordedCommand[] = [];
    let number = 0;
    let timeUs = 0;
    const collector = sinkOf({
      at: (us) => (timeUs = us),
      command: (record) => {
        number++;
        if (number >= first && number <= last) found.push({ ...record, number, timeUs });
      },
    });
    for (let i = this.lastStored((stored) => stored.command < first); i < this.stored.length; i++) {
      const stored = this.stored[i] as Stored;
      if (stored.command >= last) break;
      if (stored.command + stored.segment.commands < first) continue;
      number = stored.command;
      const decoder = new TraceDecoder(stored.segment);
      while (decoder.next(collector)) {
        // The collector does the work.
      }
    }
    return found;
  }

  /** Hands every kept record between two times to a sink, oldest first. */
  playBetween(fromUs: number, toUs: number, sink: TraceSink): void {
    for (const { segment } of this.stored) {
      if (segment.toUs < fromUs) continue;
      if (segment.fromUs > toUs) break;
      const decoder = new TraceDecoder(segment);
      while (!decoder.atEnd) {
        const time = decoder.nextTimeUs;
        if (time > toUs) break;
        decoder.next(time < fromUs ? nobody : sink);
      }
    }
  }

  /**
   * Hands all kept records to a sink, oldest first, from the stretch on that begins with record `fromRecord`;
   * yields between stretches the number of records so far, for whoever wants to pause and go on from there.
   */
  *play(sink: TraceSink, fromRecord = 0): Generator<number> {
    for (const { segment, record } of this.stored.slice(firstFrom(this.stored, fromRecord))) {
      const decoder = new TraceDecoder(segment);
      while (decoder.next(sink)) {
        // The sink does the work.
      }
      yield record + segment.records;
    }
  }

  /** What is kept: the device at its beginning, and the segments. For files. */
  contents(): Contents {
    const restarts = new Map<number, TraceModel>();
    for (const [i, { isRestart, snapshot }] of this.stored.entries())
      if (i > 0 && isRestart && snapshot) restarts.set(i, snapshot);
    return {
      base: this.stored[0]?.snapshot ?? this.head,
      segments: this.stored.map(({ segment }) => segment),
      restarts,
      marks: this.marks,
    };
  }

  private markKeeper(): TraceSink {
    const keep = (kind: Mark['kind'], text: string) =>
      this.marks.push({ timeUs: this.head.nowUs, command: this.head.commands, kind, text });
    return sinkOf({
      power: (mark) => keep(mark, ''),
      mark: (text) => keep('mark', text),
    });
  }
}

/** A device in the past, that moves forward in its recording. Going back is another seek. */
export class Cursor {
  /** The device at this place; another object after a gap. */
  model: TraceModel;
  private readonly stored: readonly Stored[];
  private decoder: TraceDecoder | undefined;
  /** The first segment that was not begun; found again by its number of records, for the oldest may be evicted. */
  private nextRecord: number;

  constructor(stored: readonly Stored[], index: number, model: TraceModel) {
    this.stored = stored;
    this.model = model;
    this.nextRecord = stored[index]?.record ?? model.records;
  }

  toTime(timeUs: number): this {
    return this.forward((nextUs) => nextUs <= timeUs);
  }

  toCommand(command: number): this {
    return this.forward(() => this.model.commands < command);
  }

  toRecord(record: number): this {
    return this.forward(() => this.model.records < record);
  }

  /** @param wanted whether the next record, of that time, is to be applied */
  private forward(wanted: (nextUs: number) => boolean): this {
    for (;;) {
      let { decoder } = this;
      if (!decoder || decoder.atEnd) {
        const next = this.stored[firstFrom(this.stored, this.nextRecord)];
        // Asked before the segment is begun: that may lead over a gap, to another state of the device.
        if (!next || !wanted(next.segment.fromUs)) return this;
        decoder = this.begin(next);
      }
      if (!wanted(decoder.nextTimeUs)) return this;
      decoder.next(this.model);
    }
  }

  private begin(next: Stored): TraceDecoder {
    // Over a gap the state comes from the other side.
    if (next.snapshot && next.snapshot.records !== this.model.records) this.model = next.snapshot.snapshot();
    this.nextRecord = next.record + next.segment.records;
    this.decoder = new TraceDecoder(next.segment);
    return this.decoder;
  }
}

/** Index of the first segment that has at least so many records before it. */
function firstFrom(stored: readonly Stored[], record: number): number {
  let low = 0;
  let high = stored.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((stored[middle] as Stored).record < record) low = middle + 1;
    else high = middle;
  }
  return low;
}

const nobody = sinkOf({});
