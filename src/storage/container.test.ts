import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { afterEach, describe, expect, it } from 'vitest';
import { StoreError } from '../flash/media-store.ts';
import { streamBytes } from './byte-source.ts';
import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk } from './catalogue.ts';
import { PART_BYTES } from './container-format.ts';
import { ContainerReader } from './container-read.ts';
import { writeContainer } from './container-write.ts';
import { FakeLocks } from './fake-locks.ts';
import { FileCatalogue } from './file.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { MemoryCatalogue } from './memory.ts';
import type { TransferOptions } from './transfer-options.ts';

const UNIT_BYTES = 4160;
const spec: DiskSpec = {
  name: 'Disk "一" 🙂',
  deviceLine: '-device nvme,drive=d,serial=x\n second line',
  sizeBytes: 1_000_000_000,
  unitBytes: UNIT_BYTES,
  totalUnits: 200_000,
};

let directories: string[] = [];
afterEach(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
  directories = [];
});

const places: Record<string, () => DiskCatalogue> = {
  memory: () => new MemoryCatalogue(),
  indexeddb: () =>
    new IndexedDbCatalogue({ indexedDB: new IDBFactory(), keyRange: IDBKeyRange, locks: new FakeLocks() }),
  file: () => {
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-container-'));
    directories.push(directory);
    return FileCatalogue.ofDirectory(directory);
  },
};

