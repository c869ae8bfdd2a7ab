/**
 * What the device has told and is not recorded yet. Between two commands the guest has had all of the processor's caches:
 * to encode one write of 64 KiB and apply it to the model takes 45 µs then, and 4 when it is done for hundreds of
 * them together. So only what will be gone is noted at once, as numbers in a row.
 */
import type { CompletedCommand } from '../device/telemetry.ts';
import type { SectorVector } from '../flash/transfer.ts';
import type { GuestEvent } from '../trace/guest-event.ts';
import type { AddressRun, TraceSink } from '../trace/record.ts';
import type { GuestEventSource } from './guest-trace/told-queue.ts';

/** Two hundred writes of 64 KiB, in memory that a processor's second cache holds. */
const MOST_WORDS = 1 << 14;
/** Sectors of one write that are noted here, at most. */
export const MOST_SECS = 64;
/** Runs of memory that a command's data lies in: more pages than these have are not noted. */
const MOST_RUNS = 64;
/** Pages of a buffer that are noted; a plain write of 32 MiB has 8,192. */
const MAX_PAGES = 64;
const PAGE_BYTES = 4096;
const SQE_WORDS = 16;
/** Of the longest record, a command: its head, its 64 bytes, three words a sector, two a run. */
const SLACK_WORDS = 16 + SQE_WORDS + 3 * MOST_SECS + 2 * MOST_RUNS;

const Kind = { write: 1, erase: 2, command: 3, guest: 4, told: 5 } as const;

export class TraceBatch {
  private readonly words: Uint32Array;
  /** Of each record, in microseconds. A record has one word at least: its kind. */
  private readonly times: Float64Array;
  private readonly mostWords: number;
  private readonly secsPerPg: number;
  private length = 0;
  private records = 0;
  private events: (GuestEvent | GuestEventSource)[] = [];
  private readonly lbas = new Uint32Array(MOST_SECS);
  private readonly differs = new Uint8Array(MOST_SECS);

  /** @param secsPerPg of a page of one plane: a write that is longer goes on in the next plane's block */
  constructor(secsPerPg: number, mostWords = MOST_WORDS) {
    this.secsPerPg = secsPerPg;
    this.mostWords = mostWords;
    this.words = new Uint32Array(mostWords + SLACK_WORDS);
    this.times = new Float64Array(mostWords + SLACK_WORDS);
  }

