import { ByteReader, ByteWriter, TraceError } from './bytes.ts';
import type { GuestBio, GuestEvent } from './guest-event.ts';
import { type AddressRun, type CommandRecord, Lba, type PowerMark, type TraceSink } from './record.ts';

/**
 * Records as bytes. A record is its type, the microseconds since the record before it, and its parts as
 * variable-length numbers; a 64 KiB write of pblk takes about 100 bytes.
 */
const RecordType = {
  command: 1,
  write: 2,
  erase: 3,
  entry: 4,
  content: 5,
  learn: 6,
  guest: 7,
  power: 8,
  mark: 9,
  /** Since version 2 of the file: of all that a guest tells these are the most. */
  bio: 10,
  /** Since version 3: a vector copy; a command, and behind it where it read. */
  copy: 11,
} as const;

const SQE_DWORDS = 16;
/** Vector commands have 64 addresses, plain ones 65,536 blocks: nothing has longer lists than this. */
const MAX_LIST = 1 << 17;

/** A stretch of a recording, with what is needed to find one's way. */
export interface Segment {
  readonly bytes: Uint8Array;
  /** Records in it. */
  readonly records: number;
  /** Commands among them. */
  readonly commands: number;
  /** Times of the first and of the last record. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** Writes records into segments. */
export class TraceEncoder implements TraceSink {
  private readonly out = new ByteWriter();
  private nowUs = 0;
  private lastUs = 0;
  private fromUs = 0;
  private records = 0;
  private commands = 0;

  /** Bytes since the last {@link take}. */
  get length(): number {
    return this.out.length;
  }

  /** What was recorded since the last call; undefined if nothing was. */
  take(): Segment | undefined {
    if (this.records === 0) return undefined;
    const { records, commands, fromUs, lastUs: toUs } = this;
    const segment = { bytes: this.out.take(), records, commands, fromUs, toUs };
    this.records = this.commands = 0;
    return segment;
  }

  /** Forgets what was not taken. */
  drop(): void {
    this.out.clear();
    this.records = this.commands = 0;
  }

  at(timeUs: number): void {
    // A clock that goes back would make times before the segment's own.
    if (timeUs > this.nowUs) this.nowUs = Math.floor(timeUs);
  }

  private begin(type: number): void {
    if (this.records === 0) this.fromUs = this.lastUs = this.nowUs;
    this.records++;
    this.out.u8(type);
    this.out.varint(this.nowUs - this.lastUs);
    this.lastUs = this.nowUs;
  }

  command(record: CommandRecord): void {
    this.begin(record.sources ? RecordType.copy : RecordType.command);
    this.commands++;
    const { out } = this;
    out.varint(record.queueId);
    this.sqe(record.sqe);
    out.varint(record.status);
    out.varint(record.dw0);
    out.varint(record.dw1);
    out.varint(record.dataBytes);
    out.varint(Math.max(0, Math.round(record.latencyUs)));
    this.runs(record.addresses);
    out.text(record.rule);
    if (record.rule !== '') out.text(record.why);
    this.pages(record.pages);
    if (record.sources) this.runs(record.sources);
  }

  private runs(runs: readonly AddressRun[]): void {
    const { out } = this;
    out.varint(runs.length);
    for (const { block, sec, count } of runs) {
      out.varint(block + 1);
      out.varint(sec);
      out.varint(count);
    }
  }

  /** Most of the 64 bytes are zeros: a bit for each doubleword that is not. */
  private sqe(sqe: Uint8Array): void {
    const { out } = this;
    let present = 0;
    for (let i = 0; i < SQE_DWORDS; i++) {
      const at = i * 4;
      if (sqe[at] || sqe[at + 1] || sqe[at + 2] || sqe[at + 3]) present |= 1 << i;
    }
    out.u8(present);
    out.u8(present >>> 8);
    for (let i = 0; i < SQE_DWORDS; i++) if (present & (1 << i)) out.four(sqe, i * 4);
  }

  /** Buffers are often in neighbouring pages: each as the distance from where the page before ended. */
  private pages(pages: readonly number[]): void {
    const { out } = this;
    out.varint(pages.length);
    let expected = 0;
    for (const page of pages) {
      out.zigzag(page - expected);
      expected = page - (page % 4096) + 4096;
    }
  }

