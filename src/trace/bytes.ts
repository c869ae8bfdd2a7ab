/** Growing bytes with variable-length numbers: what a recording is written in. Little-endian throughout. */

const FIRST_BYTES = 4096;

export class ByteWriter {
  private bytes = new Uint8Array(FIRST_BYTES);
  private at = 0;

  get length(): number {
    return this.at;
  }

  /** What was written so far, as bytes of its own; the writer is empty afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.bytes.slice(0, this.at);
    this.at = 0;
    return taken;
  }

  clear(): void {
    this.at = 0;
  }

  u8(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  u32(value: number): void {
    this.room(4);
    this.bytes[this.at++] = value;
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value >>> 16;
    this.bytes[this.at++] = value >>> 24;
  }

  /** A whole number from 0 to 2^53 - 1, seven bits a byte, lowest first. */
  varint(value: number): void {
    this.room(8);
    if (value <= 0x7f) {
      this.bytes[this.at++] = value;
      return;
    }
    while (value > 0x7f) {
      this.bytes[this.at++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    this.bytes[this.at++] = value;
  }

  /** A whole number of either sign below 2^52: small ones of both signs are short. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Any number, exactly (IEEE 754, binary64). */
  f64(value: number): void {
    float.setFloat64(0, value, true);
    this.raw(floatBytes);
  }

  raw(source: Uint8Array): void {
    this.room(source.length);
    this.bytes.set(source, this.at);
    this.at += source.length;
  }

  /** Four bytes from there: a view for {@link raw} would take longer to make than they to copy. */
  four(source: Uint8Array, from: number): void {
    this.room(4);
    for (let i = 0; i < 4; i++) this.bytes[this.at++] = source[from + i] as number;
  }

  text(value: string): void {
    if (this.ascii(value)) return;
    const bytes = encoder.encode(value);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Most texts are short and have no other letters: those are not worth a call of the encoder. False: this one has. */
  private ascii(value: string): boolean {
    const { length } = value;
    const before = this.at;
    this.varint(length);
    this.room(length);
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        this.at = before;
        return false;
      }
      this.bytes[this.at++] = code;
    }
    return true;
  }

  private room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

/** A recording that ends too early or holds what no recording holds. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

export class ByteReader {
  at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new TraceError('The recording ends in the middle of a record.');
    this.at++;
    return value;
  }

  u32(): number {
    return (this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24)) >>> 0;
  }

  varint(): number {
    const first = this.bytes[this.at];
    // Most are of one byte.
    if (first !== undefined && first < 0x80) {
      this.at++;
      return first;
    }
    let value = 0;
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new TraceError('The recording holds a number that is too long.');
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  f64(): number {
    floatBytes.set(this.raw(floatBytes.length));
    return float.getFloat64(0, true);
  }

  /** A view into the recording, not a copy. */
  raw(count: number): Uint8Array {
    if (count > this.bytes.length - this.at)
      throw new TraceError('The recording ends in the middle of a record.');
    const bytes = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return bytes;
  }

  text(): string {
    const length = this.varint();
    return length === 0 ? '' : decoder.decode(this.raw(length));
  }
}

const floatBytes = new Uint8Array(8);
const float = new DataView(floatBytes.buffer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
