import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

test('the terminal: type, enlarge, save; files dropped on the page; another command line', async ({
  page,
}) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('machine').locator('summary').first().click();
  await page.getByTestId('memory').fill('192');
  await page
    .getByTestId('cmdline')
    .fill('console=ttyS0 tsc=reliable mitigations=off nowatchdog quiet lab.mark=1');
  await lab.powerOn();
  expect(await lab.run('cat /proc/cmdline')).toContain('lab.mark=1');
  expect(Number(await lab.run("awk '/MemTotal/ {print $2}' /proc/meminfo"))).toBeGreaterThan(170_000);

  await page.getByTestId('terminal-0').click();
  await page.keyboard.type('echo typed-$((6 * 7)); stty size\n');
  await expect.poll(() => lab.terminalText()).toContain('typed-42');
  const columns = async () => Number(/(\d+) (\d+)/.exec(await lab.run('stty size < /dev/ttyS0'))?.[2]);
  const before = await columns();
  await page.getByTestId('term-bigger').click();
  await page.getByTestId('term-bigger').click();
  await expect.poll(columns).toBeLessThan(before);

  const download = page.waitForEvent('download');
  await page.getByTestId('term-save').click();
  const chunks: Buffer[] = [];
  for await (const chunk of await (await download).createReadStream()) chunks.push(chunk as Buffer);
  const transcript = Buffer.concat(chunks).toString();
  expect(transcript).toContain('typed-42');
  // eslint-disable-next-line no-control-regex -- plain text is what is promised
  expect(transcript).not.toMatch(/\u001b/);

  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['dropped here'], 'dropped.txt', { type: 'text/plain' }));
    return data;
  });
  for (const type of ['dragenter', 'dragover', 'drop']) {
    await page.dispatchEvent('body', type, { dataTransfer: dropped });
  }
  await expect.poll(async () => (await lab.exec('cat /host/dropped.txt')).output).toBe('dropped here');
  expect(lab.crashes).toEqual([]);
});

test('a page that is left while the machine runs asks first', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  await lab.powerOn();
  await page.getByTestId('terminal-0').click();
  await page.keyboard.type('\n');
  const asked = page.waitForEvent('dialog');
  void page.close({ runBeforeUnload: true });
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.accept();
});
