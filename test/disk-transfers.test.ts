import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ocssdImage, setChunk, smallRecipe, writeSectors } from '../src/lab/disk-files/image-test-kit.ts';
import type { DiskFileKind, DiskRow, ImportRequest } from '../src/rpc/protocol.ts';
import type { DiskCatalogue } from '../src/storage/catalogue.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import type { LabClient } from '../src/ui/state/connection.ts';
import { blobSink, exportDisk, importDisk, type FileSink } from '../src/ui/state/disk-files.ts';
import { exportOverPort, imageName, importOverPort, linesFor } from '../workers/disk-transfers.ts';

/** The page's half and the worker's half of a transfer, over a real port. */
function clientOf(catalogue: DiskCatalogue): LabClient {
  const client = {
    async exportDisk(id: string, kind: DiskFileKind, port: MessagePort) {
      const disk = await catalogue.open(id);
      try {
        await exportOverPort(disk, kind, port);
      } finally {
        await disk.close();
      }
    },
    async importDisk(request: ImportRequest, port: MessagePort) {
      const names = (await catalogue.list()).map(({ name }) => name);
      return importOverPort(catalogue, request, names, port);
    },
  };
  return client as unknown as LabClient;
}

function usedImage(): Uint8Array<ArrayBuffer> {
  const image = ocssdImage(smallRecipe, 9 * 4112);
  setChunk(image, 0, 2, smallRecipe.clba, 1);
  setChunk(image, 7, 4, 12, 2);
  writeSectors(image, smallRecipe, 0, 0, smallRecipe.clba);
  writeSectors(image, smallRecipe, 7, 0, 12);
  return image;
}

const request = (name: string, bytes: Uint8Array<ArrayBuffer>): ImportRequest => ({
  files: [{ name, blob: new Blob([bytes]) }],
  kept: 'memory',
  deviceLine: '',
});

async function exported(client: LabClient, id: string, kind: DiskFileKind): Promise<Uint8Array<ArrayBuffer>> {
  const sink = blobSink();
  await exportDisk(client, id, kind, sink);
  return new Uint8Array(await sink.blob().arrayBuffer());
}