/** Bytes that deflate well for even seeds, and not at all for odd ones. */
function bytesOf(seed: number, length = UNIT_BYTES): Uint8Array {
  let state = seed * 2_654_435_761;
  return Uint8Array.from({ length }, (_, i) => {
    if (seed % 2 === 0) return (seed + (i >> 5)) & 0xff;
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** More than one part of units and of shards, with gaps. */
async function filled(catalogue: DiskCatalogue, units = 700): Promise<DiskSummary> {
  return catalogue.build(spec, async (disk) => {
    for (let first = 0; first < units; first += 100) {
      await disk.commit(
        {
          erased: [],
          units: Array.from({ length: Math.min(100, units - first) }, (_, i) => ({
            unit: (first + i) * 3 + (first > 300 ? 150_000 : 0),
            bytes: bytesOf(first + i),
          })),
          shards: Array.from({ length: 50 }, (_, i) => ({
            shard: first + i + (first > 300 ? 2 ** 30 : 0),
            bytes: bytesOf(first + i, (i % 3) * 4096),
          })),
        },
        'relaxed',
      );
    }
  });
}

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The hash of every record. */
async function contents(disk: OpenDisk) {
  const units: [number, string][] = [];
  for (let unit = 0; unit < spec.totalUnits; unit++) {
    const bytes = await disk.readUnit(unit);
    if (bytes) units.push([unit, sha(bytes)]);
  }
  const shards = [...(await disk.loadTable())].sort((a, b) => a.shard - b.shard);
  return {
    units,
    shards: shards.map(({ shard, bytes }) => [shard, sha(bytes)]),
    stored: disk.unitsStored(),
  };
}

async function opened<T>(
  catalogue: DiskCatalogue,
  id: string,
  work: (disk: OpenDisk) => Promise<T>,
): Promise<T> {
  const disk = await catalogue.open(id);
  try {
    return await work(disk);
  } finally {
    await disk.close();
  }
}

const exported = (catalogue: DiskCatalogue, id: string, options?: TransferOptions) =>
  opened(catalogue, id, async (disk) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of writeContainer(disk, options)) pieces.push(piece);
    return new Uint8Array(Buffer.concat(pieces));
  });

async function* cut(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}

async function imported(
  catalogue: DiskCatalogue,
  bytes: Uint8Array,
  options?: TransferOptions,
  pieceBytes = 65_536,
): Promise<DiskSummary> {
  const reader = await ContainerReader.open(cut(bytes, pieceBytes));
  const { name, deviceLine, sizeBytes, unitBytes, totalUnits } = reader.manifest;
  return catalogue.build({ name, deviceLine, sizeBytes, unitBytes, totalUnits }, (disk) =>
    reader.readInto(disk, options),
  );
}

describe.each(Object.entries(places))('a container of a disk in %s', (_name, makePlace) => {
  it('holds everything, and gives the same bytes again when it was imported', async () => {
    const catalogue = makePlace();
    const { id } = await filled(catalogue);
    const progress: number[] = [];
    const bytes = await exported(catalogue, id, { onProgress: (done, total) => progress.push(done / total) });
    expect(progress.at(-1)).toBe(1);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.length).toBeGreaterThan(3);
    const before = await opened(catalogue, id, contents);
    expect(before.stored).toBe(700);
    for (const place of [catalogue, new MemoryCatalogue()]) {
      const again = await imported(place, bytes, {}, 1000);
      expect(again).toMatchObject({ ...spec, unitsStored: 700 });
      expect(again.id).not.toBe(id);
      expect(await opened(place, again.id, contents)).toEqual(before);
      expect(Buffer.compare(await exported(place, again.id), bytes)).toBe(0);
    }
  });

  it('of a fork is that of a disk with its content, and can be imported', async () => {
    const catalogue = makePlace();
    const { id } = await filled(catalogue, 120);
    const change = {
      erased: [{ first: 30, count: 60 }],
      units: [5, 33, 600].map((unit) => ({ unit, bytes: bytesOf(unit) })),
      shards: [{ shard: 3, bytes: bytesOf(77, 500) }],
    };
    const fork = await catalogue.fork(id, spec.name);
    await opened(catalogue, fork.id, async (disk) => disk.commit(change, 'relaxed'));
    await opened(catalogue, id, async (disk) => disk.commit({ ...change, units: [] }, 'relaxed'));
    const plain = new MemoryCatalogue();
    const same = await filled(plain, 120);
    await opened(plain, same.id, async (disk) => disk.commit(change, 'relaxed'));
    const file = await exported(catalogue, fork.id);
    expect(sha(file)).toBe(sha(await exported(plain, same.id)));
    const back = await imported(catalogue, file);
    expect(sha(await exported(catalogue, back.id))).toBe(sha(file));
    await catalogue.remove(id);
    expect(sha(await exported(catalogue, fork.id))).toBe(sha(file));
  });

  it('of an empty disk is small', async () => {
    const catalogue = makePlace();
    const { id } = await catalogue.create(spec);
    const bytes = await exported(catalogue, id);
    expect(bytes.length).toBeLessThan(500);
    const again = await imported(catalogue, bytes);
    expect(await opened(catalogue, again.id, contents)).toEqual({ units: [], shards: [], stored: 0 });
  });

  it('can be cancelled both ways, and nothing stays', async () => {
    const catalogue = makePlace();
    const { id } = await filled(catalogue);
    const bytes = await exported(catalogue, id);
    for (const transfer of [
      (options: TransferOptions) => exported(catalogue, id, options),
      (options: TransferOptions) => imported(catalogue, bytes, options),
    ]) {
      const end = new AbortController();
      await expect(transfer({ signal: end.signal, onProgress: () => end.abort() })).rejects.toMatchObject({
        code: 'aborted',
      });
    }
    expect((await catalogue.list()).map((disk) => disk.id)).toEqual([id]);
  });
});

describe('streams of the platform', () => {
  it('are read to their end, and cancelled when nobody reads on', async () => {
    let cancelled = false;
    let count = 0;
    const stream = () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => (count++ < 3 ? controller.enqueue(Uint8Array.of(count)) : controller.close()),
        cancel: () => void (cancelled = true),
      });
    const all: number[] = [];
    for await (const piece of streamBytes(stream())) all.push(...piece);
    expect([all, cancelled]).toEqual([[1, 2, 3], false]);
    count = 0;
    for await (const piece of streamBytes(stream())) if (piece[0] === 1) break;
    expect(cancelled).toBe(true);
  });
});

const PARTS_AT = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const at: number[] = [];
  for (
    let next = 24 + view.getUint32(12, true);
    next < bytes.length;
    next += 32 + view.getUint32(next + 20, true)
  )
    at.push(next);
  return at;
};

/** What a mutation promised to do to every container, with its name for the message. */
type Mutation = readonly [name: string, mutate: (bytes: Uint8Array) => Uint8Array];

