import type { MapShape, WorkerMessage } from '../../rpc/protocol.ts';
import { FlashMapData, type ChunkOp } from '../charts/flash-map-data.ts';
import type { Connection } from './connection.ts';
import { Pace } from './pace.ts';
import { Seldom } from './seldom.ts';

/** Texts follow the map at this pace; the canvas at that of {@link Pace}. */
const TEXT_EVERY_MS = 250;

/**
 * The live picture of the flash: asks the worker for what is new, as often as can be drawn, and hands it to
 * whoever draws. The arrays are plain; only `version` is reactive, and slowly.
 */
export class FlashState {
  shape = $state.raw<MapShape>();
  /** Rises a few times a second while the map changes: for texts and counts. */
  version = $state(0);
  data: FlashMapData | undefined;
  /** The map as it was when the disk was closed, while nothing else is known. */
  last = $state.raw<{ readonly diskId: string; readonly data: FlashMapData }>();
  #listeners: readonly ((ops: readonly ChunkOp[]) => void)[] = [];
  #connection: Connection | undefined;
  /** Whose map `data` is. */
  #diskId: string | undefined;
  #running = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #texts = new Seldom(TEXT_EVERY_MS, () => this.version++);
  readonly #pace = new Pace(globalThis.navigator?.hardwareConcurrency ?? 4);

  /** How far apart pictures that nobody asked for should be, milliseconds. */
  get everyMs(): number {
    return this.#pace.everyMs;
  }

  /** The script of one picture took so long: those to come keep their distance. */
  took(ms: number): void {
    this.#pace.took(ms);
  }

  attach(connection: Connection): void {
    this.#connection = connection;
  }

  onChange(listener: (ops: readonly ChunkOp[]) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((l) => l !== listener);
    };
  }

  /** A disk was opened, `diskId`; or, without a shape, the one that was open is closed. */
  async setShape(shape: MapShape | undefined, diskId: string | undefined): Promise<void> {
    if (shape) {
      this.last = undefined;
      this.#diskId = diskId;
    } else if (this.data && this.#diskId !== undefined) {
      this.last = { diskId: this.#diskId, data: this.data };
    }
    this.shape = shape;
    this.data = shape && shape.kind !== 'plain' ? new FlashMapData(shape) : undefined;
    this.version++;
    const data = this.data;
    // No frame is asked for before the snapshot is in: an older snapshot must not overwrite a newer frame.
    this.#pause();
    if (data && this.#connection) {
      const snapshot = await this.#connection.client.mapSnapshot();
      if (this.data !== data) return;
      if (snapshot) data.apply(snapshot);
      this.#changed([]);
    }
    if (shape) this.#start();
  }

  /** The disk was wiped or deleted: what was known of it is no longer so. */
  forget(diskId: string): void {
    if (this.last?.diskId === diskId) this.last = undefined;
  }

  take(message: Extract<WorkerMessage, { type: 'frame' }>): void {
    // Counted from here: an answer that came late is not followed by the next at once.
    this.#pace.began(performance.now());
    this.#askSoon();
    if (!message.map || !this.data) return;
    this.#changed(this.data.apply(message.map));
  }

  #changed(ops: readonly ChunkOp[]): void {
    for (const listener of this.#listeners) listener(ops);
    this.#texts.ask();
  }

  #start(): void {
    this.#running = true;
    this.#ask();
  }

  #pause(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** By a timer: a loop of animation frames would have the browser compose the page sixty times a second. */
  #askSoon(): void {
    if (this.#running) this.#timer ??= setTimeout(this.#ask, this.#pace.waitMs(performance.now()));
  }

  /** The worker answers when there is something new. */
  readonly #ask = (): void => {
    this.#timer = undefined;
    if (!this.#running) return;
    this.#pace.began(performance.now());
    this.#connection?.send({ type: 'nextFrame' });
  };
}
