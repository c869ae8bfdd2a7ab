/**
 * `npm run screens`: pictures of the page as readers see it, for docs/screens: three widths, both themes, and
 * Chinese. A lab with a pblk target, overwritten until garbage is collected.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright';
import { openSite } from '../bench/site.ts';
import { createTarget, line12 } from '../test/boot.ts';

const out = fileURLToPath(new URL('../docs/screens/', import.meta.url));
const LINE = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16');
const SIZE_BYTES = 102 * 2 ** 20;
const SIZES = [
  { width: 1440, height: 900 },
  { width: 1024, height: 768 },
  { width: 360, height: 740 },
] as const;

await mkdir(out, { recursive: true });
const site = await openSite(console.log);
try {
  const page = await site.newPage();
  await page.setViewportSize(SIZES[0]);
  await page.goto(site.url);
  await page.getByTestId('power-on').first().waitFor();
  await page.evaluate(
    async ([line, sizeBytes]) => {
      await window.lab.disk.create({ name: 'picture', line, sizeBytes, kept: 'memory' });
      await window.lab.power.on();
      await window.lab.ready;
    },
    [LINE, SIZE_BYTES] as const,
  );
  await type(page, createTarget(0, 3));
  await type(page, 'lsblk');
  await exec(page, 'fio --name=a --filename=/dev/mydevice --rw=write --bs=64k --direct=1');
  await exec(page, 'fio --name=b --filename=/dev/mydevice --rw=randwrite --bs=4k --size=40% --direct=1');
  await type(page, 'dd if=/dev/urandom of=/dev/mydevice bs=64k count=32 conv=fsync');
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      for (const layer of size.width === 1440 ? (['state', 'validity'] as const) : (['validity'] as const)) {
        if (size.width === 360) await page.getByTestId('pane-map').click();
        await page.evaluate((l) => window.__flashMap?.setLayer(l), layer);
        await save(page, `${size.width}-${theme}-${layer}`);
      }
    }
  }
  await page.setViewportSize(SIZES[0]);
  await page.evaluate(() => window.__flashMap?.lookAt(40, 5, 6));
  await save(page, '1440-dark-zoomed');
  await page.evaluate(() => window.__flashMap?.lookAt(0, 0, 1));
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByTestId('language').click();
  await save(page, '1440-light-chinese');
  await page.context().close();
} finally {
  await site.close();
}

async function exec(page: Page, command: string): Promise<void> {
  const { status, output } = await page.evaluate((c) => window.lab.exec(c, { timeoutMs: 300_000 }), command);
  if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
}

/** As a reader does: into the shell that is on the picture. */
async function type(page: Page, command: string): Promise<void> {
  const { status } = await page.evaluate((c) => window.lab.shell.run(c), command);
  if (status !== 0) throw new Error(`${command}: status ${status}`);
}

async function save(page: Page, name: string): Promise<void> {
  // Texts and counts follow the map four times a second.
  await page.waitForTimeout(900);
  await page.screenshot({ path: `${out}${name}.png` });
  console.log(`docs/screens/${name}.png`);
}
