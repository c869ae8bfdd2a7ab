/**
 * A saved lab as one run of bytes, for a file or a record: a header of 36 bytes, then JSON (UTF-8), then v86's bytes
 * in gzip (version 1), or as they are (version 2). They hold no memory that is zero. All numbers are little-endian.
 *
 * | offset | size | field                                        |
 * | ------ | ---- | -------------------------------------------- |
 * | 0      | 8    | magic: `LNVMSAVE`                            |
 * | 8      | 4    | version: 1, or 2 without gzip                |
 * | 12     | 4    | bytes of the JSON, at most 16 MiB            |
 * | 16     | 4    | bytes of the gzip, or of what is in its place |
 * | 20     | 4    | bytes when unpacked                          |
 * | 24     | 4    | CRC-32 of the JSON                           |
 * | 28     | 4    | CRC-32 of what follows the JSON              |
 * | 32     | 4    | CRC-32 of bytes 0 to 31                      |
 */
import { crc32 } from '../storage/checksum.ts';
import { MAX_UNPACKED_BYTES } from './boot-state.ts';
import { gunzip } from './gunzip.ts';
import { LabError } from './errors.ts';
import { readSavedLab, type SavedLab } from './saved-lab.ts';

const MAGIC = new TextEncoder().encode('LNVMSAVE');
const IN_GZIP = 1;
const AS_IT_IS = 2;
const HEADER_BYTES = 36;
const MAX_JSON_BYTES = 16 * 2 ** 20;
/** Deflate makes at most 1,032 bytes of one; so what a few bytes claim to be is not believed. */
const MAX_RATIO = 1032;

/** @param small false: larger, and a second sooner there and back */
export async function packLab(saved: SavedLab, small = true): Promise<Uint8Array<ArrayBuffer>> {
  const { bytes, ...machine } = saved.machine;
  const json = new TextEncoder().encode(JSON.stringify({ ...saved, machine }));
  const packed = small ? await gzip(bytes) : bytes;
  const whole = new Uint8Array(HEADER_BYTES + json.length + packed.length);
  const view = new DataView(whole.buffer);
  whole.set(MAGIC);
  [small ? IN_GZIP : AS_IT_IS, json.length, packed.length, bytes.length, crc32(json), crc32(packed)].forEach(
    (word, i) => view.setUint32(8 + 4 * i, word, true),
  );
  view.setUint32(32, crc32(whole.subarray(0, 32)), true);
  whole.set(json, HEADER_BYTES);
  whole.set(packed, HEADER_BYTES + json.length);
  return whole;
}

/** Rejects with a LabError `resume`, one sentence, for anything that {@link packLab} has not made. */
export async function unpackLab(whole: Uint8Array): Promise<SavedLab> {
  const { version, jsonBytes, packedBytes, unpackedBytes, jsonCrc, packedCrc } = readHeader(whole);
  const json = whole.subarray(HEADER_BYTES, HEADER_BYTES + jsonBytes);
  const packed = whole.subarray(HEADER_BYTES + jsonBytes, HEADER_BYTES + jsonBytes + packedBytes);
  if (crc32(json) !== jsonCrc || crc32(packed) !== packedCrc) throw damaged('its checksum is wrong');
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

function readHeader(whole: Uint8Array) {
  if (whole.length < HEADER_BYTES || MAGIC.some((byte, i) => whole[i] !== byte))
    throw new LabError('resume', 'These bytes are no saved lab; choose a file that was saved as one.');
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  const word = (index: number) => view.getUint32(8 + 4 * index, true);
  if (word(6) !== crc32(whole.subarray(0, 32))) throw damaged('its header is wrong');
  const [version, jsonBytes, packedBytes, unpackedBytes] = [word(0), word(1), word(2), word(3)];
  if (version !== IN_GZIP && version !== AS_IT_IS)
    throw new LabError(
      'resume',
      `The saved lab has version ${version}, and this program knows versions up to ${AS_IT_IS}; reload the page for a newer program, or power on without it.`,
    );
  if (whole.length !== HEADER_BYTES + jsonBytes + packedBytes) throw damaged('its length is wrong');
  const isPossible =
    unpackedBytes <= MAX_UNPACKED_BYTES &&
    (version === IN_GZIP ? unpackedBytes <= packedBytes * MAX_RATIO : unpackedBytes === packedBytes);
  if (jsonBytes > MAX_JSON_BYTES || !isPossible) throw damaged('its sizes are impossible');
  return { version, jsonBytes, packedBytes, unpackedBytes, jsonCrc: word(4), packedCrc: word(5) };
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
