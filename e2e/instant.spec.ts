import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

/** The kernel's last line of a boot: after an instant start it is in dmesg, and not on the console. */
const BOOTED = 'Run /init as init process';

test('goes on from a guest that has booted, and finds its disk', async ({ page }) => {
  const lab = new LabPage(page);
  const fetched: string[] = [];
  page.on('request', (request) => fetched.push(request.url()));
  await lab.open();
  await lab.powerOn();
  await expect.poll(() => lab.terminalText()).toMatch(/nvme nvme0: .*[^]*ocssd:~#/);
  expect(await lab.terminalText()).not.toContain(BOOTED);
  expect(await lab.run('dmesg')).toContain(BOOTED);
  expect(await lab.run('nvme list')).toContain('/dev/nvme0n1');
  expect(Math.abs(Number(await lab.run('date +%s')) - Date.now() / 1000)).toBeLessThan(2);
  // Neither kernel nor initramfs is needed, nor the emulator a second time, nor a list of what there is.
  expect(fetched.filter((url) => /bzImage|initramfs|seabios|\.wasm$|instant\.json/.test(url))).toEqual([]);
  expect(fetched.filter((url) => /guest\/booted-/.test(url))).toHaveLength(1);
  await expect(page.getByTestId('notice')).toHaveCount(0);
  // The terminal is a terminal: what is typed is run.
  await page.getByTestId('terminal-0').click();
  await page.keyboard.type('echo $((6*7))\n');
  await expect.poll(() => lab.terminalText()).toMatch(/^42$/m);
  expect(lab.crashes).toEqual([]);
});

test('boots when one asks for it', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('machine').locator('summary').click();
  await page.getByTestId('cold').check();
  await lab.powerOn();
  expect(await lab.run('dmesg')).toContain(BOOTED);
  await expect.poll(() => lab.terminalText()).toContain('ocssd:~#');
  await page.evaluate(() => window.lab.power.cut());
  // A script may say otherwise.
  await page.evaluate(() => window.lab.power.on({ cold: false }));
  await lab.ready();
  await expect.poll(() => lab.terminalText()).toMatch(/nvme nvme0: .*[^]*ocssd:~#/);
  expect(lab.crashes).toEqual([]);
});

test('boots, and says why, when the state is damaged or missing', async ({ page }) => {
  const lab = new LabPage(page);
  await page.route('**/guest/booted-*', async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0xff;
    await route.fulfill({ response, body });
  });
  await lab.open();
  await lab.powerOn();
  await expect(page.getByTestId('notice').first()).toContainText(/booted-.* is damaged .*boots instead/);
  expect(await lab.run('nvme list')).toContain('/dev/nvme0n1');

  await page.route('**/guest/booted-*', (route) => route.fulfill({ status: 404, body: 'not here' }));
  await lab.open();
  await lab.powerOn();
  await expect(page.getByTestId('notice').first()).toContainText(/booted-.* .*404.*boots instead/);
  expect(await lab.run('nvme list')).toContain('/dev/nvme0n1');
  expect(lab.crashes).toEqual([]);
});
