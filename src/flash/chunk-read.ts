import { ChunkState, MAX_VECTOR } from '../spec/ocssd12.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { describeChunkSector } from './chunk-address.ts';
import type { ChunkOptions } from './chunk-options.ts';
import type { FlashArray } from './flash-array.ts';
import { failAll, SectorVector, type Transfer } from './transfer.ts';

type Done = (status: StatusCode) => void;

const MAX_SECTOR_BYTES = 65_536;
const zeros = new Uint8Array(MAX_SECTOR_BYTES);
const ones = new Uint8Array(MAX_SECTOR_BYTES).fill(0xff);

/** Reads sectors of chunks: what is there, and what stands for it where nothing is. */
export class ChunkReader {
  private readonly options: ChunkOptions;
  private readonly array: FlashArray;
  private readonly readableSecs: (block: number) => number;

  constructor(options: ChunkOptions, array: FlashArray, readableSecs: (block: number) => number) {
    this.options = options;
    this.array = array;
    this.readableSecs = readableSecs;
  }

  /**
   * Reads the vector's sectors, however many. One that cannot be read (not written, in the cache, offline,
   * outside) is handed over as the predefined pattern or, with `failsUnwritten` (DULBE), fails.
   */
  read(vector: SectorVector, transfer: Transfer, failsUnwritten: boolean, done: Done): void {
    if (vector.count <= MAX_VECTOR) {
      this.readPiece(vector, 0, transfer, failsUnwritten, done);
      return;
    }
    const piece = new SectorVector(MAX_VECTOR);
    let status: StatusCode = Status.success;
    let from = 0;
    const next = (ended: StatusCode): void => {
      status = worse(status, ended);
      if (from >= vector.count || transfer.abandoned) {
        done(status);
        return;
      }
      piece.clear();
      const begin = from;
      from = Math.min(vector.count, from + MAX_VECTOR);
      for (let i = begin; i < from; i++) piece.push(vector.block[i] as number, vector.sec[i] as number);
      // Storage that answers at once must not make the stack deeper with each piece.
      this.readPiece(piece, begin, transfer, failsUnwritten, (s) => pieces.push(s));
    };
    const pieces = trampoline(next);
    pieces.push(Status.success);
  }

  /** Reads a piece that is sector `from` and following of the host's buffers. */
  private readPiece(
    piece: SectorVector,
    from: number,
    transfer: Transfer,
    failsUnwritten: boolean,
    done: Done,
  ): void {
    const wait = this.array.loadForRead(piece);
    if (!wait) {
      done(this.deliver(piece, from, transfer, failsUnwritten));
      return;
    }
    wait.then(
      () =>
        transfer.abandoned
          ? done(Status.abortedByRequest)
          : this.readPiece(piece, from, transfer, failsUnwritten, done),
      () => {
        failAll(piece);
        done(Status.eccFailure);
      },
    );
  }

  private deliver(
    piece: SectorVector,
    from: number,
    transfer: Transfer,
    failsUnwritten: boolean,
  ): StatusCode {
    let status: StatusCode = Status.success;
    for (let i = 0; i < piece.count; i++) {
      const block = piece.block[i] as number;
      const sec = piece.sec[i] as number;
      if (sec >= this.readableSecs(block)) {
        if (failsUnwritten) {
          piece.fail(i);
          this.explainUnreadable(block, sec, transfer);
          status = worse(status, Status.unwrittenBlock);
        } else {
          this.pushPredefined(from + i, transfer);
        }
      } else if (sec < (this.array.table.bornSecs[block] ?? 0)) {
        this.pushPredefined(from + i, transfer);
      } else if (!this.array.deliver(block, sec, from + i, transfer)) {
        piece.fail(i);
        status = Status.eccFailure;
      }
    }
    this.array.endRead(transfer);
    return status;
  }

  private explainUnreadable(block: number, sec: number, transfer: Transfer): void {
    if (block < 0) {
      transfer.refuse('range', 'read outside the device: there is no such chunk');
      return;
    }
    const where = `read ${describeChunkSector(this.array.geometry, block, sec)}`;
    const pointer = this.array.table.written(block);
    if (this.array.table.state[block] === ChunkState.offline)
      transfer.refuse('bad-block', `${where}: the chunk is offline`);
    else if (sec < pointer)
      transfer.refuse(
        'cached-read',
        `${where}: within mw_cunits (${this.options.writeRules.mwCunits}) of the write pointer at ${pointer}`,
      );
    else transfer.refuse('unwritten-read', `${where}: the chunk is written up to ${pointer}`);
  }

  /** What DLFEAT promises of sectors without data, and of their metadata (NVMe 1.3, Identify Namespace, DLFEAT). */
  private pushPredefined(at: number, transfer: Transfer): void {
    const { secSizeBytes, oobSizeBytes } = this.array.geometry;
    const pattern = this.options.deallocatedReads === 2 ? ones : zeros;
    transfer.pushData(at * secSizeBytes, pattern, 0, secSizeBytes);
    if (transfer.hasOob && oobSizeBytes > 0) transfer.pushOob(at * oobSizeBytes, pattern, 0, oobSizeBytes);
  }
}

/** Data that was lost weighs more than data that never was. */
function worse(a: StatusCode, b: StatusCode): StatusCode {
  if (a === Status.eccFailure || b === Status.success) return a;
  return b === Status.eccFailure || a === Status.success ? b : a;
}

/** Calls `step` for each value pushed, one after the other even when a step pushes the next. */
function trampoline(step: (value: StatusCode) => void): { push(value: StatusCode): void } {
  const waiting: StatusCode[] = [];
  let running = false;
  return {
    push(value) {
      waiting.push(value);
      if (running) return;
      running = true;
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) step(next);
      running = false;
    },
  };
}
