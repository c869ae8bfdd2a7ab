import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { settle } from '../../test/fakes/fake-store.ts';
import { FakeTransfer } from '../../test/fakes/fake-transfer.ts';
import { FlashBench, type Place } from '../../test/fakes/flash-bench.ts';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import { Status } from '../spec/status.ts';

const SEC = 512;
const SECS_PER_BLK = 16;
const secs = (from: number, count: number, where: Omit<Place, 'sec'> = {}): Place[] =>
  Array.from({ length: count }, (_, i) => ({ ...where, sec: from + i }));

/** Writes the first `count` sectors of a block, 16 at a time, each with its own pattern. */
function fill(bench: FlashBench, count: number, where: Omit<Place, 'sec'> = {}, seed = 1) {
  return bench.write(secs(0, count, where), pattern(count * SEC, seed), pattern(count * 16, seed + 1000));
}

describe('writing', () => {
  it('follows the write pointer and closes the block at its end', async () => {
    const bench = await FlashBench.open();
    const block = bench.block({});
    expect(fill(bench, 4).status).toBe(Status.success);
    expect([bench.flash.table.state[block], bench.flash.table.written(block)]).toEqual([ChunkState.open, 4]);
    expect(bench.write(secs(4, 12), pattern(12 * SEC, 2)).status).toBe(Status.success);
    expect(bench.flash.table.state[block]).toBe(ChunkState.closed);
  });

  it.each([
    ['ahead of the write pointer', 5],
    ['behind it', 3],
  ])('%s fails, changes nothing and says where the pointer is', async (_what, sec) => {
    const bench = await FlashBench.open();
    fill(bench, 4);
    const { status, vector, transfer } = bench.write([{ sec }], pattern(SEC, 9));
    expect([status, vector.failedLow, vector.failedHigh]).toEqual([Status.writeFailure, 1, 0]);
    expect(bench.flash.table.written(bench.block({}))).toBe(4);
    expect(transfer.refusals.at(-1)).toMatchObject({
      rule: 'write-pointer',
      why: expect.stringMatching(/write pointer.*page 1 sector 0/) as string,
    });
    expectBytes(bench.read(secs(0, 4)).transfer.data, pattern(4 * SEC, 1));
  });

  it('to a closed or an offline block fails', async () => {
    const bench = await FlashBench.open();
    fill(bench, SECS_PER_BLK);
    expect(bench.write([{ sec: 0 }], pattern(SEC, 2)).status).toBe(Status.writeFailure);
    bench.mark([{ chk: 1 }], BadBlock.grown);
    expect(bench.write([{ chk: 1, sec: 0 }], pattern(SEC, 2)).status).toBe(Status.writeFailure);
    expect(bench.store.commits).toHaveLength(2); // the fill, the mark
  });

  it('fails sector by sector: bits 31, 32 and 63 of the map are theirs', async () => {
    const bench = await FlashBench.open();
    const places: Place[] = [];
    for (let lun = 0; lun < 4; lun++) places.push(...secs(0, 16, { lun }));
    for (const i of [31, 32, 63]) places[i] = { lun: 0, chk: 7, sec: 9 };
    const { status, vector } = bench.write(places, pattern(64 * SEC, 1));
    expect(status).toBe(Status.writeFailure);
    // LUN 2 begins with entry 32, which failed: the rest of it is not at the write pointer any more.
    expect([vector.failedLow, vector.failedHigh]).toEqual([0x8000_0000, 0x8000_ffff]);
    expect(bench.flash.table.written(bench.block({ lun: 0 }))).toBe(16);
    expect(bench.flash.table.written(bench.block({ lun: 1 }))).toBe(15);
    expect(bench.flash.table.written(bench.block({ lun: 2 }))).toBe(0);
    expect(bench.flash.table.written(bench.block({ lun: 3 }))).toBe(15);
  });

  it('takes a vector in the order of its entries, across planes and blocks', async () => {
    const bench = await FlashBench.open();
    const places = [0, 1, 2, 3].flatMap((sec) => [
      { pln: 0, sec },
      { pln: 1, sec },
      { lun: 2, chk: 3, sec },
    ]);
    const data = pattern(places.length * SEC, 3);
    const oob = pattern(places.length * 16, 4);
    expect(bench.write(places, data, oob).status).toBe(Status.success);
    const back = bench.read(places);
    expect(back.status).toBe(Status.success);
    expectBytes(back.transfer.data, data);
    expectBytes(back.transfer.oob, oob);
  });

  it('without metadata leaves zeros for OOB', async () => {
    const bench = await FlashBench.open();
    bench.write([{ sec: 0 }], pattern(SEC, 1));
    expectBytes(bench.read([{ sec: 0 }]).transfer.oob, new Uint8Array(16));
  });

  it.each([0, 8, 16, 64])('keeps %i bytes of OOB', async (oobSizeBytes) => {
    const bench = await FlashBench.open('sync', { oobSizeBytes });
    const data = pattern(8 * SEC, 1);
    const oob = pattern(8 * oobSizeBytes, 2);
    expect(bench.write(secs(0, 8), data, oob).status).toBe(Status.success);
    const again = await FlashBench.open(bench.store.reopened(), { oobSizeBytes });
    const back = again.read(secs(0, 8));
    expectBytes(back.transfer.data, data);
    expectBytes(back.transfer.oob, oob);
  });

  it.each([1, 2, 4])('fills units of %i plane(s)', async (numPln) => {
    const bench = await FlashBench.open('sync', { numPln });
    const places = Array.from({ length: numPln }, (_, pln) => secs(0, 16, { chk: 5, lun: 3, pln })).flat();
    const data = pattern(places.length * SEC, numPln);
    expect(bench.write(places, data).status).toBe(Status.success);
    expect(bench.store.units.size).toBe(4);
    expectBytes(bench.read(places).transfer.data, data);
  });
});

