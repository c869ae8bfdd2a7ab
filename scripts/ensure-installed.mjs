// Installs the project's packages when they are missing or older than the lock file. Plain Node: it runs
// before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'node_modules', '.installed-from');

/** Says in one sentence what is missing and ends. */
export function giveUp(sentence) {
  console.error(`\n${sentence}`);
  process.exit(1);
}

/** Runs a program with its output shown; ends this one when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  });
  if (result.error) giveUp(`${command} could not be started (${result.error.message}); is it installed?`);
  return result.status ?? 1;
}

export function ensureInstalled() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    giveUp(
      `This needs Node.js 20.19 or newer, and this is ${process.versions.node}; install a newer one from nodejs.org.`,
    );
  }
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  // On standard error: the output of `npm run lab` is that of the guest's commands alone.
  console.error('Installing packages (once) …');
  const status = run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    stdio: ['inherit', 2, 2],
  });
  if (status !== 0)
    giveUp('The packages could not be installed: see the lines of npm above (is the network there?).');
  writeFileSync(stamp, lock);
}

/** Runs a TypeScript program of this checkout, through tsx, in this process's place. */
export function become(...path) {
  ensureInstalled();
  const args = ['--import', 'tsx', join(root, ...path), ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureInstalled();
