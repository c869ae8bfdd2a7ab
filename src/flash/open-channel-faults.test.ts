import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { FlashBench, type Place } from '../../test/fakes/flash-bench.ts';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import { FlashFaults } from './open-channel-faults.ts';

// NVM_RSP_* of include/linux/lightnvm.h
const ERR_FAILWRITE = 0x40ff;
const ERR_EMPTYPAGE = 0x42ff;
const ERR_FAILECC = 0x4281;
const WARN_HIGHECC = 0x4700;

const SEC = 512;
const secs = (from: number, count: number, where: Omit<Place, 'sec'> = {}): Place[] =>
  Array.from({ length: count }, (_, i) => ({ ...where, sec: from + i }));

async function written(count = 8): Promise<FlashBench> {
  const bench = await FlashBench.open();
  bench.write(secs(0, count), pattern(count * SEC, 1), pattern(count * 16, 2));
  return bench;
}

describe('a read fault', () => {
  it('"ecc" keeps the data and sets the bit of the sector; the others are delivered', async () => {
    const bench = await written();
    bench.flash.faults.setRead(bench.block({}), 3, 'ecc');
    const { status, vector, transfer } = bench.read(secs(2, 3));
    expect([status, vector.failedLow]).toEqual([ERR_FAILECC, 0b010]);
    expectBytes(transfer.data.subarray(SEC, 2 * SEC), new Uint8Array(SEC).fill(0xee));
    expectBytes(transfer.data.subarray(0, SEC), pattern(8 * SEC, 1).subarray(2 * SEC, 3 * SEC));
    expect(transfer.refusals.at(-1)?.rule).toBe('fault');
  });

  it('"highEcc" is a warning: all the data, no bit', async () => {
    const bench = await written();
    bench.flash.faults.setRead(bench.block({}), 3, 'highEcc');
    const { status, vector, transfer } = bench.read(secs(0, 8));
    expect([status, vector.failedLow, vector.failedHigh]).toEqual([WARN_HIGHECC, 0, 0]);
    expectBytes(transfer.data, pattern(8 * SEC, 1));
    expectBytes(transfer.oob, pattern(8 * 16, 2));
  });

  it('that is worse is the one that is said: lost, then empty, then high', async () => {
    const bench = await written();
    const block = bench.block({});
    bench.flash.faults.setRead(block, 0, 'highEcc');
    expect(bench.read([{ sec: 0 }, { sec: 8 }]).status).toBe(ERR_EMPTYPAGE);
    expect(bench.read([{ sec: 8 }, { sec: 0 }]).status).toBe(ERR_EMPTYPAGE);
    bench.flash.faults.setRead(block, 1, 'ecc');
    for (const order of [
      [0, 1, 8],
      [8, 1, 0],
      [1, 0, 8],
    ])
      expect(bench.read(order.map((sec) => ({ sec }))).status).toBe(ERR_FAILECC);
  });

  it('of an unwritten sector is nothing: it is empty', async () => {
    const bench = await written();
    bench.flash.faults.setRead(bench.block({}), 12, 'ecc');
    expect(bench.read([{ sec: 12 }]).status).toBe(ERR_EMPTYPAGE);
  });

  it('goes with the data when the block is erased, and when it is cleared', async () => {
    const bench = await written();
    const { faults } = bench.flash;
    const block = bench.block({});
    faults.setRead(block, 3, 'ecc');
    faults.setRead(bench.block({ pln: 1 }), 0, 'ecc');
    bench.erase([{}]);
    bench.write(secs(0, 8), pattern(8 * SEC, 3));
    expect(bench.read(secs(0, 8)).status).toBe(0);
    expect(faults.none).toBe(false);
    faults.clearRead(bench.block({ pln: 1 }), 0);
    expect(faults.none).toBe(true);
  });
});