describe('parts of a unit', () => {
  it.each(['sync', 'soon'] as const)('add up through a store that answers %s', async (mode) => {
    let bench = await FlashBench.open(mode);
    const expected: Uint8Array[] = [];
    for (let sec = 0; sec < 8; sec++) {
      for (const pln of [1, 0]) {
        const data = pattern(SEC, sec * 2 + pln);
        expected.push(data);
        const outcome = bench.write([{ pln, sec }], data);
        expect((await bench.finished(outcome)).status).toBe(Status.success);
      }
      // Without its cache: what was stored has to be loaded before it is filled up.
      bench = await FlashBench.open(bench.store.reopened());
    }
    const places = Array.from({ length: 8 }, (_, sec) => [
      { pln: 1, sec },
      { pln: 0, sec },
    ]).flat();
    const back = await bench.finished(bench.read(places));
    expect(back.status).toBe(Status.success);
    expectBytes(back.transfer.data, Buffer.concat(expected));
  });

  it('written at the same time while the unit loads lose nothing', async () => {
    const first = await FlashBench.open('sync');
    first.write([{ pln: 0, sec: 0 }], pattern(SEC, 1));
    const bench = await FlashBench.open(first.store.reopened('held'));
    const a = bench.write([{ pln: 0, sec: 1 }], pattern(SEC, 2));
    const b = bench.write([{ pln: 1, sec: 0 }], pattern(SEC, 3));
    const c = bench.write([{ pln: 0, sec: 1 }], pattern(SEC, 4)); // too late: the first one has it
    expect([a.status, b.status, c.status]).toEqual([undefined, undefined, undefined]);
    await bench.store.releaseAll();
    expect([a.status, b.status, c.status]).toEqual([0, 0, Status.writeFailure]);
    const again = await FlashBench.open(bench.store.reopened('sync'));
    const back = again.read([
      { pln: 0, sec: 0 },
      { pln: 0, sec: 1 },
      { pln: 1, sec: 0 },
    ]);
    expectBytes(back.transfer.data, Buffer.concat([1, 2, 3].map((seed) => pattern(SEC, seed))));
  });

  it('erased while the unit loads do not come back', async () => {
    const first = await FlashBench.open('sync');
    first.write([{ pln: 1, sec: 0 }], pattern(SEC, 1));
    const bench = await FlashBench.open(first.store.reopened('held'));
    const write = bench.write([{ pln: 0, sec: 0 }], pattern(SEC, 2));
    const erase = bench.erase([{ pln: 1 }]);
    await bench.store.releaseAll();
    expect([write.status, erase.status]).toEqual([0, 0]);
    expect(bench.read([{ pln: 1, sec: 0 }]).status).toBe(Status.emptyPage);
    expectBytes(bench.read([{ pln: 0, sec: 0 }]).transfer.data, pattern(SEC, 2));
  });

  it('are refused when the rest of the unit cannot be read', async () => {
    const first = await FlashBench.open('sync');
    first.write([{ sec: 0 }], pattern(SEC, 1));
    const bench = await FlashBench.open(first.store.reopened('soon'));
    bench.store.unreadable.add(0);
    const outcome = await bench.finished(bench.write([{ sec: 1 }], pattern(SEC, 2)));
    expect(outcome.status).toBe(Status.internalError);
    expect(bench.flash.table.written(bench.block({}))).toBe(1);
  });
});

