import { expect, it } from 'vitest';
import { WriteGate } from './write-gate.ts';

const MIB = 1024 * 1024;

it('lets in what fits, and the others in their order as room comes', () => {
  const gate = new WriteGate();
  const begun: number[] = [];
  for (let i = 0; i < 10; i++) gate.enter(8 * MIB, () => begun.push(i));
  expect(begun).toEqual([0, 1, 2, 3]);
  gate.leave(8 * MIB);
  expect(begun).toEqual([0, 1, 2, 3, 4]);
  for (let i = 0; i < 9; i++) gate.leave(8 * MIB);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  gate.enter(100 * MIB, () => begun.push(10));
  expect(begun).toHaveLength(11);
});

it('lets in thousands that end at once without growing the stack', () => {
  const gate = new WriteGate();
  let ended = 0;
  for (let i = 0; i < 4; i++) gate.enter(8 * MIB, () => {});
  for (let i = 0; i < 50_000; i++) {
    gate.enter(1, () => {
      ended++;
      gate.leave(1);
    });
  }
  expect(ended).toBe(0);
  gate.leave(8 * MIB);
  expect(ended).toBe(50_000);
});
