import { expect, it } from 'vitest';
import { Waiting } from './waiting.ts';

it('one block that is written over and over has room for so many, and takes no longer for that', () => {
  const waiting = new Waiting<{ atMs: number }>();
  const copy = waiting.copy();
  for (let atMs = 0; atMs < 200_000; atMs++) waiting.add('a', 7, { atMs });
  expect([waiting.count, copy.count]).toEqual([1024, 0]);
  expect(waiting.take('a', 7, () => true)).toEqual({ atMs: 200_000 - 1024 });
  expect(waiting.count).toBe(1023);
});
