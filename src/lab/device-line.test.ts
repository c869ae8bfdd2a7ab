import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { badDeviceLines } from '../../test/bad-device-lines.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { MAX_BLOCKS } from './device-line-geometry.ts';
import { shellWords } from './device-line-words.ts';
import { buildConfig, mediumOf, parseDeviceLine } from './device-line.ts';
import { presets } from './presets.ts';
import { geometryReport } from './report.ts';
import { MAX_DISK_BYTES, MIN_DISK_BYTES } from './size.ts';
import type { DeviceLineOk } from './types.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const OPTIONS =
  'drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1';
const TUTORIAL = `-device nvme,${OPTIONS}`;
const TUTORIAL_GEOMETRY = {
  numCh: 1,
  numLun: 16,
  numPln: 2,
  numChk: 31,
  numPg: 512,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
};

function accepted(line: string, sizeBytes = 8 * GIB): DeviceLineOk {
  const result = parseDeviceLine(line, sizeBytes);
  if (!result.ok) throw new Error(result.error);
  return result;
}

describe("the tutorial's line", () => {
  it.each([
    ['as it stands', TUTORIAL],
    ['without -device', `nvme,${OPTIONS}`],
    ['with two dashes', `--device nvme,${OPTIONS}`],
    ['with driver=', `-device driver=nvme,${OPTIONS}`],
    ['in double quotes', `-device "nvme,${OPTIONS}"`],
    ['in single quotes', `-device 'nvme,${OPTIONS}'`],
    ['with curly quotes', `-device “nvme,${OPTIONS}”`],
    ['with a typographic dash', `–device nvme,${OPTIONS}`],
    ['with a value in quotes', TUTORIAL.replace('deadbeef', '"deadbeef"')],
    ['with the image behind it', `${TUTORIAL} ubuntu.raw`],
    ['with a comment behind it', `${TUTORIAL} # the disk, 16 LUNs`],
    ['broken after commas', TUTORIAL.replaceAll(',', ',\n   ')],
    ['broken before commas', TUTORIAL.replaceAll(',', '\n  ,')],
    ['continued with backslashes', TUTORIAL.replaceAll(',', ',\\\n')],
    ['continued in the middle of a word', TUTORIAL.replace('lmetasize', 'lmeta\\\nsize')],
    ['with CR LF', TUTORIAL.replaceAll(',', ',\r\n')],
    ['with spaces around commas', TUTORIAL.replaceAll(',', ' , ')],
    [
      'with spaces around equals signs',
      TUTORIAL.replace('lver=1', 'lver = 1').replace('mdts=10', 'mdts= 10'),
    ],
    ['with spaces for commas', TUTORIAL.replaceAll(',l', ' l')],
    ['with non-breaking spaces', TUTORIAL.replace(' ', '\u00a0')],
    ['with a comma behind it', `${TUTORIAL},`],
    ['with a backslash behind it', `${TUTORIAL} \\`],
    [
      'in the whole command',
      `$ qemu-system-x86_64 -m 4G -smp 1 --enable-kvm -drive file=blknvme,if=none,id=mynvme -redir tcp:37812::22 ${TUTORIAL} ubuntu.raw &`,
    ],
    [
      'in the whole command over lines',
      `qemu-system-x86_64 \\\n  -m 4G \\\n  -device e1000,netdev=n0 \\\n  ${TUTORIAL} \\\n  ubuntu.raw`,
    ],
  ])('is taken %s', (_, line) => {
    expect(accepted(line)).toMatchObject({
      kind: 'ocssd12',
      geometry: TUTORIAL_GEOMETRY,
      totalSecs: 31 * 16 * 4096,
    });
  });

  it('shows every option with its value, default and meaning', () => {
    const { options } = accepted(TUTORIAL);
    expect(options.find(({ name }) => name === 'lnum_lun')).toMatchObject({
      value: '16',
      defaultValue: '1',
      given: true,
    });
    expect(options.find(({ name }) => name === 'entries')).toMatchObject({ value: '0x7ff', given: false });
    expect(options.find(({ name }) => name === 'lstrict')?.meaning).toMatch(/^accepted; has no effect here/);
    expect(options.every(({ meaning }) => meaning.length > 5)).toBe(true);
  });

  it('says that no files are needed and what was left aside', () => {
    const { notes } = accepted(`qemu-system-x86_64 ${TUTORIAL} ubuntu.raw`);
    expect(notes.join('\n')).toMatch(/drive, lbbtable, lmetadata: no files are needed/);
    expect(notes.join('\n')).toMatch(/not needed here: qemu-system-x86_64 ubuntu\.raw/);
  });

  it('becomes a configuration and a medium', () => {
    const built = buildConfig(TUTORIAL, 8 * GIB);
    expect(built).toMatchObject({
      ok: true,
      config: {
        vendorId: 0x1d1d,
        deviceId: 0x1f1f,
        serial: 'deadbeef',
        maxQueueEntriesZ: 0x7ff,
        ioQueuePairs: 64,
        mdts: 10,
        contiguousQueuesRequired: true,
        namespaces: [{ kind: 'ocssd12', geometry: TUTORIAL_GEOMETRY, maxSecsPerRq: 64 }],
      },
    });
    if (built.ok) expect(mediumOf(built.config)).toEqual({ unitBytes: 8 * 4112, totalUnits: 16 * 31 * 512 });
  });
});

