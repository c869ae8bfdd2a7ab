import { expect, test } from 'playwright/test';
import { CREATE, LabPage, TUTORIAL_LINE } from './lab-page.ts';

test('the tutorial, from the pasted line to the map', async ({ page }) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('device-line').fill(TUTORIAL_LINE);
  await page.getByTestId('disk-size').fill('8');
  await expect(page.getByTestId('device-verdict')).toContainText('ocssd12');
  await lab.powerOn();

  expect(await lab.run('nvme lnvm list')).toMatch(/Number of devices: 1[\s\S]*nvme0n1\s+gennvm\s+\(1,0,0\)/);
  expect(await lab.run('nvme lnvm info')).toMatch(
    /LightNVM \(1,0,0\)\. 1 target type\(s\) registered\.[\s\S]*pblk\s+\(1,0,0\)/,
  );
  expect(await lab.run('lsblk')).toMatch(/nvme0n1\s+259:0\s+0\s+7\.8G\s+0 disk/);

  // As a person would: typed into the terminal.
  await page.getByTestId('terminal-0').click();
  await page.keyboard.type(`${CREATE} && lsblk\n`);
  await expect
    .poll(() => lab.terminalText(), { timeout: 60_000 })
    .toMatch(/mydevice\s+259:1\s+0\s+1\.3G\s+0 disk/);

  const free = await lab.stateColour('free');
  const open = await lab.stateColour('open');
  expect(open).not.toBe(free);
  expect(await lab.chunkColour(0, 5, 0)).toBe(free);
  await lab.run('dd if=/dev/urandom of=/dev/mydevice bs=1M count=24 conv=fsync');
  for (const lun of [0, 1, 2, 3]) {
    await expect.poll(() => lab.chunkColour(0, lun, 0), { message: `LUN ${lun}` }).toBe(open);
  }
  for (const lun of [4, 9, 15]) expect(await lab.chunkColour(0, lun, 0)).toBe(free);
  await expect(page.getByTestId('map-summary')).toContainText(/LUN 0: 1 open/);
  await expect(page.getByTestId('saved')).toContainText(/saved/i);

  // A chunk's details on click.
  const at = await page.evaluate(() => window.__flashMap?.cellRect(0, 2, 0));
  const canvas = page.getByTestId('map-canvas');
  await canvas.click({
    position: { x: (at?.x ?? 0) + (at?.w ?? 0) / 2, y: (at?.y ?? 0) + (at?.h ?? 0) / 4 },
  });
  await expect(page.getByTestId('chunk-address')).toContainText('2');
  await expect(page.getByTestId('plane-0')).toContainText(/open/i);

  // A second shell beside the first.
  await page.getByTestId('tab-shell1').click();
  await page.getByTestId('terminal-1').click();
  await page.keyboard.type('tty; echo second-$((40 + 2))\n');
  await expect(page.getByTestId('terminal-1')).toContainText('second-42');

  expect(lab.crashes).toEqual([]);
});
