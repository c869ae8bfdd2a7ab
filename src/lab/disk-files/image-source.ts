import { StoreError } from '../../flash/media-store.ts';

/** Where the bytes of a disk image come from: read anywhere, as its parts lie far from each other. */
export interface ImageSource {
  readonly sizeBytes: number;
  /** Exactly these bytes; the caller asks for none beyond the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes of an image read at a time. */
export const READ_BYTES = 1_048_576;

/** Why an image is not taken, as one sentence. */
export function refuseImage(reason: string): StoreError {
  return new StoreError('corrupt', `The image was not imported because ${reason}; nothing was changed.`);
}

/** A file of the browser, or any other Blob. */
export function blobSource(blob: Blob): ImageSource {
  return {
    sizeBytes: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** As many of the bytes as there are, then zeros: what QEMU reads behind the end of a file. */
export async function readPadded(source: ImageSource, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0);
  const there = Math.max(0, Math.min(length, source.sizeBytes - offset));
  if (there === length) return source.read(offset, length);
  const bytes = new Uint8Array(length);
  if (there > 0) bytes.set(await source.read(offset, there));
  return bytes;
}

/** Words looked at before it is asked whether one was not zero. */
const WORDS_AT_ONCE = 256;

/** Whether there is nothing but zeros. */
export function isZero(bytes: Uint8Array): boolean {
  const words = bytes.byteOffset % 4 === 0 ? bytes.length >> 2 : 0;
  const view = new Int32Array(bytes.buffer, words > 0 ? bytes.byteOffset : 0, words);
  for (let from = 0; from < words;) {
    const to = Math.min(words, from + WORDS_AT_ONCE);
    let any = 0;
    for (; from < to; from++) any |= view[from] as number;
    if (any !== 0) return false;
  }
  for (let i = words * 4; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
