import { expect, it } from 'vitest';
import { FakeStore } from '../../test/fakes/fake-store.ts';
import { UnitStore } from './unit-store.ts';

const bytes = (value: number) => new Uint8Array(4096).fill(value);
const nothing = () => undefined;

/** Units 1 to 3 are stored; the store answers when told. */
function make() {
  const store = new FakeStore('held');
  for (const unit of [1, 2, 3]) store.units.set(unit, bytes(unit));
  return { store, units: new UnitStore(store, 4096) };
}

it('an erased unit is gone at once, before the erase is stored and while it is', async () => {
  const { store, units } = make();
  units.erase(1, 2);
  expect([units.get(1), units.get(2)]).toEqual([undefined, undefined]);
  units.commit('relaxed', nothing);
  await Promise.resolve();
  expect(store.waitingCommits).toBe(1);
  expect([units.get(1), units.get(2)]).toEqual([undefined, undefined]);
  expect(units.get(3)).toBeInstanceOf(Promise);
  await store.releaseAll();
  void units.get(1);
  await store.releaseAll();
  expect([units.get(1), store.units.has(1)]).toEqual([undefined, false]);
});

it('an erase hides what is on its way to the store, and a later put shows again', async () => {
  const { store, units } = make();
  units.put(1, bytes(9));
  units.commit('relaxed', nothing);
  await Promise.resolve();
  units.erase(0, 1000);
  expect(units.get(1)).toBeUndefined();
  units.put(1, bytes(10));
  expect(units.get(1)).toEqual(bytes(10));
  units.commit('relaxed', nothing);
  await store.releaseAll();
  expect(Array.from(store.units)).toEqual([[1, bytes(10)]]);
});

it('an erased unit stays gone when the commit before its own fails', async () => {
  const { store, units } = make();
  store.failCommitIn = 1;
  units.put(1, bytes(9));
  units.commit('relaxed', nothing);
  await Promise.resolve();
  units.erase(1, 2);
  units.put(2, bytes(10));
  units.commit('relaxed', nothing);
  await store.releaseAll();
  expect(units.failure).toBeDefined();
  expect([units.get(1), units.get(2)]).toEqual([undefined, bytes(10)]);
});
