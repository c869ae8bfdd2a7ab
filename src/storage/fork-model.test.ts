import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb';
import { describe, expect, it } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import type { DiskCatalogue, DiskSpec, OpenDisk } from './catalogue.ts';
import { FakeLocks } from './fake-locks.ts';
import { FileCatalogue } from './file.ts';
import { IndexedDbCatalogue } from './indexeddb.ts';
import { MemoryCatalogue } from './memory.ts';

/** Disks that are forked, written, pinned, wiped and removed in any order, beside plain maps. */

const UNITS = 40_000;
const UNIT_BYTES = 8;
const spec: DiskSpec = { name: 'm', deviceLine: 'x', sizeBytes: 1, unitBytes: UNIT_BYTES, totalUnits: UNITS };
/** On both sides of the border between two pages of the unit map. */
const unitOf = (n: number): number => 32_760 + n;
const KNOWN = 16;

interface Model {
  readonly units: Map<number, number>;
  shard: number;
  commits: number;
}
const copyOf = ({ units, shard, commits }: Model): Model => ({ units: new Map(units), shard, commits });

interface Place {
  readonly catalogue: DiskCatalogue;
  /** What is there besides the disks in the list. */
  leftovers(): Promise<readonly string[]>;
  tidy?(): void;
}

const places: Record<string, { readonly runs: number; readonly make: () => Place }> = {
  memory: { runs: 100, make: () => ({ catalogue: new MemoryCatalogue(), leftovers: async () => [] }) },
  indexeddb: {
    runs: 60,
    make: () => {
      const indexedDB = new IDBFactory();
      const names = async (): Promise<string[]> =>
        (await indexedDB.databases()).map(({ name = '' }) => name).filter((name) => name.includes(':disk:'));
      const env = { indexedDB, keyRange: IDBKeyRange, locks: new FakeLocks(), openTimeoutMs: 5000 };
      return { catalogue: new IndexedDbCatalogue(env), leftovers: names };
    },
  },
  file: {
    runs: 15,
    make: () => {
      const directory = mkdtempSync(join(tmpdir(), 'lnvm-model-'));
      return {
        catalogue: FileCatalogue.ofDirectory(directory),
        leftovers: async () => readdirSync(directory),
        tidy: () => rmSync(directory, { recursive: true }),
      };
    },
  },
};

