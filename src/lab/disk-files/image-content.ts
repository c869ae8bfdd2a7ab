import { readUnits } from '../../storage/stored-units.ts';
import type { OpenDisk } from '../../storage/catalogue.ts';
import { Turns, type TransferOptions } from '../../storage/transfer-options.ts';

/**
 * What a disk image will hold, before anything is read: a size, and spans of bytes in the order of their offsets.
 * Between them there is nothing, and where holes can be made there is a hole.
 */
export interface ImageContent {
  readonly sizeBytes: number;
  /** Made afresh at each call. */
  spans(): Iterable<Span>;
}

export interface Span {
  readonly offset: number;
  readonly length: number;
  /** The unit of the disk that it is made of; -1 if none. */
  readonly unit: number;
  /** Its bytes, from those of the unit; `length` of them, borrowed. */
  readonly make: (unit: Uint8Array) => Uint8Array;
}

export interface ImagePiece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Bytes of units read together. */
const BATCH_BYTES = 1_048_576;
const none = new Uint8Array(0);

/** A span of bytes that are there already. */
export function fixedSpan(offset: number, bytes: Uint8Array): Span {
  return { offset, length: bytes.length, unit: -1, make: () => bytes };
}

/** The spans with their bytes, in order. Rejects with StoreError. */
export async function* imagePieces(
  content: ImageContent,
  disk: OpenDisk,
  { signal, onProgress }: TransferOptions = {},
): AsyncGenerator<ImagePiece, void, undefined> {
  const totalBytes = spanBytes(content);
  const { unitBytes } = disk.summary;
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / unitBytes));
  const turns = new Turns(signal);
  let doneBytes = 0;
  let batch: Span[] = [];
  const read = async (): Promise<ImagePiece[]> => {
    await turns.next();
    const units = await readUnits(
      disk,
      batch.filter(({ unit }) => unit >= 0).map(({ unit }) => unit),
    );
    let next = 0;
    const pieces = batch.map(({ offset, unit, make }) => ({
      offset,
      bytes: make(unit < 0 ? none : (units[next++]?.bytes ?? none)),
    }));
    for (const { length } of batch) doneBytes += length;
    onProgress?.(doneBytes, totalBytes);
    batch = [];
    return pieces;
  };
  for (const span of content.spans()) {
    batch.push(span);
    if (batch.length === perBatch) yield* await read();
  }
  if (batch.length > 0) yield* await read();
}

/** Bytes of all spans together: what a transfer has to move. */
export function spanBytes(content: ImageContent): number {
  let bytes = 0;
  for (const { length } of content.spans()) bytes += length;
  return bytes;
}
