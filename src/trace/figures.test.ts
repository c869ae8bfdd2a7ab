import { describe, expect, it } from 'vitest';
import { TraceEncoder } from './encode.ts';
import { figuresOf, findFirstWrite, findPowerOn } from './figures.ts';
import { packModel, unpackModel } from './model-state.ts';
import { TraceModel } from './model.ts';
import { tee, type TraceShape } from './record.ts';
import { Recording } from './recording.ts';
import { LineWriter, SHAPE } from './test-line.ts';

/** A recording of a line that is opened, padded, written, closed and erased; with the times of it. */
function recorded() {
  const head = new TraceModel(SHAPE);
  const recording = new Recording(new TraceModel(SHAPE));
  const encoder = new TraceEncoder();
  const sink = tee(encoder, head);
  sink.at(500);
  sink.power('on');
  const writer = new LineWriter(sink, head);
  writer.open(0);
  writer.write([null, null, null, null]);
  const beforeUs = writer.timeUs;
  writer.write([1, 2, 3, 4]);
  const firstUs = writer.timeUs;
  writer.write([1, 2, null, null]);
  const middleUs = writer.timeUs;
  writer.close();
  writer.erase(0);
  const segment = encoder.take();
  if (segment) recording.add(segment);
  return { recording, beforeUs, firstUs, middleUs };
}

describe('figures of a device', () => {
  it('counts by what sectors were written for, and chunks by state', () => {
    const { recording, middleUs } = recorded();
    const then = figuresOf(recording.seekTime(middleUs).model);
    expect(then.timeUs).toBe(middleUs);
    expect(then.targets).toHaveLength(1);
    expect(then.targets[0]).toMatchObject({ userSecs: 6, gcSecs: 0, paddingSecs: 6 });
    expect(then.erases).toBe(0);
    const total = SHAPE.numLun * SHAPE.numChk;
    expect(then.chunks).toEqual({ free: total - 2, open: 2, closed: 0, offline: 0 });
    // Two LUNs, a chunk each.
    expect(figuresOf(recording.head).erases).toBe(2);
    expect(figuresOf(recording.head).chunks.free).toBe(total);
  });

  it('counts a chunk once, however many planes it has', () => {
    const shape: TraceShape = { ...SHAPE, numPln: 2 };
    const model = new TraceModel(shape);
    model.erase(0);
    model.erase(1);
    model.write(0, 0, 4, new Uint32Array(4), new Uint8Array(4));
    const { chunks, erases } = figuresOf(model);
    expect(erases).toBe(1);
    expect(chunks).toEqual({ free: SHAPE.numLun * SHAPE.numChk - 1, open: 1, closed: 0, offline: 0 });
  });

  it('knows no chunks of a plain disk', () => {
    const model = new TraceModel({ ...SHAPE, kind: 'plain', wsOpt: 0 });
    expect(figuresOf(model).chunks).toEqual({ free: 0, open: 0, closed: 0, offline: 0 });
  });
});

describe('moments to count from', () => {
  it('finds the first write of a user, to the record: not the head of a line, and no padding', () => {
    const { recording, beforeUs, firstUs } = recorded();
    expect(firstUs).toBeGreaterThan(beforeUs);
    expect(findFirstWrite(recording)?.timeUs).toBe(firstUs);
  });

  it('finds the write of a plain disk by its command', () => {
    const shape: TraceShape = { ...SHAPE, kind: 'plain', wsOpt: 0 };
    const encoder = new TraceEncoder();
    const send = (timeUs: number, opcode: number) => {
      encoder.at(timeUs);
      encoder.command({
        queueId: 1,
        sqe: Uint8Array.of(opcode, ...new Uint8Array(63)),
        status: 0,
        dw0: 0,
        dw1: 0,
        dataBytes: 4096,
        latencyUs: 5,
        addresses: [],
        rule: '',
        why: '',
        pages: [],
      });
    };
    send(1000, 0x02);
    send(2000, 0x01);
    send(3000, 0x01);
    const recording = new Recording(new TraceModel(shape));
    const segment = encoder.take();
    if (segment) recording.add(segment);
    expect(findFirstWrite(recording)).toEqual({ timeUs: 2000, command: 2 });
  });

  it('finds no write where there is none', () => {
    expect(findFirstWrite(new Recording(new TraceModel(SHAPE)))).toBeUndefined();
  });

  it('finds the last power-on, else the beginning', () => {
    const { recording } = recorded();
    expect(findPowerOn(recording)).toMatchObject({ timeUs: 500, command: 0 });
    expect(findPowerOn(new Recording(new TraceModel(SHAPE)))).toMatchObject({ timeUs: 0, command: 0 });
    const base = new TraceModel(SHAPE);
    base.at(300);
    base.power('on');
    const later = new Recording(base);
    const [segment] = recording.contents().segments;
    if (segment) later.add({ ...segment });
    expect(later.start.timeUs).toBe(500);
    // There is one among the records.
    expect(findPowerOn(later).timeUs).toBe(500);
  });

  it('finds the power-on of an older file, whose record is not kept any more, by its mark', () => {
    const recording = new Recording(new TraceModel(SHAPE));
    recording.marks.push({ timeUs: 40, command: 3, kind: 'on', text: '' });
    expect(findPowerOn(recording)).toMatchObject({ timeUs: 40, command: 3 });
  });

  it('finds a power-on that the page heard of long after it', () => {
    const device = new TraceModel(SHAPE);
    device.at(300);
    device.power('on');
    device.at(9000);
    const recording = new Recording(unpackModel(packModel(device)));
    expect([recording.began.timeUs, findPowerOn(recording)]).toEqual([9000, { timeUs: 300, command: 0 }]);
    expect(findPowerOn(new Recording(recording.head.snapshot())).timeUs).toBe(300);
  });
});
