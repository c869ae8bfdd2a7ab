import { describe, expect, it } from 'vitest';
import { buildConfig } from '../device-line.ts';
import { LabDevice } from '../device.ts';
import { MemoryCatalogue } from '../../storage/memory.ts';
import type { DiskCatalogue } from '../../storage/catalogue.ts';
import { imagePieces } from './image-content.ts';
import type { ImageSource } from './image-source.ts';
import { noise } from './image-test-kit.ts';
import { imageFiles, importRaw12 } from './transfer.ts';

/** 4 LUNs, 2 planes, 4 pages of 4 sectors: 32 sectors in a chunk; 5 chunks in each LUN. */
const LINE =
  'nvme,serial=x,lver=1,nlbaf=5,lba_index=3,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=4,lmetasize=16';
const LUNS = 4;
const CHUNKS = 5;
const PAGES = 4;
const SECS = LUNS * CHUNKS * PAGES * 2 * 4;
/** The formula of branch ocssd12 (size / (sector + 8)); a little more than five chunks. */
const FILE_BYTES = SECS * 4104 + 999;
const STRIDE = 20;

const sourceOf = (bytes: Uint8Array): ImageSource => ({
  sizeBytes: bytes.length,
  read: async (offset, length) => {
    if (offset + length > bytes.length) throw new Error('read behind the end');
    return bytes.slice(offset, offset + length);
  },
});

interface Files {
  data: Uint8Array;
  metadata: Uint8Array;
  badBlocks: Uint8Array;
}

/** lnvm_ppa_to_off (hw/block/nvme.c): LUN, block, page, plane, sector. */
const offsetOf = (lun: number, blk: number, pg: number, pln: number, sec: number): number =>
  (((lun * CHUNKS + blk) * PAGES + pg) * 2 + pln) * 4 + sec;

/** Writes a block of one plane up to a number of sectors, with the state that such a sector gets. */
function write(files: Files, lun: number, blk: number, pln: number, secs: number, state = 2): void {
  for (let i = 0; i < secs; i++) {
    const at = offsetOf(lun, blk, Math.floor(i / 4), pln, i % 4);
    files.data.set(noise(4096, at), at * 4096);
    new DataView(files.metadata.buffer).setUint32(at * STRIDE, state, true);
    files.metadata.set(noise(16, at + 1e6), at * STRIDE + 4);
  }
}

function files(): Files {
  const made = {
    data: new Uint8Array(FILE_BYTES),
    metadata: new Uint8Array(SECS * STRIDE),
    badBlocks: new Uint8Array(LUNS * CHUNKS * 2),
  };
  write(made, 0, 0, 0, 16);
  write(made, 0, 0, 1, 16);
  write(made, 1, 3, 0, 6);
  write(made, 1, 3, 1, 4);
  write(made, 2, 4, 1, 16);
  // Erased, but the data file still has what was there.
  made.data.set(noise(4096, 9), offsetOf(1, 1, 2, 1, 3) * 4096);
  made.badBlocks[(2 * CHUNKS + 1) * 2] = 1;
  made.badBlocks[(2 * CHUNKS + 1) * 2 + 1] = 2;
  // Behind the sectors: what was an L2P table.
  made.data.fill(0xff, SECS * 4096, FILE_BYTES - 500);
  return made;
}

const imported = (catalogue: DiskCatalogue, { data, metadata, badBlocks }: Files, line = LINE) =>
  importRaw12(
    catalogue,
    { data: sourceOf(data), metadata: sourceOf(metadata), badBlocks: sourceOf(badBlocks) },
    { name: 'raw', device: { line, sizeBytes: data.length } },
  );

async function exported(catalogue: DiskCatalogue, id: string): Promise<Files> {
  const disk = await catalogue.open(id);
  const out: Record<string, Uint8Array> = {};
  const { files: all, notes } = await imageFiles(disk, 'raw12');
  expect(notes.join(' ')).toMatch(/zeroes its metadata file at each start/);
  for (const { suffix, content } of all) {
    const bytes = new Uint8Array(content.sizeBytes);
    for await (const piece of imagePieces(content, disk)) bytes.set(piece.bytes, piece.offset);
    out[suffix] = bytes;
  }
  await disk.close();
  return {
    data: out[''] as Uint8Array,
    metadata: out['.meta'] as Uint8Array,
    badBlocks: out['.bbt'] as Uint8Array,
  };
}

const same = (a: Files, b: Files) =>
  (['data', 'metadata', 'badBlocks'] as const).map((name) => Buffer.compare(a[name], b[name]));

