import { submissionEntry } from '../spec/entries.ts';
import {
  badBlockNames,
  cnsNames,
  commandTitle,
  featureNames,
  hexH,
  logNames,
} from '../spec/command-names.ts';
import { DSM_DEALLOCATE } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { VectorControl } from '../spec/ocssd12.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';

const plural = (count: number, what: string, more = `${what}s`): string =>
  `${count} ${count === 1 ? what : more}`;
const f = submissionEntry.fields;

/** What a command asks for, in a line: "Get Features: number of queues". */
export function commandDetail(queueId: number, sqe: Uint8Array): string {
  const opcode = unpack(f.opcode, sqe);
  const title = commandTitle(queueId, opcode);
  const subject = queueId === 0 ? adminSubject(opcode, sqe) : ioSubject(opcode, sqe);
  return subject === '' ? title : `${title}: ${subject}`;
}

function adminSubject(opcode: number, sqe: Uint8Array): string {
  const cdw10 = unpack(f.cdw10, sqe);
  const cdw11 = unpack(f.cdw11, sqe);
  const low = cdw10 & 0xffff;
  const high = cdw10 >>> 16;
  switch (opcode) {
    case AdminOpcode.identify:
      return cnsNames.get(cdw10 & 0xff) ?? `CNS ${hexH(cdw10 & 0xff)}`;
    case AdminOpcode.getLogPage: {
      const bytes = ((cdw11 & 0xffff) * 0x1_0000 + high + 1) * 4;
      return `${logNames.get(cdw10 & 0xff) ?? hexH(cdw10 & 0xff)}, ${plural(bytes, 'byte')}`;
    }
    case AdminOpcode.getFeatures:
      return featureNames.get(cdw10 & 0xff) ?? hexH(cdw10 & 0xff);
    case AdminOpcode.setFeatures:
      return `${featureNames.get(cdw10 & 0xff) ?? hexH(cdw10 & 0xff)} = ${cdw11.toString(16)}h`;
    case AdminOpcode.createCq:
      return `${low}, ${plural(high + 1, 'entry', 'entries')}`;
    case AdminOpcode.createSq:
      return `${low}, ${plural(high + 1, 'entry', 'entries')}, completion queue ${cdw11 >>> 16}`;
    case AdminOpcode.deleteSq:
    case AdminOpcode.deleteCq:
      return `${low}`;
    case AdminOpcode.abort:
      return `command ${high} of queue ${low}`;
    case AdminOpcode.formatNvm:
      return `LBA format ${cdw10 & 0xf}`;
    case AdminOpcode.setBadBlockTable: {
      const cdw12 = unpack(f.cdw12, sqe);
      const value = (cdw12 >>> 16) & 0xff;
      return `${badBlockNames.get(value) ?? hexH(value)}, ${plural((cdw12 & 0xffff) + 1, 'block')}`;
    }
    default:
      return '';
  }
}

function ioSubject(opcode: number, sqe: Uint8Array): string {
  const cdw12 = unpack(f.cdw12, sqe);
  const count = (cdw12 & 0xffff) + 1;
  switch (opcode) {
    case IoOpcode.write:
    case IoOpcode.read:
    case IoOpcode.writeUncorrectable:
    case IoOpcode.compare:
    case IoOpcode.writeZeroes: {
      const lba = unpack(f.cdw11, sqe) * 2 ** 32 + unpack(f.cdw10, sqe);
      return `${plural(count, 'block')} from ${lba}`;
    }
    case IoOpcode.datasetManagement: {
      const ranges = (unpack(f.cdw10, sqe) & 0xff) + 1;
      const deallocates = (unpack(f.cdw11, sqe) & DSM_DEALLOCATE) !== 0;
      return `${plural(ranges, 'range')}${deallocates ? ', deallocate' : ''}`;
    }
    case IoOpcode.vectorErase:
    case IoOpcode.vectorWrite:
    case IoOpcode.vectorRead:
    case IoOpcode.vectorCopy:
    case IoOpcode.rawWrite:
    case IoOpcode.rawRead:
      return [plural(count, 'address', 'addresses'), ...controlWords(cdw12 >>> 16)].join(', ');
    default:
      return '';
  }
}

/** The control bits of an open-channel 1.2 command; those of 2.0 are always 0. */
function controlWords(control: number): string[] {
  const planes = ['', 'dual plane', 'quad plane', 'plane mode 3'][control & VectorControl.planeMask] ?? '';
  return [
    planes,
    (control & VectorControl.suspend) === 0 ? '' : 'suspend',
    (control & VectorControl.slc) === 0 ? '' : 'SLC',
    (control & VectorControl.scramble) === 0 ? '' : 'scramble',
  ].filter((word) => word !== '');
}
