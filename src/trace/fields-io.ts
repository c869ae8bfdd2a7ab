import { DSM_DEALLOCATE, WRITE_ZEROES_DEALLOCATE } from '../spec/identify.ts';
import { VectorControl } from '../spec/ocssd12.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import type { Dwords } from './fields-command.ts';
import { bits, group, type FieldSpec, whole, zeroBased } from './fields.ts';
import type { TraceShape } from './record.ts';

const RW = 'struct nvme_rw_command, include/linux/nvme.h';
const VECTOR = 'struct nvme_nvm_ph_rw, drivers/nvme/host/lightnvm.c';
const ERASE = 'struct nvme_nvm_erase_blk, drivers/nvme/host/lightnvm.c';
/** Bit 14 and 15 of the control word: NVME_RW_FUA, NVME_RW_LR. */
const RW_CONTROL = { 14: 'forced unit access', 15: 'limited retry' } as const;

const rest = (from: number): FieldSpec[] =>
  Array.from({ length: 16 - from }, (_, i) => whole(`CDW${from + i}`, (from + i) * 4, 4));

/** Doublewords 10 to 15 of an I/O command. */
export function ioDwords(opcode: number, kind: TraceShape['kind']): Dwords {
  switch (opcode) {
    case IoOpcode.write:
    case IoOpcode.read:
    case IoOpcode.compare:
    case IoOpcode.writeUncorrectable:
      return { citation: RW, specs: [...range(''), ...protection()] };
    case IoOpcode.writeZeroes: {
      const deallocate = Math.log2(WRITE_ZEROES_DEALLOCATE);
      return {
        citation: 'struct nvme_write_zeroes_cmd, include/linux/nvme.h',
        specs: [...range('', [flag('DEAC', 48, deallocate, 'deallocate')]), ...protection()],
      };
    }
    case IoOpcode.datasetManagement:
      return {
        citation: 'struct nvme_dsm_cmd, include/linux/nvme.h',
        specs: [
          group('CDW10', 40, 4, [bits('NR', 40, 0, 8, zeroBased('range'))]),
          group('CDW11', 44, 4, [
            flag('IDR', 44, 0, 'will be read as a whole'),
            flag('IDW', 44, 1, 'will be written as a whole'),
            flag('AD', 44, Math.log2(DSM_DEALLOCATE), 'deallocate'),
          ]),
          ...rest(12),
        ],
      };
    case IoOpcode.vectorErase:
    case IoOpcode.vectorWrite:
    case IoOpcode.vectorRead:
    case IoOpcode.rawWrite:
    case IoOpcode.rawRead:
      return { citation: opcode === IoOpcode.vectorErase ? ERASE : VECTOR, specs: vector(kind) };
    case IoOpcode.vectorCopy:
      return {
        citation: 'nvme_ns_ocssd_cmd.c of SPDK',
        specs: [
          ...vector(kind).slice(0, 3),
          whole('DLBA', 56, 8, () => 'where the list of destinations is, or the only one'),
        ],
      };
    default:
      return { citation: 'struct nvme_common_command, include/linux/nvme.h', specs: rest(10) };
  }
}

function flag(name: string, offset: number, bit: number, meaning: string): FieldSpec {
  return bits(name, offset, bit, 1, (value) => (value === 0 ? '' : meaning));
}

function range(what: string, more: readonly FieldSpec[] = []): FieldSpec[] {
  return [
    whole('SLBA', 40, 8, () => what),
    group('CDW12', 48, 4, [
      bits('NLB', 48, 0, 16, zeroBased('block')),
      ...more,
      flag('FUA', 48, 30, RW_CONTROL[14]),
      flag('LR', 48, 31, RW_CONTROL[15]),
    ]),
  ];
}

function protection(): FieldSpec[] {
  return [
    whole('DSM', 52, 4),
    whole('EILBRT', 56, 4),
    group('CDW15', 60, 4, [whole('ELBAT', 60, 2), whole('ELBATM', 62, 2)]),
  ];
}

function vector(kind: TraceShape['kind']): FieldSpec[] {
  const address = kind === 'ocssd20' ? 'LBAL' : 'SPPA';
  const control =
    kind === 'ocssd20'
      ? [bits('control', 48, 16, 16)]
      : [
          bits('Plane mode', 48, 16, 2, planeMode),
          flag('Suspend', 48, 16 + Math.log2(VectorControl.suspend), 'may be suspended'),
          flag('SLC', 48, 16 + Math.log2(VectorControl.slc), 'SLC mode'),
          flag('Scramble', 48, 16 + Math.log2(VectorControl.scramble), 'scrambled'),
        ];
  return [
    { ...whole(address, 40, 8), text: () => 'where the list of addresses is, or the only one' },
    group('CDW12', 48, 4, [bits('NLB', 48, 0, 16, zeroBased('address', 'addresses')), ...control]),
    whole('dsmgmt', 52, 4),
    whole('CDW14–15', 56, 8),
  ];
}

function planeMode(value: number): string {
  return ['single plane', 'dual plane', 'quad plane'][value] ?? '';
}
