/** From understood options to a controller's configuration and what is shown of it; the same for every dialect. */
import type { ControllerConfig, NamespaceConfig } from '../device/config.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { fail, type Values } from './device-line-values.ts';
import { formatSize } from './size.ts';
import type { DeviceLineError, DeviceLineOk, OptionRow } from './types.ts';

/** What a dialect makes of a line. */
export interface Understood {
  readonly ok: true;
  readonly dialect: string;
  /** Options of the controller. */
  readonly values: Values;
  /** Every option of the line, to be shown. */
  readonly rows: readonly OptionRow[];
  readonly namespaces: readonly NamespaceConfig[];
  readonly notes: readonly string[];
  /** Size of the disk, whoever decided it. */
  readonly sizeBytes: number;
}

export type BuildResult =
  { readonly ok: true; readonly config: ControllerConfig; readonly result: DeviceLineOk } | DeviceLineError;

/** The configuration and the description of a line, for a disk that was asked to be so large. */
export function finish(understood: Understood, givenBytes: number, ignored: string | undefined): BuildResult {
  const { values, namespaces, sizeBytes } = understood;
  const doorbells = checkDoorbells(values);
  if (doorbells !== undefined) return doorbells;
  const notes = [...understood.notes];
  if (sizeBytes !== givenBytes && Number.isFinite(givenBytes)) {
    notes.push(
      `The line itself says how large the disk is, ${formatSize(sizeBytes)}; a size given separately is not used.`,
    );
  }
  if (ignored !== undefined) notes.push(`The rest of the command line is not needed here: ${ignored}`);
  const { dialect, rows } = understood;
  const options = rows.map((row) => ({ ...row }));
  return {
    ok: true,
    config: configFor(values, namespaces),
    result: {
      ok: true,
      dialect,
      options,
      notes,
      sizeBytes,
      namespaces: namespaces.length,
      ...shapeOf(namespaces),
    },
  };
}

function shapeOf(
  namespaces: readonly NamespaceConfig[],
): Pick<DeviceLineOk, 'kind' | 'geometry' | 'totalSecs' | 'writeRules'> {
  const [first] = namespaces;
  if (first !== undefined && first.kind !== 'plain') {
    const { geometry, kind } = first;
    const { totalSecs } = deriveGeometry(geometry);
    return first.kind === 'ocssd20'
      ? { kind, geometry, totalSecs, writeRules: first.writeRules }
      : { kind, geometry, totalSecs };
  }
  const secSizeBytes = first?.secSizeBytes ?? 0;
  const none = { numCh: 0, numLun: 0, numPln: 0, numChk: 0, numPg: 0, secsPerPg: 0, oobSizeBytes: 0 };
  const totalSecs = namespaces.reduce(
    (sum, one) => sum + (one.kind === 'plain' ? one.sizeBytes / one.secSizeBytes : 0),
    0,
  );
  return { kind: 'plain', geometry: { ...none, secSizeBytes }, totalSecs };
}

/** I/O queue pairs: `queues` counts them alone, `num_queues` the admin queues too. */
function ioQueuePairs(values: Values): { readonly option: string; readonly pairs: number } {
  return values.table.find('queues') === undefined
    ? { option: 'num_queues', pairs: values.number('num_queues') - 1 }
    : { option: 'queues', pairs: values.number('queues') };
}

/** Doorbells of every queue have to fit in BAR0; 64 queues at the widest stride do. */
const MAX_DOORBELL_BYTES = 4 * 2 ** 20;

function checkDoorbells(values: Values): DeviceLineError | undefined {
  const { option, pairs } = ioQueuePairs(values);
  const stride = values.number('stride');
  const pairBytes = 8 * 2 ** stride;
  if ((pairs + 1) * pairBytes <= MAX_DOORBELL_BYTES) return undefined;
  const given = values.number(option);
  const most = Math.floor(MAX_DOORBELL_BYTES / pairBytes) - 1 + (given - pairs);
  return fail(
    `${option}=${given} with stride=${stride} needs more than the 4 MiB of doorbells that are mapped here: ${option}=${most} or stride=0 would work.`,
    option,
  );
}

function configFor(values: Values, namespaces: readonly NamespaceConfig[]): ControllerConfig {
  return {
    vendorId: values.number('vid'),
    deviceId: values.number('did'),
    serial: values.text('serial'),
    maxQueueEntriesZ: values.number('entries'),
    ioQueuePairs: ioQueuePairs(values).pairs,
    doorbellStride: values.number('stride'),
    contiguousQueuesRequired: values.number('cqr') === 1,
    mpsMin: values.number('mpsmin'),
    mpsMax: values.number('mpsmax'),
    mdts: values.number('mdts'),
    maxSqes: values.number('max_sqes'),
    maxCqes: values.number('max_cqes'),
    oncs: values.number('oncs'),
    oacs: values.number('oacs'),
    volatileWriteCache: values.number('vwc') === 1,
    aerlZ: values.number('aerl'),
    aclZ: values.number('acl'),
    elpeZ: values.number('elpe'),
    namespaces,
  };
}
