// `npm run test:long`: tests of `npm test` that take too long for every landing. Run it before an issue is called resolved.
import { ensureInstalled, run } from './ensure-installed.mjs';

ensureInstalled();
const { ensureChromium } = await import('./chromium.mjs');
ensureChromium();
const env = { ...process.env, LONG: '1' };
const npx = (...args) => {
  if (run('npx', args, { env }) !== 0) process.exitCode = 1;
};
npx('vite', 'build', '--logLevel=warn');
npx(
  'vitest',
  'run',
  '--project',
  'guest',
  ...['cache-modes', 'headless', 'instant', 'lnvm', 'machine-life', 'nvme-cli', 'resume', 'tutorial'].map(
    (name) => `test/${name}.guest`,
  ),
  'src/machine/machine.guest',
);
npx('playwright', 'test', '--config', 'e2e/playwright.config.ts', 'persistence', 'wrong-input');
