import { expect, test, type Page } from 'playwright/test';
import { CREATE, LabPage } from './lab-page.ts';

/** A hash of the map's pixels, and its words. */
async function picture(page: Page): Promise<{ pixels: number; words: string[] }> {
  await page.waitForTimeout(800);
  const pixels = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>(
      'canvas[data-testid="map-canvas"], [data-testid="map-canvas"] canvas',
    );
    const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    let hash = 0;
    for (const byte of data) hash = (Math.imul(hash, 31) + byte) | 0;
    return hash;
  });
  return { pixels, words: await page.getByTestId('map-summary').locator('li').allTextContents() };
}

test('the past is a scrub away, and a recording shows it without the machine', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const lab = new LabPage(page);
  await lab.open();
  await lab.powerOn();
  await lab.run(CREATE);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=512 conv=fsync 2>&1');
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=512 conv=fsync 2>&1');

  // 64 MiB close a chunk of each LUN: held before the picture has come so far, now would look like then.
  await expect(page.getByTestId('map-summary').locator('li').first()).toContainText('closed');

  // Hold the picture, go back, step, and return.
  await page.getByTestId('time-pause').click();
  const now = await picture(page);
  await page.evaluate(async () => {
    const { range } = window.lab.trace;
    if (range)
      await window.lab.trace.seek({ command: Math.floor((range.start.command + range.end.command) / 2) });
  });
  await expect(page.getByTestId('time-live')).toBeVisible();
  const middle = await page.evaluate(() => window.lab.trace.position);
  const then = await picture(page);
  expect(then.pixels).not.toBe(now.pixels);
  expect(then.words).not.toEqual(now.words);
  await page.getByTestId('timeline-slider').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  expect(await page.evaluate(() => window.lab.trace.position?.command)).toBe(middle?.command);
  expect((await picture(page)).words).toEqual(then.words);
  await page.getByTestId('mark').click();
  await page.getByTestId('mark-name').fill('half-way');
  await page.keyboard.press('Enter');
  await page.getByTestId('time-live').click();
  await expect(page.getByTestId('time-is-live')).toBeVisible();

  // The commands: chosen by keyboard, shown as they left the device.
  await page.getByTestId('tab-commands').click();
  await page.getByTestId('commands-write').click();
  await page.getByTestId('commands-list').focus();
  await page.keyboard.press('Home');
  await expect(page.getByTestId('time-live')).toBeVisible();
  await expect(page.locator('[data-testid=command-row][aria-selected=true]')).toContainText('vectorWrite');
  await page.getByTestId('commands-follow').click();

  // The charts, and a picture of them.
  await page.getByTestId('tab-charts').click();
  await expect(page.getByTestId('chart-throughput').locator('svg')).toHaveAttribute('aria-label', /User/);
  const charts = page.waitForEvent('download');
  await page.getByTestId('trace-file').click();
  await page.getByTestId('trace-charts-svg').click();
  expect((await charts).suggestedFilename()).toMatch(/-charts\.svg$/);

  // Exports and the file.
  const csv = await page.evaluate(() => window.lab.trace.export('csv'));
  expect(csv.split('\r\n').length).toBeGreaterThan(100);
  expect(await page.evaluate(() => window.lab.trace.export('blkparse'))).toMatch(/ C +W \d+ \+ \d+\n/);
  await page.evaluate((at) => window.lab.trace.seek({ command: at }), middle?.command ?? 0);
  const shown = await picture(page);
  expect(shown.words).toEqual(then.words);
  const saved = await page.evaluate(async () => {
    const bytes = await window.lab.trace.save();
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  });
  const end = await page.evaluate(() => window.lab.trace.range?.end);

  const body = Buffer.from(saved, 'base64');
  console.log(`recording of ${end?.command} commands: ${body.length} bytes`);
  await page.route('**/half.lnvmtrace', (route) =>
    route.fulfill({ body, contentType: 'application/octet-stream' }),
  );
  const requests: string[] = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  page.on('dialog', (dialog) => void dialog.accept());
  await page.goto('./?replay=half.lnvmtrace');
  await expect(page.getByTestId('replay')).toHaveAttribute('data-loaded', 'true');
  await page.evaluate((at) => window.lab.trace.seek({ command: at }), middle?.command ?? 0);
  expect((await picture(page)).words).toEqual(then.words);
  expect(await page.evaluate(() => window.lab.trace.range?.end)).toEqual(end);
  await expect(page.getByTestId('power-on')).toHaveCount(0);
  expect(requests.filter((path) => /v86|wasm|guest\/|worker|xterm/i.test(path))).toEqual([]);
  expect(lab.crashes).toEqual([]);
});

test('a replay that cannot be shown says why, in a sentence', async ({ page }) => {
  await page.route('**/bad.lnvmtrace', (route) => route.fulfill({ body: 'no recording', status: 200 }));
  await page.goto('./?replay=bad.lnvmtrace');
  await expect(page.getByTestId('replay-failure')).toHaveText(
    'The recording cannot be shown: This is not a recording of LightNVM Lab; open a file that its “Save recording” has made.',
  );
  await page.route('**/missing.lnvmtrace', (route) => route.fulfill({ status: 404 }));
  await page.goto('./?replay=missing.lnvmtrace');
  await expect(page.getByTestId('replay-failure')).toHaveText(
    'The recording cannot be shown: the server answers 404; look at its address behind “replay=”.',
  );
  // As the preview server does, and many hosts of sites of one page.
  await page.goto('./?replay=nowhere.lnvmtrace');
  await expect(page.getByTestId('replay-failure')).toHaveText(
    'The recording cannot be shown: the server answers with a web page: there is no recording at the address behind “replay=”.',
  );
});
