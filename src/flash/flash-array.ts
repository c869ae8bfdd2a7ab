import { describeSector } from './address.ts';
import { BlockTable } from './block-table.ts';
import { deriveGeometry, type DerivedGeometry, type Geometry } from './geometry.ts';
import type { MediaStore } from './media-store.ts';
import type { FlashObserver } from './observer.ts';
import type { SectorVector, Transfer } from './transfer.ts';
import { UnitStore } from './unit-store.ts';

/**
 * The cells of an open-channel SSD without the rules: sectors with their out-of-band bytes, kept in units,
 * and the table that says how far each block is written. Which operation is allowed, and what it answers, is
 * said by the two media on top (open-channel 1.2 and 2.0).
 */
export class FlashArray {
  readonly geometry: DerivedGeometry;
  readonly table: BlockTable;
  readonly units: UnitStore;
  readonly observer: FlashObserver;
  private readonly writeRun = new SectorRun();
  private readonly readRun = new SectorRun();
  private readonly reads: ObservedRuns;

  private constructor(geometry: Geometry, store: MediaStore, observer: FlashObserver) {
    this.geometry = deriveGeometry(geometry);
    this.table = new BlockTable(this.geometry);
    this.units = new UnitStore(store, this.geometry.unitBytes);
    this.units.keepShards(0, this.table.totalShards, (shard) => this.table.packShard(shard));
    this.observer = observer;
    this.reads = new ObservedRuns(observer, 'read');
  }

  /**
   * Opens the array: reads the block table, none of the data. `isNew` when nothing was ever kept of it.
   * Rejects with StoreError.
   */
  static async open(
    geometry: Geometry,
    store: MediaStore,
    observer: FlashObserver,
  ): Promise<{ array: FlashArray; isNew: boolean }> {
    const array = new FlashArray(geometry, store, observer);
    const shards = await array.units.loadShards();
    array.table.load(shards.filter(({ shard }) => shard < array.table.totalShards));
    return { array, isNew: shards.length === 0 };
  }

  /** The unit that holds a sector of a block: one page across the planes of its chunk. */
  unitOf(block: number, sec: number): number {
    const g = this.geometry;
    return Math.floor(block / g.numPln) * g.numPg + Math.floor(sec / g.secsPerPg);
  }

  /** Position of a sector among its unit's sectors. */
  slotOf(block: number, sec: number): number {
    const g = this.geometry;
    return (block % g.numPln) * g.secsPerPg + (sec % g.secsPerPg);
  }

  /** Whether the sector was written since its block's last erase. */
  isWritten(block: number, sec: number): boolean {
    return sec < this.table.written(block);
  }

  /** Whether any plane has a written sector in the page that `sec` is in. */
  private unitHasData(block: number, sec: number): boolean {
    const g = this.geometry;
    const firstSecOfPage = sec - (sec % g.secsPerPg);
    const firstBlock = block - (block % g.numPln);
    for (let pln = 0; pln < g.numPln; pln++) {
      if (this.table.written(firstBlock + pln) > firstSecOfPage) return true;
    }
    return false;
  }

  /** Bytes that a write of these sectors keeps in memory until it is stored: whole units, neighbours counted once. */
  bytesToWrite(vector: SectorVector): number {
    let units = 0;
    let lastUnit = -1;
    for (let i = 0; i < vector.count; i++) {
      const unit = this.unitOf(vector.block[i] as number, vector.sec[i] as number);
      if (unit !== lastUnit) units++;
      lastUnit = unit;
    }
    return units * this.geometry.unitBytes;
  }