describe('reading', () => {
  it('says "empty page" for what was not written, and delivers the rest', async () => {
    const bench = await FlashBench.open();
    fill(bench, 4);
    const back = bench.read([{ sec: 3 }, { sec: 4 }, { pln: 1, sec: 0 }, { sec: 0 }]);
    expect([back.status, back.vector.failedLow]).toEqual([Status.emptyPage, 0b0110]);
    expectBytes(back.transfer.data.subarray(0, SEC), pattern(4 * SEC, 1).subarray(3 * SEC));
    expectBytes(back.transfer.data.subarray(SEC, 3 * SEC), new Uint8Array(2 * SEC).fill(0xee));
    expectBytes(back.transfer.data.subarray(3 * SEC), pattern(SEC, 1));
  });

  it('works on a bad block for what was written before', async () => {
    const bench = await FlashBench.open();
    fill(bench, 4);
    bench.mark([{}], BadBlock.grown);
    expect(bench.read(secs(0, 4)).status).toBe(Status.success);
    expect(bench.read(secs(4, 1)).status).toBe(Status.emptyPage);
  });

  it('sends nothing to a host without a metadata buffer', async () => {
    const bench = await FlashBench.open();
    fill(bench, 1);
    let status: number | undefined;
    const { vector } = bench.read([{ sec: 0 }]);
    bench.flash.read(vector, new FakeTransfer(new Uint8Array(SEC)), (s) => (status = s));
    expect(status).toBe(Status.success);
  });

  it.each(['sync', 'soon'] as const)('fails with ECC when the store cannot read (%s)', async (mode) => {
    const first = await FlashBench.open('sync');
    fill(first, 8);
    const bench = await FlashBench.open(first.store.reopened(mode));
    bench.store.unreadable.add(1);
    const back = await bench.finished(bench.read([{ sec: 4 }, { sec: 15 }]));
    expect(back.status).toBe(Status.eccFailure);
    expect(back.vector.failedLow & 1).toBe(1);
  });

  it('prefers "lost" to "empty" when both are in one command', async () => {
    const bench = await FlashBench.open('sync');
    fill(bench, 4);
    bench.store.units.clear();
    const back = bench.read([{ sec: 0 }, { sec: 9 }]);
    expect([back.status, back.vector.failedLow]).toEqual([Status.eccFailure, 3]);
  });

  it('and writing touch nothing once the host has given up', async () => {
    const first = await FlashBench.open('sync');
    fill(first, 1);
    const bench = await FlashBench.open(first.store.reopened('held'));
    const reading = bench.read([{ sec: 0 }]);
    const writing = bench.write([{ sec: 1 }], pattern(SEC, 2));
    reading.transfer.abandoned = true;
    writing.transfer.abandoned = true;
    await bench.store.releaseAll();
    expect([reading.status, writing.status]).toEqual([Status.abortedByRequest, Status.abortedByRequest]);
    expectBytes(reading.transfer.data, new Uint8Array(SEC).fill(0xee));
    expect(bench.flash.table.written(bench.block({}))).toBe(1);
  });
});

