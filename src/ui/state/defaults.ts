/** What a first visitor finds in the set-up panel, and the other starting points. */
import { CACHE_MODES, presets } from '../../rpc/presets.ts';
import { en, type Words } from '../text/en.ts';

export { CACHE_MODES };

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

export const DEFAULT_CMDLINE = 'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on nowatchdog';
export const DEFAULT_MEMORY_MIB = 128;
/** The lab's reason for a power-off that a power-on follows at once. */
export const RESTARTING = 'restarting';
export const MIN_MEMORY_MIB = 64;
export const MAX_MEMORY_MIB = 1024;

export type PresetId = keyof Words['presets'];

export interface Preset {
  readonly id: PresetId;
  readonly line: string;
  readonly sizeBytes: number;
}

/** The lab's presets that have a text here, and the tutorial's own size, which shows why a check is needed. */
export const PRESETS: readonly Preset[] = [
  ...presets.filter((p): p is typeof p & { id: PresetId } => p.id in en.presets),
  { id: 'tutorial1g', line: linesOf('tutorial'), sizeBytes: GIB },
];

export const TUTORIAL: Preset = { id: 'tutorial', line: linesOf('tutorial'), sizeBytes: 8 * GIB };

function linesOf(id: string): string {
  return presets.find((p) => p.id === id)?.line ?? '';
}

export function presetOf(line: string, sizeBytes: number): PresetId | undefined {
  return PRESETS.find((p) => p.line === line && p.sizeBytes === sizeBytes)?.id;
}
