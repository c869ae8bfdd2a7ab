import { ChunkState } from '../spec/ocssd12.ts';
import { describeSector } from './address.ts';
import { type FlashArray, ObservedRuns } from './flash-array.ts';
import type { FlashFaults } from './open-channel-faults.ts';
import { SavedFields, type TakeOver } from './saved-fields.ts';
import type { SectorVector, Transfer } from './transfer.ts';

/** Programs to fail on purpose: after every `everySecs` sectors written, `secs` of them. 0: none. */
export interface WriteFaults {
  readonly everySecs: number;
  readonly secs: number;
}

/** The rules of programming flash, applied to the sectors of one command. */
export class Programmer {
  private readonly array: FlashArray;
  private readonly faults: FlashFaults;
  private readonly every: WriteFaults;
  private readonly runs: ObservedRuns;
  private secsUntilFault: number;
  private faultsLeft = 0;

  constructor(array: FlashArray, faults: FlashFaults, every: WriteFaults) {
    this.array = array;
    this.faults = faults;
    this.every = every;
    this.runs = new ObservedRuns(array.observer, 'write');
    this.secsUntilFault = every.everySecs;
  }

  /** How far it is to the next write that fails on purpose. */
  save(): { secsUntilFault: number; faultsLeft: number } {
    return { secsUntilFault: this.secsUntilFault, faultsLeft: this.faultsLeft };
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    const saved = new SavedFields(value, 'the medium');
    const secsUntilFault = saved.whole('secsUntilFault', 0, this.every.everySecs);
    const faultsLeft = saved.whole('faultsLeft', 0, this.every.secs);
    return () => {
      this.secsUntilFault = secsUntilFault;
      this.faultsLeft = faultsLeft;
    };
  }

  /** Applies the rules and writes; returns how many sectors were written. */
  program(vector: SectorVector, transfer: Transfer): number {
    let written = 0;
    let waiting: number[] | undefined;
    for (let i = 0; i < vector.count; i++) {
      if (this.isAhead(vector, i)) (waiting ??= []).push(i);
      else if (this.programOne(vector, i, transfer)) written++;
    }
    if (waiting) written += this.programWaiting(vector, waiting, transfer);
    this.array.endWrite(transfer);
    this.runs.end();
    return written;
  }

  /** Writes those that waited, as far as the write pointers get to them; the rest fails. */
  private programWaiting(vector: SectorVector, waiting: readonly number[], transfer: Transfer): number {
    let written = 0;
    let left = waiting;
    for (;;) {
      const before = left.length;
      left = left.filter((i) => {
        if (this.isAhead(vector, i)) return true;
        if (this.programOne(vector, i, transfer)) written++;
        return false;
      });
      if (left.length === before) break;
    }
    for (const i of left) this.programOne(vector, i, transfer);
    return written;
  }

  private isAhead(vector: SectorVector, i: number): boolean {
    const block = vector.block[i] as number;
    return (
      (vector.sec[i] as number) > this.array.table.written(block) &&
      this.array.table.state[block] !== ChunkState.offline
    );
  }

  private programOne(vector: SectorVector, i: number, transfer: Transfer): boolean {
    const block = vector.block[i] as number;
    const sec = vector.sec[i] as number;
    if (this.mayWrite(block, sec, transfer) && this.array.program(vector, i, transfer)) {
      this.runs.add(block, sec);
      return true;
    }
    vector.fail(i);
    return false;
  }

  /** The rules of a program; says which one was broken. */
  private mayWrite(block: number, sec: number, transfer: Transfer): boolean {
    const g = this.array.geometry;
    const state = this.array.table.state[block];
    const pointer = this.array.table.written(block);
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
    if (!this.faults.none && this.faults.onWrite(block, sec)) {
      transfer.refuse('fault', `write ${describeSector(this.array.geometry, block, sec)}: failed on purpose`);
      return true;
    }
    if (this.every.everySecs === 0 || this.every.secs === 0) return false;
    if (this.faultsLeft === 0) {
      if (this.secsUntilFault > 0) {
        this.secsUntilFault--;
        return false;
      }
      this.secsUntilFault = this.every.everySecs;
      this.faultsLeft = this.every.secs;
    }
    this.faultsLeft--;
    transfer.refuse(
      'fault',
      `write ${describeSector(this.array.geometry, block, sec)}: failed on purpose (lb_err_write, ln_err_write)`,
    );
    return true;
  }
}
