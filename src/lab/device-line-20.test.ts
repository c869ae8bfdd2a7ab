import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChunkNamespaceConfig } from '../device/config.ts';
import { bitsFor } from '../flash/address.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { MAX_BLOCKS } from './device-line-geometry.ts';
import { type BuildResult, buildConfig, mediumOf } from './device-line.ts';
import { geometryReport } from './report.ts';
import { MAX_DISK_BYTES } from './size.ts';
import type { DeviceFiles } from './types.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const IMAGE = 'qemu-img create -f ocssd -o num_grp=2,num_pu=4,num_chk=60,num_sec=4096 ocssd.img';
const MASTER = '-device nvme,drive=d,serial=deadbeef,lws_min=4,ms=16';
const NEXT = '-device ocssd,serial=deadbeef,id=nvme0 -device ocssd-ns,drive=d,bus=nvme0,nsid=1';
/** As FEMU's own script puts it together. */
const FEMU =
  '-device femu,devsz_mb=4096,namespaces=1,lver=2,lmetasize=16,nlbaf=5,lba_index=3,mdts=10,lnum_ch=2,lnum_lun=4,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,femu_mode=0';

function built(line: string, sizeBytes = 8 * GIB, files?: DeviceFiles): Extract<BuildResult, { ok: true }> {
  const result = buildConfig(line, sizeBytes, files);
  if (!result.ok) throw new Error(result.error);
  return result;
}

function chunks(line: string, sizeBytes?: number, files?: DeviceFiles): ChunkNamespaceConfig {
  const [namespace] = built(line, sizeBytes, files).config.namespaces;
  if (namespace?.kind !== 'ocssd20') throw new Error('not open-channel 2.0');
  return namespace;
}

describe('dialects', () => {
  it.each([
    ['ocssd12', 'nvme,serial=x,lver=1', 'qemu-nvme, branch ocssd12', 'ocssd12'],
    ['plain', 'nvme,serial=x', 'qemu-nvme, branch ocssd12', 'plain'],
    ['master with an image', `${IMAGE}\n${MASTER}`, 'qemu-nvme, branch master (open-channel 2.0)', 'ocssd20'],
    ['master, device only', MASTER, 'qemu-nvme, branch master (open-channel 2.0)', 'ocssd20'],
    ['master, bare', 'nvme,serial=x,num_queues=8', 'qemu-nvme, branch master (open-channel 2.0)', 'ocssd20'],
    [
      'master, image and bare device',
      `${IMAGE}\nnvme,serial=x`,
      'qemu-nvme, branch master (open-channel 2.0)',
      'ocssd20',
    ],
    ['master, plain', 'nvme,serial=x,dialect=0', 'qemu-nvme, branch master', 'plain'],
    ['next', NEXT, 'qemu-nvme, branch next (open-channel 2.0)', 'ocssd20'],
    [
      'next without -device',
      NEXT.replaceAll('-device ', ''),
      'qemu-nvme, branch next (open-channel 2.0)',
      'ocssd20',
    ],
    [
      'next in one device',
      'ocssd,serial=x,num_grp=1,clba=512',
      'qemu-nvme, branch next (open-channel 2.0)',
      'ocssd20',
    ],
    ['FEMU', FEMU, 'FEMU (open-channel 2.0)', 'ocssd20'],
    ['FEMU 1.2', FEMU.replace('lver=2', 'lver=1'), 'FEMU (open-channel 1.2)', 'ocssd12'],
    ['FEMU black box', 'femu,devsz_mb=512,femu_mode=1', 'FEMU', 'plain'],
    ['FEMU by default', 'femu,devsz_mb=512', 'FEMU', 'plain'],
  ])('%s', (_, line, dialect, kind) => {
    expect(built(line).result).toMatchObject({ dialect, kind });
  });

  it('are found in whole commands', () => {
    const line = `$ ${IMAGE.replace(' -o ', ' \\\n  -o ').replaceAll(',', ', ')}\n$ qemu-system-x86_64 -m 4G -drive file=ocssd.img,id=d,format=ocssd,if=none ${MASTER} ubuntu.raw &`;
    expect(chunks(line).geometry).toMatchObject({ numCh: 2, numLun: 4, numChk: 60 });
  });

  it('leave an image of another format aside', () => {
    expect(built('qemu-img create -f raw blk 8G\n-device nvme,serial=x,lver=1').result.kind).toBe('ocssd12');
  });

  it('show the options of image and device, each name once', () => {
    for (const line of [`${IMAGE} ${MASTER}`, NEXT, FEMU]) {
      const names = built(line).result.options.map(({ name }) => name);
      expect(new Set(names).size, line).toBe(names.length);
    }
    const { options } = built(`${IMAGE} ${MASTER}`).result;
    expect(options.find(({ name }) => name === 'num_pu')).toMatchObject({
      value: '4',
      defaultValue: '8',
      given: true,
    });
  });
});

