import { MAX_VECTOR } from '../spec/ocssd12.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { describeSector } from './address.ts';
import type { FlashArray } from './flash-array.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { FlashFaults } from './open-channel-faults.ts';
import { SectorVector, type Transfer } from './transfer.ts';

type Done = (status: StatusCode) => void;

const UNREADABLE = 'the sectors are written, but their data cannot be read from the disk';

/** Reads of an open-channel 1.2 flash: by address, and of the raw namespace. */
export class Reader {
  private readonly array: FlashArray;
  private readonly faults: FlashFaults;

  constructor(array: FlashArray, faults: FlashFaults) {
    this.array = array;
    this.faults = faults;
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
          transfer.refuse('storage', UNREADABLE);
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
            () => {
              transfer.refuse('storage', UNREADABLE);
              done(Status.eccFailure);
            },
          );
          return;
        }
        status = worse(status, this.deliver(piece, from, transfer, emptyPageIsZeros));
        from = end;
      }
      done(status);
    };
    readOn();
  }

  private pushLba(vector: SectorVector, lba: number): void {
    const g = this.array.geometry;
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
      if (!this.array.isWritten(block, sec)) {
        status = worse(status, whenEmpty(vector, i, transfer, from + i, this.array.geometry));
        continue;
      }
      const fault = this.faults.none ? undefined : this.faults.onRead(block, sec);
      if (fault) {
        const how = fault === 'ecc' ? 'cannot be corrected' : 'had to be corrected in many bits';
        transfer.refuse(
          'fault',
          `read ${describeSector(this.array.geometry, block, sec)}: ${how}, on purpose`,
        );
      }
      if (fault === 'ecc' || !this.array.deliver(block, sec, from + i, transfer)) {
        vector.fail(i);
        status = Status.eccFailure;
      } else if (fault === 'highEcc') {
        // The data is good: no bit in the map of failures.
        status = worse(status, Status.highEcc);
      }
    }
    this.array.endRead(transfer);
    return status;
  }
}

/** Of two outcomes of one read, the one that its host has to hear: lost data, then empty pages, then a warning. */
function worse(a: StatusCode, b: StatusCode): StatusCode {
  return severity(a) >= severity(b) ? a : b;
}

function severity(status: StatusCode): number {
  if (status === Status.eccFailure) return 3;
  if (status === Status.emptyPage) return 2;
  return status === Status.success ? 0 : 1;
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
