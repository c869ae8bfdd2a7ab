import { describe, expect, it } from 'vitest';
import { buildConfig } from '../device-line.ts';
import { LabDevice } from '../device.ts';
import { MemoryCatalogue } from '../../storage/memory.ts';
import { ContainerReader } from '../../storage/container-read.ts';
import { writeContainer } from '../../storage/container-write.ts';
import type { DiskCatalogue } from '../../storage/catalogue.ts';
import { imagePieces, spanBytes } from './image-content.ts';
import type { ImageSource } from './image-source.ts';
import {
  noise,
  ocssdImage,
  ocssdPlaces,
  setChunk,
  smallRecipe,
  writeSectors,
  type OcssdRecipe,
} from './image-test-kit.ts';
import { layoutOf, namespaceBytes, overlaps, roomyLayout } from './ocssd-layout.ts';
import { imageFiles, importContainer, importOcssd, MAGIC_BYTES, formatOf } from './transfer.ts';

const FREE = 1;
const CLOSED = 2;
const OPEN = 4;
const OFFLINE = 8;

const sourceOf = (bytes: Uint8Array): ImageSource => ({
  sizeBytes: bytes.length,
  read: async (offset, length) => {
    if (offset + length > bytes.length) throw new Error('read behind the end');
    return bytes.slice(offset, offset + length);
  },
});

const imported = (catalogue: DiskCatalogue, bytes: Uint8Array, line?: string) =>
  importOcssd(catalogue, sourceOf(bytes), {
    name: 'image',
    device: line === undefined ? undefined : { line, sizeBytes: 2 ** 30 },
  });

async function exported(catalogue: DiskCatalogue, id: string): Promise<Uint8Array> {
  const disk = await catalogue.open(id);
  try {
    const { files } = await imageFiles(disk, 'ocssd');
    const content = files[0]?.content;
    if (content === undefined) throw new Error('no file');
    const bytes = new Uint8Array(content.sizeBytes);
    let end = 0;
    let moved = 0;
    for await (const piece of imagePieces(content, disk)) {
      expect(piece.offset).toBeGreaterThanOrEqual(end);
      bytes.set(piece.bytes, piece.offset);
      end = piece.offset + piece.bytes.length;
      moved += piece.bytes.length;
    }
    expect(moved).toBe(spanBytes(content));
    return bytes;
  } finally {
    await disk.close();
  }
}

/** Chunks in every state, a stale sector, a padded file, reserved bytes, slack and tail. */
function usedImage(r: OcssdRecipe = smallRecipe, extraBytes = 3 * 4112 + 100): Uint8Array {
  const image = ocssdImage(r, extraBytes);
  setChunk(image, 0, CLOSED, r.clba, 3);
  writeSectors(image, r, 0, 0, r.clba);
  setChunk(image, 1, OPEN, 12, 255);
  writeSectors(image, r, 1, 0, 12);
  // Written once, reset, and never given back by the file system.
  writeSectors(image, r, 1, 20, 21);
  setChunk(image, 2, OFFLINE, 0xffff, 7);
  setChunk(image, 3, CLOSED, 4, 1);
  writeSectors(image, r, 3, 0, 4);
  setChunk(image, 4, OPEN, 0);
  setChunk(image, 5, OPEN, r.clba);
  setChunk(image, 47, CLOSED, r.clba);
  writeSectors(image, r, 47, 0, r.clba);
  setChunk(image, 6, OFFLINE, 0xffff_ffff_ffff_ffffn);
  setChunk(image, 7, FREE, 0, 9);
  const { dataAt, oobAt, chunks } = ocssdPlaces(r, image.length);
  image[100] = 0x5a; // behind LnvmHeader, in its sector
  image[4096 + 2000] = 0x5b; // rsvd4 of the geometry
  image[8192 + 3] = 0x5c; // rsvd of the first descriptor
  image[8192 + 32 * chunks + 5] = 0x5d; // behind the last descriptor
  image.fill(0x5e, dataAt - 4096, dataAt); // the sector between log and data
  const dataEnd = dataAt + 4096 * chunks * r.clba;
  if (oobAt > dataEnd) image.set(noise(oobAt - dataEnd, 5), dataEnd);
  const oobEnd = oobAt + r.mdBytes * chunks * r.clba;
  if (oobEnd < image.length) image.set(noise(image.length - oobEnd, 6), oobEnd);
  return image;
}

