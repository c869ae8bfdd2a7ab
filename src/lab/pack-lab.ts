/**
 * A saved lab as one run of bytes, for a file or a record: a header of 36 bytes, then JSON (UTF-8), then v86's bytes
 * in gzip (version 1), or as they are (version 2), or in a run of their own, which nobody has to copy (version 3). They
 * hold no memory that is zero. All numbers are little-endian.
 *
 * | offset | size | field                                        |
 * | ------ | ---- | -------------------------------------------- |
 * | 0      | 8    | magic: `LNVMSAVE`                            |
 * | 8      | 4    | version: 1 to 3                              |
 * | 12     | 4    | bytes of the JSON, at most 16 MiB            |
 * | 16     | 4    | bytes of the gzip, or of what is in its place |
 * | 20     | 4    | bytes when unpacked                          |
 * | 24     | 4    | CRC-32 of the JSON                           |
 * | 28     | 4    | CRC-32 of the gzip, or of what is in its place; in version 3 its {@link sumOf} |
 * | 32     | 4    | CRC-32 of bytes 0 to 31                      |
 */
import { crc32 } from '../storage/checksum.ts';
import { joined } from '../storage/joined.ts';
import { MAX_UNPACKED_BYTES } from './boot-state.ts';
import { gunzip } from './gunzip.ts';
import { LabError } from './errors.ts';
import { readSavedLab, type SavedLab } from './saved-lab.ts';

const MAGIC = new TextEncoder().encode('LNVMSAVE');
const IN_GZIP = 1;
const AS_IT_IS = 2;
const APART = 3;
const VERSIONS = [IN_GZIP, AS_IT_IS, APART];
const HEADER_BYTES = 36;
const MAX_JSON_BYTES = 16 * 2 ** 20;
/** Deflate makes at most 1,032 bytes of one; so what a few bytes claim to be is not believed. */
const MAX_RATIO = 1032;

export async function packLab(saved: SavedLab): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await gzip(saved.machine.bytes);
  return joined([headOf(saved, IN_GZIP, packed), packed]);
}

/** A saved lab in two runs of bytes. */
export interface LabApart {
  /** Everything but v86's bytes, and what says that {@link state} belongs to it. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** v86's bytes; those of the saved lab themselves. */
  readonly state: Uint8Array<ArrayBuffer>;
}

/** Larger than {@link packLab} makes it, and a second sooner there and back. */
export function packApart(saved: SavedLab): LabApart {
  const { bytes: state } = saved.machine;
  return { packed: headOf(saved, APART, state), state };
}

/** Header and JSON. */
function headOf(saved: SavedLab, version: number, packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const { bytes, ...machine } = saved.machine;
  const json = new TextEncoder().encode(JSON.stringify({ ...saved, machine }));
  const head = new Uint8Array(HEADER_BYTES);
  const view = new DataView(head.buffer);
  head.set(MAGIC);
  const sum = version === APART ? sumOf(packed) : crc32(packed);
  [version, json.length, packed.length, bytes.length, crc32(json), sum].forEach((word, i) =>
    view.setUint32(8 + 4 * i, word, true),
  );
  view.setUint32(32, crc32(head.subarray(0, 32)), true);
  return joined([head, json]);
}

/**
 * Rejects with a LabError `resume`, one sentence, for anything that {@link packLab} and {@link packApart} have not made.
 * @param state what the latter has put in a run of its own
 */
export async function unpackLab(whole: Uint8Array, state?: Uint8Array): Promise<SavedLab> {
  const { version, jsonBytes, packedBytes, unpackedBytes, jsonCrc, packedSum } = readHeader(whole, state);
  const json = whole.subarray(HEADER_BYTES, HEADER_BYTES + jsonBytes);
  const packed = state ?? whole.subarray(HEADER_BYTES + jsonBytes, HEADER_BYTES + jsonBytes + packedBytes);
  const sum = state ? sumOf(state) : crc32(packed);
  if (crc32(json) !== jsonCrc || sum !== packedSum) throw damaged('its checksum is wrong');
  let fields: unknown;
  let bytes: Uint8Array;
  try {
    fields = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
    bytes = version === IN_GZIP ? await gunzip(packed.slice(), unpackedBytes) : packed;
  } catch (error) {
    throw damaged('it cannot be unpacked', error);
  }
  const machine = typeof fields === 'object' && fields !== null && 'machine' in fields ? fields.machine : {};
  return readSavedLab({ ...(fields as object), machine: { ...(machine as object), bytes } });
}

