import { submissionEntry } from '../../spec/entries.ts';
import { pack } from '../../spec/layout.ts';
import { IoOpcode } from '../../spec/opcodes.ts';
import { TraceEncoder, type Segment } from '../../trace/encode.ts';
import { packModel } from '../../trace/model-state.ts';
import { TraceModel } from '../../trace/model.ts';
import { type AddressRun, Lba, type TraceShape, type TraceSink } from '../../trace/record.ts';
import { TargetLayout } from '../../trace/target.ts';
import { CHUNK_STATE } from './flash-map-data.ts';

/**
 * A device after a little of everything, the same each time: for the tests of the map's pictures and for the
 * bench. The page itself never uses it.
 */
export const SMALL_SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 4,
  numPln: 2,
  numChk: 24,
  numPg: 16,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};

/** Chunks whose pages are too small to be seen apart. */
export const NARROW_SHAPE: TraceShape = { ...SMALL_SHAPE, numPg: 256 };

export interface Sample {
  /** As `window.__flashMap.load` takes them. */
  readonly model: string;
  readonly segment: Omit<Segment, 'bytes'> & { readonly bytes: string };
}

/** Writes as pblk writes, and nothing that the picture does not need. */
export class SampleWriter {
  timeUs = 3_600_000_000;
  private readonly sink: TraceSink;
  private readonly shape: TraceShape;
  private readonly layout: TargetLayout;
  private readonly uuid: number;
  private line = 0;
  private at = 0;
  private emetaStart = 0;

  constructor(shape: TraceShape, sink: TraceSink, firstLun: number, luns: number, uuid: number) {
    const layout = TargetLayout.from(shape, 0, firstLun, luns);
    if (!layout) throw new Error('No target of that many LUNs can be.');
    this.shape = shape;
    this.sink = sink;
    this.layout = layout;
    this.uuid = uuid;
  }

  open(line: number): void {
    const { wsOpt } = this.shape;
    const { smetaStart, emetaStart } = this.layout.ends(() => false);
    Object.assign(this, { line, at: smetaStart, emetaStart });
    const first = this.layout.place(line, smetaStart);
    for (let n = 0; n < this.layout.sizes.smetaSecs; n += wsOpt) this.unit([]);
    this.sink.content(first.block, first.sec, this.books(false), true);
  }

  /** Logical blocks, or -1 for padding; whole units. */
  write(lbas: readonly number[], waitUs = 1000, isMoved = false): void {
    const { wsOpt } = this.shape;
    for (let i = 0; i < lbas.length; i += wsOpt) {
      this.timeUs += waitUs;
      this.unit(lbas.slice(i, i + wsOpt), isMoved);
      if (this.at >= this.emetaStart) this.close();
    }
  }

  /** Writes up to the end of the line, from a logical block on. */
  fill(lba: number, waitUs = 1000): number {
    const count = this.emetaStart - this.at;
    this.write(
      Array.from({ length: count }, (_, i) => lba + i),
      waitUs,
    );
    return lba + count;
  }

  read(line: number, positions: readonly number[]): void {
    const runs = positions.map((position) => ({ ...this.layout.place(line, position), count: 1 }));
    this.command(IoOpcode.vectorRead, runs);
  }

  /** Garbage collection of a line begins: pblk reads its end, and moves some of what is valid. */
  collect(line: number, positions: readonly number[], lbas: readonly number[]): void {
    this.read(line, [this.emetaStart]);
    this.read(line, positions);
    this.write(lbas, 1000, true);
  }

  eraseLine(line: number): void {
    for (let bit = 0; bit < this.layout.luns; bit++) {
      const { block } = this.layout.place(line, bit * this.shape.wsOpt);
      for (let pln = 0; pln < this.shape.numPln; pln++) {
        this.tick(20);
        this.sink.erase(block + pln);
      }
    }
  }

  get smetaSecs(): number {
    return this.layout.sizes.smetaSecs;
  }

  private close(): void {
    const { secsPerLine } = this.layout.sizes;
    const head = this.layout.place(this.line, this.emetaStart);
    while (this.at < secsPerLine) this.unit([]);
    this.sink.content(head.block, head.sec, this.books(true), true);
  }

