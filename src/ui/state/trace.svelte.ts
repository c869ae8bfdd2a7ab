import type { MapPicture } from '../charts/export-map.ts';
import type { TraceFrame } from '../../rpc/protocol.ts';
import { unpackModel } from '../../trace/model-state.ts';
import type { TraceModel } from '../../trace/model.ts';
import { type Cursor, type Position, Recording } from '../../trace/recording.ts';
import type { FileHead } from '../../trace/trace-file.ts';
import { Seldom } from './seldom.ts';

/** Texts follow at this pace; who draws follows every frame. */
const TEXT_EVERY_MS = 250;
/** So far ahead of the moment that is shown, going on from it is cheaper than seeking. */
const NEAR_US = 2_000_000;
const NEAR_COMMANDS = 500;

/** What is chosen, or under the pointer, in any view: the others show the same thing. */
export type Selection =
  | { readonly kind: 'cell'; readonly block: number; readonly sec: number }
  | { readonly kind: 'chunk'; readonly block: number }
  | { readonly kind: 'command'; readonly number: number }
  | { readonly kind: 'lba'; readonly uuid: string; readonly lba: number }
  | { readonly kind: 'line'; readonly uuid: string; readonly line: number }
  | { readonly kind: 'process'; readonly process: number };

export type Layer = 'state' | 'validity' | 'wear' | 'age' | 'owner' | 'operation';
export const LAYERS: readonly Layer[] = ['state', 'validity', 'wear', 'age', 'owner', 'operation'];

/**
 * What has happened to the recording that is shown: another one was opened, another moment of it is shown (`move`),
 * the device did more (`grow`), a mark was set.
 */
export type TraceEvent = 'open' | 'move' | 'grow' | 'mark';

/** How many times faster than it happened a recording is played. */
export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 10, 50] as const;

/**
 * The recording of the device, and which moment of it the page shows: now, or some time before. Views draw
 * {@link view}; they look at it when {@link onDraw} calls them, and read texts when {@link version} rises.
 */
export class TraceState {
  /** Rises a few times a second while anything changes. */
  version = $state(0);
  /** There is something to show. */
  hasRecording = $state(false);
  /** The page follows the device; otherwise it shows the past. */
  isLive = $state(true);
  isPlaying = $state(false);
  speed = $state(1);
  layer = $state<Layer>('state');
  selected = $state.raw<Selection>();
  hovered = $state.raw<Selection>();
  /** The period that charts and timelines show details of, microseconds; undefined is all. */
  brush = $state.raw<{ readonly fromUs: number; readonly toUs: number }>();
  /** Sectors to point out on the map besides the selection: the result of a search. */
  highlighted = $state.raw<readonly { readonly block: number; readonly sec: number }[]>([]);
  /** Set while a recording from a file is shown, and not what the device does. */
  file = $state.raw<FileHead>();
  /** Draws the map that is on the page as a picture; undefined while none is. */
  mapPicture: (() => MapPicture | undefined) | undefined;
  recording: Recording | undefined;
  /** Of the device; another one may be shown. */
  #device: Recording | undefined;
  #cursor: Cursor | undefined;
  #listeners: readonly (() => void)[] = [];
  #eventListeners: readonly ((event: TraceEvent) => void)[] = [];
  readonly #texts = new Seldom(TEXT_EVERY_MS, () => this.version++);
  #raf = 0;
  #playedAtMs = 0;
  #playTimeUs = 0;

  /** The device as the page shows it. */
  get view(): TraceModel | undefined {
    return this.isLive ? this.recording?.head : (this.#cursor?.model ?? this.recording?.head);
  }

  get position(): Position | undefined {
    const { view } = this;
    return view && { record: view.records, command: view.commands, timeUs: view.nowUs };
  }

  /** Called whenever the view has changed. Returns what ends it. */
  onDraw(listener: () => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((l) => l !== listener);
    };
  }

  /** Called with what has happened, after the view shows it. Returns what ends it. */
  onEvent(listener: (event: TraceEvent) => void): () => void {
    this.#eventListeners = [...this.#eventListeners, listener];
    return () => {
      this.#eventListeners = this.#eventListeners.filter((l) => l !== listener);
    };
  }