describe('damaged and hostile containers', () => {
  let seed = 0x5eed;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const changed = (bytes: Uint8Array, change: (copy: Uint8Array, view: DataView) => void): Uint8Array => {
    const copy = bytes.slice();
    change(copy, new DataView(copy.buffer));
    return copy;
  };
  const crc = (bytes: Uint8Array, start = 0): number => {
    // Bit by bit, not the code under test.
    let state = ~start;
    for (const byte of bytes) {
      state ^= byte;
      for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0xedb88320 : state >>> 1;
    }
    return ~state >>> 0;
  };
  /** Changes a part's header and seals it again, as a liar would. */
  const lie = (which: number, offset: number, value: number): Mutation => [
    `part ${which}: u32 at ${offset} is ${value}`,
    (bytes) =>
      changed(bytes, (copy, view) => {
        const at = PARTS_AT(bytes).at(which) as number;
        if (offset === 4 || offset === 5) view.setUint8(at + offset, value);
        else view.setUint32(at + offset, value, true);
        view.setUint32(at + 28, crc(copy.subarray(at, at + 28)), true);
      }),
  ];
  /** Puts another manifest in, properly sealed. */
  const manifest = (name: string, rewrite: (text: string) => string): Mutation => [
    `manifest: ${name}`,
    (bytes) => {
      const length = new DataView(bytes.buffer).getUint32(12, true);
      const text = new TextEncoder().encode(
        rewrite(new TextDecoder().decode(bytes.subarray(24, 24 + length))),
      );
      const head = bytes.slice(0, 24);
      const view = new DataView(head.buffer);
      view.setUint32(12, text.length, true);
      view.setUint32(16, crc(text, crc(head.subarray(0, 16))), true);
      return new Uint8Array(Buffer.concat([head, text, bytes.subarray(24 + length)]));
    },
  ];
  const field = (key: string, value: unknown): Mutation =>
    manifest(`${key} is ${JSON.stringify(value)}`, (text) =>
      JSON.stringify({ ...(JSON.parse(text) as object), [key]: value }),
    );

  const mutations: Mutation[] = [
    ...Array.from({ length: 60 }, (): Mutation => {
      const share = random(10_000) / 10_000;
      return [`cut at ${share}`, (bytes) => bytes.slice(0, Math.floor(bytes.length * share))];
    }),
    ...Array.from({ length: 110 }, (): Mutation => {
      const [share, bit] = [random(100_000) / 100_000, random(8)];
      return [
        `bit ${bit} at ${share}`,
        (bytes) =>
          changed(bytes, (copy) => {
            const at = Math.floor(bytes.length * share);
            copy[at] = (copy[at] as number) ^ (1 << bit);
          }),
      ];
    }),
    // Every bit of the head, the manifest's first bytes and a part header matters.
    ...Array.from({ length: 24 }, (_, at): Mutation => [
      `head byte ${at}`,
      (bytes) => changed(bytes, (copy) => (copy[at] = (copy[at] as number) ^ 0x10)),
    ]),
    ...Array.from({ length: 32 }, (_, offset): Mutation => [
      `part header byte ${offset}`,
      (bytes) =>
        changed(bytes, (copy) => {
          const at = (PARTS_AT(bytes)[2] as number) + offset;
          copy[at] = (copy[at] as number) ^ 0x01;
        }),
    ]),
    ...[0, 1, 2, -2, -1].flatMap((which) => [
      lie(which, 4, 0),
      lie(which, 4, 9),
      lie(which, 5, 7),
      lie(which, 8, 77),
      lie(which, 12, 0xffff_ffff),
      lie(which, 12, 0),
      lie(which, 16, 0xffff_ffff),
      lie(which, 16, PART_BYTES * 2),
      lie(which, 16, 3),
      lie(which, 20, 0xffff_ffff),
      lie(which, 24, 0),
    ]),
    ...(['units', 'shards', 'shardBytes'] as const).flatMap((key) =>
      [0, -1, 1.5, 2 ** 40, '5', null, 1].map((value) => field(key, value)),
    ),
    field('unitBytes', 2 ** 31),
    field('unitBytes', UNIT_BYTES - 1),
    field('totalUnits', 2 ** 40),
    field('totalUnits', 10),
    field('sizeBytes', -1),
    field('name', 'x'.repeat(65)),
    field('name', { toString: 'x' }),
    field('deviceLine', 'x'.repeat(20_000)),
    field('deviceLine', 7),
    field('extra', 1),
    field('constructor', 1),
    field('toString', 'x'),
    manifest('__proto__', (text) => text.replace('{', '{"__proto__":{"units":0},')),
    manifest('a key twice', (text) => text.replace('{', '{"units":1,')),
    manifest('space', (text) => text.replace(',', ', ')),
    manifest('an array', (text) => `[${text}]`),
    manifest('null', () => 'null'),
    manifest('empty', () => ''),
    manifest('no JSON', (text) => text.slice(0, -1)),
    manifest('a byte order mark', (text) => `\ufeff${text}`),
    manifest('nested deeply', () => '['.repeat(50_000)),
    ['manifest length lies', (bytes) => changed(bytes, (_, view) => view.setUint32(12, 0xffff_fff0, true))],
    ['a newer version', (bytes) => changed(bytes, (_, view) => view.setUint32(8, 2, true))],
    ['version 0', (bytes) => changed(bytes, (_, view) => view.setUint32(8, 0, true))],
    ['empty', () => new Uint8Array(0)],
    ['no container', () => new TextEncoder().encode('P5 640 480 255\n'.repeat(100))],
    ['something follows', (bytes) => new Uint8Array(Buffer.concat([bytes, Uint8Array.of(0)]))],
    ['itself follows', (bytes) => new Uint8Array(Buffer.concat([bytes, bytes]))],
    [
      'the first part twice',
      (bytes) => {
        const [first = 0, second = 0] = PARTS_AT(bytes);
        return new Uint8Array(
          Buffer.concat([bytes.subarray(0, second), bytes.subarray(first, second), bytes.subarray(second)]),
        );
      },
    ],
    [
      'the first part twice, numbered on',
      (bytes) => {
        const [first = 0, second = 0] = PARTS_AT(bytes);
        const twice = new Uint8Array(
          Buffer.concat([bytes.subarray(0, second), bytes.subarray(first, second), bytes.subarray(second)]),
        );
        PARTS_AT(twice).forEach((at, i) => {
          new DataView(twice.buffer).setUint32(at + 8, i, true);
          new DataView(twice.buffer).setUint32(at + 28, crc(twice.subarray(at, at + 28)), true);
        });
        return twice;
      },
    ],
    [
      'parts swapped',
      (bytes) => {
        const [a = 0, b = 0, c = 0] = PARTS_AT(bytes).slice(-4);
        return new Uint8Array(
          Buffer.concat([
            bytes.subarray(0, a),
            bytes.subarray(b, c),
            bytes.subarray(a, b),
            bytes.subarray(c),
          ]),
        );
      },
    ],
    [
      'a part left out',
      (bytes) => {
        const [first = 0, second = 0] = PARTS_AT(bytes).slice(2);
        return new Uint8Array(Buffer.concat([bytes.subarray(0, first), bytes.subarray(second)]));
      },
    ],
    ['no end', (bytes) => bytes.slice(0, PARTS_AT(bytes).at(-1))],
    [
      'a part of zeros a thousand times as long as it says',
      (bytes) => {
        const [, , third = 0, fourth = 0] = PARTS_AT(bytes);
        const header = bytes.slice(third, third + 32);
        const bomb = deflateRawSync(Buffer.alloc(200 * PART_BYTES));
        const view = new DataView(header.buffer);
        view.setUint32(20, bomb.length, true);
        view.setUint32(28, crc(header.subarray(0, 28)), true);
        return new Uint8Array(
          Buffer.concat([bytes.subarray(0, third), header, bomb, bytes.subarray(fourth)]),
        );
      },
    ],
  ];

  it(`all ${mutations.length} are refused in one sentence, and the disk that is there stays as it is`, async () => {
    const catalogue = new MemoryCatalogue();
    const { id } = await filled(catalogue, 330);
    const good = await exported(catalogue, id);
    const before = await opened(catalogue, id, contents);
    let accepted = 0;
    let tried = 0;
    for (const [name, mutate] of mutations) {
      const bytes = mutate(good);
      // The end has no items as it is.
      if (Buffer.compare(bytes, good) === 0) continue;
      tried++;
      const outcome = await imported(catalogue, bytes).catch((error: unknown) => error);
      if (!(outcome instanceof StoreError)) {
        if (outcome instanceof Error) throw new Error(`${name}: ${outcome.stack}`);
        // Deflate has bits that mean nothing: then what came out is the same.
        accepted++;
        const disk = outcome as DiskSummary;
        expect(await opened(catalogue, disk.id, contents), name).toEqual(before);
        await catalogue.remove(disk.id);
        continue;
      }
      expect(outcome.message, name).toMatch(/^The disk was not imported because [^.]+[.]$/);
      expect(['corrupt', 'version'], name).toContain(outcome.code);
      expect(
        (await catalogue.list()).map((disk) => disk.id),
        name,
      ).toEqual([id]);
    }
    expect(tried).toBeGreaterThanOrEqual(300);
    expect(accepted).toBeLessThan(5);
    expect(await opened(catalogue, id, contents)).toEqual(before);
  }, 120_000);

  it('leave no database and no file behind', async () => {
    const factory = new IDBFactory();
    const databases = new IndexedDbCatalogue({
      indexedDB: factory,
      keyRange: IDBKeyRange,
      locks: new FakeLocks(),
    });
    const directory = mkdtempSync(join(tmpdir(), 'lnvm-container-'));
    directories.push(directory);
    const files = FileCatalogue.ofDirectory(directory);
    for (const catalogue of [databases, files]) {
      const { id } = await filled(catalogue, 330);
      const good = await exported(catalogue, id);
      const names = async () => [
        ...(await factory.databases()).map(({ name }) => name),
        ...readdirSync(directory),
      ];
      const before = await names();
      for (const [name, mutate] of mutations.filter((_, i) => i % 20 === 0))
        await expect(imported(catalogue, mutate(good)), name).rejects.toBeInstanceOf(StoreError);
      expect(await names()).toEqual(before);
      expect(Buffer.compare(await exported(catalogue, id), good)).toBe(0);
    }
  }, 60_000);
});

