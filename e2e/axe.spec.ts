import { expect, test } from 'playwright/test';
import { serious } from './axe.ts';
import { CREATE, LabPage } from './lab-page.ts';

test('axe finds nothing serious, off and on, in every pane, in both themes', async ({ page }) => {
  const lab = new LabPage(page);
  const found: string[] = [];
  const look = async (where: string) => {
    await page.waitForTimeout(300);
    for (const line of await serious(page)) found.push(`${where}: ${line}`);
  };
  await lab.open();
  await look('off');
  await lab.powerOn();
  await lab.run(CREATE);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=64k count=64 conv=fsync 2>&1');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const tab of ['shell0', 'charts', 'commands', 'files']) {
      await page.getByTestId(`tab-${tab}`).click();
      await look(`${colorScheme}, ${tab}`);
    }
    for (const name of ['pblk', 'Inspector']) {
      await page.getByRole('tab', { name }).click();
      await look(`${colorScheme}, ${name}`);
    }
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await look('narrow');
  expect(found).toEqual([]);
});
