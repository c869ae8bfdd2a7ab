import type { TraceSink } from './record.ts';

const nothing = (): void => {};

/** A sink of the parts that somebody wants. */
export function sinkOf(parts: Partial<TraceSink>): TraceSink {
  return {
    at: nothing,
    command: nothing,
    write: nothing,
    learn: nothing,
    content: nothing,
    erase: nothing,
    entry: nothing,
    guest: nothing,
    power: nothing,
    mark: nothing,
    ...parts,
  };
}
