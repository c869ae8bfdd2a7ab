import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrowserContext, Page } from 'playwright';
import { ensureBootStates } from '../src/headless/boot-states.ts';
import { guestFolder } from '../src/headless/node-environment.ts';
import { DEFAULT_CMDLINE } from '../src/lab/guest-images.ts';
import { boot, createTarget, tutorialLine } from '../test/boot.ts';
import { type Figure, figure, median } from './figure.ts';
import { openSite, type Site } from './site.ts';

/** From opening the page to the prompt, when it boots. */
const COLD_SEC = 6;
/** And when it goes on from a guest that has booted, with the files in the browser's cache. */
const INSTANT_SEC = 1;
/** From the click on a saved machine until its shell echoes what is typed at the prompt. */
const RESTORE_SEC = 0.5;
/** Everything that a first visit transfers until the prompt. */
const FIRST_VISIT_MB = 8;
const RUNS = 5;
const SETTLE_MS = 2500;
const QEMU = 'qemu-system-i386';
const PROMPT = /ocssd:~# ?/;

/** The service worker begins to keep the site 3 s after the guest is ready, and takes some seconds. */
const KEPT_MS = 12_000;

/**
 * Seconds to a shell's prompt, and bytes: in Chromium from opening the page, in Node from power on, each when the
 * kernel boots (cold) and when a guest that has booted is restored (instant); under QEMU's TCG for comparison.
 * The page has its profile on a disk: a cache in memory does not take a file of the guest's size.
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
    const first = await newPage(site);
    const bytes = await transferred(first, () => pageSeconds(first, site.url));
    const context = first.context();
    // Closed at once: the service worker, which this page would register soon, is measured below.
    await context.newPage();
    await first.close();
    const instant = await repeat(RUNS, () => inTab(context, (tab) => pageSeconds(tab, site.url)));
    await inTab(context, async (tab) => {
      await pageSeconds(tab, site.url);
      await tab.waitForTimeout(KEPT_MS);
    });
    const kept = await repeat(RUNS, () => inTab(context, (tab) => pageSeconds(tab, site.url)));
    await context.close();
    const cold = await repeat(RUNS, async () => {
      const tab = await newPage(site);
      await tab.addInitScript(() => localStorage.setItem('lightnvm-lab.cold', 'yes'));
      const seconds = await pageSeconds(tab, site.url);
      await tab.context().close();
      return seconds;
    });
    const restored = await restoreSeconds(site);
    const all = [cold, instant, kept, restored.echo, restored.command].map((seconds) => seconds?.toFixed(2));
    tell(
      `Chromium: cold ${all[0]} s, instant ${all[1]} s, instant by the service worker ${all[2]} s; a saved lab ${all[3]} s to an echo, ${all[4]} s to the end of a command`,
    );
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
      figure('boot', 'Chromium, the same, files kept by the service worker', kept ?? NaN, 's', qemu),
      figure(
        'boot',
        'Chromium, a saved lab of 128 MiB with a target, click to the echo of a key',
        restored.echo,
        's',
        qemu,
        { text: `≤ ${RESTORE_SEC} s`, holds: restored.echo <= RESTORE_SEC },
      ),
      figure('boot', 'Chromium, the same, click to the end of a command', restored.command, 's', qemu),
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

/** A page of a browser of its own that powers on by itself. */
async function newPage(site: Site): Promise<Page> {
  const tab = await site.newPageOnDisk();
  await tab.context().addInitScript(POWER_ON_AT_ONCE);
  await settled(tab);
  return tab;
}

/** A new tab has the browser read pages of its own for a second or two, which is no part of what is measured. */
function settled(tab: Page): Promise<void> {
  return tab.waitForTimeout(SETTLE_MS);
}

interface Measured {
  promptMs?: number;
}

/**
 * For the page: clicks as soon as there is something to click, and looks for the prompt as a person sees it. A script
 * outside takes a tenth of a second to find a button, to see that it does not move and to click. As text, since the
 * bundler's names for functions are not there in the page.
 */
const POWER_ON_AT_ONCE = `{
  // What an earlier page left running would go on by itself.
  if (location.protocol === 'http:') localStorage.setItem('lightnvm-lab.goOn', 'no');
  const measured = (window.measured = {});
  let clicked = false;
  const look = () => {
    const button = document.querySelector('[data-testid=power-on]');
    if (!clicked && button?.disabled === false) {
      clicked = true;
      button.click();
    }
    const rows = clicked && document.querySelector('[data-testid=terminal-0] .xterm-rows');
    if (rows && /${PROMPT.source}/.test(rows.textContent)) measured.promptMs = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}`;

/** From the navigation to the prompt. */
async function pageSeconds(tab: Page, url: string): Promise<number> {
  await tab.goto(url);
  const prompt = await tab.waitForFunction(
    () => (window as { measured?: Measured }).measured?.promptMs,
    undefined,
    { timeout: 120_000, polling: 100 },
  );
  return ((await prompt.jsonValue()) ?? NaN) / 1000;
}

interface Restored {
  /** Seconds from the click. */
  readonly echo: number;
  readonly command: number;
}

/** Clicks a saved machine, types a key at its prompt, and has a command run in it. As text for the same reason. */
const RESUME = `(async () => {
  const beganMs = performance.now();
  const seconds = () => (performance.now() - beganMs) / 1000;
  const until = async (text, pattern) => {
    while (!pattern.test(text())) await new Promise(requestAnimationFrame);
  };
  document.querySelector('[data-testid=lab-continue]').click();
  await until(() => document.querySelector('[data-testid=power-state]').textContent, /Running/);
  const terminal = document.querySelector('[data-testid=terminal-0]');
  terminal
    .querySelector('textarea')
    .dispatchEvent(new KeyboardEvent('keydown', { key: 'q', code: 'KeyQ', keyCode: 81, bubbles: true }));
  await until(() => terminal.querySelector('.xterm-rows').textContent, /ocssd:~# q/);
  const echo = seconds();
  const { status } = await window.lab.exec('test -b /dev/mydevice');
  if (status !== 0) throw new Error('the target is not there');
  return { echo, command: seconds() };
})()`;

/** From the click in the list of saved machines, on a page that was just opened. */
async function restoreSeconds(site: Site): Promise<Restored> {
  const tab = await site.newPageOnDisk();
  // A machine that runs asks whether to leave it.
  tab.on('dialog', (dialog) => void dialog.accept());
  await tab.addInitScript(() => localStorage.setItem('lightnvm-lab.goOn', 'no'));
  await tab.goto(site.url);
  await tab.getByTestId('power-on').first().waitFor();
  await tab.evaluate(
    async ([create, write]) => {
      await window.lab.power.on();
      await window.lab.ready;
      for (const command of [create, write]) await window.lab.exec(command);
      await window.lab.saved.save('bench');
    },
    [createTarget(0, 3), 'dd if=/dev/urandom of=/dev/mydevice bs=64k count=64 conv=fsync; sleep 1'] as const,
  );
  const runs: Restored[] = [];
  for (let i = 0; i < RUNS; i++) {
    await tab.goto(site.url);
    await settled(tab);
    await tab.getByTestId('disk-chooser').click();
    await tab.getByTestId('lab-continue').waitFor();
    runs.push(await tab.evaluate<Restored>(RESUME));
  }
  await tab.context().close();
  return { echo: median(runs.map(({ echo }) => echo)), command: median(runs.map(({ command }) => command)) };
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
  return median(seconds);
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
