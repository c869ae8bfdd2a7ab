// `npm run test:model`: many random workloads against a model of the disk with a new seed, as each night.
// MODEL_SEED, MODEL_RUNS and MODEL_ONLY (part of a run's name) repeat or narrow a run; the seed is printed first.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const seed = process.env.MODEL_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
const runs = process.env.MODEL_RUNS ?? '1000';
console.log(`MODEL_SEED=${seed} MODEL_RUNS=${runs}`);
const env = { ...process.env, MODEL_SEED: seed, MODEL_RUNS: runs };
process.exit(run('npx', ['vitest', 'run', '--project', 'unit', 'test/model'], { env }));
