/**
 * The `-device nvme,…` line, as its users paste it. qemu-nvme's names, meanings and defaults
 * (branch ocssd12, hw/block/nvme.c); wrong input gets one sentence, never an exception.
 */
import type { ControllerConfig, NamespaceConfig } from '../device/config.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { PLAIN_UNIT_BYTES } from '../flash/plain.ts';
import { foreignDialect, OUR_DIALECT } from './device-line-dialect.ts';
import { geometryFor } from './device-line-geometry.ts';
import { notesFor } from './device-line-notes.ts';
import { fail, readOptions, type Values } from './device-line-values.ts';
import { findDevices, type FoundDevice, splitOptions } from './device-line-words.ts';
import { quoted } from './options-value.ts';
import { OPTIONS } from './options.ts';
import { checkSize, shown } from './size.ts';
import type { DeviceLineError, DeviceLineOk, DeviceLineResult, OptionRow } from './types.ts';

export type BuildResult =
  { readonly ok: true; readonly config: ControllerConfig; readonly result: DeviceLineOk } | DeviceLineError;

/** Understands a device line for a disk of so many bytes. Never throws. */
export function parseDeviceLine(line: string, sizeBytes: number): DeviceLineResult {
  const built = buildConfig(line, sizeBytes);
  return built.ok ? built.result : built;
}

/** Understands a device line and gives what a controller is built from. Never throws. */
export function buildConfig(line: string, sizeBytes: number): BuildResult {
  const wrongSize = checkSize(sizeBytes);
  if (wrongSize !== undefined) return fail(wrongSize);
  const device = oneDevice(line);
  if (!device.ok) return device;
  const { driver, options } = splitOptions(device.found.body);
  const foreign = foreignDialect(driver, options);
  if (foreign !== undefined) return fail(foreign.error, foreign.option);
  const read = readOptions(options);
  if (!read.ok) return read;
  const { values } = read;
  const doorbells = checkDoorbells(values);
  if (doorbells !== undefined) return doorbells;
  const namespace = namespaceFor(values, sizeBytes);
  if (!namespace.ok) return namespace;
  const config = configFor(values, namespace.namespace);
  const notes = [...read.notes, ...notesFor(values, device.found)];
  return { ok: true, config, result: describe(config, namespace.namespace, values, notes) };
}

/** Where the media of a configuration are kept: the size of one stored unit, and how many there are. */
export function mediumOf(config: ControllerConfig): {
  readonly unitBytes: number;
  readonly totalUnits: number;
} {
  const namespace = config.namespaces[0];
  if (namespace === undefined) return { unitBytes: PLAIN_UNIT_BYTES, totalUnits: 0 };
  if (namespace.kind === 'plain') {
    const totalBytes = namespace.totalSecs * namespace.secSizeBytes;
    return { unitBytes: PLAIN_UNIT_BYTES, totalUnits: Math.ceil(totalBytes / PLAIN_UNIT_BYTES) };
  }
  const { unitBytes, totalUnits } = deriveGeometry(namespace.geometry);
  return { unitBytes, totalUnits };
}

function oneDevice(line: string): { readonly ok: true; readonly found: FoundDevice } | DeviceLineError {
  const words = findDevices(line);
  if (!words.ok) return fail(words.error);
  const [found, second] = words.devices;
  if (found !== undefined && second === undefined) return { ok: true, found };
  if (found === undefined) {
    const problem = words.sawDeviceWord
      ? 'No -device of the line is an nvme'
      : `There is no nvme device in ${shown(line) === '' ? 'an empty line' : shown(line)}`;
    return fail(`${problem}: write -device nvme,serial=deadbeef,lver=1 or the part of it from nvme on.`);
  }
  // qemu-nvme's branch next writes one device in two parts; its own sentence says more.
  const next = words.devices.find(({ body }) => /^ocssd/i.test(body));
  if (next !== undefined) return { ok: true, found: next };
  return fail(
    `The line has ${words.devices.length} nvme devices, but a lab has one disk: paste one of them, as in -device nvme,serial=deadbeef,lver=1.`,
  );
}

/** Doorbells of every queue have to fit in BAR0; 64 queues at the widest stride do. */
const MAX_DOORBELL_BYTES = 4 * 2 ** 20;

function checkDoorbells(values: Values): DeviceLineError | undefined {
  const [queues, stride] = [values.number('queues'), values.number('stride')];
  const pairBytes = 8 * 2 ** stride;
  if ((queues + 1) * pairBytes <= MAX_DOORBELL_BYTES) return undefined;
  return fail(
    `queues=${queues} with stride=${stride} needs more than the 4 MiB of doorbells that are mapped here: queues=${Math.floor(MAX_DOORBELL_BYTES / pairBytes) - 1} or stride=0 would work.`,
    'queues',
  );
}

