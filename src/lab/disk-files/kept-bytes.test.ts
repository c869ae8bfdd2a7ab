import { describe, expect, it } from 'vitest';
import { isZero, readPadded } from './image-source.ts';
import { noise } from './image-test-kit.ts';
import { KEPT_SHARD, keptBytes, KeptBytesWriter, KeptImage, overlay, runsWithin } from './kept-bytes.ts';

describe('bytes kept of an image', () => {
  it('come back at their offsets; what is zero costs nothing, what is even little', () => {
    const bytes = new Uint8Array(400_000);
    bytes.set(noise(1000, 1), 70_000);
    bytes.fill(0xff, 131_072, 196_608);
    const writer = new KeptBytesWriter();
    writer.add(2 ** 33, bytes);
    writer.add(2 ** 34, noise(10, 2));
    const shards = writer.shards(KeptImage.ocssd, 2 ** 34 + 10);
    expect(shards.map(({ shard }) => shard)).toEqual([0, 1, 2, 3].map((i) => KEPT_SHARD + i));
    expect(shards.map((one) => one.bytes.length)).toEqual([16, 16 + 65_536, 17, 26]);
    // In whatever order they come back.
    const kept = keptBytes([...shards].reverse(), KeptImage.ocssd);
    expect(kept?.fileBytes).toBe(2 ** 34 + 10);
    const runs = kept?.runs ?? [];
    expect(Buffer.compare(overlay(runs, 2 ** 33, new Uint8Array(400_000)), bytes)).toBe(0);
    const part = overlay(runs, 2 ** 33 + 70_500, new Uint8Array(100_000));
    expect(Buffer.compare(part, bytes.subarray(70_500, 170_500))).toBe(0);
    const within = runsWithin(runs, 2 ** 33 + 70_500, 2 ** 33 + 131_073);
    expect(within.map(({ offset, bytes: { length } }) => [offset - 2 ** 33, length])).toEqual([
      [70_500, 131_072 - 70_500],
      [131_072, 1],
    ]);
  });

  it('are not there for another image, or none', () => {
    const shards = new KeptBytesWriter().shards(KeptImage.raw12, 5);
    expect(keptBytes(shards, KeptImage.ocssd)).toBeUndefined();
    expect(keptBytes([], KeptImage.ocssd)).toBeUndefined();
    expect(keptBytes(shards, KeptImage.raw12)).toEqual({ image: KeptImage.raw12, fileBytes: 5, runs: [] });
  });

  it.each<[string, (run: Uint8Array) => Uint8Array]>([
    ['short', (run) => run.slice(0, 10)],
    ['of another length', (run) => run.slice(0, -1)],
    ['behind the end', (run) => Uint8Array.from(run, (byte, i) => (i === 5 ? 9 : byte))],
    ['without an end', (run) => Uint8Array.from(run, (byte, i) => (i === 11 ? 0xff : byte))],
  ])('are refused when a run is damaged: %s', (_name, damage) => {
    const writer = new KeptBytesWriter();
    writer.add(100, noise(50, 3));
    const [head, run] = writer.shards(KeptImage.ocssd, 1000);
    if (!head || !run) throw new Error('no shards');
    expect(() => keptBytes([head, { shard: run.shard, bytes: damage(run.bytes) }], KeptImage.ocssd)).toThrow(
      /is damaged/,
    );
  });
});

describe('bytes of an image', () => {
  it('are zero when all of them are, wherever they begin', () => {
    for (const length of [0, 1, 3, 4, 1023, 1024, 1025, 5000])
      for (const from of [0, 1, 2, 3, 4]) {
        const bytes = new Uint8Array(length + from + 8).subarray(from, from + length);
        expect(isZero(bytes)).toBe(true);
        for (const at of [0, Math.floor(length / 2), length - 1]) {
          if (at < 0 || at >= length) continue;
          bytes[at] = 0x80;
          expect(isZero(bytes), `${length} from ${from} at ${at}`).toBe(false);
          bytes[at] = 0;
        }
      }
  });

  it('behind the end are zeros', async () => {
    const bytes = noise(100, 4);
    const source = {
      sizeBytes: 100,
      read: async (at: number, length: number) => bytes.slice(at, at + length),
    };
    expect(await readPadded(source, 90, 20)).toEqual(
      Uint8Array.of(...bytes.slice(90), ...new Uint8Array(10)),
    );
    expect(await readPadded(source, 200, 5)).toEqual(new Uint8Array(5));
    expect(await readPadded(source, 200, 0)).toEqual(new Uint8Array(0));
    expect(await readPadded(source, 0, 100)).toEqual(bytes);
  });
});
