// `npm run test:fuzz`: a million hostile commands with a new seed, as each night. FUZZ_SEED, FUZZ_COMMANDS and
// FUZZ_ONLY (part of a run's name) repeat or narrow a run; the seed is printed first. And a million orderly ones, of
// which the recording has to have each once; and damaged and large files.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const seed = process.env.FUZZ_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const commands = process.env.FUZZ_COMMANDS ?? '1000000';
console.log(`FUZZ_SEED=${seed} FUZZ_COMMANDS=${commands}`);
const TRACE_COMMANDS = process.env.TRACE_COMMANDS ?? '1000000';
const env = {
  ...process.env,
  FUZZ_SEED: seed,
  FUZZ_COMMANDS: commands,
  TRACE_COMMANDS,
  MUTATIONS: '300',
  CONTAINER_MIB: '500',
};
const files = ['test/fuzz', 'test/million', 'src/trace/trace-file', 'src/storage/container'];
process.exit(run('npx', ['vitest', 'run', '--project', 'unit', ...files], { env }));