describe('chunks from the size', () => {
  it.each([
    [1 * GIB, 3],
    [2 * GIB, 7],
    [3 * GIB, 11],
    [8 * GIB, 31],
  ])('%i bytes give the tutorial %i chunks', (sizeBytes, chunks) => {
    expect(accepted(TUTORIAL, sizeBytes).geometry.numChk).toBe(chunks);
  });

  it.each([
    [512, 63],
    [513, 64],
  ])('%i MiB give 4 LUNs, 2 planes, 4 x 64 %i chunks', (mib, chunks) => {
    expect(
      accepted('nvme,serial=x,lver=1,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64', mib * MIB)
        .geometry.numChk,
    ).toBe(chunks);
  });

  it('counts the channels', () => {
    const line = 'nvme,serial=x,lver=1,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64';
    expect(accepted(`${line},lnum_ch=2`, 513 * MIB).geometry.numChk).toBe(64);
    expect(accepted(line, 513 * MIB).geometry.numChk).toBe(128);
  });
});

describe('a plain disk', () => {
  it('needs a serial number only', () => {
    const result = accepted('nvme,lver=0,serial=x', GIB);
    expect(result).toMatchObject({
      kind: 'plain',
      totalSecs: GIB / 4096,
      geometry: { secSizeBytes: 4096, numLun: 0 },
    });
  });

  it('is the default, as in qemu-nvme, and says so when open-channel options are given', () => {
    const result = accepted('nvme,serial=x,lnum_lun=16');
    expect(result.kind).toBe('plain');
    expect(result.notes.join()).toMatch(/plain NVMe disk, so lnum_lun has no effect; lver=1/);
  });

  it('is kept in units of 32 KiB', () => {
    const built = buildConfig('nvme,serial=x,lba_index=0', MIB + 512);
    expect(built.ok && mediumOf(built.config)).toEqual({ unitBytes: 32_768, totalUnits: 32 });
    expect(built.ok && built.config.namespaces).toEqual([
      { kind: 'plain', secSizeBytes: 512, sizeBytes: MIB },
    ]);
  });

  it('is cut into equal namespaces', () => {
    const built = buildConfig('nvme,serial=x,namespaces=3,lba_index=0', GIB);
    if (!built.ok) throw new Error(built.error);
    const sizeBytes = Math.floor(GIB / 3 / 32_768) * 32_768;
    expect(built.config.namespaces).toEqual(
      Array.from({ length: 3 }, () => ({ kind: 'plain', secSizeBytes: 512, sizeBytes })),
    );
    expect(built.result).toMatchObject({ namespaces: 3, totalSecs: (3 * sizeBytes) / 512, sizeBytes: GIB });
    expect(mediumOf(built.config).totalUnits).toBe((3 * sizeBytes) / 32_768);
  });

  it.each([0, 1, 2, 3])('has blocks of 512 << %i bytes', (index) => {
    const result = accepted(`nvme,serial=x,lba_index=${index}`, GIB);
    expect(result.geometry.secSizeBytes).toBe(512 << index);
    expect(result.totalSecs).toBe(GIB / (512 << index));
  });

  it('reports the optional commands and the write cache that are asked for', () => {
    const built = buildConfig('nvme,serial=x,oncs=0x4,oacs=6,vwc=1', GIB);
    expect(built).toMatchObject({ ok: true, config: { oncs: 0x4, oacs: 6, volatileWriteCache: true } });
    expect(buildConfig('nvme,serial=x', GIB)).toMatchObject({
      config: { oncs: 0x1f, oacs: 2, volatileWriteCache: false },
    });
  });
});