  /** A part of the recording has come from the device. Throws what is not a recording. */
  take(frame: TraceFrame): void {
    if (frame.state) this.#begin(unpackModel(frame.state), frame.lost);
    if (frame.segment) this.#device?.add(frame.segment);
    if (!this.file) this.#changed('grow');
  }

  #begin(model: TraceModel, lost: boolean): void {
    // The same device goes on after a gap; a power-on is a recording of its own.
    if (lost && this.#device) {
      this.#device.restart(model, '');
      return;
    }
    this.#device = new Recording(model);
    this.open(this.#device);
  }

  /** Shows another recording: the device's, or one from a file. */
  open(recording: Recording, file?: FileHead): void {
    this.pause();
    this.recording = recording;
    this.file = file;
    this.#cursor = undefined;
    this.isLive = true;
    this.selected = this.hovered = this.brush = undefined;
    this.highlighted = [];
    this.hasRecording = true;
    this.#changed('open');
  }

  /** The device is recorded too, while a file is shown. */
  get hasDevice(): boolean {
    return this.#device !== undefined;
  }

  /** Back from a file to what the device does; false if nothing of it is recorded. */
  closeFile(): boolean {
    if (this.file && this.#device) this.open(this.#device);
    return this.file === undefined;
  }

  // Moving in time ------------------------------------------------------------------------------------

  goLive(): void {
    this.pause();
    this.#cursor = undefined;
    this.isLive = true;
    this.#changed('move');
  }

  seekTime(timeUs: number): void {
    const { recording } = this;
    if (!recording) return;
    const time = Math.max(recording.start.timeUs, Math.min(timeUs, recording.end.timeUs));
    const ahead = time - (this.#cursor?.model.nowUs ?? Infinity);
    if (this.#cursor && ahead >= 0 && ahead < NEAR_US) this.#show(this.#cursor.toTime(time));
    else this.#show(recording.seekTime(time));
  }

  seekCommand(command: number): void {
    const { recording } = this;
    if (!recording) return;
    const { start, end } = recording;
    const number = Math.max(start.command, Math.min(command, end.command));
    const ahead = number - (this.#cursor?.model.commands ?? Infinity);
    if (this.#cursor && ahead > 0 && ahead < NEAR_COMMANDS) this.#show(this.#cursor.toCommand(number));
    else this.#show(recording.seekCommand(number));
  }

  /** So many commands forward, or back. */
  step(commands: number): void {
    const { position } = this;
    if (!position) return;
    this.pause();
    this.seekCommand(position.command + commands);
  }

  /** The picture stays as it is now, whatever the device does. */
  hold(): void {
    const { recording } = this;
    this.pause();
    if (recording && this.isLive) this.#show(recording.seekRecord(recording.end.record));
  }

  /** Sets a mark at the moment shown. */
  mark(text: string): void {
    this.recording?.addMark(text, this.position);
    this.#changed('mark');
  }

  #show(cursor: Cursor): void {
    this.#cursor = cursor;
    this.isLive = false;
    this.#playTimeUs = cursor.model.nowUs;
    this.#changed('move');
  }

  play(): void {
    const { recording } = this;
    if (!recording || this.isPlaying) return;
    if (this.isLive || (this.position?.timeUs ?? 0) >= recording.end.timeUs)
      this.#show(recording.seekTime(Math.max(recording.start.timeUs, this.brush?.fromUs ?? 0)));
    this.isPlaying = true;
    this.#playedAtMs = performance.now();
    this.#playTimeUs = this.#cursor?.model.nowUs ?? 0;
    this.#raf = requestAnimationFrame(this.#tick);
  }

  pause(): void {
    this.isPlaying = false;
    cancelAnimationFrame(this.#raf);
  }

  readonly #tick = (nowMs: number): void => {
    const { recording } = this;
    if (!this.isPlaying || !recording || !this.#cursor) return;
    this.#playTimeUs += Math.max(0, nowMs - this.#playedAtMs) * 1000 * this.speed;
    this.#playedAtMs = nowMs;
    this.#cursor.toTime(this.#playTimeUs);
    this.#changed('move');
    if (this.#playTimeUs >= recording.end.timeUs) this.goLive();
    else this.#raf = requestAnimationFrame(this.#tick);
  };

  #changed(event: TraceEvent): void {
    for (const listener of this.#listeners) listener();
    for (const listener of this.#eventListeners) listener(event);
    this.#texts.ask();
  }
}
