import { submissionEntry } from '../../spec/entries.ts';
import { pack } from '../../spec/layout.ts';
import { IoOpcode } from '../../spec/opcodes.ts';
import { type AddressRun, Lba, type TraceShape, type TraceSink } from '../../trace/record.ts';
import { TargetLayout } from '../../trace/target.ts';

const UUID = '0123456789abcdef0123456789abcdef';
const MAX_VECTOR = 64;

export interface FakeOptions {
  readonly luns?: number;
  /** Lines that the target has; fewer means that garbage is collected sooner. */
  readonly lines?: number;
  readonly random?: () => number;
  readonly startUs?: number;
  isBad?(block: number): boolean;
}

interface FakeLine {
  readonly id: number;
  readonly seqNr: number;
  /** Logical address by position; -1 none. */
  readonly lbas: Int32Array;
  valid: number;
  data: number;
  closed: boolean;
}

/**
 * Does to a recording what pblk does: lines with smeta and emeta, units round the LUNs, overwrites, padding,
 * garbage collection, and now and then a command that fails. For working on the page, and for tests.
 */
export class FakePblk {
  timeUs: number;
  /** Bytes of user data per second while it writes. */
  bytesPerSecond = 24 * 2 ** 20;
  commands = 0;
  private readonly shape: TraceShape;
  private readonly sink: TraceSink;
  private readonly layout: TargetLayout;
  private readonly random: () => number;
  private readonly options: FakeOptions;
  private readonly free: number[];
  private readonly lines = new Map<number, FakeLine>();
  private readonly places = new Map<number, { line: FakeLine; position: number }>();
  private readonly userLbas: number;
  private open: { line: FakeLine; at: number; emetaStart: number } | undefined;
  private seqNr = 0;
  private nextLba = 0;
  private units = 0;
  private readonly totals = { user: 0, gc: 0, padding: 0 };

  constructor(shape: TraceShape, sink: TraceSink, options: FakeOptions = {}) {
    this.shape = shape;
    this.sink = sink;
    this.options = options;
    this.random = options.random ?? Math.random;
    this.timeUs = options.startUs ?? 1_000_000;
    const layout = TargetLayout.from(shape, 0, 0, options.luns ?? 4);
    if (!layout) throw new Error('No target of that many LUNs can be.');
    this.layout = layout;
    const lines = Math.min(options.lines ?? 8, shape.numChk);
    this.free = Array.from({ length: lines }, (_, i) => i);
    this.userLbas = Math.floor(layout.sizes.secsPerLine * lines * 0.5);
  }

  power(mark: 'on' | 'off'): void {
    this.tick(1);
    this.sink.power(mark);
  }

  /** Goes on until then. */
  runTo(timeUs: number): void {
    while (this.timeUs < timeUs) this.step();
  }

  /** One thing: phases of sequential writes, random overwrites, reads and rest, of a few seconds each. */
  step(): void {
    const phase = Math.floor(this.timeUs / 2_500_000) % 8;
    if (phase === 7) this.timeUs += 40_000;
    else if (phase === 3) this.readSome();
    else if (this.free.length < 2) this.collect();
    else {
      const count = 8 + Math.floor(this.random() * 56);
      this.writeUser(phase < 3 ? this.sequential(count) : this.scattered(count));
      if (this.random() < 0.05) this.pad();
      if (this.random() < 0.004) this.fail();
    }
  }

  private sequential(count: number): number[] {
    return Array.from({ length: count }, () => this.nextLba++ % this.userLbas);
  }

  /** Some blocks are written far more often than others. */
  private scattered(count: number): number[] {
    return Array.from({ length: count }, () => Math.floor(this.random() ** 3 * this.userLbas));
  }

  /** Before each record. */
  private tick(us: number): void {
    this.timeUs += Math.max(1, Math.round(us));
    this.sink.at(this.timeUs);
  }

  private latencyUs(base: number): number {
    return Math.round(base * Math.exp((this.random() + this.random() + this.random() - 1.5) * 1.6));
  }

  private writeUser(lbas: number[]): void {
    this.totals.user += lbas.length;
    this.timeUs += Math.round((lbas.length * this.shape.secSizeBytes * 1e6) / this.bytesPerSecond);
    this.write(lbas);
  }

  /** What pblk does at a flush: the unit that is begun is filled up. */
  private pad(): void {
    const { wsOpt } = this.shape;
    const missing = (wsOpt - (this.units % wsOpt)) % wsOpt;
    const padding = missing === 0 ? wsOpt : missing;
    this.totals.padding += padding;
    this.write(new Array<number>(padding).fill(-1));
  }

