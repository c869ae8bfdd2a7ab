import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../storage/checksum.ts';
import { LabError } from './errors.ts';
import { packApart, packLab, unpackLab } from './pack-lab.ts';
import { checkTarget, readSavedLab, type ResumeTarget, type SavedLab, tableCrcOf } from './saved-lab.ts';

const HEADER_BYTES = 36;

const saved: SavedLab = {
  format: 1,
  machine: {
    version: 'v86 x, machine 1',
    memoryBytes: 128 * 2 ** 20,
    savedAtMs: 1234.5,
    bytes: Uint8Array.from({ length: 5000 }, (_, i) => i % 7),
    functions: [{ slot: 8, configuration: [1, 2, 255], state: { format: 1, list: [1, 'a', null] } }],
  },
  deviceLine: 'nvme,serial=µ',
  sizeBytes: 2 ** 40,
  configCrc: 0xffff_ffff,
  cache: 'writeback',
  memoryMiB: 128,
  diskId: 'a disk',
  diskVersion: '17',
  tableCrc: 5,
  savedAtMs: 1_800_000_000_000,
  controlId: 7,
  traceRun: 0,
};

const traced = { intervalMs: 500, formats: [['a', 'b']], sample: [] } as const;

const outcome = (bytes: Uint8Array, state?: Uint8Array): Promise<string> =>
  unpackLab(bytes, state).then(
    () => 'unpacked',
    (error: unknown) => {
      expect(error).toBeInstanceOf(LabError);
      return (error as LabError).message;
    },
  );

/** A header that checks, over whatever parts. */
function forged(json: Uint8Array, packed: Uint8Array, unpackedBytes: number, version = 1): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + json.length + packed.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('LNVMSAVE'));
  [version, json.length, packed.length, unpackedBytes, crc32(json), crc32(packed)].forEach((word, i) =>
    view.setUint32(8 + 4 * i, word, true),
  );
  view.setUint32(32, crc32(bytes.subarray(0, 32)), true);
  bytes.set(json, HEADER_BYTES);
  bytes.set(packed, HEADER_BYTES + json.length);
  return bytes;
}

