/** A lab at one moment of rest: its machine and its device, to go on from with the disk as it was then. */
import type { ControllerConfig } from '../device/config.ts';
import type { TableShard } from '../flash/media-store.ts';
import { SavedFields, SavedStateError } from '../flash/saved-fields.ts';
import { type SavedFunction } from '../machine/pci.ts';
import type { SavedMachine } from '../machine/saved-state.ts';
import { CACHE_MODES, type CacheMode } from '../storage/cache-mode.ts';
import { crc32 } from '../storage/checksum.ts';
import { LabError } from './errors.ts';
import type { SavedTrace } from './guest-trace/guest-trace.ts';
import type { TraceRecord } from './guest-trace/sample.ts';
import { MAX_TARGETS } from './targets/guest-look.ts';
import type { SavedTargets } from './targets/target-watch.ts';

export const SAVED_LAB_FORMAT = 1;
const MIB = 2 ** 20;
const U32 = 0xffff_ffff;
/** The whole of a longest disk name, device line or version; anything else is not ours. */
const TEXT = /^[^]{0,1000000}$/;
const CONFIGURATION_BYTES = 64;
const MAX_TRACE_RECORDS = 1024;

/** Plain data and one byte array: for structured clone, or {@link packLab}. */
export interface SavedLab {
  readonly format: typeof SAVED_LAB_FORMAT;
  /** With the state of the NVMe function (device/saved-controller.ts) among its functions. */
  readonly machine: SavedMachine;
  /** Of the disk; {@link configCrc} tells apart what files and cache make of one line. */
  readonly deviceLine: string;
  readonly sizeBytes: number;
  readonly configCrc: number;
  readonly cache: CacheMode;
  readonly memoryMiB: number;
  readonly diskId: string;
  /** Whatever the one who powered on knows a version of the disk by; see PowerOptions. */
  readonly diskVersion?: string;
  /** Over all stored shards. They change with each write, so a disk that was written to since has another. */
  readonly tableCrc: number;
  /** Unix milliseconds. */
  readonly savedAtMs: number;
  /** The last number used on the control channel and on the trace channel: the guest may still speak of them. */
  readonly controlId: number;
  readonly traceRun: number;
  /** What the guest's trace was at, if it was on. */
  readonly trace?: SavedTrace;
  /** The targets that the guest had, if that was known. */
  readonly targets?: SavedTargets;
}

/** Checks all but the state of the functions and of v86, which are checked when they are restored. Throws LabError `resume`. */
export function readSavedLab(value: unknown): SavedLab {
  try {
    const saved = new SavedFields(value, 'the lab');
    const version = saved.get('diskVersion');
    return {
      format: saved.whole('format', SAVED_LAB_FORMAT, SAVED_LAB_FORMAT) as typeof SAVED_LAB_FORMAT,
      machine: readMachine(saved.object('machine')),
      deviceLine: saved.text('deviceLine', TEXT),
      sizeBytes: saved.whole('sizeBytes', 1, Number.MAX_SAFE_INTEGER),
      configCrc: saved.whole('configCrc', 0, U32),
      cache: cacheOf(saved),
      memoryMiB: saved.whole('memoryMiB', 64, 1024),
      diskId: saved.text('diskId', TEXT),
      ...(version !== undefined && { diskVersion: saved.text('diskVersion', TEXT) }),
      tableCrc: saved.whole('tableCrc', 0, U32),
      savedAtMs: saved.whole('savedAtMs', 0, Number.MAX_SAFE_INTEGER),
      controlId: saved.whole('controlId', 0, U32),
      traceRun: saved.whole('traceRun', 0, 0x7fff_ffff),
      ...(saved.get('trace') !== undefined && { trace: readTrace(saved.object('trace')) }),
      ...(saved.get('targets') !== undefined && { targets: readTargets(saved) }),
    };
  } catch (error) {
    if (!(error instanceof SavedStateError)) throw error;
    throw cannotResume(error.message, error);
  }
}

