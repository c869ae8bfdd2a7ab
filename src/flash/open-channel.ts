import { BadBlock, badBlockValues, ChunkState, MAX_VECTOR } from '../spec/ocssd12.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AddressDecoder, describeSector } from './address.ts';
import { BlockTable } from './block-table.ts';
import { deriveGeometry, type DerivedGeometry, type Geometry } from './geometry.ts';
import type { MediaStore } from './media-store.ts';
import type { FlashObserver } from './observer.ts';
import { SectorVector, type Transfer } from './transfer.ts';
import { UnitStore } from './unit-store.ts';

/** Programs to fail on purpose: after every `everySecs` sectors written, `secs` of them. 0: none. */
export interface WriteFaults {
  readonly everySecs: number;
  readonly secs: number;
}

type Done = (status: StatusCode) => void;

/**
 * The medium of an open-channel SSD: blocks that are written page after page, sector after sector, read
 * where they are written, and erased whole. It enforces what flash enforces (write at the write pointer,
 * erase before writing again, nothing to a bad block) and answers with the status codes that pblk
 * understands. Every operation ends by calling `done` once, at once or later.
 */
export class OpenChannelFlash {
  readonly geometry: DerivedGeometry;
  readonly table: BlockTable;
  readonly address: AddressDecoder;
  readonly units: UnitStore;
  private readonly observer: FlashObserver;
  private readonly faults: WriteFaults;
  private secsUntilFault: number;
  private faultsLeft = 0;

  private constructor(geometry: Geometry, store: MediaStore, observer: FlashObserver, faults: WriteFaults) {
    this.geometry = deriveGeometry(geometry);
    this.table = new BlockTable(this.geometry);
    this.address = new AddressDecoder(geometry);
    this.units = new UnitStore(store, this.geometry.unitBytes, (shard) => this.table.packShard(shard));
    this.observer = observer;
    this.faults = faults;
    this.secsUntilFault = faults.everySecs;
  }

  /** Opens the medium: reads the block table, none of the data. Rejects with StoreError. */
  static async open(
    geometry: Geometry,
    store: MediaStore,
    observer: FlashObserver,
    faults: WriteFaults = { everySecs: 0, secs: 0 },
  ): Promise<OpenChannelFlash> {
    const flash = new OpenChannelFlash(geometry, store, observer, faults);
    flash.table.load(await flash.units.loadTable());
    return flash;
  }

  /** The unit that holds a sector of a block: one page across the planes of its chunk. */
  unitOf(block: number, sec: number): number {
    const g = this.geometry;
    return Math.floor(block / g.numPln) * g.numPg + Math.floor(sec / g.secsPerPg);
  }

  /** Position of a sector among its unit's sectors. */
  private slotOf(block: number, sec: number): number {
    const g = this.geometry;
    return (block % g.numPln) * g.secsPerPg + (sec % g.secsPerPg);
  }

  /** Whether the sector was written since its block's last erase. */
  isWritten(block: number, sec: number): boolean {
    return sec < this.table.written(block);
  }