describe("branch ocssd12's files", () => {
  it('come in and go out byte for byte, with what is behind the sectors', async () => {
    const catalogue = new MemoryCatalogue();
    const { id, sizeBytes, deviceLine } = await imported(catalogue, files());
    expect([sizeBytes, deviceLine]).toEqual([FILE_BYTES, LINE]);
    expect(same(await exported(catalogue, id), files())).toEqual([0, 0, 0]);
  });

  it('mean the same here: pointers, bad blocks, data and out-of-band bytes', async () => {
    const catalogue = new MemoryCatalogue();
    const { id } = await imported(catalogue, files());
    const built = buildConfig(LINE, FILE_BYTES);
    if (!built.ok) throw new Error(built.error);
    expect(built.result.geometry.numChk).toBe(CHUNKS);
    const device = await LabDevice.open(built.config, await catalogue.open(id));
    const planes = (lun: number, chk: number) =>
      device
        .chunkDetails(0, lun, chk)
        .planes.map(({ state, writtenSecs, badBlock }) => [state, writtenSecs, badBlock]);
    expect(planes(0, 0)).toEqual([
      ['closed', 16, 'good'],
      ['closed', 16, 'good'],
    ]);
    expect(planes(1, 3)).toEqual([
      ['open', 6, 'good'],
      ['open', 4, 'good'],
    ]);
    expect(planes(2, 1)).toEqual([
      ['offline', 0, 'bad'],
      ['offline', 0, 'grown bad'],
    ]);
    expect(planes(1, 1)).toEqual([
      ['free', 0, 'good'],
      ['free', 0, 'good'],
    ]);
    for (const [lun, chk, pg, pln, sec] of [
      [0, 0, 3, 1, 3],
      [1, 3, 1, 0, 1],
      [2, 4, 2, 1, 0],
    ] as const) {
      const at = offsetOf(lun, chk, pg, pln, sec);
      expect(await device.sectorBytes({ ch: 0, lun, pln, chk, pg, sec })).toEqual({
        data: noise(4096, at),
        oob: noise(16, at + 1e6),
      });
    }
    expect(await device.sectorBytes({ ch: 0, lun: 1, pln: 1, chk: 3, pg: 1, sec: 0 })).toBeUndefined();
  });

  it('of earlier states of the branch are read too, and written as the last state has it', async () => {
    const catalogue = new MemoryCatalogue();
    const old = files();
    const view = new DataView(old.metadata.buffer);
    for (let at = 0; at < SECS; at++)
      view.setUint32(at * STRIDE, view.getUint32(at * STRIDE, true) === 2 ? 0xac : 0xdc, true);
    const { id } = await imported(catalogue, old);
    expect(same(await exported(catalogue, id), files())).toEqual([0, 0, 0]);
  });

  it('need no bad-block file', async () => {
    const catalogue = new MemoryCatalogue();
    const { data, metadata } = files();
    const { id } = await importRaw12(
      catalogue,
      { data: sourceOf(data), metadata: sourceOf(metadata), badBlocks: undefined },
      { name: 'raw', device: { line: LINE } },
    );
    expect((await exported(catalogue, id)).badBlocks.every((value) => value === 0)).toBe(true);
  });

  it('of a new disk are empty', async () => {
    const catalogue = new MemoryCatalogue();
    const { id } = await catalogue.create({
      name: 'new',
      deviceLine: LINE,
      sizeBytes: FILE_BYTES,
      unitBytes: 8 * 4112,
      totalUnits: LUNS * CHUNKS * PAGES,
    });
    const { data, metadata, badBlocks } = await exported(catalogue, id);
    expect([data.length, metadata.length, badBlocks.length]).toEqual([FILE_BYTES, SECS * STRIDE, 40]);
    expect([data, metadata, badBlocks].every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });

  const view = ({ metadata }: Files) => new DataView(metadata.buffer);
  it.each<[string, (made: Files) => void, string, RegExp]>([
    ['a short data file', (f) => (f.data = f.data.slice(0, 2 ** 20)), LINE, /metadata file has|too small/],
    [
      'a short metadata file',
      (f) => (f.metadata = f.metadata.slice(1)),
      LINE,
      /metadata file has 12799 bytes/,
    ],
    ['a long metadata file', (f) => (f.metadata = new Uint8Array(SECS * STRIDE + 1)), LINE, /makes 12800/],
    [
      'a short bad-block file',
      (f) => (f.badBlocks = f.badBlocks.slice(1)),
      LINE,
      /has 39 bytes and the disk 40/,
    ],
    ['a value that is none', (f) => (f.badBlocks[3] = 3), LINE, /has the value 3/],
    ['a state that is none', (f) => view(f).setUint32(0, 77, true), LINE, /state 77/],
    [
      'written behind unwritten',
      (f) => view(f).setUint32(offsetOf(2, 2, 1, 0, 0) * STRIDE, 2, true),
      LINE,
      /sector 4 of a block that it is written/,
    ],
    ['other planes', () => {}, LINE.replace('lnum_pln=2', 'lnum_pln=4'), /metadata file|state/],
    ['another metadata size', () => {}, LINE.replace('lmetasize=16', 'lmetasize=64'), /68 for each/],
    ['two channels', () => {}, LINE.replace('lnum_lun=4', 'lnum_lun=2,lnum_ch=2'), /has 2 channels/],
    ['a plain disk', () => {}, 'nvme,serial=x,lver=0', /version 1[.]2/],
    ['a line that is none', () => {}, 'ide', /no nvme device/],
  ])('are refused in one sentence: %s', async (_name, change, line, reason) => {
    const catalogue = new MemoryCatalogue();
    const made = files();
    change(made);
    const error = await imported(catalogue, made, line).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error?.message).toMatch(reason);
    expect(error?.message).not.toMatch(/[a-z][.] [A-Z]/);
    expect(await catalogue.list()).toEqual([]);
  });

  it('cannot hold two channels, nor a disk of another kind', async () => {
    const catalogue = new MemoryCatalogue();
    for (const [line, format, reason] of [
      [LINE.replace('lnum_lun=4', 'lnum_lun=2,lnum_ch=2'), 'raw12', /has 2 channels/],
      ['nvme,serial=x,lver=0', 'raw12', /version 1[.]2, which this one is not/],
      [LINE, 'ocssd', /version 2[.]0, which this one is not/],
    ] as const) {
      const { id } = await catalogue.create({
        name: 'd',
        deviceLine: line,
        sizeBytes: 2 ** 22,
        unitBytes: 8,
        totalUnits: 8,
      });
      const disk = await catalogue.open(id);
      await expect(imageFiles(disk, format)).rejects.toThrow(reason);
      await disk.close();
    }
  });
});
