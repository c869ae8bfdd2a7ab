import type { WatchOptions } from '../rpc/protocol.ts';
import { figuresOf, findFirstWrite, findPowerOn, type Figures, type Moment } from '../trace/figures.ts';
import type { TraceShape } from '../trace/record.ts';
import type { Position } from '../trace/recording.ts';
import type { FileHead } from '../trace/trace-file.ts';
import { bytesOf, momentOf, watchOf } from './api-input.ts';
import type { LabState } from './state/lab.svelte.ts';
import { exportParts, openRecording, saveRecording, type ExportFormat } from './state/recordings.ts';
import type { TraceEvent } from './state/trace.svelte.ts';

export type { Figures, Moment, TraceEvent };

/** The recording that the page shows, and the moment of it. Times are microseconds of the machine's clock. */
export interface LabTrace {
  /** The moment shown, at once; undefined before anything is recorded. */
  readonly position: Position | undefined;
  /** Oldest and newest moment that can be shown, at once. */
  readonly range: { readonly start: Position; readonly end: Position } | undefined;
  /** The page follows the device, at once. */
  readonly isLive: boolean;
  /** The device that it is of, at once: its kind and geometry. */
  readonly shape: TraceShape | undefined;
  /** Of a recording from a file: what the file says of itself. Undefined for what the device does here, at once. */
  readonly file: FileHead | undefined;
  /** Calls back, in the same task, after something happened to the recording or to the moment shown; returns what ends it. */
  listen(listener: (event: TraceEvent) => void): () => void;
  /**
   * What times can be counted from, at once: when the power came on (else the beginning), or when a user's first
   * sector was written. Undefined when there is none.
   */
  find(what: 'powerOn' | 'firstWrite'): Moment | undefined;
  /** The device in numbers at the moment shown, or at another; at once. Undefined before anything is recorded. */
  figures(at?: { timeUs: number }): Figures | undefined;
  /** Plays on from the moment shown, from the beginning when there is nothing behind it; ends with {@link pause}. */
  play(speed?: number): void;
  /** Stops playing; the moment shown stays. */
  pause(): void;
  /** Shows the device as it was then; a moment outside the recording is its nearest end. */
  seek(to: { timeUs: number } | { command: number }): Promise<Position>;
  /** Shows the device as it is now. */
  live(): Promise<void>;
  /** What is recorded, now and at later power-ons: the device's doings, and what the guest's kernel tells. */
  watch(what: WatchOptions): Promise<void>;
  /** Sets a mark at the moment shown. */
  mark(text: string): Promise<void>;
  /** The recording as a file, for {@link open} and `?replay=`. */
  save(): Promise<Uint8Array>;
  /** Shows a recording from a file. */
  open(bytes: Uint8Array | ArrayBuffer): Promise<void>;
  /** JSON: one object a line and record; CSV: the commands; blkparse: text in its columns. */
  export(format: 'json' | 'csv' | 'blkparse'): Promise<string>;
}

export function traceApi(lab: LabState): LabTrace {
  const { trace } = lab;
  const recording = () => {
    if (!trace.recording) throw new Error('Nothing is recorded yet; power on, or open a recording.');
    return trace.recording;
  };
  return {
    get position() {
      return trace.position;
    },
    get range() {
      return trace.recording && { start: trace.recording.start, end: trace.recording.end };
    },
    get isLive() {
      return trace.isLive;
    },
    get shape() {
      return trace.recording?.head.shape;
    },
    get file() {
      return trace.file;
    },
    listen: (listener) => trace.onEvent(listener),
    find: (what) => {
      if (what !== 'powerOn' && what !== 'firstWrite')
        throw new Error(
          `There is nothing called "${String(what)}" to find; powerOn and firstWrite are there.`,
        );
      if (!trace.recording) return undefined;
      return what === 'powerOn' ? findPowerOn(trace.recording) : findFirstWrite(trace.recording);
    },
    figures: (at) => {
      const model = at ? trace.recording?.seekTime(at.timeUs).model : trace.view;
      return model && figuresOf(model);
    },
    play: (speed) => {
      if (speed !== undefined && speed > 0) trace.speed = speed;
      trace.play();
    },
    pause: () => trace.pause(),
    seek: async (to) => {
      recording();
      const moment = momentOf(to);
      if ('command' in moment) trace.seekCommand(moment.command);
      else trace.seekTime(moment.timeUs);
      return trace.position ?? recording().end;
    },
    live: async () => trace.goLive(),
    watch: async (what) => lab.connected().watch(watchOf(what)),
    mark: async (text) => {
      recording();
      trace.mark(String(text));
    },
    save: () => saveRecording(trace, { deviceLine: lab.disk?.deviceLine ?? '', name: lab.disk?.name ?? '' }),
    open: async (bytes) => openRecording(trace, bytesOf(bytes, 'lab.trace.open'), ''),
    export: async (format: ExportFormat) => {
      if (format !== 'json' && format !== 'csv' && format !== 'blkparse')
        throw new Error(`There is no export "${String(format)}"; json, csv and blkparse are there.`);
      return [...exportParts(trace, format)].join('');
    },
  };
}
