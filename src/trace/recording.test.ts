import { describe, expect, it } from 'vitest';
import { pack } from '../spec/layout.ts';
import { submissionEntry } from '../spec/entries.ts';
import { FakePblk } from '../ui/dev/fake-trace.ts';
import { TraceError } from './bytes.ts';
import { TraceEncoder } from './encode.ts';
import { packModel, unpackModel } from './model-state.ts';
import { TraceModel } from './model.ts';
import { Lba, tee, type TraceShape, type TraceSink } from './record.ts';
import { Recording, sinkOf } from './recording.ts';

const SHAPE: TraceShape = {
  kind: 'ocssd12',
  numCh: 2,
  numLun: 2,
  numPln: 2,
  numChk: 12,
  numPg: 16,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};
const SHAPE20: TraceShape = { ...SHAPE, kind: 'ocssd20', numPln: 1, secsPerPg: 1, numPg: 96, wsOpt: 24 };

/** Repeatable randomness: mulberry32. */
function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Records of all kinds, sense and nonsense: writes at write pointers, books of targets, reads of them, entries. */
class Noise {
  private timeUs = 5_000_000;
  private readonly shape: TraceShape;
  private readonly sink: TraceSink;
  private readonly random: () => number;
  private readonly written: Uint32Array;
  private readonly secsPerBlk: number;

  constructor(shape: TraceShape, sink: TraceSink, random: () => number) {
    this.shape = shape;
    this.sink = sink;
    this.random = random;
    this.secsPerBlk = shape.numPg * shape.secsPerPg;
    this.written = new Uint32Array(shape.numCh * shape.numLun * shape.numPln * shape.numChk);
  }

  private pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  step(): void {
    this.timeUs += this.pick(3) * this.pick(20_000);
    this.sink.at(this.timeUs);
    const block = this.pick(this.written.length);
    const written = this.written[block] as number;
    const dice = this.random();
    if (dice < 0.45) {
      const secs = Math.min(this.secsPerBlk - written, 1 + this.pick(16));
      if (secs > 0) this.sink.write(block, written, secs, this.lbas(secs), this.same(secs));
      else this.erase(block);
      if (secs > 0) this.written[block] = written + secs;
    } else if (dice < 0.6) this.sink.command(this.command());
    else if (dice < 0.66) this.erase(block);
    else if (dice < 0.75) this.sink.learn(block, 0, Math.max(1, written), this.lbas(Math.max(1, written)));
    else if (dice < 0.9)
      this.sink.content(block, this.pick(this.secsPerBlk), this.books(block), this.random() < 0.7);
    else if (dice < 0.94) {
      const now = this.pick(this.secsPerBlk + 1);
      this.written[block] = now;
      this.sink.entry(block, [1, 2, 4, 8][this.pick(4)] as number, now, this.pick(9));
    } else if (dice < 0.96) this.sink.power(this.random() < 0.5 ? 'on' : 'off');
    else if (dice < 0.98) this.sink.mark(`mark ${this.pick(100)} ✓`);
    else this.sink.guest({ kind: 'lost', atMs: this.timeUs / 1000, events: 3 });
  }

  private erase(block: number): void {
    this.written[block] = 0;
    this.sink.erase(block);
  }

  private lbas(secs: number): Uint32Array {
    const from = this.pick(2000);
    return Uint32Array.from({ length: secs }, (_, i) => {
      const dice = this.random();
      return dice < 0.8 ? from + i : dice < 0.9 ? Lba.empty : dice < 0.97 ? this.pick(5000) : Lba.unknown;
    });
  }

  private same(secs: number): Uint8Array {
    return Uint8Array.from({ length: secs }, () => this.pick(2));
  }

  private command() {
    const opcode = [0x90, 0x91, 0x92, 0x92, 0x02, 0x09][this.pick(6)] as number;
    const addresses = Array.from({ length: this.pick(5) }, () => ({
      block: this.pick(this.written.length + 1) - 1,
      sec: this.pick(this.secsPerBlk),
      count: 1 + this.pick(4),
    }));
    const failed = this.random() < 0.1;
    return {
      queueId: this.pick(3),
      sqe: pack(submissionEntry, {
        opcode,
        cid: this.pick(1000),
        nsid: 1,
        cdw10: this.pick(1e9),
        prp1: this.pick(1e9),
      }),
      status: failed ? 0x42ff : 0,
      dw0: this.pick(2 ** 32),
      dw1: this.pick(2),
      dataBytes: this.pick(64) * 4096,
      latencyUs: this.pick(5000),
      addresses,
      rule: failed ? 'range' : '',
      why: failed ? 'because' : '',
      pages: Array.from({ length: this.pick(6) }, () => this.pick(2 ** 20) * 4096),
    };
  }

  private books(block: number): Uint8Array {
    const { shape } = this;
    const bytes = new Uint8Array(shape.secSizeBytes);
    if (this.random() < 0.2) return bytes.map(() => this.pick(256));
    const view = new DataView(bytes.buffer);
    view.setUint32(4, 0x70626c6b, true);
    bytes.fill(1 + this.pick(2), 8, 24);
    view.setUint16(24, 2, true);
    view.setUint32(28, Math.floor(block / (shape.numCh * shape.numLun * shape.numPln)), true);
    view.setUint32(40, this.pick(50), true);
    view.setUint32(48, [1, 2, 4][this.pick(3)] as number, true);
    view.setUint32(64, this.pick(400), true);
    return bytes;
  }
}

