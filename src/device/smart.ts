import { SmartWarning, smartLog } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { BadBlock, ChunkState } from '../spec/ocssd12.ts';
import type { Core } from './core.ts';
import type { Namespace } from './namespace.ts';

/** There is no thermometer: 30 °C. */
export const ROOM_TEMPERATURE_K = 273 + 30;
/** Program/erase cycles that a block of an open-channel 1.2 disk is taken to last; 2.0 says it (`pe_cycles`). */
const RATED_CYCLES = 3000;
const SPARE_THRESHOLD_PERCENT = 10;
const MOST_PERCENT_USED = 255;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

interface Wear {
  readonly usedPercent: number;
  readonly sparePercent: number;
}

/** Open-channel media wear out; a plain disk's flash is the business of whoever keeps it. */
function wearOf(ns: Namespace): Wear {
  if (ns.kind === 'plain') return { usedPercent: 0, sparePercent: 100 };
  const { eraseCount, state, badBlock } = ns.medium.table;
  const rated = ns.kind === 'ocssd20' ? ns.config.peCycles : RATED_CYCLES;
  let erased = 0;
  let grown = 0;
  for (let block = 0; block < state.length; block++) {
    erased += eraseCount[block] ?? 0;
    if (state[block] === ChunkState.offline && badBlock[block] !== BadBlock.factory) grown++;
  }
  return {
    // 0 cycles: wear is not counted.
    usedPercent: rated === 0 ? 0 : Math.floor((100 * erased) / (state.length * rated)),
    sparePercent: Math.floor((100 * (state.length - grown)) / state.length),
  };
}

/** Log page 02h: SMART / health information. */
export function smartPage(core: Core): Uint8Array {
  const { health, features, namespaces } = core;
  const wear = namespaces.map(wearOf);
  const availableSpare = Math.min(100, ...wear.map(({ sparePercent }) => sparePercent));
  const percentUsed = Math.min(MOST_PERCENT_USED, Math.max(0, ...wear.map((w) => w.usedPercent)));
  const readOnly = namespaces.some((ns) => ns.medium.units.failure !== undefined);
  health.look();
  return pack(smartLog, {
    criticalWarning:
      (availableSpare < SPARE_THRESHOLD_PERCENT ? SmartWarning.spare : 0) |
      (features.temperatureWarning ? SmartWarning.temperature : 0) |
      (readOnly ? SmartWarning.readOnly : 0),
    temperature: ROOM_TEMPERATURE_K,
    availableSpare,
    spareThreshold: SPARE_THRESHOLD_PERCENT,
    percentUsed,
    dataUnitsRead: thousands(health.unitsRead512),
    dataUnitsWritten: thousands(health.unitsWritten512),
    hostReads: health.hostReads,
    hostWrites: health.hostWrites,
    ctrlBusyTimeMinutes: Math.floor(health.busyMs / MINUTE_MS),
    powerCycles: health.powerCycles,
    powerOnHours: Math.floor(health.poweredMs / HOUR_MS),
    unsafeShutdowns: health.unsafeShutdowns,
    mediaErrors: health.mediaErrors,
    numErrLogEntries: health.errorLogEntries,
  });
}

/** SMART counts 512-byte units in thousands, rounded up. */
function thousands(units: number): number {
  return Math.ceil(units / 1000);
}
