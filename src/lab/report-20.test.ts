import { describe, expect, it } from 'vitest';
import { buildConfig } from './device-line.ts';
import { formatReport, geometryReport } from './report.ts';
import type { DeviceFiles, GeometryReport } from './types.ts';

const GIB = 2 ** 30;

/** A report of a disk of branch next; `more` wins over 1 group × 4 PU × 64 chunks × 512 sectors. */
function report(more: string, begin = -1, end = -1, files: DeviceFiles = {}, op?: number): GeometryReport {
  const line = `-device ocssd,serial=x -device ocssd-ns,drive=d,num_grp=1,num_pu=4,num_chk=64,clba=512,ms=16,ws_min=4,ws_opt=8,mw_cunits=32${more}`;
  const built = buildConfig(line, GIB, files);
  if (!built.ok) throw new Error(built.error);
  return geometryReport(built.config, begin, end, {}, { op });
}

const WORKS = { createSucceeds: true, safe: true, reason: '' };

describe('measured on Linux 5.10', () => {
  it.each([
    ['', 109_568],
    [',ms=0', 95_872],
  ])('1 × 4 × 64 × 512%s', (more, usableSectors) => {
    expect(report(more)).toMatchObject({
      ...WORKS,
      usableSectors,
      lines: 64,
      opPercent: 15,
      chunkBytes: 512 * 4096,
      scanReads: 0,
      chunkLogBytes: 4 * 64 * 32,
    });
  });
});

describe('metadata', () => {
  it.each([1, 8, 15])('of %i bytes is packed, as of none', (ms) => {
    expect(report(`,ms=${ms}`).usableSectors).toBe(95_872);
  });

  it.each([16, 20, 64])('of %i bytes is not', (ms) => {
    expect(report(`,ms=${ms}`).usableSectors).toBe(109_568);
  });

  it('leaves nothing of writes of one sector', () => {
    const bad = report(',ms=0,ws_min=1,ws_opt=1');
    expect(bad).toMatchObject({ createSucceeds: false, l2pBytes: 0 });
    expect(bad.reason).toMatch(/less than 16 bytes of metadata \(ms\).*with 16 bytes of metadata.*works\.$/);
  });
});

describe('the write buffer', () => {
  // 2^⌈log2 max((max(mw, ws) + ws) · L, 2^⌈log2(mw · L + 64)⌉, 128)⌉, doubled if mw · L + 64 reaches it.
  it.each([
    [',mw_cunits=32', 256],
    [',mw_cunits=24', 256],
    [',mw_cunits=0', 128],
    [',mw_cunits=256', 2048],
    [',mw_cunits=48', 512],
    [',ws_opt=64,mw_cunits=0', 512],
  ])('with%s has %i entries', (more, bufferEntries) => {
    expect(report(more)).toMatchObject({ bufferEntries, bufferBytes: bufferEntries * 4096 });
  });

  it('that fits in no memory fails', () => {
    const bad = report(',mw_cunits=65535');
    expect(bad.createSucceeds).toBe(false);
    expect(bad.reason).toMatch(/write buffer of/);
  });
});

describe('counts that are no powers of two', () => {
  it.each([
    [',num_pu=3', -1, -1],
    [',num_grp=3,num_pu=2', -1, -1],
    [',num_grp=3,num_pu=3', 0, 2],
    [',num_chk=60', 0, 2],
    [',clba=600', 0, 3],
    [',num_pu=8', 0, 6],
  ])('%s, -b %i -e %i work: pblk divides', (more, begin, end) => {
    expect(report(more, begin, end)).toMatchObject(WORKS);
  });

  it('count as they are', () => {
    expect(report(',num_pu=3').rawBytes).toBe(3 * 64 * 512 * 4096);
  });
});

describe('ranges', () => {
  it('that take unequal parts of groups are refused in words of 2.0', () => {
    const bad = report(',num_grp=2', 0, 5);
    expect(bad).toMatchObject({ createSucceeds: false, safe: true });
    expect(bad.reason).toMatch(/more parallel units from one group than from another.*-b 0 -e \d works\.$/);
  });

  it('that begin inside a group and go on in the next are not safe', () => {
    const bad = report(',num_grp=2', 2, 5);
    expect(bad.safe).toBe(false);
    expect(bad.reason).toMatch(/begins inside a group/);
  });

  it('that are out of bounds are named', () => {
    expect(report('', 0, 9).reason).toMatch(/has the parallel units 0 to 3/);
  });
});