describe('branch master', () => {
  it('becomes a configuration', () => {
    const { config } = built(`${IMAGE}\n${MASTER},num_queues=9`);
    expect(config).toMatchObject({ vendorId: 0x1d1d, deviceId: 0x1f1f, mdts: 7, ioQueuePairs: 8 });
    expect(config.namespaces).toEqual([
      {
        kind: 'ocssd20',
        geometry: {
          numCh: 2,
          numLun: 4,
          numPln: 1,
          numChk: 60,
          numPg: 512,
          secsPerPg: 8,
          secSizeBytes: 4096,
          oobSizeBytes: 16,
        },
        writeRules: { wsMin: 4, wsOpt: 8, mwCunits: 32 },
        mccap: 4,
        peCycles: 255,
        maxOpenChunks: 0,
        maxOpenChunksPerPu: 0,
        earlyReset: true,
        deallocatedReads: 1,
        faults: { writes: [], resets: [] },
        initialChunks: [],
        wearIndexThreshold: 0,
      },
    ]);
  });

  it('has the defaults of the image where there is none, and says so', () => {
    expect(chunks(MASTER).geometry).toMatchObject({ numCh: 2, numLun: 8, numChk: 60, numPg: 512 });
    expect(built(MASTER).result.notes.join('\n')).toMatch(/geometry belongs to the image.*num_pu=8.*\(15G\)/);
  });

  it('takes the rules of the device before those of the image', () => {
    const image = IMAGE.replace('num_sec=4096', 'num_sec=4096,ws_opt=16,mw_cunits=24,mccap=3');
    expect(chunks(`${image} ${MASTER}`)).toMatchObject({
      writeRules: { wsMin: 4, wsOpt: 16, mwCunits: 24 },
      mccap: 7,
    });
    expect(chunks(`${image} ${MASTER},lws_opt=8,learly_reset=0,lmccap=1`)).toMatchObject({
      writeRules: { wsOpt: 8 },
      mccap: 1,
      earlyReset: false,
    });
  });

  it('stores ws_min sectors together where ws_opt does not divide a chunk', () => {
    const ns = chunks(`${IMAGE} ${MASTER},lws_opt=24`);
    expect(ns.geometry).toMatchObject({ secsPerPg: 4, numPg: 1024 });
  });

  it('reads its older spelling, where the size says the chunks', () => {
    const ns = chunks('nvme,serial=x,lnum_grp=1,lnum_pu=2,lnum_sec=512', 257 * MIB);
    expect(ns.geometry).toMatchObject({ numCh: 1, numLun: 2, numChk: 64, numPg: 64 });
  });
});

describe('branch next', () => {
  it('has its own defaults', () => {
    expect(chunks(NEXT)).toMatchObject({
      geometry: { numCh: 2, numLun: 4, numChk: 60, numPg: 512, oobSizeBytes: 0 },
      writeRules: { wsMin: 4, wsOpt: 8, mwCunits: 24 },
      mccap: 5,
      earlyReset: true,
      peCycles: 1000,
      wearIndexThreshold: 10,
    });
    expect(built(NEXT).result.notes.join('\n')).toMatch(
      /packs them into the data: of each 8 sectors.*one is lost/,
    );
  });

  it('takes mccap at its word about early resets', () => {
    expect(chunks(`${NEXT},mccap=1`)).toMatchObject({ mccap: 1, earlyReset: false });
  });
});

describe('FEMU', () => {
  it('divides devsz_mb', () => {
    expect(built(FEMU, GIB).result.sizeBytes).toBe(4 * GIB);
    expect(chunks(FEMU, GIB)).toMatchObject({
      geometry: { numCh: 2, numLun: 4, numChk: 32, numPg: 512, secsPerPg: 8, oobSizeBytes: 16 },
      writeRules: { wsMin: 4, wsOpt: 8, mwCunits: 24 },
    });
  });

  it('divides the size without it', () => {
    const line = FEMU.replace('devsz_mb=4096,', '');
    expect(built(line, 2 * GIB).result.sizeBytes).toBe(2 * GIB);
    expect(chunks(line, 2 * GIB).geometry.numChk).toBe(16);
  });

  it('needs no serial number', () => {
    expect(built(FEMU).config.serial).toBe('vOCSSD');
  });
});

