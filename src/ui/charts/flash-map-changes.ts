import type { Changing } from './flash-map-source.ts';

/** One reader's view of what changed. */
export interface ChangeWatch {
  /** Blocks that changed since the last call; some may be in it twice. */
  take(): readonly number[];
  stop(): void;
}

/** A block that changes all the time is in the list of a reader who looks away once a drain: bounded here. */
const MAX_WAITING = 1 << 17;

const watched = new WeakMap<Changing, Set<number[]>>();

/**
 * A model hands its changes out once; this deals them to as many readers as there are (cells, counts, other
 * views). Whoever begins to watch has to look at every block first.
 */
export function watchChanges(source: Changing): ChangeWatch {
  const lists = watched.get(source) ?? new Set<number[]>();
  watched.set(source, lists);
  const mine: number[] = [];
  lists.add(mine);
  return {
    take() {
      const changed = source.takeChanged();
      for (const list of lists) {
        if (list.length > MAX_WAITING) list.splice(0, list.length, ...new Set(list));
        for (const block of changed) list.push(block);
      }
      return mine.splice(0);
    },
    stop() {
      lists.delete(mine);
    },
  };
}