describe('a disk over a port', () => {
  it('comes as an image, leaves as a container, comes again with another name, and tells how far it is', async () => {
    const catalogue = new MemoryCatalogue();
    const client = clientOf(catalogue);
    const steps: string[] = [];
    const first = await importDisk(client, request('my disk.img', usedImage()), {
      onProgress: (done, total) => steps.push(`${done <= total && total > 0}`),
    });
    expect(first.name).toBe('my disk');
    const packed = await exported(client, first.id, 'container');
    const second = await importDisk(client, request('x.lnvmpack', packed));
    expect(second.name).toBe('my disk 2');
    expect(
      Buffer.compare(
        await exported(client, second.id, 'container').then((bytes) => bytes.subarray(400)),
        packed.subarray(398),
      ),
    ).toBe(0);
    expect(new Set(steps)).toEqual(new Set(['true']));
  });

  it('leaves as an archive from which the image comes out as it came', async () => {
    const catalogue = new MemoryCatalogue();
    const client = clientOf(catalogue);
    const { id } = await importDisk(client, request('a b.img', usedImage()));
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-transfer-'));
    try {
      writeFileSync(join(directory, 'x.tar'), await exported(client, id, 'image'));
      execFileSync('tar', ['-xf', 'x.tar'], { cwd: directory });
      expect(Buffer.compare(readFileSync(join(directory, 'a-b.img')), usedImage())).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('is cancelled from either side, and the file and the disk are gone', async () => {
    const catalogue = new MemoryCatalogue();
    const client = clientOf(catalogue);
    const { id } = await importDisk(client, request('a.img', usedImage()));
    for (const whenToStop of ['before', 'while']) {
      const end = new AbortController();
      if (whenToStop === 'before') end.abort();
      let aborted = 0;
      const sink: FileSink = {
        async write() {
          end.abort();
        },
        close: async () => expect.unreachable('closed a cancelled file'),
        abort: async () => void aborted++,
      };
      await expect(exportDisk(client, id, 'container', sink, { signal: end.signal })).rejects.toThrow(
        /cancelled/,
      );
      expect(aborted).toBe(1);
      // It can be had again: nobody holds it.
      await (await catalogue.open(id)).close();
    }
    const end = new AbortController();
    end.abort();
    await expect(importDisk(client, request('b.img', usedImage()), { signal: end.signal })).rejects.toThrow(
      /cancelled/,
    );
    expect(await catalogue.list()).toHaveLength(1);
  });

  it('ends with the reason when the file cannot be written', async () => {
    const catalogue = new MemoryCatalogue();
    const client = clientOf(catalogue);
    const { id } = await importDisk(client, request('a.img', usedImage()));
    const full = new Error('no room');
    let aborted = false;
    const sink: FileSink = {
      write: () => Promise.reject(full),
      close: async () => expect.unreachable('closed a broken file'),
      abort: async () => void (aborted = true),
    };
    await expect(exportDisk(client, id, 'container', sink)).rejects.toBe(full);
    expect(aborted).toBe(true);
    await (await catalogue.open(id)).close();
  });

  it('never has more than two pieces on the way', async () => {
    const catalogue = new MemoryCatalogue();
    const { id } = await catalogue.build(
      {
        name: 'large',
        deviceLine: 'nvme,serial=x,lver=0',
        sizeBytes: 2 ** 25,
        unitBytes: 32_768,
        totalUnits: 1024,
      },
      async (disk) => {
        for (let unit = 0; unit < 400; unit++) {
          const bytes = new Uint8Array(32_768);
          for (let i = 0; i < bytes.length; i += 1024) crypto.getRandomValues(bytes.subarray(i, i + 1024));
          await disk.commit({ erased: [], units: [{ unit, bytes }], shards: [] }, 'relaxed');
        }
      },
    );
    const disk = await catalogue.open(id);
    let made = 0;
    let most = 0;
    let written = 0;
    const { port1, port2 } = new MessageChannel();
    const exporting = exportOverPort(
      {
        ...disk,
        summary: disk.summary,
        unitsStored: () => 400,
        isStored: (unit) => unit < 400,
        loadTable: async () => [],
        readUnit: (unit) => {
          made++;
          most = Math.max(most, made - written * 31);
          return disk.readUnit(unit);
        },
      } as typeof disk,
      'container',
      port2,
    );
    port1.onmessage = async ({ data }: MessageEvent<{ type: string }>) => {
      if (data.type !== 'piece') return;
      await new Promise((resolve) => setTimeout(resolve, 5));
      written++;
      port1.postMessage({ type: 'next' });
    };
    port1.postMessage({ type: 'next' });
    await exporting;
    port1.close();
    expect(written).toBeGreaterThan(12);
    // Units of the piece that is written, of the one on the way and of the one that is made.
    expect(most).toBeLessThanOrEqual(4 * 31);
    await disk.close();
  });

  it.each<[string, string[], RegExp]>([
    ['nothing of ours', ['photo.jpg'], /photo\.jpg is neither an exported disk nor an ocssd image/],
    ['two of them', ['a.img', 'b.img'], /Of the 2 files 2 can be a disk/],
    ['only companions', ['a.meta', 'a.bbt'], /Of the 2 files 0 can be a disk/],
    ['raw files without a line', ['a.img', 'a.img.meta'], /There is no nvme device in an empty line/],
  ])('is refused with a sentence: %s', async (_name, names, reason) => {
    const catalogue = new MemoryCatalogue();
    const files = names.map((name) => ({ name, blob: new Blob([new Uint8Array(2 ** 20)]) }));
    const refused = importDisk(clientOf(catalogue), { files, kept: 'memory', deviceLine: '' });
    await expect(refused).rejects.toThrow(reason);
    expect(await catalogue.list()).toEqual([]);
  });

  it('has a name that any file system takes', () => {
    expect(['tutorial', '../../etc/x', '一', 'a b  c', '.'.repeat(9), 'x'.repeat(64)].map(imageName)).toEqual(
      ['tutorial.img', 'etc-x.img', 'disk.img', 'a-b-c.img', 'disk.img', `${'x'.repeat(60)}.img`],
    );
    const row = { deviceLine: 'nvme,serial=x,lver=1', sizeBytes: 2 ** 26, name: 'my disk' };
    expect(linesFor(row as unknown as DiskRow & { unitBytes: number } as never)?.qemu).toContain(
      'file=my-disk.img,',
    );
  });
});
