import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright';
import { build, preview } from 'vite';
import { BOOT_STATES } from '../src/lab/boot-state.ts';
import { chromiumArguments, ensureChromium, findChromium } from '../scripts/chromium.mjs';

const REMOVE = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 };
const root = join(fileURLToPath(import.meta.url), '..', '..');

export interface Site {
  readonly url: string;
  newPage(): Promise<Page>;
  /** A page of a browser of its own whose profile is on a disk, as a reader's is; the others keep theirs in memory. */
  newPageOnDisk(): Promise<Page>;
  close(): Promise<void>;
}

/** The built site on a port of its own, and a browser to look at it. */
export async function openSite(tell: (line: string) => void): Promise<Site> {
  ensureChromium();
  if (!existsSync(join(root, 'dist', 'guest', BOOT_STATES))) {
    tell('building the site');
    await build({ root, logLevel: 'warn' });
  }
  const server = await preview({ root, preview: { port: 0 }, logLevel: 'silent' });
  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('The site is served on no port.');
  const executablePath = findChromium();
  const browser: Browser = await chromium.launch({
    args: chromiumArguments(),
    ...(executablePath ? { executablePath } : {}),
  });
  return {
    url: `http://localhost:${address.port}/`,
    newPage: async () => (await browser.newContext()).newPage(),
    async newPageOnDisk() {
      const profile = await mkdtemp(join(tmpdir(), 'lnvm-bench-'));
      const context = await chromium.launchPersistentContext(profile, {
        args: chromiumArguments(),
        ...(executablePath ? { executablePath } : {}),
      });
      // The browser still writes for a moment; what is left over is in the folder for such things.
      context.on('close', () => void rm(profile, REMOVE).catch(() => undefined));
      return context.pages()[0] ?? context.newPage();
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}