describe('the raw namespace', () => {
  async function readRaw(bench: FlashBench, lba: number, count: number) {
    const transfer = new FakeTransfer(new Uint8Array(count * SEC).fill(0xee));
    let status: number | undefined;
    bench.flash.readRaw(lba, count, transfer, (s) => (status = s));
    for (let i = 0; i < 200 && status === undefined; i++) await settle();
    return { status, data: transfer.data };
  }

  it.each(['sync', 'soon'] as const)(
    'is LUN, chunk, page, plane, sector; zeros where empty (%s)',
    async (mode) => {
      const first = await FlashBench.open('sync');
      const where = { lun: 1, chk: 2 };
      const data = pattern(4 * SEC, 1);
      first.write(secs(0, 4, { ...where, pln: 1 }), data);
      const bench = await FlashBench.open(first.store.reopened(mode));
      // 8 chunks of 32 sectors a LUN; plane 1 of page 0 is 4 sectors in.
      const lba = (1 * 8 + 2) * 32 + 4;
      const expected = new Uint8Array(200 * SEC);
      expected.set(data, 100 * SEC);
      const { status, data: back } = await readRaw(bench, lba - 100, 200);
      expect(status).toBe(Status.success);
      expectBytes(back, expected);
    },
  );

  it('covers the whole device', async () => {
    const bench = await FlashBench.open('sync');
    expect((await readRaw(bench, 0, bench.flash.geometry.totalSecs)).status).toBe(Status.success);
  });

  it('reads more than fits in the cache', { timeout: 5000 }, async () => {
    // 256 units of 256 KiB: the cache holds 128 of them.
    const geometry = { numLun: 1, numPln: 1, numChk: 2, numPg: 128, secsPerPg: 512, oobSizeBytes: 0 };
    const first = await FlashBench.open('sync', geometry);
    for (let block = 0; block < 2; block++) {
      const { table } = first.flash;
      table.writePointer[block] = 128 * 512;
      table.state[block] = ChunkState.closed;
    }
    first.store.shards.set(0, first.flash.table.packShard(0));
    const unit = pattern(512 * SEC, 1);
    for (let n = 0; n < 256; n++) first.store.units.set(n, unit);
    const bench = await FlashBench.open(first.store.reopened('soon'), geometry);
    const { status, data } = await readRaw(bench, 0, 2 * 128 * 512);
    expect(status).toBe(Status.success);
    expectBytes(data.subarray(255 * unit.byteLength), unit);
  });
});

describe('erasing', () => {
  it('frees the block, ages it, and lets it be written again', async () => {
    const bench = await FlashBench.open();
    fill(bench, 16);
    fill(bench, 16, { chk: 1 });
    expect(bench.erase([{}]).status).toBe(Status.success);
    const block = bench.block({});
    expect([bench.flash.table.state[block], bench.flash.table.eraseCount[block]]).toEqual([
      ChunkState.free,
      1,
    ]);
    expect(bench.read([{ sec: 0 }]).status).toBe(Status.emptyPage);
    expect(bench.read([{ chk: 1, sec: 0 }]).status).toBe(Status.success);
    expect(fill(bench, 4, {}, 7).status).toBe(Status.success);
    expectBytes(bench.read(secs(0, 4)).transfer.data, pattern(4 * SEC, 7));
  });

  it('in one plane leaves the other; the store lets go when the last is empty', async () => {
    const bench = await FlashBench.open();
    fill(bench, 16, { pln: 0 });
    fill(bench, 16, { pln: 1 }, 2);
    bench.erase([{ pln: 0 }]);
    expect(bench.read([{ pln: 0, sec: 0 }]).status).toBe(Status.emptyPage);
    expectBytes(bench.read(secs(0, 16, { pln: 1 })).transfer.data, pattern(16 * SEC, 2));
    expect(bench.store.units.size).toBe(4);
    bench.erase([{ pln: 1 }]);
    expect(bench.store.units.size).toBe(0);
  });

  it.each([2, 4])('takes all planes of a %i-plane erase, whichever the address names', async (numPln) => {
    const bench = await FlashBench.open('sync', { numPln });
    for (let pln = 0; pln < numPln; pln++) fill(bench, 16, { pln, chk: 2 });
    fill(bench, 16, { chk: 3 });
    expect(bench.erase([{ chk: 2, pln: numPln - 1 }], numPln).status).toBe(Status.success);
    for (let pln = 0; pln < numPln; pln++) {
      expect(bench.flash.table.state[bench.block({ chk: 2, pln })]).toBe(ChunkState.free);
    }
    expect(bench.flash.table.state[bench.block({ chk: 3 })]).toBe(ChunkState.closed);
    expect(bench.store.units.size).toBe(4);
  });

  it('of a bad block fails, of any plane of it fails the multi-plane erase', async () => {
    const bench = await FlashBench.open();
    fill(bench, 4, { pln: 0 });
    bench.mark([{ pln: 1 }], BadBlock.grown);
    const one = bench.erase([{ pln: 1 }, { chk: 1 }]);
    expect([one.status, one.vector.failedLow]).toEqual([Status.writeFailure, 1]);
    expect(bench.erase([{}], 2).status).toBe(Status.writeFailure);
    expect(bench.read([{ sec: 0 }]).status).toBe(Status.success);
  });
});

