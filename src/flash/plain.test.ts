import { describe, expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { FakeStore, settle, type StoreMode } from '../../test/fakes/fake-store.ts';
import { FakeTransfer } from '../../test/fakes/fake-transfer.ts';
import { Status } from '../spec/status.ts';
import { PLAIN_UNIT_BYTES, PlainMedium } from './plain.ts';
import { UnitStore } from './unit-store.ts';

const SEC = 4096;
const SECS_PER_UNIT = PLAIN_UNIT_BYTES / SEC;

const openPlain = (totalSecs: number, store: FakeStore) =>
  new PlainMedium({ sizeBytes: totalSecs * SEC, secSizeBytes: SEC }, new UnitStore(store, PLAIN_UNIT_BYTES));

function make(mode: StoreMode, totalSecs = 64) {
  const store = new FakeStore(mode);
  return { store, medium: openPlain(totalSecs, store) };
}

function write(medium: PlainMedium, lba: number, data: Uint8Array) {
  const outcome: { status?: number } = {};
  medium.write(lba, data.byteLength / SEC, new FakeTransfer(data), (status) => (outcome.status = status));
  return outcome;
}

function read(medium: PlainMedium, lba: number, secs: number) {
  const transfer = new FakeTransfer(new Uint8Array(secs * SEC).fill(0xee));
  const outcome: { status?: number } = {};
  medium.read(lba, secs, transfer, (status) => (outcome.status = status));
  return { outcome, transfer, data: transfer.data };
}

async function readBack(medium: PlainMedium, lba: number, secs: number): Promise<Uint8Array> {
  const { outcome, data } = read(medium, lba, secs);
  for (let i = 0; i < 100 && outcome.status === undefined; i++) await settle();
  expect(outcome.status).toBe(Status.success);
  return data;
}

describe.each(['sync', 'soon'] as const)('a plain medium over a store that answers %s', (mode) => {
  it('reads zeros where nothing was written', async () => {
    const { medium } = make(mode);
    expectBytes(await readBack(medium, 3, 20), new Uint8Array(20 * SEC));
  });

  it('keeps runs of any place and length', async () => {
    const { medium, store } = make(mode);
    const model = new Uint8Array(64 * SEC);
    const runs = [
      [0, 8],
      [7, 2],
      [5, 30],
      [63, 1],
      [16, 8],
      [17, 3],
      [0, 64],
      [1, 62],
    ] as const;
    for (const [i, [lba, secs]] of runs.entries()) {
      const data = pattern(secs * SEC, i);
      model.set(data, lba * SEC);
      const outcome = write(medium, lba, data);
      for (let n = 0; n < 100 && outcome.status === undefined; n++) await settle();
      expect(outcome.status).toBe(Status.success);
      expectBytes(await readBack(medium, 0, 64), model);
    }
    const again = openPlain(64, store.reopened());
    expectBytes(await readBack(again, 0, 64), model);
  });
});

it('knows its bounds without overflow', () => {
  const { medium } = make('sync', 64);
  expect(medium.contains(0, 64)).toBe(true);
  expect(medium.contains(63, 1)).toBe(true);
  expect(medium.contains(63, 2)).toBe(false);
  expect(medium.contains(64, 1)).toBe(false);
  expect(medium.contains(2 ** 53, 1)).toBe(false);
  expect(medium.contains(2 ** 64, 1)).toBe(false);
});

it('writes to one unit at the same time keep each other’s blocks', async () => {
  const { medium, store } = make('held');
  const before = pattern(PLAIN_UNIT_BYTES, 1);
  store.units.set(0, before.slice());
  const outcomes = [1, 3, 6].map((lba) => write(medium, lba, pattern(SEC, 100 + lba)));
  await settle();
  expect(store.waitingReads).toBe(1);
  await store.releaseAll();
  expect(outcomes.map((o) => o.status)).toEqual([0, 0, 0]);
  const expected = before.slice();
  for (const lba of [1, 3, 6]) expected.set(pattern(SEC, 100 + lba), lba * SEC);
  expectBytes(await readBack(medium, 0, SECS_PER_UNIT), expected);
  expectBytes(store.units.get(0), expected);
});

it('a write while an older one of the same unit is under way loses neither', async () => {
  const { medium, store } = make('held');
  const first = write(medium, 0, pattern(PLAIN_UNIT_BYTES, 1));
  await settle();
  expect(store.waitingCommits).toBe(1);
  const second = write(medium, 2, pattern(SEC, 2));
  await store.releaseAll();
  expect([first.status, second.status]).toEqual([0, 0]);
  const expected = pattern(PLAIN_UNIT_BYTES, 1);
  expected.set(pattern(SEC, 2), 2 * SEC);
  expectBytes(store.units.get(0), expected);
});

it('a whole-unit write does not wait for what it replaces, and a read begun before it does not bring that back', async () => {
  const { medium, store } = make('held');
  store.units.set(0, pattern(PLAIN_UNIT_BYTES, 1));
  const old = read(medium, 0, 1);
  const fresh = pattern(PLAIN_UNIT_BYTES, 2);
  const outcome = write(medium, 0, fresh);
  await settle();
  await store.releaseCommits();
  expect(outcome.status).toBe(Status.success);
  await store.releaseReads();
  expect(old.outcome.status).toBe(Status.success);
  expectBytes(await readBack(medium, 0, SECS_PER_UNIT), fresh);
});

it('reads more than fits in its cache', { timeout: 5000 }, async () => {
  const units = 1100; // the cache holds 1024
  const { medium, store } = make('soon', units * SECS_PER_UNIT);
  store.units.set(0, pattern(PLAIN_UNIT_BYTES, 1));
  store.units.set(units - 1, pattern(PLAIN_UNIT_BYTES, 2));
  const data = await readBack(medium, 0, units * SECS_PER_UNIT);
  expectBytes(data.subarray(0, PLAIN_UNIT_BYTES), pattern(PLAIN_UNIT_BYTES, 1));
  expectBytes(data.subarray(data.byteLength - PLAIN_UNIT_BYTES), pattern(PLAIN_UNIT_BYTES, 2));
});

it.each(['sync', 'soon'] as const)('answers with an error when a unit cannot be read (%s)', async (mode) => {
  const { medium, store } = make(mode);
  store.unreadable.add(0);
  const reading = read(medium, 0, 1);
  const writing = write(medium, 1, pattern(SEC, 1));
  await settle();
  expect(reading.outcome.status).toBe(Status.eccFailure);
  expect(writing.status).toBe(Status.internalError);
  expect(store.commits).toEqual([]);
});

it('touches nothing for a command that was given up while it waited', async () => {
  const { medium, store } = make('held');
  store.units.set(0, pattern(PLAIN_UNIT_BYTES, 1));
  const reading = read(medium, 0, 1);
  const transfer = new FakeTransfer(pattern(SEC, 2));
  let written: number | undefined;
  medium.write(1, 1, transfer, (status) => (written = status));
  reading.transfer.abandoned = true;
  transfer.abandoned = true;
  await store.releaseAll();
  expect([reading.outcome.status, written]).toEqual([Status.abortedByRequest, Status.abortedByRequest]);
  expectBytes(reading.data, new Uint8Array(SEC).fill(0xee));
  expect(store.commits).toEqual([]);
});

it('refuses writes after a failed commit, and still reads', async () => {
  const { medium, store } = make('soon');
  const data = pattern(PLAIN_UNIT_BYTES, 1);
  write(medium, 0, data);
  await settle();
  store.failCommitIn = 1;
  const failed = write(medium, 8, pattern(SEC, 2));
  for (let i = 0; i < 10; i++) await settle();
  expect(failed.status).toBe(Status.internalError);
  expect(write(medium, 0, pattern(SEC, 3)).status).toBe(Status.internalError);
  expectBytes(await readBack(medium, 0, SECS_PER_UNIT), data);
});