  /**
   * Units of which another part was written before have to be here before they can be filled up; a promise
   * when they are not. Nothing to wait for in the ordinary case: pblk writes whole units.
   */
  loadForWrite(vector: SectorVector): Promise<unknown> | undefined {
    this.writeRun.clear();
    if (this.units.answersAtOnce) return undefined;
    let waits: Promise<void>[] | undefined;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      if (!this.unitHasData(block, sec)) continue;
      const answer = this.units.get(this.unitOf(block, sec));
      if (answer instanceof Promise) (waits ??= []).push(answer);
    }
    return waits && Promise.all(waits);
  }

  /** Units that the written sectors among the vector's are in; a promise when they are not here yet. */
  loadForRead(vector: SectorVector): Promise<unknown> | undefined {
    this.readRun.clear();
    if (this.units.answersAtOnce) return undefined;
    let waits: Promise<void>[] | undefined;
    let lastUnit = -1;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      const unit = this.unitOf(block, sec);
      if (unit === lastUnit || !this.isWritten(block, sec)) continue;
      lastUnit = unit;
      const answer = this.units.get(unit);
      if (answer instanceof Promise) (waits ??= []).push(answer);
    }
    return waits && Promise.all(waits);
  }

  /**
   * Puts entry `index` of a vector where its block's write pointer is, and moves the pointer on. False, and
   * nothing changed, when what is stored in the same unit cannot be read. Neighbours are copied together, at
   * the latest by {@link endWrite}, which the caller calls before anything else happens.
   */
  program(vector: SectorVector, index: number, transfer: Transfer): boolean {
    const run = this.writeRun;
    const block = vector.block[index] as number;
    const sec = vector.sec[index] as number;
    const unit = this.unitOf(block, sec);
    const slot = this.slotOf(block, sec);
    if (run.isContinuedBy(unit, slot, index)) {
      run.count++;
    } else {
      this.endWrite(transfer);
      const fresh = !this.unitHasData(block, sec);
      const bytes = fresh ? this.units.spare(this.geometry.unitBytes) : this.unitForWrite(unit, block, sec);
      if (!bytes) {
        transfer.refuse(
          'storage',
          `write ${describeSector(this.geometry, block, sec)}: what is stored beside it cannot be read`,
        );
        return false;
      }
      run.begin(unit, bytes, slot, index, fresh);
      this.units.put(unit, bytes);
    }
    this.table.advance(block);
    this.units.touchShard(this.table.shardOf(block));
    return true;
  }

  /** Copies what {@link program} has gathered. */
  endWrite(transfer: Transfer): void {
    const run = this.writeRun;
    const { count, bytes, slot, at } = run;
    if (count === 0) return;
    const { secSizeBytes, oobSizeBytes, unitOobOffset, secsPerUnit } = this.geometry;
    // A used buffer may come back; what is not written now must not show what was there.
    if (run.fresh && count < secsPerUnit) bytes.fill(0);
    transfer.pullData(at * secSizeBytes, bytes, slot * secSizeBytes, count * secSizeBytes);
    if (oobSizeBytes > 0) {
      const oobAt = unitOobOffset + slot * oobSizeBytes;
      const oobBytes = count * oobSizeBytes;
      if (transfer.hasOob) transfer.pullOob(at * oobSizeBytes, bytes, oobAt, oobBytes);
      else bytes.fill(0, oobAt, oobAt + oobBytes);
    }
    this.observer.cells?.('write', run.unit, slot, count, bytes, transfer.lastRunBytes);
    run.clear();
  }

  /** The bytes of a unit that holds written sectors. */
  private unitForWrite(unit: number, block: number, sec: number): Uint8Array | undefined {
    const bytes = this.units.get(unit);
    if (bytes instanceof Uint8Array) return bytes;
    // Sectors that count as written since the disk was made have never been stored.
    const born = sec - (sec % this.geometry.secsPerPg) < (this.table.bornSecs[block] ?? 0);
    return born && bytes === undefined ? new Uint8Array(this.geometry.unitBytes) : undefined;
  }

  /**
   * Hands a written sector to the host as sector `at` of its buffers. False when its data cannot be had.
   * The unit is here: {@link loadForRead} was asked. Neighbours are copied together, at the latest by
   * {@link endRead}, which the caller calls before anything else happens.
   */
  deliver(block: number, sec: number, at: number, transfer: Transfer): boolean {
    const run = this.readRun;
    const unit = this.unitOf(block, sec);
    const slot = this.slotOf(block, sec);
    if (run.isContinuedBy(unit, slot, at)) {
      run.count++;
    } else {
      this.copyRead(transfer);
      const bytes = this.units.get(unit);
      if (!(bytes instanceof Uint8Array)) {
        transfer.refuse(
          'storage',
          `read ${describeSector(this.geometry, block, sec)}: written, but its data cannot be read from the disk`,
        );
        return false;
      }
      run.begin(unit, bytes, slot, at, false);
    }
    this.reads.add(block, sec);
    return true;
  }

  /** Copies what {@link deliver} has gathered. */
  endRead(transfer: Transfer): void {
    this.copyRead(transfer);
    this.reads.end();
  }

  private copyRead(transfer: Transfer): void {
    const { count, bytes, slot, at } = this.readRun;
    if (count === 0) return;
    const { secSizeBytes, oobSizeBytes, unitOobOffset } = this.geometry;
    transfer.pushData(at * secSizeBytes, bytes, slot * secSizeBytes, count * secSizeBytes);
    if (transfer.hasOob && oobSizeBytes > 0) {
      const oobAt = unitOobOffset + slot * oobSizeBytes;
      transfer.pushOob(at * oobSizeBytes, bytes, oobAt, count * oobSizeBytes);
    }
    this.observer.cells?.('read', this.readRun.unit, slot, count, bytes);
    this.readRun.clear();
  }

  /** Empties a block and makes it one erase older. */
  erase(block: number): void {
    const g = this.geometry;
    const written = this.table.written(block);
    this.table.erase(block);
    this.units.touchShard(this.table.shardOf(block));
    // A unit spans all planes: it goes when the last of them is empty.
    const firstBlock = block - (block % g.numPln);
    let empty = true;
    for (let b = firstBlock; b < firstBlock + g.numPln; b++) empty &&= this.table.written(b) === 0;
    if (empty && (written > 0 || g.numPln > 1)) {
      this.units.erase(this.unitOf(firstBlock, 0), g.numPg);
    }
    this.observer.flash('erase', block, 0, g.secsPerBlk);
  }

  /** The block's entry in the table was changed by other means than writing and erasing. */
  touch(block: number): void {
    this.units.touchShard(this.table.shardOf(block));
    this.observer.flash('erase', block, 0, 0);
  }
}