  private unit(lbas: readonly number[], isMoved = false): void {
    const { wsOpt } = this.shape;
    const runs: AddressRun[] = [];
    for (let i = 0; i < wsOpt;) {
      const { block, sec } = this.layout.place(this.line, this.at + i);
      const values: number[] = [];
      for (; i < wsOpt; i++) {
        const place = this.layout.place(this.line, this.at + i);
        if (place.block !== block || place.sec !== sec + values.length) break;
        const lba = lbas[i] ?? -1;
        values.push(lba < 0 ? Lba.empty : lba);
      }
      this.tick(5);
      // Garbage collection moves data as it is.
      const same = new Uint8Array(values.length).fill(isMoved ? 1 : 0);
      this.sink.write(block, sec, values.length, Uint32Array.from(values), same);
      runs.push({ block, sec, count: values.length });
    }
    this.at += wsOpt;
    this.command(IoOpcode.vectorWrite, runs);
  }

  private command(opcode: number, addresses: readonly AddressRun[]): void {
    this.tick(50);
    this.sink.command({
      queueId: 1,
      sqe: pack(submissionEntry, { opcode, cid: 1, nsid: 1 }),
      status: 0,
      dw0: 0,
      dw1: 0,
      dataBytes: 0,
      latencyUs: 300,
      addresses,
      rule: '',
      why: '',
      pages: [],
    });
  }

  private tick(us: number): void {
    this.timeUs += us;
    this.sink.at(this.timeUs);
  }

  /** struct line_header and what follows it, pblk.h. */
  private books(isEnd: boolean): Uint8Array {
    const bytes = new Uint8Array(this.shape.secSizeBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, 0x70626c6b, true);
    bytes.fill(this.uuid, 8, 24);
    view.setUint16(24, 2, true);
    view.setUint32(28, this.line, true);
    view.setUint32(40, this.line + 1, true);
    view.setUint32(48, this.layout.luns, true);
    if (isEnd) view.setUint32(64, 1, true);
    return bytes;
  }
}

/** What a recording holds when all layers have something to show. */
export function sampleSmall(sink: TraceSink, shape = SMALL_SHAPE): void {
  sink.at(1_000_000);
  sink.power('on');
  // Wear: as after some years, more in front.
  for (let block = 0; block < shape.numLun * shape.numChk * shape.numPln; block++) {
    const chk = Math.floor(block / (shape.numLun * shape.numPln));
    const erases = Math.max(0, 38 - 2 * chk + ((block * 7) % 5) - 2);
    if (chk > 1) sink.entry(block, CHUNK_STATE.free, 0, erases);
  }
  // A chunk that went bad, and one that was written before anybody watched.
  for (const pln of [0, 1]) {
    sink.entry((9 * 4 + 2) * 2 + pln, CHUNK_STATE.offline, 0, 12);
    sink.entry((22 * 4 + 1) * 2 + pln, CHUNK_STATE.closed, shape.numPg * shape.secsPerPg, 3);
  }
  const a = new SampleWriter(shape, sink, 0, 2, 0xaa);
  const b = new SampleWriter(shape, sink, 2, 2, 0xbb);
  // The same shares of larger chunks.
  const times = shape.numPg / 16;
  const part = (from: number, to: number) => range(from * times, to * times);
  a.timeUs = 10_000_000;
  a.open(0);
  let next = a.fill(0, 20_000 / times);
  a.timeUs += 3_000_000_000;
  a.open(1);
  next = a.fill(next, 1_000_000 / times);
  a.timeUs += 500_000_000;
  // Overwrites: the old copies in lines 0 and 1 turn stale. An fsync pads.
  a.open(2);
  a.write(part(40, 96), 200_000 / times);
  a.write([...range(300, 306), -1, -1]);
  a.write(part(130, 162), 100_000 / times);
  a.fill(next, 100_000 / times);
  a.open(3);
  a.timeUs += 20_000_000;
  a.collect(0, range(a.smetaSecs, a.smetaSecs + 40 * times), part(0, 40));
  a.write([...range(400, 405), -1, -1, -1]);
  b.timeUs = a.timeUs;
  b.open(4);
  b.fill(0, 3000 / times);
  b.open(5);
  b.write(part(20, 60), 1000 / times);
  b.eraseLine(7);
  a.timeUs = b.timeUs + 5000;
  a.write(part(200, 216), 1000 / times);
  a.read(2, [30, 31, 32, 33]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

export function sample(shape = SMALL_SHAPE): Sample {
  return recorded(new TraceModel(shape), (sink) => sampleSmall(sink, shape));
}

/** A model, and what is done to it by `play`, to be loaded into a page. */
export function recorded(base: TraceModel, play: (sink: TraceSink) => void): Sample {
  const encoder = new TraceEncoder();
  play(encoder);
  const segment = encoder.take();
  if (!segment) throw new Error('Nothing was recorded.');
  return {
    model: toBase64(packModel(base)),
    segment: { ...segment, bytes: toBase64(segment.bytes) },
  };
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000)
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
