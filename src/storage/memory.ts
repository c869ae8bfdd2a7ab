import { type Durability, type MediaCommit, type TableShard } from '../flash/media-store.ts';
import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk } from './catalogue.ts';
import { checkCommit, checkedName, checkedSpec, randomDiskId } from './disk-spec.ts';
import { busyHere, closedDisk, missingDisk } from './errors.ts';

/** Disks in RAM: for private windows, for tests, and for readers who want speed. Gone with the tab. */

const SPARE_UNITS = 1024;

/** A disk whether open or not. */
interface KeptDisk {
  summary: DiskSummary;
  readonly units: Map<number, Uint8Array>;
  readonly shards: Map<number, Uint8Array>;
  open: MemoryDisk | undefined;
}

export class MemoryCatalogue implements DiskCatalogue {
  readonly #disks = new Map<string, KeptDisk>();

  // The methods are async so that an error is a rejection, as with the other catalogues.

  async list(): Promise<readonly DiskSummary[]> {
    return [...this.#disks.values()].map(summaryOf);
  }

  async create(spec: DiskSpec): Promise<DiskSummary> {
    const disk = newDisk(spec);
    this.#disks.set(disk.summary.id, disk);
    return disk.summary;
  }

  async build(spec: DiskSpec, fill: (disk: OpenDisk) => Promise<void>): Promise<DiskSummary> {
    const disk = newDisk(spec);
    const open = new MemoryDisk(disk);
    try {
      await fill(open);
    } finally {
      await open.close();
    }
    this.#disks.set(disk.summary.id, disk);
    return summaryOf(disk);
  }

  async open(id: string): Promise<OpenDisk> {
    const disk = this.#closed(id);
    disk.summary = { ...disk.summary, epoch: disk.summary.epoch + 1 };
    disk.open = new MemoryDisk(disk);
    return disk.open;
  }

  async rename(id: string, name: string): Promise<DiskSummary> {
    const disk = this.#find(id);
    disk.summary = { ...disk.summary, name: checkedName(name) };
    return summaryOf(disk);
  }

  async wipe(id: string): Promise<DiskSummary> {
    const disk = this.#closed(id);
    disk.units.clear();
    disk.shards.clear();
    return summaryOf(disk);
  }

  async remove(id: string): Promise<void> {
    this.#closed(id);
    this.#disks.delete(id);
  }

  #find(id: string): KeptDisk {
    const disk = this.#disks.get(id);
    if (disk === undefined) throw missingDisk();
    return disk;
  }

  #closed(id: string): KeptDisk {
    const disk = this.#find(id);
    if (disk.open !== undefined) throw busyHere();
    return disk;
  }
}

function newDisk(spec: DiskSpec): KeptDisk {
  const summary: DiskSummary = {
    ...checkedSpec(spec),
    id: randomDiskId(),
    createdAtMs: Date.now(),
    epoch: 0,
    unitsStored: 0,
    kept: 'memory',
  };
  return { summary, units: new Map(), shards: new Map(), open: undefined };
}

function summaryOf(disk: KeptDisk): DiskSummary {
  return { ...disk.summary, unitsStored: disk.units.size };
}

/** Answers at once: `readUnit` returns bytes and `commit` nothing, unless they fail. */
class MemoryDisk implements OpenDisk {
  readonly immediate = true;
  onlost: ((error: Error) => void) | undefined;
  readonly #disk: KeptDisk;
  #closed = false;
  /** Buffers of erased units: fresh memory costs more than the copy into it. */
  readonly #spare: Uint8Array[] = [];

  constructor(disk: KeptDisk) {
    this.#disk = disk;
  }

  get summary(): DiskSummary {
    return summaryOf(this.#disk);
  }

  unitsStored(): number {
    return this.#disk.units.size;
  }

  isStored(unit: number): boolean {
    return this.#disk.units.has(unit);
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#closed) return Promise.reject(closedDisk());
    return this.#disk.units.get(unit);
  }

  spareUnit(): Uint8Array | undefined {
    return this.#spare.pop();
  }

  async loadTable(): Promise<readonly TableShard[]> {
    if (this.#closed) throw closedDisk();
    return [...this.#disk.shards].map(([shard, bytes]) => ({ shard, bytes: bytes.slice() }));
  }

  commit(commit: MediaCommit, _durability: Durability): void | Promise<void> {
    if (this.#closed) return Promise.reject(closedDisk());
    try {
      checkCommit(commit, this.#disk.summary);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const { units, shards } = this.#disk;
    for (const { first, count } of commit.erased) {
      eraseRun(units, first, count, (bytes) => {
        if (this.#spare.length < SPARE_UNITS) this.#spare.push(bytes);
      });
    }
    // Written sectors of a unit never change, so the caller's own array is kept: a RAM disk costs its data once.
    for (const { unit, bytes } of commit.units) units.set(unit, bytes);
    // The table is changed in place all the time: what was committed needs a copy.
    for (const { shard, bytes } of commit.shards) shards.set(shard, bytes.slice());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#disk.open = undefined;
  }
}

/** Removes a run from a map by whichever is shorter: the run or the map. */
export function eraseRun<T>(
  units: Map<number, T>,
  first: number,
  count: number,
  erased: (value: T) => void = () => {},
): void {
  const erase = (unit: number): void => {
    const value = units.get(unit);
    if (value !== undefined) erased(value);
    units.delete(unit);
  };
  if (count <= units.size) {
    for (let unit = first; unit < first + count; unit++) erase(unit);
  } else {
    for (const unit of units.keys()) if (unit >= first && unit < first + count) erase(unit);
  }
}
