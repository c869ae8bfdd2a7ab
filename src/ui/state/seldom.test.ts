import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Seldom } from './seldom.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('works at once, then at most so often, and never loses the last', async () => {
  const work = vi.fn();
  const seldom = new Seldom(100, work);
  seldom.ask();
  expect(work).not.toHaveBeenCalled(); // whoever asks is not disturbed
  await Promise.resolve();
  expect(work).toHaveBeenCalledTimes(1);
  seldom.ask();
  seldom.ask();
  await Promise.resolve();
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(139);
  expect(work).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(work).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(500);
  expect(work).toHaveBeenCalledTimes(2);
});

it('keeps step with whoever asks about as often', async () => {
  const at: number[] = [];
  const seldom = new Seldom(100, () => at.push(Date.now()));
  const from = Date.now();
  for (const ms of [0, 95, 105, 100, 92]) {
    await vi.advanceTimersByTimeAsync(ms);
    seldom.ask();
    await Promise.resolve();
  }
  expect(at.map((ms) => ms - from)).toEqual([0, 95, 200, 300, 392]);
});

it('falls in step with one that asks as often, but at other moments', async () => {
  const at: number[] = [];
  const seldom = new Seldom(100, () => at.push(Date.now()));
  const from = Date.now();
  seldom.ask();
  await vi.advanceTimersByTimeAsync(20);
  for (let i = 0; i < 4; i++) {
    seldom.ask();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(at.map((ms) => ms - from)).toEqual([0, 120, 220, 320]);
});
