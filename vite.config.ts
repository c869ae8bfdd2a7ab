import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readFileSync } from 'node:fs';
import { VitePWA } from 'vite-plugin-pwa';
import { defineConfig } from 'vitest/config';

/** The policy of public/_headers, so that the preview, and with it every end-to-end test, runs under it. */
const policy = /Content-Security-Policy: (.*)/.exec(
  readFileSync(new URL('public/_headers', import.meta.url), 'utf8'),
)?.[1];
if (policy === undefined) throw new Error('public/_headers names no content security policy.');

export default defineConfig({
  // Relative, so that the built site works from any sub-path.
  base: './',
  plugins: [
    svelte(),
    // Everything is kept at the first visit, the guest's files included: the lab then works offline. A new
    // version is taken at the next visit; a page that is open is never reloaded under a running guest.
    VitePWA({
      registerType: 'autoUpdate',
      injectRegister: null, // src/main.ts does, after the boot
      manifest: {
        name: 'LightNVM Lab',
        short_name: 'LightNVM Lab',
        description: 'A real Linux drives an open-channel SSD in your browser tab.',
        start_url: './',
        display: 'standalone',
        background_color: '#ffffff',
        theme_color: '#0b5fb8',
        icons: [{ src: 'favicon.svg', sizes: 'any', type: 'image/svg+xml' }],
      },
      workbox: {
        globPatterns: ['**/*.{html,js,css,svg,wasm,json,zst,bin}', 'guest/bzImage'],
        // v86.wasm and the kernel are larger than the usual limit of 2 MiB.
        maximumFileSizeToCacheInBytes: 16 * 1024 * 1024,
      },
    }),
  ],
  worker: { format: 'es' },
  build: { target: 'es2022', outDir: 'dist', chunkSizeWarningLimit: 1200 },
  preview: { port: 4173, strictPort: true, headers: { 'Content-Security-Policy': policy } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/*.guest.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'guest',
          // Each file boots a real kernel: one at a time, two cores are all there is.
          include: ['test/**/*.guest.test.ts', 'src/**/*.guest.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
