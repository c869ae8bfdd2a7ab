import { expect, test } from 'playwright/test';
import { isLong } from '../test/long.ts';
import { CREATE, LabPage } from './lab-page.ts';

/** `npm run test:long` does 64. */
const MIB = isLong ? 64 : 6;
const write = (seekMiB: number) =>
  `dd if=/dev/urandom of=/tmp/data bs=1M count=${MIB} && dd if=/tmp/data of=/dev/mydevice bs=1M seek=${seekMiB} conv=fsync && md5sum < /tmp/data`;
const read = (skipMiB: number) => `dd if=/dev/mydevice bs=1M skip=${skipMiB} count=${MIB} | md5sum`;
const md5 = (output: string) => /[0-9a-f]{32}/.exec(output)?.[0] ?? output;

test(`${MIB} MiB survive a reload, with and without removing the target first`, async ({ page }) => {
  // Three times a machine, and much data through an emulated processor: minutes on a busy machine.
  test.setTimeout(600_000);
  const lab = new LabPage(page);
  // The guest has to boot and find its data; saved.spec.ts goes on with it.
  await lab.staysOff();
  await lab.open();
  if (isLong) {
    // Twice 64 MiB of random data in /tmp want more memory than the usual machine has, and with that it boots.
    await page.getByTestId('machine').locator('summary').first().click();
    await page.getByTestId('memory').fill('256');
  }
  await lab.powerOn();
  await lab.run(CREATE);
  const removed = md5(await lab.run(write(0)));
  expect(md5(await lab.run(read(0)))).toBe(removed);
  await lab.run('nvme lnvm remove -n mydevice');
  await page.reload();

  await lab.powerOn();
  await lab.run(CREATE);
  expect(md5(await lab.run(read(0)))).toBe(removed);

  // This time the page goes away under a live target: pblk recovers from the media.
  const synced = md5(await lab.run(`${write(200)}; sync`));
  page.on('dialog', (dialog) => void dialog.accept());
  await page.reload();

  await lab.powerOn();
  await lab.run(CREATE);
  expect(md5(await lab.run(read(200)))).toBe(synced);
  expect(md5(await lab.run(read(0)))).toBe(removed);
  expect((await lab.run('dmesg')).match(/WARNING|BUG|Oops/)).toBeNull();
  expect(lab.crashes).toEqual([]);
});

test('a link brings its disk, and a reload goes on with what ran', async ({ page }) => {
  const lab = new LabPage(page);
  const line =
    'nvme,serial=of-the-class,lver=1,lmetasize=16,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64';
  await page.goto(`./?line=${encodeURIComponent(line)}&size=512M&name=class`);
  await expect(page.getByTestId('device-line')).toHaveValue(line);
  await expect(page.getByTestId('app')).toHaveAttribute('data-loaded', 'true');
  await lab.powerOn();
  expect(await lab.run('cat /sys/block/nvme0n1/device/serial')).toContain('of-the-class');
  await expect.poll(() => new URL(page.url()).search).toBe('');
  page.on('dialog', (dialog) => void dialog.accept());
  await page.reload();
  await expect(page.getByTestId('device-line')).toHaveValue(line);
  expect(await page.evaluate(async () => (await window.lab.disk.list()).map(({ name }) => name))).toEqual([
    'class',
  ]);
});
