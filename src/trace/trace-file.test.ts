import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { FakePblk } from '../ui/dev/fake-trace.ts';
import { TraceError } from './bytes.ts';
import { TraceEncoder } from './encode.ts';
import { packModel, unpackModel } from './model-state.ts';
import { TraceModel } from './model.ts';
import type { TraceShape } from './record.ts';
import { Recording } from './recording.ts';
import { readTraceFile, writeTraceFile } from './trace-file.ts';

const SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 4,
  numPln: 2,
  numChk: 8,
  numPg: 16,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};
const HEAD = {
  madeAt: '2024-05-01T12:00:00Z',
  version: '0.2.0',
  deviceLine: '-device nvme,x=1',
  name: 'ünïcode ✓',
};
/** 300 with `npm run test:fuzz`. */
const MUTATIONS = Number(process.env['MUTATIONS'] ?? 100);

let seed = 42;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

function recorded(withGap = false): Recording {
  const recording = new Recording(new TraceModel(SHAPE));
  const encoder = new TraceEncoder();
  const source = new FakePblk(SHAPE, encoder, { random, lines: 4 });
  source.bytesPerSecond = 1.5 * 2 ** 20;
  source.power('on');
  for (let second = 2; second < 9; second++) {
    source.runTo(second * 1e6);
    const segment = encoder.take();
    if (segment) recording.add(segment);
    if (withGap && second === 5) {
      source.runTo(5.5e6);
      encoder.drop();
      recording.restart(unpackModel(packModel(recording.head)), '');
    }
  }
  recording.addMark(
    'here',
    recording.seekTime(4e6).model.nowUs === 0 ? undefined : { record: 1, command: 9, timeUs: 4e6 },
  );
  return recording;
}

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.from(a).equals(b);

