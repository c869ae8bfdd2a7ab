import { StoreError, type UnitBytes } from '../flash/media-store.ts';
import type { OpenDisk } from './catalogue.ts';

/** Units asked about before others get their turn of the event loop. */
const UNITS_PER_TURN = 65_536;

/**
 * Every stored unit of a disk in the order of the numbers, up to `perBatch` of them at a time. The bytes are
 * borrowed until the next batch is asked for. Rejects with StoreError.
 */
export async function* storedUnits(
  disk: OpenDisk,
  perBatch: number,
): AsyncGenerator<readonly UnitBytes[], void, undefined> {
  const { totalUnits } = disk.summary;
  // Behind the last of them there is nothing to ask for.
  let left = disk.unitsStored();
  let asked: number[] = [];
  for (let unit = 0; unit < totalUnits && left > 0; unit++) {
    if (disk.isStored(unit)) asked.push(unit);
    if (asked.length === perBatch || asked.length === left) {
      left -= asked.length;
      yield await readUnits(disk, asked);
      asked = [];
    } else if (unit % UNITS_PER_TURN === UNITS_PER_TURN - 1) {
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}

/** Units that are stored, read together. */
export async function readUnits(disk: OpenDisk, units: readonly number[]): Promise<UnitBytes[]> {
  const answers = await Promise.all(units.map((unit) => disk.readUnit(unit)));
  return units.map((unit, i) => {
    const bytes = answers[i];
    if (bytes === undefined) {
      throw new StoreError(
        'corrupt',
        `Unit ${unit} of the disk is said to be stored and is not there; restore the disk from an export or wipe it.`,
      );
    }
    return { unit, bytes };
  });
}