describe('an ocssd image', () => {
  it('is known by its magic number', () => {
    expect(formatOf(ocssdImage(smallRecipe).subarray(0, MAGIC_BYTES))).toBe('ocssd');
    expect(formatOf(new TextEncoder().encode('LNVMPACK'))).toBe('container');
    expect(formatOf(new Uint8Array(8))).toBeUndefined();
    expect(formatOf(new Uint8Array(3))).toBeUndefined();
  });

  it('as qemu-img makes it is a disk with all chunks free, and comes out the same', async () => {
    const catalogue = new MemoryCatalogue();
    const image = ocssdImage(smallRecipe);
    const disk = await imported(catalogue, image);
    expect(disk.deviceLine).toBe(
      'qemu-img create -f ocssd -o num_grp=2,num_pu=2,num_chk=12,num_sec=32,md_size=16,mccap=0,ws_min=4,ws_opt=8,mw_cunits=24 ocssd.img\n-device nvme,drive=ocssd,serial=deadbeef',
    );
    expect(disk.unitsStored).toBe(0);
    expect(Buffer.compare(await exported(catalogue, disk.id), image)).toBe(0);
  });

  it.each([
    ['padded', 3 * 4112 + 100],
    ["of qemu-img's length", 0],
    ['padded to sectors', 4096],
    ['with a long tail', 300_000],
  ])('with data, %s, comes out byte for byte', async (_name, extraBytes) => {
    const catalogue = new MemoryCatalogue();
    const image = usedImage(smallRecipe, extraBytes);
    const disk = await imported(catalogue, image);
    expect(Buffer.compare(await exported(catalogue, disk.id), image)).toBe(0);
    // What was kept goes with the disk wherever it goes.
    const held = await catalogue.open(disk.id);
    const other = new MemoryCatalogue();
    const copy = await importContainer(other, writeContainer(held));
    await held.close();
    expect(Buffer.compare(await exported(other, copy.id), image)).toBe(0);
  });

  it.each<Partial<OcssdRecipe>>([
    { mdBytes: 0 },
    { mdBytes: 64, numGrp: 1, numPu: 3, numChk: 5 },
    { clba: 24, wsOpt: 16, wsMin: 8 },
    { numGrp: 1, numPu: 1, numChk: 64, clba: 4, wsMin: 4, wsOpt: 4 },
  ])('of other counts comes out byte for byte: %o', async (change) => {
    const r = { ...smallRecipe, ...change };
    const image = ocssdImage(r, 5000);
    setChunk(image, 2, CLOSED, r.clba, 1);
    writeSectors(image, r, 2, 0, r.clba);
    const catalogue = new MemoryCatalogue();
    const disk = await imported(catalogue, image);
    expect(Buffer.compare(await exported(catalogue, disk.id), image)).toBe(0);
  });

  it('means the same here as there: states, pointers, wear, data and out-of-band bytes', async () => {
    const catalogue = new MemoryCatalogue();
    const r = smallRecipe;
    const { id, deviceLine, sizeBytes } = await imported(catalogue, usedImage());
    const built = buildConfig(deviceLine, sizeBytes);
    if (!built.ok) throw new Error(built.error);
    const device = await LabDevice.open(built.config, await catalogue.open(id));
    const chunk = (i: number) => {
      const [grp, pu] = [Math.floor(i / (r.numPu * r.numChk)), Math.floor(i / r.numChk) % r.numPu];
      const [plane] = device.chunkDetails(grp, pu, i % r.numChk).planes;
      return [plane?.state, plane?.writtenSecs, plane?.wearIndex];
    };
    expect([0, 1, 2, 3, 4, 5, 6, 7, 47].map(chunk)).toEqual([
      ['closed', 32, 3],
      ['open', 12, 255],
      ['offline', 0, 7],
      ['closed', 4, 1],
      ['free', 0, 0],
      ['closed', 32, 0],
      ['offline', 0, 0],
      ['free', 0, 9],
      ['closed', 32, 0],
    ]);
    const at = (i: number, sec: number) =>
      device.sectorBytes({
        ch: Math.floor(i / 24),
        lun: Math.floor(i / 12) % 2,
        pln: 0,
        chk: i % 12,
        pg: Math.floor(sec / 8),
        sec: sec % 8,
      });
    for (const [i, sec] of [
      [0, 0],
      [0, 31],
      [1, 11],
      [3, 3],
    ] as const) {
      const index = i * 32 + sec;
      expect(await at(i, sec)).toEqual({ data: noise(4096, index), oob: noise(16, index + 1e6) });
    }
    // Of the last 253 sectors the branch's own files have no room for the out-of-band bytes.
    expect(await at(47, 17)).toEqual({ data: noise(4096, 47 * 32 + 17), oob: new Uint8Array(16) });
    // Beyond the pointer nothing is written, whatever lies in the file.
    expect(await at(1, 20)).toBeUndefined();
  });

  it('of a disk that was made here can be read there', async () => {
    const line =
      'qemu-img create -f ocssd -o num_grp=1,num_pu=2,num_chk=11,num_sec=64,mccap=2 x.img\n-device nvme,drive=x,serial=y,lws_min=4,lws_opt=8,lmw_cunits=32';
    const built = buildConfig(line, 0);
    if (!built.ok) throw new Error(built.error);
    const catalogue = new MemoryCatalogue();
    const { id } = await catalogue.create({
      name: 'own',
      deviceLine: line,
      sizeBytes: built.result.sizeBytes,
      unitBytes: 8 * 4112,
      totalUnits: 22 * 8,
    });
    const bytes = await exported(catalogue, id);
    const expected = ocssdImage({
      ...smallRecipe,
      numGrp: 1,
      numPu: 2,
      numChk: 11,
      clba: 64,
      mwCunits: 32,
    });
    new DataView(expected.buffer).setUint32(4096 + 16, 2, true);
    // The file is longer by what the out-of-band bytes of the last sectors need.
    expect(bytes.length).toBeGreaterThanOrEqual(expected.length);
    expect(Buffer.compare(bytes.subarray(0, expected.length), expected)).toBe(0);
    const { oobAt, blocks } = ocssdPlaces({ ...smallRecipe, numGrp: 1, numChk: 11, clba: 64 }, bytes.length);
    expect(blocks).toBe(22 * 64);
    expect(oobAt + 22 * 64 * 16).toBeLessThanOrEqual(bytes.length);
  });

  it('that changed here keeps what did not', async () => {
    const catalogue = new MemoryCatalogue();
    const r = smallRecipe;
    // qemu-img's own length: the last out-of-band bytes have no room in it.
    const image = usedImage(r, 0);
    const { id } = await imported(catalogue, image);
    const disk = await catalogue.open(id);
    const table =
      (await disk.loadTable()).find(({ shard }) => shard === 0)?.bytes.slice() ?? new Uint8Array();
    // Chunk 20 of the log (group 0, unit 1, chunk 8) is block (8 × 2 + 0) × 2 + 1 here: open, 8 sectors.
    const entry = new DataView(table.buffer, (8 * 2 * 2 + 1) * 16);
    entry.setUint8(0, OPEN);
    entry.setUint32(4, 8, true);
    entry.setUint32(8, 5, true);
    const unit = noise(8 * 4112, 77);
    await disk.commit(
      {
        erased: [],
        units: [{ unit: (8 * 2 * 2 + 1) * 4, bytes: unit }],
        shards: [{ shard: 0, bytes: table }],
      },
      'relaxed',
    );
    await disk.close();
    const out = await exported(catalogue, id);
    const expected = image.slice();
    setChunk(expected, 20, OPEN, 8, 5);
    const { dataAt, oobAt } = ocssdPlaces(r, out.length);
    expected.set(unit.subarray(0, 8 * 4096), dataAt + 20 * 32 * 4096);
    expected.set(unit.subarray(8 * 4096), oobAt + 20 * 32 * 16);
    expect(out.length).toBe(image.length);
    expect(Buffer.compare(out, expected)).toBe(0);
  });

  it('whose last sectors are written here becomes longer, so that nothing is lost', async () => {
    const catalogue = new MemoryCatalogue();
    const r = smallRecipe;
    const image = ocssdImage(r);
    const { id } = await imported(catalogue, image);
    const disk = await catalogue.open(id);
    const unit = noise(8 * 4112, 78);
    await disk.commit({ erased: [], units: [{ unit: 47 * 4 + 3, bytes: unit }], shards: [] }, 'relaxed');
    await disk.close();
    const out = await exported(catalogue, id);
    const { dataAt, oobAt, blocks } = ocssdPlaces(r, out.length);
    expect(blocks).toBe(48 * 32);
    expect(out.length).toBeGreaterThan(image.length);
    expect(
      Buffer.compare(
        out.subarray(dataAt + (47 * 32 + 24) * 4096, dataAt + 48 * 32 * 4096),
        unit.subarray(0, 8 * 4096),
      ),
    ).toBe(0);
    expect(
      Buffer.compare(
        out.subarray(oobAt + (47 * 32 + 24) * 16, oobAt + 48 * 32 * 16),
        unit.subarray(8 * 4096),
      ),
    ).toBe(0);
    const again = await imported(catalogue, out);
    expect(Buffer.compare(await exported(catalogue, again.id), out)).toBe(0);
  });
});

