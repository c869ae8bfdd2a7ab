import { BadBlock, badBlockValues, ChunkState } from '../spec/ocssd12.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AddressDecoder, describeSector } from './address.ts';
import type { BlockTable } from './block-table.ts';
import { FlashArray } from './flash-array.ts';
import { badBlocksOf, type FactoryBlocks, markFactoryBlocks } from './open-channel-bad-blocks.ts';
import { FlashFaults } from './open-channel-faults.ts';
import type { DerivedGeometry, Geometry } from './geometry.ts';
import type { MediaStore } from './media-store.ts';
import type { TakeOver } from './saved-fields.ts';
import type { FlashObserver } from './observer.ts';
import { Reader } from './open-channel-read.ts';
import { Programmer, type WriteFaults } from './open-channel-write.ts';
import type { SectorVector, Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

type Done = (status: StatusCode) => void;

const NOTHING_STORED = 'an earlier change could not be stored, so nothing more is changed';

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
  /** Where operations fail because somebody asked for it. */
  readonly faults: FlashFaults;
  private readonly programmer: Programmer;
  private readonly reader: Reader;

  private constructor(array: FlashArray, writeFaults: WriteFaults) {
    this.array = array;
    this.geometry = array.geometry;
    this.table = array.table;
    this.units = array.units;
    this.address = new AddressDecoder(array.geometry);
    this.faults = new FlashFaults(array.geometry.secsPerBlk);
    this.programmer = new Programmer(array, this.faults, writeFaults);
    this.reader = new Reader(array, this.faults);
  }

  /**
   * Opens the medium: reads the block table, none of the data. Rejects with StoreError, or with RangeError
   * for a factory table that does not fit.
   */
  static async open(
    geometry: Geometry,
    store: MediaStore,
    observer: FlashObserver,
    writeFaults: WriteFaults = { everySecs: 0, secs: 0 },
    factory: FactoryBlocks = {},
  ): Promise<OpenChannelFlash> {
    const { array, isNew } = await FlashArray.open(geometry, store, observer);
    if (isNew) markFactoryBlocks(array, factory);
    return new OpenChannelFlash(array, writeFaults);
  }

  /** Why its state cannot be saved, for the end of a sentence; null if it can. */
  whyBusy(): string | null {
    return this.faults.none ? null : 'faults that somebody set are in force, which are not kept';
  }

  /** What of it is in memory only; the rest is in the stored table. */
  save(): ReturnType<Programmer['save']> {
    return this.programmer.save();
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    return this.programmer.readSaved(value);
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
   * Writes the vector's sectors. They may come in any order: a sector ahead of its block's write pointer waits
   * for those before it in the same command. One that breaks a rule fails on its own (its bit is set); the
   * others are written. `done` is called when what was written is durable.
   */
  write(vector: SectorVector, transfer: Transfer, done: Done): void {
    const { units } = this;
    // Where nothing ever waits, nothing need be counted.
    if (units.answersAtOnce) {
      this.writeNow(vector, transfer, done);
      return;
    }
    const bytes = this.array.bytesToWrite(vector);
    units.gate.pass(bytes, transfer, done, (ended) => this.writeNow(vector, transfer, ended));
  }

  private writeNow(vector: SectorVector, transfer: Transfer, done: Done): void {
    if (this.units.failure) {
      transfer.refuse('storage', NOTHING_STORED);
      done(Status.internalError);
      return;
    }
    const wait = this.array.loadForWrite(vector);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.writeNow(vector, transfer, done)),
        () => {
          transfer.refuse('storage', 'what is stored beside the sectors cannot be read');
          done(Status.internalError);
        },
      );
      return;
    }
    const written = this.programmer.program(vector, transfer);
    this.finish(vector, written, transfer, done);
  }

  /** Ends a command that changed `changed` sectors or blocks, once they are durable. */
  private finish(vector: SectorVector, changed: number, transfer: Transfer, done: Done): void {
    const status = vector.anyFailed ? Status.writeFailure : Status.success;
    if (changed === 0) {
      done(status);
      return;
    }
    if (status === Status.success) transfer.committing();
    this.units.commit('relaxed', (stored) => {
      if (!stored) transfer.refuse('storage', 'the store could not keep it');
      done(stored ? status : Status.internalError);
    });
  }

  /**
   * Reads the vector's sectors. One that was not written since its block's last erase fails with "empty
   * page", which is what pblk's chunk scan looks for; the others are delivered.
   */
  read(vector: SectorVector, transfer: Transfer, done: Done): void {
    this.reader.read(vector, transfer, done);
  }

  /** Reads `secs` sectors of the raw namespace; see {@link Reader.readRaw}. */
  readRaw(lba: number, secs: number, transfer: Transfer, done: Done): void {
    this.reader.readRaw(lba, secs, transfer, done);
  }

  /**
   * Erases the block of each entry. With `planes` more than one an address stands for the aligned group of so
   * many planes that it is in. A block that the command names more than once is erased once. An entry with a
   * bad block fails, and none of its blocks is erased.
   */
  erase(vector: SectorVector, planes: number, transfer: Transfer, done: Done): void {
    // In its turn: writes to the same blocks may wait.
    this.units.gate.pass(0, transfer, done, (ended) => this.eraseNow(vector, planes, transfer, ended));
  }

  private eraseNow(vector: SectorVector, planes: number, transfer: Transfer, done: Done): void {
    if (this.units.failure) {
      transfer.refuse('storage', NOTHING_STORED);
      done(Status.internalError);
      return;
    }
    const group = Math.max(1, planes);
    let changed = 0;
    for (let i = 0; i < vector.count; i++) {
      const first = this.groupOf(vector.block[i] as number, group);
      if (this.namedBefore(vector, i, first, group)) continue;
      let good = true;
      for (let b = first; b < first + group; b++) good = this.mayErase(b, transfer) && good;
      if (!good) {
        vector.fail(i);
        continue;
      }
      for (let b = first; b < first + group; b++) if (!this.eraseBlock(b, transfer)) vector.fail(i);
      changed++;
    }
    this.finish(vector, changed, transfer, done);
  }

  /** The first block of the aligned group of `planes` planes that a block is in. */
  private groupOf(block: number, planes: number): number {
    return block - ((block % this.geometry.numPln) % planes);
  }

  /** Whether an entry before `index` stands for the same blocks; it then shares that entry's outcome. */
  private namedBefore(vector: SectorVector, index: number, first: number, planes: number): boolean {
    for (let i = 0; i < index; i++) {
      if (this.groupOf(vector.block[i] as number, planes) !== first) continue;
      if (vector.hasFailed(i)) vector.fail(index);
      return true;
    }
    return false;
  }

  /** False when the erase failed: the block is then grown bad, and in the table. */
  private eraseBlock(block: number, transfer: Transfer): boolean {
    if (!this.faults.none && this.faults.onErase(block)) {
      transfer.refuse(
        'fault',
        `erase ${describeSector(this.geometry, block, 0)}: failed on purpose; the block is bad from now on`,
      );
      this.table.mark(block, BadBlock.grown);
      this.array.touch(block);
      return false;
    }
    this.array.erase(block);
    if (!this.faults.none) this.faults.erased(block);
    return true;
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
    return badBlocksOf(this.table, this.geometry, ch, lun);
  }

  /** Enters `value` for each entry's block (F1h). Status invalidField for a value the specification lacks. */
  markBlocks(vector: SectorVector, value: number, done: Done, transfer?: Transfer): void {
    if (!badBlockValues.includes(value)) {
      transfer?.refuse(
        'field',
        `${value} is no value of a bad-block table; ${badBlockValues.join(', ')} are`,
      );
      done(Status.invalidField);
      return;
    }
    if (this.units.failure) {
      transfer?.refuse('storage', NOTHING_STORED);
      done(Status.internalError);
      return;
    }
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      this.table.mark(block, value);
      this.array.touch(block);
    }
    this.units.commit('relaxed', (stored) => {
      if (!stored) transfer?.refuse('storage', 'the store could not keep it');
      done(stored ? Status.success : Status.internalError);
    });
  }

  /** Everything acknowledged is asked to reach the platter (NVMe Flush). */
  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }
}