  /**
   * Writes the vector's sectors in order. A sector that breaks a rule fails on its own (its bit is set);
   * the others are written. `done` is called when what was written is durable.
   */
  write(vector: SectorVector, transfer: Transfer, done: Done): void {
    if (this.units.failure) {
      done(Status.internalError);
      return;
    }
    const wait = this.loadForWrite(vector);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.write(vector, transfer, done)),
        () => done(Status.internalError),
      );
      return;
    }
    const written = this.program(vector, transfer);
    const failed = vector.failedLow !== 0 || vector.failedHigh !== 0;
    if (written === 0) {
      done(failed ? Status.writeFailure : Status.success);
      return;
    }
    this.units.commit('relaxed', (stored) => {
      done(!stored ? Status.internalError : failed ? Status.writeFailure : Status.success);
    });
  }

  /**
   * Units of which another part was written before have to be here before they can be filled up. Nothing
   * to wait for in the ordinary case: pblk writes whole units.
   */
  private loadForWrite(vector: SectorVector): Promise<unknown> | undefined {
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

  /** Applies the rules and writes; returns how many sectors were written. */
  private program(vector: SectorVector, transfer: Transfer): number {
    const g = this.geometry;
    let written = 0;
    let runBlock = -1;
    let runSec = 0;
    let runSecs = 0;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      if (!this.mayWrite(block, sec)) {
        vector.fail(i);
        continue;
      }
      const unit = this.unitOf(block, sec);
      const bytes = this.unitForWrite(unit, block, sec);
      if (!bytes) {
        this.observer.refused(
          `write ${describeSector(g, block, sec)}: what is stored beside it cannot be read`,
        );
        vector.fail(i);
        continue;
      }
      const slot = this.slotOf(block, sec);
      transfer.pullData(i * g.secSizeBytes, bytes, slot * g.secSizeBytes, g.secSizeBytes);
      const oobAt = g.unitOobOffset + slot * g.oobSizeBytes;
      if (transfer.hasOob && g.oobSizeBytes > 0)
        transfer.pullOob(i * g.oobSizeBytes, bytes, oobAt, g.oobSizeBytes);
      else bytes.fill(0, oobAt, oobAt + g.oobSizeBytes);
      this.table.advance(block);
      this.units.put(unit, bytes);
      this.units.touchShard(this.table.shardOf(block));
      written++;
      if (block === runBlock && sec === runSec + runSecs) {
        runSecs++;
      } else {
        if (runSecs > 0) this.observer.flash('write', runBlock, runSec, runSecs);
        runBlock = block;
        runSec = sec;
        runSecs = 1;
      }
    }
    if (runSecs > 0) this.observer.flash('write', runBlock, runSec, runSecs);
    return written;
  }

  /** The rules of a program; says which one was broken. */
  private mayWrite(block: number, sec: number): boolean {
    const g = this.geometry;
    const state = this.table.state[block];
    const pointer = this.table.written(block);
    if (state === ChunkState.offline) {
      this.observer.refused(
        `write ${describeSector(g, block, sec)}: the block is bad (offline); nothing can be written to it`,
      );
      return false;
    }
    if (state === ChunkState.closed) {
      this.observer.refused(
        `write ${describeSector(g, block, sec)}: the block is full; it has to be erased before it is written again`,
      );
      return false;
    }
    if (sec !== pointer) {
      this.observer.refused(
        `write ${describeSector(g, block, sec)}: not at the write pointer; the next sector of this block is page ${Math.floor(pointer / g.secsPerPg)} sector ${pointer % g.secsPerPg}`,
      );
      return false;
    }
    return !this.injectFault(block, sec);
  }

  private injectFault(block: number, sec: number): boolean {
    if (this.faults.everySecs === 0 || this.faults.secs === 0) return false;
    if (this.faultsLeft === 0) {
      if (this.secsUntilFault > 0) {
        this.secsUntilFault--;
        return false;
      }
      this.secsUntilFault = this.faults.everySecs;
      this.faultsLeft = this.faults.secs;
    }
    this.faultsLeft--;
    this.observer.refused(
      `write ${describeSector(this.geometry, block, sec)}: failed on purpose (lb_err_write, ln_err_write)`,
    );
    return true;
  }

  private unitForWrite(unit: number, block: number, sec: number): Uint8Array | undefined {
    if (!this.unitHasData(block, sec)) return new Uint8Array(this.geometry.unitBytes);
    const bytes = this.units.get(unit);
    return bytes instanceof Promise ? undefined : bytes;
  }

  /**
   * Reads the vector's sectors. One that was not written since its block's last erase fails with "empty
   * page", which is what pblk's chunk scan looks for; the others are delivered.
   */
  read(vector: SectorVector, transfer: Transfer, done: Done): void {
    const wait = this.loadForRead(vector);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.read(vector, transfer, done)),
        () => {
          for (let i = 0; i < vector.count; i++) vector.fail(i);
          done(Status.eccFailure);
        },
      );
      return;
    }
    done(this.deliver(vector, 0, transfer, emptyPageFails));
  }

  /**
   * Reads `secs` sectors of the raw namespace in the order channel, LUN, chunk, page, plane, sector (the
   * order in which the specification's address parts weigh). Unwritten ones are zeros: the kernel's
   * partition scan reads them and must succeed. The run is inside the device. It is read in pieces: the
   * units of a long run need not fit in memory together.
   */
  readRaw(lba: number, secs: number, transfer: Transfer, done: Done): void {
    const piece = new SectorVector(Math.min(secs, MAX_VECTOR));
    let status: StatusCode = Status.success;
    let from = 0;
    const readOn = (): void => {
      while (from < secs) {
        piece.clear();
        const end = Math.min(secs, from + MAX_VECTOR);
        for (let i = from; i < end; i++) this.pushLba(piece, lba + i);
        const wait = this.loadForRead(piece);
        if (wait) {
          wait.then(
            () => (transfer.abandoned ? done(Status.abortedByRequest) : readOn()),
            () => done(Status.eccFailure),
          );
          return;
        }
        status = this.deliver(piece, from, transfer, emptyPageIsZeros) || status;
        from = end;
      }
      done(status);
    };
    readOn();
  }

  private pushLba(vector: SectorVector, lba: number): void {
    const g = this.geometry;
    const sec = lba % g.secsPerPg;
    let rest = (lba - sec) / g.secsPerPg;
    const pln = rest % g.numPln;
    rest = (rest - pln) / g.numPln;
    const pg = rest % g.numPg;
    rest = (rest - pg) / g.numPg;
    const chk = rest % g.numChk;
    const lunIndex = (rest - chk) / g.numChk; // channel × LUNs per channel + LUN
    vector.push((chk * g.totalLuns + lunIndex) * g.numPln + pln, pg * g.secsPerPg + sec);
  }

  private loadForRead(vector: SectorVector): Promise<unknown> | undefined {
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

  /** Hands the vector's sectors over, the first of them as sector `from` of the host's buffers. */
  private deliver(vector: SectorVector, from: number, transfer: Transfer, whenEmpty: WhenEmpty): StatusCode {
    const g = this.geometry;
    let status: StatusCode = Status.success;
    let unit = -1;
    let bytes: Uint8Array | Promise<void> | undefined;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      if (!this.isWritten(block, sec)) {
        const empty = whenEmpty(vector, i, transfer, (from + i) * g.secSizeBytes, g.secSizeBytes);
        // Lost data weighs more than data that never was.
        if (status !== Status.eccFailure && empty !== Status.success) status = empty;
        continue;
      }
      const wanted = this.unitOf(block, sec);
      if (wanted !== unit) {
        unit = wanted;
        bytes = this.units.get(unit);
      }
      if (!(bytes instanceof Uint8Array)) {
        this.observer.refused(
          `read ${describeSector(g, block, sec)}: written, but its data cannot be read from the disk`,
        );
        vector.fail(i);
        status = Status.eccFailure;
        continue;
      }
      const slot = this.slotOf(block, sec);
      transfer.pushData((from + i) * g.secSizeBytes, bytes, slot * g.secSizeBytes, g.secSizeBytes);
      if (transfer.hasOob && g.oobSizeBytes > 0) {
        const oobAt = g.unitOobOffset + slot * g.oobSizeBytes;
        transfer.pushOob((from + i) * g.oobSizeBytes, bytes, oobAt, g.oobSizeBytes);
      }
      this.observer.flash('read', block, sec, 1);
    }
    return status;
  }

  /**
   * Erases the block of each entry, in `planes` planes from plane 0 on when that is more than one (a
   * multi-plane erase names one address), else only in the plane of the address.
   */
  erase(vector: SectorVector, planes: number, done: Done): void {
    if (this.units.failure) {
      done(Status.internalError);
      return;
    }
    const g = this.geometry;
    let erased = 0;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const first = planes > 1 ? block - (block % g.numPln) : block;
      let good = true;
      for (let b = first; b < first + Math.max(1, planes); b++) good = this.mayErase(b) && good;
      if (!good) {
        vector.fail(i);
        continue;
      }
      for (let b = first; b < first + Math.max(1, planes); b++) this.eraseBlock(b);
      erased++;
    }
    const failed = vector.failedLow !== 0 || vector.failedHigh !== 0;
    if (erased === 0) {
      done(failed ? Status.writeFailure : Status.success);
      return;
    }
    this.units.commit('relaxed', (stored) => {
      done(!stored ? Status.internalError : failed ? Status.writeFailure : Status.success);
    });
  }

  private mayErase(block: number): boolean {
    if (this.table.state[block] !== ChunkState.offline) return true;
    this.observer.refused(`erase ${describeSector(this.geometry, block, 0)}: the block is bad (offline)`);
    return false;
  }

  private eraseBlock(block: number): void {
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

  /** Bad-block entries of one LUN as F2h returns them: index = chunk × planes + plane. */
  badBlocks(ch: number, lun: number): Uint8Array {
    const g = this.geometry;
    const bytes = new Uint8Array(g.numChk * g.numPln);
    for (let chk = 0; chk < g.numChk; chk++) {
      const first = ((chk * g.numCh + ch) * g.numLun + lun) * g.numPln;
      for (let pln = 0; pln < g.numPln; pln++) {
        bytes[chk * g.numPln + pln] = this.table.badBlock[first + pln] ?? BadBlock.good;
      }
    }
    return bytes;
  }

  /** Enters `value` for each entry's block (F1h). Status invalidField for a value the specification lacks. */
  markBlocks(vector: SectorVector, value: number, done: Done): void {
    if (!badBlockValues.includes(value)) {
      done(Status.invalidField);
      return;
    }
    if (this.units.failure) {
      done(Status.internalError);
      return;
    }
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      this.table.mark(block, value);
      this.units.touchShard(this.table.shardOf(block));
      this.observer.flash('erase', block, 0, 0);
    }
    this.units.commit('relaxed', (stored) => done(stored ? Status.success : Status.internalError));
  }

  /** Everything acknowledged is asked to reach the platter (NVMe Flush). */
  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }
}

/** What a read does with a sector that was never written; answers with the status that follows. */
type WhenEmpty = (
  vector: SectorVector,
  index: number,
  transfer: Transfer,
  dataAt: number,
  secSizeBytes: number,
) => StatusCode;

const emptyPageFails: WhenEmpty = (vector, index) => {
  vector.fail(index);
  return Status.emptyPage;
};

const MAX_SECTOR_BYTES = 65_536;
const zeros = new Uint8Array(MAX_SECTOR_BYTES);

const emptyPageIsZeros: WhenEmpty = (_vector, _index, transfer, at, secSizeBytes) => {
  transfer.pushData(at, zeros, 0, secSizeBytes);
  return Status.success;
};