describe('the layout of an ocssd image', () => {
  it('has room for everything, whatever the counts, and agrees with the device', () => {
    for (const chunks of [1, 48, 128, 3840, 3841, 3969, 32_512, 32_768, 100_000, 2 ** 20])
      for (const clba of [4, 32, 4096])
        for (const mdBytes of [0, 8, 16, 64]) {
          const counts = { chunks, sectors: chunks * clba, mdBytes };
          const layout = roomyLayout(counts);
          const name = JSON.stringify(counts);
          expect(overlaps(layout), name).toBe(false);
          expect(layout.oobAt, name).toBeGreaterThanOrEqual(mdBytes > 0 ? layout.dataEnd : 0);
          if (mdBytes > 0) expect(layout.oobEnd, name).toBeLessThanOrEqual(layout.fileBytes);
          expect(layout.dataEnd, name).toBeLessThanOrEqual(layout.fileBytes);
          expect(layoutOf(counts, layout.fileBytes), name).toEqual(layout);
          expect(layout.fileBytes - 40 - namespaceBytes(counts), name).toBeLessThan(
            2 ** 20 + 2 * layout.logSectors * 64,
          );
        }
  });

  it("of qemu-img's own file overlaps where the branch's does", () => {
    const own = (chunks: number) => {
      const counts = { chunks, sectors: chunks * 32, mdBytes: 16 };
      return overlaps(layoutOf(counts, 40 + namespaceBytes(counts)));
    };
    expect([own(48), own(3840), own(3841)]).toEqual([false, false, true]);
  });
});

