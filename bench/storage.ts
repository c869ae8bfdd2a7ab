import { setTimeout } from 'node:timers/promises';
import type { Page } from 'playwright';
import { createTarget, line12 } from '../test/boot.ts';
import type { CacheMode } from '../src/storage/cache-mode.ts';
import { type Figure, figure, median } from './figure.ts';
import { workerMemoryBytes } from './memory.ts';
import { openSite } from './site.ts';
import { openStoragePage, type StoragePage } from './storage-page.ts';
import type { StorageJob } from './storage-worker.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
/** Before each job: the browser deletes what the one before left, and merges its files. */
const BROWSER_RESTS_MS = 1500;
/** Rounds of each pair; what drifts drifts for both. */
const ROUNDS = 7;
const TOTAL_BYTES = 32 * MIB;
const GOAL_OF_RAW = 0.8;
const GOAL_OF_UNSAFE = 0.7;
const OPEN_GOAL_MS = 300;
const OPENINGS = 9;
/** Beside the guest's RAM: a WebAssembly memory, which the browser does not count among the worker's buffers. */
const MEMORY_GOAL_BYTES = 128 * MIB;
const LINE_16 = line12('lnum_lun=16,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const JOB_MIB = 64;

interface Shape {
  readonly name: string;
  readonly groupBytes: number;
  readonly unitBytes: number;
  readonly random: boolean;
}

/** Groups as pblk makes them: a unit of 32 KiB in flight for each LUN; and larger units. */
const shapes: readonly Shape[] = [
  { name: '128 KiB of 4 LUNs, sequential', groupBytes: 128 * KIB, unitBytes: 32 * KIB, random: false },
  { name: '512 KiB of 16 LUNs, sequential', groupBytes: 512 * KIB, unitBytes: 32 * KIB, random: false },
  {
    name: '512 KiB of 256 KiB units, sequential',
    groupBytes: 512 * KIB,
    unitBytes: 256 * KIB,
    random: false,
  },
  { name: '512 KiB of 256 KiB units, random', groupBytes: 512 * KIB, unitBytes: 256 * KIB, random: true },
  { name: '1 MiB of 256 KiB units, random', groupBytes: MIB, unitBytes: 256 * KIB, random: true },
];

const atLeast = (share: number, ratio: number) => ({ text: `≥ ${share}`, holds: ratio >= share });

/** What our store costs beside bare puts, what opening costs, and what the cache modes are worth to a guest. */
export async function benchStorage(tell: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  const page = await openStoragePage();
  try {
    for (const shape of shapes) figures.push(...(await writes(page, shape, tell)));
    figures.push(...(await openings(page, tell)));
  } finally {
    await page.close();
  }
  const site = await openSite(tell);
  try {
    figures.push(await guestModes(() => site.newPageOnDisk(), site.url, tell));
    figures.push(await memory(() => site.newPageOnDisk(), site.url, tell));
  } finally {
    await site.close();
  }
  return figures;
}

/** The same bytes in transactions of the same size: as units of ours, as bare puts of the same records, as one put. */
async function writes(page: StoragePage, shape: Shape, tell: (line: string) => void): Promise<Figure[]> {
  const { name, groupBytes, unitBytes, random } = shape;
  const raw = (recordBytes: number, group: number): StorageJob => ({
    kind: 'raw',
    recordBytes,
    groupBytes: group,
    totalBytes: TOTAL_BYTES,
    random,
  });
  const jobs = {
    store: { kind: 'store', unitBytes, groupBytes, totalBytes: TOTAL_BYTES, random },
    records: raw(unitBytes, groupBytes),
    one: raw(groupBytes, groupBytes),
    limit: raw(MIB, MIB),
  } as const satisfies Record<string, StorageJob>;
  const rates: Record<keyof typeof jobs, number[]> = { store: [], records: [], one: [], limit: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const order = Object.entries(jobs) as [keyof typeof jobs, StorageJob][];
    // What comes after a job pays for what the browser has not done of it yet: each comes after each.
    if (round % 2 === 1) order.reverse();
    for (const [which, job] of order) {
      await setTimeout(BROWSER_RESTS_MS);
      rates[which].push(await page.run<number>(job));
    }
  }
  const { store, records, one, limit } = rates;
  const rate = median(store);
  const said = `${rate.toFixed(0)} MiB/s; bare puts ${median(records).toFixed(0)}, as one ${median(one).toFixed(0)}, of 1 MiB ${median(limit).toFixed(0)}`;
  tell(`${name}: ${said}`);
  const ofRaw = medianRatio(store, records);
  const figures = [
    figure('storage', `store, ${name}`, rate, 'MiB/s', rate / ofRaw, atLeast(GOAL_OF_RAW, ofRaw)),
  ];
  if (groupBytes === 512 * KIB && !random && unitBytes === 32 * KIB) {
    const ofLimit = medianRatio(store, limit);
    const goal = atLeast(GOAL_OF_RAW, ofLimit);
    figures.push(
      figure('storage', `store, ${name}, beside puts of 1 MiB`, rate, 'MiB/s', rate / ofLimit, goal),
    );
  }
  return figures;
}

/** A disk of 8 GiB that holds 1 GiB, beside one that holds 1 MiB. */
async function openings(page: StoragePage, tell: (line: string) => void): Promise<Figure[]> {
  const fill = (totalBytes: number) =>
    page.run<string>({ kind: 'fill', totalBytes, unitBytes: 33 * KIB, diskBytes: 8 * GIB });
  tell('writing 1 GiB');
  const small = await fill(MIB);
  const large = await fill(GIB);
  const times: { small: number[]; large: number[] } = { small: [], large: [] };
  for (let i = 0; i < OPENINGS; i++) {
    times.small.push(await page.run<number>({ kind: 'open', id: small }));
    times.large.push(await page.run<number>({ kind: 'open', id: large }));
  }
  await page.run({ kind: 'drop' });
  const ms = median(times.large);
  const goal = { text: `≤ ${OPEN_GOAL_MS} ms`, holds: ms <= OPEN_GOAL_MS };
  return [figure('storage', 'open an 8 GiB disk with 1 GiB', ms, 'ms', median(times.small), goal)];
}

/** Sequential 64 KiB writes with fsync to pblk on 16 LUNs: writethrough beside unsafe, each on a disk of its own. */
async function guestModes(
  newPage: () => Promise<Page>,
  url: string,
  tell: (line: string) => void,
): Promise<Figure> {
  const rates: Record<'writethrough' | 'unsafe', number[]> = { writethrough: [], unsafe: [] };
  for (let round = 0; round < 3; round++)
    for (const mode of ['writethrough', 'unsafe'] as const) {
      const page = await newPage();
      await start(page, url, LINE_16, 2049 * MIB, mode);
      await exec(page, createTarget(0, 15));
      // The emulator translates the code of a job while that runs first.
      await fio(page, 0, 16);
      rates[mode].push(await fio(page, 16, JOB_MIB));
      tell(`pblk on 16 LUNs, ${mode}: ${rates[mode].at(-1)?.toFixed(1)} MiB/s`);
      await page.context().close();
    }
  const [rate, unsafe] = [median(rates.writethrough), median(rates.unsafe)];
  const goal = atLeast(GOAL_OF_UNSAFE, rate / unsafe);
  return figure('storage', 'guest, pblk on 16 LUNs: writethrough beside unsafe', rate, 'MiB/s', unsafe, goal);
}

/** What the worker holds after 1 GiB was written to a plain disk of 8 GiB. */
async function memory(
  newPage: () => Promise<Page>,
  url: string,
  tell: (line: string) => void,
): Promise<Figure> {
  const page = await newPage();
  await start(page, url, 'nvme,serial=plain,lver=0', 8 * GIB, 'writethrough');
  tell('a guest writes 1 GiB');
  await exec(page, 'dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=1024 conv=fsync');
  const bytes = await workerMemoryBytes(page);
  await page.context().close();
  const goal = { text: `≤ ${MEMORY_GOAL_BYTES / MIB} MiB`, holds: bytes <= MEMORY_GOAL_BYTES };
  const name = "worker memory beside the guest's RAM, after 1 GiB was written";
  return figure('storage', name, bytes / MIB, 'MiB', undefined, goal);
}

async function start(
  page: Page,
  url: string,
  line: string,
  sizeBytes: number,
  cache: CacheMode,
): Promise<void> {
  await page.goto(url);
  await page.getByTestId('power-on').first().waitFor();
  await page.evaluate(
    async ([l, bytes, mode]) => {
      await window.lab.disk.create({ name: 'bench', line: l, sizeBytes: bytes });
      await window.lab.power.on({ cache: mode });
      await window.lab.ready;
    },
    [line, sizeBytes, cache] as const,
  );
}

async function exec(page: Page, command: string): Promise<string> {
  const { status, output } = await page.evaluate(
    (c) => window.lab.exec(c, { timeoutMs: 1_200_000 }),
    command,
  );
  if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
  return output;
}

/** MiB a second; field 48 of fio's terse output (version 3) is the write bandwidth in KiB/s. */
async function fio(page: Page, fromMiB: number, mib: number): Promise<number> {
  const output = await exec(
    page,
    `fio --name=job --filename=/dev/mydevice --ioengine=psync --rw=write --bs=64k --offset=${fromMiB}m --size=${mib}m --end_fsync=1 --terse-version=3 --output-format=terse`,
  );
  const fields = output
    .split('\n')
    .find((line) => line.startsWith('3;'))
    ?.split(';');
  return Number(fields?.[47]) / 1024;
}

/** Of neighbours in time. */
function medianRatio(values: readonly number[], baselines: readonly number[]): number {
  return median(values.map((value, i) => value / (baselines[i] ?? NaN)));
}
