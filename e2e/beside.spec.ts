import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect, test, type Frame, type Page } from 'playwright/test';
import { TraceEncoder } from '../src/trace/encode.ts';
import { figuresOf } from '../src/trace/figures.ts';
import { TraceModel } from '../src/trace/model.ts';
import type { TraceShape } from '../src/trace/record.ts';
import { Recording } from '../src/trace/recording.ts';
import { writeTraceFile } from '../src/trace/trace-file.ts';
import { FakePblk } from '../src/ui/dev/fake-trace.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CREATE = 'nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3';
const BOOT_MS = 120_000;
type Side = 'left' | 'right';

/** The page with two sides, driven as a person would. */
class BesidePage {
  readonly page: Page;
  readonly crashes: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.crashes.push(error.message));
    page.on('dialog', (dialog) => void dialog.accept());
  }

  frame(side: Side): Frame {
    const frame = this.page.frame({ name: side });
    if (!frame) throw new Error(`There is no frame ${side}.`);
    return frame;
  }

  async powerOn(sides: readonly Side[]): Promise<void> {
    for (const side of sides) await expect(this.frame(side).getByTestId('power-on').first()).toBeEnabled();
    await this.page.getByTestId('both-on').click();
    for (const side of sides)
      await expect(this.frame(side).getByTestId('power-state')).toHaveText(/Running/, { timeout: BOOT_MS });
  }

  /** Types into both shells and waits for what both say. */
  async type(command: string): Promise<void> {
    await this.page.getByTestId('type-both').fill(command);
    await expect(this.page.getByTestId('type-run')).toBeEnabled();
    await this.page.keyboard.press('Enter');
    for (const side of ['left', 'right'])
      await expect(this.page.getByTestId(`typed-${side}`)).toHaveText(/exit \d+/, { timeout: 60_000 });
  }

  /** Chunks by state, as a side's map says them LUN by LUN. */
  words(side: Side): Promise<string[]> {
    return this.frame(side).getByTestId('map-summary').locator('li').allTextContents();
  }

  timeUs(side: Side): Promise<number> {
    return this.frame(side).evaluate(() => window.lab.trace.position?.timeUs ?? -1);
  }

  /** Time since zero as the page tells it. */
  async sinceUs(side: Side): Promise<number> {
    return Number(await this.page.getByTestId(`since-${side}`).getAttribute('data-us'));
  }

  figure(side: Side, id: string) {
    return this.page.getByTestId(`figure-${side}-${id}`);
  }

  /** A key on the timeline of one side. */
  async scrub(side: Side, key: string): Promise<void> {
    await this.frame(side).getByTestId('timeline-slider').focus();
    await this.page.keyboard.press(key);
  }
}

/** What axe finds serious or critical, one line each; in the page and in its frames. */
async function serious(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const frame of page.frames()) {
    // Run in the page's own world: its policy does not let a script in.
    await frame.evaluate(AXE);
    const { violations } = await frame.evaluate(() =>
      (globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
        iframes: false,
      }),
    );
    for (const { id, impact, nodes } of violations)
      if (impact === 'serious' || impact === 'critical')
        found.push(
          ...nodes.map((n) => `${frame.name()} ${id}: ${n.target.join(' ')} ${n.failureSummary ?? ''}`),
        );
  }
  return found;
}

const SHAPE: TraceShape = {
  kind: 'ocssd20',
  numCh: 1,
  numLun: 4,
  numPln: 1,
  numChk: 32,
  numPg: 96,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};
const RECORDED_US = 90e6;

/** A minute and a half of pblk, as a file. */
async function recorded(): Promise<{ recording: Recording; body: Buffer }> {
  const encoder = new TraceEncoder();
  let seed = 7;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const source = new FakePblk(SHAPE, encoder, { random, luns: 4, startUs: 5e6 });
  source.bytesPerSecond = 2 * 2 ** 20;
  source.power('on');
  const recording = new Recording(new TraceModel(SHAPE));
  for (let us = 5e6; us < 5e6 + RECORDED_US; us += 5e5) {
    source.runTo(us);
    const segment = encoder.take();
    if (segment) recording.add(segment);
  }
  const head = { madeAt: '', version: '', deviceLine: '', name: 'a minute' };
  return { recording, body: Buffer.from(await writeTraceFile(recording, head)) };
}

