import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import type { BuildOptions } from 'vite';
import { defineConfig } from 'vitest/config';
import { bootStateNames, bootStates } from './src/offline/boot-states-plugin.ts';
import { keptByName } from './src/offline/kept-by-name-plugin.ts';
import { offline } from './src/offline/plugin.ts';

/** The policy of public/_headers, so that the preview, and with it every end-to-end test, runs under it. */
const policy = /Content-Security-Policy: (.*)/.exec(
  readFileSync(new URL('public/_headers', import.meta.url), 'utf8'),
)?.[1];
if (policy === undefined) throw new Error('public/_headers names no content security policy.');

type Bundler = NonNullable<BuildOptions['rolldownOptions']>;

/** Whoever starts the lab reads what the build says: only what concerns them. */
const quiet: Bundler = {
  checks: { pluginTimings: false },
  onLog(level, log, handler) {
    // v86 asks for these modules in Node only.
    const isKnown = log.message.includes('has been externalized') && log.message.includes('v86');
    if (!isKnown) handler(level, log);
  },
};

export default defineConfig({
  // Relative, so that the built site works from any sub-path.
  base: './',
  plugins: [svelte(), bootStateNames(), bootStates(), offline(), keptByName()],
  worker: { format: 'es', plugins: () => [bootStateNames()], rolldownOptions: quiet },
  build: { target: 'es2022', outDir: 'dist', chunkSizeWarningLimit: 1200, rolldownOptions: quiet },
  preview: { port: 4173, strictPort: true, headers: { 'Content-Security-Policy': policy } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'workers/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.guest.test.ts'],
          // Long for any of them, and short for one that hangs: a busy machine must not fail a test.
          testTimeout: 30_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        extends: true,
        test: {
          name: 'guest',
          // Each file boots a real kernel, and takes a core for it.
          include: ['test/**/*.guest.test.ts', 'src/**/*.guest.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          // A guest beside another one, on a machine that does other things too, takes its time.
          expect: { poll: { timeout: 30_000 } },
        },
      },
    ],
  },
});
