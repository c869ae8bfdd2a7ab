import { describe, expect, it } from 'vitest';
import type { NamespaceConfig } from '../../src/device/config.ts';
import { chunkDisk, openChannel, plainDisk } from '../driver/rig.ts';
import { Fuzz } from './fuzz.ts';
import { report } from './report.ts';

/**
 * Random and mutated commands, PRP lists, doorbells, register writes, EN storms and power cuts. Seeded:
 * FUZZ_SEED=… FUZZ_COMMANDS=… repeat a run. `npm run test:fuzz` runs a million with a new seed.
 */
const seed = Number(process.env.FUZZ_SEED ?? 1);
const total = Number(process.env.FUZZ_COMMANDS ?? 100_000);
/** Only the runs whose name contains this. */
const only = process.env.FUZZ_ONLY ?? '';

const small = { numLun: 2, numChk: 4, numPg: 4, secsPerPg: 2, secSizeBytes: 512 };
const disks: Readonly<Record<string, readonly NamespaceConfig[]>> = {
  'open-channel 1.2': [openChannel({ ...small, numPln: 2 }, { failWriteEverySecs: 50, failWriteSecs: 1 })],
  'open-channel 2.0': [
    chunkDisk(
      { ...small, numPg: 8, secsPerPg: 4 },
      { mccap: 3, peCycles: 20_000, writeRules: { wsMin: 2, wsOpt: 4, mwCunits: 8 } },
    ),
  ],
  plain: [plainDisk(512, 512), plainDisk(256, 4096)],
};
const runs = Object.entries(disks).flatMap(([name, namespaces]) =>
  (['sync', 'soon'] as const).map((store) => ({ title: `${name}, store ${store}`, namespaces, store })),
);
const chosen = runs.filter(({ title }) => title.includes(only));

describe('fuzz', () => {
  it.each(chosen)('$title', { timeout: 3_600_000 }, async ({ title, namespaces, store }) => {
    const rejections: unknown[] = [];
    const onRejection = (error: unknown) => rejections.push(error);
    process.on('unhandledRejection', onRejection);
    const commands = Math.ceil(total / chosen.length);
    const fuzz = new Fuzz({ seed, commands, namespaces, store, faults: true });
    const started = performance.now();
    try {
      await fuzz.run();
    } catch (error) {
      const again = `FUZZ_SEED=${seed} FUZZ_COMMANDS=${total} FUZZ_ONLY='${title}'`;
      throw new Error(`seed ${seed}, command ${fuzz.host.sent} (again: ${again})\n${String(error)}`, {
        cause: error,
      });
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    console.log(report(title, seed, fuzz, performance.now() - started));
    expect(rejections, `seed ${seed}`).toEqual([]);
    const { host } = fuzz;
    const { good, bad } = fuzz.totals;
    // Or nothing deep would have been tried.
    if (namespaces[0]?.kind !== 'ocssd20' || host.outcomes.get('admin e2h')?.good)
      expect(good / (good + bad), `seed ${seed}: share of commands that succeeded`).toBeGreaterThan(0.3);
  });
});
