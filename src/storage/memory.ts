import { type Durability, type MediaCommit, type TableShard } from '../flash/media-store.ts';
import type { DiskCatalogue, DiskSpec, DiskSummary, DiskVersion, OpenDisk, PinnedDisk } from './catalogue.ts';
import { checkCommit, checkedName, checkedSpec, randomDiskId } from './disk-spec.ts';
import { busyHere, closedDisk, missingDisk, missingPin } from './errors.ts';
import { byPinning, pinOf } from './superblock.ts';

/** Disks in RAM: for private windows, for tests, and for readers who want speed. Gone with the tab. */

const SPARE_UNITS = 1024;

/** A disk whether open or not. */
interface KeptDisk {
  summary: DiskSummary;
  readonly units: Map<number, Uint8Array>;
  readonly shards: Map<number, Uint8Array>;
  commits: number;
  /** Bytes of units that pins or other disks hold too: never changed, never used again. Absent before the first. */
  shared: WeakSet<Uint8Array> | undefined;
  open: MemoryDisk | undefined;
}

/** What was kept of a disk; its units are shared. */
interface KeptPin {
  readonly pin: PinnedDisk;
  readonly units: ReadonlyMap<number, Uint8Array>;
  readonly shards: ReadonlyMap<number, Uint8Array>;
}

export class MemoryCatalogue implements DiskCatalogue {
  readonly #disks = new Map<string, KeptDisk>();
  readonly #pins = new Map<string, KeptPin>();
  readonly #shared = new WeakSet<Uint8Array>();

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
    disk.commits++;
    return summaryOf(disk);
  }

  async remove(id: string): Promise<void> {
    this.#closed(id);
    this.#disks.delete(id);
  }

  async fork(id: string, name: string): Promise<DiskSummary> {
    return this.#forked(this.#freeze(this.#find(id)), name);
  }

  async pin(id: string): Promise<PinnedDisk> {
    const kept = this.#freeze(this.#find(id));
    this.#pins.set(kept.pin.pin, kept);
    return kept.pin;
  }

  async pins(): Promise<readonly PinnedDisk[]> {
    return [...this.#pins.values()].map(({ pin }) => pin).sort(byPinning);
  }

  async forkPin(pin: string, name: string): Promise<DiskSummary> {
    const kept = this.#pins.get(pin);
    if (kept === undefined) throw missingPin();
    return this.#forked(kept, name);
  }

  async unpin(pin: string): Promise<void> {
    this.#pins.delete(pin);
  }

  /**
   * The disk as it is now. Units that are shared for the first time are copied once, for the device may still change
   * the array that it gave us; from then on the disk has the copy as well.
   */
  #freeze(disk: KeptDisk): KeptPin {
    disk.shared = this.#shared;
    for (const [unit, bytes] of disk.units) {
      if (this.#shared.has(bytes)) continue;
      const copy = bytes.slice();
      this.#shared.add(copy);
      disk.units.set(unit, copy);
    }
    return { pin: pinOf(summaryOf(disk)), units: new Map(disk.units), shards: copied(disk.shards) };
  }

  #forked({ pin, units, shards }: KeptPin, name: string): DiskSummary {
    const disk: KeptDisk = {
      ...newDisk({ ...pin, name }),
      units: new Map(units),
      shards: copied(shards),
      commits: pin.commits,
      shared: this.#shared,
    };
    this.#disks.set(disk.summary.id, disk);
    return summaryOf(disk);
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
    commits: 0,
    unitsStored: 0,
    kept: 'memory',
  };
  return { summary, units: new Map(), shards: new Map(), commits: 0, shared: undefined, open: undefined };
}

function copied(shards: ReadonlyMap<number, Uint8Array>): Map<number, Uint8Array> {
  return new Map(Array.from(shards, ([shard, bytes]) => [shard, bytes.slice()]));
}

function summaryOf(disk: KeptDisk): DiskSummary {
  return { ...disk.summary, commits: disk.commits, unitsStored: disk.units.size };
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

  version(): DiskVersion {
    return { epoch: this.#disk.summary.epoch, commits: this.#disk.commits };
  }

  unitsStored(): number {
    return this.#disk.units.size;
  }

  isStored(unit: number): boolean {
    return this.#disk.units.has(unit);
  }

  readUnit(unit: number): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    if (this.#closed) return Promise.reject(closedDisk());
    const bytes = this.#disk.units.get(unit);
    // The device may change what it gets and commit it; what others hold too must not change with it.
    return bytes !== undefined && this.#disk.shared?.has(bytes) === true ? bytes.slice() : bytes;
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
    const { units, shards, shared } = this.#disk;
    for (const { first, count } of commit.erased) {
      eraseRun(units, first, count, (bytes) => {
        if (this.#spare.length < SPARE_UNITS && shared?.has(bytes) !== true) this.#spare.push(bytes);
      });
    }
    // Written sectors of a unit never change, so the caller's own array is kept: a RAM disk costs its data once.
    for (const { unit, bytes } of commit.units) units.set(unit, bytes);
    // The table is changed in place all the time: what was committed needs a copy. Not a new one each time: to make
    // and collect four thousand a second took a busy worker 3 % of its time.
    for (const { shard, bytes } of commit.shards) {
      const kept = shards.get(shard);
      if (kept?.length === bytes.length) kept.set(bytes);
      else shards.set(shard, bytes.slice());
    }
    this.#disk.commits++;
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
