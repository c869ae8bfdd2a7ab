import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { FlashBench, type Place } from '../../test/fakes/flash-bench.ts';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import { Status } from '../spec/status.ts';

const SEC = 512;
const secs = (from: number, count: number, where: Omit<Place, 'sec'> = {}): Place[] =>
  Array.from({ length: count }, (_, i) => ({ ...where, sec: from + i }));

/** Writes sector 0 of chunk 2 in each of four planes; the planes that are free after `erase` are returned. */
async function freePlanesAfter(pln: number, planes: number): Promise<number[]> {
  const bench = await FlashBench.open('sync', { numPln: 4 });
  const places = [0, 1, 2, 3].map((p) => ({ chk: 2, pln: p, sec: 0 }));
  expect(bench.write(places, pattern(4 * SEC, 1)).status).toBe(0);
  expect(bench.erase([{ chk: 2, pln }], planes).status).toBe(0);
  return [0, 1, 2, 3].filter(
    (p) => bench.flash.table.state[bench.block({ chk: 2, pln: p })] === ChunkState.free,
  );
}

describe('the plane mode of an erase on four planes', () => {
  it.each([
    { planes: 1, pln: 0, erased: [0] },
    { planes: 1, pln: 3, erased: [3] },
    { planes: 2, pln: 0, erased: [0, 1] },
    { planes: 2, pln: 1, erased: [0, 1] },
    { planes: 2, pln: 2, erased: [2, 3] },
    { planes: 2, pln: 3, erased: [2, 3] },
    { planes: 4, pln: 0, erased: [0, 1, 2, 3] },
    { planes: 4, pln: 3, erased: [0, 1, 2, 3] },
  ])('$planes from plane $pln takes $erased', async ({ planes, pln, erased }) => {
    expect(await freePlanesAfter(pln, planes)).toEqual(erased);
  });

  it('leaves what the other pair holds', async () => {
    const bench = await FlashBench.open('sync', { numPln: 4 });
    const places = [0, 1, 2, 3].flatMap((pln) => secs(0, 4, { pln }));
    bench.write(places, pattern(16 * SEC, 1));
    bench.erase([{ pln: 3 }], 2);
    const back = bench.read(places);
    expect([back.status, back.vector.failedLow]).toEqual([Status.emptyPage, 0xff00]);
    expectBytes(back.transfer.data.subarray(0, 8 * SEC), pattern(16 * SEC, 1).subarray(0, 8 * SEC));
  });
});

describe('an erase that names a block more than once', () => {
  it('erases it once, as an old Linux unfolds the planes and sets the plane mode too', async () => {
    const bench = await FlashBench.open('sync', { numPln: 2 });
    const outcome = bench.erase([{ pln: 0 }, { pln: 1 }, { chk: 1 }, { pln: 0 }], 2);
    expect([outcome.status, outcome.vector.failedLow]).toEqual([0, 0]);
    const { eraseCount } = bench.flash.table;
    for (const where of [{ pln: 0 }, { pln: 1 }, { chk: 1, pln: 0 }, { chk: 1, pln: 1 }])
      expect(eraseCount[bench.block(where)]).toBe(1);
  });

  it('fails in each of the entries when it fails', async () => {
    const bench = await FlashBench.open();
    bench.mark([{ chk: 3 }], BadBlock.grown);
    const outcome = bench.erase([{ chk: 3 }, { chk: 1 }, { chk: 3 }]);
    expect([outcome.status, outcome.vector.failedLow]).toEqual([Status.writeFailure, 0b101]);
  });
});

describe('a vector', () => {
  it('of writes may name the sectors of a block in any order', async () => {
    const bench = await FlashBench.open();
    const order = [5, 0, 2, 1, 7, 3, 4, 6];
    const data = pattern(8 * SEC, 1);
    const oob = pattern(8 * 16, 2);
    const outcome = bench.write(
      order.map((sec) => ({ sec })),
      data,
      oob,
    );
    expect([outcome.status, outcome.vector.failedLow]).toEqual([0, 0]);
    const back = bench.read(order.map((sec) => ({ sec })));
    expectBytes(back.transfer.data, data);
    expectBytes(back.transfer.oob, oob);
  });

  it('of writes may span blocks, backwards, and fails only where there is a gap', async () => {
    const bench = await FlashBench.open();
    const places = [
      ...secs(0, 4, { lun: 3, chk: 7 }).reverse(),
      ...secs(0, 4, { lun: 0, chk: 1, pln: 1 }).reverse(),
      { lun: 1, sec: 1 }, // nothing writes sector 0 of it
    ];
    const { status, vector, transfer } = bench.write(places, pattern(9 * SEC, 1));
    expect([status, vector.failedLow]).toEqual([Status.writeFailure, 1 << 8]);
    expect(transfer.refusals.map(({ rule }) => rule)).toEqual(['write-pointer']);
    expect(bench.flash.table.written(bench.block({ lun: 3, chk: 7 }))).toBe(4);
    expect(bench.flash.table.written(bench.block({ lun: 1 }))).toBe(0);
  });

  it('of writes that repeats a sector writes the first and fails the second', async () => {
    const bench = await FlashBench.open();
    const { status, vector } = bench.write([{ sec: 0 }, { sec: 0 }, { sec: 1 }], pattern(3 * SEC, 1));
    expect([status, vector.failedLow]).toEqual([Status.writeFailure, 0b010]);
    const back = bench.read([{ sec: 0 }, { sec: 1 }]);
    expectBytes(back.transfer.data.subarray(0, SEC), pattern(3 * SEC, 1).subarray(0, SEC));
    expectBytes(back.transfer.data.subarray(SEC), pattern(3 * SEC, 1).subarray(2 * SEC));
  });

  it('of reads may repeat, span and go backwards', async () => {
    const bench = await FlashBench.open();
    bench.write(secs(0, 16), pattern(16 * SEC, 1));
    bench.write(secs(0, 4, { lun: 2 }), pattern(4 * SEC, 2));
    const places = [{ sec: 9 }, { lun: 2, sec: 3 }, { sec: 9 }, { sec: 0 }];
    const at = (seed: number, count: number, sec: number) =>
      pattern(count * SEC, seed).subarray(sec * SEC, (sec + 1) * SEC);
    const back = bench.read(places);
    expect(back.status).toBe(0);
    expectBytes(back.transfer.data, Buffer.concat([at(1, 16, 9), at(2, 4, 3), at(1, 16, 9), at(1, 16, 0)]));
  });
});
