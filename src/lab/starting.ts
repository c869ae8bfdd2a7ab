/** From a power-on's options to a machine with its device, which does not run yet. */
import { MachineError } from '../machine/errors.ts';
import type { SpareCore } from '../machine/spare-core.ts';
import type { OpenDisk } from '../storage/catalogue.ts';
import {
  type Beginning,
  type LabEnvironment,
  loadImages,
  loadSaved,
  mayBeInstant,
  plugIn,
  type PowerOptions,
  savedCache,
  spareCore,
  type WiredMachine,
} from './beginning.ts';
import { LabDevice } from './device.ts';
import { buildConfig } from './device-line.ts';
import { announceCache, behindCache, cacheModeOf } from './disk-cache.ts';
import { LabError, sentenceOf } from './errors.ts';
import type { OnProgress } from './guest-images.ts';
import { cannotResume, checkTarget, configCrcOf, readSavedLab, tableCrcOf } from './saved-lab.ts';
import type { BootProgress } from './types.ts';

/** A machine that is ready to run, its device, and the disk that is open behind it. */
export interface Started extends WiredMachine {
  readonly disk: OpenDisk;
  readonly device: LabDevice;
  readonly beginning: Beginning;
  readonly memoryMiB: number;
  readonly diskVersion: () => string | undefined | Promise<string | undefined>;
}

/** Tells of a stage, and with it which way the start goes. */
export type Progress = (
  stage: BootProgress['stage'],
  detail: string,
  bytes?: { doneBytes: number; totalBytes: number },
) => void;

/** How a machine starts: known at first, and another one when what was saved turns out to be no good. */
export class StartTrail {
  start: BootProgress['start'];
  private readonly startedMs = performance.now();
  private readonly tell: (progress: BootProgress) => void;

  constructor(options: PowerOptions, environment: LabEnvironment, tell: (progress: BootProgress) => void) {
    if (options.resume !== undefined) this.start = 'resume';
    else this.start = mayBeInstant(options, environment) ? 'instant' : 'cold';
    this.tell = tell;
  }

  readonly progress: Progress = (stage, detail, bytes) => {
    const elapsedMs = performance.now() - this.startedMs;
    this.tell({ stage, detail, start: this.start, elapsedMs, ...bytes });
  };
}

export interface StartContext {
  readonly environment: LabEnvironment;
  readonly trail: StartTrail;
  /** An emulator made before, of the right size; let go of if it is not used. */
  readonly spare: SpareCore | undefined;
  /** Resolves when nobody wants to wait for what is being loaded. */
  readonly hurry: Promise<void>;
  /** A saved guest cannot be used, why in one sentence, and the guest boots instead. */
  readonly onwarning: (sentence: string) => void;
  /** A disk was opened, or is behind a cache now: the last one told of is to be closed when the start fails. */
  readonly ondisk: (disk: OpenDisk) => void;
  readonly onopened: (device: LabDevice, disk: OpenDisk) => void;
}

/**
 * Opens the disk, loads what the machine begins with, and plugs the device in. Rejects with one sentence; closing the
 * disk is the caller's.
 */
export async function startUp(options: PowerOptions, context: StartContext): Promise<Started> {
  const { trail } = context;
  // Made while what the machine goes on from is on its way.
  const spare =
    context.spare ??
    (trail.start === 'resume' ? spareCore(context.environment, options.memoryMiB) : undefined);
  const open = async () => {
    const opened = await options.catalogue.open(options.diskId);
    context.ondisk(opened);
    return opened;
  };
  try {
    let bare: OpenDisk | undefined;
    if (trail.start === 'resume') {
      trail.progress('unpack', '');
      bare = await open();
    }
    const beginning = await beginningOf(options, context);
    if ('images' in beginning) {
      trail.start = 'cold';
      spare?.discard();
    }
    trail.progress('unpack', '');
    const stored = bare ?? (await open());
    const { deviceLine, sizeBytes } = stored.summary;
    const built = buildConfig(deviceLine, sizeBytes, options.files);
    if (!built.ok) throw new LabError('device', built.error);
    const diskVersion = () => options.diskVersion?.(stored);
    const disk = behindCache(stored, options.cache ?? savedCache(beginning) ?? built.result.cache);
    context.ondisk(disk);
    const config = announceCache(built.config, disk);
    const { memoryMiB } = options;
    if ('resume' in beginning) {
      checkTarget(beginning.resume, {
        diskId: options.diskId,
        diskVersion: await diskVersion(),
        tableCrc: tableCrcOf(await disk.loadTable()),
        memoryMiB,
        cache: cacheModeOf(disk),
        configCrc: configCrcOf(config),
      });
    }
    const device = await LabDevice.open(config, disk);
    context.onopened(device, disk);
    if (trail.start !== 'cold') trail.progress('restore', '');
    const plugged = await plugInOrBoot(options, context, beginning, device, spare);
    return { ...plugged, disk, device, memoryMiB, diskVersion };
  } finally {
    spare?.discard();
  }
}

/** What a saved guest was restored into, or if it is no good, a machine that boots. */
async function plugInOrBoot(
  options: PowerOptions,
  context: StartContext,
  beginning: Beginning,
  device: LabDevice,
  spare: SpareCore | undefined,
): Promise<WiredMachine & { readonly beginning: Beginning }> {
  const { environment } = context;
  try {
    return { ...(await plugIn(environment, options, beginning, device, spare)), beginning };
  } catch (error) {
    if (!(error instanceof MachineError) || error.code !== 'state') throw error;
    if ('resume' in beginning) throw cannotResume(endOf(error.message), error);
    const images = await goCold(error, context);
    return { ...(await plugIn(environment, options, images, device)), beginning: images };
  }
}

async function beginningOf(options: PowerOptions, context: StartContext): Promise<Beginning> {
  const { environment, trail, hurry } = context;
  if (options.resume !== undefined)
    return { resume: readSavedLab(await Promise.race([options.resume, givenUp(hurry)])) };
  if (trail.start === 'cold') return load((onProgress) => loadImages(environment, onProgress), context);
  return load((onProgress) => loadSaved(environment, options, onProgress), context).catch((error: unknown) =>
    goCold(error, context),
  );
}

/** Whatever is wrong with a saved guest, there is the other way. */
function goCold(error: unknown, context: StartContext): Promise<Beginning> {
  if (error instanceof LabError && error.code === 'power') throw error;
  context.trail.start = 'cold';
  context.onwarning(`${sentenceOf(error)} The guest boots instead, which takes longer.`);
  return load((onProgress) => loadImages(context.environment, onProgress), context);
}

/** Loads with progress in bytes; given up when a later power change does not want to wait. */
async function load<T>(
  read: (onProgress: OnProgress) => Promise<T>,
  { trail, hurry }: StartContext,
): Promise<T> {
  trail.progress('fetch', '', { doneBytes: 0, totalBytes: 0 });
  let isOver = false;
  try {
    const loaded = read((doneBytes, totalBytes, name) => {
      if (!isOver) trail.progress('fetch', name, { doneBytes, totalBytes });
    });
    return await Promise.race([loaded, givenUp(hurry)]);
  } finally {
    isOver = true;
  }
}

/** Rejects when nobody wants to wait any more for what is being loaded. */
function givenUp(hurry: Promise<void>): Promise<never> {
  return hurry.then(() => {
    throw new LabError('power', 'The power was cut while the guest was being loaded.');
  });
}

/** A sentence as the end of another one. */
function endOf(sentence: string): string {
  return sentence.replace(/^The saved state of the \w+ cannot be restored: /, '').replace(/\.$/, '');
}
