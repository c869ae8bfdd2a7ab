import { crc32, putSeal, SEAL_BYTES } from '../checksum.ts';

/**
 * Units that are put together are stored end to end, each sealed, in pieces of one size, whatever the size of a unit.
 * Below 64 KiB Chromium keeps a value in its LevelDB, from there on in a file of its own; of what lies below, a few
 * large values are written faster than many small ones, and faster than one file.
 *
 * Position p is byte `p % PIECE_BYTES` of piece `floor(p / PIECE_BYTES)`. A commit begins a new piece, and its last
 * one is as long as it has to be. Before its units may lie its record in the journal: one record less to put.
 */

/** Below 64 KiB by more than what a browser adds to a byte string. */
export const PIECE_BYTES = 63 * 1024;
/** Larger units are records of their own in any case: files of this size are written as fast as pieces. */
export const MOST_IN_PIECES = 2 ** 19;

/** Pieces that so many bytes take. */
export function piecesOf(lengthBytes: number): number {
  return Math.ceil(lengthBytes / PIECE_BYTES);
}

/** The first and the last piece of a sealed unit. */
export function piecesAt(position: number, sealedBytes: number): readonly [first: number, last: number] {
  return [Math.floor(position / PIECE_BYTES), Math.floor((position + sealedBytes - 1) / PIECE_BYTES)];
}

/**
 * The sealed unit at a position, in bytes of its own.
 * @param piecesFrom its pieces as they were read, in order
 * @returns undefined when they do not hold it
 */
export function unitIn(
  pieces: readonly unknown[],
  position: number,
  sealedBytes: number,
): Uint8Array | undefined {
  const unit = new Uint8Array(sealedBytes);
  let from = position % PIECE_BYTES;
  let done = 0;
  for (const piece of pieces) {
    if (!(piece instanceof Uint8Array)) return undefined;
    const part = piece.subarray(from, Math.min(PIECE_BYTES, from + sealedBytes - done));
    unit.set(part, done);
    done += part.length;
    from = 0;
  }
  return done === sealedBytes ? unit : undefined;
}

/** Cuts units into pieces. A buffer a piece, used again: `put` would clone the whole of a shared one. */
export class PieceCutter {
  readonly #whole: Uint8Array<ArrayBuffer>[] = [];
  #last = new Uint8Array(0);
  readonly #kept: number;

  /** @param kept buffers that are kept from one commit to the next */
  constructor(kept: number) {
    this.#kept = kept;
  }

  /**
   * One piece after the other, borrowed until the next call. All units have the same length.
   * @param head what lies before them
   */
  *cut(
    units: readonly Uint8Array[],
    head: Uint8Array = new Uint8Array(0),
  ): Generator<Uint8Array, void, undefined> {
    const sealedBytes = (units[0]?.length ?? 0) + SEAL_BYTES;
    const lengthBytes = head.length + units.length * sealedBytes;
    const pieces = Array.from({ length: piecesOf(lengthBytes) }, (_, i) =>
      this.#piece(i, Math.min(PIECE_BYTES, lengthBytes - i * PIECE_BYTES)),
    );
    const sealBytes = new Uint8Array(SEAL_BYTES);
    let done = 0;
    let at = head.length;
    place(pieces, 0, head);
    for (const [i, bytes] of units.entries()) {
      putSeal(sealBytes, 0, crc32(bytes));
      place(pieces, at, bytes);
      place(pieces, at + bytes.length, sealBytes);
      at += sealedBytes;
      const end = i === units.length - 1 ? pieces.length : Math.floor(at / PIECE_BYTES);
      while (done < end) yield pieces[done++] as Uint8Array;
    }
  }

  /** Between two commits: what a large one needed goes. */
  trim(): void {
    if (this.#whole.length > this.#kept) this.#whole.length = this.#kept;
  }

  #piece(i: number, lengthBytes: number): Uint8Array<ArrayBuffer> {
    if (lengthBytes === PIECE_BYTES) return (this.#whole[i] ??= new Uint8Array(PIECE_BYTES));
    if (this.#last.length !== lengthBytes) this.#last = new Uint8Array(lengthBytes);
    return this.#last;
  }
}

function place(pieces: readonly Uint8Array[], position: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    const at = position + done;
    const offset = at % PIECE_BYTES;
    const count = Math.min(bytes.length - done, PIECE_BYTES - offset);
    pieces[Math.floor(at / PIECE_BYTES)]?.set(bytes.subarray(done, done + count), offset);
    done += count;
  }
}