  /** Go through what is there before anything is added. */
  get isFull(): boolean {
    return this.length >= this.mostWords;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /**
   * See {@link TraceSink.write}: at most {@link MOST_SECS} sectors, with data that garbage collection has not moved. What
   * does not fit into the page is in the same one of the next planes.
   */
  write(timeUs: number, block: number, sec: number, secs: number, lbas: Uint32Array): void {
    const { words } = this;
    let at = this.begin(Kind.write, timeUs);
    words[at++] = block;
    words[at++] = sec;
    words[at++] = secs;
    for (let i = 0; i < secs; i++) words[at++] = lbas[i] as number;
    this.length = at;
  }

  erase(timeUs: number, block: number): void {
    const at = this.begin(Kind.erase, timeUs);
    this.words[at] = block;
    this.length = at + 1;
  }

  /** A command that has broken no rule and copied nothing. */
  command(timeUs: number, latencyUs: number, command: CompletedCommand): void {
    const { words } = this;
    const { words: sqe, vector, data } = command;
    let at = this.begin(Kind.command, timeUs);
    words[at++] = command.queueId;
    words[at++] = command.status;
    words[at++] = command.dw0;
    words[at++] = command.dw1;
    words[at++] = command.dataBytes;
    words[at++] = Math.max(0, Math.round(latencyUs));
    for (let i = 0; i < SQE_WORDS; i++) words[at++] = sqe[i] as number;
    const counts = at++;
    let addresses = 0;
    for (let i = 0; i < vector.count; addresses++) {
      const count = runAt(vector, i);
      words[at++] = (vector.block[i] as number) + 1;
      words[at++] = Math.max(0, vector.sec[i] as number);
      words[at++] = count;
      i += count;
    }
    const runs = Math.min(data.runs, MOST_RUNS);
    for (let run = 0; run < runs; run++) {
      words[at++] = data.addressOf(run);
      words[at++] = data.lengthOf(run);
    }
    words[counts] = addresses * 256 + runs;
    this.length = at;
  }

  guest(timeUs: number, event: GuestEvent): void {
    this.length = this.begin(Kind.guest, timeUs);
    this.events.push(event);
  }

  /** An event that is read when it is handed on. */
  told(timeUs: number, source: GuestEventSource, number: number): void {
    const at = this.begin(Kind.told, timeUs);
    this.words[at] = number;
    this.length = at + 1;
    this.events.push(source);
  }

  /** Hands everything on, in its order, and forgets it. */
  replay(sink: TraceSink): void {
    const { words, length, events } = this;
    this.length = 0;
    this.records = 0;
    this.events = [];
    let event = 0;
    let record = 0;
    for (let at = 0; at < length;) {
      const kind = words[at++];
      const timeUs = this.times[record++] as number;
      sink.at(timeUs);
      if (kind === Kind.erase) sink.erase(words[at++] as number);
      else if (kind === Kind.write) at = this.replayWrite(at, timeUs, sink);
      else if (kind === Kind.guest) sink.guest(events[event++] as GuestEvent);
      else if (kind === Kind.told) {
        const told = (events[event++] as GuestEventSource).take(words[at++] as number);
        if (told) sink.guest(told);
      } else at = this.replayCommand(at, sink);
    }
  }

  private begin(kind: number, timeUs: number): number {
    const { length } = this;
    this.words[length] = kind;
    this.times[this.records++] = timeUs;
    return length + 1;
  }

  private replayWrite(from: number, timeUs: number, sink: TraceSink): number {
    const { words, lbas, secsPerPg } = this;
    let [block, sec] = [words[from], words[from + 1]] as [number, number];
    const end = from + 3 + (words[from + 2] as number);
    for (let at = from + 3; at < end; block++) {
      // Each page is a record.
      if (at > from + 3) sink.at(timeUs);
      const inPage = sec % secsPerPg;
      const secs = Math.min(secsPerPg - inPage, end - at);
      for (let i = 0; i < secs; i++) lbas[i] = words[at++] as number;
      sink.write(block, sec, secs, lbas, this.differs);
      sec -= inPage;
    }
    return end;
  }

  private replayCommand(from: number, sink: TraceSink): number {
    const { words } = this;
    let at = from + 6;
    const sqe = new Uint8Array(SQE_WORDS * 4);
    for (let i = 0; i < sqe.length; i += 4) {
      const word = words[at++] as number;
      sqe[i] = word;
      sqe[i + 1] = word >>> 8;
      sqe[i + 2] = word >>> 16;
      sqe[i + 3] = word >>> 24;
    }
    const counts = words[at++] as number;
    const addresses: AddressRun[] = [];
    for (let left = counts >>> 8; left > 0; left--, at += 3)
      addresses.push({
        block: (words[at] as number) - 1,
        sec: words[at + 1] as number,
        count: words[at + 2] as number,
      });
    const pages: number[] = [];
    for (let left = counts & 0xff; left > 0; left--, at += 2)
      addPages(pages, words[at] as number, words[at + 1] as number);
    sink.command({
      queueId: words[from] as number,
      sqe,
      status: words[from + 1] as number,
      dw0: words[from + 2] as number,
      dw1: words[from + 3] as number,
      dataBytes: words[from + 4] as number,
      latencyUs: words[from + 5] as number,
      addresses,
      rule: '',
      why: '',
      pages,
    });
    return at;
  }
}

/** Sectors from entry `i` on that follow each other in one block. */
function runAt(vector: SectorVector, i: number): number {
  const block = vector.block[i] as number;
  const sec = vector.sec[i] as number;
  let count = 1;
  while (
    i + count < vector.count &&
    vector.block[i + count] === block &&
    vector.sec[i + count] === sec + count
  )
    count++;
  return count;
}

export function runsOf(vector: SectorVector): AddressRun[] {
  const runs: AddressRun[] = [];
  for (let i = 0; i < vector.count;) {
    const count = runAt(vector, i);
    runs.push({ block: vector.block[i] as number, sec: Math.max(0, vector.sec[i] as number), count });
    i += count;
  }
  return runs;
}

export function pagesOf({ data }: CompletedCommand): number[] {
  const pages: number[] = [];
  for (let run = 0; run < data.runs; run++) addPages(pages, data.addressOf(run), data.lengthOf(run));
  return pages;
}

function addPages(pages: number[], address: number, length: number): void {
  for (let at = address; at < address + length; at += PAGE_BYTES - (at % PAGE_BYTES)) {
    if (pages.length === MAX_PAGES) return;
    pages.push(at);
  }
}
