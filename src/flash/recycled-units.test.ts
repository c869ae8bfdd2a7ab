import { expect, it } from 'vitest';
import { ChunkBench } from '../../test/fakes/chunk-bench.ts';
import { FlashBench } from '../../test/fakes/flash-bench.ts';

/** A buffer of an erased unit is used again; what is stored in it afterwards must be of the new write alone. */

it('1.2: a unit written in part holds nothing of the one whose buffer it has', async () => {
  const bench = await FlashBench.open();
  const { geometry } = bench.flash;
  const all = Array.from({ length: geometry.secsPerPg }, (_, sec) => ({ sec }));
  const full = new Uint8Array(all.length * 512).fill(0xaa);
  const oob = new Uint8Array(all.length * geometry.oobSizeBytes).fill(0xbb);
  expect(bench.write(all, full, oob).status).toBe(0);
  const used = bench.store.units.get(0);
  expect(bench.erase([{}]).status).toBe(0);
  expect(bench.store.spareUnit()).toBe(used);

  await bench.finished(bench.write(all, full, oob));
  bench.erase([{}]);
  expect(bench.write([{ sec: 0 }], new Uint8Array(512).fill(0x11)).status).toBe(0);
  const stored = bench.store.units.get(0) as Uint8Array;
  expect(stored.subarray(0, 512)).toEqual(new Uint8Array(512).fill(0x11));
  expect(stored.subarray(512).every((byte) => byte === 0)).toBe(true);
});

it('2.0: neither does one of a chunk', async () => {
  const bench = await ChunkBench.open();
  expect(bench.write({ secs: 32 }, 0xaa).status).toBe(0);
  expect(bench.reset({}).status).toBe(0);
  expect(bench.write({ chk: 1, secs: 4 }, 0x10).status).toBe(0);
  const stored = bench.store.units.get(bench.flash.array.unitOf(bench.block({ chk: 1 }), 0)) as Uint8Array;
  expect(stored.subarray(0, 512)).toEqual(new Uint8Array(512).fill(0x10));
  expect(stored.subarray(4 * 512, 8 * 512).every((byte) => byte === 0)).toBe(true);
});
