import { ChunkState } from '../spec/ocssd12.ts';
import { ChunkNoticeMask, ChunkNoticeState, Mccap } from '../spec/ocssd20.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { blockAddress } from './address.ts';
import { BlockFlag, type BlockTable } from './block-table.ts';
import { ChunkAddressDecoder, describeChunkSector } from './chunk-address.ts';
import { ChunkCopy } from './chunk-copy.ts';
import { ChunkFaultInjector } from './chunk-faults.ts';
import { ChunkNotices } from './chunk-notices.ts';
import { applyInitialChunks } from './chunk-initial.ts';
import type { ChunkOptions } from './chunk-options.ts';
import { ChunkReader } from './chunk-read.ts';
import { ChunkWear, WORN_OUT } from './chunk-wear.ts';
import { ChunkWriteChecker, type WriteRun } from './chunk-write.ts';
import { FlashArray, ObservedRuns } from './flash-array.ts';
import type { DerivedGeometry } from './geometry.ts';
import { SavedFields, type TakeOver } from './saved-fields.ts';
import type { MediaStore } from './media-store.ts';
import type { FlashObserver } from './observer.ts';
import { OpenChunks } from './open-chunks.ts';
import { failAll, type SectorVector, type Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

type Done = (status: StatusCode) => void;

/** What of the medium is in memory only. Chunk states, write pointers and wear are in the stored table. */
export interface SavedChunkFlash {
  /** Block, and sectors that have left the cache because the power was away. */
  readonly settled: readonly (readonly [block: number, secs: number])[];
  readonly notices: ReturnType<ChunkNotices['save']>;
  readonly faults: number;
}

/**
 * The medium of an open-channel SSD of specification 2.0: chunks with a state and a write pointer. It refuses
 * what the state of a chunk does not allow, and wears out. Every operation ends by calling `done` once, at once
 * or later. A vector's entries whose address leads nowhere have block -1.
 */
export class ChunkFlash {
  readonly options: ChunkOptions;
  readonly array: FlashArray;
  readonly geometry: DerivedGeometry;
  readonly table: BlockTable;
  readonly units: UnitStore;
  readonly address: ChunkAddressDecoder;
  readonly wear: ChunkWear;
  readonly notices = new ChunkNotices();
  private readonly open: OpenChunks;
  private readonly checker: ChunkWriteChecker;
  private readonly faults: ChunkFaultInjector;
  private readonly reader: ChunkReader;
  private readonly runs: ObservedRuns;
  /** Of chunks that were open when the power went: sectors that have left the cache since, for that reason. */
  private readonly settledSecs = new Map<number, number>();

  private constructor(options: ChunkOptions, array: FlashArray) {
    this.options = options;
    this.array = array;
    this.geometry = array.geometry;
    this.table = array.table;
    this.units = array.units;
    this.address = new ChunkAddressDecoder(array.geometry);
    this.wear = new ChunkWear(array.table, options.peCycles);
    this.open = new OpenChunks(array.geometry, array.table);
    this.checker = new ChunkWriteChecker(array.geometry, array.table, options, this.open);
    this.faults = new ChunkFaultInjector(options.faults);
    this.reader = new ChunkReader(options, array, (block) => this.readableSecs(block));
    this.runs = new ObservedRuns(array.observer, 'write');
    this.powerCycle();
  }

  /** Opens the medium: reads the table of its chunks, none of the data. Rejects with StoreError. */
  static async open(options: ChunkOptions, store: MediaStore, observer: FlashObserver): Promise<ChunkFlash> {
    const { array, isNew } = await FlashArray.open(options.geometry, store, observer);
    if (isNew) applyInitialChunks(options, array);
    return new ChunkFlash(options, array);
  }

  /**
   * The power was away. What was in the cache has been written to the flash meanwhile (the drive has capacitors
   * enough): all sectors below the write pointers can be read. Without this pblk could not recover what it had
   * acknowledged: it finds the sectors of open lines by reading them.
   */
  powerCycle(): void {
    this.settledSecs.clear();
    for (let block = 0; block < this.table.totalBlks; block++)
      if (this.table.state[block] === ChunkState.open) this.settledSecs.set(block, this.table.written(block));
  }

  save(): SavedChunkFlash {
    return {
      settled: [...this.settledSecs],
      notices: this.notices.save(),
      faults: this.faults.position,
    };
  }

  /** For a medium that was opened on the disk as it was then. Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    const { table } = this;
    const saved = new SavedFields(value, 'the medium');
    const settled = saved.pairs(
      'settled',
      table.totalBlks,
      (block, secs) => table.state[block] === ChunkState.open && secs >= 0 && secs <= table.written(block),
    );
    const faults = saved.whole('faults', 0, 0xffff_ffff);
    const takeNotices = this.notices.readSaved(saved.object('notices'));
    return () => {
      this.settledSecs.clear();
      for (const [block, secs] of settled) this.settledSecs.set(block, secs);
      this.faults.position = faults;
      takeNotices();
    };
  }

  /** Sectors of a chunk that a read finds: written, and no longer in the cache. The others below the pointer are in it. */
  readableSecs(block: number): number {
    const pointer = this.table.written(block);
    switch (this.table.state[block]) {
      case ChunkState.closed:
        return pointer;
      case ChunkState.open:
        return Math.max(0, pointer - this.options.writeRules.mwCunits, this.settledSecs.get(block) ?? 0);
      default:
        return 0;
    }
  }

  // Write ------------------------------------------------------------------------------------------

  /**
   * Writes the vector's sectors: runs of each chunk, each at its chunk's write pointer. A write that breaks a
   * rule changes nothing; one that meets a fault writes the other chunks. `done` when what was written is durable.
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
      failAll(vector);
      done(Status.internalError);
      return;
    }
    const runs = this.checker.check(vector);
    if (!Array.isArray(runs)) {
      transfer.refuse(runs.rule, runs.why);
      failAll(vector);
      done(runs.status);
      return;
    }
    const wait = this.array.loadForWrite(vector);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.writeNow(vector, transfer, done)),
        () => {
          failAll(vector);
          done(Status.internalError);
        },
      );
      return;
    }
    let status: StatusCode = Status.success;
    for (const run of runs) {
      const ended = this.writeRun(run, vector, transfer);
      // A device that cannot do its work weighs more than a chunk that cannot.
      if (status !== Status.internalError && ended !== Status.success) status = ended;
    }
    this.runs.end();
    if (status === Status.success) transfer.committing();
    this.units.commit(this.units.durabilityOf(transfer), (stored) => {
      if (!stored) failAll(vector);
      done(stored ? status : Status.internalError);
    });
  }

  private writeRun(run: WriteRun, vector: SectorVector, transfer: Transfer): StatusCode {
    const { block, first, count } = run;
    const end = first + count;
    const before = this.table.state[block];
    // An earlier run of the same command may have met a fault and closed the chunk.
    const closed = before === ChunkState.closed || this.writeFault(run, vector, transfer);
    if (closed) {
      for (let i = first; i < end; i++) vector.fail(i);
      this.open.changed(block, before);
      return Status.chunkEarlyClose;
    }
    let status: StatusCode = Status.success;
    for (let i = first; i < end; i++) {
      // After one that failed, the next is no longer at the write pointer.
      if (status !== Status.success || !this.array.program(vector, i, transfer)) {
        vector.fail(i);
        status = Status.internalError;
        continue;
      }
      this.runs.add(block, vector.sec[i] as number);
    }
    this.array.endWrite(transfer);
    this.open.changed(block, before);
    if (this.table.state[block] !== ChunkState.open) this.settledSecs.delete(block);
    return status;
  }

  /** Whether a write fault was asked for here. Then the chunk closes where it is, and its next reset fails. */
  private writeFault({ block, first, count }: WriteRun, vector: SectorVector, transfer: Transfer): boolean {
    if (!this.faults.failsWrites) return false;
    const place = this.placeOf(block);
    for (let i = first; i < first + count; i++) {
      const sec = vector.sec[i] as number;
      if (!this.faults.writeFails(place, sec)) continue;
      const where = describeChunkSector(this.geometry, block, sec);
      transfer.refuse('fault', `write ${where}: failed on purpose (writefail); the chunk is closed`);
      this.table.closeEarly(block, true);
      this.settledSecs.delete(block);
      this.array.touch(block);
      this.notice(block, ChunkNoticeState.errorRateHigh);
      return true;
    }
    return false;
  }

  /**
   * Reads the vector's sectors, however many. One that cannot be read (not written, in the cache, offline,
   * outside) is handed over as the predefined pattern or, with `failsUnwritten` (DULBE), fails.
   */
  read(vector: SectorVector, transfer: Transfer, failsUnwritten: boolean, done: Done): void {
    this.reader.read(vector, transfer, failsUnwritten, done);
  }

  // Reset and copy ---------------------------------------------------------------------------------

  /** Resets the chunk of each entry, one after the other; the first that fails gives the status. */
  reset(vector: SectorVector, transfer: Transfer, done: Done): void {
    // In its turn: writes to the same chunks may wait.
    this.units.gate.pass(0, transfer, done, (ended) => this.resetNow(vector, transfer, ended));
  }

  private resetNow(vector: SectorVector, transfer: Transfer, done: Done): void {
    if (this.units.failure) {
      failAll(vector);
      done(Status.internalError);
      return;
    }
    let status: StatusCode = Status.success;
    let changed = false;
    for (let i = 0; i < vector.count; i++) {
      const block = vector.block[i] as number;
      const erases = this.table.eraseCount[block];
      const before = this.table.state[block];
      const ended = this.resetChunk(block, transfer);
      changed ||= this.table.state[block] !== before || this.table.eraseCount[block] !== erases;
      if (ended === Status.success) continue;
      vector.fail(i);
      status ||= ended;
    }
    if (!changed) {
      done(status);
      return;
    }
    this.units.commit('relaxed', (stored) => {
      if (!stored) failAll(vector);
      done(stored ? status : Status.internalError);
    });
  }

  private resetChunk(block: number, transfer: Transfer): StatusCode {
    const refused = this.refuseReset(block, transfer);
    if (refused !== Status.success) return refused;
    const before = this.table.state[block];
    const where = `reset ${describeChunkSector(this.geometry, block, 0)}`;
    const mustFail = ((this.table.flags[block] ?? 0) & BlockFlag.eraseFails) !== 0;
    if (mustFail || this.faults.resetFails(this.placeOf(block))) {
      this.retire(block, before);
      transfer.refuse('fault', `${where}: failed on purpose (resetfail, writefail); the chunk is offline`);
      return Status.offlineChunk;
    }
    const wearBefore = this.wear.index(block);
    this.array.erase(block);
    this.settledSecs.delete(block);
    this.wear.changed(block, wearBefore);
    this.open.changed(block, before);
    if (this.wear.index(block) >= WORN_OUT) {
      this.retire(block, ChunkState.free);
      transfer.refuse('bad-block', `${where}: it was the chunk's last (pe_cycles); it is offline`);
      return Status.offlineChunk;
    }
    this.noticeWear(block);
    return Status.success;
  }

  private refuseReset(block: number, transfer: Transfer): StatusCode {
    if (block < 0) {
      transfer.refuse('range', 'reset outside the device: there is no such chunk');
      return Status.invalidReset;
    }
    const where = `reset ${describeChunkSector(this.geometry, block, 0)}`;
    const { mccap, earlyReset } = this.options;
    switch (this.table.state[block]) {
      case ChunkState.free:
        if ((mccap & Mccap.multipleResets) !== 0) return Status.success;
        transfer.refuse('reset-state', `${where}: the chunk is free (mccap bit 1 would allow it)`);
        return Status.invalidReset;
      case ChunkState.open:
        if (earlyReset || (mccap & Mccap.earlyReset) !== 0) return Status.success;
        transfer.refuse('reset-state', `${where}: the chunk is open (early_reset would allow it)`);
        return Status.invalidReset;
      case ChunkState.offline:
        transfer.refuse('bad-block', `${where}: the chunk is offline`);
        return Status.offlineChunk;
      default:
        return Status.success;
    }
  }

  /** The chunk is out of order from now on. */
  private retire(block: number, before: number | undefined): void {
    this.table.retire(block);
    this.settledSecs.delete(block);
    this.open.changed(block, before);
    this.array.touch(block);
    this.notice(block, ChunkNoticeState.unrecoverable);
  }

  /**
   * Copies sector by sector from the places of one vector to those of the other, data and out-of-band bytes.
   * What is read waits in memory until it is written, so a copy counts twice.
   */
  copy(from: SectorVector, to: SectorVector, transfer: Transfer, failsUnwritten: boolean, done: Done): void {
    const { secSizeBytes, oobSizeBytes } = this.geometry;
    const bytes = from.count * (secSizeBytes + oobSizeBytes) + this.array.bytesToWrite(to);
    this.units.gate.pass(bytes, transfer, done, (ended) => {
      const copy = new ChunkCopy(this.geometry, from.count, transfer);
      this.read(from, copy, failsUnwritten, (status) => {
        if (status === Status.success && !transfer.abandoned) {
          this.writeNow(to, copy, ended);
          return;
        }
        to.failedLow = from.failedLow;
        to.failedHigh = from.failedHigh;
        ended(status || Status.abortedByRequest);
      });
    });
  }

  /** Everything acknowledged is asked to reach the platter (NVMe Flush). */
  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }

  // Notices ----------------------------------------------------------------------------------------

  private noticeWear(block: number): void {
    const away = Math.abs(this.wear.index(block) - this.wear.average);
    if (this.options.peCycles > 0 && away > this.options.wearIndexThreshold)
      this.notice(block, ChunkNoticeState.wearIndex);
  }

  private notice(block: number, state: number): void {
    this.notices.add(this.address.lbaOf(block, 0), state, ChunkNoticeMask.chunk);
  }

  private placeOf(block: number): { grp: number; pu: number; chk: number } {
    const { ch, lun, chk } = blockAddress(this.geometry, block);
    return { grp: ch, pu: lun, chk };
  }
}