test('a lab and a recording share one time', async ({ page }) => {
  const beside = new BesidePage(page);
  const { recording, body } = await recorded();
  await page.route('**/minute.lnvmtrace', (route) =>
    route.fulfill({ body, contentType: 'application/octet-stream' }),
  );
  await page.goto('./?beside');
  expect(await serious(page)).toEqual([]);
  await page.goto(
    `./?beside&left=${encodeURIComponent('preset=gc')}&right=${encodeURIComponent('replay=minute.lnvmtrace')}`,
  );
  await expect(page.getByTestId('caption-right')).toContainText('recording');
  await expect(page.getByTestId('caption-right')).toContainText('4 PU');
  await expect(page.getByTestId('caption-left')).toContainText('1.2');
  // Nothing of a machine on the side of the recording.
  await expect(beside.frame('right').getByTestId('power-on')).toHaveCount(0);
  await beside.powerOn(['left']);

  // Live, the recording goes along.
  await expect(page.getByTestId('since-right')).toBeVisible();
  const before = await beside.timeUs('right');
  const output = await beside.frame('left').evaluate((c) => window.lab.exec(c), `${CREATE}; sleep 1`);
  expect(output.status).toBe(0);
  await expect.poll(() => beside.timeUs('right')).toBeGreaterThan(before);
  const [left, right] = [await beside.sinceUs('left'), await beside.sinceUs('right')];
  expect(Math.abs(left - right)).toBeLessThan(2e6);

  // Back to the first command of the lab: the recording is where it was so long after its power-on.
  const live = await beside.timeUs('right');
  await beside.scrub('left', 'Home');
  await expect.poll(() => beside.timeUs('right')).toBeLessThan(live);
  // What the captions said live was equal too: wait until the left one has gone back.
  await expect.poll(() => beside.sinceUs('left')).toBeLessThan(left);
  await expect.poll(async () => (await beside.sinceUs('left')) - (await beside.sinceUs('right'))).toBe(0);
  expect((await beside.words('left')).join()).not.toMatch(/open|closed/);
  const then = figuresOf(recording.seekTime(5e6 + (await beside.sinceUs('left'))).model);
  expect(await beside.timeUs('right')).toBe(then.timeUs);
  for (const state of ['open', 'closed', 'free'] as const) {
    await expect(beside.figure('right', state)).toHaveAttribute('data-value', String(then.chunks[state]));
    const onMap = (await beside.words('right')).map((lun) =>
      Number(new RegExp(`(\\d+) ${state}`).exec(lun)?.[1] ?? 0),
    );
    expect(onMap.reduce((sum, n) => sum + n)).toBe(then.chunks[state]);
  }
  await expect(page.getByTestId('link-time')).toHaveAttribute('aria-checked', 'true');

  // The recording is longer: the lab has no such moment, and says so.
  await beside.scrub('right', 'End');
  await expect(page.getByTestId('missing-left')).toHaveText(/not recorded so far/);
  expect((await beside.words('right')).join()).toMatch(/closed/);

  // Not linked, each for itself.
  await page.getByTestId('link-time').click();
  await expect(page.getByTestId('missing-left')).toHaveCount(0);
  const held = await beside.timeUs('right');
  await beside.scrub('left', 'Home');
  expect(await beside.timeUs('right')).toBe(held);
  expect(beside.crashes).toEqual([]);
});

