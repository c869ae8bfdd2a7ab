import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';
import type { measure as MeasureDevice } from './device-run.ts';
import type { Figure } from './figure.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bench `device` (see device-run.ts). The code is bundled first, as the page's is: what runs TypeScript
 * directly wraps each closure to keep its name, and that would be measured as well.
 */
export async function benchDevice(tell: (line: string) => void): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lightnvm-lab-bench-'));
  try {
    await build({
      configFile: false,
      logLevel: 'error',
      root,
      publicDir: false,
      build: { ssr: join(root, 'bench/device-run.ts'), outDir: folder, minify: false, target: 'node20' },
    });
    const url = pathToFileURL(join(folder, 'device-run.js')).href;
    const { measure } = (await import(url)) as { measure: typeof MeasureDevice };
    return await measure(tell);
  } finally {
    await rm(folder, { recursive: true });
  }
}