describe('images that are none', () => {
  const put = (at: number, value: number) => (image: Uint8Array) =>
    new DataView(image.buffer).setUint32(at, value, true);
  const at = 4096;
  it.each<[string, (image: Uint8Array) => void]>([
    ['another magic number', put(0, 1)],
    ['another version', put(4, 2)],
    ['two namespaces', put(8, 2)],
    ['no namespace', put(8, 0)],
    ['sectors of 512 bytes', put(16, 512)],
    ['sectors of a size beyond all', put(20, 7)],
    ['metadata of 4 GiB', put(24, 0xffff_ffff)],
    ['version 1 of the geometry', (image) => (image[at] = 1)],
    ['no groups', put(at + 64, 0)],
    ['65,535 groups', put(at + 64, 0xffff_ffff)],
    ['4 billion chunks', put(at + 68, 0xffff_ffff)],
    ['4 billion sectors', put(at + 72, 0xffff_ffff)],
    ['no sectors', put(at + 72, 0)],
    ['other address bits', (image) => (image[at + 11] = 9)],
    ['ws_min 0', put(at + 128, 0)],
    ['ws_opt 5', put(at + 132, 5)],
    ['an unknown state', (image) => (image[8192] = 3)],
    ['a free chunk with a pointer', (image) => setChunk(image, 3, FREE, 4)],
    ['a pointer behind the end', (image) => setChunk(image, 3, OPEN, 33)],
    ['a pointer far behind the end', (image) => setChunk(image, 3, CLOSED, 2n ** 63n)],
    ['a random-write chunk', (image) => (image[8193] = 2)],
    ['chunks in another order', (image) => image.set(image.slice(8192, 8224), 8224)],
    ['a short chunk', put(8192 + 16, 31)],
  ])('are refused in one sentence: %s', async (_name, change) => {
    const catalogue = new MemoryCatalogue();
    const image = usedImage();
    change(image);
    const error = await imported(catalogue, image).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error?.message).toMatch(/^The image was not imported because .*; nothing was changed[.]$/);
    expect(error?.message).not.toMatch(/[.] [A-Z]/);
    expect(await catalogue.list()).toEqual([]);
  });

  it.each([0, 100, 8192, 20_000, 300_000])('are refused when %i bytes are left of them', async (length) => {
    const catalogue = new MemoryCatalogue();
    await expect(imported(catalogue, usedImage().slice(0, length))).rejects.toThrow(
      /^The image was not imported because /,
    );
    expect(await catalogue.list()).toEqual([]);
  });

  it('are refused when a device line says something else, and the line is kept when it says the same', async () => {
    const catalogue = new MemoryCatalogue();
    const line = (options: string) =>
      `qemu-img create -f ocssd -o ${options} a.img\n-device nvme,drive=a,serial=mine,learly_reset=0`;
    const same = line('num_grp=2,num_pu=2,num_chk=12,num_sec=32,mw_cunits=24');
    expect((await imported(catalogue, usedImage(), same)).deviceLine).toBe(same);
    await expect(
      imported(catalogue, usedImage(), line('num_grp=2,num_pu=2,num_chk=13,num_sec=32')),
    ).rejects.toThrow(
      'The image was not imported because it has 2 × 2 parallel units of 12 chunks with 32 sectors and 16 bytes of metadata each, and the device line makes 2 × 2 parallel units of 13 chunks with 32 sectors and 16 bytes of metadata each; nothing was changed.',
    );
    await expect(imported(catalogue, usedImage(), 'nvme,serial=x,lver=1')).rejects.toThrow(
      /which the device line does not make/,
    );
    expect(await catalogue.list()).toHaveLength(1);
  });

  it('are refused when they hold too much that is no chunk of theirs', async () => {
    const catalogue = new MemoryCatalogue();
    const image = ocssdImage(smallRecipe, 80 * 2 ** 20);
    for (let i = image.length - 79 * 2 ** 20; i < image.length; i += 4096) image[i] = 1;
    await expect(imported(catalogue, image)).rejects.toThrow(/holds too much that belongs to no chunk/);
  }, 60_000);
});