function namespaceFor(
  values: Values,
  sizeBytes: number,
): { readonly ok: true; readonly namespace: NamespaceConfig } | DeviceLineError {
  const lbaIndex = values.number('lba_index');
  const nlbaf = values.number('nlbaf');
  if (lbaIndex >= nlbaf) {
    return fail(
      `lba_index=${lbaIndex} is not among the nlbaf=${nlbaf} formats, which count from 0: ${nlbaf > 3 ? 'lba_index=3' : `nlbaf=5 with lba_index=3`} would work.`,
      'lba_index',
    );
  }
  const blockBytes = 512 * 2 ** lbaIndex;
  if (blockBytes > 4096) {
    return fail(
      `lba_index=${lbaIndex} makes blocks of ${blockBytes} bytes, but Linux on i386 takes at most 4096: lba_index=3 would work.`,
      'lba_index',
    );
  }
  if (values.number('lver') === 0) {
    return {
      ok: true,
      namespace: { kind: 'plain', secSizeBytes: blockBytes, totalSecs: Math.floor(sizeBytes / blockBytes) },
    };
  }
  const secSizeBytes = values.number('lsec_size');
  if (secSizeBytes !== 4096) {
    // pblk.h PBLK_EXPOSED_PAGE_SIZE; pblk-rb.c __pblk_rb_write_entry copies seg_size bytes of each 4096.
    const effect =
      secSizeBytes < 4096
        ? 'keeps only that much of every 4096 bytes and loses the rest'
        : 'reads past each 4096 bytes that it is given';
    return fail(
      `${quoted('lsec_size', values.text('lsec_size'))} is not possible because pblk ${effect}: lsec_size=4096 works.`,
      'lsec_size',
    );
  }
  if (blockBytes !== secSizeBytes) {
    return fail(
      `lba_index=${lbaIndex} makes blocks of ${blockBytes} bytes, but lsec_size=${secSizeBytes} has to be the same: lba_index=3 with nlbaf=5 would work.`,
      'lba_index',
    );
  }
  const fitted = geometryFor(
    {
      numCh: values.number('lnum_ch'),
      numLun: values.number('lnum_lun'),
      numPln: values.number('lnum_pln'),
      numPg: values.number('lpgs_per_blk'),
      secsPerPg: values.number('lsecs_per_pg'),
      secSizeBytes,
      oobSizeBytes: values.number('lmetasize'),
    },
    sizeBytes,
  );
  if (!fitted.ok) return fail(fitted.error, fitted.option);
  return {
    ok: true,
    namespace: {
      kind: 'ocssd12',
      geometry: fitted.geometry,
      maxSecsPerRq: values.number('lmax_sec_per_rq'),
      mediaType: values.number('lmtype'),
      flashMediaType: values.number('lfmtype'),
      failWriteEverySecs: values.number('lb_err_write'),
      failWriteSecs: values.number('ln_err_write'),
    },
  };
}

function configFor(values: Values, namespace: NamespaceConfig): ControllerConfig {
  return {
    vendorId: values.number('vid'),
    deviceId: values.number('did'),
    serial: values.text('serial'),
    maxQueueEntriesZ: values.number('entries'),
    ioQueuePairs: values.number('queues'),
    doorbellStride: values.number('stride'),
    contiguousQueuesRequired: values.number('cqr') === 1,
    mpsMin: values.number('mpsmin'),
    mpsMax: values.number('mpsmax'),
    mdts: values.number('mdts'),
    maxSqes: values.number('max_sqes'),
    maxCqes: values.number('max_cqes'),
    aerlZ: values.number('aerl'),
    aclZ: values.number('acl'),
    elpeZ: values.number('elpe'),
    namespaces: [namespace],
  };
}

function describe(
  config: ControllerConfig,
  namespace: NamespaceConfig,
  values: Values,
  notes: readonly string[],
): DeviceLineOk {
  const options = OPTIONS.map((spec): OptionRow => ({
    name: spec.name,
    value: spec.name === 'serial' ? config.serial : values.text(spec.name),
    defaultValue: spec.defaultValue,
    given: values.isGiven(spec.name),
    meaning: spec.meaning,
  }));
  if (namespace.kind === 'plain') {
    const { secSizeBytes, totalSecs } = namespace;
    const geometry = {
      numCh: 0,
      numLun: 0,
      numPln: 0,
      numChk: 0,
      numPg: 0,
      secsPerPg: 0,
      secSizeBytes,
      oobSizeBytes: 0,
    };
    return { ok: true, kind: 'plain', dialect: OUR_DIALECT, options, notes, geometry, totalSecs };
  }
  const { geometry } = namespace;
  return {
    ok: true,
    kind: 'ocssd12',
    dialect: OUR_DIALECT,
    options,
    notes,
    geometry,
    totalSecs: deriveGeometry(geometry).totalSecs,
  };
}
