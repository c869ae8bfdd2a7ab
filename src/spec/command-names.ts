import { Cns, Feature, LogPage } from './identify.ts';
import { BadBlock } from './ocssd12.ts';
import { Feature20, LogPage20 } from './ocssd20.ts';
import { opcodeName } from './opcodes.ts';

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

export type Names = ReadonlyMap<number, string>;

export const featureNames = namesOf(Feature, Feature20);
export const logNames = namesOf(LogPage, LogPage20);
export const cnsNames = namesOf(Cns);
export const badBlockNames = namesOf(BadBlock);

function namesOf(...tables: readonly Readonly<Record<string, number>>[]): Names {
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

/** "91h" */
export const hexH = (value: number): string => `${value.toString(16).padStart(2, '0')}h`;