/** 500 with `npm run test:fuzz`; in every landing two fifths of it, which no bound below would hold either. */
const LARGE_MIB = Number(process.env['CONTAINER_MIB'] ?? 200);

describe('a large disk', () => {
  it('goes out and comes in with a few parts in memory', async () => {
    // 8 GiB of flash with much data, that is never in one place: made when it is read, checked when it is written.
    const unitBytes = 33_280;
    const large = { ...spec, name: 'large', unitBytes, totalUnits: 262_144, sizeBytes: 2 ** 33 };
    const stored = Math.floor((LARGE_MIB * 2 ** 20) / unitBytes);
    const made = (unit: number): Uint8Array => {
      const bytes = new Uint8Array(unitBytes).fill(unit & 0xff);
      new DataView(bytes.buffer).setUint32(0, unit, true);
      return bytes;
    };
    const isStored = (unit: number) => unit % 16 === 3 && unit < stored * 16;
    const source = {
      summary: {
        ...large,
        ...{ id: 'x', createdAtMs: 0, epoch: 1, commits: 1 },
        unitsStored: stored,
        kept: 'memory' as const,
      },
      version: () => ({ epoch: 1, commits: 1 }),
      unitsStored: () => stored,
      isStored,
      readUnit: (unit: number) => (isStored(unit) ? Promise.resolve(made(unit)) : undefined),
      loadTable: async () => [],
      commit: () => Promise.reject(new Error('never written')),
      close: async () => {},
      onlost: undefined,
    } satisfies OpenDisk;
    global.gc?.();
    const heldBytes = () => {
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const atFirst = heldBytes();
    let most = 0;
    let units = 0;
    let packedBytes = 0;
    async function* counted() {
      for await (const piece of writeContainer(source)) {
        packedBytes += piece.length;
        yield piece;
      }
    }
    const reader = await ContainerReader.open(counted());
    await reader.readInto({
      readUnit: () => undefined,
      loadTable: async () => [],
      commit: (commit) => {
        for (const { unit, bytes } of commit.units) {
          if (!isStored(unit) || Buffer.compare(bytes, made(unit)) !== 0)
            throw new Error(`unit ${unit} is wrong`);
          units++;
        }
        most = Math.max(most, heldBytes() - atFirst);
      },
    });
    expect(units).toBe(stored);
    expect(packedBytes).toBeLessThan(20 * 2 ** 20);
    expect(most).toBeLessThan(160 * 2 ** 20);
  }, 120_000);
});
