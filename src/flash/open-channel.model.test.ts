import fc from 'fast-check';
import { expect, it } from 'vitest';
import { pattern } from '../../test/driver/pattern.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { settle } from '../../test/fakes/fake-store.ts';
import { FlashBench, type Outcome, type Place } from '../../test/fakes/flash-bench.ts';
import { Status } from '../spec/status.ts';

/** What a block is in the model: the seeds of the sectors written, in order. */
type Block = number[];

const SEC = 512;
const GEOMETRY = { numLun: 2, numPln: 2, numChk: 2, numPg: 2, secsPerPg: 2 };
const BLOCKS = 8;
const SECS_PER_BLK = 4;
const place = (block: number): Omit<Place, 'sec'> => ({
  lun: block & 1,
  pln: (block >> 1) & 1,
  chk: (block >> 2) & 1,
});

const blocks = fc.integer({ min: 0, max: BLOCKS - 1 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      block: blocks,
      secs: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('erase' as const), block: blocks }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), later: fc.nat(3) }) },
);

it(
  'agrees with an array of blocks, over any operations, with crashes in between',
  { timeout: 20_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('sync', 'held'),
        fc.array(step, { maxLength: 40 }),
        async (mode, steps) => {
          let bench = await FlashBench.open(mode as 'sync' | 'held', GEOMETRY);
          /** What the flash says now, and what was acknowledged: after a crash it is something in between. */
          const now: Block[] = Array.from({ length: BLOCKS }, () => []);
          /** Every state each block was in since the last thing that is surely durable. */
          let possible: Block[][] = now.map((b) => [b.slice()]);
          let running: { outcome: Outcome; block: number; after: Block }[] = [];
          let seed = 1;

          /** What has been acknowledged can no longer be undone by a crash. */
          const acknowledge = () => {
            for (const { outcome, block, after } of running) {
              if (outcome.status === undefined) continue;
              expect(outcome.status).toBe(Status.success);
              const states = possible[block] as Block[];
              possible[block] = states.slice(states.indexOf(after));
            }
            running = running.filter(({ outcome }) => outcome.status === undefined);
          };
          const change = (block: number, after: Block, outcome: Outcome) => {
            now[block] = after;
            (possible[block] as Block[]).push(after);
            running.push({ outcome, block, after });
            acknowledge();
          };
          const finishAll = async () => {
            await settle();
            await bench.store.releaseAll();
            acknowledge();
            expect(running).toEqual([]);
          };
          const check = async (block: number) => {
            const content = now[block] as Block;
            for (let sec = 0; sec < SECS_PER_BLK; sec++) {
              const outcome = bench.read([{ ...place(block), sec }]);
              await bench.store.releaseReads();
              const seedOf = content[sec];
              expect(outcome.status).toBe(seedOf === undefined ? Status.emptyPage : Status.success);
              if (seedOf === undefined) continue;
              expectBytes(outcome.transfer.data, pattern(SEC, seedOf));
              expectBytes(outcome.transfer.oob, pattern(16, seedOf));
            }
          };

          for (const s of steps) {
            if (s.do === 'write') {
              const content = now[s.block] as Block;
              const count = Math.min(s.secs, SECS_PER_BLK - content.length);
              if (count === 0) continue;
              // A unit that is still loading would answer later: here the model needs it now.
              if (mode === 'held') for (let i = 0; i < 4; i++) await check(s.block ^ (i & 2));
              const seeds = Array.from({ length: count }, () => seed++);
              const outcome = bench.write(
                seeds.map((_, i) => ({ ...place(s.block), sec: content.length + i })),
                Buffer.concat(seeds.map((n) => pattern(SEC, n))),
                Buffer.concat(seeds.map((n) => pattern(16, n))),
              );
              change(s.block, [...content, ...seeds], outcome);
            } else if (s.do === 'erase') {
              change(s.block, [], bench.erase([place(s.block)]));
            } else if (s.do === 'wait') {
              await finishAll();
              for (let block = 0; block < BLOCKS; block++) await check(block);
            } else {
              // The power goes after a few more transactions have finished.
              await settle();
              for (let i = 0; i < s.later; i++) await bench.store.releaseCommits(1);
              acknowledge();
              bench = await FlashBench.open(bench.store.reopened(), GEOMETRY);
              running = [];
              for (let block = 0; block < BLOCKS; block++) {
                const written = bench.flash.table.written(bench.block(place(block)));
                const found: Block[] = [];
                for (const candidate of possible[block] as Block[]) {
                  if (candidate.length !== written) continue;
                  now[block] = candidate;
                  try {
                    await check(block);
                    found.push(candidate);
                  } catch {
                    // Not this one of those with as many sectors.
                  }
                }
                expect(
                  found.length,
                  `block ${block} is in a state it never was in, or an acknowledged one is lost`,
                ).toBeGreaterThan(0);
                now[block] = found[found.length - 1] as Block;
              }
              possible = now.map((b) => [b]);
            }
            expect(bench.store.overlaps).toBe(0);
          }
          await finishAll();
          for (let block = 0; block < BLOCKS; block++) await check(block);
        },
      ),
      { numRuns: 60 },
    );
  },
);
