/** qemu-nvme, branch next: a controller `ocssd` and its namespace `ocssd-ns`, whose counts decide the size. */
import { build20, dataBytes, type ChunkDevice } from './device-line-20.ts';
import type { Understood } from './device-line-build.ts';
import { DIALECTS, type Recognised } from './device-line-dialect.ts';
import { fileNotes } from './device-line-files.ts';
import { commonNotes } from './device-line-notes.ts';
import { type ReadResult, readOptions } from './device-line-values.ts';
import { NEXT_CONTROLLER_TABLE, NEXT_NAMESPACE_TABLE, NEXT_TABLE } from './options-next.ts';
import type { DeviceFiles, DeviceLineError } from './types.ts';

const NAMES = {
  grp: 'num_grp',
  pu: 'num_pu',
  chk: 'num_chk',
  sec: 'clba',
  wsMin: 'ws_min',
  wsOpt: 'ws_opt',
};
const EARLY_RESET = 4;
/** DLFEAT is no option of the branch: it reads zeros. */
const READS_ZEROS = 1;

/** A line of branch next. */
export function understandNext(
  { device, namespace }: Extract<Recognised, { spelling: 'next' }>,
  files: DeviceFiles,
): Understood | DeviceLineError {
  const read = readOptions(device.options, namespace === undefined ? NEXT_TABLE : NEXT_CONTROLLER_TABLE);
  if (!read.ok) return read;
  const second: ReadResult =
    namespace === undefined ? read : readOptions(namespace.options, NEXT_NAMESPACE_TABLE);
  if (!second.ok) return second;
  const values = second.values;
  const mccap = values.number('mccap');
  const chunks: ChunkDevice = {
    numGrp: values.number('num_grp'),
    numPu: values.number('num_pu'),
    numChk: values.number('num_chk'),
    clba: values.number('clba'),
    oobSizeBytes: values.number('ms'),
    wsMin: values.number('ws_min'),
    wsOpt: values.number('ws_opt'),
    mwCunits: values.number('mw_cunits'),
    mccap,
    earlyReset: values.isGiven('early_reset')
      ? values.number('early_reset') === 1
      : (mccap & EARLY_RESET) !== 0,
    peCycles: values.number('pe_cycles'),
    wearIndexThreshold: values.number('wit'),
    deallocatedReads: READS_ZEROS,
  };
  const built = build20(chunks, NAMES, files);
  if (!built.ok) return built;
  const own = read === second ? [] : second.values.rows();
  // Both are QEMU devices, with an id and a bus each; the page has one row for a name.
  const names = new Set(own.map(({ name }) => name));
  return {
    ok: true,
    dialect: DIALECTS.next,
    values: read.values,
    rows: [...read.values.rows().filter(({ name }) => !names.has(name)), ...own],
    namespaces: [built.namespace],
    sizeBytes: dataBytes(chunks),
    notes: [
      ...read.notes,
      ...(read === second ? [] : second.notes),
      ...built.notes,
      ...fileNotes(values, files),
      ...commonNotes(read.values),
    ],
  };
}