/** Neighbouring sectors of one unit that are neighbours in the host's buffer as well: one copy moves them. */
class SectorRun {
  unit = -1;
  bytes: Uint8Array = none;
  /** First slot of the unit, first sector of the host's buffer, and how many. */
  slot = 0;
  at = 0;
  count = 0;
  /** The unit had nothing written in it before. */
  fresh = false;

  begin(unit: number, bytes: Uint8Array, slot: number, at: number, fresh: boolean): void {
    this.unit = unit;
    this.bytes = bytes;
    this.slot = slot;
    this.at = at;
    this.count = 1;
    this.fresh = fresh;
  }

  isContinuedBy(unit: number, slot: number, at: number): boolean {
    const { count } = this;
    return count > 0 && unit === this.unit && slot === this.slot + count && at === this.at + count;
  }

  clear(): void {
    this.count = 0;
    this.bytes = none;
  }
}

const none = new Uint8Array(0);

/** Tells the observer of reads or writes in runs of neighbouring sectors, so that a full vector costs few calls. */
export class ObservedRuns {
  private readonly observer: FlashObserver;
  private readonly operation: 'read' | 'write';
  private block = -1;
  private sec = 0;
  private secs = 0;

  constructor(observer: FlashObserver, operation: 'read' | 'write') {
    this.observer = observer;
    this.operation = operation;
  }

  add(block: number, sec: number): void {
    if (block === this.block && sec === this.sec + this.secs) {
      this.secs++;
      return;
    }
    this.end();
    this.block = block;
    this.sec = sec;
    this.secs = 1;
  }

  end(): void {
    if (this.secs > 0) this.observer.flash(this.operation, this.block, this.sec, this.secs);
    this.block = -1;
    this.secs = 0;
  }
}
