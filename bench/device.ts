import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'vite';
import type { Figure } from './figure.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bench `device` (see device-run.ts). The code is bundled first, as the page's is, and run by a Node of its own:
 * what runs TypeScript directly wraps each closure to keep its name, and that, or whatever else this process has
 * loaded, would be measured as well.
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
    const script = `
      const { measure } = await import(${JSON.stringify(url)});
      console.log(JSON.stringify(await measure((line) => console.error(line))));`;
    const running = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    running.child.stderr?.on('data', (lines: string) => lines.trim().split('\n').forEach(tell));
    return JSON.parse((await running).stdout) as Figure[];
  } finally {
    await rm(folder, { recursive: true });
  }
}
