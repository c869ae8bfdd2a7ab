import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright';
import { chromiumArguments, findChromium } from '../scripts/chromium.mjs';

function launchOptions() {
  const executablePath = findChromium();
  return { args: chromiumArguments(), ...(executablePath ? { executablePath } : {}) };
}

/** A browser whose pages keep their data in memory. */
export function launch(): Promise<Browser> {
  return chromium.launch(launchOptions());
}

/** A page of a browser of its own whose profile is on a disk, as a reader's is; its context's end is the browser's. */
export async function pageOnDisk(): Promise<Page> {
  const profile = await mkdtemp(join(tmpdir(), 'lnvm-bench-'));
  const context = await chromium.launchPersistentContext(profile, launchOptions());
  // The browser still writes for a moment; what is left over is in the folder for such things.
  const remove = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 };
  context.on('close', () => void rm(profile, remove).catch(() => undefined));
  return context.pages()[0] ?? context.newPage();
}
