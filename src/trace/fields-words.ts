import { Cns, Feature, LogPage } from '../spec/identify.ts';
import { BadBlock } from '../spec/ocssd12.ts';
import { Feature20, LogPage20 } from '../spec/ocssd20.ts';
import { opcodeName } from '../spec/opcodes.ts';

/** "91h" */
export const hexH = (value: number): string => `${value.toString(16).padStart(2, '0')}h`;

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

/** The opcode as the specification writes it: "Get Features", "Vector Write", "opcode c7h". */
export function commandTitle(queueId: number, opcode: number): string {
  const name = opcodeName(queueId, opcode);
  if (name.startsWith('opcode')) return name;
  return (
    titles[name] ??
    name.replace(/^.|[A-Z]/g, (letter, at) => (at === 0 ? letter.toUpperCase() : ` ${letter}`))
  );
}

type Names = ReadonlyMap<number, string>;

function namesOf(...tables: readonly Readonly<Record<string, number>>[]): Names {
  const names = new Map<number, string>();
  for (const table of tables)
    for (const [name, value] of Object.entries(table))
      names.set(value, titles[name] ?? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));
  return names;
}

export const featureNames = namesOf(Feature, Feature20);
export const logNames = namesOf(LogPage, LogPage20);
export const cnsNames = namesOf(Cns);
export const badBlockNames = namesOf(BadBlock);

/** Says a value by its name. */
export const namedValue =
  (names: Names) =>
  (value: number): string =>
    names.get(value) ?? '';
