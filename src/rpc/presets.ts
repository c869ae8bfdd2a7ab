/** Disks to start from, and sizes as people write them: what the page may show before the worker has answered anything. */
export { presets, type DiskPreset } from '../lab/presets.ts';
export { CACHE_MODES } from '../lab/presets.ts';
export { parseSize } from '../lab/size.ts';
