import { MachineError } from '../machine/errors.ts';
import type { Machine } from '../machine/machine.ts';
import type { OpenDisk } from '../storage/catalogue.ts';
import type { ControlChannel } from './control-channel.ts';
import type { LabDevice } from './device.ts';
import { cacheModeOf, settleCache } from './disk-cache.ts';
import { LabError, sentenceOf } from './errors.ts';
import type { GuestTrace } from './guest-trace/guest-trace.ts';
import type { TargetWatch } from './targets/target-watch.ts';
import { configCrcOf, SAVED_LAB_FORMAT, type SavedLab, tableCrcOf } from './saved-lab.ts';

export const REST_MS = 5_000;

export interface SaveOptions {
  /** How long to wait for a moment of rest; 5,000 ms where absent. */
  readonly timeoutMs?: number;
  /**
   * Called while the machine still stands at the saved moment, with everything stored: to copy the disk as it belongs
   * to the state, say. When it rejects, so does the saving.
   */
  readonly whilePaused?: (saved: SavedLab, disk: OpenDisk) => void | Promise<void>;
  /** Switches off at the saved moment instead of going on, so that the disk stays what the state belongs to. */
  readonly powerOff?: boolean;
}

/** Of a running lab what is saved, or has to be at rest. */
export interface Savable {
  readonly machine: Machine;
  readonly device: LabDevice;
  readonly disk: OpenDisk;
  readonly control: ControlChannel;
  readonly trace: GuestTrace;
  /** Undefined for a plain disk. */
  readonly targets: Pick<TargetWatch, 'save'> | undefined;
  readonly memoryMiB: number;
  readonly diskVersion: () => string | undefined | Promise<string | undefined>;
}

/**
 * Waits for a moment at which the guest and its device have nothing to do, stops the machine there, stores what is
 * not stored yet, and copies everything. The machine stands still afterwards. Rejects with a LabError `save`, one
 * sentence, when there was no such moment, or something could not be stored; it may stand still then, too.
 * @param hurry resolves when nobody wants to wait for it any more
 */
export async function saveAtRest(lab: Savable, timeoutMs: number, hurry: Promise<void>): Promise<SavedLab> {
  const { machine } = lab;
  const endMs = performance.now() + timeoutMs;
  const interrupted = hurry.then(() => {
    throw new LabError('power', 'The power was cut while the lab was being saved.');
  });
  interrupted.catch(() => {}); // later ones hurry on when all is done
  for (;;) {
    const leftMs = Math.max(0, endMs - performance.now());
    const busy = await Promise.race([machine.pauseAtRest(leftMs), interrupted]);
    if (busy !== null)
      throw new LabError(
        'save',
        `The lab could not be saved: for ${timeoutMs / 1000} s there was no moment of rest (${busy}); try again when the guest has less to do.`,
      );
    try {
      return await copy(lab);
    } catch (error) {
      // While the disk was waited for, somebody typed, say.
      if (!(error instanceof MachineError) || error.code !== 'busy') throw error;
    }
    if (machine.state === 'ready') machine.start();
  }
}

async function copy({ machine, device, disk, control, trace, targets, memoryMiB, diskVersion }: Savable) {
  let tableCrc: number;
  let version: string | undefined;
  try {
    await device.flush();
    await settleCache(disk);
    tableCrc = tableCrcOf(await disk.loadTable());
    version = await diskVersion();
  } catch (error) {
    throw new LabError('save', `${sentenceOf(error)} So the lab could not be saved.`, error);
  }
  const { deviceLine, sizeBytes, id } = disk.summary;
  const traced = trace.save();
  const live = targets?.save();
  return {
    format: SAVED_LAB_FORMAT,
    // Last: whatever came meanwhile is noticed here.
    machine: machine.save(),
    deviceLine,
    sizeBytes,
    configCrc: configCrcOf(device.config),
    cache: cacheModeOf(disk),
    memoryMiB,
    diskId: id,
    ...(version !== undefined && { diskVersion: version }),
    tableCrc,
    savedAtMs: Date.now(),
    controlId: control.lastId,
    traceRun: trace.lastRun,
    ...(traced && { trace: traced }),
    ...(live && { targets: live }),
  } satisfies SavedLab;
}
