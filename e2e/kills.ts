/**
 * Twenty real kills: SIGKILL to the renderer, and to the whole browser, while fio writes to a pblk target in a guest.
 * Each time the page is opened again, pblk recovers from the disk, and everything that was flushed has its checksum.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright';
import { build, preview } from 'vite';
import { chromiumArguments, findChromium } from '../scripts/chromium.mjs';
import { createTarget, line12 } from '../test/boot.ts';

const KILLS = Number(process.env.KILLS ?? 10);
const LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const SIZE_BYTES = 513 * 2 ** 20;
const SLOTS = 32;
const SLOT_KIB = 256;
const SURE_SLOTS = 4;
/** Beside what is checked: random writes with a flush after every fourth, to another part of the disk. */
const FIO =
  'fio --name=noise --filename=/dev/mydevice --ioengine=psync --rw=randwrite --bs=16k --fsync=4 --offset=64m --size=32m --time_based --runtime=600 >/dev/null 2>&1 &';
const START_MS = 120_000;
const seed = Number(process.env.KILLS_SEED ?? Math.floor(Math.random() * 2 ** 31));

interface Running {
  readonly process: ChildProcess;
  readonly browser: Browser;
}

/** Started by hand: a killed one must not be Playwright's, and the processes are asked of the browser itself. */
async function launch(profile: string): Promise<Running> {
  const executable = findChromium() ?? chromium.executablePath();
  const portFile = join(profile, 'DevToolsActivePort');
  rmSync(portFile, { force: true });
  const child = spawn(
    executable,
    [
      ...chromiumArguments(),
      '--headless=new',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { detached: true, stdio: 'ignore' },
  );
  for (
    let waited = 0;
    !existsSync(portFile) || !readFileSync(portFile, 'utf8').includes('\n');
    waited += 100
  ) {
    if (waited > START_MS) throw new Error('The browser does not start.');
    await sleep(100);
  }
  const [port] = readFileSync(portFile, 'utf8').split('\n');
  return { process: child, browser: await chromium.connectOverCDP(`http://127.0.0.1:${port}`) };
}

async function killBrowser({ process: child, browser }: Running): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  // Its group: the processes that it has started.
  process.kill(-(child.pid as number), 'SIGKILL');
  await gone;
  await browser.close().catch(() => undefined);
}

async function killRenderers({ browser }: Running): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  for (const { type, id } of processInfo) if (type === 'renderer') process.kill(id, 'SIGKILL');
  await session.detach();
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function exec(page: Page, command: string): Promise<string> {
  const { status, output } = await page.evaluate((c) => window.lab.exec(c, { timeoutMs: 300_000 }), command);
  if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
  return output.trim();
}

/** Opens the page, powers the disk on (making it the first time) and the target. */
async function start(running: Running, url: string, isFirst: boolean): Promise<Page> {
  const context = running.browser.contexts()[0] ?? (await running.browser.newContext());
  const page = await context.newPage();
  // Each time it boots, and pblk recovers.
  await page.addInitScript(() => localStorage.setItem('lightnvm-lab.goOn', 'no'));
  await page.goto(url);
  await page.getByTestId('power-on').first().waitFor();
  await page.evaluate(
    async ([line, sizeBytes, create]) => {
      const { lab } = window;
      const [disk] = create ? [] : await lab.disk.list();
      const { id } = disk ?? (await lab.disk.create({ name: 'kills', line, sizeBytes }));
      await lab.power.on({ diskId: id });
      await lab.ready;
    },
    [LINE, SIZE_BYTES, isFirst] as const,
  );
  await exec(page, createTarget(0, 3));
  return page;
}

/** Checksums of what was flushed, by slot. */
type Flushed = Map<number, string>;

async function verify(page: Page, flushed: Flushed, inDoubt: number | undefined): Promise<number> {
  const sums = await exec(
    page,
    `for i in $(seq 0 ${SLOTS - 1}); do dd if=/dev/mydevice bs=${SLOT_KIB}k skip=$i count=1 2>/dev/null | md5sum; done`,
  );
  const found = sums.split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const [slot, md5] of flushed)
    if (slot !== inDoubt && found[slot] !== md5)
      throw new Error(`slot ${slot} was flushed with checksum ${md5} and has ${found[slot]}`);
  // What was being written may be old, new or a mixture, and nothing of it is promised before it is flushed again.
  if (inDoubt !== undefined) flushed.delete(inDoubt);
  const complaints = (await exec(page, 'dmesg')).match(/WARNING|BUG|Oops/);
  if (complaints) throw new Error(`the kernel says ${complaints[0]}`);
  return flushed.size;
}

async function main(): Promise<void> {
  const root = join(fileURLToPath(import.meta.url), '..', '..');
  const outDir = process.env.KILLS_DIST ?? join(root, 'dist');
  if (!existsSync(join(outDir, 'index.html'))) await build({ root, logLevel: 'warn', build: { outDir } });
  const server = await preview({
    root,
    build: { outDir },
    preview: { port: 0, strictPort: false },
    logLevel: 'silent',
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('The site is served on no port.');
  const url = `http://localhost:${address.port}/`;
  const profile = mkdtempSync(join(tmpdir(), 'lnvm-kills-'));
  console.log(`KILLS_SEED=${seed}`);
  let state = seed;
  const random = (limit: number) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % limit;
  const flushed: Flushed = new Map();
  let running = await launch(profile);
  try {
    let page = await start(running, url, true);
    for (let i = 0; i < 2 * KILLS; i++) {
      const what = i % 2 === 0 ? 'renderer' : 'browser';
      // Some surely, before the noise makes it slow.
      for (let n = 0; n < SURE_SLOTS; n++) await writeUntil(page, flushed, Infinity, random);
      await exec(page, FIO);
      const inDoubt = await writeUntil(page, flushed, Date.now() + 1500 + random(4000), random);
      if (what === 'renderer') {
        await killRenderers(running);
        await page.close().catch(() => undefined);
      } else {
        await killBrowser(running);
        running = await launch(profile);
      }
      page = await start(running, url, false);
      const slots = await verify(page, flushed, inDoubt);
      console.log(
        `${i + 1} of ${2 * KILLS}: the ${what} was killed; ${slots} slots that were flushed are there`,
      );
    }
    console.log(`${2 * KILLS} kills, recovered each time`);
  } finally {
    await killBrowser(running).catch(() => undefined);
    await server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** Writes slots and flushes each until it is time; answers with the one whose answer is not in, which is left running. */
async function writeUntil(
  page: Page,
  flushed: Flushed,
  untilMs: number,
  random: (limit: number) => number,
): Promise<number | undefined> {
  for (;;) {
    const slot = random(SLOTS);
    const write = exec(
      page,
      `head -c ${SLOT_KIB}k /dev/urandom > /tmp/slot && dd if=/tmp/slot of=/dev/mydevice bs=${SLOT_KIB}k seek=${slot} conv=notrunc,fsync 2>/dev/null && md5sum < /tmp/slot`,
    );
    write.catch(() => undefined);
    if (untilMs === Infinity) {
      flushed.set(slot, (await write).split(' ')[0] ?? '');
      return undefined;
    }
    const md5 = await Promise.race([write, sleep(Math.max(0, untilMs - Date.now())).then(() => undefined)]);
    if (md5 === undefined) return slot;
    flushed.set(slot, md5.split(' ')[0] ?? '');
  }
}

await main();
process.exit(0);
