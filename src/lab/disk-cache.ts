import type { ControllerConfig } from '../device/config.ts';
import type { StoreError } from '../flash/media-store.ts';
import { CACHE_MODES, type CacheMode, DEFAULT_CACHE_MODE, isCacheMode } from '../storage/cache-mode.ts';
import type { OpenDisk } from '../storage/catalogue.ts';
import { WriteCache } from '../storage/write-cache.ts';
import { LabError, sentenceOf } from './errors.ts';

/** What becomes of acknowledged writes when storing fails. */
const LOSSES: Readonly<Record<CacheMode, string>> = {
  writethrough: 'what was acknowledged is kept.',
  writeback: 'of what was acknowledged the last half second may be lost.',
  unsafe: 'what was written since the power came on may be lost.',
};

/** The disk as the device gets it: with `writethrough`, which is the usual, itself. Throws LabError for an unknown mode. */
export function behindCache(disk: OpenDisk, mode: CacheMode = DEFAULT_CACHE_MODE): OpenDisk {
  if (!isCacheMode(mode)) {
    throw new LabError(
      'power',
      `There is no cache mode ${String(mode).slice(0, 40)}; ${CACHE_MODES.join(', ')} are the modes.`,
    );
  }
  return mode === 'writethrough' ? disk : new WriteCache(disk, mode);
}

export function cacheModeOf(disk: OpenDisk): CacheMode {
  return disk instanceof WriteCache ? disk.mode : 'writethrough';
}

/** A device with a write cache says so in Identify (VWC), so that its host flushes. */
export function announceCache(config: ControllerConfig, disk: OpenDisk): ControllerConfig {
  return disk instanceof WriteCache ? { ...config, volatileWriteCache: true } : config;
}

/** The power goes, and with it what waits in the cache. */
export function losePower(disk: OpenDisk): void {
  if (disk instanceof WriteCache) disk.discard();
}

/** The guest has shut down: what waits need not wait for the power to go. A failure is told as any other. */
export function storeAll(disk: OpenDisk): void {
  settleCache(disk).catch(() => undefined);
}

/** Stores what waits in a cache, so that the disk holds all that was acknowledged until now. Rejects with StoreError. */
export async function settleCache(disk: OpenDisk): Promise<void> {
  if (disk instanceof WriteCache) await disk.settle('strict');
}

/** Calls `tell` once, with a sentence, when a write could not be stored. */
export function tellFailures(
  disk: OpenDisk,
  device: { onfailure: ((error: StoreError) => void) | undefined },
  tell: (code: string, sentence: string) => void,
): void {
  let told = false;
  const failed = (error: StoreError): void => {
    if (told) return;
    told = true;
    const losses = LOSSES[cacheModeOf(disk)];
    tell(error.code, `${error.message} Nothing more is written until the power has been off; ${losses}`);
  };
  device.onfailure = failed;
  if (disk instanceof WriteCache) disk.onfailure = failed;
}

/**
 * Stores what waits and closes the disk.
 * @throws LabError when that could not be stored; the disk is closed all the same
 */
export async function closeDisk(disk: OpenDisk): Promise<void> {
  try {
    await disk.close();
  } catch (error) {
    throw new LabError(
      'disk',
      `${sentenceOf(error)} The disk is closed; ${LOSSES[cacheModeOf(disk)]}`,
      error,
    );
  }
}