function readHeader(whole: Uint8Array, state: Uint8Array | undefined) {
  if (whole.length < HEADER_BYTES || MAGIC.some((byte, i) => whole[i] !== byte))
    throw new LabError('resume', 'These bytes are no saved lab; choose a file that was saved as one.');
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  const word = (index: number) => view.getUint32(8 + 4 * index, true);
  if (word(6) !== crc32(whole.subarray(0, 32))) throw damaged('its header is wrong');
  const [version, jsonBytes, packedBytes, unpackedBytes] = [word(0), word(1), word(2), word(3)];
  if (!VERSIONS.includes(version))
    throw new LabError(
      'resume',
      `The saved lab has version ${version}, and this program knows versions up to ${APART}; reload the page for a newer program, or power on without it.`,
    );
  if ((version === APART) !== (state !== undefined)) throw damaged('one of its two parts is missing');
  const here = HEADER_BYTES + jsonBytes + (state ? 0 : packedBytes);
  if (whole.length !== here || (state && state.length !== packedBytes)) throw damaged('its length is wrong');
  const isPossible =
    unpackedBytes <= MAX_UNPACKED_BYTES &&
    (version === IN_GZIP ? unpackedBytes <= packedBytes * MAX_RATIO : unpackedBytes === packedBytes);
  if (jsonBytes > MAX_JSON_BYTES || !isPossible) throw damaged('its sizes are impossible');
  return { version, jsonBytes, packedBytes, unpackedBytes, jsonCrc: word(4), packedSum: word(5) };
}

/** Of {@link sumOf}: V8 makes fast code of what is called often, and of a long loop only half. */
const WORDS_A_CALL = 8192;
/** 2^32 by the golden ratio, odd: it spreads what has changed over the upper bits (Knuth, 6.4). */
const SPREAD = 0x9e37_79b1;

/**
 * The CRC-32 of four hashes, of each fourth word of 32 bits, with the bytes behind the last four words. No changed word
 * goes unnoticed, since each step of a hash can be undone. A reader waits for it: in a program that has just begun, a CRC
 * of thirty megabytes takes a tenth of a second.
 */
function sumOf(bytes: Uint8Array): number {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, (aligned.length >>> 4) * 4);
  const hashes = new Int32Array(4);
  for (let at = 0; at < words.length; at += WORDS_A_CALL)
    addWords(words, at, Math.min(at + WORDS_A_CALL, words.length), hashes);
  return crc32(aligned.subarray(words.byteLength), crc32(new Uint8Array(hashes.buffer)));
}

function addWords(words: Int32Array, from: number, to: number, hashes: Int32Array): void {
  let [a, b, c, d] = hashes as unknown as [number, number, number, number];
  for (let i = from; i < to; i += 4) {
    a = Math.imul(a ^ (words[i] as number), SPREAD);
    b = Math.imul(b ^ (words[i + 1] as number), SPREAD);
    c = Math.imul(c ^ (words[i + 2] as number), SPREAD);
    d = Math.imul(d ^ (words[i + 3] as number), SPREAD);
    a ^= a >>> 15;
    b ^= b >>> 15;
    c ^= c >>> 15;
    d ^= d >>> 15;
  }
  hashes.set([a, b, c, d]);
}

function damaged(why: string, cause?: unknown): LabError {
  return new LabError(
    'resume',
    `The saved lab is damaged: ${why}; power on without it, and the guest boots.`,
    cause,
  );
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