describe('what does not work', () => {
  it('chunks that ws_opt does not divide', () => {
    const bad = report(',ws_opt=24');
    expect(bad).toMatchObject({ createSucceeds: true, safe: false });
    expect(bad.reason).toMatch(
      /24 sectors does not divide a chunk of 512.*optimal write of 16 sectors works\.$/,
    );
  });

  it('too few chunks', () => {
    const bad = report(',num_chk=8');
    expect(bad).toMatchObject({ createSucceeds: false, usableSectors: 0 });
    expect(bad.reason).toMatch(
      /has 8 lines, but pblk keeps 10 back.*with \d+ chunks in each parallel unit it works\.$/,
    );
    const chunks = /with (\d+) chunks/.exec(bad.reason)?.[1] ?? '';
    expect(report(`,num_chk=${chunks}`)).toMatchObject(WORKS);
    expect(report(`,num_chk=${Number(chunks) - 1}`).createSucceeds).toBe(false);
  });

  it('chunks too small for the metadata of a line', () => {
    const bad = report(',num_pu=1,clba=8');
    expect(bad.createSucceeds && bad.safe).toBe(false);
    expect(bad.reason).toMatch(/\.$/);
  });

  it('an -o out of bounds', () => {
    expect(report('', 0, 3, {}, 2).reason).toMatch(/-o 2 is not possible.*-o \d+ works/);
  });
});

describe('bad chunks', () => {
  it('are taken off, line by line', () => {
    const whole = report('');
    const some = report('', -1, -1, {
      chunkInfo: 'grp=0 pu=1 chk=5 state=OFFLINE\npu=2 chk=7 state=OFFLINE',
    });
    expect(some).toMatchObject({ ...WORKS, scanReads: 0 });
    expect(some.usableSectors).toBeLessThan(whole.usableSectors);
    // One outside the range changes nothing.
    expect(report('', 2, 3, { chunkInfo: 'pu=1 chk=5 state=OFFLINE' })).toEqual(report('', 2, 3));
  });

  it('in all lines leave nothing', () => {
    const bad = report('', -1, -1, { chunkInfo: 'state=OFFLINE' });
    expect(bad.createSucceeds).toBe(false);
    expect(bad.reason).toMatch(/too many bad blocks/);
  });

  it('of lbbfrequency take whole lines of a 1.2 disk', () => {
    const of = (more: string) => {
      const built = buildConfig(
        `nvme,serial=x,lver=1,lnum_lun=4,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=128${more}`,
        513 * 2 ** 20,
      );
      if (!built.ok) throw new Error(built.error);
      return geometryReport(built.config, -1, -1);
    };
    expect(of(',lbbfrequency=16').scanReads).toBe(of('').scanReads - 4 * 4);
    expect(of(',lbbfrequency=16').usableSectors).toBeLessThan(of('').usableSectors);
    expect(of(',lbbfrequency=1').reason).toMatch(/too many bad blocks/);
  });

  it('of a table count in any plane', () => {
    const line = 'nvme,serial=x,lver=1,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64';
    const plain = buildConfig(line, 257 * 2 ** 20);
    if (!plain.ok) throw new Error(plain.error);
    const badBlocks = new Uint8Array(2 * 2 * plain.result.geometry.numChk);
    badBlocks[1] = 2;
    badBlocks[4] = 8;
    const built = buildConfig(line, 257 * 2 ** 20, { badBlocks });
    if (!built.ok) throw new Error(built.error);
    expect(geometryReport(built.config, -1, -1).scanReads).toBe(2 * plain.result.geometry.numChk - 2);
  });
});

it('the text has the chunk log in place of the scan', () => {
  const text = formatReport(report(''));
  expect(text).toMatch(/chunk log: +8 KiB/);
  expect(text).not.toMatch(/scan:/);
});
