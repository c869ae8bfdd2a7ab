import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { ensureChromium } from '../scripts/chromium.mjs';
import { pageOnDisk } from './browser.ts';
import type { StorageJob } from './storage-worker.ts';

const PAGE = `<!doctype html><title>bench</title><script>
  const worker = new Worker('/worker.js', { type: 'module' });
  window.runJob = (job) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => data.error === undefined ? resolve(data.value) : reject(new Error(data.error));
    worker.postMessage(job);
  });
</script>`;

/** A page of the bench's own with our store in a worker, in a browser whose profile is on a disk. */
export interface StoragePage {
  run<T>(job: StorageJob): Promise<T>;
  close(): Promise<void>;
}

export async function openStoragePage(): Promise<StoragePage> {
  ensureChromium();
  const worker = await bundle();
  const server = createServer((request, response) => {
    const isWorker = request.url === '/worker.js';
    response.setHeader('Content-Type', isWorker ? 'text/javascript' : 'text/html');
    response.end(isWorker ? worker : PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The bench is served on no port.');
  const page = await pageOnDisk();
  await page.goto(`http://localhost:${address.port}/`);
  return {
    run: <T>(job: StorageJob) =>
      page.evaluate(
        (j) => (window as unknown as { runJob(job: unknown): Promise<unknown> }).runJob(j),
        job,
      ) as Promise<T>,
    async close() {
      await page.context().close();
      server.close();
    },
  };
}

async function bundle(): Promise<string> {
  const entry = join(fileURLToPath(import.meta.url), '..', 'storage-worker.ts');
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      target: 'es2022',
      minify: false,
      lib: { entry, formats: ['es'], fileName: 'worker' },
    },
  });
  const [first] = Array.isArray(built) ? built : [built];
  const chunk = first && 'output' in first ? first.output[0] : undefined;
  if (chunk?.type !== 'chunk') throw new Error('The worker of the bench could not be bundled.');
  return chunk.code;
}
