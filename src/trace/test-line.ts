/** A small device with a pblk target on it, for tests: lines are written as pblk writes them. */
import { Lba, type TraceShape, type TraceSink } from './record.ts';
import type { TraceModel } from './model.ts';

export const SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 2,
  numPln: 1,
  numChk: 8,
  numPg: 4,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 4,
};
export const UUID = '000102030405060708090a0b0c0d0e0f';
const LUNS = 2;
const SECTOR_BYTES = 4096;

/** The first sector of a line's head, or of its end, as pblk.h lays them out. */
export function books(line: number, seqNr: number, emeta?: { nrValidLbas: number }): Uint8Array {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, 0x70626c6b, true);
  for (let i = 0; i < 16; i++) bytes[8 + i] = i;
  view.setUint16(24, 2, true);
  view.setUint32(28, line, true);
  view.setUint32(40, seqNr, true);
  if (emeta) view.setUint32(64, emeta.nrValidLbas, true);
  else view.setUint32(48, LUNS, true);
  return bytes;
}

/** Writes to one target on a {@link SHAPE}, position by position. */
export class LineWriter {
  timeUs = 1000;
  private readonly sink: TraceSink;
  private readonly model: TraceModel;
  private line = -1;
  private position = 0;
  private data = 0;
  private seqNr = 0;

  /** @param model the state that the sink leads to */
  constructor(sink: TraceSink, model: TraceModel) {
    this.sink = sink;
    this.model = model;
  }

  open(line: number): void {
    this.line = line;
    this.position = 0;
    this.data = 0;
    this.seqNr++;
    this.unit([Lba.empty, Lba.empty, Lba.empty, Lba.empty]);
    this.emit().content(this.block(0), 0, books(line, this.seqNr), true);
  }

  /** Four sectors; null is padding. `same`: they hold what the newest copies of their blocks held. */
  write(lbas: readonly (number | null)[], same = false): void {
    this.data += lbas.filter((lba) => lba !== null).length;
    this.unit(
      lbas.map((lba) => lba ?? Lba.empty),
      same,
    );
  }

  close(): void {
    const at = this.position;
    // Out-of-band bytes of a line's end are whatever was in memory.
    this.unit([7, 7, 7, 7]);
    this.emit().content(
      this.block(at),
      this.sec(at),
      books(this.line, this.seqNr, { nrValidLbas: this.data }),
      true,
    );
  }

  erase(line: number): void {
    for (let lun = 0; lun < LUNS; lun++) this.emit().erase(line * LUNS + lun);
  }

  /** A vector read of the unit at a position of a line. */
  read(line: number, position: number): void {
    this.emit().command({
      queueId: 1,
      sqe: Uint8Array.of(0x92, ...new Uint8Array(63)),
      status: 0,
      dw0: 0,
      dw1: 0,
      dataBytes: 4 * SECTOR_BYTES,
      latencyUs: 10,
      addresses: [{ block: line * LUNS + this.lun(position), sec: this.sec(position), count: 4 }],
      rule: '',
      why: '',
      pages: [],
    });
  }

  private unit(lbas: readonly number[], same = false): void {
    const { position } = this;
    this.position += 4;
    this.emit().write(
      this.block(position),
      this.sec(position),
      4,
      Uint32Array.from(lbas),
      new Uint8Array(4).fill(same ? 1 : 0),
    );
  }

  private emit(): TraceSink {
    this.timeUs += 1000;
    this.sink.at(this.timeUs);
    return this.sink;
  }

  private lun = (position: number) => Math.floor(position / 4) % LUNS;
  private sec = (position: number) => Math.floor(position / (4 * LUNS)) * 4;
  private block = (position: number) => this.line * LUNS + this.lun(position);

  get target() {
    const [target] = this.model.targets;
    if (!target) throw new Error('no target');
    return target;
  }
}
