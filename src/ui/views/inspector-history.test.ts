import { expect, it } from 'vitest';
import { submissionEntry } from '../../spec/entries.ts';
import { pack } from '../../spec/layout.ts';
import { IoOpcode } from '../../spec/opcodes.ts';
import { TraceEncoder } from '../../trace/encode.ts';
import { TraceModel } from '../../trace/model.ts';
import { type AddressRun, Lba, type TraceShape } from '../../trace/record.ts';
import { Recording } from '../../trace/recording.ts';
import { SectorHistory } from './inspector-history.ts';

const shape: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 1,
  numPln: 2,
  numChk: 4,
  numPg: 4,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 8,
};

class Tape {
  readonly recording = new Recording(new TraceModel(shape));
  private readonly encoder = new TraceEncoder();
  private timeUs = 0;

  private next(): TraceEncoder {
    this.encoder.at((this.timeUs += 10));
    return this.encoder;
  }

  command(opcode: number, ...addresses: AddressRun[]): void {
    this.ended(opcode, { addresses });
  }

  copy(from: AddressRun, to: AddressRun): void {
    this.ended(IoOpcode.vectorCopy, { addresses: [to], sources: [from] });
  }

  private ended(opcode: number, runs: { addresses: AddressRun[]; sources?: AddressRun[] }): void {
    this.next().command({
      queueId: 1,
      sqe: pack(submissionEntry, { opcode }),
      status: 0,
      dw0: 0,
      dw1: 0,
      dataBytes: 0,
      latencyUs: 5,
      ...runs,
      rule: '',
      why: '',
      pages: [],
    });
  }

  write(block: number, sec: number, ...lbas: number[]): void {
    this.next().write(block, sec, lbas.length, Uint32Array.from(lbas), new Uint8Array(lbas.length));
  }

  erase(block: number): void {
    this.next().erase(block);
  }

  /** Closes a segment. */
  cut(): void {
    const segment = this.encoder.take();
    if (segment) this.recording.add(segment);
  }
}

it('tells what happened to one sector, and by which commands', () => {
  const tape = new Tape();
  tape.erase(3);
  tape.command(IoOpcode.vectorErase, { block: 2, sec: 0, count: 1 });
  tape.write(3, 0, 70, 71, 72, 73);
  tape.cut();
  tape.command(IoOpcode.vectorRead, { block: 2, sec: 0, count: 8 });
  tape.command(IoOpcode.vectorWrite, { block: 3, sec: 0, count: 4 });
  tape.command(IoOpcode.vectorRead, { block: 3, sec: 1, count: 2 });
  tape.cut();
  const history = new SectorHistory(tape.recording, 3, 2);
  while (history.advance(1)) {
    // On to the end.
  }
  const seen = () => history.entries.map(({ kind, command, lba }) => [kind, command, lba]);
  expect(seen()).toEqual([
    ['erase', 1, undefined],
    ['write', 3, 72],
    ['read', 4, undefined],
  ]);

  // It goes on as more is recorded.
  tape.write(3, 2, Lba.empty);
  tape.command(IoOpcode.vectorWrite, { block: 3, sec: 2, count: 1 });
  tape.cut();
  while (history.advance(1)) {
    // On to the end.
  }
  expect(seen().slice(3)).toEqual([['write', 5, undefined]]);
  expect(history.progress).toBe(1);
});

it('a copy reads a sector, and writes another', () => {
  const tape = new Tape();
  tape.write(2, 0, 70);
  tape.copy({ block: 3, sec: 1, count: 2 }, { block: 2, sec: 0, count: 2 });
  tape.cut();
  const entries = (block: number, sec: number) => {
    const history = new SectorHistory(tape.recording, block, sec);
    while (history.advance(1)) {
      // On to the end.
    }
    return history.entries.map(({ kind, command }) => [kind, command]);
  };
  expect(entries(3, 2)).toEqual([['read', 1]]);
  expect(entries(2, 0)).toEqual([['write', 1]]);
  expect(entries(3, 0)).toEqual([]);
});

it('stops when its time is up', () => {
  const tape = new Tape();
  for (let i = 0; i < 3000; i++) tape.command(IoOpcode.vectorRead, { block: 0, sec: 0, count: 1 });
  tape.cut();
  const history = new SectorHistory(tape.recording, 0, 0);
  let clock = 0;
  expect(history.advance(0.5, () => clock++)).toBe(true);
  expect(history.progress).toBeLessThan(1);
  while (history.advance(5)) {
    // On to the end.
  }
  expect(history.entries).toHaveLength(500);
  expect(history.dropped).toBe(2500);
});
