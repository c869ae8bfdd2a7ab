// `npm run test:kills`: kills the renderer and the whole browser while a guest writes (see e2e/kills.ts).
// KILLS says how often each (10), KILLS_SEED repeats the moments.
import { ensureInstalled } from './ensure-installed.mjs';

ensureInstalled();
const { ensureChromium } = await import('./chromium.mjs');
ensureChromium();
const { become } = await import('./ensure-installed.mjs');
become('e2e', 'kills.ts');
