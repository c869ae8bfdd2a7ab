import { expect, it } from 'vitest';
import { seeded } from '../../test/driver/pattern.ts';
import { FakeStore, settle } from '../../test/fakes/fake-store.ts';
import { BlockMarks, MARKS_SHARD_BYTES } from './block-marks.ts';
import { UnitStore } from './unit-store.ts';

const FIRST = 5000;
const UNITS = 1200;

function open(store = new FakeStore('sync')) {
  const units = new UnitStore(store, 4096);
  return { store, units, marks: new BlockMarks(units, FIRST, UNITS) };
}

it('agrees with a plain list of 64 flags a unit, and comes back as it was', async () => {
  const { store, units, marks } = open();
  const random = seeded(7);
  const model = new Uint8Array(UNITS * 64);
  const set = (unit: number, first: number, count: number, value: number) =>
    model.fill(value, unit * 64 + first, unit * 64 + first + count);
  for (let i = 0; i < 3000; i++) {
    const unit = random(UNITS);
    const first = random(64);
    const count = 1 + random(64 - first);
    const what = random(20);
    if (what === 0) {
      const units = 1 + random(UNITS - unit);
      marks.clearUnits(unit, units);
      model.fill(0, unit * 64, (unit + units) * 64);
    } else if (what === 1) {
      marks.invert(unit, count);
      for (let sec = 0; sec < count; sec++) model[unit * 64 + sec] = 1 - (model[unit * 64 + sec] ?? 0);
    } else {
      marks.mark(unit, first, count, what % 2 === 0);
      set(unit, first, count, what % 2 === 0 ? 1 : 0);
    }
    const run = model.subarray(unit * 64 + first, unit * 64 + first + count);
    expect([marks.any(unit, first, count), marks.all(unit, first, count)]).toEqual([
      run.includes(1),
      !run.includes(0),
    ]);
  }
  units.commit('relaxed', () => undefined);
  await settle();
  const again = open();
  for (const [shard, bytes] of store.shards) again.marks.load(shard, bytes);
  const read = (m: BlockMarks) =>
    Array.from(model, (_, at) => (m.any(Math.floor(at / 64), at % 64, 1) ? 1 : 0));
  expect(read(again.marks)).toEqual(Array.from(model));
  expect(Array.from(store.shards.keys()).every((shard) => shard >= FIRST && shard < FIRST + 3)).toBe(true);
});

it('stores nothing without a mark, and forgets the last one', () => {
  const { store, units, marks } = open();
  const commit = () => units.commit('relaxed', () => undefined);
  marks.mark(3, 0, 64, false);
  commit();
  expect([marks.isEmpty, store.shards.size]).toEqual([true, 0]);
  marks.mark(3, 31, 2, true);
  commit();
  const bytes = store.shards.get(FIRST);
  expect(bytes?.byteLength).toBe(MARKS_SHARD_BYTES);
  // Block 31 of unit 3 is the highest bit of its first word, block 32 the lowest of the second.
  expect(Array.from(bytes?.subarray(24, 32) ?? [])).toEqual([0, 0, 0, 0x80, 1, 0, 0, 0]);
  marks.mark(3, 31, 2, false);
  commit();
  expect([marks.isEmpty, store.shards.get(FIRST)]).toEqual([true, new Uint8Array(MARKS_SHARD_BYTES)]);
  const again = open();
  again.marks.load(FIRST, new Uint8Array(MARKS_SHARD_BYTES));
  again.marks.load(FIRST, new Uint8Array(12).fill(1));
  expect(again.marks.isEmpty).toBe(true);
});
