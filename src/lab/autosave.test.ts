import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Autosave } from './autosave.ts';

let activity = 0;
let can = true;
let fails = false;
let saves: number[] = [];
let autosave: Autosave;

beforeEach(() => {
  vi.useFakeTimers();
  [activity, can, fails, saves] = [0, true, false, []];
  autosave = new Autosave({
    activity: () => activity,
    canSave: () => can,
    save: async () => {
      saves.push(activity);
      if (fails) throw new Error('at work');
    },
    nowMs: () => Date.now(),
  });
  autosave.start();
});
afterEach(() => {
  autosave.stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('saves once when it has been quiet for a while, and again after more has happened', async () => {
  await pass(2500);
  expect(saves).toEqual([]);
  await pass(1000);
  expect(saves).toEqual([0]);
  await pass(60_000);
  expect(saves).toEqual([0]);
  activity = 7;
  await pass(2500);
  expect(saves).toEqual([0]);
  await pass(1500);
  expect(saves).toEqual([0, 7]);
});

it('does not save while something goes on', async () => {
  for (let i = 0; i < 30; i++) {
    activity++;
    await pass(2000);
  }
  expect(saves).toEqual([]);
});

it('saves at once when the page is hidden, unless that would be the same', async () => {
  activity = 3;
  await autosave.now();
  expect(saves).toEqual([3]);
  await autosave.now();
  await pass(60_000);
  expect(saves).toEqual([3]);
});

it('tries again, ever more seldom', async () => {
  fails = true;
  await pass(200_000);
  expect(saves.length).toBe(6); // after 3, 8, 18, 38, 78 and 158 seconds
  fails = false;
  await pass(90_000);
  expect(saves.length).toBe(7);
  await pass(90_000);
  expect(saves.length).toBe(7);
});

it('saves nothing where nothing can be saved, nor after the power went', async () => {
  can = false;
  await pass(10_000);
  can = true;
  autosave.stop();
  await pass(10_000);
  await autosave.now();
  expect(saves).toEqual([]);
});

it('does not save again what has just been continued', async () => {
  autosave.start({ asSaved: true });
  await pass(60_000);
  expect(saves).toEqual([]);
  activity++;
  await pass(5000);
  expect(saves).toEqual([1]);
});
