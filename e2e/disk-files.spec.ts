import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect, test, type Page } from 'playwright/test';
import { LabPage } from './lab-page.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LINE =
  'nvme,drive=mynvme,serial=deadbeef,lver=1,lmetasize=16,nlbaf=5,lba_index=3,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16';
const CREATE = 'nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3';
const MIB = 4;

const row = (page: Page, name: string) => page.locator(`[data-testid=disk-row][data-disk="${name}"]`);

async function newDisk(lab: LabPage, name: string): Promise<void> {
  await lab.page.evaluate(
    ([line, diskName]) => window.lab.disk.create({ name: diskName, line, sizeBytes: 129 * 2 ** 20 }),
    [LINE, name] as const,
  );
}

async function openDisks(page: Page): Promise<void> {
  await page.getByTestId('disk-chooser').click();
  await expect(page.getByTestId('disks-dialog')).toBeVisible();
}

test('a disk is exported, deleted and imported again, and the guest reads the same', async ({ page }) => {
  // A download, as in browsers that cannot write files.
  await page.addInitScript(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
  const lab = new LabPage(page);
  await lab.open();
  await newDisk(lab, 'to go');
  await lab.powerOn();
  await lab.run(CREATE);
  const written = await lab.run(
    `dd if=/dev/urandom of=/tmp/data bs=1M count=${MIB} && dd if=/tmp/data of=/dev/mydevice bs=1M conv=fsync && md5sum < /tmp/data`,
  );
  const sum = /[0-9a-f]{32}/.exec(written)?.[0] ?? 'no sum';
  await lab.run('nvme lnvm remove -n mydevice');
  await page.evaluate(() => window.lab.power.cut());
  await expect(page.getByTestId('power-state')).toHaveText(/Off/);

  await openDisks(page);
  await row(page, 'to go').getByTestId('disk-export').click();
  const downloading = page.waitForEvent('download');
  await page.getByTestId('export-container').click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('to-go.lnvmpack');
  const path = await download.path();
  expect(readFileSync(path).subarray(0, 8).toString()).toBe('LNVMPACK');
  expect(readFileSync(path).length).toBeGreaterThan(MIB * 2 ** 20);
  await page.getByTestId('export-close').click();
  await row(page, 'to go').getByTestId('disk-delete').click();
  await page.getByTestId('confirm').click();
  await expect(row(page, 'to go')).toHaveCount(0);

  await page.getByTestId('disk-import-input').setInputFiles(path);
  await expect(row(page, 'to go')).toHaveClass(/chosen/);
  await page.getByTestId('disks-dialog-close').click();
  await lab.powerOn();
  await lab.run(CREATE);
  expect(await lab.run(`dd if=/dev/mydevice bs=1M count=${MIB} | md5sum`)).toContain(sum);
  expect(lab.crashes).toEqual([]);
});

test('an image goes to a file of one’s choice; what is no disk is refused, and both are said', async ({
  page,
}) => {
  // The real stream of the browser, without its dialogue: a file of the origin's own.
  await page.addInitScript(() => {
    Object.assign(window, {
      showSaveFilePicker: async ({ suggestedName }: { suggestedName: string }) => {
        const folder = await navigator.storage.getDirectory();
        return folder.getFileHandle(suggestedName, { create: true });
      },
    });
  });
  const lab = new LabPage(page);
  await lab.open();
  await newDisk(lab, 'one');
  await openDisks(page);
  await row(page, 'one').getByTestId('disk-export').click();
  await page.getByTestId('continue-qemu').locator('summary').click();
  await expect(page.getByTestId('qemu-line')).toContainText('lnum_lun=4,lnum_pln=2,');
  await expect(page.getByTestId('femu-line')).toContainText('-device femu,');
  await page.getByTestId('export-image').click();
  await expect(page.getByTestId('transfer-outcome')).toContainText('The disk one was exported');
  const image = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    const file = await (await folder.getFileHandle('one.tar')).getFile();
    return { size: file.size, text: await file.slice(0, 2048).text() };
  });
  expect(image.size % 512).toBe(0);
  expect(image.text).toContain('GNU.sparse.name=one.img\n');

  // Run in the page's own world: its policy does not let a script in.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => {
    const { axe } = globalThis as unknown as { axe: { run(where: string): Promise<AxeResults> } };
    return axe.run('[data-testid=disks-dialog]');
  });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);

  await page
    .getByTestId('disk-import-input')
    .setInputFiles({ name: 'photo.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(100_000, 7) });
  await expect(page.getByTestId('transfer-outcome')).toContainText(
    'photo.jpg is neither an exported disk nor an ocssd image',
  );
  await expect(page.getByTestId('disk-row')).toHaveCount(1);
  expect(lab.crashes).toEqual([]);
});
