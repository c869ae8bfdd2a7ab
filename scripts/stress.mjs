// `npm run test:stress`: what takes too long for every landing. Run it before an issue is called resolved.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const env = { ...process.env, STRESS: '1' };
process.exit(run('npx', ['vitest', 'run', '--project', 'guest', 'test/stress.guest.test.ts'], { env }));
