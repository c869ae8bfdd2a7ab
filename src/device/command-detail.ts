import { submissionEntry } from '../spec/entries.ts';
import { Cns, DSM_DEALLOCATE, Feature, LogPage } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { BadBlock, VectorControl } from '../spec/ocssd12.ts';
import { Feature20, LogPage20 } from '../spec/ocssd20.ts';
import { AdminOpcode, IoOpcode, opcodeName } from '../spec/opcodes.ts';

/** Names whose words are not those of the specification. */
const titles: Readonly<Record<string, string>> = {
  deleteSq: 'Delete I/O Submission Queue',
  createSq: 'Create I/O Submission Queue',
  deleteCq: 'Delete I/O Completion Queue',
  createCq: 'Create I/O Completion Queue',
  asyncEventRequest: 'Asynchronous Event Request',
  formatNvm: 'Format NVM',
  geometry: 'Open-Channel Geometry',
  setBadBlockTable: 'Set Bad-Block Table',
  getBadBlockTable: 'Get Bad-Block Table',
  smart: 'SMART / health',
  error: 'error information',
  firmware: 'firmware slots',
  asyncEventConfig: 'asynchronous event configuration',
  interruptVectorConfig: 'interrupt vector configuration',
};

const featureNames = namesOf(Feature, Feature20);
const logNames = namesOf(LogPage, LogPage20);
const cnsNames = namesOf(Cns);
const badBlockNames = namesOf(BadBlock);

function namesOf(...tables: readonly Readonly<Record<string, number>>[]): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const table of tables)
    for (const [name, number] of Object.entries(table)) names.set(number, titles[name] ?? words(name));
  return names;
}

/** "numberOfQueues" as "number of queues". */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** The opcode as the specification writes it: "Get Features", "Vector Write", "opcode c7h". */
export function commandTitle(queueId: number, opcode: number): string {
  const name = opcodeName(queueId, opcode);
  return titles[name] ?? (name.startsWith('opcode') ? name : name.replace(/^.|[A-Z]/g, spaced));
}

const spaced = (letter: string, at: number): string => (at === 0 ? letter.toUpperCase() : ` ${letter}`);

const hex = (value: number): string => `${value.toString(16).padStart(2, '0')}h`;
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
      return cnsNames.get(cdw10 & 0xff) ?? `CNS ${hex(cdw10 & 0xff)}`;
    case AdminOpcode.getLogPage: {
      const bytes = ((cdw11 & 0xffff) * 0x1_0000 + high + 1) * 4;
      return `${logNames.get(cdw10 & 0xff) ?? hex(cdw10 & 0xff)}, ${plural(bytes, 'byte')}`;
    }
    case AdminOpcode.getFeatures:
      return featureNames.get(cdw10 & 0xff) ?? hex(cdw10 & 0xff);
    case AdminOpcode.setFeatures:
      return `${featureNames.get(cdw10 & 0xff) ?? hex(cdw10 & 0xff)} = ${cdw11.toString(16)}h`;
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
      return `${badBlockNames.get(value) ?? hex(value)}, ${plural((cdw12 & 0xffff) + 1, 'block')}`;
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