  write(block: number, sec: number, secs: number, lbas: Uint32Array, same: Uint8Array): void {
    this.begin(RecordType.write);
    this.sectors(block, sec, secs, lbas);
    for (let i = 0; i < secs; i += 8) {
      let bits = 0;
      for (let bit = 0; bit < 8 && i + bit < secs; bit++) if (same[i + bit]) bits |= 1 << bit;
      this.out.u8(bits);
    }
  }

  learn(block: number, sec: number, secs: number, lbas: Uint32Array): void {
    this.begin(RecordType.learn);
    this.sectors(block, sec, secs, lbas);
  }

  private sectors(block: number, sec: number, secs: number, lbas: Uint32Array): void {
    const { out } = this;
    out.varint(block);
    out.varint(sec);
    out.varint(secs);
    // Sequential writes count upwards: each address as its distance from one more than the one before.
    let expected = 0;
    for (let i = 0; i < secs; i++) {
      const lba = lbas[i] ?? Lba.unknown;
      out.zigzag(lba - expected);
      expected = lba < Lba.empty ? lba + 1 : lba;
    }
  }

  content(block: number, sec: number, bytes: Uint8Array, isNew: boolean): void {
    this.begin(RecordType.content);
    this.out.varint(block);
    this.out.varint(sec);
    this.out.u8(isNew ? 1 : 0);
    // Books are mostly short: zeros at the end are left out.
    let used = bytes.length;
    while (used > 0 && bytes[used - 1] === 0) used--;
    this.out.varint(bytes.length);
    this.out.varint(used);
    this.out.raw(bytes.subarray(0, used));
  }

  erase(block: number): void {
    this.begin(RecordType.erase);
    this.out.varint(block);
  }

  entry(block: number, state: number, writtenSecs: number, eraseCount: number): void {
    this.begin(RecordType.entry);
    this.out.varint(block);
    this.out.u8(state);
    this.out.varint(writtenSecs);
    this.out.varint(eraseCount);
  }

  guest(event: GuestEvent): void {
    if (event.kind === 'bio' && isCounted(event)) {
      this.bio(event);
      return;
    }
    this.begin(RecordType.guest);
    this.out.text(JSON.stringify(event));
  }

  private bio({ atMs, pid, comm, dev, sector, sectors, rwbs }: GuestBio): void {
    const { out } = this;
    this.begin(RecordType.bio);
    out.f64(atMs);
    out.varint(pid);
    out.text(comm);
    out.varint(dev.major);
    out.varint(dev.minor);
    out.varint(sector);
    out.varint(sectors);
    out.text(rwbs);
  }

  power(mark: PowerMark): void {
    this.begin(RecordType.power);
    this.out.u8(mark === 'on' ? 1 : 0);
  }

  mark(text: string): void {
    this.begin(RecordType.mark);
    this.out.text(text);
  }
}

/** Reads records out of a segment, one at a time. Throws a TraceError for what is no recording. */
export class TraceDecoder {
  /** The time of the record that was handed out last. */
  timeUs: number;
  /** Records handed out. */
  records = 0;
  private readonly reader: ByteReader;
  private lbas = new Uint32Array(256);
  private same = new Uint8Array(256);

  constructor(segment: Segment) {
    this.reader = new ByteReader(segment.bytes);
    this.timeUs = segment.fromUs;
  }

  get atEnd(): boolean {
    return this.reader.atEnd;
  }

  /** The time of the next record, which is not handed out yet; Infinity at the end. */
  get nextTimeUs(): number {
    const { reader } = this;
    if (reader.atEnd) return Infinity;
    const { at } = reader;
    reader.u8();
    const time = this.timeUs + reader.varint();
    reader.at = at;
    return time;
  }

  /** The next record is a command. */
  get nextIsCommand(): boolean {
    const { reader } = this;
    if (reader.atEnd) return false;
    const type = reader.u8();
    reader.at--;
    return type === RecordType.command || type === RecordType.copy;
  }

