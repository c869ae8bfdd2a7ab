// `npm start`: installs, builds when something changed, serves the built site and prints its address.
import { statSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, giveUp, root, run } from './ensure-installed.mjs';

const port = Number(process.env.PORT ?? 4173);
if (!Number.isInteger(port) || port < 1 || port > 65535)
  giveUp(`PORT is ${process.env.PORT}; it has to be a number from 1 to 65535.`);

/** Time of the newest file below a path. */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

ensureInstalled();
const built = join(root, 'dist', 'index.html');
const sources = ['src', 'workers', 'public', 'index.html', 'vite.config.ts', 'package-lock.json'];
if (!existsSync(built) || sources.some((path) => newest(join(root, path)) > newest(built))) {
  console.log('Building the site (half a minute the first time) …');
  // Warnings and errors only: what the files are called says nothing to who wants to see the page.
  if (run('npx', ['vite', 'build', '--logLevel=warn']) !== 0)
    giveUp('The site could not be built: see the lines above.');
}

const { preview } = await import('vite');
try {
  const server = await preview({ root, preview: { port, strictPort: true } });
  console.log(`\nLightNVM Lab is at http://localhost:${port}/  (Ctrl+C ends it)`);
  const stop = () => void server.close().then(() => process.exit(0));
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
} catch (error) {
  giveUp(
    `The site could not be served on port ${port} (${error.message}); choose another with PORT=… npm start.`,
  );
}
