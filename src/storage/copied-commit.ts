import type { MediaCommit } from '../flash/media-store.ts';

/** A commit with bytes of its own: those of the caller's are borrowed only until `commit` has returned. */
export function copiedCommit({ erased, units, shards }: MediaCommit): MediaCommit {
  return {
    erased: erased.map((run) => ({ ...run })),
    units: units.map(({ unit, bytes }) => ({ unit, bytes: bytes.slice() })),
    shards: shards.map(({ shard, bytes }) => ({ shard, bytes: bytes.slice() })),
  };
}
