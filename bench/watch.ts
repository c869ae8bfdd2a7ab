import type { Page } from 'playwright';
import { createTarget, line12 } from '../test/boot.ts';
import { type Figure, figure } from './figure.ts';
import { openSite } from './site.ts';

/**
 * A line is 8 MiB: the recording knows whose the sectors are from the next line on, which is an eighth of a second
 * after it begins.
 */
const LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const SIZE_MIB = 2049;
/** Of the target; from there on it is overwritten from its beginning. */
const USED_MIB = 1320;
/**
 * Written before anything counts: each cell's memory has then been written to once. What a first touch costs is the
 * machine's: 40,960 pages took from 26 to 950 ms.
 */
const WARM_UP_MIB = 3600;
/**
 * One job writes throughout, and what is watched is switched under it: for the same work the processor takes 12 % more
 * or less from one second to the next (standard deviation), and on some machines by half for seconds at a time. Of short
 * measurements there can be many, and the two of a pair are in one such time.
 */
const DEVICE = { goalPercent: 3, pairs: 250, restMs: 200, measuredMs: 300 };
/**
 * Switching tracepoints patches the kernel's code. The emulator has to translate that again, and the browser to
 * optimize what came of it: a guest that is watched all the time pays that once.
 */
const AGENT = { goalPercent: 5, pairs: 40, restMs: 3000, measuredMs: 1500 };
type Plan = typeof DEVICE;

interface Watched {
  readonly device: boolean;
  readonly guest: boolean;
}

/**
 * What watching costs the guest: sequential 64 KiB writes to pblk in Chromium, with the recording off, on, and on
 * with the guest's agent; in alternating pairs, so that what drifts drifts for both.
 */
export async function benchWatch(tell: (line: string) => void): Promise<Figure[]> {
  const site = await openSite(tell);
  try {
    const page = await site.newPage();
    await page.goto(site.url);
    await page.getByTestId('power-on').first().waitFor();
    await page.evaluate(
      async ([line, bytes]) => {
        await window.lab.disk.create({ name: 'bench', line, sizeBytes: bytes, kept: 'memory' });
        await window.lab.power.on();
        await window.lab.ready;
      },
      [LINE, SIZE_MIB * 2 ** 20] as const,
    );
    await exec(page, createTarget(0, 3));
    tell(`${WARM_UP_MIB} MiB are written, so that all memory has been touched`);
    for (let mib = 0; mib < WARM_UP_MIB; mib += USED_MIB) await exec(page, fio(`--size=${USED_MIB}m`));
    // It ends by itself, if this does not end it.
    const hourS = 3600;
    await exec(
      page,
      `${fio(`--size=${USED_MIB}m --time_based --runtime=${hourS}`)} > /tmp/job 2>&1 & echo $! > /tmp/job.pid; sleep 3`,
    );
    const off = { device: false, guest: false };
    const device = { device: true, guest: false };
    const agent = { device: true, guest: true };
    const figures = [
      await pairs(page, 'the recording', off, device, DEVICE, tell),
      await pairs(page, "the guest's agent, besides", device, agent, AGENT, tell),
    ];
    await exec(page, 'kill -INT $(cat /tmp/job.pid) && ! grep error /tmp/job');
    await page.context().close();
    return figures;
  } finally {
    await site.close();
  }
}

/** The cost in percent of time: the median over pairs, and where it lies with 95 % confidence. */
async function pairs(
  page: Page,
  name: string,
  without: Watched,
  including: Watched,
  plan: Plan,
  tell: (line: string) => void,
): Promise<Figure> {
  const costs: number[] = [];
  let slow = 0;
  let fast = 0;
  for (let pair = 0; pair < plan.pairs; pair++) {
    // Which of the two is first alternates as well.
    const order = pair % 2 === 0 ? [without, including] : [including, without];
    const rates: number[] = [];
    for (const watched of order) rates.push(await kibPerSec(page, watched, plan));
    if (pair % 2 === 1) rates.reverse();
    const [a = 0, b = 0] = rates;
    fast += a / plan.pairs;
    slow += b / plan.pairs;
    costs.push((a / b - 1) * 100);
    tell(`${name}: ${a.toFixed(0)} and ${b.toFixed(0)} KiB/s`);
  }
  costs.sort((a, b) => a - b);
  const at = (index: number) => costs[Math.max(0, Math.min(costs.length - 1, Math.round(index)))] ?? 0;
  const middle = (costs.length - 1) / 2;
  // Of the order statistics of n values, the median lies between these: n/2 ± 1.96 √n / 2.
  const away = (1.96 * Math.sqrt(costs.length)) / 2;
  const interval = `${at(middle - away).toFixed(1)} to ${at(middle + away).toFixed(1)} %`;
  const quartiles = `${at(middle / 2).toFixed(1)} to ${at(middle * 1.5).toFixed(1)} %`;
  const median = at(middle);
  tell(
    `${name}: median ${median.toFixed(1)} %, ${interval} with 95 % confidence; half of the pairs ${quartiles}`,
  );
  return figure('watch', `${name}: cost ${median.toFixed(1)} % (${interval})`, slow, 'KiB/s', fast, {
    text: `≤ ${plan.goalPercent} %`,
    holds: median <= plan.goalPercent,
  });
}

/** What the job writes while this is watched, once the switch is over: by the device's own counters and clock. */
async function kibPerSec(page: Page, watched: Watched, { restMs, measuredMs }: Plan): Promise<number> {
  const [from, to] = await page.evaluate(
    async ([w, rest, measured]) => {
      await window.lab.trace.watch(w);
      await new Promise((resolve) => setTimeout(resolve, rest));
      const first = await window.lab.device.counters();
      await new Promise((resolve) => setTimeout(resolve, measured));
      return [first, await window.lab.device.counters()];
    },
    [watched, restMs, measuredMs] as const,
  );
  if (!from || !to || to.writtenBytes <= from.writtenBytes) throw new Error('The job has ended early.');
  return (to.writtenBytes - from.writtenBytes) / 1.024 / (to.atMs - from.atMs);
}

const fio = (options: string): string =>
  `fio --name=job --filename=/dev/mydevice --direct=1 --ioengine=libaio --iodepth=4 --rw=write --bs=64k ${options}`;

async function exec(page: Page, command: string): Promise<string> {
  const { status, output } = await page.evaluate((c) => window.lab.exec(c), command);
  if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
  return output;
}