  /** Hands the next record out; false at the end. */
  next(sink: TraceSink): boolean {
    const { reader } = this;
    if (reader.atEnd) return false;
    const type = reader.u8();
    this.timeUs += reader.varint();
    this.records++;
    sink.at(this.timeUs);
    switch (type) {
      case RecordType.command:
        sink.command(this.readCommand());
        return true;
      case RecordType.copy:
        sink.command({ ...this.readCommand(), sources: this.readRuns() });
        return true;
      case RecordType.write:
      case RecordType.learn: {
        const block = reader.varint();
        const sec = reader.varint();
        const lbas = this.readLbas(reader.varint());
        if (type === RecordType.write) sink.write(block, sec, lbas.length, lbas, this.readSame(lbas.length));
        else sink.learn(block, sec, lbas.length, lbas);
        return true;
      }
      case RecordType.erase:
        sink.erase(reader.varint());
        return true;
      case RecordType.entry:
        sink.entry(reader.varint(), reader.u8(), reader.varint(), reader.varint());
        return true;
      case RecordType.content: {
        const block = reader.varint();
        const sec = reader.varint();
        const isNew = reader.u8() === 1;
        const bytes = new Uint8Array(limited(reader.varint()));
        const used = reader.varint();
        if (used > bytes.length) throw new TraceError('The recording holds a sector that is too long.');
        bytes.set(reader.raw(used));
        sink.content(block, sec, bytes, isNew);
        return true;
      }
      case RecordType.guest:
        sink.guest(parseGuest(reader.text()));
        return true;
      case RecordType.bio:
        sink.guest(this.readBio());
        return true;
      case RecordType.power:
        sink.power(reader.u8() === 1 ? 'on' : 'off');
        return true;
      case RecordType.mark:
        sink.mark(reader.text());
        return true;
      default:
        throw new TraceError(`The recording holds a record of an unknown type, ${type}.`);
    }
  }

  private readCommand(): CommandRecord {
    const { reader } = this;
    const queueId = reader.varint();
    const sqe = new Uint8Array(SQE_DWORDS * 4);
    const present = reader.u8() | (reader.u8() << 8);
    for (let i = 0; i < SQE_DWORDS; i++) if (present & (1 << i)) sqe.set(reader.raw(4), i * 4);
    const status = reader.varint();
    const dw0 = reader.varint();
    const dw1 = reader.varint();
    const dataBytes = reader.varint();
    const latencyUs = reader.varint();
    const addresses = this.readRuns();
    const rule = reader.text();
    const why = rule === '' ? '' : reader.text();
    const pages: number[] = [];
    let expected = 0;
    for (let left = limited(reader.varint()); left > 0; left--) {
      const page = expected + reader.zigzag();
      pages.push(page);
      expected = page - (page % 4096) + 4096;
    }
    return { queueId, sqe, status, dw0, dw1, dataBytes, latencyUs, addresses, rule, why, pages };
  }

  private readRuns(): AddressRun[] {
    const { reader } = this;
    const runs: AddressRun[] = [];
    for (let left = limited(reader.varint()); left > 0; left--)
      runs.push({ block: reader.varint() - 1, sec: reader.varint(), count: reader.varint() });
    return runs;
  }

  private readBio(): GuestBio {
    const { reader } = this;
    return {
      kind: 'bio',
      atMs: reader.f64(),
      pid: reader.varint(),
      comm: reader.text(),
      dev: { major: reader.varint(), minor: reader.varint() },
      sector: reader.varint(),
      sectors: reader.varint(),
      rwbs: reader.text(),
    };
  }

  private readSame(secs: number): Uint8Array {
    if (secs > this.same.length) this.same = new Uint8Array(secs);
    let bits = 0;
    for (let i = 0; i < secs; i++) {
      if (i % 8 === 0) bits = this.reader.u8();
      this.same[i] = (bits >>> (i % 8)) & 1;
    }
    return this.same;
  }

  /** Borrowed until the next record. */
  private readLbas(secs: number): Uint32Array {
    if (limited(secs) > this.lbas.length) this.lbas = new Uint32Array(secs);
    let expected = 0;
    for (let i = 0; i < secs; i++) {
      const lba = expected + this.reader.zigzag();
      this.lbas[i] = lba;
      expected = lba < Lba.empty ? lba + 1 : lba;
    }
    return this.lbas.subarray(0, secs);
  }
}

function limited(count: number): number {
  if (count > MAX_LIST) throw new TraceError('The recording holds a list that is too long.');
  return count;
}

/** Its numbers fit: a guest may tell anything. */
function isCounted({ pid, dev, sector, sectors }: GuestBio): boolean {
  return [pid, dev.major, dev.minor, sector, sectors].every((n) => Number.isSafeInteger(n) && n >= 0);
}

function parseGuest(text: string): GuestEvent {
  try {
    const event: unknown = JSON.parse(text);
    if (typeof event === 'object' && event !== null && 'kind' in event && 'atMs' in event)
      return event as GuestEvent;
  } catch {
    // Said below.
  }
  throw new TraceError('The recording holds an event of the guest that cannot be read.');
}