describe('containers that the lab takes', () => {
  it('have a device line that makes the disk in them', async () => {
    const catalogue = new MemoryCatalogue();
    const good = {
      name: 'a',
      deviceLine: 'nvme,serial=x,lver=0',
      sizeBytes: 2 ** 20,
      unitBytes: 32_768,
      totalUnits: 32,
    };
    const packed = async (spec: typeof good, shard?: Uint8Array) => {
      const { id } = await catalogue.create(spec);
      const disk = await catalogue.open(id);
      if (shard)
        await disk.commit({ erased: [], units: [], shards: [{ shard: 0, bytes: shard }] }, 'relaxed');
      const pieces: Uint8Array[] = [];
      for await (const piece of writeContainer(disk)) pieces.push(piece);
      await disk.close();
      await catalogue.remove(id);
      return pieces;
    };
    const take = async (pieces: readonly Uint8Array[]) =>
      importContainer(
        catalogue,
        (async function* () {
          yield* pieces;
        })(),
      );
    const line12 = 'nvme,serial=x,lver=1,nlbaf=5,lba_index=3';
    const built = buildConfig(line12, 2 ** 25);
    if (!built.ok) throw new Error(built.error);
    for (const [spec, shard, reason] of [
      [{ ...good, deviceLine: 'ide,serial=x' }, undefined, /its device line is not understood/],
      [{ ...good, totalUnits: 33 }, undefined, /makes another disk/],
      [{ ...good, unitBytes: 4096 }, undefined, /makes another disk/],
      [
        { ...good, deviceLine: line12, sizeBytes: 2 ** 25, unitBytes: 4112, totalUnits: 7936 },
        new Uint8Array(7),
        /cannot be a disk: The disk's block table does not fit/,
      ],
    ] as const) {
      await expect(take(await packed(spec, shard))).rejects.toThrow(reason);
      expect(await catalogue.list()).toEqual([]);
    }
    expect(await take(await packed(good))).toMatchObject(good);
    expect(ContainerReader).toBeDefined();
  });
});