interface Source {
  step(): void;
}

/** Plays a source, in segments of random length, into a recording, and into a model directly; states by record. */
function record(
  shape: TraceShape,
  make: (sink: TraceSink, random: () => number) => Source,
  seed: number,
  steps: number,
  budgetBytes?: number,
) {
  const random = seeded(seed);
  const encoder = new TraceEncoder();
  const direct = new TraceModel(shape);
  const states = new Map<number, Uint8Array>();
  const byCommand = new Map<number, Uint8Array>();
  let last = packModel(direct);
  states.set(0, last);
  byCommand.set(0, last);
  const sink = tee(encoder, direct);
  /** The state after a record is known when the next one begins. */
  const note = () => {
    last = packModel(direct);
    states.set(direct.records, last);
    if (!byCommand.has(direct.commands)) byCommand.set(direct.commands, last);
  };
  const watched: TraceSink = {
    ...sink,
    at: (us) => {
      note();
      sink.at(us);
    },
  };
  const recording = new Recording(new TraceModel(shape), budgetBytes);
  const source = make(watched, random);
  for (let i = 0; i < steps; i++) {
    source.step();
    if (random() < 0.05) {
      const segment = encoder.take();
      if (segment) recording.add(segment);
    }
  }
  note();
  const segment = encoder.take();
  if (segment) recording.add(segment);
  return { recording, direct, states, byCommand, random };
}

const same = (a: Uint8Array, b: Uint8Array | undefined) => b !== undefined && Buffer.from(a).equals(b);

const sources = [
  {
    name: 'noise, 1.2',
    shape: SHAPE,
    steps: 250,
    make: (s: TraceSink, r: () => number) => new Noise(SHAPE, s, r),
  },
  {
    name: 'noise, 2.0',
    shape: SHAPE20,
    steps: 250,
    make: (s: TraceSink, r: () => number) => new Noise(SHAPE20, s, r),
  },
  {
    name: 'a target with garbage collection',
    shape: SHAPE,
    steps: 80,
    make: (s: TraceSink, random: () => number) => new FakePblk(SHAPE, s, { random, lines: 4, luns: 4 }),
  },
];

describe.each(sources)('a recording of $name', { timeout: 120_000 }, ({ shape, make, steps }) => {
  it.each([1, 2])('is the device at any record, command and time (seed %i)', (seed) => {
    const { recording, direct, states, byCommand, random } = record(shape, make, seed, steps);
    expect(recording.head.records).toBe(direct.records);
    expect(same(packModel(recording.head), packModel(direct))).toBe(true);
    for (let i = 0; i < 60; i++) {
      const at = Math.floor(random() * (direct.records + 1));
      const { model } = recording.seekRecord(at);
      expect(model.records).toBe(at);
      expect(same(packModel(model), states.get(at))).toBe(true);
      const then = recording.seekTime(model.nowUs).model;
      expect(then.nowUs).toBe(model.nowUs);
      expect(same(packModel(then), states.get(then.records))).toBe(true);
    }
    for (let i = 0; i < 30; i++) {
      const command = Math.floor(random() * (direct.commands + 1));
      expect(same(packModel(recording.seekCommand(command).model), byCommand.get(command))).toBe(true);
    }
  });

  it('steps forward and back, and a cursor goes on as the device does', () => {
    const { recording, byCommand, direct } = record(shape, make, 9, steps);
    const middle = Math.floor(direct.commands / 2);
    const cursor = recording.seekCommand(middle);
    for (const command of [middle + 1, middle + 2, middle + 7])
      expect(same(packModel(cursor.toCommand(command).model), byCommand.get(command))).toBe(true);
    for (let command = middle; command > middle - 5; command--)
      expect(same(packModel(recording.seekCommand(command).model), byCommand.get(command))).toBe(true);
    // Looking at the past has changed nothing of the present.
    expect(same(packModel(recording.head), packModel(direct))).toBe(true);
    expect(same(packModel(cursor.toRecord(Infinity).model), packModel(direct))).toBe(true);
  });

  it('survives packing', () => {
    const { direct } = record(shape, make, 5, steps);
    const packed = packModel(direct);
    const again = unpackModel(packed);
    expect(same(packModel(again), packed)).toBe(true);
    expect(again.freeBlocks).toBe(direct.freeBlocks);
  });

  it('lists its commands with their numbers', () => {
    const { recording, direct } = record(shape, make, 6, steps);
    const all = recording.commands(1, Infinity);
    expect(all.map(({ number }) => number)).toEqual(Array.from({ length: direct.commands }, (_, i) => i + 1));
    const middle = Math.floor(direct.commands / 2);
    expect(recording.commands(middle, middle + 3)).toEqual(all.slice(middle - 1, middle + 3));
  });

  it('drops the oldest when its budget is used up, and stays exact', () => {
    const { recording, direct, states } = record(shape, make, 7, steps * 2, 40_000);
    for (let at = recording.start.record; at <= direct.records; at += 211)
      expect(same(packModel(recording.seekRecord(at).model), states.get(at))).toBe(true);
  });
});

