/**
 * The host's end of the trace channel: what the guest's kernel does, by way of its agent `watchd` on the
 * second port of the virtio console (guest/PROTOCOL.md). Our kernel tells of its events itself, one by one; of another
 * one's the agent sends pages, some ten milliseconds late.
 *
 * The guest may be hostile: nothing it sends throws, what we keep of it is bounded, and what cannot be
 * read is told as lost. A guest without the agent never answers, which is no error.
 */
import type { GuestEvent } from '../../trace/guest-event.ts';
import { encodeFrame, FrameParser } from '../guest-frames.ts';
import { type Decoder, DECODERS, Fields, ProcessNames, TEACHES, WANTED } from './decoders.ts';
import { parseFields, parseFormat } from './format.ts';
import { LAYOUT_32, type PageLayout, pageLayout, readRingPage } from './ring-page.ts';
import { readSample, SampledTargets, type TraceRecord } from './sample.ts';
import { type GuestEventSource, ToldQueue } from './told-queue.ts';

/** The newest version of the agent's protocol. The first one had neither TELL_HOST nor NUDGE. */
export const TRACE_VERSION = 2;
export const DEFAULT_SAMPLE_MS = 500;

const START = 1;
const STOP = 2;
const PING = 3;
const NUDGE = 4;
/** Flags of START. */
const TELL_HOST = 2;
/** pblk finds the first and the last sector of a chunk by a look at every sector; the device knows them anyway. */
const NO_CHUNK_STATES = 4;
/** Not 0: that is how an agent that has just started says hello. */
const PING_ID = 0xffff_ffff;
const HELLO = 0x83;
const ERROR = 0x84;
const FORMATS = 0x85;
const PAGE = 0x86;
const SAMPLE = 0x87;
const STOPPED = 0x88;

const MAX_FORMATS = 64;
/** From an event until the agent hears of it; it looks at most once in an interval. */
const NUDGE_MS = 50;
const MAX_LOST = 2 ** 32;

/** The host's clock: now, and when the guest's time stamp counter showed what it tells; undefined when the machine is gone. */
export type ReadClock = () => { readonly atMs: number; msAt(ticks: number): number } | undefined;

/** The guest refused to start, or ended before it had; `message` is one sentence. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

/** A run of the agent's as one channel knows it, for another one to go on with. */
export interface SavedTrace {
  readonly intervalMs: number;
  readonly formats: readonly TraceRecord[];
  /** What the samples have told so far. */
  readonly sample: readonly TraceRecord[];
}

interface Waiter {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export class GuestTrace {
  /** Called with what came in one piece, in the order of the guest's buffer; a sample's time may lie before it. */
  onevents: ((batch: readonly GuestEvent[]) => void) | undefined;
  /**
   * Called when the kernel has told something that may be read later, with the number to take it by and the host's time;
   * true: it will be. What gets another answer goes to `onevents` at once.
   */
  ontold: ((source: GuestEventSource, number: number, atMs: number) => boolean) | undefined;

  readonly #send: (bytes: Uint8Array) => void;
  readonly #readClock: ReadClock;
  readonly #parser = new FrameParser((type, id, payload) => this.#handle(type, id, payload));
  #available = false;
  /** What the agent speaks; 0: it has not said yet. */
  #version = 0;
  #closed = false;
  /** Milliseconds between samples while the trace is wanted. */
  #wanted: number | undefined;
  #starting: Waiter | undefined;
  #stopping: Waiter | undefined;
  /** Id of the START whose frames count; an older one's are ignored. */
  #run = 0;
  #isOn = false;
  /** The events' formats are there, and the run is not over. */
  #hears = false;
  /** The agent will be told that something has happened: it sleeps, and is to look at what pblk says of itself. */
  #nudging: ReturnType<typeof setTimeout> | undefined;
  #startedMs = 0;
  #layout: PageLayout = LAYOUT_32;
  #formatRecords: readonly TraceRecord[] = [];
  #mounts: string | undefined;
  readonly #decoders = new Map<number, Decoder>();
  /** Of events of which not each is of interest. */
  readonly #wanting = new Map<number, (event: DataView) => boolean>();
  /** Of the decoders, those whose events others need to be read: they cannot wait. */
  readonly #teaching = new Set<number>();
  readonly #names = new ProcessNames();
  readonly #targets = new SampledTargets();
  readonly #fields = new Fields();
  readonly #toldQueue = new ToldQueue((id) => this.#decoders.get(id));
  #batch: GuestEvent[] = [];

