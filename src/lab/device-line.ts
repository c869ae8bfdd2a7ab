/**
 * The `-device nvme,…` line, as its users paste it. qemu-nvme's names, meanings and defaults
 * (branch ocssd12, hw/block/nvme.c); wrong input gets one sentence, never an exception.
 */
import type { ControllerConfig, NamespaceConfig } from '../device/config.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { foreignDialect, isOption20, OUR_DIALECT } from './device-line-dialect.ts';
import { geometryFor } from './device-line-geometry.ts';
import { findDevices, type FoundDevice, type GivenOption, splitOptions } from './device-line-words.ts';
import { nearestName } from './options-nearest.ts';
import { quoted, readNumber } from './options-value.ts';
import { findOption, OPTIONS, type OptionSpec } from './options.ts';
import { checkSize, shown } from './size.ts';
import type { DeviceLineError, DeviceLineOk, DeviceLineResult, OptionRow } from './types.ts';

/** A plain disk is stored in units of 32 KiB of logical blocks, without out-of-band bytes. */
export const PLAIN_UNIT_BYTES = 32_768;

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

function fail(error: string, option?: string): DeviceLineError {
  return option === undefined ? { ok: false, error } : { ok: false, option, error };
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

/** Every option's value: what was given, or the default. */
class Values {
  readonly #given = new Map<string, string>();
  readonly #numbers = new Map<string, number>();

  set(spec: OptionSpec, text: string, value: number): void {
    this.#given.set(spec.name, text);
    this.#numbers.set(spec.name, value);
  }

  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  text(name: string): string {
    return this.#given.get(name) ?? findOption(name)?.defaultValue ?? '';
  }

  number(name: string): number {
    return this.#numbers.get(name) ?? Number(findOption(name)?.defaultValue ?? 0);
  }
}

function readOptions(
  options: readonly GivenOption[],
): { readonly ok: true; readonly values: Values; readonly notes: readonly string[] } | DeviceLineError {
  const values = new Values();
  const times = new Map<string, number>();
  for (const { name, value } of options) {
    const spec = findOption(name);
    if (spec === undefined) return unknownOption(name, value);
    times.set(name, (times.get(name) ?? 0) + 1);
    // A name alone is "on", as in QEMU.
    const text = value ?? (spec.type === 'switch' ? 'on' : '');
    if (spec.type === 'text') {
      values.set(spec, shown(text), 0);
      continue;
    }
    const number = readNumber(spec, text);
    if (!number.ok) return fail(number.error, name);
    values.set(spec, shown(text), number.value);
  }
  const serial = options.findLast(({ name }) => name === 'serial')?.value ?? '';
  const wrongSerial = checkSerial(serial, values.isGiven('serial'));
  if (wrongSerial !== undefined) return fail(wrongSerial, 'serial');
  const notes = [...times]
    .filter(([, count]) => count > 1)
    .map(
      ([name, count]) =>
        `${name} was given ${count} times; the last one, ${quoted(name, values.text(name))}, counts, as in QEMU.`,
    );
  return { ok: true, values, notes };
}

function checkSerial(serial: string, given: boolean): string | undefined {
  if (serial === '')
    return `serial ${given ? 'has no value' : 'is missing'}, and QEMU does not start without it: 1 to 20 ASCII characters are allowed, and serial=deadbeef would work.`;
  if (!/^[\x20-\x7e]+$/.test(serial))
    return `${quoted('serial', serial)} is not printable ASCII, which is all that Identify Controller carries: serial=deadbeef would work.`;
  if (serial.length > 20)
    return `${quoted('serial', serial)} has ${serial.length} characters, but Identify Controller carries 1 to 20: serial=${serial.slice(0, 20).trimEnd()} would work.`;
  return undefined;
}

function unknownOption(name: string, value: string | undefined): DeviceLineError {
  const option = shown(name);
  if (isOption20(name)) {
    return fail(
      `${option} is an option of open-channel 2.0, but lver=1 is 1.2, whose geometry comes from lnum_lun, lnum_pln, lsecs_per_pg and lpgs_per_blk: leave it out.`,
      option,
    );
  }
  const nearest = nearestName(
    name,
    OPTIONS.map((spec) => spec.name),
  );
  const given = value === undefined ? option : quoted(option, value);
  const hint =
    nearest === undefined
      ? "the options are qemu-nvme's, such as serial, lver and lnum_lun"
      : `${nearest} is the nearest name that there is`;
  return fail(
    `${given === '' ? 'An option without a name' : `${given} is an option that`} ${given === '' ? 'is not possible' : 'nvme does not have'}: ${hint}.`,
    option,
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
      `lba_index=${lbaIndex} is not among the nlbaf=${nlbaf} formats, which count from 0: ${lbaIndex < 16 ? `nlbaf=${lbaIndex + 1}` : 'lba_index=3'} would work.`,
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

/** PCI ids that carry Linux' LightNVM quirk (drivers/nvme/host/pci.c, nvme_id_table). */
const LIGHTNVM_IDS = new Set(['1d1d:1f1f', '1d1d:2807', '1d1d:2601']);

function notesFor(values: Values, device: FoundDevice): string[] {
  const notes: string[] = [];
  const openChannel = values.number('lver') === 1;
  const files = ['drive', 'lbbtable', 'lmetadata'].filter((name) => values.isGiven(name));
  if (files.length > 0)
    notes.push(
      `${files.join(', ')}: no files are needed; data, out-of-band bytes and the bad-block table are all parts of the disk.`,
    );
  if (!openChannel) {
    const ignored = OPTIONS.filter(
      (spec) => spec.group === 'open-channel' && spec.name !== 'lver' && values.isGiven(spec.name),
    ).map((spec) => spec.name);
    if (ignored.length > 0)
      notes.push(
        `This is a plain NVMe disk, so ${ignored.join(', ')} ${ignored.length === 1 ? 'has' : 'have'} no effect; lver=1 makes an open-channel SSD.`,
      );
  }
  if (openChannel) {
    const ids = `${hex4(values.number('vid'))}:${hex4(values.number('did'))}`;
    if (!LIGHTNVM_IDS.has(ids))
      notes.push(
        `Linux knows open-channel SSDs by their PCI ids and takes ${ids} for a plain disk; leave vid and did out to get 1d1d:1f1f.`,
      );
    if (values.number('lnum_ch') > 1)
      notes.push('The channels are real here; qemu-nvme has only one and lets the others alias it.');
    const most = values.number('lmax_sec_per_rq');
    if (most < 64)
      notes.push(
        `pblk sends up to 64 sectors in one command; with lmax_sec_per_rq=${most} the larger ones fail.`,
      );
    const [every, count] = [values.number('lb_err_write'), values.number('ln_err_write')];
    if (every > 0 !== count > 0)
      notes.push(
        'Write faults need both lb_err_write and ln_err_write; with one of them at 0 nothing fails.',
      );
  }
  if (device.ignored.length > 0)
    notes.push(`The rest of the command line is not needed here: ${shown(device.ignored.join(' '))}`);
  return notes;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
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