describe('a write fault', () => {
  it('fails the sector and what comes after it in the block; the rest is written', async () => {
    const bench = await FlashBench.open();
    bench.flash.faults.setWrite(bench.block({}), 5);
    const places = [...secs(0, 8), ...secs(0, 8, { pln: 1 })];
    const { status, vector, transfer } = bench.write(places, pattern(16 * SEC, 1));
    expect([status, vector.failedLow]).toEqual([ERR_FAILWRITE, 0b1110_0000]);
    expect(transfer.refusals[0]?.rule).toBe('fault');
    // What pblk reads back when it moves the data away, and what its recovery finds behind it.
    expect(bench.read(secs(0, 5)).status).toBe(0);
    expect(bench.read(secs(5, 1)).status).toBe(ERR_EMPTYPAGE);
    expect(bench.read(secs(0, 8, { pln: 1 })).status).toBe(0);
  });

  it('leaves nothing to write behind the bad cell, even after an erase, until it is cleared', async () => {
    const bench = await FlashBench.open();
    const block = bench.block({});
    bench.flash.faults.setWrite(block, 5);
    bench.write(secs(0, 8), pattern(8 * SEC, 1));
    expect(bench.write(secs(6, 1), pattern(SEC, 2)).status).toBe(ERR_FAILWRITE);
    expect(bench.write(secs(5, 1), pattern(SEC, 2)).status).toBe(ERR_FAILWRITE);
    bench.erase([{}]);
    expect(bench.write(secs(0, 8), pattern(8 * SEC, 1)).status).toBe(ERR_FAILWRITE);
    bench.flash.faults.clearWrite(block, 5);
    expect(bench.write(secs(5, 11), pattern(11 * SEC, 1)).status).toBe(0);
    expect(bench.flash.table.state[block]).toBe(ChunkState.closed);
  });

  it('is not tried again in the same command', async () => {
    const bench = await FlashBench.open();
    bench.flash.faults.setWrite(bench.block({}), 0);
    const { vector, transfer } = bench.write([{ sec: 1 }, { sec: 0 }], pattern(2 * SEC, 1));
    expect(vector.failedLow).toBe(0b11);
    expect(transfer.refusals.filter(({ rule }) => rule === 'fault')).toHaveLength(1);
  });
});

describe('an erase fault', () => {
  it('makes the block grown bad and offline, for good; the other plane is erased', async () => {
    const bench = await written();
    const block = bench.block({});
    bench.flash.faults.setErase(block);
    const { status, vector } = bench.erase([{}], 2);
    expect([status, vector.failedLow]).toEqual([ERR_FAILWRITE, 1]);
    expect(bench.flash.table.state[block]).toBe(ChunkState.offline);
    expect(bench.flash.badBlocks(0, 0)[0]).toBe(BadBlock.grown);
    expect(bench.flash.table.eraseCount[bench.block({ pln: 1 })]).toBe(1);
    bench.flash.faults.clearErase(block);
    expect(bench.erase([{}]).status).toBe(ERR_FAILWRITE);
    const again = await FlashBench.open(bench.store.reopened());
    expect(again.flash.badBlocks(0, 0)[0]).toBe(BadBlock.grown);
    expect(again.write(secs(8, 1), pattern(SEC, 1)).status).toBe(ERR_FAILWRITE);
  });
});

describe('faults by chance', () => {
  const draws = (seed: number): string => {
    const faults = new FlashFaults(16);
    faults.setRates({ ecc: 0.1, highEcc: 0.2, write: 0.3, erase: 0.5 }, seed);
    return Array.from(
      { length: 200 },
      (_, i) => `${faults.onRead(0, i % 16) ?? '-'}${faults.onWrite(1, 0)}${faults.onErase(2)}`,
    ).join();
  };

  it('follow from the seed', () => {
    expect(draws(7)).toBe(draws(7));
    expect(draws(7)).not.toBe(draws(8));
  });

  it('come about as often as asked for', () => {
    const faults = new FlashFaults(16);
    faults.setRates({ write: 0.25 }, 1);
    let failed = 0;
    for (let i = 0; i < 10_000; i++) if (faults.onWrite(0, 0)) failed++;
    expect(failed).toBeGreaterThan(2300);
    expect(failed).toBeLessThan(2700);
    expect(faults.onErase(0)).toBe(false);
  });

  it('end with clear()', () => {
    const faults = new FlashFaults(16);
    faults.setRates({ write: 1 }, 1);
    faults.setErase(3);
    expect([faults.none, faults.onWrite(0, 0), faults.onErase(3)]).toEqual([false, true, true]);
    faults.clear();
    expect([faults.none, faults.onWrite(0, 0), faults.onErase(3)]).toEqual([true, false, false]);
  });
});
