import { commandTitle, hexH } from '../spec/command-names.ts';
import { submissionEntry } from '../spec/entries.ts';
import { unpack } from '../spec/layout.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';
import { statusName } from '../spec/status.ts';
import { adminDwords } from './fields-admin.ts';
import { ioDwords } from './fields-io.ts';
import { bits, decode, type DecodedField, type FieldSpec, group, whole } from './fields.ts';
import type { CommandRecord, TraceShape } from './record.ts';

const COMMON = 'struct nvme_common_command, include/linux/nvme.h';
const COMPLETION = 'struct nvme_completion, include/linux/nvme.h';
const ALL_NAMESPACES = 0xffff_ffff;
const CQE_BYTES = 16;

/** Doublewords of an opcode: which they are, and the structure that names them. */
export interface Dwords {
  readonly citation: string;
  readonly specs: readonly FieldSpec[];
}

/** The 64 bytes of a command, field by field. */
export function decodeSubmission(record: CommandRecord, kind: TraceShape['kind']): DecodedField[] {
  const { sqe, queueId } = record;
  const opcode = unpack(submissionEntry.fields.opcode, sqe);
  const own = queueId === 0 ? adminDwords(opcode, sqe) : ioDwords(opcode, kind);
  const common = decode(sqe, commonSpecs(record, opcode), COMMON);
  return [...common, ...decode(sqe, own.specs, own.citation)];
}

function commonSpecs({ queueId, dataBytes, pages }: CommandRecord, opcode: number): FieldSpec[] {
  return [
    group('CDW0', 0, 4, [
      whole('OPC', 0, 1, (value) => commandTitle(queueId, value)),
      bits('FUSE', 0, 8, 2, (value) => (value === 0 ? 'on its own' : 'fused')),
      bits('PSDT', 0, 14, 2, (value) => (value === 0 ? 'PRPs' : 'scatter-gather list')),
      whole('CID', 2, 2),
    ]),
    whole('NSID', 4, 4, (value) => (value === ALL_NAMESPACES ? 'all namespaces' : '')),
    whole('CDW2–3', 8, 8),
    whole('MPTR', 16, 8, (value) => (value === 0 ? 'no metadata' : 'address of the out-of-band data')),
    group('DPTR', 24, 16, [
      whole('PRP1', 24, 8, (value) => (value === 0 && dataBytes === 0 ? 'no data' : 'address of the data')),
      whole('PRP2', 32, 8, (value) => prp2(value, pages.length, opcode)),
    ]),
  ];
}

function prp2(value: number, pages: number, opcode: number): string {
  if (value === 0) return pages > 1 && opcode !== AdminOpcode.createCq ? '' : 'not needed';
  return pages > 2 ? 'address of the list of the other pages' : 'address of the second page';
}

/** The completion entry as far as it was recorded. */
export interface DecodedCompletion {
  readonly bytes: Uint8Array;
  readonly fields: readonly DecodedField[];
  /** Bytes that the recording does not have. */
  readonly unknown: readonly number[];
}

export function decodeCompletion(record: CommandRecord): DecodedCompletion {
  const { sqe, queueId, status, dw0, dw1 } = record;
  const bytes = new Uint8Array(CQE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, dw0, true);
  view.setUint32(4, dw1, true);
  view.setUint16(10, queueId, true);
  view.setUint16(12, unpack(submissionEntry.fields.cid, sqe), true);
  view.setUint16(14, (status << 1) & 0xffff, true);
  const opcode = unpack(submissionEntry.fields.opcode, sqe);
  const specs: FieldSpec[] = [
    ...resultSpecs(queueId, opcode, sqe),
    group('DW2', 8, 4, [
      whole('SQHD', 8, 2, () => 'not recorded'),
      whole('SQID', 10, 2, (value) => (value === 0 ? 'admin queue' : '')),
    ]),
    group('DW3', 12, 4, [
      whole('CID', 12, 2),
      bits('P', 12, 16, 1, () => 'not recorded'),
      bits('SC', 12, 17, 8, () => statusName(status)),
      bits('SCT', 12, 25, 3, statusType),
      bits('M', 12, 30, 1, (value) => (value === 0 ? '' : 'more in the error log')),
      bits('DNR', 12, 31, 1, (value) => (value === 0 ? '' : 'do not retry')),
    ]),
  ];
  return { bytes, fields: decode(bytes, specs, COMPLETION), unknown: [8, 9] };
}

function statusType(value: number): string {
  return (
    ['generic', 'command specific', 'media and data integrity'][value] ??
    (value === 7 ? 'vendor specific' : '')
  );
}

/** Doublewords 0 and 1, which mean something else for each command. */
function resultSpecs(queueId: number, opcode: number, sqe: Uint8Array): FieldSpec[] {
  if (queueId !== 0) {
    const isVector = opcode >= IoOpcode.vectorErase && opcode <= IoOpcode.rawRead;
    return [isVector ? whole('DW0–1', 0, 8, (_, hex) => failures(hex)) : whole('DW0–1', 0, 8)];
  }
  const second = whole('DW1', 4, 4);
  const feature = unpack(submissionEntry.fields.cdw10, sqe) & 0xff;
  const isFeature = opcode === AdminOpcode.setFeatures || opcode === AdminOpcode.getFeatures;
  if (isFeature && feature === 0x07)
    return [
      group('DW0', 0, 4, [
        bits('NSQA', 0, 0, 16, (value) => `${value + 1} submission queues`),
        bits('NCQA', 0, 16, 16, (value) => `${value + 1} completion queues`),
      ]),
      second,
    ];
  if (opcode === AdminOpcode.asyncEventRequest)
    return [
      group('DW0', 0, 4, [
        bits('Type', 0, 0, 3, (value) => ['error', 'SMART / health', 'notice'][value] ?? ''),
        bits('Information', 0, 8, 8),
        bits('Log page', 0, 16, 8, hexH),
      ]),
      second,
    ];
  return [whole('DW0', 0, 4), second];
}

/** The map of the sectors that failed: a bit for each address of the command. */
function failures(hex: string): string {
  const failed: number[] = [];
  for (let bit = 0; bit < 64; bit++) {
    const digit = parseInt(hex[hex.length - 1 - Math.floor(bit / 4)] ?? '0', 16);
    if ((digit & (1 << (bit % 4))) !== 0) failed.push(bit);
  }
  return failed.length === 0 ? 'no address failed' : `failed: ${failed.join(', ')}`;
}