  /** `send` takes bytes for the guest; give what comes back to `receive`. */
  constructor(send: (bytes: Uint8Array) => void, readClock: ReadClock) {
    this.#send = send;
    this.#readClock = readClock;
  }

  /** The guest has the agent, and it speaks our version. */
  get available(): boolean {
    return this.#available;
  }

  /** The guest traces. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /**
   * Resolves when the guest traces and the first sample was told. As long as no agent has said hello it
   * waits for one. Rejects with one sentence when the guest refuses, or the channel is closed.
   */
  start(intervalMs = DEFAULT_SAMPLE_MS): Promise<void> {
    if (this.#wanted === intervalMs && this.#starting !== undefined) return this.#starting.promise;
    this.#starting?.resolve(); // another interval: what was asked for comes with it
    this.#wanted = intervalMs;
    this.#starting = waiter();
    const { promise } = this.#starting;
    if (this.#closed) this.#refused('The machine is off.');
    else if (this.#available) this.#begin();
    return promise;
  }

  /** Resolves when the guest has undone everything; events that happened before are told until then. */
  stop(): Promise<void> {
    this.#wanted = undefined;
    this.#refused('The trace was stopped before it had started.');
    if (this.#closed || !this.#available || this.#run === 0) return Promise.resolve();
    this.#stopping ??= waiter();
    const { promise } = this.#stopping;
    this.#trySend(STOP, this.#run);
    return promise;
  }

  /** The number of the last run; the guest may still be at it. 0: there was none. */
  get lastRun(): number {
    return this.#run;
  }

  /** What it takes, besides its number, to go on with the present run; undefined while nothing is traced. */
  save(): SavedTrace | undefined {
    if (!this.#isOn || this.#wanted === undefined) return undefined;
    const names = Array.from(this.#names.entries(), ([pid, name]) => `${pid} ${name}\n`).join('');
    const sample: TraceRecord[] = [['names', names], ...this.#targets.records()];
    if (this.#mounts !== undefined) sample.push(['mounts', this.#mounts]);
    return { intervalMs: this.#wanted, formats: this.#formatRecords, sample };
  }

  /**
   * The agent said hello before this channel was there, in a machine that was restored: asks it to say so again.
   * @param lastRun of the channel that was there before: it ends, and what it still tells is nobody's
   * @param saved that run, to go on with if it is what is wanted. To end one and start another takes the guest half a
   * second, in which it does nothing else
   */
  meetRunning(lastRun = 0, saved?: SavedTrace): void {
    if (lastRun !== 0 && saved !== undefined && saved.intervalMs === this.#wanted) {
      this.#goOn(lastRun, saved);
      return;
    }
    if (lastRun !== 0) {
      this.#run = (lastRun % 0x7fff_ffff) + 1;
      this.#trySend(STOP, lastRun);
    }
    this.#trySend(PING, PING_ID);
  }

  #goOn(run: number, { formats, sample }: SavedTrace): void {
    if (this.#closed) return;
    this.#available = true;
    this.#run = run;
    this.#forget();
    this.#startedMs = this.#readClock()?.atMs ?? 0;
    this.#readFormats(formats);
    this.#sampled(sample, this.#startedMs);
    this.#tell();
    this.#trySend(PING, PING_ID); // its version
  }

  /** Bytes from the guest, cut anywhere. */
  receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#toldQueue.readAll();
    this.#parser.push(bytes);
    this.#tell();
  }

  /**
   * The kernel tells of an event itself, at the host's `atMs`. Nothing is sent to the guest before this returns: it is
   * in the middle of an instruction.
   */
  told(event: DataView, atMs: number): void {
    if (!this.#hears) return;
    const id = event.byteLength >= 2 ? event.getUint16(0, true) : -1;
    if (this.#wanting.get(id)?.(event) === false) return;
    this.#nudging ??= setTimeout(() => this.#nudge(), NUDGE_MS);
    const decode = this.#decoders.get(id);
    if (decode === undefined) return;
    const sinceStartMs = Math.max(atMs, this.#startedMs);
    const queue = this.#toldQueue;
    if (!this.#teaching.has(id) && this.ontold?.(queue, queue.next, atMs) === true) {
      queue.push(event, sinceStartMs);
      return;
    }
    queue.readAll();
    this.#fields.set(event, 0, event.byteLength);
    const decoded = decode(this.#fields, sinceStartMs);
    if (decoded === undefined) return;
    this.#batch.push(decoded);
    this.#tell();
  }

  /** Once until the sample has come. */
  #nudge(): void {
    if (this.#hears && this.#version >= 2) this.#trySend(NUDGE, this.#run);
    else this.#quiet();
  }

  /** Ends the channel: nothing is told after this. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#available = this.#isOn = false;
    this.onevents = this.ontold = undefined;
    this.#batch = [];
    this.#refused('The machine was switched off.');
    this.#stopping?.resolve();
    this.#stopping = undefined;
    this.#forget();
    this.#parser.clear();
  }

  #begin(): void {
    if (this.#wanted === undefined) return;
    // A stop under way is overtaken: what it would have told now belongs to an older run.
    this.#stopping?.resolve();
    this.#stopping = undefined;
    this.#run = (this.#run % 0x7fff_ffff) + 1;
    this.#isOn = false;
    this.#forget();
    this.#startedMs = this.#readClock()?.atMs ?? 0;
    const payload = new Uint8Array(8);
    const fields = view(payload);
    fields.setUint32(0, Math.min(Math.max(this.#wanted, 0), 0xffff_ffff), true);
    fields.setUint32(4, this.#version >= 2 ? TELL_HOST | NO_CHUNK_STATES : 0, true);
    this.#trySend(START, this.#run, payload);
  }

  #forget(): void {
    this.#toldQueue.readAll();
    this.#hearNoMore();
    this.#layout = LAYOUT_32;
    this.#formatRecords = [];
    this.#mounts = undefined;
    this.#decoders.clear();
    this.#teaching.clear();
    this.#wanting.clear();
    this.#names.clear();
    this.#targets.clear();
  }

  #hearNoMore(): void {
    this.#hears = false;
    this.#quiet();
  }

  #quiet(): void {
    clearTimeout(this.#nudging);
    this.#nudging = undefined;
  }

  #handle(type: number, id: number, payload: Uint8Array): void {
    if (this.#closed) return;
    if (type === HELLO) {
      if (payload.length === 4) this.#hello(id, view(payload).getUint32(0, true));
      return;
    }
    // Ids count up, so a frame of another id belongs to a run that is over.
    if (id !== this.#run) return;
    switch (type) {
      case FORMATS:
        this.#readFormats(records(payload));
        break;
      case PAGE:
        this.#page(payload);
        break;
      case SAMPLE:
        this.#sample(payload);
        break;
      case STOPPED:
        this.#isOn = false;
        this.#hearNoMore();
        this.#tell();
        if (this.#wanted === undefined) {
          this.#stopping?.resolve();
          this.#stopping = undefined;
        }
        break;
      case ERROR:
        this.#isOn = false;
        this.#hearNoMore();
        this.#refused(`The guest cannot trace: ${printable(payload)}.`);
        break;
      default: // a newer agent, or noise
    }
  }

  #hello(id: number, version: number): void {
    const isFirst = !this.#available;
    this.#available = version >= 1 && version <= TRACE_VERSION;
    this.#version = version;
    if (!this.#available) return;
    if (id !== 0) {
      // The answer to a sign of life. It traces nothing yet if this is the first that we hear of it.
      if (isFirst) this.#begin();
      return;
    }
    // It has (re)started, and traces nothing.
    if (this.#isOn) this.#lost(1);
    this.#isOn = false;
    this.#stopping?.resolve();
    this.#stopping = undefined;
    this.#begin();
  }

  #readFormats(all: Iterable<TraceRecord>): void {
    this.#decoders.clear();
    this.#teaching.clear();
    this.#wanting.clear();
    const kept: TraceRecord[] = [];
    for (const [key, text] of all) {
      if (kept.length === MAX_FORMATS) break;
      kept.push([key, text]);
      if (key === 'header_page') {
        this.#layout = pageLayout(parseFields(text)) ?? this.#layout;
        continue;
      }
      const format = Object.hasOwn(DECODERS, key) ? parseFormat(text) : undefined;
      const decoder = format && DECODERS[key]?.(format, this.#names);
      if (!format || !decoder) continue;
      this.#decoders.set(format.id, decoder);
      if (TEACHES.has(key)) this.#teaching.add(format.id);
      const wants = WANTED[key]?.(format);
      if (wants) this.#wanting.set(format.id, wants);
    }
    this.#formatRecords = kept;
    this.#hears = true;
  }

  #page(payload: Uint8Array): void {
    const clock = this.#readClock();
    if (clock === undefined) return;
    const page = view(payload);
    const at = this.#batch.length;
    const lost = readRingPage(page, this.#layout, (ticks, offset, length) => {
      const decode = length >= 2 ? this.#decoders.get(page.getUint16(offset, true)) : undefined;
      if (decode === undefined) return;
      this.#fields.set(page, offset, length);
      const event = decode(this.#fields, this.#toMs(ticks, clock));
      if (event !== undefined) this.#batch.push(event);
    });
    // The kernel lost them before this page.
    if (lost > 0) this.#lost(lost, at);
  }

  #sample(payload: Uint8Array): void {
    const clock = this.#readClock();
    if (clock === undefined) return;
    if (payload.length < 8) {
      this.#lost(1);
      return;
    }
    this.#quiet();
    const ticks = view(payload).getUint32(4, true) * 2 ** 32 + view(payload).getUint32(0, true);
    this.#sampled(records(payload.subarray(8)), this.#toMs(ticks, clock));
  }

  #sampled(all: Iterable<TraceRecord>, atMs: number): void {
    for (const event of readSample(all, atMs, this.#targets)) {
      if (event.kind === 'process') this.#names.set(event.pid, event.comm);
      else this.#mounts = event.mounts ?? this.#mounts;
      this.#batch.push(event);
    }
    if (this.#wanted === undefined || this.#isOn) return;
    this.#isOn = true;
    this.#tell();
    this.#starting?.resolve();
    // `start` with the same interval finds it resolved.
  }

  /** Between the start and now, whatever the guest says. */
  #toMs(ticks: number, clock: NonNullable<ReturnType<ReadClock>>): number {
    return Math.min(Math.max(clock.msAt(ticks), this.#startedMs), clock.atMs);
  }

  #lost(events: number, at = this.#batch.length): void {
    const atMs = this.#batch[at]?.atMs ?? this.#readClock()?.atMs ?? this.#startedMs;
    this.#batch.splice(at, 0, { kind: 'lost', atMs, events: Math.min(events, MAX_LOST) });
  }

  #tell(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.onevents?.(batch);
  }

  #refused(sentence: string): void {
    this.#starting?.reject(new TraceError(sentence));
    this.#starting = undefined;
  }

  #trySend(type: number, id: number, payload?: Uint8Array): void {
    try {
      this.#send(encodeFrame(type, id, payload));
    } catch (error) {
      this.#refused(error instanceof Error ? error.message : 'The guest takes no input.');
      this.#stopping?.resolve();
      this.#stopping = undefined;
    }
  }
}

function waiter(): Waiter {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((res, rej) => ([resolve, reject] = [res, rej]));
  // Nobody needs to wait for it.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** key NUL value NUL, again and again. What is cut off at the end is left out. */
function* records(bytes: Uint8Array): Generator<TraceRecord> {
  const decoder = new TextDecoder();
  let at = 0;
  for (;;) {
    const middle = bytes.indexOf(0, at);
    const end = middle < 0 ? -1 : bytes.indexOf(0, middle + 1);
    if (end < 0) return;
    yield [decoder.decode(bytes.subarray(at, middle)), decoder.decode(bytes.subarray(middle + 1, end))];
    at = end + 1;
  }
}

/** Guest text for the middle of a sentence: one line, no control characters, not long. */
function printable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 200));
  return text.replace(/[\p{C}\s]+/gu, ' ').trim() || 'no reason given';
}