describe('a recording file', () => {
  let file: Uint8Array;
  let recording: Recording;
  beforeAll(async () => {
    recording = recorded();
    file = await writeTraceFile(recording, HEAD);
  });

  it('brings everything back', async () => {
    const again = await readTraceFile(file);
    expect(again.head).toEqual(HEAD);
    expect(equal(packModel(again.recording.head), packModel(recording.head))).toBe(true);
    expect(again.recording.marks).toEqual(recording.marks);
    expect(again.recording.start).toEqual(recording.start);
    expect(again.recording.end).toEqual(recording.end);
    const middle = (recording.start.timeUs + recording.end.timeUs) / 2;
    const then = (r: Recording) => packModel(r.seekTime(middle).model);
    expect(equal(then(again.recording), then(recording))).toBe(true);
    expect(again.recording.commands(3, 9)).toEqual(recording.commands(3, 9));
    expect([...again.recording.stats.column('userBytes')]).toEqual([...recording.stats.column('userBytes')]);
  });

  it('brings gaps back', async () => {
    const gapped = recorded(true);
    const again = (await readTraceFile(await writeTraceFile(gapped, HEAD))).recording;
    expect(again.marks.map(({ kind }) => kind)).toContain('gap');
    expect(again.end).toEqual(gapped.end);
    expect(equal(packModel(again.head), packModel(gapped.head))).toBe(true);
  });

  it('is small', () => {
    const { segments } = recording.contents();
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes.length, 0);
    expect(file.length).toBeLessThan(bytes * 0.5);
  });

  it.each([
    ['nothing', () => new Uint8Array(), /not a recording/],
    [
      'another file',
      () => new TextEncoder().encode('<!doctype html><html lang="en"><body></body></html>'),
      /not a recording/,
    ],
    ['another version', () => changed((b) => (b[8] = 9)), /version 9/],
    ['a file cut short', () => file.slice(0, file.length - 100), /cut short/],
    ['only a beginning', () => file.slice(0, 26), /cut short/],
    ['a flipped bit', () => changed((b) => (b[b.length >> 1] = (b[b.length >> 1] as number) ^ 4)), /damaged/],
    ['a longer file', () => new Uint8Array([...file, 1, 2, 3]), /attached/],
    ['a hostile length', () => changed((b) => b.fill(0xff, 12, 16)), /cut short/],
    ['another compression', () => sealed(changed((b) => (b[9] = 7))), /compressed/],
  ])('refuses %s', async (_what, make, message) => {
    const refused = readTraceFile(make());
    await expect(refused).rejects.toThrow(TraceError);
    await expect(refused).rejects.toThrow(message);
  });

  it('is read in versions 1 and 2 too, and not in a later one', async () => {
    const file = await writeTraceFile(recorded(), HEAD);
    const inVersion = (version: number): Uint8Array => {
      const bytes = file.slice();
      bytes[8] = version;
      new DataView(bytes.buffer).setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
      return bytes;
    };
    for (const version of [1, 2]) expect((await readTraceFile(inVersion(version))).head).toEqual(HEAD);
    for (const version of [0, 4])
      await expect(readTraceFile(inVersion(version))).rejects.toThrow(`has version ${version} of the format`);
  });

  it('refuses what unpacks to gigabytes', async () => {
    const zeros = new Uint8Array(300 * 1024 * 1024);
    const stream = new Blob([zeros]).stream().pipeThrough(new CompressionStream('deflate-raw'));
    const bomb = new Uint8Array(await new Response(stream).arrayBuffer());
    await expect(readTraceFile(withBody(bomb, 1))).rejects.toThrow(/longer than this page/);
  });

  it(
    'survives mutations of its bytes, and of its contents under a right checksum',
    { timeout: 240_000 },
    async () => {
      const plain = await bodyOf(file);
      let refused = 0;
      let rightful = 0;
      const before = process.memoryUsage().rss;
      let most = 0;
      for (let i = 0; i < MUTATIONS; i++) {
        // Half of them reach what is behind the checksum.
        const bytes =
          i % 2 === 0 ? mutated(file) : withBody(mutated(plain, i % 4 === 1 ? 400 : plain.length), 0);
        try {
          await readTraceFile(bytes);
          rightful++;
        } catch (error) {
          expect(error, `mutation ${i}`).toBeInstanceOf(TraceError);
          expect((error as Error).message).toMatch(/^[A-Z].*\.$/);
          refused++;
        }
        most = Math.max(most, process.memoryUsage().rss - before);
      }
      console.log(
        `${MUTATIONS} mutations: ${refused} refused, ${rightful} still recordings, at most ${Math.round(most / 2 ** 20)} MiB`,
      );
      expect(refused).toBeGreaterThan(MUTATIONS / 2);
      expect(most).toBeLessThan(1024 * 2 ** 20);
    },
  );

  function changed(change: (bytes: Uint8Array) => unknown): Uint8Array {
    const bytes = file.slice();
    change(bytes);
    return bytes;
  }

  function withBody(body: Uint8Array, method: number): Uint8Array {
    const headEnd = 16 + new DataView(file.buffer).getUint32(12, true);
    const bytes = new Uint8Array(headEnd + 8 + body.length);
    bytes.set(file.subarray(0, headEnd));
    bytes[9] = method;
    new DataView(bytes.buffer).setUint32(headEnd, body.length, true);
    bytes.set(body, headEnd + 4);
    return sealed(bytes);
  }
});

/** With the checksum that it should have. */
function sealed(bytes: Uint8Array): Uint8Array {
  const crc = crc32(bytes.subarray(0, bytes.length - 4));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(bytes.length - 4, crc, true);
  return bytes;
}

async function bodyOf(file: Uint8Array): Promise<Uint8Array> {
  const headEnd = 16 + new DataView(file.buffer).getUint32(12, true);
  const body = file.slice(headEnd + 4, file.length - 4);
  const stream = new Blob([body]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A few changes: bits, bytes to extremes, pieces cut out, doubled or set to 0xff. */
function mutated(source: Uint8Array, within = source.length): Uint8Array {
  let bytes = source.slice();
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const at = Math.floor(random() * Math.min(within, bytes.length));
    const length = 1 + Math.floor(random() * 8);
    const kind = Math.floor(random() * 5);
    if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1) bytes.fill(0xff, at, at + length);
    else if (kind === 2) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][Math.floor(random() * 5)] as number;
    else if (kind === 3) bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
    else bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