const nth = fc.nat(5);
const deed = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      disk: nth,
      erased: fc.array(fc.record({ first: fc.nat(KNOWN - 1), count: fc.nat(6) }), { maxLength: 2 }),
      units: fc.array(fc.record({ unit: fc.nat(KNOWN - 1), value: fc.nat(255) }), { maxLength: 4 }),
      shard: fc.nat(255),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('fork' as const, 'pin' as const), disk: nth }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('close' as const, 'remove' as const, 'wipe' as const, 'rename' as const),
      disk: nth,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('forkPin' as const, 'unpin' as const), disk: nth }),
  },
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly disks = new Map<string, Model>();
  readonly pins = new Map<string, Model>();
  readonly open = new Map<string, OpenDisk>();
  readonly catalogue: DiskCatalogue;

  constructor(catalogue: DiskCatalogue) {
    this.catalogue = catalogue;
  }

  async create(): Promise<void> {
    const { id } = await this.catalogue.create(spec);
    this.disks.set(id, { units: new Map(), shard: -1, commits: 0 });
  }

  async opened(id: string): Promise<OpenDisk> {
    const disk = this.open.get(id) ?? (await this.catalogue.open(id));
    this.open.set(id, disk);
    return disk;
  }

  async close(id: string): Promise<void> {
    await this.open.get(id)?.close();
    this.open.delete(id);
  }

  async step(what: Deed): Promise<void> {
    if (this.disks.size === 0) await this.create();
    const id = pick(this.disks, what.disk) as string;
    const model = this.disks.get(id) as Model;
    const pin = pick(this.pins, what.disk);
    switch (what.do) {
      case 'write': {
        const disk = await this.opened(id);
        for (const { first, count } of what.erased)
          for (let n = first; n < first + count; n++) model.units.delete(unitOf(n));
        for (const { unit, value } of what.units) model.units.set(unitOf(unit), value);
        model.shard = what.shard;
        model.commits++;
        await disk.commit(commitOf(what), 'relaxed');
        await check(disk, model);
        return;
      }
      case 'fork':
        this.disks.set((await this.catalogue.fork(id, 'fork')).id, copyOf(model));
        return;
      case 'pin':
        this.pins.set((await this.catalogue.pin(id)).pin, copyOf(model));
        return;
      case 'forkPin':
        if (pin === undefined) return;
        this.disks.set(
          (await this.catalogue.forkPin(pin, 'of a pin')).id,
          copyOf(this.pins.get(pin) as Model),
        );
        return;
      case 'unpin':
        if (pin === undefined) return;
        await this.catalogue.unpin(pin);
        this.pins.delete(pin);
        return;
      case 'close':
        await this.close(id);
        return;
      case 'rename':
        await this.catalogue.rename(id, 'another name');
        return;
      case 'wipe':
        await this.close(id);
        await this.catalogue.wipe(id);
        this.disks.set(id, { units: new Map(), shard: -1, commits: model.commits + 1 });
        return;
      case 'remove':
        await this.close(id);
        await this.catalogue.remove(id);
        this.disks.delete(id);
    }
  }

  /** As they are now, and again when they are opened anew. */
  async checkAll(): Promise<void> {
    for (const [id, model] of this.disks) {
      await check(await this.opened(id), model);
      await this.close(id);
      await check(await this.opened(id), model);
      await this.close(id);
    }
    const pins = await this.catalogue.pins();
    expect(pins.map(({ pin }) => pin).sort()).toEqual([...this.pins.keys()].sort());
    for (const { pin, commits, unitsStored } of pins) {
      const model = this.pins.get(pin) as Model;
      expect([commits, unitsStored]).toEqual([model.commits, model.units.size]);
    }
    expect((await this.catalogue.list()).map(({ id }) => id).sort()).toEqual([...this.disks.keys()].sort());
  }
}

function pick(from: ReadonlyMap<string, unknown>, n: number): string | undefined {
  return [...from.keys()][n % Math.max(1, from.size)];
}

function commitOf({ erased, units, shard }: Extract<Deed, { do: 'write' }>): MediaCommit {
  return {
    erased: erased.map(({ first, count }) => ({ first: unitOf(first), count })),
    units: units.map(({ unit, value }) => ({
      unit: unitOf(unit),
      bytes: new Uint8Array(UNIT_BYTES).fill(value),
    })),
    shards: [{ shard: 3, bytes: new Uint8Array(4).fill(shard) }],
  };
}

async function check(disk: OpenDisk, { units, shard, commits }: Model): Promise<void> {
  const all = Array.from({ length: KNOWN + 6 }, (_, n) => unitOf(n));
  const found = await Promise.all(all.map((unit) => disk.readUnit(unit)));
  expect(found.map((bytes) => bytes && Array.from(bytes))).toEqual(
    all.map((unit) =>
      units.has(unit) ? Array<number>(UNIT_BYTES).fill(units.get(unit) as number) : undefined,
    ),
  );
  expect(all.filter((unit) => disk.isStored(unit))).toEqual(all.filter((unit) => units.has(unit)));
  expect(disk.unitsStored()).toBe(units.size);
  expect(disk.version().commits).toBe(commits);
  expect((await disk.loadTable()).map(({ bytes }) => bytes[0])).toEqual(shard < 0 ? [] : [shard]);
}

describe('forks, beside plain maps', () => {
  it.each(Object.entries(places))('%s', { timeout: 120_000 }, async (_name, { runs, make }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 5, maxLength: 40 }), async (deeds) => {
        const place = make();
        try {
          const run = new Run(place.catalogue);
          await run.create();
          for (const what of deeds) await run.step(what);
          await run.checkAll();
          for (const pin of run.pins.keys()) await place.catalogue.unpin(pin);
          run.pins.clear();
          await run.checkAll();
          for (const id of run.disks.keys()) await place.catalogue.remove(id);
          expect(await place.leftovers()).toEqual([]);
        } finally {
          place.tidy?.();
        }
      }),
      { numRuns: runs },
    );
  });
});
