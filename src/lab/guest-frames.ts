/**
 * The frames in which page and guest talk on the virtio console (guest/PROTOCOL.md): a header of 16
 * bytes, little-endian, and a payload. u32 magic "LNVM", u8 type, u8[3] zero, u32 id, u32 payload length.
 */

const MAGIC = 0x4d564e4c; // "LNVM"
const HEADER_BYTES = 16;
export const MAX_PAYLOAD_BYTES = 1024 * 1024;

export function encodeFrame(type: number, id: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const header = new DataView(frame.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint8(4, type);
  header.setUint32(8, id, true);
  header.setUint32(12, payload.length, true);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Cuts a stream into frames. After garbage it looks for the next magic; it keeps no more than one frame. */
export class FrameParser {
  #buffer = new Uint8Array(4096);
  #length = 0;
  readonly #onframe: (type: number, id: number, payload: Uint8Array) => void;

  constructor(onframe: (type: number, id: number, payload: Uint8Array) => void) {
    this.#onframe = onframe;
  }

  push(bytes: Uint8Array): void {
    // In pieces, so that what a guest sends at once does not decide how much we keep.
    for (let from = 0; from < bytes.length; from += MAX_PAYLOAD_BYTES) {
      this.#append(bytes.subarray(from, from + MAX_PAYLOAD_BYTES));
      this.#parse();
    }
  }

  clear(): void {
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  #parse(): void {
    let at = 0;
    for (;;) {
      at = this.#findMagic(at);
      if (this.#length - at < HEADER_BYTES) break;
      const header = new DataView(this.#buffer.buffer, at, HEADER_BYTES);
      const payloadBytes = header.getUint32(12, true);
      const zero = header.getUint8(5) | header.getUint8(6) | header.getUint8(7);
      if (zero !== 0 || payloadBytes > MAX_PAYLOAD_BYTES) {
        at += 1; // not a header, or one we refuse: on to the next magic
        continue;
      }
      const end = at + HEADER_BYTES + payloadBytes;
      if (end > this.#length) break;
      const payload = this.#buffer.slice(at + HEADER_BYTES, end);
      at = end;
      this.#onframe(header.getUint8(4), header.getUint32(8, true), payload);
    }
    // A handler may have closed the channel meanwhile, which empties the buffer.
    if (this.#length === 0) return;
    this.#buffer.copyWithin(0, at, this.#length);
    this.#length -= at;
    if (this.#length < 4096 && this.#buffer.length > 65_536) this.#buffer = this.#buffer.slice(0, 4096);
  }

  /** Index of the next bytes that are the magic or may become it; the end if there are none. */
  #findMagic(from: number): number {
    for (let at = from; at < this.#length; at++) {
      let matched = 0;
      while (
        matched < 4 &&
        at + matched < this.#length &&
        this.#buffer[at + matched] === ((MAGIC >> (8 * matched)) & 0xff)
      ) {
        matched++;
      }
      if (matched === 4 || at + matched === this.#length) return at;
    }
    return this.#length;
  }
}
