import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

const bzImage = join(fileURLToPath(import.meta.url), '..', '..', 'public', 'guest', 'bzImage');

test('disks are made, renamed, reset and deleted', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('disk-chooser').click();
  await page.getByTestId('dialog-disk-name').fill('class-a');
  await page
    .getByTestId('dialog-disk-kept')
    .selectOption('memory')
    .catch(async () => page.getByTestId('dialog-disk-kept').getByText(/RAM/).click());
  await page.getByTestId('dialog-create').click();
  const row = page.getByTestId('disk-row').filter({ hasText: 'class-a' });
  await expect(row).toBeVisible();
  await row.getByTestId('disk-rename').click();
  await page.getByTestId('rename-input').fill('class-b');
  await page.getByTestId('rename-save').click();
  const renamed = page.getByTestId('disk-row').filter({ hasText: 'class-b' });
  await expect(renamed).toBeVisible();
  await renamed.getByTestId('disk-fork').click();
  await expect(page.getByTestId('fork-input')).toHaveValue('class-b (fork)');
  await page.getByTestId('fork-input').fill('class-c');
  await page.getByTestId('fork-save').click();
  await expect(page.getByTestId('disk-row').filter({ hasText: 'class-c' })).toBeVisible();
  await renamed.getByTestId('disk-wipe').click();
  await page.getByTestId('confirm').click();
  await renamed.getByTestId('disk-delete').click();
  await page.getByTestId('confirm').click();
  await expect(page.getByTestId('disk-row').filter({ hasText: 'class-b' })).toHaveCount(0);
  await expect(page.getByTestId('storage')).toContainText(/GiB|GB|MiB/);
  expect(lab.crashes).toEqual([]);
});

test("files go in and come out; a reader's own kernel boots; the guest's end is noticed", async ({
  page,
}) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('machine').locator('summary').first().click();
  await page.getByTestId('pick-kernel').setInputFiles(bzImage);
  await lab.powerOn();

  await page.getByTestId('tab-files').click();
  await page
    .getByTestId('file-input')
    .setInputFiles({ name: 'hello.txt', mimeType: 'text/plain', buffer: Buffer.from('from outside') });
  await expect(page.getByTestId('file-row').filter({ hasText: 'hello.txt' })).toBeVisible();
  expect(await lab.run('cat /host/hello.txt; tr a-z A-Z < /host/hello.txt > /host/loud.txt')).toBe(
    'from outside',
  );
  await page.getByTestId('files-refresh').click();
  const download = page.waitForEvent('download');
  await page.getByTestId('file-row').filter({ hasText: 'loud.txt' }).getByTestId('file-download').click();
  const stream = await (await download).createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe('FROM OUTSIDE');

  await lab.exec('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger').catch(() => {});
  await expect(page.getByTestId('failure-banner')).toContainText(/panic/);
  await page.getByTestId('restart').click();
  await lab.ready();
  expect(await lab.run('echo again')).toBe('again\n');
  await page.getByTestId('power-off').click();
  await expect(page.getByTestId('power-state')).toHaveText(/Off/, { timeout: 30_000 });
  expect(lab.crashes).toEqual([]);
});

for (const width of [360, 1024]) {
  test(`works at ${width} px, in Chinese and dark`, async ({ browser, baseURL }) => {
    const context = await browser.newContext({
      locale: 'zh-CN',
      colorScheme: 'dark',
      viewport: { width, height: 740 },
      ...(baseURL === undefined ? {} : { baseURL }),
    });
    const page = await context.newPage();
    await page.goto('./');
    await expect(page.getByTestId('app')).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    expect(await page.evaluate(() => document.documentElement.lang)).toMatch(/^zh/);
    await context.close();
  });
}
