import { defineConfig } from 'playwright/test';
import { chromiumArguments, findChromium } from '../scripts/chromium.mjs';

const port = 4174;
const executablePath = findChromium();

/** End-to-end tests run on the built site (dist/), served as a static host would. */
export default defineConfig({
  testDir: '.',
  timeout: 240_000,
  expect: { timeout: 30_000 },
  fullyParallel: false,
  workers: 1, // each page emulates a computer; two cores are all there is
  retries: 0,
  reporter: [['list'], ['json']],
  use: {
    // Requests that a test answers itself must not be answered from the offline cache instead.
    serviceWorkers: 'block',
    actionTimeout: 20_000,
    baseURL: `http://localhost:${port}/`,
    locale: 'en-US',
    viewport: { width: 1440, height: 900 },
    screenshot: 'only-on-failure',
    launchOptions: { args: chromiumArguments(), ...(executablePath ? { executablePath } : {}) },
  },
  webServer: {
    command: `npx vite preview --port ${port} --strictPort`,
    cwd: '..',
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
  },
  outputDir: '../test-results',
});