describe('bad blocks', () => {
  it('are in the table of their LUN, and survive', async () => {
    const bench = await FlashBench.open();
    const marked = [
      { lun: 2, chk: 3, pln: 1 },
      { lun: 2, chk: 0, pln: 0 },
    ];
    expect(bench.mark(marked, BadBlock.grown).status).toBe(Status.success);
    const again = await FlashBench.open(bench.store.reopened());
    const expected = new Uint8Array(16);
    expected[3 * 2 + 1] = BadBlock.grown;
    expected[0] = BadBlock.grown;
    expect(again.flash.badBlocks(0, 2)).toEqual(expected);
    expect(again.flash.badBlocks(0, 1)).toEqual(new Uint8Array(16));
    expect(again.write([{ lun: 2, chk: 3, pln: 1, sec: 0 }], pattern(SEC, 1)).status).toBe(
      Status.writeFailure,
    );
  });

  it('have values of the specification only', async () => {
    const bench = await FlashBench.open();
    expect(bench.mark([{}], 3).status).toBe(Status.invalidField);
    expect(bench.store.commits).toEqual([]);
  });
});

describe('write faults', () => {
  it('fail so many sectors after every so many', async () => {
    const bench = await FlashBench.open('sync', {}, { everySecs: 5, secs: 2 });
    const failed: number[] = [];
    // One sector at a time in as many blocks: a failed one does not drag others along.
    for (let n = 0; n < 21; n++) {
      const place = { lun: n % 4, chk: Math.floor(n / 4), sec: 0 };
      if (bench.write([place], pattern(SEC, n)).status === Status.writeFailure) failed.push(n);
    }
    expect(failed).toEqual([5, 6, 12, 13, 19, 20]);
  });

  it('leave the write pointer where it is and fail the rest of the block in that command', async () => {
    const bench = await FlashBench.open('sync', {}, { everySecs: 3, secs: 1 });
    const { status, vector } = fill(bench, 8);
    expect([status, vector.failedLow]).toEqual([Status.writeFailure, 0b1111_1000]);
    expect(bench.flash.table.written(bench.block({}))).toBe(3);
  });
});

describe('a store that fails', () => {
  it.each(['sync', 'soon'] as const)('fails every later change and leaves reads (%s)', async (mode) => {
    const bench = await FlashBench.open(mode);
    await bench.finished(fill(bench, 4));
    bench.store.failCommitIn = 1;
    expect((await bench.finished(bench.write(secs(4, 4), pattern(4 * SEC, 2)))).status).toBe(
      Status.internalError,
    );
    const before = bench.flash.table.packShard(0);
    expect(bench.write(secs(8, 4), pattern(4 * SEC, 3)).status).toBe(Status.internalError);
    expect(bench.erase([{}]).status).toBe(Status.internalError);
    expect(bench.mark([{ chk: 2 }], BadBlock.grown).status).toBe(Status.internalError);
    expect(bench.flash.table.packShard(0)).toEqual(before);
    expectBytes((await bench.finished(bench.read(secs(0, 4)))).transfer.data, pattern(4 * SEC, 1));
    expect(bench.store.commits).toHaveLength(1);
  });
});
