import type { StoreMode } from '../fakes/fake-store.ts';
import { runModel, type RunOptions } from './commands.ts';
import type { Dialect } from './dialect.ts';
import { Dialect12 } from './ocssd12.ts';
import { Dialect20 } from './ocssd20.ts';
import { DialectPlain } from './plain.ts';
import { cutEverywhere, failEverywhere } from './script.ts';

/** A kind of disk with what the tests do to it. */
function disk<S, R>(name: string, make: () => Dialect<S, R>) {
  return {
    name,
    run: (mode: StoreMode, options: RunOptions) => runModel(make, mode, options),
    cutEverywhere: (seed: number) => cutEverywhere(make, seed),
    failEverywhere: (seed: number) => failEverywhere(make, seed),
  };
}

export const disks = [
  disk('open-channel 1.2', () => new Dialect12()),
  // Chunks that wear out soon; a free chunk may not be reset again.
  disk('open-channel 2.0, short life', () => new Dialect20({ peCycles: 2, mccap: 1 })),
  disk('open-channel 2.0, long life', () => new Dialect20({ peCycles: 1000, mccap: 3 })),
  disk('plain', () => new DialectPlain()),
];
