import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Queued, QueuedBlocks } from './queued-blocks.ts';

const A = 'a';

it('gives back who queued a block, the first who did first', () => {
  const blocks = new QueuedBlocks();
  const [one, two] = [
    { atMs: 1, process: 1 },
    { atMs: 2, process: 2 },
  ];
  for (let lba = 8; lba < 16; lba++) blocks.add(A, lba, one);
  for (let lba = 10; lba < 12; lba++) blocks.add(A, lba, two);
  expect(blocks.count).toBe(10);
  const copy = blocks.copy();
  expect([8, 11, 10, 10, 11, 12, 9, 9, 15].map((lba) => blocks.take(A, lba, 5)?.process)).toEqual([
    1,
    1,
    1,
    2,
    2,
    1,
    1,
    undefined,
    1,
  ]);
  expect(blocks.count).toBe(2);
  expect(blocks.take('b', 13, 5)).toBeUndefined();
  expect([copy.count, copy.take(A, 8, 5)]).toEqual([10, one]);
});

it('gives nothing that was queued after the block was written', () => {
  const blocks = new QueuedBlocks();
  blocks.add(A, 3, { atMs: 10, process: 1 });
  expect(blocks.take(A, 3, 5)).toBeUndefined();
  expect(blocks.take(A, 3, 10)).toMatchObject({ process: 1 });
});

it('is what a list would be, however much waits', () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(200), secs: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ take: fc.nat(220) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.boolean(), (steps, isCopied) => {
      let blocks = new QueuedBlocks();
      const list: { lba: number; queued: Queued }[] = [];
      for (const [i, s] of steps.entries()) {
        if ('add' in s) {
          const queued = { atMs: i, process: i };
          for (let lba = s.add; lba < s.add + s.secs; lba++) {
            blocks.add(A, lba, queued);
            list.push({ lba, queued });
          }
        } else {
          const at = list.findIndex(({ lba }) => lba === s.take);
          const [first] = at < 0 ? [] : list.splice(at, 1);
          expect(blocks.take(A, s.take, i)).toBe(first?.queued);
        }
        if (isCopied && i % 50 === 0) blocks = blocks.copy();
      }
      expect(blocks.count).toBe(list.length);
    }),
  );
});

it('forgets everything when far more waits than any buffer holds', () => {
  const blocks = new QueuedBlocks();
  const queued = { atMs: 1, process: 1 };
  for (let lba = 0; lba <= 1 << 17; lba++) blocks.add(A, lba, queued);
  expect([blocks.count, blocks.take(A, 5, 9)]).toEqual([0, undefined]);
});
