/**
 * The device line, as its users paste it: qemu-nvme's branches ocssd12, master and next, and FEMU, with their
 * names, meanings and defaults. Wrong input gets one sentence, never an exception.
 */
import type { ControllerConfig } from '../device/config.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import { PLAIN_UNIT_BYTES } from '../flash/plain.ts';
import { cacheOfDrive } from './device-line-cache.ts';
import { build12, buildPlain } from './device-line-12.ts';
import { type BuildResult, finish, type Understood } from './device-line-build.ts';
import { DIALECTS, type GivenDevice, type Recognised, recognise } from './device-line-dialect.ts';
import { understandFemu } from './device-line-femu.ts';
import { fileNotes } from './device-line-files.ts';
import { understandMaster } from './device-line-master.ts';
import { understandNext } from './device-line-next.ts';
import { notes12 } from './device-line-notes.ts';
import { fail, readOptions } from './device-line-values.ts';
import { findDevices } from './device-line-words.ts';
import { NVME_TABLE } from './options.ts';
import { checkSize, shown } from './size.ts';
import type { DeviceFiles, DeviceLineError, DeviceLineResult } from './types.ts';

export type { BuildResult } from './device-line-build.ts';

/** Understands a device line for a disk of so many bytes. Never throws. */
export function parseDeviceLine(line: string, sizeBytes: number, files: DeviceFiles = {}): DeviceLineResult {
  const built = buildConfig(line, sizeBytes, files);
  return built.ok ? built.result : built;
}

/**
 * Understands a device line and gives what a controller is built from. Never throws.
 * @param sizeBytes size of the disk; where the line itself decides it, `result.sizeBytes` is another.
 * @param files contents of the files that the line names.
 */
export function buildConfig(line: string, sizeBytes: number, files: DeviceFiles = {}): BuildResult {
  const words = findDevices(line);
  if (!words.ok) return fail(words.error);
  const recognised = recognise(words, line);
  if (!recognised.ok) return fail(recognised.error, recognised.option);
  const understood = understand(recognised, sizeBytes, files);
  if (!understood.ok) return understood;
  const ignored = words.ignored.length === 0 ? undefined : shown(words.ignored.join(' '));
  const drive = cacheOfDrive(words.ignored);
  if (!drive.ok) return fail(drive.error, 'cache');
  const built = finish(understood, sizeBytes, ignored);
  if (!built.ok || drive.cache === undefined) return built;
  const { result } = built;
  return { ...built, result: { ...result, cache: drive.cache, notes: [...result.notes, drive.note] } };
}

function understand(
  recognised: Extract<Recognised, { ok: true }>,
  sizeBytes: number,
  files: DeviceFiles,
): Understood | DeviceLineError {
  switch (recognised.spelling) {
    case 'ocssd12':
      return understand12(recognised.device, sizeBytes, files);
    case 'master':
      return understandMaster(recognised, sizeBytes, files);
    case 'next':
      return understandNext(recognised, files);
    case 'femu':
      return understandFemu(recognised.device, sizeBytes, files);
  }
}

/** Branch ocssd12, which is also how a plain disk is written. */
function understand12(
  { options }: GivenDevice,
  sizeBytes: number,
  files: DeviceFiles,
): Understood | DeviceLineError {
  const wrongSize = checkSize(sizeBytes);
  if (wrongSize !== undefined) return fail(wrongSize);
  const read = readOptions(options, NVME_TABLE);
  if (!read.ok) return read;
  const { values } = read;
  const build = values.number('lver') === 1 ? build12 : buildPlain;
  const built = build(values, sizeBytes, files);
  if (!built.ok) return built;
  return {
    ok: true,
    dialect: DIALECTS.ocssd12,
    values,
    rows: values.rows(),
    namespaces: built.namespaces,
    sizeBytes,
    notes: [...read.notes, ...notes12(values), ...fileNotes(values, files)],
  };
}

/** Where the media of a configuration are kept: the size of one stored unit, and how many there are. */
export function mediumOf(config: ControllerConfig): {
  readonly unitBytes: number;
  readonly totalUnits: number;
} {
  const [first] = config.namespaces;
  if (first !== undefined && first.kind !== 'plain') {
    const { unitBytes, totalUnits } = deriveGeometry(first.geometry);
    return { unitBytes, totalUnits };
  }
  // Side by side, each from a unit of its own on (src/device/media.ts).
  const totalUnits = config.namespaces.reduce(
    (sum, one) => sum + (one.kind === 'plain' ? Math.ceil(one.sizeBytes / PLAIN_UNIT_BYTES) : 0),
    0,
  );
  return { unitBytes: PLAIN_UNIT_BYTES, totalUnits };
}