  private write(lbas: readonly number[], isMoved = false): void {
    const { wsOpt } = this.shape;
    // Whole units only, as pblk writes; what is left over is filled up.
    const filled = [...lbas, ...new Array<number>((wsOpt - (lbas.length % wsOpt)) % wsOpt).fill(-1)];
    this.units += filled.length;
    for (let at = 0; at < filled.length; at += MAX_VECTOR)
      this.writeCommand(filled.slice(at, at + MAX_VECTOR), isMoved);
  }

  private writeCommand(lbas: readonly number[], isMoved: boolean): void {
    const runs: AddressRun[] = [];
    const { wsOpt } = this.shape;
    for (let i = 0; i < lbas.length; i += wsOpt) {
      const open = this.openLine();
      if (!open) return;
      runs.push(...this.unit(open.line, open.at, lbas.slice(i, i + wsOpt), isMoved));
      this.advance(open);
    }
    this.command(IoOpcode.vectorWrite, runs, this.latencyUs(900));
  }

  /** One unit at a position of a line: a run of sectors in each plane. */
  private unit(line: FakeLine, position: number, lbas: readonly number[], isMoved = false): AddressRun[] {
    const { wsOpt } = this.shape;
    const runs: AddressRun[] = [];
    const values = new Uint32Array(wsOpt);
    // Garbage collection changes no data; what a user writes is mostly new.
    const same = new Uint8Array(wsOpt).fill(isMoved ? 1 : 0);
    for (let i = 0; i < wsOpt;) {
      const { block, sec } = this.layout.place(line.id, position + i);
      let count = 0;
      for (; i < wsOpt; i++, count++) {
        const place = this.layout.place(line.id, position + i);
        if (place.block !== block || place.sec !== sec + count) break;
        const lba = lbas[i] ?? -1;
        values[count] = lba < 0 ? Lba.empty : lba;
        this.place(line, position + i, lba);
      }
      this.tick(2);
      this.sink.write(block, sec, count, values.subarray(0, count), same);
      runs.push({ block, sec, count });
    }
    return runs;
  }

  private place(line: FakeLine, position: number, lba: number): void {
    line.lbas[position] = lba;
    if (lba < 0) return;
    const before = this.places.get(lba);
    if (before) before.line.valid--;
    this.places.set(lba, { line, position });
    line.valid++;
    line.data++;
  }

  private isBadAt(line: number, position: number): boolean {
    const { block } = this.layout.place(line, position);
    return this.options.isBad?.(block) ?? false;
  }

  private openLine() {
    if (this.open) return this.open;
    const id = this.free.shift();
    if (id === undefined) return undefined;
    const { secsPerLine, smetaSecs } = this.layout.sizes;
    const lbas = new Int32Array(secsPerLine).fill(-1);
    const line: FakeLine = { id, seqNr: ++this.seqNr, lbas, valid: 0, data: 0, closed: false };
    this.lines.set(id, line);
    const { wsOpt } = this.shape;
    const { smetaStart, emetaStart } = this.layout.ends((bit) => this.isBadAt(id, bit * wsOpt));
    const runs: AddressRun[] = [];
    for (let at = smetaStart; at < smetaStart + smetaSecs; at += wsOpt) runs.push(...this.unit(line, at, []));
    const first = this.layout.place(id, smetaStart);
    this.tick(2);
    this.sink.content(first.block, first.sec, this.books(line, false), true);
    this.command(IoOpcode.vectorWrite, runs, this.latencyUs(900));
    this.open = { line, at: smetaStart + smetaSecs, emetaStart };
    this.skipBad();
    return this.open;
  }

  private advance(open: { line: FakeLine; at: number; emetaStart: number }): void {
    open.at += this.shape.wsOpt;
    this.skipBad();
    if (open.at >= open.emetaStart) this.close(open);
  }

  private skipBad(): void {
    const { open } = this;
    while (open && open.at < open.emetaStart && this.isBadAt(open.line.id, open.at))
      open.at += this.shape.wsOpt;
  }

  private close({ line, emetaStart }: { line: FakeLine; emetaStart: number }): void {
    const { wsOpt } = this.shape;
    const runs: AddressRun[] = [];
    let isFirst = true;
    for (let at = emetaStart; at < this.layout.sizes.secsPerLine; at += wsOpt) {
      if (this.isBadAt(line.id, at)) continue;
      runs.push(...this.unit(line, at, []));
      if (!isFirst) continue;
      isFirst = false;
      const head = this.layout.place(line.id, at);
      this.tick(2);
      this.sink.content(head.block, head.sec, this.books(line, true), true);
    }
    for (let i = 0; i < runs.length; i += MAX_VECTOR)
      this.command(IoOpcode.vectorWrite, runs.slice(i, i + MAX_VECTOR), this.latencyUs(1200));
    line.closed = true;
    this.open = undefined;
  }

