import { badBlockNames, cnsNames, featureNames, logNames, type Names } from '../spec/command-names.ts';
import { submissionEntry } from '../spec/entries.ts';
import { DULBE, Feature, Format } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { AdminOpcode } from '../spec/opcodes.ts';
import type { Dwords } from './fields-command.ts';
import { bits, type FieldSpec, group, whole, zeroBased } from './fields.ts';

/** Says a value by its name. */
const namedValue =
  (names: Names) =>
  (value: number): string =>
    names.get(value) ?? '';
const cite = (name: string): string => `struct ${name}, include/linux/nvme.h`;
const host = (name: string): string => `struct ${name}, drivers/nvme/host/lightnvm.c`;
const yes = (meaning: string) => (value: number) => (value === 0 ? '' : meaning);
const raw = (...numbers: readonly number[]): FieldSpec[] => numbers.map((n) => whole(`CDW${n}`, n * 4, 4));

/** Doublewords 10 to 15 of an admin command. */
export function adminDwords(opcode: number, sqe: Uint8Array): Dwords {
  switch (opcode) {
    case AdminOpcode.createCq:
      return {
        citation: cite('nvme_create_cq'),
        specs: [
          group('CDW10', 40, 4, [whole('QID', 40, 2), whole('QSIZE', 42, 2, entries)]),
          group('CDW11', 44, 4, [
            bits('PC', 44, 0, 1, contiguous),
            bits('IEN', 44, 1, 1, (value) => (value === 0 ? 'polled' : 'with interrupts')),
            whole('IV', 46, 2),
          ]),
          ...raw(12, 13, 14, 15),
        ],
      };
    case AdminOpcode.createSq:
      return {
        citation: cite('nvme_create_sq'),
        specs: [
          group('CDW10', 40, 4, [whole('QID', 40, 2), whole('QSIZE', 42, 2, entries)]),
          group('CDW11', 44, 4, [
            bits('PC', 44, 0, 1, contiguous),
            bits('QPRIO', 44, 1, 2, (value) => ['urgent', 'high', 'medium', 'low'][value] ?? ''),
            whole('CQID', 46, 2),
          ]),
          ...raw(12, 13, 14, 15),
        ],
      };
    case AdminOpcode.deleteCq:
    case AdminOpcode.deleteSq:
      return {
        citation: cite('nvme_delete_queue'),
        specs: [group('CDW10', 40, 4, [whole('QID', 40, 2)]), ...raw(11, 12, 13, 14, 15)],
      };
    case AdminOpcode.getLogPage:
      return { citation: cite('nvme_get_log_page_command'), specs: logPage(sqe) };
    case AdminOpcode.identify:
      return {
        citation: cite('nvme_identify'),
        specs: [
          group('CDW10', 40, 4, [whole('CNS', 40, 1, namedValue(cnsNames)), whole('CNTID', 42, 2)]),
          ...raw(11, 12, 13, 14, 15),
        ],
      };
    case AdminOpcode.abort:
      return {
        citation: cite('nvme_abort_cmd'),
        specs: [
          group('CDW10', 40, 4, [whole('SQID', 40, 2), whole('CID', 42, 2)]),
          ...raw(11, 12, 13, 14, 15),
        ],
      };
    case AdminOpcode.setFeatures:
    case AdminOpcode.getFeatures:
      return { citation: cite('nvme_features'), specs: features(opcode, sqe) };
    case AdminOpcode.formatNvm:
      return {
        citation: cite('nvme_format_cmd'),
        specs: [
          group('CDW10', 40, 4, [
            bits('LBAF', 40, 0, 4),
            bits('MSET', 40, 4, 1, (value) => (value === 0 ? 'separate buffer' : 'behind each block')),
            bits('PI', 40, Format.piShift, 3, (value) => (value === 0 ? 'no protection' : '')),
            bits(
              'SES',
              40,
              Format.sesShift,
              3,
              (value) => ['no secure erase', 'user data', 'cryptographic'][value] ?? '',
            ),
          ]),
          ...raw(11, 12, 13, 14, 15),
        ],
      };
    case AdminOpcode.geometry:
      return { citation: host('nvme_nvm_identity'), specs: raw(10, 11, 12, 13, 14, 15) };
    case AdminOpcode.getBadBlockTable:
      return {
        citation: host('nvme_nvm_getbbtbl'),
        specs: [whole('SPBA', 40, 8, () => 'an address in the LUN'), ...raw(12, 13, 14, 15)],
      };
    case AdminOpcode.setBadBlockTable:
      return {
        citation: host('nvme_nvm_setbbtbl'),
        specs: [
          whole('SPBA', 40, 8, () => 'where the list of addresses is, or the only one'),
          group('CDW12', 48, 4, [
            bits('NLB', 48, 0, 16, zeroBased('block')),
            bits('value', 48, 16, 8, namedValue(badBlockNames)),
          ]),
          ...raw(13, 14, 15),
        ],
      };
    default:
      return { citation: cite('nvme_common_command'), specs: raw(10, 11, 12, 13, 14, 15) };
  }
}

