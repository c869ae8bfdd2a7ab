// Which browser the tests drive: the system's Chromium where there is one, Playwright's own elsewhere.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { giveUp, run } from './ensure-installed.mjs';

const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The path of an installed browser, or undefined: then Playwright's download is used. */
export function findChromium() {
  const chosen = process.env.CHROMIUM_PATH;
  if (chosen) return chosen;
  return candidates.find((path) => existsSync(path));
}

/** Command line for Chromium: quiet on the network, and without a sandbox for root, who cannot have one. */
export function chromiumArguments() {
  const quiet = [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--disable-gpu',
  ];
  return process.getuid?.() === 0 ? ['--no-sandbox', ...quiet] : quiet;
}

/** Makes sure that there is a browser; ends with one sentence if there can be none. */
export function ensureChromium() {
  if (findChromium()) return;
  const canApt =
    process.getuid?.() === 0 && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (canApt) {
    console.log('Installing Chromium from the distribution (once) …');
    run('apt-get', ['update', '-qq']);
    run('apt-get', ['install', '-y', '-qq', 'chromium']);
    if (findChromium()) return;
  }
  console.log("Fetching Playwright's Chromium (once) …");
  if (run('npx', ['playwright', 'install', 'chromium']) !== 0) {
    giveUp('There is no browser to test with: install Chromium or Chrome, or set CHROMIUM_PATH to one.');
  }
}
