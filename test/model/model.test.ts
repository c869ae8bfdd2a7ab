import { describe, expect, it } from 'vitest';
import type { StoreMode } from '../fakes/fake-store.ts';
import { runModel } from './commands.ts';
import { Dialect12 } from './ocssd12.ts';
import { Dialect20 } from './ocssd20.ts';
import { DialectPlain } from './plain.ts';

const seed = Number(process.env.MODEL_SEED ?? 1);
const runs = Number(process.env.MODEL_RUNS ?? 60);
/** Only the runs whose name contains this. */
const only = process.env.MODEL_ONLY ?? '';

const disks = {
  'open-channel 1.2': () => (mode: StoreMode, options: Parameters<typeof runModel>[2]) =>
    runModel(() => new Dialect12(), mode, options),
  // Chunks that wear out soon; a free chunk may not be reset again.
  'open-channel 2.0': () => (mode: StoreMode, options: Parameters<typeof runModel>[2]) =>
    runModel(() => new Dialect20({ peCycles: 2, mccap: 1 }), mode, options),
  'open-channel 2.0, durable': () => (mode: StoreMode, options: Parameters<typeof runModel>[2]) =>
    runModel(() => new Dialect20({ peCycles: 1000, mccap: 3 }), mode, options),
  plain: () => (mode: StoreMode, options: Parameters<typeof runModel>[2]) =>
    runModel(() => new DialectPlain(), mode, options),
};
const modes: readonly StoreMode[] = ['sync', 'soon', 'held'];
const chosen = Object.entries(disks)
  .flatMap(([name, run]) => modes.map((mode) => ({ title: `${name}, store ${mode}`, mode, run: run() })))
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
    expect(seen.get('survey')).toBeGreaterThan(runs);
  });
});
