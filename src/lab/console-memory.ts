import { joined } from '../storage/joined.ts';

/** Bytes of each console that are kept: some thousand lines. */
const KEPT_BYTES = 128 * 1024;

/** What the two consoles said last, to be shown again when the machine goes on in another page. */
export class ConsoleMemory {
  readonly #kept: [Uint8Array[], Uint8Array[]] = [[], []];
  readonly #bytes: [number, number] = [0, 0];

  add(tty: 0 | 1, bytes: Uint8Array): void {
    const pieces = this.#kept[tty];
    const piece = lastOf(bytes).slice();
    pieces.push(piece);
    this.#bytes[tty] += piece.length;
    // Twice as much before it is cut: a console that talks byte by byte is not copied with each of them.
    if (this.#bytes[tty] > 2 * KEPT_BYTES || pieces.length > KEPT_BYTES / 16) this.#join(tty);
  }

  clear(): void {
    for (const tty of [0, 1] as const) {
      this.#kept[tty] = [];
      this.#bytes[tty] = 0;
    }
  }

  /** Copies: what one could scroll back to on each, at most {@link KEPT_BYTES}, from the beginning of a line. */
  all(): readonly [Uint8Array, Uint8Array] {
    return [this.#join(0).slice(), this.#join(1).slice()];
  }

  #join(tty: 0 | 1): Uint8Array {
    const kept = lastOf(joined(this.#kept[tty], this.#bytes[tty]));
    this.#kept[tty] = [kept];
    this.#bytes[tty] = kept.length;
    return kept;
  }
}

/** The last bytes, from the beginning of a line: a cut in the middle of an escape sequence would show as letters. */
function lastOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= KEPT_BYTES) return bytes;
  const last = bytes.subarray(bytes.length - KEPT_BYTES);
  return last.slice(last.indexOf(10) + 1);
}
