import type { CacheMode } from '../../src/storage/cache-mode.ts';
import { Dialect12, Dialect20 } from './flash-dialects.ts';
import { FlashHost } from './flash-host.ts';
import { PlainHost } from './plain-host.ts';

export const hosts = [
  { name: 'open-channel 1.2', make: () => new FlashHost(new Dialect12()) },
  { name: 'open-channel 2.0', make: () => new FlashHost(new Dialect20()) },
  { name: 'plain', make: () => new PlainHost() },
] as const;

/** Of `unsafe` nothing is promised before the power goes off in an orderly way. */
export const modes: readonly CacheMode[] = ['writethrough', 'writeback'];

export const CRASH_SEED = Number(process.env.CRASH_SEED ?? 1);
