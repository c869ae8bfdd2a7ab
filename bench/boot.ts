import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { guestFolder } from '../src/headless/node-environment.ts';
import { DEFAULT_CMDLINE } from '../src/lab/guest-images.ts';
import { boot, tutorialLine } from '../test/boot.ts';
import { type Figure, figure } from './figure.ts';
import { openSite } from './site.ts';

const GOAL_SEC = 6;
const RUNS = 3;
const QEMU = 'qemu-system-i386';

/** Seconds from nothing to a shell prompt: in Chromium from opening the page, in Node, and under QEMU's TCG. */
export async function benchBoot(tell: (line: string) => void): Promise<Figure[]> {
  const qemu = await repeat(RUNS, qemuSeconds);
  tell(qemu === undefined ? `${QEMU} is not installed: no baseline` : `QEMU (TCG): ${qemu.toFixed(2)} s`);
  const node = await repeat(RUNS, nodeSeconds);
  tell(`Node: ${node?.toFixed(2)} s`);
  const site = await openSite(tell);
  let page: number | undefined;
  try {
    page = await repeat(RUNS, async () => {
      const tab = await site.newPage();
      const started = performance.now();
      await tab.goto(site.url);
      await tab.getByTestId('power-on').first().click();
      // The prompt itself, as a person sees it.
      await tab.waitForFunction(
        () => /~ ?#|#\s*$/.test(document.querySelector('[data-testid=terminal-0]')?.textContent ?? ''),
        undefined,
        {
          timeout: 120_000,
        },
      );
      const seconds = (performance.now() - started) / 1000;
      await tab.context().close();
      return seconds;
    });
  } finally {
    await site.close();
  }
  const figures = [figure('boot', 'Node, power on to prompt', node ?? NaN, 's', qemu)];
  if (page !== undefined) {
    figures.push(
      figure('boot', 'Chromium, page opened to prompt (cold)', page, 's', qemu, {
        text: `≤ ${GOAL_SEC} s`,
        holds: page <= GOAL_SEC,
      }),
    );
  }
  return figures;
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

async function nodeSeconds(): Promise<number> {
  const started = performance.now();
  const guest = await boot({ line: tutorialLine, sizeMiB: 8192 });
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
      if (!/ocssd:~ ?#/.test(text)) return;
      clearTimeout(giveUp);
      qemu.kill('SIGKILL');
      resolve((performance.now() - started) / 1000);
    });
  });
}
