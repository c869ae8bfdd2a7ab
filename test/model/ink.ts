import { pattern } from '../driver/pattern.ts';

/** What buffers of the host hold before a read. */
export const BLANK = 0xa5;
/** The name of bytes that are all zeros. */
export const ZEROS = 'z';

/** Makes sectors' worth of bytes that have a name, and tells the name of bytes that come back. */
export class Ink {
  private readonly names = new Map<string, string>();
  private next = 1;

  /** Bytes that nobody has written yet. */
  fresh(lengthBytes: number): { name: string; bytes: Uint8Array } {
    const seed = this.next++;
    const bytes = pattern(lengthBytes, seed);
    const name = String(seed);
    this.names.set(keyOf(bytes), name);
    return { name, bytes };
  }

  /** The bytes of a name. */
  bytesOf(name: string, lengthBytes: number): Uint8Array {
    return name === ZEROS ? new Uint8Array(lengthBytes) : pattern(lengthBytes, Number(name));
  }

  nameOf(bytes: Uint8Array): string {
    const known = this.names.get(keyOf(bytes));
    if (known !== undefined) return known;
    if (bytes.every((byte) => byte === 0)) return ZEROS;
    if (bytes.every((byte) => byte === BLANK)) return 'untouched';
    return `unknown(${Buffer.from(bytes.subarray(0, 4)).toString('hex')})`;
  }
}

const keyOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
