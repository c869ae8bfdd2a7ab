import { describe, expect, it } from 'vitest';
import { CRASH_SEED, hosts, modes } from './hosts.ts';
import { sweep } from './sweep.ts';

/**
 * The power goes at every transaction of a workload as pblk makes it. CRASH_SEED=… repeats a run, CRASH_SEEDS=…
 * runs as many; `npm run test:crash` runs many with a new seed.
 */
const seeds = Number(process.env.CRASH_SEEDS ?? 2);
const DEEDS = 500;

const runs = hosts.flatMap(({ name, make }) => modes.map((mode) => ({ name, make, mode })));

describe('a cut of the power at every transaction', () => {
  it.each(runs)('$name, $mode', { timeout: 3_600_000 }, async ({ name, make, mode }) => {
    let all = 0;
    for (let i = 0; i < seeds; i++) {
      const { cuts, counts } = await sweep(make, mode, CRASH_SEED + i, DEEDS);
      all += cuts;
      // Or nothing much would have been tried.
      for (const word of ['write 0', 'read 0', 'flush 0', name === 'plain' ? 'deallocation 0' : 'reset 0'])
        expect(counts.get(word) ?? 0, word).toBeGreaterThan(1);
    }
    console.log(`${name}, ${mode}: CRASH_SEED=${CRASH_SEED}, ${all} cuts`);
    expect(all).toBeGreaterThan(40);
  });
});
