// `npm run test:crash`: cuts, tears and faults with a new seed, as each night: the sweep over many seeds, a long
// simulation, and a guest that boots after a hundred cuts. CRASH_SEED, CRASH_SEEDS, CRASH_DEEDS, CRASH_STEPS and
// CRASH_CUTS repeat or narrow a run; the seed is printed first. SAVE_CYCLES: how often a lab is saved and goes back.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const seed = process.env.CRASH_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
const env = {
  CRASH_SEEDS: '20',
  CRASH_DEEDS: '500',
  CRASH_STEPS: '300000',
  CRASH_CUTS: '100',
  SAVE_CYCLES: '50',
  ...process.env,
  CRASH_SEED: seed,
};
console.log(`CRASH_SEED=${seed}`);
const unit = run('npx', ['vitest', 'run', '--project', 'unit', 'test/crash'], { env });
const guest = run(
  'npx',
  ['vitest', 'run', '--project', 'guest', 'test/crash', 'test/saved-cycles', 'test/resume'],
  {
    env,
  },
);
process.exit(unit || guest);
