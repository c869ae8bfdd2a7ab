import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { readArguments } from '../src/headless/arguments.ts';
import { runLab } from '../src/headless/run.ts';
import { ocssdImage, setChunk, smallRecipe, writeSectors } from '../src/lab/disk-files/image-test-kit.ts';
import { sentenceOf } from '../src/lab/errors.ts';
import { presets } from '../src/lab/presets.ts';

/** `npm run lab -- --import … --export …`: nothing is booted. */

const folder = mkdtempSync(join(tmpdir(), 'lightnvm-lab-files-'));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What main.ts does with these arguments, without another process for it. */
async function lab(...argv: string[]): Promise<{ status: number; err: string }> {
  const said: string[] = [];
  const spy = vi.spyOn(console, 'error').mockImplementation((text: unknown) => void said.push(String(text)));
  try {
    const args = readArguments(argv, { device: presets[0]?.line ?? '' });
    if ('error' in args) return { status: 2, err: args.error };
    return { status: await runLab(args), err: said.join('\n') };
  } catch (error) {
    return { status: 2, err: [...said, sentenceOf(error)].join('\n') };
  } finally {
    spy.mockRestore();
  }
}

const same = (a: string, b: string) => Buffer.compare(readFileSync(at(a)), readFileSync(at(b))) === 0;

function usedImage(): Uint8Array {
  const image = ocssdImage(smallRecipe, 5 * 4112);
  setChunk(image, 0, 2, smallRecipe.clba, 1);
  writeSectors(image, smallRecipe, 0, 0, smallRecipe.clba);
  setChunk(image, 20, 4, 8);
  writeSectors(image, smallRecipe, 20, 0, 8);
  image[77] = 7;
  return image;
}

describe('disks as files', () => {
  it('go from an image into a disk file, a container and back, byte for byte', async () => {
    writeFileSync(at('a.img'), usedImage());
    const first = await lab('--media', at('a.disk'), '--import', at('a.img'), '--export', at('a.lnvmpack'));
    expect(first.err).toMatch(/^Importing .*a\.img: .* of .*, 100 %$/m);
    expect(first.err).toMatch(/^Exporting .*a\.lnvmpack: [\d.]+ [KM]iB of [\d.]+ [KM]iB, 100 %$/m);
    expect(first.status).toBe(0);
    const second = await lab('--import', at('a.lnvmpack'), '--export', at('b.img'), '--format', 'ocssd');
    expect(second.err).toMatch(/first sector of the disk/);
    expect(second.status).toBe(0);
    expect(same('a.img', 'b.img')).toBe(true);
    const third = await lab('--media', at('a.disk'), '--export', at('c.lnvmpack'));
    expect(third.status).toBe(0);
    expect(same('a.lnvmpack', 'c.lnvmpack')).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['a.disk', 'a.img', 'a.lnvmpack', 'b.img', 'c.lnvmpack']);
  }, 60_000);

  it('of branch ocssd12 are three, with holes', async () => {
    const line =
      'nvme,serial=x,lver=1,nlbaf=5,lba_index=3,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16';
    const device = ['--device', line, '--size', '65M'];
    const out = await lab(...device, '--export', at('raw'), '--format', 'raw12');
    expect(out.err).toMatch(/zeroes its metadata file/);
    expect(out.status).toBe(0);
    expect([statSync(at('raw')).size, statSync(at('raw.bbt')).size]).toEqual([65 * 2 ** 20, 256]);
    expect(statSync(at('raw')).blocks).toBeLessThan(1000);
    writeFileSync(at('bad'), Buffer.alloc(256, 0).fill(1, 8, 10));
    const again = await lab(
      '--device',
      line,
      ...[
        '--import',
        at('raw'),
        '--format',
        'raw12',
        '--metadata',
        at('raw.meta'),
        '--bad-blocks',
        at('bad'),
      ],
      ...['--media', at('raw.disk')],
    );
    expect([again.status, again.err.includes('100 %')]).toEqual([0, true]);
    const third = await lab('--media', at('raw.disk'), '--export', at('raw2'), '--format', 'raw12');
    expect(third.status).toBe(0);
    expect([same('raw', 'raw2'), same('raw.meta', 'raw2.meta'), same('bad', 'raw2.bbt')]).toEqual([
      true,
      true,
      true,
    ]);
  }, 60_000);

  it.each<[string, (file: string) => string[], RegExp]>([
    ['no such file', () => ['--import', at('none')], /none cannot be read or written \(ENOENT\)/],
    ['neither', (file) => ['--import', file], /is neither an exported disk nor an ocssd image/],
    [
      'raw without a line',
      (file) => ['--import', file, '--format', 'raw12'],
      /meta cannot be read|device line/,
    ],
    [
      'an unknown format',
      (file) => ['--export', file, '--format', 'qcow2'],
      /--format is qcow2; it takes container/,
    ],
    ['a name that says nothing', () => ['--export', at('x.img')], /What .* is to be is not known/],
    ['an export over a file', (file) => ['--export', file, '--format', 'container'], /exists already/],
    [
      'the wrong kind',
      () => ['--export', at('x.img'), '--format', 'ocssd'],
      /version 2\.0, which this one is not/,
    ],
    ['metadata alone', (file) => ['--metadata', file], /--metadata goes with --import/],
    ['a directory', () => ['--import', folder], /cannot be read or written \(EISDIR\)/],
  ])('are refused in one sentence: %s', async (_name, args, reason) => {
    writeFileSync(at('junk'), 'this is no disk at all');
    const before = readdirSync(folder).sort();
    const { status, err } = await lab('--media', at('refused.disk'), ...args(at('junk')));
    expect(err).toMatch(reason);
    expect(err.trim().split('\n')).toHaveLength(1);
    expect(status).toBe(2);
    expect(
      readdirSync(folder)
        .sort()
        .filter((name) => name !== 'refused.disk'),
    ).toEqual(before);
    rmSync(at('refused.disk'), { force: true });
    expect(readFileSync(at('junk'), 'utf8')).toBe('this is no disk at all');
  });

  it('never go over a disk that is there, and a damaged one leaves nothing', async () => {
    writeFileSync(at('good.img'), usedImage());
    expect((await lab('--media', at('d.disk'), '--import', at('good.img'))).status).toBe(0);
    const bytes = readFileSync(at('d.disk'));
    const over = await lab('--media', at('d.disk'), '--import', at('good.img'));
    expect([over.status, over.err.trim().split('\n').at(-1)]).toEqual([
      2,
      `${at('d.disk')} exists already; give the name of a new file.`,
    ]);
    expect(Buffer.compare(readFileSync(at('d.disk')), bytes)).toBe(0);
    expect((await lab('--media', at('d.disk'), '--export', at('d.lnvmpack'))).status).toBe(0);
    const packed = readFileSync(at('d.lnvmpack'));
    packed[packed.length - 100] = (packed.at(-100) ?? 0) ^ 4;
    writeFileSync(at('e.lnvmpack'), packed);
    const damaged = await lab('--media', at('e.disk'), '--import', at('e.lnvmpack'));
    expect(damaged.status).toBe(2);
    expect(damaged.err).toMatch(/The disk was not imported because .*; nothing was changed\./);
    expect(existsSync(at('e.disk')) || existsSync(at('e.disk.new')) || existsSync(at('e.disk.lock'))).toBe(
      false,
    );
  }, 60_000);
});