  /** smeta and emeta begin alike: struct line_header and what follows, pblk.h. */
  private books(line: FakeLine, isEnd: boolean): Uint8Array {
    const bytes = new Uint8Array(this.shape.secSizeBytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, 0x70626c6b, true);
    for (let i = 0; i < 16; i++) bytes[8 + i] = parseInt(UUID.slice(i * 2, i * 2 + 2), 16);
    view.setUint16(24, 2, true);
    view.setUint32(28, line.id, true);
    view.setUint32(36, 0xffff_ffff, true);
    view.setUint32(40, line.seqNr, true);
    view.setUint32(48, this.layout.luns, true);
    if (!isEnd) return bytes;
    view.setUint32(52, 0xffff_ffff, true);
    view.setUint32(64, line.data, true);
    const waAt = 72 + Math.ceil(this.layout.luns / 32) * 4;
    view.setUint32(waAt, this.totals.user, true);
    view.setUint32(waAt + 8, this.totals.gc, true);
    view.setUint32(waAt + 16, this.totals.padding, true);
    return bytes;
  }

  /** Moves what is valid in the line with the least of it, and erases the line. */
  private collect(): void {
    const victim = [...this.lines.values()]
      .filter(({ closed }) => closed)
      .sort((a, b) => a.valid - b.valid)[0];
    if (!victim) return;
    const { emetaStart } = this.layout.ends((bit) => this.isBadAt(victim.id, bit * this.shape.wsOpt));
    this.read([this.layout.place(victim.id, emetaStart)]);
    const moved: number[] = [];
    for (const [position, lba] of victim.lbas.entries()) {
      const at = lba < 0 ? undefined : this.places.get(lba);
      if (at?.line === victim && at.position === position) moved.push(position);
    }
    for (let i = 0; i < moved.length; i += MAX_VECTOR) {
      const part = moved.slice(i, i + MAX_VECTOR);
      this.read(part.map((position) => this.layout.place(victim.id, position)));
      this.totals.gc += part.length;
      this.write(
        part.map((position) => victim.lbas[position] as number),
        true,
      );
      this.timeUs += 1500;
    }
    for (let bit = 0; bit < this.layout.luns; bit++) this.eraseChunk(victim.id, bit);
    this.lines.delete(victim.id);
    this.free.push(victim.id);
  }

  private eraseChunk(line: number, bit: number): void {
    const { block } = this.layout.place(line, bit * this.shape.wsOpt);
    if (this.isBadAt(line, bit * this.shape.wsOpt)) return;
    const runs: AddressRun[] = [];
    for (let pln = 0; pln < this.shape.numPln; pln++) {
      this.tick(5);
      this.sink.erase(block + pln);
      runs.push({ block: block + pln, sec: 0, count: 1 });
    }
    this.command(IoOpcode.vectorErase, runs, this.latencyUs(2500));
  }

  private readSome(): void {
    const first = Math.floor(this.random() * this.userLbas);
    const places = [];
    for (let lba = first; lba < first + 16; lba++) {
      const at = this.places.get(lba);
      if (at) places.push(this.layout.place(at.line.id, at.position));
    }
    this.timeUs += 2500;
    if (places.length > 0) this.read(places);
  }

  private read(places: readonly { block: number; sec: number }[]): void {
    const runs: AddressRun[] = [];
    for (const { block, sec } of places) {
      const last = runs.at(-1);
      if (last && last.block === block && last.sec + last.count === sec)
        runs[runs.length - 1] = { ...last, count: last.count + 1 };
      else runs.push({ block, sec, count: 1 });
    }
    this.command(IoOpcode.vectorRead, runs, this.latencyUs(260));
  }

  private fail(): void {
    const { block } = this.layout.place(0, 0);
    this.command(IoOpcode.vectorWrite, [{ block, sec: 3, count: 1 }], 120, {
      status: 0x40ff,
      rule: 'write-pointer',
      why: 'Page 0 was written already; the write pointer is at another page.',
    });
  }

  private command(
    opcode: number,
    runs: readonly AddressRun[],
    latencyUs: number,
    failure = { status: 0, rule: '', why: '' },
  ): void {
    const sectors = runs.reduce((sum, { count }) => sum + count, 0);
    const sqe = pack(submissionEntry, { opcode, cid: ++this.commands & 0x3ff, nsid: 1, cdw12: sectors - 1 });
    const dataBytes = opcode === IoOpcode.vectorErase ? 0 : sectors * this.shape.secSizeBytes;
    this.tick(10 + this.random() * 60);
    this.sink.command({
      queueId: 1,
      sqe,
      dw0: failure.status === 0 ? 0 : 1,
      dw1: 0,
      dataBytes,
      latencyUs,
      addresses: runs,
      pages: Array.from({ length: Math.min(64, dataBytes / 4096) }, (_, i) => 0x100_0000 + i * 4096),
      ...failure,
    });
  }
}
