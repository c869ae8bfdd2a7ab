/**
 * Events as the guest's kernel told them, until somebody wants to know what they say: to read each when it comes would
 * take the processor's caches from the guest (src/lab/trace-batch.ts).
 */
import type { GuestEvent } from '../../trace/guest-event.ts';
import { type Decoder, Fields } from './decoders.ts';

/** Some thousand events, of 40 to 80 bytes as a rule. */
const CAPACITY_BYTES = 1 << 17;
/** Before an event's own bytes: its time, a double; their length, 32 bits. */
const HEAD_BYTES = 16;
const LENGTH_AT = 8;
/** Where doubles have to lie. */
const ALIGN = 8;

export interface GuestEventSource {
  /**
   * The event that was given this number; undefined if it says nothing. Numbers go up: what has a lower one, and was
   * not taken, is forgotten.
   */
  take(number: number): GuestEvent | undefined;
}

export class ToldQueue implements GuestEventSource {
  readonly #decoderOf: (id: number) => Decoder | undefined;
  readonly #view = new DataView(new ArrayBuffer(CAPACITY_BYTES));
  readonly #fields = new Fields();
  /** What is not read yet, in #view, and the number of its first event. */
  #from = 0;
  #to = 0;
  #number = 0;
  /** The number that the next event gets. */
  #next = 0;
  /** The events before #number, if somebody may still take them. */
  #read: (GuestEvent | undefined)[] = [];

  /** @param decoderOf may change its mind after a {@link readAll}, and what decoders use as well */
  constructor(decoderOf: (id: number) => Decoder | undefined) {
    this.#decoderOf = decoderOf;
  }

  /** The number of the event that is pushed next. */
  get next(): number {
    return this.#next;
  }

  push(event: DataView, atMs: number): void {
    const length = event.byteLength;
    const size = HEAD_BYTES + Math.ceil(length / ALIGN) * ALIGN;
    if (this.#to + size > CAPACITY_BYTES) this.readAll();
    const at = this.#to;
    this.#view.setFloat64(at, atMs, true);
    this.#view.setUint32(at + LENGTH_AT, length, true);
    let i = 0;
    for (; i + 4 <= length; i += 4) this.#view.setUint32(at + HEAD_BYTES + i, event.getUint32(i));
    for (; i < length; i++) this.#view.setUint8(at + HEAD_BYTES + i, event.getUint8(i));
    this.#to = at + size;
    this.#next++;
  }

  take(number: number): GuestEvent | undefined {
    if (number < this.#number) return this.#takeRead(number);
    if (number >= this.#next) return undefined;
    this.#read = [];
    while (this.#number < number) this.#step();
    return this.#readOne();
  }

  #takeRead(number: number): GuestEvent | undefined {
    const event = this.#read[number - (this.#number - this.#read.length)];
    if (number === this.#number - 1) this.#read = [];
    return event;
  }

  /** Reads everything while it can be read as it was meant. */
  readAll(): void {
    if (this.#number === this.#next) return;
    while (this.#number < this.#next) this.#read.push(this.#readOne());
  }

  #readOne(): GuestEvent | undefined {
    const at = this.#from;
    const length = this.#view.getUint32(at + LENGTH_AT, true);
    const atMs = this.#view.getFloat64(at, true);
    this.#step();
    const decode = length >= 2 ? this.#decoderOf(this.#view.getUint16(at + HEAD_BYTES, true)) : undefined;
    if (decode === undefined) return undefined;
    this.#fields.set(this.#view, at + HEAD_BYTES, length);
    return decode(this.#fields, atMs);
  }

  #step(): void {
    const length = this.#view.getUint32(this.#from + LENGTH_AT, true);
    this.#from += HEAD_BYTES + Math.ceil(length / ALIGN) * ALIGN;
    this.#number++;
    if (this.#number === this.#next) this.#from = this.#to = 0;
  }
}
