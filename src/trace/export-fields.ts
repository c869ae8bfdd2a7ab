import { submissionEntry } from '../spec/entries.ts';
import { unpack } from '../spec/layout.ts';
import { IoOpcode, opcodeName } from '../spec/opcodes.ts';
import { statusName } from '../spec/status.ts';
import { blockAddress } from '../flash/address.ts';
import type { AddressRun, CommandRecord, TraceShape } from './record.ts';
import { type CommandKind, readCommand } from './wire-command.ts';

const f = submissionEntry.fields;

/** A recorded command as exports and lists name its parts. */
export interface CommandFields {
  readonly kind: CommandKind;
  readonly name: string;
  readonly opcode: number;
  readonly cid: number;
  readonly nsid: number;
  readonly statusName: string;
  /** First logical block and how many, of commands that name blocks that way. */
  readonly lba?: number;
  readonly blocks?: number;
}

const withLba: ReadonlySet<number> = new Set([
  IoOpcode.write,
  IoOpcode.read,
  IoOpcode.writeUncorrectable,
  IoOpcode.compare,
  IoOpcode.writeZeroes,
]);

export function fieldsOf(record: CommandRecord): CommandFields {
  const { kind, opcode, cid, nsid } = readCommand(record);
  const { sqe, queueId, status } = record;
  const common = {
    kind,
    name: opcodeName(queueId, opcode),
    opcode,
    cid,
    nsid,
    statusName: status === 0 ? 'success' : statusName(status),
  };
  if (queueId === 0 || !withLba.has(opcode)) return common;
  const lba = unpack(f.cdw11, sqe) * 2 ** 32 + unpack(f.cdw10, sqe);
  return { ...common, lba, blocks: (unpack(f.cdw12, sqe) & 0xffff) + 1 };
}

/** Where a sector of a block is, part by part. */
export interface Place {
  readonly ch: number;
  readonly lun: number;
  readonly pln: number;
  readonly chk: number;
  readonly pg: number;
  readonly sec: number;
}

/** Undefined for a block outside the device. */
export function placeOf(shape: TraceShape, block: number, sec: number): Place | undefined {
  if (block < 0 || block >= shape.numCh * shape.numLun * shape.numChk * shape.numPln) return undefined;
  const inPage = sec % shape.secsPerPg;
  return { ...blockAddress(shape, block), pg: (sec - inPage) / shape.secsPerPg, sec: inPage };
}

/** "0/3/1/17/5/0+4": ch/lun/pln/chk/pg/sec and how many sectors from there on. */
export function runText(shape: TraceShape, { block, sec, count }: AddressRun): string {
  const p = placeOf(shape, block, sec);
  const place = p ? `${p.ch}/${p.lun}/${p.pln}/${p.chk}/${p.pg}/${p.sec}` : 'outside';
  return count === 1 ? place : `${place}+${count}`;
}

/** Sector of the device as one number: block × sectors of a block + sector. */
export function sectorNumber(shape: TraceShape, block: number, sec: number): number {
  return block * shape.numPg * shape.secsPerPg + sec;
}
