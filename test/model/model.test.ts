import { describe, expect, it } from 'vitest';
import type { StoreMode } from '../fakes/fake-store.ts';
import { disks } from './disks.ts';

/**
 * Random commands, crashes, resets and failures on a disk and on a naive model of it at once. Seeded:
 * MODEL_SEED=… MODEL_RUNS=… repeat a run, MODEL_ONLY=… only those whose name contains it. fast-check prints
 * the seed and the shortest way to a failure. `npm run test:model` runs many with a new seed.
 */
const seed = Number(process.env.MODEL_SEED ?? 1);
const runs = Number(process.env.MODEL_RUNS ?? 12);
const only = process.env.MODEL_ONLY ?? '';

const modes: readonly StoreMode[] = ['sync', 'soon', 'held'];
const chosen = disks
  .flatMap(({ name, run }) => modes.map((mode) => ({ title: `${name}, store ${mode}`, mode, run })))
  .filter(({ title }) => title.includes(only));

describe('the device agrees with a model', () => {
  it.each(chosen)('$title', { timeout: 3_600_000 }, async ({ title, mode, run }) => {
    const seen = new Map<string, number>();
    let most = 0;
    await run(mode, {
      seed,
      runs,
      onend: (bench) => {
        for (const [deed, count] of bench.deeds) seen.set(deed, (seen.get(deed) ?? 0) + count);
        most = Math.max(most, bench.most);
      },
    });
    const counts = [...seen].sort().map(([deed, count]) => `${deed} ${count}`);
    console.log(`${title}: MODEL_SEED=${seed}, ${runs} runs; at most ${most} worlds; ${counts.join(', ')}`);
    // Or nothing much would have been tried.
    for (const deed of ['survey', 'power cut', 'controller reset', 'failure', 'write good', 'read good'])
      expect(seen.get(deed) ?? 0, deed).toBeGreaterThan(runs / 10);
  });
});
