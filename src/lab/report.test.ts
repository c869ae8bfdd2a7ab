import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ControllerConfig } from '../device/config.ts';
import type { Geometry } from '../flash/geometry.ts';
import { buildConfig } from './device-line.ts';
import { lunRange } from './report-luns.ts';
import { createTarget } from './report-pblk.ts';
import { formatReport, geometryReport } from './report.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function config(options: string, sizeBytes: number): ControllerConfig {
  const built = buildConfig(`nvme,serial=x,lver=1,${options}`, sizeBytes);
  if (!built.ok) throw new Error(built.error);
  return built.config;
}

/** A device of so many chunks, whatever size would give them. */
function device(
  geometry: Partial<Geometry>,
  more: Partial<ControllerConfig> = {},
  maxSecsPerRq = 64,
): ControllerConfig {
  const base = config('', GIB);
  const full = {
    numCh: 1,
    numLun: 4,
    numPln: 2,
    numChk: 64,
    numPg: 64,
    secsPerPg: 4,
    secSizeBytes: 4096,
    oobSizeBytes: 16,
    ...geometry,
  };
  const [namespace] = base.namespaces;
  if (namespace?.kind !== 'ocssd12') throw new Error('not open-channel');
  return { ...base, namespaces: [{ ...namespace, geometry: full, maxSecsPerRq }], ...more };
}

const tutorial = (numChk: number): ControllerConfig => device({ numLun: 16, numPg: 512, numChk });

describe('measured on Linux 5.10', () => {
  it.each([
    ['the tutorial, all LUNs', tutorial(31), 0, 15, 5344 * MIB, 32],
    ['the tutorial, -b 0 -e 3', tutorial(31), 0, 3, 339_968 * 4096, 32],
    ['4 LUN, 2 pln, 4x64, 64 chunks', device({}), 0, 3, 428 * MIB, 15],
    ['4 LUN, 2 pln, 4x16, 64 chunks', device({ numPg: 16 }), 0, 3, 26_624 * 4096, 15],
    ['4 LUN, 1 pln, 4x32, 64 chunks', device({ numPln: 1, numPg: 32 }), 0, 3, 106 * MIB, 15],
  ])('%s', (_, disk, begin, end, usableBytes, opPercent) => {
    const report = geometryReport(disk, begin, end);
    expect(report).toMatchObject({
      createSucceeds: true,
      safe: true,
      reason: '',
      usableBytes,
      usableSectors: usableBytes / 4096,
      opPercent,
    });
  });

  it.each([
    [
      '4 channels of 4, -b 4 -e 11',
      device({ numCh: 4, numLun: 4, numPln: 1, numChk: 32 }),
      4,
      11,
      44_544,
      512,
    ],
    ['4 channels of 4, -b 5 -e 6', device({ numCh: 4, numLun: 4, numPln: 1, numChk: 32 }), 5, 6, 11_008, 256],
    ['2 channels of 2', device({ numCh: 2, numLun: 2 }), 0, 3, 109_568, 256],
    ['11 lines of the tutorial', tutorial(11), 0, 3, 12_288, 256],
  ])('%s, on this device', (_, disk, begin, end, usableSectors, bufferEntries) => {
    expect(geometryReport(disk, begin, end)).toMatchObject({
      createSucceeds: true,
      safe: true,
      usableSectors,
      bufferEntries,
    });
  });

  it('counts no room for the list of valid sectors: 2 LUNs of 4 sectors, 2044 chunks', () => {
    const report = geometryReport(
      device({ numLun: 2, numPln: 1, secsPerPg: 1, numPg: 4, numChk: 2044 }),
      0,
      1,
    );
    expect(report).toMatchObject({
      createSucceeds: true,
      safe: false,
      usableSectors: 8420,
      bufferEntries: 128,
    });
  });

  it('one LUN of 11 lines has no room at all', () => {
    expect(geometryReport(tutorial(11), 4, 4)).toMatchObject({
      createSucceeds: false,
      l2pBytes: 0,
      opPercent: 90,
    });
  });

  it.each([3, 4, 8, 9, 10])('%i chunks are too few for the tutorial', (numChk) => {
    expect(geometryReport(tutorial(numChk), 0, 3)).toMatchObject({ createSucceeds: false, usableSectors: 0 });
    expect(geometryReport(tutorial(numChk), 0, 15)).toMatchObject({
      createSucceeds: false,
      usableSectors: 0,
    });
  });

  it.each([11, 12])('%i chunks are enough for the tutorial', (numChk) => {
    expect(geometryReport(tutorial(numChk), 0, 3)).toMatchObject({ createSucceeds: true, safe: true });
    expect(geometryReport(tutorial(numChk), 0, 15)).toMatchObject({ createSucceeds: true, safe: true });
  });

  it("says what the kernel says about the tutorial's own 1 GiB, and what works", () => {
    const report = geometryReport(
      config('lnum_lun=16,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=512', GIB),
      0,
      3,
    );
    expect(report).toMatchObject({
      createSucceeds: false,
      opPercent: 333,
      l2pBytes: 4_294_492_160,
      lines: 3,
    });
    expect(report.reason).toMatch(
      /"failed to allocate L2P \(need 4294492160 of memory\)".*with --size 3G it works\.$/,
    );
  });

  it.each([
    [0, 15, 1024],
    [0, 3, 256],
    [0, 1, 256],
    [0, 0, 128],
    [5, 5, 128],
  ])('-b %i -e %i has a write buffer of %i entries', (begin, end, entries) => {
    expect(geometryReport(tutorial(31), begin, end)).toMatchObject({
      bufferEntries: entries,
      bufferBytes: entries * 4096,
    });
  });

  it('packs metadata into the data when there is no OOB (2.0 device of 512 sectors in a chunk: 109,568 and 95,872)', () => {
    const disk = device({});
    const packed = device({ oobSizeBytes: 0 });
    expect(geometryReport(disk, 0, 3).usableSectors).toBe(109_568);
    expect(geometryReport(packed, 0, 3).usableSectors).toBe(95_872);
    expect(geometryReport(device({ oobSizeBytes: 15 }), 0, 3).usableSectors).toBe(95_872);
  });

  it('has the rate limiter of the sample in sysfs (full:>28)', () => {
    // op_blks 40, metadata 8 chunks, 4 LUNs: 28, which is more than one line, so nothing to warn of.
    expect(geometryReport(device({ numPg: 16 }), 0, 3).safe).toBe(true);
  });
});