test('1.2 and 2.0 get one command, and are scrubbed together', async ({ page }) => {
  const beside = new BesidePage(page);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto('./');
  await page.getByTestId('beside').click();
  await page.getByTestId('lesson-standards').click();
  await expect(page.getByTestId('caption-left').locator('.differs').first()).toHaveText('1.2');
  await expect(page.getByTestId('caption-right').locator('.differs').first()).toHaveText('2.0');
  await beside.powerOn(['left', 'right']);
  // Each has a disk of its own.
  const ids = await Promise.all(
    (['left', 'right'] as const).map((side) =>
      beside.frame(side).evaluate(() => window.lab.disk.current?.id),
    ),
  );
  expect(new Set(ids).size).toBe(2);

  await expect(page.getByTestId('type-both')).toHaveValue(CREATE);
  await beside.type(CREATE);
  for (const side of ['left', 'right'] as const) {
    await expect(page.getByTestId(`typed-${side}`)).toHaveText(/exit 0/);
    await expect(beside.frame(side).getByTestId('terminal-0')).toContainText('nvme lnvm create');
  }
  await beside.type('exit_{{left|right}}');
  await expect(page.getByTestId('typed-left')).toHaveText(/exit 127/);
  await expect(beside.frame('right').getByTestId('terminal-0')).toContainText('exit_right');
  await beside.type('dd if=/dev/zero of=/dev/mydevice bs=1M count=3 conv=fsync');
  await expect(page.getByTestId('typed-right')).toHaveText(/exit 0/);

  // Both have written the same, and the page says what their models say.
  for (const side of ['left', 'right'] as const) {
    await expect(beside.figure(side, 'user')).toHaveAttribute('data-value', '768');
    await expect(beside.figure(side, 'open')).toHaveAttribute('data-value', '4');
    const told = await beside.frame(side).evaluate(() => window.lab.trace.figures());
    expect(told?.targets[0]?.userSecs).toBe(768);
    expect((await beside.words(side)).join()).toMatch(/1 open/);
  }

  // Each scrubbed to its beginning: the other is there, as long after its own power-on. One that was switched on
  // later, on a busy machine, may have had its first write by then.
  for (const side of ['right', 'left'] as const) {
    await beside.scrub(side, 'Home');
    for (const shown of ['left', 'right'] as const)
      await expect(beside.frame(shown).getByTestId('time-live')).toBeVisible();
    await expect.poll(async () => (await beside.words(side)).join()).not.toMatch(/open|closed/);
    // The other one is as far, or, when nothing was recorded of it so early, at its beginning, and says so.
    const other = side === 'left' ? 'right' : 'left';
    await expect
      .poll(async () => {
        const apartUs = (await beside.sinceUs(other)) - (await beside.sinceUs(side));
        return apartUs === 0 || (apartUs > 0 && (await page.getByTestId(`missing-${other}`).isVisible()));
      })
      .toBe(true);
  }
  await page.getByTestId('link-zero').selectOption('firstWrite');
  const first = await beside.frame('left').evaluate(async () => {
    const { trace } = window.lab;
    const zero = trace.find('firstWrite');
    if (zero) await trace.seek({ timeUs: zero.timeUs });
    return zero;
  });
  const twin = await beside.frame('right').evaluate(() => window.lab.trace.find('firstWrite'));
  expect(first).toBeDefined();
  await expect.poll(() => beside.timeUs('right')).toBe(twin?.timeUs);
  await expect(page.getByTestId('since-right')).toHaveAttribute('data-us', '0');
  for (const side of ['left', 'right'] as const) {
    await expect.poll(async () => (await beside.words(side)).join()).toMatch(/1 open/);
    const secs = await beside
      .frame(side)
      .evaluate(() => window.lab.trace.figures()?.targets[0]?.userSecs ?? 0);
    expect(secs).toBeGreaterThan(0);
    expect(secs).toBeLessThan(768);
    await expect(beside.figure(side, 'user')).toHaveAttribute('data-value', String(secs));
  }

  // By commands, stepped from the right.
  await page.getByTestId('link-unit').selectOption('commands');
  const command = () => beside.frame('left').evaluate(() => window.lab.trace.position?.command ?? 0);
  await beside.scrub('right', 'ArrowRight');
  await expect.poll(command).toBe((first?.command ?? 0) + 1);
  await beside.scrub('right', 'l');
  await expect(beside.frame('left').getByTestId('time-is-live')).toBeVisible();

  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const frame of page.frames())
      await expect(frame.locator('html')).toHaveAttribute('data-theme', colorScheme);
    for (const line of await serious(page)) found.push(`${colorScheme}: ${line}`);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByTestId('beside-toggle').click();
  await page.getByTestId('show-right').click();
  await expect(page.getByTestId('frame-right')).toBeVisible();
  await expect(page.getByTestId('frame-left')).toBeHidden();
  for (const line of await serious(page)) found.push(`narrow: ${line}`);
  expect(found).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  expect(beside.crashes).toEqual([]);
});

test('two sides with one disk: the page says so and makes another', async ({ page }) => {
  const beside = new BesidePage(page);
  await page.goto('./');
  await expect(page.getByTestId('power-on').first()).toBeEnabled();
  await page.evaluate(async () => window.lab.disk.create({ name: 'shared', kept: 'indexeddb' }));
  await page.goto('./?beside&left=disk%3Dshared&right=disk%3Dshared');
  const right = page.frameLocator('iframe[name=right]');
  await expect(page.getByTestId('beside-problem')).toContainText('Both sides have the disk “shared”');
  await page.getByTestId('own-disk').click();
  await expect(page.getByTestId('beside-problem')).toHaveCount(0);
  await expect(right.getByTestId('disk-name')).toHaveText('right shared');
  await page.reload();
  await expect(right.getByTestId('disk-name')).toHaveText('right shared');
  expect(beside.crashes).toEqual([]);
});
