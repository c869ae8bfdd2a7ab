/** Disks to start from: data that the page may show before the worker has answered anything. */
export { presets, type DiskPreset } from '../lab/presets.ts';
export { CACHE_MODES } from '../lab/presets.ts';