const utf8 = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe('a packed lab', () => {
  it('is unpacked as it was, with and without what may be absent', async () => {
    expect(await unpackLab(await packLab(saved))).toEqual(saved);
    const without: SavedLab = { ...saved };
    delete (without as { diskVersion?: string }).diskVersion;
    expect(await unpackLab(await packLab(without))).toEqual(without);
    const withTrace: SavedLab = { ...saved, trace: traced, targets: [['mydevice', 17]] };
    expect(await unpackLab(await packLab(withTrace))).toEqual(withTrace);
  });

  it('is refused in one sentence when it is cut, longer, or changed anywhere', async () => {
    const packed = await packLab(saved);
    for (const length of [0, 7, 8, 35, 36, 100, packed.length - 1])
      expect(await outcome(packed.subarray(0, length))).toMatch(
        /^(These|The saved lab is damaged: )[^.]*\.$/,
      );
    expect(await outcome(Uint8Array.from([...packed, 0]))).toMatch(/its length is wrong/);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: packed.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const changed = packed.slice();
          changed[at] = (changed[at] ?? 0) ^ bits;
          expect(await outcome(changed)).toMatch(/^(These bytes are no|The saved lab is damaged)[^.]*\.$/);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a lab in two runs of bytes', () => {
  const { packed, state } = packApart(saved);

  it('is put together as it was, and nothing large was copied', async () => {
    expect(state).toBe(saved.machine.bytes);
    const again = await unpackLab(packed, state);
    expect(again).toEqual(saved);
    expect(again.machine.bytes).toBe(state);
  });

  it('is refused when one of the two is missing, cut, or of another', async () => {
    expect(await outcome(packed)).toMatch(/one of its two parts is missing/);
    expect(await outcome(await packLab(saved), state)).toMatch(/one of its two parts is missing/);
    expect(await outcome(packed.subarray(0, packed.length - 1), state)).toMatch(/its length is wrong/);
    expect(await outcome(packed, state.subarray(1))).toMatch(/its length is wrong/);
    expect(await outcome(packed, new Uint8Array(state.length))).toMatch(/its checksum is wrong/);
    expect(await outcome(packed, state.slice().reverse())).toMatch(/its checksum is wrong/);
  });

  it('is refused when a bit of it has changed, wherever it lies', async () => {
    // At each place within a word, and behind the last four of them.
    const odd = packApart({ ...saved, machine: { ...saved.machine, bytes: state.slice(0, 4999) } });
    for (const at of [0, 1, 2, 3, 2500, 4991, 4992, 4998])
      for (let bit = 0; bit < 8; bit++) {
        const changed = odd.state.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(await outcome(odd.packed, changed)).toMatch(/its checksum is wrong/);
      }
    const two = odd.state.slice();
    for (const at of [3, 35]) two[at] = (two[at] ?? 0) ^ 0x80;
    expect(await outcome(odd.packed, two)).toMatch(/its checksum is wrong/);
    const moved = Buffer.alloc(5000).subarray(1);
    moved.set(odd.state);
    expect(await outcome(odd.packed, moved)).toBe('unpacked');
    for (const length of [0, 1, 3, 15, 16, 17, 64]) {
      const short = packApart({ ...saved, machine: { ...saved.machine, bytes: state.slice(0, length) } });
      expect(await outcome(short.packed, short.state)).toBe('unpacked');
    }
  });
});

describe('a lab from elsewhere', () => {
  it('is read as it comes out of a database', () => {
    expect(readSavedLab(structuredClone(saved))).toEqual(saved);
  });

  it('is refused when its checksums are right and it is hostile all the same', async () => {
    const { bytes, ...machine } = saved.machine;
    const fields = { ...saved, machine };
    const json = utf8(fields);
    const gzip = gzipSync(bytes);
    expect(await outcome(forged(json, gzip, bytes.length))).toBe('unpacked');
    expect(await outcome(forged(json, gzip, bytes.length, 4))).toMatch(/has version 4/);
    expect(await outcome(forged(json, bytes, bytes.length, 2))).toBe('unpacked');
    expect(await outcome(forged(json, gzip, bytes.length, 2))).toMatch(/sizes are impossible/);
    // Neither a claim of much memory nor a bomb is believed.
    expect(await outcome(forged(json, gzip, 2 ** 31))).toMatch(/sizes are impossible/);
    expect(await outcome(forged(json, gzipSync(new Uint8Array(2 ** 22)), 5000))).toMatch(
      /cannot be unpacked/,
    );
    expect(await outcome(forged(json, gzip, bytes.length + 1))).toMatch(/cannot be unpacked/);
    expect(await outcome(forged(json, new Uint8Array(50), 5000))).toMatch(/cannot be unpacked/);
    expect(await outcome(forged(utf8([]).subarray(1), gzip, bytes.length))).toMatch(/cannot be unpacked/);
    for (const other of [null, 3, 'x', [], {}, { machine: null }])
      expect(await outcome(forged(utf8(other), gzip, bytes.length))).toMatch(/^The saved lab cannot go on: /);
  });

  it('is refused when a field is impossible', async () => {
    const wrong: [string, unknown][] = [
      ['format', 2],
      ['machine', undefined],
      ['machine', { ...saved.machine, bytes: [1] }],
      ['machine', { ...saved.machine, savedAtMs: NaN }],
      ['machine', { ...saved.machine, functions: [{ slot: 99 }] }],
      ['deviceLine', 3],
      ['sizeBytes', -1],
      ['configCrc', 2 ** 32],
      ['cache', 'none'],
      ['memoryMiB', 4096],
      ['diskId', null],
      ['diskVersion', 4],
      ['tableCrc', 0.5],
      ['savedAtMs', Infinity],
      ['controlId', -1],
      ['traceRun', 2 ** 31],
      ['trace', null],
      ['targets', null],
      ['targets', [['a']]],
      ['targets', Array(100).fill(['a', 1])],
      ['trace', { ...traced, intervalMs: -1 }],
      ['trace', { ...traced, formats: [['a']] }],
      ['trace', { ...traced, sample: Array(2000).fill(['a', 'b']) }],
    ];
    for (const [name, value] of wrong)
      expect(() => readSavedLab({ ...saved, [name]: value }), name).toThrow(
        /^The saved lab cannot go on: .* (is impossible|is missing); power on without it, and the guest boots\.$/,
      );
  });
});

describe('a saved lab', () => {
  const target: ResumeTarget = {
    diskId: 'a disk',
    diskVersion: '17',
    tableCrc: 5,
    memoryMiB: 128,
    cache: 'writeback',
    configCrc: 0xffff_ffff,
  };

  it('goes on with what it was saved with, and nothing else', () => {
    expect(() => checkTarget(saved, target)).not.toThrow();
    expect(() => checkTarget(saved, { ...target, diskVersion: undefined })).not.toThrow();
    const refused: [Partial<ResumeTarget>, RegExp][] = [
      [{ diskId: 'b' }, /another disk/],
      [{ diskVersion: '18' }, /no longer as it was/],
      [{ tableCrc: 6 }, /no longer as it was/],
      [{ memoryMiB: 64 }, /128 MiB of memory, and 64/],
      [{ cache: 'unsafe' }, /cache mode writeback, and unsafe/],
      [{ configCrc: 1 }, /device would be another/],
    ];
    for (const [change, why] of refused)
      expect(() => checkTarget(saved, { ...target, ...change })).toThrow(why);
  });

  it('tells disks apart by all that is stored besides units, in whatever order it comes', () => {
    const a = { shard: 1, bytes: Uint8Array.of(1, 2) };
    const b = { shard: 2 ** 30, bytes: Uint8Array.of(3) };
    expect(tableCrcOf([a, b])).toBe(tableCrcOf([b, a]));
    expect(tableCrcOf([a])).not.toBe(tableCrcOf([a, b]));
    expect(tableCrcOf([{ ...a, shard: 2 }])).not.toBe(tableCrcOf([a]));
    expect(tableCrcOf([{ ...a, bytes: Uint8Array.of(1, 3) }])).not.toBe(tableCrcOf([a]));
  });
});
