import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { build, preview } from 'vite';
import { ensureChromium } from '../scripts/chromium.mjs';
import { launch, pageOnDisk } from './browser.ts';

const root = join(fileURLToPath(import.meta.url), '..', '..');

export interface Site {
  readonly url: string;
  newPage(): Promise<Page>;
  /** See {@link pageOnDisk}. */
  newPageOnDisk(): Promise<Page>;
  close(): Promise<void>;
}

/** The built site on a port of its own, and a browser to look at it. */
export async function openSite(tell: (line: string) => void): Promise<Site> {
  ensureChromium();
  // The last file of a build.
  if (!existsSync(join(root, 'dist', 'sw.js'))) {
    tell('building the site');
    await build({ root, logLevel: 'warn' });
  }
  const server = await preview({ root, preview: { port: 0 }, logLevel: 'silent' });
  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('The site is served on no port.');
  const browser = await launch();
  return {
    url: `http://localhost:${address.port}/`,
    newPage: async () => (await browser.newContext()).newPage(),
    newPageOnDisk: pageOnDisk,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
