import { ByteReader, ByteWriter, TraceError } from './bytes.ts';
import type { Segment } from './encode.ts';
import { checkSegment } from './check.ts';
import { packModel, unpackModel } from './model-state.ts';
import type { TraceModel } from './model.ts';
import { Recording } from './recording.ts';

/**
 * A recording as a file (numbers little-endian):
 *
 *     8  magic "LNVMTRC\n"
 *     1  version, 3; up to 2, copies do not tell where they read; 1 has every event of the guest as JSON
 *     1  0 the body is as it is, 1 it is deflated (RFC 1951)
 *     2  0
 *     4  bytes of the head
 *     …  head: JSON in UTF-8
 *     4  bytes of the body
 *     …  body: the device to begin with, segments, marks of the reader (see packBody)
 *     4  CRC-32 (IEEE 802.3) of all before
 */
const MAGIC = [0x4c, 0x4e, 0x56, 0x4d, 0x54, 0x52, 0x43, 0x0a];
const VERSION = 3;
const FIXED_BYTES = 24;
const MAX_HEAD_BYTES = 64 * 1024;
/** Of a body that was inflated; what is longer was not saved by this page. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const MAX_TEXT = 4096;

/** What a file says of itself. */
export interface FileHead {
  /** ISO 8601. */
  readonly madeAt: string;
  /** Of the page that saved it. */
  readonly version: string;
  readonly deviceLine: string;
  readonly name: string;
}

export async function writeTraceFile(recording: Recording, head: FileHead): Promise<Uint8Array<ArrayBuffer>> {
  const body = packBody(recording);
  const deflated = await deflate(body);
  const kept = deflated ?? body;
  const headBytes = new TextEncoder().encode(JSON.stringify(head));
  const out = new ByteWriter();
  out.raw(Uint8Array.from(MAGIC));
  out.u8(VERSION);
  out.u8(deflated ? 1 : 0);
  out.u8(0);
  out.u8(0);
  out.u32(headBytes.length);
  out.raw(headBytes);
  out.u32(kept.length);
  out.raw(kept);
  const bytes = out.take();
  const sealed = new Uint8Array(bytes.length + 4);
  sealed.set(bytes);
  new DataView(sealed.buffer).setUint32(bytes.length, crc32(bytes), true);
  return sealed;
}

/** Throws a TraceError, with one sentence, for what is no recording. */
export async function readTraceFile(bytes: Uint8Array): Promise<{ head: FileHead; recording: Recording }> {
  if (bytes.length < FIXED_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new TraceError(
      'This is not a recording of LightNVM Lab; open a file that its “Save recording” has made.',
    );
  const version = bytes[8] as number;
  if (version === 0 || version > VERSION)
    throw new TraceError(
      `The recording has version ${version} of the format and this page reads up to version ${VERSION}.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headEnd = 16 + view.getUint32(12, true);
  const length = headEnd + 8 <= bytes.length ? headEnd + 8 + view.getUint32(headEnd, true) : Infinity;
  if (length > bytes.length) throw new TraceError('The recording is cut short; load it again.');
  if (length < bytes.length) throw new TraceError('Something is attached to the recording; load it again.');
  if (crc32(bytes.subarray(0, length - 4)) !== view.getUint32(length - 4, true))
    throw new TraceError('The recording is damaged: it does not match its checksum.');
  const method = bytes[9];
  const body = bytes.subarray(headEnd + 4, length - 4);
  if (method !== 0 && method !== 1)
    throw new TraceError('The recording is compressed in a way that this page does not know.');
  if (headEnd - 16 > MAX_HEAD_BYTES) throw new TraceError('The head of the recording is too long.');
  const head = parseHead(bytes.subarray(16, headEnd));
  return { head, recording: unpackBody(method === 1 ? await inflate(body) : body) };
}

function packBody(recording: Recording): Uint8Array<ArrayBuffer> {
  const { base, segments, restarts, marks } = recording.contents();
  const out = new ByteWriter();
  packBytes(out, packModel(base));
  out.varint(segments.length);
  for (const [i, segment] of segments.entries()) {
    const restart = restarts.get(i);
    out.u8(restart ? 1 : 0);
    if (restart) packBytes(out, packModel(restart));
    for (const n of [segment.records, segment.commands, segment.fromUs, segment.toUs]) out.varint(n);
    packBytes(out, segment.bytes);
  }
  const added = marks.filter(({ added: isAdded }) => isAdded);
  out.varint(added.length);
  for (const { timeUs, command, text } of added) {
    out.varint(timeUs);
    out.varint(command);
    out.text(text);
  }
  return out.take();
}

function packBytes(out: ByteWriter, bytes: Uint8Array): void {
  out.varint(bytes.length);
  out.raw(bytes);
}

function unpackBody(body: Uint8Array): Recording {
  if (body.length > MAX_BODY_BYTES) throw tooLong();
  const reader = new ByteReader(body);
  const base = unpackModel(reader.raw(reader.varint()));
  const recording = new Recording(base, MAX_BODY_BYTES);
  for (let left = reader.varint(); left > 0; left--) {
    const isRestart = reader.u8() === 1;
    if (isRestart) recording.restart(restarted(reader, base), '');
    const [records = 0, commands = 0, fromUs = 0, toUs = 0] = [0, 1, 2, 3].map(() => reader.varint());
    const segment: Segment = { bytes: reader.raw(reader.varint()), records, commands, fromUs, toUs };
    if (fromUs < recording.head.nowUs) throw new TraceError('The recording goes back in time.');
    checkSegment(segment, base.shape);
    recording.add(segment);
  }
  for (let left = reader.varint(); left > 0; left--) {
    const [timeUs, command, text] = [reader.varint(), reader.varint(), reader.text()];
    if (text.length > MAX_TEXT) throw new TraceError('The recording has a mark with too long a name.');
    recording.addMark(text, { timeUs, command, record: 0 });
  }
  if (!reader.atEnd) throw new TraceError('The recording goes on behind its end.');
  return recording;
}

function restarted(reader: ByteReader, base: TraceModel): TraceModel {
  const model = unpackModel(reader.raw(reader.varint()));
  if (JSON.stringify(model.shape) !== JSON.stringify(base.shape))
    throw new TraceError('The recording changes its device on the way.');
  return model;
}

function parseHead(bytes: Uint8Array): FileHead {
  try {
    const head = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Record<keyof FileHead, unknown>>;
    const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, MAX_TEXT) : '');
    return {
      madeAt: text(head.madeAt),
      version: text(head.version),
      deviceLine: text(head.deviceLine),
      name: text(head.name),
    };
  } catch {
    throw new TraceError('The head of the recording cannot be read.');
  }
}

const tooLong = () => new TraceError('The recording is longer than this page can show.');

/** Undefined where the runtime cannot. */
async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (typeof CompressionStream === 'undefined') return undefined;
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  if (typeof DecompressionStream === 'undefined')
    throw new TraceError('This browser cannot unpack recordings; use a newer one.');
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      total += value.length;
      // A few kilobytes can be made to unpack to gigabytes.
      if (total > MAX_BODY_BYTES) throw tooLong();
      parts.push(value);
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    throw error instanceof TraceError ? error : new TraceError('The recording cannot be unpacked.');
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** Small and slow beside src/storage/checksum.ts, which belongs to another room; a file is read once. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++)
    crc = (table[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