describe('a recording', () => {
  /** Segments of a busy target. */
  function busy(shape: TraceShape, budgetBytes?: number, seconds = 60) {
    const encoder = new TraceEncoder();
    const source = new FakePblk(shape, encoder, { random: seeded(3), lines: 6, luns: 4 });
    source.bytesPerSecond = 6 * 2 ** 20;
    const recording = new Recording(new TraceModel(shape), budgetBytes);
    const feed = (untilUs: number) => {
      while (source.timeUs < untilUs) {
        source.runTo(source.timeUs + 16_000);
        const segment = encoder.take();
        if (segment) recording.add(segment);
      }
    };
    feed(seconds * 1e6);
    return { recording, encoder, source, feed };
  }

  it('keeps within its budget', () => {
    const { recording, feed } = busy(SHAPE, 250_000);
    expect(recording.start.record).toBeGreaterThan(0);
    expect(recording.keptBytes).toBeLessThanOrEqual(250_000);
    // A cursor whose place is dropped goes on at what is there.
    const cursor = recording.seekTime(recording.start.timeUs);
    feed(100e6);
    expect(recording.keptBytes).toBeLessThanOrEqual(250_000);
    expect(cursor.model.records).toBeLessThan(recording.start.record);
    cursor.toTime(Infinity);
    expect(same(packModel(cursor.model), packModel(recording.head))).toBe(true);
  });

  it('goes on after a gap with another state of the device', () => {
    const { recording, source, encoder, feed } = busy(SHAPE, undefined, 10);
    const before = packModel(recording.head);
    const { records } = recording.head;
    source.runTo(12e6);
    encoder.drop();
    const elsewhere = new TraceModel(SHAPE);
    elsewhere.at(12e6);
    elsewhere.erase(3);
    const restart = unpackModel(packModel(elsewhere));
    recording.restart(restart, '');
    feed(20e6);
    expect(recording.marks.filter(({ kind }) => kind === 'gap')).toHaveLength(1);
    expect(same(packModel(recording.seekRecord(records).model), before)).toBe(true);
    expect(same(packModel(recording.seekTime(9e6).model), packModel(recording.seekTime(11e6).model))).toBe(
      false,
    );
    const after = recording.seekRecord(records + 1).model;
    expect(after.eraseCount[3]).toBe(1);
    expect(same(packModel(recording.seekTime(9e6).toTime(Infinity).model), packModel(recording.head))).toBe(
      true,
    );
  });

  it('keeps nothing of a segment that is none', () => {
    const { recording, encoder, source } = busy(SHAPE, undefined, 6);
    const before = packModel(recording.head);
    const marks = recording.marks.length;
    source.power('off');
    source.runTo(7e6);
    const segment = encoder.take();
    if (!segment) throw new Error('nothing was recorded');
    const broken = { ...segment, bytes: segment.bytes.slice(0, segment.bytes.length - 3) };
    expect(() => recording.add(broken)).toThrow(TraceError);
    expect(same(packModel(recording.head), before)).toBe(true);
    expect(recording.marks.length).toBe(marks);
    recording.add(segment);
    expect(recording.head.records).toBe(recording.end.record);
    expect(recording.marks.at(-1)?.kind).toBe('off');
  });

  it('plays what is between two times', () => {
    const { recording } = busy(SHAPE, undefined, 8);
    let commands = 0;
    let [first, last] = [Infinity, 0];
    let timeUs = 0;
    const counter = sinkOf({
      at: (us) => (timeUs = us),
      command: () => {
        commands++;
        first = Math.min(first, timeUs);
        last = Math.max(last, timeUs);
      },
    });
    recording.playBetween(3e6, 5e6, counter);
    const there = recording.commands(1, Infinity).filter(({ timeUs: us }) => us >= 3e6 && us <= 5e6);
    expect(commands).toBe(there.length);
    expect(first).toBeGreaterThanOrEqual(3e6);
    expect(last).toBeLessThanOrEqual(5e6);
  });

  it('sets marks in the past in their order', () => {
    const { recording } = busy(SHAPE, undefined, 4);
    recording.addMark('later', { timeUs: 3e6, command: 4, record: 0 });
    recording.addMark('earlier', { timeUs: 2e6, command: 2, record: 0 });
    recording.addMark('now');
    expect(recording.marks.map(({ text }) => text)).toEqual(['earlier', 'later', 'now']);
  });

  it('takes fewer snapshots where they are large, and seeks are exact all the same', () => {
    const large: TraceShape = { ...SHAPE, numChk: 2000 };
    const { recording } = busy(large, 3_000_000, 60);
    const { base, segments } = recording.contents();
    expect(segments.length).toBeGreaterThan(10);
    expect(base.records).toBe(recording.start.record);
    const { model } = recording.seekRecord(recording.end.record);
    expect(same(packModel(model), packModel(recording.head))).toBe(true);
  });
});
