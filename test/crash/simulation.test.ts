import { describe, expect, it } from 'vitest';
import { CACHE_MODES } from '../../src/storage/cache-mode.ts';
import { CRASH_SEED, hosts } from './hosts.ts';
import { simulate } from './simulation.ts';

/**
 * Clock, faults of the store and commands from one seed. CRASH_SEED=… repeats a run, CRASH_STEPS=… says how many
 * steps there are in all; `npm run test:crash` takes many with a new seed.
 */
const all = Number(process.env.CRASH_STEPS ?? 27_000);

const runs = hosts.flatMap(({ name, make }) => CACHE_MODES.map((mode) => ({ name, make, mode })));

describe('a simulation', () => {
  it.each(runs)('$name, $mode', { timeout: 3_600_000 }, async ({ name, make, mode }) => {
    const steps = Math.ceil(all / runs.length);
    const counts = await simulate(make, mode, { seed: CRASH_SEED, steps });
    const words = [...counts].sort().map(([what, count]) => `${what}: ${count}`);
    console.log(`${name}, ${mode}: CRASH_SEED=${CRASH_SEED}, ${steps} steps; ${words.join(', ')}`);
    for (const what of ['power cut', 'switched off', 'write 0'])
      expect(counts.get(what) ?? 0, what).toBeGreaterThan(0);
  });
});
