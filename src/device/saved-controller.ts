import type { SavedFields, TakeOver } from '../flash/saved-fields.ts';
import type { SavedAdmin } from './admin.ts';
import type { SavedEvents } from './async-events.ts';
import type { SavedErrors } from './error-log.ts';
import type { SavedFeatures } from './features.ts';
import type { Namespace } from './namespace.ts';
import type { SavedRegisters } from './register-file.ts';
import type { SavedQueues } from './saved-queues.ts';

/** Goes up when a state of before means something else. */
export const SAVED_FORMAT = 1;

/**
 * A controller at rest, as plain data for JSON or structured clone. It goes with the disk as it was at that moment:
 * data, block table, marks and SMART counters are there and not here. The log of commands ended with the controller.
 */
export interface SavedController {
  readonly format: typeof SAVED_FORMAT;
  /** 2^(12 + CC.MPS) as it was when the controller was enabled. */
  readonly pageBytes: number;
  /** The queue whose turn it was last. */
  readonly turn: number;
  /** It was enabled since the power came. */
  readonly isPowered: boolean;
  readonly registers: SavedRegisters;
  readonly queues: SavedQueues;
  readonly events: SavedEvents;
  readonly errors: SavedErrors;
  readonly features: SavedFeatures;
  readonly admin: SavedAdmin;
  /** What each namespace's medium keeps in memory only; nothing of a plain one. */
  readonly media: readonly object[];
}

/** The media's part, for namespaces in the same order. Throws SavedStateError. */
export function checkMedia(saved: SavedFields, namespaces: readonly Namespace[]): TakeOver {
  const states = saved.list('media', namespaces.length, (item) => item);
  if (states.length !== namespaces.length) throw saved.wrong('media');
  const takeOvers = namespaces.flatMap((ns, i) =>
    ns.kind === 'plain' ? [] : [ns.medium.readSaved(states[i])],
  );
  return () => {
    for (const takeOver of takeOvers) takeOver();
  };
}
