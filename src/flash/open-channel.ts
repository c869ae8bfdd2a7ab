import { BadBlock, badBlockValues, ChunkState, MAX_VECTOR } from '../spec/ocssd12.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AddressDecoder, describeSector } from './address.ts';
import type { BlockTable } from './block-table.ts';
import { FlashArray, WriteRuns } from './flash-array.ts';
import type { DerivedGeometry, Geometry } from './geometry.ts';
import type { MediaStore } from './media-store.ts';
import type { FlashObserver } from './observer.ts';
import { SectorVector, type Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

/** Programs to fail on purpose: after every `everySecs` sectors written, `secs` of them. 0: none. */
export interface WriteFaults {
  readonly everySecs: number;
  readonly secs: number;
}

type Done = (status: StatusCode) => void;

/**
 * The medium of an open-channel SSD of specification 1.2: blocks that are written page after page, sector
 * after sector, read where they are written, and erased whole. It enforces what flash enforces (write at the
 * write pointer, erase before writing again, nothing to a bad block) and answers with the status codes that
 * pblk understands. Every operation ends by calling `done` once, at once or later.
 */
export class OpenChannelFlash {
  readonly geometry: DerivedGeometry;
  readonly table: BlockTable;
  readonly address: AddressDecoder;
  readonly units: UnitStore;
  readonly array: FlashArray;
  private readonly runs: WriteRuns;
  private readonly faults: WriteFaults;
  private secsUntilFault: number;
  private faultsLeft = 0;

  private constructor(array: FlashArray, faults: WriteFaults) {
    this.array = array;
    this.geometry = array.geometry;
    this.table = array.table;
    this.units = array.units;
    this.address = new AddressDecoder(array.geometry);
    this.runs = new WriteRuns(array.observer);
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
    const { array } = await FlashArray.open(geometry, store, observer);
    return new OpenChannelFlash(array, faults);
  }

  /** The unit that holds a sector of a block. */
  unitOf(block: number, sec: number): number {
    return this.array.unitOf(block, sec);
  }

  /** Whether the sector was written since its block's last erase. */
  isWritten(block: number, sec: number): boolean {
    return this.array.isWritten(block, sec);
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
    const wait = this.array.loadForWrite(vector);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.write(vector, transfer, done)),
        () => done(Status.internalError),
      );
      return;
    }
    const written = this.program(vector, transfer);
    const failed = vector.anyFailed;
    if (written === 0) {
      done(failed ? Status.writeFailure : Status.success);
      return;
    }
    this.units.commit('relaxed', (stored) => {
      done(!stored ? Status.internalError : failed ? Status.writeFailure : Status.success);
    });
  }

  /** Applies the rules and writes; returns how many sectors were written. */
  private program(vector: SectorVector, transfer: Transfer): number {
    let written = 0;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      if (!this.mayWrite(block, sec, transfer) || !this.array.program(vector, i, transfer)) {
        vector.fail(i);
        continue;
      }
      written++;
      this.runs.add(block, sec);
    }
    this.runs.end();
    return written;
  }

  /** The rules of a program; says which one was broken. */
  private mayWrite(block: number, sec: number, transfer: Transfer): boolean {
    const g = this.geometry;
    const state = this.table.state[block];
    const pointer = this.table.written(block);
    if (state === ChunkState.offline) {
      transfer.refuse(
        'bad-block',
        `write ${describeSector(g, block, sec)}: the block is bad (offline); nothing can be written to it`,
      );
      return false;
    }
    if (state === ChunkState.closed) {
      transfer.refuse(
        'erase-first',
        `write ${describeSector(g, block, sec)}: the block is full; it has to be erased before it is written again`,
      );
      return false;
    }
    if (sec !== pointer) {
      transfer.refuse(
        'write-pointer',
        `write ${describeSector(g, block, sec)}: not at the write pointer; the next sector of this block is page ${Math.floor(pointer / g.secsPerPg)} sector ${pointer % g.secsPerPg}`,
      );
      return false;
    }
    return !this.injectFault(block, sec, transfer);
  }

  private injectFault(block: number, sec: number, transfer: Transfer): boolean {
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
    transfer.refuse(
      'fault',
      `write ${describeSector(this.geometry, block, sec)}: failed on purpose (lb_err_write, ln_err_write)`,
    );
    return true;
  }

  /**
   * Reads the vector's sectors. One that was not written since its block's last erase fails with "empty
   * page", which is what pblk's chunk scan looks for; the others are delivered.
   */
  read(vector: SectorVector, transfer: Transfer, done: Done): void {
    const wait = this.array.loadForRead(vector);
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
        const wait = this.array.loadForRead(piece);
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

  /** Hands the vector's sectors over, the first of them as sector `from` of the host's buffers. */
  private deliver(vector: SectorVector, from: number, transfer: Transfer, whenEmpty: WhenEmpty): StatusCode {
    let status: StatusCode = Status.success;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const sec = vector.sec[i] as number;
      if (!this.isWritten(block, sec)) {
        const empty = whenEmpty(vector, i, transfer, from + i, this.geometry);
        // Lost data weighs more than data that never was.
        if (status !== Status.eccFailure && empty !== Status.success) status = empty;
      } else if (!this.array.deliver(block, sec, from + i, transfer)) {
        vector.fail(i);
        status = Status.eccFailure;
      }
    }
    return status;
  }

  /**
   * Erases the block of each entry, in `planes` planes from plane 0 on when that is more than one (a
   * multi-plane erase names one address), else only in the plane of the address.
   */
  erase(vector: SectorVector, planes: number, transfer: Transfer, done: Done): void {
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
      for (let b = first; b < first + Math.max(1, planes); b++) good = this.mayErase(b, transfer) && good;
      if (!good) {
        vector.fail(i);
        continue;
      }
      for (let b = first; b < first + Math.max(1, planes); b++) this.array.erase(b);
      erased++;
    }
    const failed = vector.anyFailed;
    if (erased === 0) {
      done(failed ? Status.writeFailure : Status.success);
      return;
    }
    this.units.commit('relaxed', (stored) => {
      done(!stored ? Status.internalError : failed ? Status.writeFailure : Status.success);
    });
  }

  private mayErase(block: number, transfer: Transfer): boolean {
    if (this.table.state[block] !== ChunkState.offline) return true;
    transfer.refuse(
      'bad-block',
      `erase ${describeSector(this.geometry, block, 0)}: the block is bad (offline)`,
    );
    return false;
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
      this.array.touch(block);
    }
    this.units.commit('relaxed', (stored) => done(stored ? Status.success : Status.internalError));
  }

  /** Everything acknowledged is asked to reach the platter (NVMe Flush). */
  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }
}

/**
 * What a read does with a sector that was never written (entry `index`, sector `at` of the host's buffers);
 * answers with the status that follows.
 */
type WhenEmpty = (
  vector: SectorVector,
  index: number,
  transfer: Transfer,
  at: number,
  g: DerivedGeometry,
) => StatusCode;

const emptyPageFails: WhenEmpty = (vector, index) => {
  vector.fail(index);
  return Status.emptyPage;
};

const MAX_SECTOR_BYTES = 65_536;
const zeros = new Uint8Array(MAX_SECTOR_BYTES);

const emptyPageIsZeros: WhenEmpty = (_vector, _index, transfer, at, { secSizeBytes }) => {
  transfer.pushData(at * secSizeBytes, zeros, 0, secSizeBytes);
  return Status.success;
};
