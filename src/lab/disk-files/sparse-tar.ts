/**
 * Files with holes as one tar archive, for where holes cannot be written: a download in the browser. The format is
 * GNU tar's sparse format 1.0 in a pax archive (its manual, "PAX Format, Version 1.0"); GNU tar and bsdtar unpack it
 * to files with holes.
 */
import type { ImageContent, ImagePiece } from './image-content.ts';

const BLOCK_BYTES = 512;
/** Where data begins and ends is rounded to this: what file systems allocate. */
const GRAIN_BYTES = 4096;
/** A size that eleven octal digits hold. */
const MAX_USTAR_BYTES = 8 ** 11 - 1;

export interface TarEntry {
  /** A plain file name: ASCII, without a path. */
  readonly name: string;
  readonly content: ImageContent;
  /** The bytes of the content's spans, in order. */
  readonly pieces: () => AsyncIterable<ImagePiece>;
}

interface Extent {
  readonly offset: number;
  length: number;
}

/** The archive in pieces. Rejects with what `pieces` rejects with. */
export async function* sparseTar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const entry of entries) yield* archived(entry);
  yield new Uint8Array(2 * BLOCK_BYTES);
}

async function* archived({ name, content, pieces }: TarEntry): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const extents = extentsOf(content);
  const map = mapOf(extents);
  const archivedBytes = map.length + extents.reduce((sum, { length }) => sum + length, 0);
  const records = [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', name],
    ['GNU.sparse.realsize', `${content.sizeBytes}`],
    ...(archivedBytes > MAX_USTAR_BYTES ? [['size', `${archivedBytes}`]] : []),
  ];
  const pax = new TextEncoder().encode(
    records.map(([key = '', value = '']) => paxRecord(key, value)).join(''),
  );
  yield header(`PaxHeaders/${name}`, pax.length, 'x');
  yield padded(pax);
  yield header(`GNUSparseFile.0/${name}`, Math.min(archivedBytes, MAX_USTAR_BYTES), '0');
  yield map;
  yield* filledExtents(extents, pieces());
  const rest = archivedBytes % BLOCK_BYTES;
  if (rest > 0) yield new Uint8Array(BLOCK_BYTES - rest);
}

/** Where there is data, rounded to grains; neighbours together. The last may end with the file. */
function extentsOf({ sizeBytes, spans }: ImageContent): Extent[] {
  const extents: Extent[] = [];
  for (const { offset, length } of spans()) {
    const from = Math.floor(offset / GRAIN_BYTES) * GRAIN_BYTES;
    const to = Math.min(sizeBytes, Math.ceil((offset + length) / GRAIN_BYTES) * GRAIN_BYTES);
    const last = extents.at(-1);
    if (last !== undefined && from <= last.offset + last.length) {
      last.length = Math.max(last.length, to - last.offset);
    } else {
      extents.push({ offset: from, length: to - from });
    }
  }
  // The end of the file is said by an empty extent there, as GNU tar does.
  const last = extents.at(-1);
  if (last === undefined || last.offset + last.length < sizeBytes)
    extents.push({ offset: sizeBytes, length: 0 });
  return extents;
}

/** How many extents there are, then offset and length of each, a line each; filled up to whole blocks. */
function mapOf(extents: readonly Extent[]): Uint8Array<ArrayBuffer> {
  const lines = extents.map(({ offset, length }) => `${offset}\n${length}\n`);
  return padded(new TextEncoder().encode(`${extents.length}\n${lines.join('')}`));
}

/** The extents' bytes: the pieces, and zeros in between. */
async function* filledExtents(
  extents: readonly Extent[],
  pieces: AsyncIterable<ImagePiece>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let which = 0;
  let at = extents[0]?.offset ?? 0;
  function* zerosUpTo(end: number): Generator<Uint8Array<ArrayBuffer>> {
    // Never much: extents reach at most a grain beyond what is in them.
    if (end > at) yield new Uint8Array(end - at);
    at = Math.max(at, end);
  }
  for await (const { offset, bytes } of pieces) {
    for (
      let extent = extents[which];
      extent && offset >= extent.offset + extent.length;
      extent = extents[which]
    ) {
      yield* zerosUpTo(extent.offset + extent.length);
      which++;
      at = extents[which]?.offset ?? at;
    }
    yield* zerosUpTo(offset);
    // Borrowed until the next one.
    yield bytes.slice();
    at = offset + bytes.length;
  }
  const extent = extents[which];
  if (extent) yield* zerosUpTo(extent.offset + extent.length);
}

/** A POSIX ustar header block (IEEE Std 1003.1, pax, "ustar Interchange Format"). */
function header(name: string, sizeBytes: number, typeflag: 'x' | '0'): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK_BYTES);
  const text = (at: number, value: string): void => block.set(new TextEncoder().encode(value), at);
  const octal = (at: number, digits: number, value: number): void =>
    text(at, value.toString(8).padStart(digits, '0'));
  text(0, name.slice(0, 100));
  octal(100, 7, 0o644);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, sizeBytes);
  octal(136, 11, 0);
  text(148, '        ');
  text(156, typeflag);
  text(257, 'ustar\u000000');
  const sum = block.reduce((total, byte) => total + byte, 0);
  octal(148, 6, sum);
  block[154] = 0;
  return block;
}

/** A pax record says its own length, itself included. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length;
  let length = rest + 1;
  while (`${length}`.length + rest !== length) length = `${length}`.length + rest;
  return `${length} ${key}=${value}\n`;
}

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES);
  whole.set(bytes);
  return whole;
}
