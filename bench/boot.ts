import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrowserContext, Page } from 'playwright';
import { ensureBootStates } from '../src/headless/boot-states.ts';
import { guestFolder } from '../src/headless/node-environment.ts';
import { DEFAULT_CMDLINE } from '../src/lab/guest-images.ts';
import { boot, tutorialLine } from '../test/boot.ts';
import { type Figure, figure } from './figure.ts';
import { openSite } from './site.ts';

/** From opening the page to the prompt, when it boots. */
const COLD_SEC = 6;
/** And when it goes on from a guest that has booted, with the files in the browser's cache. */
const INSTANT_SEC = 1;
/** Everything that a first visit transfers until the prompt. */
const FIRST_VISIT_MB = 8;
const RUNS = 5;
const SETTLE_MS = 2500;
const QEMU = 'qemu-system-i386';
const PROMPT = /ocssd:~# ?/;

/**
 * Seconds to a shell's prompt, and bytes: in Chromium from opening the page, in Node from power on, each when the
 * kernel boots (cold) and when a guest that has booted is restored (instant); under QEMU's TCG for comparison.
 */
export async function benchBoot(tell: (line: string) => void): Promise<Figure[]> {
  const qemu = await repeat(RUNS, qemuSeconds);
  tell(qemu === undefined ? `${QEMU} is not installed: no baseline` : `QEMU (TCG): ${qemu.toFixed(2)} s`);
  await ensureBootStates();
  const figures: Figure[] = [];
  for (const start of ['cold', 'instant'] as const) {
    const seconds = await repeat(RUNS, () => nodeSeconds(start));
    tell(`Node, ${start}: ${seconds?.toFixed(2)} s`);
    figures.push(figure('boot', `Node, power on to prompt, ${start}`, seconds ?? NaN, 's', qemu));
  }
  const site = await openSite(tell);
  try {
    const first = await site.newPage();
    await settled(first);
    const bytes = await transferred(first, () => pageSeconds(first, site.url));
    const context = first.context();
    await first.close();
    const instant = await repeat(RUNS, () => inTab(context, (tab) => pageSeconds(tab, site.url)));
    await context.close();
    const cold = await repeat(RUNS, async () => {
      const tab = await site.newPage();
      await settled(tab);
      await tab.addInitScript(() => localStorage.setItem('lightnvm-lab.cold', 'yes'));
      const seconds = await pageSeconds(tab, site.url);
      await tab.context().close();
      return seconds;
    });
    tell(`Chromium: cold ${cold?.toFixed(2)} s, instant ${instant?.toFixed(2)} s`);
    const mb = bytes / 1e6;
    figures.push(
      figure('boot', 'Chromium, page opened to prompt, cold, first visit', cold ?? NaN, 's', qemu, {
        text: `≤ ${COLD_SEC} s`,
        holds: (cold ?? NaN) <= COLD_SEC,
      }),
      figure(
        'boot',
        'Chromium, page opened to prompt, instant, files in the cache',
        instant ?? NaN,
        's',
        qemu,
        {
          text: `≤ ${INSTANT_SEC} s${qemu === undefined ? '' : ' and ≤ 1 × QEMU'}`,
          holds: (instant ?? NaN) <= Math.min(INSTANT_SEC, qemu ?? Infinity),
        },
      ),
      figure('boot', 'Chromium, first visit, bytes until the prompt', mb, 'MB', undefined, {
        text: `≤ ${FIRST_VISIT_MB} MB`,
        holds: mb <= FIRST_VISIT_MB,
      }),
    );
  } finally {
    await site.close();
  }
  return figures;
}

async function inTab<T>(context: BrowserContext, use: (tab: Page) => Promise<T>): Promise<T> {
  const tab = await context.newPage();
  await settled(tab);
  try {
    return await use(tab);
  } finally {
    await tab.close();
  }
}

/** A new tab has the browser read pages of its own for a second or two, which is no part of what is measured. */
function settled(tab: Page): Promise<void> {
  return tab.waitForTimeout(SETTLE_MS);
}

/** The prompt itself, as a person sees it. */
async function pageSeconds(tab: Page, url: string): Promise<number> {
  const started = performance.now();
  await tab.goto(url);
  await tab.getByTestId('power-on').first().click();
  await tab.waitForFunction(
    (prompt) =>
      new RegExp(prompt).test(
        document.querySelector('[data-testid=terminal-0] .xterm-rows')?.textContent ?? '',
      ),
    PROMPT.source,
    { timeout: 120_000, polling: 'raf' },
  );
  return (performance.now() - started) / 1000;
}

/** Bytes of all answers, headers too, that have come when `until` is over. */
async function transferred(tab: Page, until: () => Promise<unknown>): Promise<number> {
  const sizes: Promise<number>[] = [];
  tab.context().on('requestfinished', (request) => {
    const size = request.sizes().then(
      ({ responseBodySize, responseHeadersSize }) => responseBodySize + responseHeadersSize,
      () => 0, // of a blob: nothing was transferred
    );
    sizes.push(size);
  });
  await until();
  return (await Promise.all([...sizes])).reduce((sum, size) => sum + size, 0);
}

/** The median of some runs; undefined when a run has no answer. */
async function repeat(runs: number, once: () => Promise<number | undefined>): Promise<number | undefined> {
  const seconds: number[] = [];
  for (let i = 0; i < runs; i++) {
    const value = await once();
    if (value === undefined) return undefined;
    seconds.push(value);
  }
  return seconds.sort((a, b) => a - b)[runs >> 1];
}

async function nodeSeconds(start: 'cold' | 'instant'): Promise<number> {
  const started = performance.now();
  const guest = await boot({ line: tutorialLine, sizeMiB: 8192, cold: start === 'cold' });
  while (!PROMPT.test(guest.console())) await sleep(1);
  const seconds = (performance.now() - started) / 1000;
  await guest.off();
  return seconds;
}

/** The same kernel and initramfs under QEMU without KVM. */
function qemuSeconds(): Promise<number | undefined> {
  if (spawnSync(QEMU, ['--version']).status !== 0) return Promise.resolve(undefined);
  const started = performance.now();
  const qemu = spawn(QEMU, [
    ...['-accel', 'tcg', '-m', '128', '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'],
    ...['-kernel', join(guestFolder, 'bzImage'), '-initrd', join(guestFolder, 'initramfs.cpio.zst')],
    ...['-append', DEFAULT_CMDLINE],
  ]);
  return new Promise((resolve, reject) => {
    let text = '';
    const giveUp = setTimeout(() => {
      qemu.kill('SIGKILL');
      reject(new Error(`No prompt under ${QEMU} after a minute:\n${text.slice(-500)}`));
    }, 60_000);
    qemu.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (!PROMPT.test(text)) return;
      clearTimeout(giveUp);
      qemu.kill('SIGKILL');
      resolve((performance.now() - started) / 1000);
    });
  });
}
