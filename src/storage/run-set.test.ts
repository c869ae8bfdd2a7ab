import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunSet } from './run-set.ts';

describe('a set of runs', () => {
  it('holds what a set of numbers would, in as few runs as can be', () => {
    const run = fc.tuple(fc.nat(40), fc.nat(6));
    fc.assert(
      fc.property(fc.array(run), (added) => {
        const runs = new RunSet();
        const numbers = new Set<number>();
        for (const [first, count] of added) {
          runs.add(first, count);
          for (let i = 0; i < count; i++) numbers.add(first + i);
        }
        expect(Array.from({ length: 50 }, (_, i) => runs.has(i))).toEqual(
          Array.from({ length: 50 }, (_, i) => numbers.has(i)),
        );
        expect(runs.isEmpty).toBe(numbers.size === 0);
        const held = runs.runs();
        expect(
          held.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i)),
        ).toEqual([...numbers].sort((a, b) => a - b));
        const gaps = held
          .slice(1)
          .map(({ first }, i) => first - (held[i]?.first ?? 0) - (held[i]?.count ?? 0));
        expect(Math.min(1, ...gaps)).toBe(1);
      }),
    );
  });
});
