// `npm run test:matrix`: pblk on every shape of both specifications. Run it before an issue is called resolved.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const env = { ...process.env, MATRIX: '1' };
process.exit(
  run(
    'npx',
    [
      'vitest',
      'run',
      '--project',
      'guest',
      'test/pblk-matrix.guest.test.ts',
      'test/geometry.guest.test.ts',
      'test/geometry20.guest.test.ts',
      'test/trace.guest.test.ts',
      'test/causes.guest.test.ts',
    ],
    { env },
  ),
);