const entries = zeroBased('entry', 'entries');
const contiguous = (value: number): string => (value === 0 ? 'in several pieces' : 'in one piece');

function logPage(sqe: Uint8Array): FieldSpec[] {
  const low = unpack(submissionEntry.fields.cdw10, sqe) >>> 16;
  const high = unpack(submissionEntry.fields.cdw11, sqe) & 0xffff;
  const bytes = (high * 0x1_0000 + low + 1) * 4;
  return [
    group('CDW10', 40, 4, [
      whole('LID', 40, 1, namedValue(logNames)),
      bits('LSP', 40, 8, 4),
      bits('RAE', 40, 15, 1, yes('the event stays')),
      // In doublewords, one less, in two halves.
      whole('NUMDL', 42, 2, () => `${bytes} bytes`),
    ]),
    group('CDW11', 44, 4, [whole('NUMDU', 44, 2)]),
    whole('LPO', 48, 8, (value) => `from byte ${value}`),
    ...raw(14, 15),
  ];
}

function features(opcode: number, sqe: Uint8Array): FieldSpec[] {
  const isSet = opcode === AdminOpcode.setFeatures;
  const feature = unpack(submissionEntry.fields.cdw10, sqe) & 0xff;
  return [
    group('CDW10', 40, 4, [
      whole('FID', 40, 1, namedValue(featureNames)),
      isSet
        ? bits('SV', 40, 31, 1, yes('saved'))
        : bits('SEL', 40, 8, 3, (value) => ['current', 'default', 'saved', 'capabilities'][value] ?? ''),
    ]),
    group('CDW11', 44, 4, isSet ? featureValue(feature) : []),
    ...raw(12, 13, 14, 15),
  ];
}

/** What dword 11 of Set Features says, feature by feature. */
function featureValue(feature: number): FieldSpec[] {
  switch (feature) {
    case Feature.arbitration:
      return [
        bits('AB', 44, 0, 3, (value) => (value === 7 ? 'no limit' : `${2 ** value}`)),
        bits('LPW', 44, 8, 8),
        bits('MPW', 44, 16, 8),
        bits('HPW', 44, 24, 8),
      ];
    case Feature.powerManagement:
      return [bits('PS', 44, 0, 5)];
    case Feature.temperatureThreshold:
      return [
        bits('TMPTH', 44, 0, 16, (value) => `${value} K`),
        bits('TMPSEL', 44, 16, 4),
        bits('THSEL', 44, 20, 2, (value) => ['over', 'under'][value] ?? ''),
      ];
    case Feature.errorRecovery:
      return [
        bits('TLER', 44, 0, 16),
        bits('DULBE', 44, Math.log2(DULBE), 1, yes('reads of deallocated blocks fail')),
      ];
    case Feature.volatileWriteCache:
      return [bits('WCE', 44, 0, 1, (value) => (value === 0 ? 'off' : 'on'))];
    case Feature.numberOfQueues:
      return [
        bits('NSQR', 44, 0, 16, (value) => `${value + 1} submission queues`),
        bits('NCQR', 44, 16, 16, (value) => `${value + 1} completion queues`),
      ];
    case Feature.interruptCoalescing:
      return [bits('THR', 44, 0, 8, entries), bits('TIME', 44, 8, 8, (value) => `${value * 100} µs`)];
    case Feature.interruptVectorConfig:
      return [bits('IV', 44, 0, 16), bits('CD', 44, 16, 1, yes('not coalesced'))];
    case Feature.writeAtomicity:
      return [bits('DN', 44, 0, 1)];
    case Feature.asyncEventConfig:
      return [bits('SMART', 44, 0, 8), bits('Notices', 44, 8, 24)];
    default:
      return [];
  }
}
