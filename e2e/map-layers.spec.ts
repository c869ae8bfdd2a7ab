import { expect, test, type Page } from 'playwright/test';
import { NARROW_SHAPE, sample, SMALL_SHAPE } from '../src/ui/charts/flash-map-sample.ts';
import type { TraceShape } from '../src/trace/record.ts';

const LAYERS = ['state', 'validity', 'wear', 'age', 'owner', 'operation'] as const;
type Layer = (typeof LAYERS)[number];

/** The canvas alone, of one size everywhere, without letters, over everything else. */
const STAGE = `
  #map { overflow: visible; z-index: 1000; container: none; contain: none; }
  #map .canvas-box { position: fixed; inset: 0 auto auto 0; width: 800px; height: 500px; background: var(--map-surface); }
`;

test.use({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1, reducedMotion: 'reduce' } as object);

/** A page that shows a recording made here: no guest is needed for a picture. */
async function show(page: Page, shape: TraceShape, theme: 'light' | 'dark' = 'light'): Promise<void> {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.addInitScript((name) => localStorage.setItem('lightnvm-lab.theme', name), theme);
  await page.goto('./');
  await expect(page.getByTestId('map-canvas')).toBeVisible();
  await page.addStyleTag({ content: STAGE });
  await page.evaluate((recording) => {
    window.__flashMap?.load(recording.model, recording.segment);
    window.__flashMap?.setLabels(false);
  }, sample(shape));
  await expect(page.getByTestId('map-canvas')).toHaveAttribute(
    'data-cells',
    String(shape.numCh * shape.numLun * shape.numChk),
  );
}

async function choose(page: Page, layer: Layer): Promise<void> {
  await page.evaluate((name) => window.__flashMap?.setLayer(name), layer);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

async function matches(page: Page, name: string): Promise<void> {
  await expect(page.getByTestId('map-canvas')).toHaveScreenshot(`${name}.png`, { maxDiffPixelRatio: 0.003 });
}

/** Colours of the canvas within a sector, as far as it is drawn, each with its share. */
function coloursAt(page: Page, block: number, sec: number): Promise<Record<string, number>> {
  return page.evaluate(
    ([b, s]) => {
      const canvas = document.querySelector<HTMLCanvasElement>('[data-testid=map-canvas]');
      const r = window.__flashMap?.placeRect(b, s);
      const data = r && canvas?.getContext('2d')?.getImageData(r.x + 2, r.y + 2, r.w - 4, r.h - 4).data;
      const counts: Record<string, number> = {};
      for (let i = 0; data && i < data.length; i += 4) {
        const colour = `${data[i]},${data[i + 1]},${data[i + 2]}`;
        counts[colour] = (counts[colour] ?? 0) + 4 / data.length;
      }
      return counts;
    },
    [block, sec] as const,
  );
}

const blockAt = (lun: number, chk: number, pln = 0) => (chk * 4 + lun) * 2 + pln;

for (const theme of ['light', 'dark'] as const) {
  test(`layers from afar, ${theme}`, async ({ page }) => {
    await show(page, NARROW_SHAPE, theme);
    await expect(page.getByTestId('map-canvas')).toHaveAttribute('data-level', 'chunk');
    for (const layer of LAYERS) {
      await choose(page, layer);
      await matches(page, `chunks-${layer}-${theme}`);
    }
  });
}

test('layers page by page and sector by sector', async ({ page }) => {
  await show(page, SMALL_SHAPE);
  await expect(page.getByTestId('map-canvas')).toHaveAttribute('data-level', 'page');
  for (const layer of LAYERS) {
    await choose(page, layer);
    await matches(page, `pages-${layer}`);
  }
  await page.evaluate((block) => window.__flashMap?.lookAt(block, 30, 8), blockAt(0, 2));
  await expect(page.getByTestId('map-canvas')).toHaveAttribute('data-level', 'sector');
  for (const layer of LAYERS) {
    await choose(page, layer);
    await matches(page, `sectors-${layer}`);
  }
});

test('an old copy does not look like the newest one', async ({ page }) => {
  await show(page, SMALL_SHAPE);
  await choose(page, 'validity');
  // Line 0 was overwritten in part: its sector 8 of LUN 0 holds an old copy, line 1 is whole.
  const [stale, valid] = [
    [blockAt(0, 0), 24],
    [blockAt(0, 1), 24],
  ] as const;
  const look = async ([block, sec]: readonly [number, number]) => {
    await page.evaluate(([b, s]) => window.__flashMap?.lookAt(b, s, 8), [block, sec] as const);
    await page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
    return coloursAt(page, block, sec);
  };
  const [old, newest] = [await look(stale), await look(valid)];
  expect(Object.keys(newest)).toHaveLength(1);
  // Diagonals in the colour of what is valid, on a paler ground.
  const [full] = Object.keys(newest);
  expect(old[full ?? '']).toBeGreaterThan(0.2);
  expect(old[full ?? '']).toBeLessThan(0.5);
  expect(Object.keys(old)).toHaveLength(2);
});

test('layers, cells and their words by keyboard', async ({ page }) => {
  await show(page, SMALL_SHAPE);
  await page.getByTestId('map-layer-state').focus();
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('map-layer-validity')).toBeChecked();
  await expect(page.getByTestId('map-legend-stale')).toContainText(/stale\s*\d+/);

  const canvas = page.getByTestId('map-canvas');
  await canvas.focus();
  for (let i = 0; i < 6; i++) await page.keyboard.press('+');
  await expect(canvas).toHaveAttribute('data-level', 'sector');
  await page.keyboard.press('Home');
  await expect(page.getByTestId('map-cursor')).toContainText(/chunk 0 · plane 0 · page 0 · sector 0: smeta/);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('map-cursor')).toContainText(/page 1 · sector 0/);
  await page.keyboard.press('ArrowDown');
  await expect(page.getByTestId('map-cursor')).toContainText(/page 1 · sector 2: .*LBA/);

  await page.getByTestId('map-as-table').click();
  await expect(page.getByTestId('map-table').locator('tfoot')).toContainText(/\d/);
});
