/**
 * Bytes that come in pieces of any length, read in the lengths that a format has. What is held is one piece and
 * what was asked for; nothing is read ahead.
 */

export type ByteStream = AsyncIterable<Uint8Array>;

/** The bytes ended before what was asked for. */
export class EndOfBytes extends Error {
  override readonly name = 'EndOfBytes';
}

export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = none;
  #taken = 0;

  constructor(stream: ByteStream) {
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** Bytes handed out so far. */
  get takenBytes(): number {
    return this.#taken;
  }

  /** Exactly so many bytes, of its own where they came in several pieces. Rejects with {@link EndOfBytes}. */
  async take(count: number): Promise<Uint8Array> {
    if (count === 0) return none;
    if (!(await this.#fill())) throw new EndOfBytes();
    if (this.#piece.length >= count) return this.#cut(count);
    const bytes = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      if (!(await this.#fill())) throw new EndOfBytes();
      const part = this.#cut(Math.min(count - at, this.#piece.length));
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Whether nothing follows. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Tells whoever makes the bytes that no more are wanted. */
  async close(): Promise<void> {
    this.#piece = none;
    await this.#pieces.return?.();
  }

  async #fill(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done === true) return false;
      this.#piece = value;
    }
    return true;
  }

  #cut(count: number): Uint8Array {
    const bytes = this.#piece.subarray(0, count);
    this.#piece = this.#piece.subarray(count);
    this.#taken += count;
    return bytes;
  }
}

const none = new Uint8Array(0);

/** A stream of the platform as bytes to iterate over: not every browser can iterate one itself. */
export async function* streamBytes(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    ended = true;
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
