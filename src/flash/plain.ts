import { Status, type StatusCode } from '../spec/status.ts';
import type { Transfer } from './transfer.ts';
import type { UnitStore } from './unit-store.ts';

/** Bytes of logical blocks stored together. */
export const PLAIN_UNIT_BYTES = 32 * 1024;
/** Units that one read brings in at a time. */
const UNITS_PER_PIECE = 64;

type Done = (status: StatusCode) => void;

/** The medium of an ordinary NVMe namespace: logical blocks that may be written anywhere, any time. */
export class PlainMedium {
  readonly totalSecs: number;
  readonly secSizeBytes: number;
  readonly totalUnits: number;
  readonly units: UnitStore;
  /** Units of other namespaces come before this one's. */
  private readonly firstUnit: number;
  private readonly secsPerUnit: number;

  constructor(
    { sizeBytes, secSizeBytes }: { readonly sizeBytes: number; readonly secSizeBytes: number },
    units: UnitStore,
    firstUnit = 0,
  ) {
    this.totalSecs = Math.floor(sizeBytes / secSizeBytes);
    this.secSizeBytes = secSizeBytes;
    this.totalUnits = Math.ceil(sizeBytes / PLAIN_UNIT_BYTES);
    this.secsPerUnit = PLAIN_UNIT_BYTES / secSizeBytes;
    this.units = units;
    this.firstUnit = firstUnit;
  }

  /** Whether the run of blocks is inside the namespace. Written so that no sum can overflow. */
  contains(lba: number, secs: number): boolean {
    return lba >= 0 && secs <= this.totalSecs && lba <= this.totalSecs - secs;
  }

  /** Writes `secs` blocks from `lba`; `done` when they are durable. The run is inside the namespace. */
  write(lba: number, secs: number, transfer: Transfer, done: Done): void {
    if (this.units.failure) {
      done(Status.internalError);
      return;
    }
    const wait = this.load(lba, secs, true);
    if (wait) {
      wait.then(
        () => (transfer.abandoned ? done(Status.abortedByRequest) : this.write(lba, secs, transfer, done)),
        () => done(Status.internalError),
      );
      return;
    }
    this.eachUnit(lba, secs, (unit, firstSec, count, at) => {
      const here = count === this.secsPerUnit ? undefined : this.units.get(unit);
      const bytes = here instanceof Uint8Array ? here : new Uint8Array(PLAIN_UNIT_BYTES);
      transfer.pullData(at, bytes, firstSec * this.secSizeBytes, count * this.secSizeBytes);
      this.units.put(unit, bytes);
    });
    this.units.commit('relaxed', (stored) => done(stored ? Status.success : Status.internalError));
  }

  /**
   * Reads `secs` blocks from `lba`; never written ones are zeros. A long run is read in pieces: its units
   * need not fit in memory together.
   */
  read(lba: number, secs: number, transfer: Transfer, done: Done): void {
    const pieceSecs = Math.max(1, UNITS_PER_PIECE * this.secsPerUnit);
    let from = 0;
    const readOn = (): void => {
      while (from < secs) {
        const count = Math.min(secs - from, pieceSecs);
        const wait = this.load(lba + from, count, false);
        if (wait) {
          wait.then(
            () => (transfer.abandoned ? done(Status.abortedByRequest) : readOn()),
            () => done(Status.eccFailure),
          );
          return;
        }
        this.deliver(lba + from, count, from * this.secSizeBytes, transfer);
        from += count;
      }
      done(Status.success);
    };
    readOn();
  }

  private deliver(lba: number, secs: number, dataAt: number, transfer: Transfer): void {
    this.eachUnit(lba, secs, (unit, firstSec, count, at) => {
      const bytes = this.units.get(unit);
      const source = bytes instanceof Uint8Array ? bytes : zeros;
      transfer.pushData(dataAt + at, source, firstSec * this.secSizeBytes, count * this.secSizeBytes);
    });
  }

  flush(done: Done): void {
    this.units.commit('strict', (stored) => done(stored ? Status.success : Status.internalError));
  }

  /** Brings units in that are not here yet; for a write only those that it covers in part. */
  private load(lba: number, secs: number, partialOnly: boolean): Promise<unknown> | undefined {
    let waits: Promise<void>[] | undefined;
    this.eachUnit(lba, secs, (unit, _firstSec, count) => {
      if (partialOnly && count === this.secsPerUnit) return;
      const answer = this.units.get(unit);
      if (answer instanceof Promise) (waits ??= []).push(answer);
    });
    return waits && Promise.all(waits);
  }

  private eachUnit(
    lba: number,
    secs: number,
    visit: (unit: number, firstSec: number, count: number, atBytes: number) => void,
  ): void {
    let done = 0;
    while (done < secs) {
      const firstSec = (lba + done) % this.secsPerUnit;
      const count = Math.min(secs - done, this.secsPerUnit - firstSec);
      visit(
        this.firstUnit + (lba + done - firstSec) / this.secsPerUnit,
        firstSec,
        count,
        done * this.secSizeBytes,
      );
      done += count;
    }
  }
}

const zeros = new Uint8Array(PLAIN_UNIT_BYTES);
