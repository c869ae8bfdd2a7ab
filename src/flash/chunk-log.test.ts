import { describe, expect, it } from 'vitest';
import { BENCH_GEOMETRY, ChunkBench } from '../../test/fakes/chunk-bench.ts';
import { chunkLog, chunkLogBytes } from './chunk-log.ts';
import type { ChunkFlash } from './chunk-flash.ts';

function read(flash: ChunkFlash, offset: number, length: number): { bytes: Uint8Array; pieces: number } {
  const bytes = new Uint8Array(length);
  let pieces = 0;
  let end = 0;
  chunkLog(flash, offset, length, (at, piece) => {
    expect(at).toBe(end);
    bytes.set(piece, at);
    end += piece.byteLength;
    pieces++;
  });
  expect(end).toBe(length);
  return { bytes, pieces };
}

/** Five units of 60 chunks: addresses have gaps. */
const LARGE = { ...BENCH_GEOMETRY, numCh: 1, numLun: 5, numChk: 60 };

describe('chunk information log', () => {
  it('says state, type, wear, address, size and write pointer of each chunk', async () => {
    const bench = await ChunkBench.open({
      peCycles: 255,
      initialChunks: [
        { grp: 1, pu: 0, chk: 2, state: 'open', writePointer: 12, wearIndex: 7 },
        { grp: 1, pu: 0, chk: 3, state: 'offline' },
      ],
    });
    expect(chunkLogBytes(bench.flash)).toBe(24 * 32);
    const { bytes } = read(bench.flash, 0, 24 * 32);
    const view = new DataView(bytes.buffer);
    const entry = (grp: number, pu: number, chk: number) => {
      const at = ((grp * 2 + pu) * 6 + chk) * 32;
      return [
        ...bytes.subarray(at, at + 8),
        ...[8, 16, 24].map((offset) => view.getBigUint64(at + offset, true)),
      ];
    };
    // 32 sectors: 5 bits; 6 chunks: 3 bits; then 1 bit of units, 1 of groups.
    expect(entry(0, 1, 5)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, BigInt((1 << 8) | (5 << 5)), 32n, 0n]);
    expect(entry(1, 0, 2)).toEqual([4, 1, 7, 0, 0, 0, 0, 0, BigInt((1 << 9) | (2 << 5)), 32n, 12n]);
    expect(entry(1, 0, 3)).toEqual([
      8,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      BigInt((1 << 9) | (3 << 5)),
      32n,
      2n ** 64n - 1n,
    ]);
  });

  it('is the same however it is cut', async () => {
    const bench = await ChunkBench.open({ geometry: LARGE });
    await bench.finished(bench.write([{ pu: 3, chk: 59, secs: 8 }]));
    const total = chunkLogBytes(bench.flash);
    const whole = read(bench.flash, 0, total);
    expect(whole.pieces).toBe(3);
    for (const [offset, length] of [
      [0, 4],
      [28, 8],
      [32 * 127, 64],
      [32 * 128 - 4, 4],
      [100, 5000],
      [total - 4, 4],
      [total, 0],
      [32 * 239, 32],
    ] as const) {
      const part = read(bench.flash, offset, length);
      expect(part.bytes).toEqual(whole.bytes.subarray(offset, offset + length));
    }
    expect(read(bench.flash, 32 * 239, 32).bytes[0]).toBe(4);
  });

  it('of a million chunks, a page costs a page', async () => {
    const geometry = { ...BENCH_GEOMETRY, numCh: 8, numLun: 8, numChk: 16_384 };
    const { flash } = await ChunkBench.open({ geometry });
    expect(chunkLogBytes(flash)).toBe(32 * 2 ** 20);
    expect(read(flash, 16 * 2 ** 20, 4096).pieces).toBe(1);
  });
});