describe('LUN ranges', () => {
  const channels = device({ numCh: 4, numLun: 4 });

  it.each([
    [tutorial(31), 0, 2, '-b 0 -e 3 works'],
    [tutorial(31), 0, 6, '-b 0 -e 7 works'],
    [tutorial(31), 1, 3, '-b 1 -e 4 works'],
    [tutorial(31), 11, 15, '-b 11 -e 14 works'],
    [channels, 0, 11, /no power of two.*channel config.*works/],
  ])(
    '%#: -b %i -e %i gives every sector one address, which this device refuses',
    (disk, begin, end, says) => {
      const report = geometryReport(disk, begin, end);
      expect(report).toMatchObject({ createSucceeds: false, safe: false, usableSectors: 0 });
      expect(report.reason).toMatch(says);
    },
  );

  it('of three LUNs succeeds where one sector is written at a time, and is not safe', () => {
    expect(geometryReport(device({ secsPerPg: 1, numPln: 1 }), 0, 2)).toMatchObject({
      createSucceeds: true,
      safe: false,
    });
  });

  it.each([
    [channels, 2, 5, /past its own LUN map.*-b 0 -e 3 works/],
    [channels, 2, 9, /past its own LUN map/],
  ])('%#: -b %i -e %i succeeds and is not safe', (disk, begin, end, says) => {
    const report = geometryReport(disk, begin, end);
    expect(report).toMatchObject({ createSucceeds: true, safe: false });
    expect(report.reason).toMatch(says);
  });

  it.each([
    [0, 5, /unbalanced LUN config.*-b 0 -e 7 works/],
    [0, 16, /LUNs 0 to 15.*-b 0 -e 15 works/],
    [3, 2, /out of bounds/],
    [-1, 3, /out of bounds/],
    [-5, -5, /out of bounds/],
    [Number.NaN, 3, /out of bounds/],
    [0.5, 3, /out of bounds/],
  ])('-b %d -e %d fails', (begin, end, says) => {
    const report = geometryReport(channels, begin, end);
    expect(report).toMatchObject({ createSucceeds: false, usableSectors: 0 });
    expect(report.reason).toMatch(says);
  });

  it.each([
    [0, 15],
    [4, 7],
    [5, 6],
    [4, 11],
    [13, 13],
  ])('-b %i -e %i works over 4 channels of 4', (begin, end) => {
    expect(geometryReport(channels, begin, end)).toMatchObject({
      createSucceeds: true,
      safe: true,
      reason: '',
    });
  });

  it('-1 and -1 are all LUNs', () => {
    expect(geometryReport(channels, -1, -1)).toMatchObject({ lunBegin: 0, lunEnd: 15, createSucceeds: true });
  });

  it('are cut as nvm_create_tgt_dev cuts them', () => {
    expect(lunRange(4, 4, 4, 11)).toEqual({
      begin: 4,
      end: 11,
      allLuns: 8,
      numCh: 2,
      numLun: 4,
      overrunsChannel: false,
    });
    expect(lunRange(4, 4, 0, 5)).toMatchObject({ numCh: 2, numLun: -1 });
    expect(lunRange(4, 4, 3, 4)).toMatchObject({ numCh: 1, numLun: 2, overrunsChannel: true });
  });
});

