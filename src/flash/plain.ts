import { Status, type StatusCode } from '../spec/status.ts';
import type { Durability, TableShard } from './media-store.ts';
import { formatOf, PLAIN_UNIT_BYTES, PlainBlocks, type PlainOptions } from './plain-blocks.ts';
import type { Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

export { PLAIN_UNIT_BYTES } from './plain-blocks.ts';
/** Units that one command brings in, or changes, at a time. */
const UNITS_PER_PIECE = 64;

/** Blocks in a row. */
export interface BlockRun {
  readonly lba: number;
  readonly secs: number;
}

type Done = (status: StatusCode) => void;
/** Takes a run of bytes inside a unit; false: no need to go on. */
type Use = (bytes: Uint8Array, offset: number, length: number, atBytes: number) => boolean;

/**
 * The medium of an ordinary NVMe namespace: logical blocks that may be written anywhere, any time, and given
 * back. Runs of blocks that are handed in lie inside the namespace. Each method ends in one call of `done`,
 * when what it changed is durable.
 */
export class PlainMedium {
  readonly units: UnitStore;
  private readonly blocks: PlainBlocks;
  /** One more with each format: what waited since before is void. */
  private formats = 0;

  /** `index` and `firstUnit`: which of the disk's namespaces, and how many units come before. */
  constructor(options: PlainOptions, units: UnitStore, { firstUnit = 0, index = 0 } = {}) {
    this.units = units;
    this.blocks = new PlainBlocks(options, units, firstUnit, index);
  }

  /** Takes over what the disk remembers of this namespace. */
  load(shards: readonly TableShard[]): void {
    this.blocks.load(shards);
  }

  get totalUnits(): number {
    return this.blocks.totalUnits;
  }

  get totalSecs(): number {
    return this.blocks.totalSecs;
  }

  get secSizeBytes(): number {
    return this.blocks.secSizeBytes;
  }

  contains(lba: number, secs: number): boolean {
    return this.blocks.contains(lba, secs);
  }

  // Reading ----------------------------------------------------------------------------------------

  /**
   * Reads `secs` blocks from `lba`; never written ones are zeros, or an error with `deallocatedFails`
   * (DULBE). A long run is read in pieces: its units need not fit in memory together.
   */
  read(lba: number, secs: number, transfer: Transfer, done: Done, deallocatedFails = false): void {
    if (this.readInUnit(lba, secs, transfer, done, deallocatedFails)) return;
    this.readPieces(lba, secs, transfer, done, deallocatedFails, (bytes, offset, length, at) => {
      transfer.pushData(at, bytes, offset, length);
      return true;
    });
  }

  /** The usual read: inside one unit that is here, with nothing to look up. False for any other. */
  private readInUnit(lba: number, secs: number, transfer: Transfer, done: Done, careful: boolean): boolean {
    const { blocks } = this;
    // A power of two: what `%` gives, without its call.
    const firstSec = (lba >>> 0) & (blocks.secsPerUnit - 1);
    if (careful || firstSec + secs > blocks.secsPerUnit || !blocks.allReadable) return false;
    const bytes = blocks.get((lba - firstSec) / blocks.secsPerUnit);
    if (bytes instanceof Promise) {
      const { formats } = this;
      const here = () => {
        const over = this.voided(transfer, formats);
        if (over) done(over);
        else this.read(lba, secs, transfer, done);
      };
      bytes.then(here, () => done(Status.eccFailure));
      return true;
    }
    const size = blocks.secSizeBytes;
    transfer.pushData(0, bytes ?? zeros, firstSec * size, secs * size);
    done(Status.success);
    return true;
  }

  /** Compares with the host's data. */
  compare(lba: number, secs: number, transfer: Transfer, done: Done, deallocatedFails = false): void {
    const { secSizeBytes } = this.blocks;
    this.readPieces(lba, secs, transfer, done, deallocatedFails, (bytes, offset, length, at) => {
      transfer.pullData(at, scratch, 0, length);
      for (let i = 0; i < length; i++) {
        if (scratch[i] === bytes[offset + i]) continue;
        const block = lba + Math.floor((at + i) / secSizeBytes);
        transfer.refuse('compare-differs', `block ${block} differs in byte ${(at + i) % secSizeBytes}`);
        return false;
      }
      return true;
    });
  }

  private readPieces(
    lba: number,
    secs: number,
    transfer: Transfer,
    done: Done,
    deallocatedFails: boolean,
    use: Use,
  ): void {
    const { formats, blocks } = this;
    const { secsPerUnit } = blocks;
    let from = 0;
    const readOn = (): void => {
      while (from < secs) {
        const at = lba + from;
        const count = Math.min(secs - from, UNITS_PER_PIECE * secsPerUnit - (at % secsPerUnit));
        const wait = blocks.bringIn(at, count, false);
        if (wait) {
          const here = () => {
            const over = this.voided(transfer, formats);
            if (over) done(over);
            else readOn();
          };
          wait.then(here, () => done(Status.eccFailure));
          return;
        }
        const bad = blocks.unreadable(at, count, transfer, deallocatedFails);
        if (bad) {
          done(bad);
          return;
        }
        if (!this.usePiece(at, count, from * blocks.secSizeBytes, use)) {
          done(Status.compareFailed);
          return;
        }
        from += count;
      }
      done(Status.success);
    };
    readOn();
  }

  private usePiece(lba: number, secs: number, dataAt: number, use: Use): boolean {
    const { blocks } = this;
    const size = blocks.secSizeBytes;
    let enough = false;
    blocks.eachUnit(lba, secs, (unit, firstSec, count, at) => {
      if (enough) return;
      const bytes = blocks.get(unit);
      const source = bytes instanceof Uint8Array ? bytes : zeros;
      enough = !use(source, firstSec * size, count * size, dataAt + at);
    });
    return !enough;
  }

  // Writing ----------------------------------------------------------------------------------------

  /** Writes `secs` blocks from `lba`. A long run goes in pieces, each durable before the next one begins. */
  write(lba: number, secs: number, transfer: Transfer, done: Done): void {
    const { formats, blocks } = this;
    const { secsPerUnit } = blocks;
    let from = 0;
    const writeOn = (): void => {
      const at = lba + from;
      const count = Math.min(secs - from, UNITS_PER_PIECE * secsPerUnit - (at % secsPerUnit));
      const bytes = (Math.floor(((at % secsPerUnit) + count - 1) / secsPerUnit) + 1) * PLAIN_UNIT_BYTES;
      const next: Done = (status) => {
        from += count;
        if (status !== Status.success || from === secs) done(status);
        else writeOn();
      };
      this.units.gate.pass(bytes, transfer, next, (ended) => {
        const here = () => blocks.bringIn(at, count, true);
        this.whenHere(here, transfer, formats, ended, () => {
          blocks.write(at, count, transfer, (at - lba) * blocks.secSizeBytes);
          if (from + count === secs) transfer.committing();
          this.commit(ended, this.units.durabilityOf(transfer));
        });
      });
    };
    writeOn();
  }

  /**
   * Write Zeroes: the blocks read as zeros, whatever they were before. Nothing is stored for whole units; with
   * `deallocate` the blocks count as given back.
   */
  writeZeroes(lba: number, secs: number, transfer: Transfer, done: Done, { deallocate = false } = {}): void {
    const { formats } = this;
    const run = { lba, secs };
    this.units.gate.pass(this.edgeBytes(run), transfer, done, (ended) =>
      this.blank(run, formats, transfer, !deallocate, (status) => {
        if (status !== Status.success) {
          ended(status);
          return;
        }
        this.blocks.correct(lba, secs);
        this.commit(ended, this.units.durabilityOf(transfer));
      }),
    );
  }

  /** Gives runs of blocks back: they read as zeros, and whole units go. Marked ones stay unreadable: nobody wrote them. */
  deallocate(runs: readonly BlockRun[], transfer: Transfer, done: Done): void {
    const { formats } = this;
    const bytes = runs.reduce((sum, run) => sum + this.edgeBytes(run), 0);
    this.units.gate.pass(bytes, transfer, done, (ended) => {
      let next = 0;
      const goOn: Done = (status) => {
        const run = runs[next++];
        if (status !== Status.success) ended(status);
        else if (run) this.blank(run, formats, transfer, false, goOn);
        else this.commit(ended);
      };
      goOn(Status.success);
    });
  }

  /** A run in units: blocks in the one where it begins, whole ones, blocks in the one where it ends. */
  private partsOf({ lba, secs }: BlockRun): { head: number; whole: number; tail: number } {
    const { secsPerUnit } = this.blocks;
    const head = Math.min(secs, (secsPerUnit - (lba % secsPerUnit)) % secsPerUnit);
    const whole = Math.floor((secs - head) / secsPerUnit);
    return { head, whole, tail: secs - head - whole * secsPerUnit };
  }

  /** Bytes that blanking a run keeps in memory: of the units that it covers in part. */
  private edgeBytes(run: BlockRun): number {
    const { head, tail } = this.partsOf(run);
    return (Math.sign(head) + Math.sign(tail)) * PLAIN_UNIT_BYTES;
  }

  /** Calls `done` when the blocks are zeros; the caller commits that. */
  private blank({ lba, secs }: BlockRun, formats: number, transfer: Transfer, written: boolean, done: Done) {
    const { blocks } = this;
    const { secsPerUnit } = blocks;
    const { head, whole, tail } = this.partsOf({ lba, secs });
    const firstWhole = (lba + head) / secsPerUnit;
    const edges = () => {
      const first = head > 0 ? blocks.bringIn(lba, head, true) : undefined;
      const last = tail > 0 ? blocks.bringIn(lba + secs - tail, tail, true) : undefined;
      return first && last ? Promise.all([first, last]) : (first ?? last);
    };
    this.whenHere(edges, transfer, formats, done, () => {
      if (head > 0) blocks.blankPart(Math.floor(lba / secsPerUnit), lba % secsPerUnit, head, written);
      if (tail > 0) blocks.blankPart(firstWhole + whole, 0, tail, written);
      if (whole > 0) blocks.blankUnits(firstWhole, whole, written);
      done(Status.success);
    });
  }

  /** Write Uncorrectable: the blocks cannot be read until they are written. */
  writeUncorrectable(lba: number, secs: number, done: Done): void {
    if (this.failed(done)) return;
    this.blocks.spoil(lba, secs);
    this.commit(done);
  }

  /** Format NVM: nothing is left, and blocks have this size from now on. */
  format(secSizeBytes: number, done: Done): void {
    if (formatOf(secSizeBytes) === undefined) throw new RangeError(`blocks of ${secSizeBytes} bytes`);
    if (this.failed(done)) return;
    this.formats++;
    this.blocks.format(secSizeBytes);
    this.flush(done);
  }

  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }

  // Waiting ----------------------------------------------------------------------------------------

  /** Calls `work` once the units it changes in part are here, unless the command has ended meanwhile. */
  private whenHere(
    load: () => Promise<unknown> | undefined,
    transfer: Transfer,
    formats: number,
    done: Done,
    work: () => void,
  ): void {
    const over = this.voided(transfer, formats);
    if (over) {
      done(over);
      return;
    }
    if (this.failed(done)) return;
    const wait = load();
    if (wait)
      wait.then(
        () => this.whenHere(load, transfer, formats, done, work),
        () => done(Status.internalError),
      );
    else work();
  }

  /** The status of a command that must not go on after a wait; 0 when it may. */
  private voided(transfer: Transfer, formats: number): StatusCode {
    if (transfer.abandoned) return Status.abortedByRequest;
    if (formats === this.formats) return Status.success;
    transfer.refuse('format', 'the namespace was formatted while the command waited for storage');
    return Status.formatInProgress;
  }

  /** After a failed commit nothing is written any more. */
  private failed(done: Done): boolean {
    if (!this.units.failure) return false;
    done(Status.internalError);
    return true;
  }

  private commit(done: Done, durability: Durability = 'relaxed'): void {
    this.units.commit(durability, (stored) => done(stored ? Status.success : Status.internalError));
  }
}

const zeros = new Uint8Array(PLAIN_UNIT_BYTES);
const scratch = new Uint8Array(PLAIN_UNIT_BYTES);
