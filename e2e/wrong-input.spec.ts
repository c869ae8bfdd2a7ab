import { expect, test } from 'playwright/test';
import { badDeviceLines } from '../test/bad-device-lines.ts';
import { isLong } from '../test/long.ts';
import { CREATE, LabPage } from './lab-page.ts';

/** One clear sentence on the page for each thing that can be wrong; nothing is lost and nothing hangs. */

test('wrong device lines', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  expect(badDeviceLines.length).toBeGreaterThanOrEqual(30);
  // Each of them is in device-line.test.ts; `npm run test:long` shows them all.
  const shown = badDeviceLines.filter((_, i) => isLong || i % 5 === 0);
  for (const { line, sizeBytes, mustSay } of shown) {
    await page.evaluate(([l, s]) => window.lab.device.set(l, s), [line, sizeBytes] as const);
    // Looked at often: the usual pauses between two looks are longer than the page takes.
    await expect
      .poll(() => page.getByTestId('device-error').innerText(), { message: line, intervals: [50] })
      .toMatch(mustSay);
    await expect(page.getByTestId('power-on').first()).toBeDisabled();
    // Also where the set-up is not in sight, as in one of two labs side by side.
    await expect(page.getByTestId('map-none')).toContainText(
      await page.getByTestId('device-error').innerText(),
    );
  }
  expect(lab.crashes).toEqual([]);
});

test('a link that asks for what there is not', async ({ page }) => {
  const notice = page.getByTestId('notice');
  await page.goto('./?device=nvme&line=nvme&size=much');
  await expect(notice.filter({ hasText: 'The address has device' })).toBeVisible();
  await expect(notice.filter({ hasText: 'In the address: The size' })).toBeVisible();
  await page.goto('./?preset=nothing');
  await expect(notice.filter({ hasText: 'There is no preset' })).toBeVisible();
  await expect(page.getByTestId('power-on').first()).toBeEnabled();
});

test('a kernel that is none', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  await page
    .getByTestId('machine')
    .locator('summary')
    .click({ timeout: 5_000 })
    .catch(() => {});
  await page.getByTestId('pick-kernel').setInputFiles({
    name: 'bzImage',
    mimeType: 'application/octet-stream',
    buffer: Buffer.alloc(100_000, 7),
  });
  await page.getByTestId('power-on').first().click();
  await expect(page.getByTestId('notice').first()).toContainText(/bzImage|kernel/i);
  await expect(page.getByTestId('power-state')).toHaveText(/Off/);
});

test('a guest file that is missing', async ({ page }) => {
  const lab = new LabPage(page);
  await page.route('**/guest/initramfs*', (route) => route.fulfill({ status: 404, body: 'not here' }));
  await lab.openCold();
  await page.getByTestId('power-on').first().click();
  await expect(page.getByTestId('notice').first()).toContainText(/initramfs.*(404|could not be loaded)/);
  await expect(page.getByTestId('power-state')).toHaveText(/Off/);
});

test('a guest file that is damaged', async ({ page }) => {
  const lab = new LabPage(page);
  await page.route('**/guest/bzImage', async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0xff;
    await route.fulfill({ response, body });
  });
  await lab.openCold();
  await page.getByTestId('power-on').first().click();
  await expect(page.getByTestId('notice').first()).toContainText(/bzImage is damaged/);
});

test('no IndexedDB: a RAM disk is offered and works', async ({ page, context }) => {
  // In the worker it is gone as well: a private window of a browser that forbids it.
  await context.addInitScript(() => {
    Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true });
  });
  await page.route('**/emulator.worker*.js', async (route) => {
    const response = await route.fetch();
    const body = `Object.defineProperty(globalThis,'indexedDB',{value:undefined});\n${await response.text()}`;
    await route.fulfill({ response, body });
  });
  const lab = new LabPage(page);
  await lab.open();
  await expect(page.locator('body')).toContainText(/IndexedDB/);
  await lab.powerOn();
  expect(await lab.run('lsblk')).toContain('nvme0n1');
  expect(await page.evaluate(() => window.lab.disk.current?.kept)).toBe('memory');
  expect(lab.crashes).toEqual([]);
});

test('a second tab on the same disk', async ({ page, context }) => {
  const first = new LabPage(page);
  await first.open();
  await first.powerOn();
  const second = new LabPage(await context.newPage());
  await second.open();
  await second.page.getByTestId('power-on').first().click();
  await expect(second.page.getByTestId('notice').first()).toContainText(/open in another tab/);
  await expect(second.page.getByTestId('power-state')).toHaveText(/Off/);
  expect(await first.run('echo unharmed')).toBe('unharmed\n');
  // Taken over, it is the second tab's, and the first one says so.
  await first.run(CREATE);
  await first.run('echo kept | dd of=/dev/mydevice conv=sync,fsync bs=4k');
  await second.page.getByTestId('take-over').click();
  await second.ready();
  await expect(first.page.getByTestId('notice').last()).toContainText(/took this disk over/);
  await second.run(CREATE);
  expect(await second.run('head -c 4 /dev/mydevice')).toBe('kept');
});
