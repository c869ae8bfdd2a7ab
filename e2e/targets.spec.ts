import { expect, test } from 'playwright/test';
import { serious } from './axe.ts';
import { CREATE, LabPage } from './lab-page.ts';

const LINE = 'nvme,serial=x,lver=1,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64';
const SIZE_BYTES = 513 * 2 ** 20;
const HAD = 'This disk had a target: mydevice (pblk, LUNs 0–3)';

test('a target that was created is offered after a reset, is made again on request, and is forgotten when removed', async ({
  page,
}) => {
  test.setTimeout(600_000);
  const lab = new LabPage(page);
  const offer = page.getByTestId('target-offer');
  const exists = () => page.evaluate(() => window.lab.targets.list.map((target) => target.exists));
  const reset = async () => {
    await page.evaluate(() => window.lab.power.reset());
    await lab.ready();
  };
  await lab.open();
  await page.evaluate(
    ([line, sizeBytes]) => window.lab.disk.create({ name: 'targets', line, sizeBytes, kept: 'memory' }),
    [LINE, SIZE_BYTES] as const,
  );
  await lab.powerOn();
  await expect(offer).toHaveCount(0);
  // As a student does it.
  await page.getByTestId('terminal-0').click();
  await page.keyboard.type(`${CREATE}\n`);
  await expect.poll(exists, { timeout: 60_000 }).toEqual([true]);
  await expect(offer).toHaveCount(0);

  await reset();
  await expect(offer).toContainText(HAD);
  expect(await exists()).toEqual([false]);
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    found.push(...(await serious(page)));
  }
  await page.screenshot({ path: 'test-results/target-offer-dark.png' });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForTimeout(300);
  found.push(...(await serious(page)));
  await offer.scrollIntoViewIfNeeded();
  await page.screenshot({ path: 'test-results/target-offer-360.png' });
  for (const id of ['target-create', 'target-not-now', 'target-always']) {
    const box = await page.getByTestId(id).boundingBox();
    expect(box && box.x >= 0 && box.x + box.width <= 360, id).toBe(true);
  }
  expect(found).toEqual([]);
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.screenshot({ path: 'test-results/target-offer-light.png' });

  // By keyboard: behind the tools of the terminal, before the terminal.
  await page.getByTestId('term-save').focus();
  await page.keyboard.press('Tab');
  await expect(page.getByTestId('target-create')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(offer).toHaveCount(0);
  await expect.poll(exists, { timeout: 60_000 }).toEqual([true]);
  await expect.poll(() => lab.terminalText()).toContain('nvme lnvm create -d nvme0n1 -n mydevice');
  // The reader goes on where the command was typed.
  await page.keyboard.type('echo go-$((40 + 2))\n');
  await expect.poll(() => lab.terminalText()).toContain('go-42');
  await lab.run('test -b /dev/mydevice');

  // Not now is for this life of the machine; always is for all that follow.
  await reset();
  await page.getByTestId('target-not-now').click();
  await expect(offer).toHaveCount(0);
  await reset();
  await page.getByTestId('target-always').check();
  await reset();
  await expect.poll(exists, { timeout: 60_000 }).toEqual([true]);
  await expect(offer).toHaveCount(0);

  // By script.
  await page.evaluate(() => window.lab.power.cut());
  await expect.poll(() => page.evaluate(() => window.lab.power.state)).toBe('off');
  await page.evaluate(async () => {
    await window.lab.power.on({ targets: 'ignore' });
    await window.lab.ready;
  });
  await expect(offer).toHaveCount(0);
  expect(await exists()).toEqual([false]);
  const made = await page.evaluate(() => window.lab.targets.create());
  expect(made.map(({ name, command }) => [name, command])).toEqual([['mydevice', CREATE]]);
  await expect.poll(exists, { timeout: 60_000 }).toEqual([true]);
  await lab.run('nvme lnvm remove -n mydevice');
  await expect.poll(exists, { timeout: 60_000 }).toEqual([]);
  expect(lab.crashes).toEqual([]);
});