describe('other failures', () => {
  it.each([
    [
      'one sector written at a time without OOB',
      device({ secsPerPg: 1, numPln: 1, oobSizeBytes: 0 }),
      /need 0 of memory.*lmetasize=16 works/,
    ],
    [
      'two LUNs of tiny chunks',
      device({ numLun: 2, numPg: 1 }),
      /config\. not supported.*lpgs_per_blk=\d+ with --size .* works/,
    ],
    [
      'a transfer smaller than a write',
      device({}, { mdts: 2 }),
      /kernel NULL pointer dereference.*mdts=3 works/,
    ],
    [
      'a transfer smaller than the bad-block table',
      device({ numPln: 1, numChk: 9000, numPg: 16, numLun: 4 }, { mdts: 1 }),
      /get bad block table failed/,
    ],
    [
      'more lines than kmalloc gives',
      device({ numLun: 1, numPln: 1, numPg: 64, numChk: 40_000 }),
      /could not initialize lines.*works/,
    ],
  ])('%s', (_, disk, says) => {
    const report = geometryReport(disk, -1, -1);
    expect(report.createSucceeds).toBe(false);
    expect(report.reason).toMatch(says);
  });

  it.each([
    [2, /-o 2 is not possible.*3 to 80/],
    [81, /-o 80 works/],
    [11.5, /not possible/],
    [5, /OP too small to create a sane instance.*-o \d+ works/],
  ])('-o %d', (op, says) => {
    const report = geometryReport(tutorial(31), 0, 3, {}, { op });
    expect(report.createSucceeds).toBe(false);
    expect(report.reason).toMatch(says);
  });

  it('-o 40 is taken as it is', () => {
    // 124 chunks: 74 for the user, less 1 of metadata ((8 + 40) sectors in 31 lines, chunks of 4096).
    expect(geometryReport(tutorial(31), 0, 3, {}, { op: 40 })).toMatchObject({
      createSucceeds: true,
      opPercent: 40,
      usableSectors: (74 - 1) * 4096,
    });
  });

  it('small memory', () => {
    const report = geometryReport(tutorial(31), 0, 15, { memoryBytes: 32 * MIB });
    expect(report).toMatchObject({ createSucceeds: false });
    expect(report.reason).toMatch(/32 MiB of memory/);
    expect(geometryReport(tutorial(31), 0, 15, { memoryBytes: 128 * MIB }).createSucceeds).toBe(true);
  });

  it('a large disk in small memory', () => {
    const disk = config('lnum_lun=16,lnum_pln=4,lsecs_per_pg=8,lpgs_per_blk=1024', 1024 * GIB);
    const report = geometryReport(disk, -1, -1);
    expect(report).toMatchObject({ createSucceeds: false });
    expect(report.reason).toMatch(/addresses needs .* do not fit in the guest's 128 MiB.*works/);
  });

  it('a plain disk', () => {
    const built = buildConfig('nvme,serial=x', GIB);
    if (!built.ok) throw new Error(built.error);
    expect(geometryReport(built.config, 0, 0)).toMatchObject({
      createSucceeds: false,
      reason: expect.stringMatching(/plain NVMe/) as string,
    });
  });
});

describe('targets that are created and must not be used', () => {
  // Measured: it is created like this.
  it('when the write buffer is larger than a line', () => {
    const small = device({ numLun: 2, numPln: 1, numPg: 16, numChk: 32 });
    expect(geometryReport(small, 0, 1)).toMatchObject({
      createSucceeds: true,
      safe: false,
      usableBytes: 10 * MIB,
      opPercent: 31,
      bufferEntries: 256,
      reason: expect.stringMatching(
        /^Lines of 128 sectors .*buffer of 256.*no free lines.*remove wait.*works\.$/,
      ) as string,
    });
    // Measured: removal hung after garbage collection.
    const wide = { numLun: 64, numPln: 1, numChk: 49 };
    expect(geometryReport(device({ ...wide, numPg: 8 }), 0, 63)).toMatchObject({
      safe: false,
      bufferEntries: 4096,
      reason: expect.stringMatching(/^Lines of 2048 .*lpgs_per_blk=16 works\.$/) as string,
    });
    expect(geometryReport(device({ ...wide, numPg: 16 }), 0, 63)).toMatchObject({ safe: true, reason: '' });
  });

  it('when requests are limited', () => {
    expect(geometryReport(device({}, {}, 16), 0, 3)).toMatchObject({
      createSucceeds: true,
      safe: false,
      reason: expect.stringMatching(/lmax_sec_per_rq=64 works/) as string,
    });
  });

  it('when metadata takes the whole reserve (pblk_rl_init: high would be negative)', () => {
    const report = geometryReport(device({ numLun: 1, numPln: 1, numPg: 16, numChk: 255 }), 0, 0);
    expect(report).toMatchObject({ createSucceeds: true, safe: false });
    expect(report.reason).toMatch(/every write would wait for ever: lpgs_per_blk=32 works/);
  });

  it('when garbage collection would start after the last free line', () => {
    const report = geometryReport(device({ numLun: 1, numPln: 1, numPg: 16, numChk: 64 }), 0, 0);
    expect(report).toMatchObject({ createSucceeds: true, safe: false });
    expect(report.reason).toMatch(/too late/);
  });
});

describe('the model', () => {
  const power = (max: number): fc.Arbitrary<number> => fc.nat(max).map((n) => 2 ** n);
  const geometry = fc.record({
    numCh: power(3),
    numLun: power(4),
    numPln: power(2),
    numChk: fc.integer({ min: 1, max: 2000 }),
    numPg: fc.integer({ min: 1, max: 1024 }),
    secsPerPg: power(3),
    secSizeBytes: fc.constant(4096),
    oobSizeBytes: fc.constantFrom(0, 8, 16, 64),
  });

  it('never gives more than there is, and always a reason when it fails', () => {
    fc.assert(
      fc.property(
        geometry,
        fc.integer({ min: -2, max: 130 }),
        fc.integer({ min: -2, max: 130 }),
        fc.nat(12),
        (g, begin, end, mdts) => {
          const report = geometryReport(device(g, { mdts }), begin, end);
          expect(report.usableBytes).toBeLessThanOrEqual(report.rawBytes);
          expect(report.createSucceeds && report.safe).toBe(report.reason === '');
          expect(report.usableSectors > 0).toBe(report.createSucceeds);
          expect(formatReport(report)).not.toMatch(/undefined|NaN/);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('gives the same numbers as plain arithmetic where nothing wraps', () => {
    const g: Geometry = {
      numCh: 2,
      numLun: 2,
      numPln: 2,
      numChk: 200,
      numPg: 128,
      secsPerPg: 4,
      secSizeBytes: 4096,
      oobSizeBytes: 16,
    };
    const range = lunRange(2, 2, 0, 3);
    if (range === undefined) throw new Error('no range');
    const answer = createTarget({
      geometry: g,
      range,
      mdts: 10,
      maxSecsPerRq: 64,
      op: 20,
      memoryBytes: 128 * MIB,
    });
    // emeta: 1 + ceil((4096 - 16) * 8 / 4096) + 1 = 10 sectors, so 16; with smeta 24 in each of 200 lines.
    const chunks = 800 - 160 - Math.ceil((24 * 200) / 1024);
    expect(answer).toMatchObject({
      failure: undefined,
      danger: undefined,
      capacitySecs: chunks * 1024,
      l2pBytes: chunks * 4096,
      scanReads: 800,
    });
  });
});

describe('a warning', () => {
  const packed = (oobSizeBytes: number) => geometryReport(device({ oobSizeBytes }), 0, 3);

  it('is given for packed metadata, which works until the power goes', () => {
    for (const oobSizeBytes of [0, 8, 15]) {
      const report = packed(oobSizeBytes);
      expect(report).toMatchObject({ createSucceeds: true, safe: true, reason: '' });
      expect(report.warning).toMatch(
        /^With less than 16 bytes of metadata \(lmetasize\) Linux 5\.10 crashes.*works\.$/,
      );
      expect(formatReport(report).split('\n')[1]).toBe(`  ${report.warning ?? ''}`);
    }
  });

  it('is given for nothing else, nor with a target that fails', () => {
    expect(packed(16)).not.toHaveProperty('warning');
    expect(geometryReport(device({ oobSizeBytes: 0 }), 0, 99)).not.toHaveProperty('warning');
    expect(geometryReport(device({ oobSizeBytes: 0 }), 0, 2)).not.toHaveProperty('warning');
  });
});

describe('formatReport', () => {
  it('is a few lines of text', () => {
    expect(formatReport(geometryReport(tutorial(31), 0, 3))).toMatchInlineSnapshot(`
      "nvme lnvm create -t pblk -b 0 -e 3: works
        lines:             31, of chunks of 16 MiB
        raw:               1.9 GiB
        usable:            1.3 GiB (339968 sectors)
        over-provisioning: 32 %
        write buffer:      256 entries, 1 MiB of contiguous kernel memory
        L2P table:         1.3 MiB of kernel memory
        scan:              124 reads"
    `);
    expect(formatReport(geometryReport(tutorial(31), 0, 2)).split('\n')[0]).toMatch(/fails and does harm/);
    expect(formatReport(geometryReport(tutorial(31), 0, 99))).toMatch(
      /fails\n {2}The disk has the LUNs 0 to 15/,
    );
  });
});