describe('the size', () => {
  it.each([
    [`${IMAGE} ${MASTER}`, 8 * 60 * 16 * MIB],
    [NEXT, 8 * 60 * 16 * MIB],
    [FEMU, 4 * GIB],
  ])('comes from the line: %s', (line, sizeBytes) => {
    const { result, config } = built(line, 5 * GIB);
    expect(result.sizeBytes).toBe(sizeBytes);
    expect(result.notes.join('\n')).toMatch(/itself says how large the disk is.*not used/);
    // The same line with the size that was recorded is the same disk.
    const again = built(line, sizeBytes);
    expect(again.config).toEqual(config);
    expect(again.result.notes.join('\n')).not.toMatch(/how large/);
  });

  it('may be none at all where the line says it', () => {
    expect(buildConfig(NEXT, Number.NaN).ok).toBe(true);
    expect(buildConfig(FEMU, -1).ok).toBe(true);
  });
});

describe('files', () => {
  const files: DeviceFiles = {
    chunkInfo: 'grp=0 pu=1 chk=2 state=OFFLINE',
    resetFail: 'pu=* chk=3 resetfail_prob=50',
    writeFail: 'grp=1 pu=0 chk=1 sec=9 writefail_prob=100',
  };

  it('go into the configuration', () => {
    expect(chunks(`${IMAGE} ${MASTER},lresetfail=r`, GIB, files)).toMatchObject({
      initialChunks: [{ grp: 0, pu: 1, chk: 2, state: 'offline' }],
      faults: {
        resets: [{ chk: 3, percent: 50 }],
        writes: [{ grp: 1, pu: 0, chk: 1, sec: 9, percent: 100 }],
      },
    });
  });

  it('are asked for where only their names are there', () => {
    const notes = built(`${IMAGE} ${MASTER},lresetfail=r.txt,lchunkstate=c.txt`).result.notes.join('\n');
    expect(notes).toMatch(/lresetfail=r\.txt names a file.*--reset-fail/);
    expect(notes).toMatch(/lchunkstate=c\.txt names a file.*--chunk-info/);
  });

  it.each([
    [{ chunkInfo: 'grp=0\ngrp=2 state=FREE' }, /^Line 2 of the file of --chunk-info: grp=2/],
    [{ badBlocks: new Uint8Array(1) }, /--bad-blocks is not possible because open-channel 2\.0/],
  ])('are refused: %j', (wrong, says) => {
    expect(buildConfig(`${IMAGE} ${MASTER}`, GIB, wrong)).toMatchObject({
      ok: false,
      error: expect.stringMatching(says) as string,
    });
  });
});

describe('any 2.0 line', () => {
  const count = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(4096, 65_535, 2 ** 20, 2 ** 31));
  const names = [
    'num_grp',
    'num_pu',
    'num_chk',
    'num_sec',
    'clba',
    'ws_min',
    'ws_opt',
    'mw_cunits',
    'ms',
    'md_size',
  ];
  const femuNames = [
    'lnum_ch',
    'lnum_lun',
    'lnum_pln',
    'lpgs_per_blk',
    'lsecs_per_pg',
    'lmetasize',
    'devsz_mb',
  ];
  const given = (from: string[]) =>
    fc
      .array(fc.tuple(fc.constantFrom(...from), count), { maxLength: 6 })
      .map((parts) => parts.map(([name, value]) => `,${name}=${value}`).join(''));
  const line = fc.oneof(
    given(names).map((more) => `${IMAGE.replace(' ocssd.img', more)} o.img ${MASTER}`),
    given(names).map((more) => NEXT + more),
    given(femuNames).map((more) => FEMU + more),
  );

  it('is refused in one sentence, or stays within bounds', () => {
    fc.assert(
      fc.property(line, (text) => {
        const result = buildConfig(text, 8 * GIB);
        if (!result.ok) {
          expect(result.error).toMatch(/^[^\p{C}\n]+\.$/u);
          expect(result.error.length).toBeLessThan(400);
          return;
        }
        const [namespace] = result.config.namespaces;
        if (namespace?.kind !== 'ocssd20') throw new Error('not open-channel 2.0');
        const g = deriveGeometry(namespace.geometry);
        const { wsMin, wsOpt } = namespace.writeRules;
        expect(g.totalBlks).toBeLessThanOrEqual(MAX_BLOCKS);
        expect(g.totalSecs * 4096).toBeLessThanOrEqual(MAX_DISK_BYTES);
        expect([wsOpt % wsMin, g.secsPerChk % wsMin, g.numPg % 1]).toEqual([0, 0, 0]);
        const bits = bitsFor(g.numCh) + bitsFor(g.numLun) + bitsFor(g.numChk) + bitsFor(g.secsPerChk);
        expect(bits).toBeLessThanOrEqual(32);
        expect(mediumOf(result.config).totalUnits).toBe(g.totalUnits);
        const report = geometryReport(result.config, -1, -1);
        if (!report.createSucceeds || !report.safe) expect(report.reason).toMatch(/\.$/);
      }),
      { numRuns: 400 },
    );
  });
});