describe('the factory of a 1.2 disk', () => {
  const line = 'nvme,serial=x,lver=1,lnum_lun=2,lsecs_per_pg=4,lpgs_per_blk=16,lnum_pln=2';
  const blocks = (chunks: number) => 2 * chunks * 2;

  it('takes lbbfrequency', () => {
    expect(buildConfig(`${line},lbbfrequency=100`, 64 * MIB)).toMatchObject({
      config: { namespaces: [{ badBlockEvery: 100 }] },
    });
  });

  it('takes the content of lbbtable, byte for byte', () => {
    const { numChk } = accepted(line, 64 * MIB).geometry;
    const badBlocks = new Uint8Array(blocks(numChk));
    badBlocks[3] = 1;
    const built = buildConfig(`${line},lbbtable=bb`, 64 * MIB, { badBlocks });
    expect(built).toMatchObject({ ok: true, config: { namespaces: [{ initialBadBlocks: badBlocks }] } });
    expect(accepted(`${line},lbbtable=bb`, 64 * MIB).notes.join()).toMatch(
      /lbbtable=bb names a file.*--bad-blocks/,
    );
  });

  it.each([
    [{ badBlocks: new Uint8Array(5) }, /has 5 bytes, but the disk has \d+ blocks/],
    [{ chunkInfo: '' }, /--chunk-info is not possible because open-channel 1\.2/],
    [{ resetFail: 'prob=1' }, /--reset-fail is not possible/],
  ])('refuses %j', (files, says) => {
    const built = buildConfig(line, 64 * MIB, files);
    expect(built).toMatchObject({ ok: false, error: expect.stringMatching(says) as string });
    if (!built.ok) expectOneSentence(built.error);
  });

  it('refuses values that no block has', () => {
    const { numChk } = accepted(line, 64 * MIB).geometry;
    const badBlocks = new Uint8Array(blocks(numChk)).fill(3, 7, 8);
    expect(buildConfig(line, 64 * MIB, { badBlocks })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/value 3 at byte 7/) as string,
    });
  });
});

describe('notes', () => {
  it.each([
    [
      'a repeated option',
      `${TUTORIAL},lnum_lun=8`,
      /lnum_lun was given 2 times; the last one, lnum_lun=8, counts/,
    ],
    ['other PCI ids', `${TUTORIAL},did=0x5845`, /1d1d:5845 for a plain disk/],
    ['small requests', `${TUTORIAL},lmax_sec_per_rq=16`, /larger ones fail/],
    ['half a fault', `${TUTORIAL},lb_err_write=1000`, /need both/],
    ['channels', `${TUTORIAL},lnum_ch=2`, /channels are real/],
  ])('on %s', (_, line, says) => {
    expect(accepted(line).notes.join('\n')).toMatch(says);
  });
});