function readMachine(saved: SavedFields): SavedMachine {
  const bytes = saved.get('bytes');
  if (!(bytes instanceof Uint8Array)) throw saved.wrong('bytes');
  const savedAtMs = saved.get('savedAtMs');
  if (typeof savedAtMs !== 'number' || !Number.isFinite(savedAtMs)) throw saved.wrong('savedAtMs');
  return {
    version: saved.text('version', TEXT),
    memoryBytes: saved.whole('memoryBytes', 0, 1024 * MIB),
    savedAtMs,
    bytes: bytes as Uint8Array<ArrayBuffer>,
    functions: saved.list('functions', 32, (item, what): SavedFunction => {
      const one = new SavedFields(item, what);
      return {
        slot: one.whole('slot', 0, 31),
        configuration: one.wholes('configuration', CONFIGURATION_BYTES, 0, 0xff),
        state: one.get('state'),
      };
    }),
  };
}

function readTrace(saved: SavedFields): SavedTrace {
  const records = (name: string): TraceRecord[] =>
    saved.list(name, MAX_TRACE_RECORDS, (item) => {
      const [key, value] = Array.isArray(item) ? (item as unknown[]) : [];
      if (typeof key !== 'string' || typeof value !== 'string') throw saved.wrong(name);
      return [key, value];
    });
  return {
    intervalMs: saved.whole('intervalMs', 0, U32),
    formats: records('formats'),
    sample: records('sample'),
  };
}

function readTargets(saved: SavedFields): SavedTargets {
  return saved.list('targets', MAX_TARGETS, (item) => {
    const [name, inode] = Array.isArray(item) ? (item as unknown[]) : [];
    if (typeof name !== 'string' || !Number.isSafeInteger(inode)) throw saved.wrong('targets');
    return [name, inode as number];
  });
}

function cacheOf(saved: SavedFields): CacheMode {
  const cache = CACHE_MODES.find((mode) => mode === saved.get('cache'));
  if (cache === undefined) throw saved.wrong('cache');
  return cache;
}

/** What is asked for, to go on with. */
export interface ResumeTarget {
  readonly diskId: string;
  readonly diskVersion: string | undefined;
  readonly tableCrc: number;
  readonly memoryMiB: number;
  readonly cache: CacheMode;
  readonly configCrc: number;
}

/** Throws LabError `resume` unless the saved lab belongs to exactly this. */
export function checkTarget(saved: SavedLab, target: ResumeTarget): void {
  if (saved.diskId !== target.diskId) throw cannotResume('it belongs to another disk');
  if (saved.memoryMiB !== target.memoryMiB)
    throw cannotResume(
      `it was saved with ${saved.memoryMiB} MiB of memory, and ${target.memoryMiB} are asked for`,
    );
  if (saved.cache !== target.cache)
    throw cannotResume(`it was saved with the cache mode ${saved.cache}, and ${target.cache} is asked for`);
  const versions = [saved.diskVersion, target.diskVersion];
  const isOther = !versions.includes(undefined) && versions[0] !== versions[1];
  if (isOther || saved.tableCrc !== target.tableCrc)
    throw cannotResume('the disk is no longer as it was then');
  if (saved.configCrc !== target.configCrc)
    throw cannotResume('the device would be another one than it was then');
}

export function cannotResume(why: string, cause?: unknown): LabError {
  return new LabError(
    'resume',
    `The saved lab cannot go on: ${why}; power on without it, and the guest boots.`,
    cause,
  );
}

/** Of everything that a disk keeps besides its units. */
export function tableCrcOf(shards: readonly TableShard[]): number {
  const sorted = [...shards].sort((a, b) => a.shard - b.shard);
  const number = new Float64Array(1);
  let crc = 0;
  for (const { shard, bytes } of sorted) {
    number[0] = shard;
    crc = crc32(bytes, crc32(new Uint8Array(number.buffer), crc));
  }
  return crc;
}

/** Of all that a controller is built from. */
export function configCrcOf(config: ControllerConfig): number {
  return crc32(new TextEncoder().encode(JSON.stringify(config)));
}
