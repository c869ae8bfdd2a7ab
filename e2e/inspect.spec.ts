import { expect, test } from 'playwright/test';
import { LabPage } from './lab-page.ts';

const SMALL_LINE =
  '-device nvme,serial=deadbeef,lver=1,lnum_lun=4,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=64,lmetasize=16';

test('from a file of the guest to its cells, their bytes and the command that wrote them', async ({
  page,
}) => {
  const lab = new LabPage(page);
  await lab.open();
  await page.getByTestId('device-line').fill(SMALL_LINE);
  await page.getByTestId('disk-size').fill('1');
  await lab.powerOn();
  await lab.run('nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3');
  await lab.run('mkfs.ext4 -q /dev/mydevice && mkdir -p /mnt && mount /dev/mydevice /mnt');
  await lab.run('yes "known bytes of the lab" | head -c 40960 > /mnt/known.txt');

  const search = page.getByTestId('search');
  const status = page.getByTestId('search-status');
  await search.fill('/mnt/known.txt');
  await search.press('Enter');
  const result = page.getByTestId('search-result');
  await expect(result).toContainText('/mnt/known.txt');
  await expect(result).toContainText('10 sectors on the flash, of mydevice');

  // The extent leads to its logical block, that to the newest copy.
  await page.getByTestId('search-extent').first().click();
  await expect(page.getByTestId('inspect-title')).toHaveText('Logical block');
  const lba = ((await page.getByTestId('search-extent').first().textContent()) ?? '').replace(
    /^LBA |–.*$/g,
    '',
  );
  await page.getByTestId('inspect-lba').locator('li[data-kind="valid"] button').click();
  await expect(page.getByTestId('cell-kind')).toHaveAttribute('data-kind', 'valid');
  await expect(page.getByTestId('cell-lba')).toContainText(lba);
  // "known by" in hexadecimal digits, and as text.
  await expect(page.getByTestId('data-hex')).toContainText('6b 6e 6f 77 6e 20 62 79');
  await expect(page.getByTestId('data-hex')).toContainText('known by');
  await expect(page.getByTestId('oob-fields')).toContainText(`LBA ${lba.replaceAll(',', '')}`);
  await expect(page.getByTestId('history')).toContainText(`LBA ${lba}`);

  // The command that wrote it: a vector write, decoded, its bytes linked with its fields.
  await page.getByTestId('cell-command').click();
  await expect(page.getByTestId('command-opcode')).toHaveText('91h');
  const opcode = page.getByTestId('sqe-fields').locator('[data-field="OPC"]');
  await expect(opcode).toContainText('Vector Write');
  await opcode.hover();
  await expect(page.getByTestId('sqe')).toContainText('struct nvme_common_command');
  await page.getByTestId('sqe-hex').focus();
  for (let i = 0; i < 49; i++) await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('sqe-fields').locator('[aria-selected="true"]')).toHaveAttribute(
    'data-field',
    'NLB',
  );

  // pblk, by keyboard. Its own numbers are read on demand where no agent tells them.
  await page.getByTestId('side-inspector').focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('side-pblk')).toHaveAttribute('aria-selected', 'true');
  await expect(page.getByTestId('pblk-target')).toBeVisible();
  await expect(page.getByTestId('wa-wire')).toHaveText(/^1\.\d{3}$/);
  const ask = page.getByTestId('pblk-ask');
  if (await ask.isVisible()) await ask.click();
  for (const part of ['pblk-ring', 'pblk-limiter', 'pblk-padding', 'pblk-errors'])
    await expect(page.getByTestId(part), part).toBeVisible();
  await expect(page.getByTestId('wa-pblk')).toHaveText(/^1\.\d{3}$/);
  await page.getByTestId('pblk-lines').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('inspect-line')).toContainText(/line \d+ of/);
  await page.getByTestId('inspect-back').click();

  // Back in time, to the moment at which it was written: nothing was written there since.
  await page.getByTestId('command-seek').click();
  await page.getByTestId('inspect-back').click();
  await expect(page.getByTestId('cell-kind')).toHaveAttribute('data-kind', 'valid');
  await expect(page.getByTestId('inspector')).toContainText('Read from the disk now');
  await expect(page.getByTestId('data-hex')).toContainText('known by');

  // Every kind of address, and what cannot be found.
  for (const [asked, answer] of [
    ['/mnt/none', 'has no file'],
    ['/proc/version', 'on no disk'],
    ['lba 4294967290', 'No sector holds it'],
    ['ch 9 lun 9 chk 9', 'outside the device'],
    ['#99999999', 'no such command yet'],
  ] as const) {
    await search.fill(asked);
    await search.press('Enter');
    await expect(status, asked).toContainText(answer);
  }
  await search.fill('0/1/0/0/0/0');
  await search.press('Enter');
  await expect(page.getByTestId('inspect-cell')).toContainText('ch 0 · lun 1 · pln 0 · chk 0 · pg 0 · sec 0');
  await search.fill('line 0');
  await search.press('Enter');
  await expect(page.getByTestId('inspect-line')).toContainText('line 0');

  expect(lab.crashes).toEqual([]);
});
