import type { Page } from 'playwright';
import { createTarget, line12 } from '../test/boot.ts';
import { type Figure, figure } from './figure.ts';
import { openSite } from './site.ts';

const LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=256');
const SIZE_MIB = 2049;
const PAIRS = 20;
/**
 * Jobs before the first that counts: 3.4 GiB, so that the memory of every cell has been written to once. What a first
 * touch costs is the machine's: 40,960 pages took from 26 to 950 ms, in a job of 2.5 s.
 */
const WARM_UPS = 27;
/** What one measurement writes: seconds, because the share of one that the machine does otherwise is not the same twice. */
const JOB_MIB = 128;
/** Of the target; from there on it is overwritten from its beginning. */
const USED_MIB = 1320;
/**
 * And before it, unmeasured: switching tracepoints patches the kernel's code, and the emulator has to translate it again.
 */
const SETTLE_MIB = 4;
const DEVICE_GOAL_PERCENT = 3;
const AGENT_GOAL_PERCENT = 5;

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
    let nextMiB = 0;
    const measure = async (watched: Watched): Promise<number> => {
      await page.evaluate((w) => window.lab.trace.watch(w), watched);
      if (nextMiB + SETTLE_MIB + JOB_MIB > USED_MIB) nextMiB = 0;
      await kibPerSec(page, nextMiB, SETTLE_MIB);
      const rate = await kibPerSec(page, nextMiB + SETTLE_MIB, JOB_MIB);
      nextMiB += SETTLE_MIB + JOB_MIB;
      return rate;
    };
    const off = { device: false, guest: false };
    const device = { device: true, guest: false };
    const agent = { device: true, guest: true };
    for (let i = 0; i < WARM_UPS; i++) await measure([off, device, agent][i % 3] ?? off);
    const figures = [
      await pairs('the recording', off, device, DEVICE_GOAL_PERCENT, measure, tell),
      await pairs("the guest's agent, besides", device, agent, AGENT_GOAL_PERCENT, measure, tell),
    ];
    await page.context().close();
    return figures;
  } finally {
    await site.close();
  }
}

/** The cost in percent of time: the median over pairs; half of them lie in the interval that is told. */
async function pairs(
  name: string,
  without: Watched,
  including: Watched,
  goalPercent: number,
  measure: (watched: Watched) => Promise<number>,
  tell: (line: string) => void,
): Promise<Figure> {
  const costs: number[] = [];
  let slow = 0;
  let fast = 0;
  for (let pair = 0; pair < PAIRS; pair++) {
    // Which of the two is first alternates as well.
    const first = await measure(pair % 2 === 0 ? without : including);
    const second = await measure(pair % 2 === 0 ? including : without);
    const [a, b] = pair % 2 === 0 ? [first, second] : [second, first];
    fast += a / PAIRS;
    slow += b / PAIRS;
    costs.push((a / b - 1) * 100);
    tell(`${name}: ${a.toFixed(0)} and ${b.toFixed(0)} KiB/s`);
  }
  costs.sort((a, b) => a - b);
  const at = (share: number) => costs[Math.round(share * (costs.length - 1))] ?? 0;
  const interval = `${at(0.25).toFixed(1)} to ${at(0.75).toFixed(1)} %`;
  tell(`${name}: median ${at(0.5).toFixed(1)} %, half of the pairs from ${interval}`);
  return figure('watch', `${name}: cost ${at(0.5).toFixed(1)} % (${interval})`, slow, 'KiB/s', fast, {
    text: `≤ ${goalPercent} %`,
    holds: at(0.5) <= goalPercent,
  });
}

async function exec(page: Page, command: string): Promise<string> {
  const { status, output } = await page.evaluate((c) => window.lab.exec(c), command);
  if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
  return output;
}

/** Field 48 of fio's terse output (version 3) is the write bandwidth in KiB/s. */
async function kibPerSec(page: Page, offsetMiB: number, sizeMiB: number): Promise<number> {
  const output = await exec(
    page,
    `fio --name=job --filename=/dev/mydevice --direct=1 --ioengine=libaio --iodepth=4 --rw=write --bs=64k --size=${sizeMiB}m --offset=${offsetMiB}m --terse-version=3 --output-format=terse`,
  );
  const value = Number(
    output
      .split('\n')
      .find((line) => line.startsWith('3;'))
      ?.split(';')[47],
  );
  if (!(value > 0)) throw new Error(`fio said ${output}`);
  return value;
}
