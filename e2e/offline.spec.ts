import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

test.use({ serviceWorkers: 'allow' });

test('works without a network after the first visit', async ({ page, context }) => {
  const lab = new LabPage(page);
  await lab.staysOff();
  await lab.open();
  await lab.powerOn();
  // The service worker has everything when it is ready; it serves the page from the next load on.
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await context.setOffline(true);
  await page.reload();
  await lab.powerOn();
  expect(await lab.run('uname -m')).toBe('i686\n');
  // It was instant: a state that cannot be had would have been told.
  await expect(page.getByTestId('notice')).toHaveCount(0);
  expect(lab.crashes).toEqual([]);
});
