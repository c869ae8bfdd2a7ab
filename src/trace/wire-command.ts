import { submissionEntry } from '../spec/entries.ts';
import { unpack } from '../spec/layout.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import type { CommandRecord } from './record.ts';

/** What sort of thing a command does, for those who count and draw. */
export type CommandKind =
  | 'admin'
  | 'read'
  | 'write'
  | 'flush'
  | 'discard'
  | 'vectorRead'
  | 'vectorWrite'
  | 'vectorErase'
  | 'vectorCopy'
  | 'other';

export interface WireCommand {
  readonly kind: CommandKind;
  readonly opcode: number;
  readonly cid: number;
  readonly nsid: number;
}

const kinds: ReadonlyMap<number, CommandKind> = new Map([
  [IoOpcode.read, 'read'],
  [IoOpcode.write, 'write'],
  [IoOpcode.flush, 'flush'],
  [IoOpcode.datasetManagement, 'discard'],
  [IoOpcode.vectorRead, 'vectorRead'],
  [IoOpcode.vectorWrite, 'vectorWrite'],
  [IoOpcode.vectorErase, 'vectorErase'],
  [IoOpcode.vectorCopy, 'vectorCopy'],
]);

const f = submissionEntry.fields;

/** By the opcode's byte alone: it is asked of every record that is played. */
export function kindOf({ queueId, sqe }: CommandRecord): CommandKind {
  return queueId === 0 ? 'admin' : (kinds.get(sqe[f.opcode.offset] ?? 0) ?? 'other');
}

/** The fields of a recorded command that everybody asks for. */
export function readCommand(record: CommandRecord): WireCommand {
  const { sqe } = record;
  return {
    kind: kindOf(record),
    opcode: unpack(f.opcode, sqe),
    cid: unpack(f.cid, sqe),
    nsid: unpack(f.nsid, sqe),
  };
}