describe('QEMU’s syntax', () => {
  it('takes two commas for one in a value', () => {
    const built = buildConfig('nvme,serial=a,,b', GIB);
    expect(built.ok && built.config.serial).toBe('a,b');
  });

  it('takes a switch without a value for on', () => {
    expect(accepted('nvme,serial=x,ldebug').options.find(({ name }) => name === 'ldebug')).toMatchObject({
      value: 'on',
      given: true,
    });
  });

  it('splits words as a shell does', () => {
    expect(shellWords(`a 'b c' "d"e # no\nf;g & h`)).toEqual(['a', 'b c', 'de', 'f', 'g', 'h']);
  });
});

describe('wrong lines', () => {
  it('are many', () => {
    expect(badDeviceLines.length).toBeGreaterThanOrEqual(30);
  });

  it.each(badDeviceLines.map((bad) => [bad.line.slice(-60), bad] as const))('…%s', (_, bad) => {
    const result = parseDeviceLine(bad.line, bad.sizeBytes);
    expect(result).toMatchObject({ ok: false, error: expect.stringMatching(bad.mustSay) as string });
    if (result.ok) return;
    expect(result.option).toBe(bad.option);
    expectOneSentence(result.error);
  });

  it('are refused for any size that is none', () => {
    for (const sizeBytes of [Number.NaN, Infinity, -1, 0, 1.5]) {
      expect(parseDeviceLine(TUTORIAL, sizeBytes)).toMatchObject({ ok: false });
    }
  });
});

function expectOneSentence(text: string): void {
  expect(text).toMatch(/^[^\p{C}\n]+\.$/u);
  expect(text.length).toBeLessThan(400);
  expect(text.slice(0, -1)).not.toMatch(/\. [A-Z]/);
}

describe('any text at all', () => {
  const names = accepted(TUTORIAL).options.map(({ name }) => name);
  const value = fc.oneof(
    fc.nat(300).map(String),
    fc.constantFrom('on', '0x10', '', '-1', '4096', '65535', '1e9'),
    fc.string(),
  );
  const mutated = fc
    .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 })
    .map((extra) => TUTORIAL + extra.map(([name, text]) => `,${name}=${text}`).join(''));
  const cut = fc
    .tuple(fc.nat(TUTORIAL.length), fc.nat(40), fc.string())
    .map(([at, length, text]) => TUTORIAL.slice(0, at) + text + TUTORIAL.slice(at + length));
  const size = fc.oneof(
    fc.integer({ min: MIN_DISK_BYTES, max: MAX_DISK_BYTES }),
    fc.double(),
    fc.constant(8 * GIB),
  );

  it('is taken or refused in one sentence, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), mutated, cut), size, (line, sizeBytes) => {
        // An error repeats what was written, and that may look like the end of a sentence.
        fc.pre(!/\. [A-Z]/.test(line.replace(/["'\\]/g, '')));
        const built = buildConfig(line, sizeBytes);
        if (!built.ok) {
          expectOneSentence(built.error);
          return;
        }
        const namespace = built.config.namespaces[0];
        if (namespace?.kind !== 'ocssd12') return;
        const geometry = deriveGeometry(namespace.geometry);
        expect(geometry.totalBlks).toBeLessThanOrEqual(MAX_BLOCKS);
        expect(geometry.totalSecs * geometry.secSizeBytes).toBeLessThanOrEqual(sizeBytes);
        expect(mediumOf(built.config).totalUnits).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('presets', () => {
  it.each(presets.map((preset) => [preset.id, preset] as const))(
    '%s is taken and works with pblk',
    (_, preset) => {
      const built = buildConfig(preset.line, preset.sizeBytes);
      if (!built.ok) throw new Error(built.error);
      expect(built.result.sizeBytes).toBe(preset.sizeBytes);
      if (built.result.kind === 'plain') return;
      expect(geometryReport(built.config, -1, -1)).toMatchObject({
        createSucceeds: true,
        safe: true,
        reason: '',
      });
      expect(built.result.geometry.numChk).toBeGreaterThanOrEqual(11);
    },
  );

  it('have different names', () => {
    expect(new Set(presets.map(({ id }) => id)).size).toBe(presets.length);
    expect(presets.length).toBeGreaterThanOrEqual(5);
  });
});
