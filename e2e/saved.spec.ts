import { expect, test, type Page } from 'playwright/test';
import { serious } from './axe.ts';
import { CREATE, LabPage } from './lab-page.ts';

/** A dialogue that asks whether to leave a page whose machine runs. */
const agree = (page: Page) => page.on('dialog', (dialog) => void dialog.accept());
const saved = (page: Page) => page.evaluate(() => window.lab.saved.list());
/** The page saves by itself a few seconds after the guest has fallen quiet. */
const autosaved = (page: Page, afterMs: number) =>
  expect
    .poll(async () => (await saved(page)).some((row) => row.kind === 'auto' && row.savedAtMs > afterMs), {
      timeout: 60_000,
    })
    .toBe(true);
const md5 = (lab: LabPage) =>
  lab.run('echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/mydevice bs=64k count=64 2>/dev/null | md5sum');

/** A machine that runs, with a target that holds 4 MiB, and their checksum. */
async function begin(page: Page): Promise<{ lab: LabPage; sum: string }> {
  agree(page);
  const lab = new LabPage(page);
  await lab.open();
  await lab.powerOn();
  await lab.run(CREATE);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=64 conv=fsync 2>&1');
  return { lab, sum: await md5(lab) };
}

test('after a reload the machine goes on, or boots when its disk has moved on', async ({ page }) => {
  const { lab, sum } = await begin(page);
  await lab.run('echo remembered > /tmp/only-in-ram');
  await page.getByTestId('terminal-0').click();
  await page.keyboard.type('echo seen-before-$((40+2))\n');
  await expect.poll(() => lab.terminalText()).toContain('seen-before-42');
  await autosaved(page, await page.evaluate(() => Date.now()));

  await page.reload();
  await expect(page.getByTestId('continued')).toContainText(/second|minute/, { timeout: 60_000 });
  await lab.ready();
  // Memory, targets and data are as they were, and so is what the shell had said.
  expect(await lab.run('cat /tmp/only-in-ram')).toBe('remembered\n');
  expect(await md5(lab)).toBe(sum);
  await expect.poll(() => lab.terminalText()).toContain('seen-before-42');
  await expect(page.getByTestId('target-offer')).toHaveCount(0);
  expect(await serious(page)).toEqual([]);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=8 conv=fsync 2>&1');

  // Nothing is saved since, and the disk was written to: it boots, and says why.
  await page.reload();
  await expect(page.getByTestId('outdated')).toContainText('pblk recovers', { timeout: 60_000 });
  await lab.ready();
  expect((await lab.exec('cat /tmp/only-in-ram')).status).not.toBe(0);
  await lab.run(CREATE);
  await lab.run('dd if=/dev/mydevice bs=64k count=64 of=/dev/null 2>&1');

  // Switched off on purpose: the next visit finds it off.
  await page.evaluate(() => window.lab.power.off());
  await expect.poll(async () => (await saved(page)).filter(({ kind }) => kind === 'auto')).toEqual([]);
  await page.reload();
  await expect(page.getByTestId('power-on').first()).toBeEnabled();
  await expect(page.getByTestId('continued')).toHaveCount(0);
  // Nor does it go on where that is not wanted.
  await lab.powerOn();
  await page.getByTestId('machine').locator('summary').first().click();
  await page.getByTestId('goes-on').uncheck();
  await autosaved(page, 0);
  await page.reload();
  await expect(page.getByTestId('power-on').first()).toBeEnabled();
  await page.waitForTimeout(1000);
  await expect(page.getByTestId('power-state')).toHaveText('Off');
  expect(lab.crashes).toEqual([]);
});

test('a machine is saved under a name, and goes on later with the disk as it was', async ({ page }) => {
  const { lab, sum } = await begin(page);
  await page.getByTestId('disk-chooser').click();
  await page.getByTestId('labs-name').fill('before <b>the</b> change');
  await page.keyboard.press('Enter');
  const row = page.getByTestId('lab-row');
  await expect(row).toContainText('before <b>the</b> change', { timeout: 60_000 });
  expect(await serious(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await lab.run('dd if=/dev/zero of=/dev/mydevice bs=64k count=64 conv=fsync 2>&1');
  const later = await md5(lab);
  expect(later).not.toBe(sum);
  const disk = await page.evaluate(() => window.lab.disk.current?.name);

  // The disk has moved on: a fork of it as it was is made, and the machine that runs is asked about.
  await page.getByTestId('disk-chooser').click();
  await expect(row).toHaveAttribute('data-state', 'moved');
  await row.getByTestId('lab-continue').click();
  await row.getByTestId('lab-continue-sure').click();
  await expect(page.getByTestId('continued')).toContainText('before <b>the</b> change', { timeout: 60_000 });
  await lab.ready();
  expect(await md5(lab)).toBe(sum);
  expect(await page.evaluate(() => window.lab.disk.current?.name)).not.toBe(disk);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=64 conv=fsync 2>&1');

  // Afresh, with one click.
  await page.getByTestId('boot-afresh').click();
  await expect(page.getByTestId('continued')).toHaveCount(0);
  await expect(page.getByTestId('power-state')).not.toHaveText(/Running/);
  await lab.ready();
  expect((await lab.exec('test -e /dev/mydevice')).status).not.toBe(0);

  // The first disk is as it was left.
  await page.evaluate(async (name) => {
    await window.lab.power.cut();
    await window.lab.disk.choose(name ?? '');
    await window.lab.power.on({ targets: 'ignore' });
    await window.lab.ready;
  }, disk);
  await lab.run(CREATE);
  expect(await md5(lab)).toBe(later);
  await page.evaluate(() => window.lab.saved.remove('before <b>the</b> change'));
  expect((await saved(page)).filter(({ kind }) => kind === 'named')).toEqual([]);
  expect(lab.crashes).toEqual([]);
});

test('a second tab does not go on with what runs in the first', async ({ page, context }) => {
  const first = new LabPage(page);
  await first.open();
  await first.powerOn();
  await autosaved(page, 0);
  const second = new LabPage(await context.newPage());
  await second.open();
  await expect(second.page.getByTestId('elsewhere-banner')).toBeVisible();
  await expect(second.page.getByTestId('power-state')).toHaveText('Off');
  await expect(second.page.getByTestId('notice')).toHaveCount(0);
  expect(await first.run('echo unharmed')).toBe('unharmed\n');
  expect([...first.crashes, ...second.crashes]).toEqual([]);
});
