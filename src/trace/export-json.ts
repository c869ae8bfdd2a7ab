import { fieldsOf, placeOf } from './export-fields.ts';
import { type AddressRun, type CommandRecord, Lba, type TraceShape, type TraceSink } from './record.ts';
import type { Recording } from './recording.ts';

/**
 * A recording as JSON, one object a line and a record: what is worth reading in a program. Yields the lines of
 * one stretch at a time, so that a long recording is never one string.
 */
export function* jsonLines(recording: Recording): Generator<string> {
  const { shape } = recording.head;
  const { start } = recording;
  let lines: string[] = [
    JSON.stringify({
      type: 'recording',
      startUs: start.timeUs,
      firstCommand: start.command + 1,
      device: shape,
    }),
  ];
  const writer = recordWriter(shape, start.command, (line) => lines.push(JSON.stringify(line)));
  const stretches = recording.play(writer);
  while (!stretches.next().done) {
    if (lines.length > 0) yield `${lines.join('\n')}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`;
}

function recordWriter(shape: TraceShape, command: number, out: (line: object) => void): TraceSink {
  let timeUs = 0;
  let number = command;
  const sectors = (type: string, block: number, sec: number, secs: number, lbas: Uint32Array) => ({
    type,
    timeUs,
    ...placeOf(shape, block, sec),
    secs,
    lbas: lbaList(lbas, secs),
  });
  return {
    at: (us) => (timeUs = us),
    command: (record) => out({ type: 'command', number: ++number, timeUs, ...commandLine(shape, record) }),
    write: (block, sec, secs, lbas, same) =>
      out({
        ...sectors('write', block, sec, secs, lbas),
        /** Indices of the sectors whose data is what the newest copy of the logical block held. */
        same: [...lbas.subarray(0, secs).keys()].filter((i) => same[i] === 1),
      }),
    learn: (block, sec, secs, lbas) => out(sectors('learn', block, sec, secs, lbas)),
    content: (block, sec, bytes, isNew) =>
      out({ type: 'content', timeUs, ...placeOf(shape, block, sec), isNew, hex: hex(trimmed(bytes)) }),
    erase: (block) => out({ type: 'erase', timeUs, ...placeOf(shape, block, 0) }),
    entry: (block, state, writtenSecs, eraseCount) =>
      out({ type: 'entry', timeUs, ...placeOf(shape, block, 0), state, writtenSecs, eraseCount }),
    guest: (event) => out({ type: 'guest', timeUs, event }),
    power: (mark) => out({ type: 'power', timeUs, power: mark }),
    mark: (text) => out({ type: 'mark', timeUs, text }),
  };
}

function commandLine(shape: TraceShape, record: CommandRecord): object {
  const { queueId, sqe, status, dw0, dw1, dataBytes, latencyUs, addresses, sources, rule, why } = record;
  const places = (runs: readonly AddressRun[]) =>
    runs.map((run) => ({ ...placeOf(shape, run.block, run.sec), count: run.count }));
  return {
    queueId,
    ...fieldsOf(record),
    status,
    dw0,
    dw1,
    dataBytes,
    latencyUs,
    addresses: places(addresses),
    ...(sources && { sources: places(sources) }),
    ...(rule !== '' && { rule, why }),
    sqe: hex(sqe),
  };
}

/** Logical addresses; null for padding and what pblk keeps for itself, 'unknown' without out-of-band bytes. */
function lbaList(lbas: Uint32Array, secs: number): (number | null | 'unknown')[] {
  return Array.from(lbas.subarray(0, secs), (lba) =>
    lba === Lba.empty ? null : lba === Lba.unknown ? 'unknown' : lba,
  );
}

/** Zeros at the end are left out. */
function trimmed(bytes: Uint8Array): Uint8Array {
  let used = bytes.length;
  while (used > 0 && bytes[used - 1] === 0) used--;
  return bytes.subarray(0, used);
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
