import { TraceDecoder, type Segment } from '../../trace/encode.ts';
import { type AddressRun, type CommandRecord, MAX_LBA, type TraceSink } from '../../trace/record.ts';
import { type Recording, sinkOf } from '../../trace/recording.ts';
import { kindOf } from '../../trace/wire-command.ts';

export interface HistoryEntry {
  readonly kind: 'write' | 'read' | 'erase';
  readonly timeUs: number;
  /** Number of the command that did it; 0 while it has not ended. */
  command: number;
  /** Logical block that was written; undefined for reads, erases, and what belongs to no block. */
  readonly lba?: number;
}

/** What is kept: the newest. */
const MAX_ENTRIES = 500;
/** Records between two looks at the clock. */
const RECORDS_A_LOOK = 256;

/**
 * Looks through a recording for all that happened to one sector. It is done a piece at a time, from the oldest
 * record on, and goes on where it ended as more is recorded.
 */
export class SectorHistory {
  readonly entries: HistoryEntry[] = [];
  /** Older ones that were dropped. */
  dropped = 0;
  private readonly recording: Recording;
  private readonly block: number;
  private readonly sec: number;
  private readonly planes: number;
  private segment: Segment | undefined;
  private decoder: TraceDecoder | undefined;
  private commands: number;
  /** Writes and erases come before the command that asked for them has ended. */
  private waiting: HistoryEntry[] = [];
  private readonly sink: TraceSink;

  constructor(recording: Recording, block: number, sec: number) {
    this.recording = recording;
    this.block = block;
    this.sec = sec;
    this.planes = recording.head.shape.numPln;
    this.commands = recording.start.command;
    this.sink = sinkOf({
      write: (at, first, secs, lbas) => this.wrote(at, first, secs, lbas),
      erase: (at) => {
        if (at === this.block) this.add({ kind: 'erase', timeUs: this.nowUs, command: 0 });
      },
      command: (record) => this.ended(record),
    });
  }

  private get nowUs(): number {
    return this.decoder?.timeUs ?? 0;
  }

  /** Share of the recording that was looked through. */
  get progress(): number {
    const { start, end } = this.recording;
    const span = end.command - start.command;
    return span <= 0 ? 1 : Math.min(1, (this.commands - start.command) / span);
  }

  /** Goes on for about so long. False when the end is reached. */
  advance(ms: number, now: () => number = () => performance.now()): boolean {
    const until = now() + ms;
    for (;;) {
      if (!this.decoder || this.decoder.atEnd) {
        if (!this.begin()) return false;
      }
      for (let i = 0; i < RECORDS_A_LOOK && this.decoder?.next(this.sink); i++) {
        // The sink does the work.
      }
      if (now() >= until) return true;
    }
  }

  /** The next segment, if there is one. */
  private begin(): boolean {
    const { segments } = this.recording.contents();
    const before = this.segment ? segments.lastIndexOf(this.segment) : -1;
    const next = segments[before + 1];
    if (!next) return false;
    if (before < 0) this.commands = this.recording.start.command;
    // Over a gap, commands were counted that nobody recorded.
    const lastUs = this.segment?.toUs ?? -Infinity;
    for (const { kind, timeUs, command } of this.recording.marks)
      if (kind === 'gap' && timeUs > lastUs && timeUs <= next.fromUs)
        this.commands = Math.max(this.commands, command);
    this.segment = next;
    this.decoder = new TraceDecoder(next);
    return true;
  }

  private add(entry: HistoryEntry): void {
    this.entries.push(entry);
    if (entry.command === 0) this.waiting.push(entry);
    if (this.entries.length > MAX_ENTRIES) {
      this.entries.shift();
      this.dropped++;
    }
  }

  private wrote(block: number, first: number, secs: number, lbas: Uint32Array): void {
    if (block !== this.block || this.sec < first || this.sec >= first + secs) return;
    const lba = lbas[this.sec - first] ?? MAX_LBA + 1;
    const entry = { kind: 'write', timeUs: this.nowUs, command: 0 } as const;
    this.add(lba <= MAX_LBA ? { ...entry, lba } : { ...entry });
  }

  private ended(record: CommandRecord): void {
    this.commands++;
    const kind = kindOf(record);
    if (kind !== 'vectorRead' && kind !== 'vectorWrite' && kind !== 'vectorErase' && kind !== 'vectorCopy')
      return;
    if (kind === 'vectorErase') {
      // One address erases the chunk in every plane.
      const chunk = Math.floor(this.block / this.planes);
      if (record.addresses.some((run) => Math.floor(run.block / this.planes) === chunk)) this.sign('erase');
      return;
    }
    const read = kind === 'vectorRead' ? record.addresses : record.sources;
    if (read?.some((run) => this.isIn(run)))
      this.add({ kind: 'read', timeUs: this.nowUs, command: this.commands });
    if (kind !== 'vectorRead' && record.addresses.some((run) => this.isIn(run))) this.sign('write');
  }

  private isIn({ block, sec, count }: AddressRun): boolean {
    return block === this.block && this.sec >= sec && this.sec < sec + count;
  }

  private sign(kind: HistoryEntry['kind']): void {
    const at = this.waiting.findIndex((entry) => entry.kind === kind);
    const [entry] = at < 0 ? [] : this.waiting.splice(at, 1);
    if (entry) entry.command = this.commands;
  }
}
