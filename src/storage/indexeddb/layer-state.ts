import { SEAL_BYTES, seal } from '../checksum.ts';
import type { Superblock } from '../superblock.ts';
import { UnitMap, type UnitMapChange } from '../unit-map.ts';
import { badJournal, type Counts, type JournalRecord, type NumberedShard, type Step } from './journal.ts';
import { INDEX_PAGES, OWN_PAGES } from './layout.ts';
import { PIECE_BYTES, piecesOf } from './pieces.ts';
import { NOWHERE, UnitIndex, type UnitIndexChange } from './unit-index.ts';

/** What a commit makes of a layer; becomes true with {@link LayerState.apply}. */
export interface LayerChange {
  readonly superblock: Superblock;
  readonly map: UnitMapChange;
  /** What becomes of the units in this layer, where there are layers below it. */
  readonly own: UnitMapChange | undefined;
  readonly index: UnitIndexChange;
  /** A piece that begins with the commit's record in the journal. */
  readonly head: number | undefined;
}

/** A record of `map` or `table`, sealed, with its number. */
export type SealedRecord = readonly [number: number, sealed: Uint8Array];

/** The units of a layer: which there are, and where in it. */
export interface LayerUnits {
  readonly units: UnitMap;
  readonly index: UnitIndex;
}

/** What the journal says and the rest of the database does not yet. */
export interface Unsettled {
  /** Of `map`. */
  readonly pages: readonly SealedRecord[];
  readonly table: readonly SealedRecord[];
  /** Pieces to delete, rising. */
  readonly freed: readonly number[];
}

/** A record of the journal as it was found. */
export interface Repeated {
  readonly record: JournalRecord;
  readonly bytes: number;
  /** It lies before units in pieces. */
  readonly isJoined: boolean;
}

/** All that is known of a layer but its data: as it was settled, and what the journal says since. */
export class LayerState implements LayerUnits {
  superblock: Superblock;
  /** Units of the disk. Where there are no layers below, the same as `units`. */
  readonly map: UnitMap;
  readonly units: UnitMap;
  readonly index: UnitIndex;
  /** Commits, and bytes, in the journal. */
  journalled = { commits: 0, bytes: 0 };
  /** Pages that differ from the stored ones, by their keys in `map`. */
  readonly #pages = new Set<number>();
  readonly #shards = new Map<number, Uint8Array>();
  /** Pieces that begin with a record of the journal that is not settled. */
  readonly #heads = new Set<number>();
  /** Pieces that no unit needs any more, but the journal does. */
  readonly #kept = new Set<number>();

  constructor(superblock: Superblock, map: UnitMap, { units, index }: LayerUnits) {
    this.superblock = superblock;
    this.map = map;
    this.units = units;
    this.index = index;
  }

  /** An empty layer on top of a disk. */
  static above(superblock: Superblock, map: UnitMap): LayerState {
    return new LayerState(superblock, map, {
      units: new UnitMap(),
      index: new UnitIndex(superblock.unitBytes),
    });
  }

  /** What the superblock of the journal's next record counts. */
  static counts({ commits, epoch, pieces = 0, unitsStored, unitsOwn = unitsStored }: Superblock): Counts {
    return { commits, epoch, pieces, unitsStored, unitsOwn };
  }

  /** Shards that differ from the stored ones. */
  get shards(): ReadonlyMap<number, Uint8Array> {
    return this.#shards;
  }

  /**
   * What a commit will make of it. Changes nothing yet: the commit may fail.
   * @param headBytes length of its record in the journal, if that lies before the units in pieces
   */
  change({ erased, inPieces, byThemselves }: Step, headBytes: number): LayerChange {
    const { commits, pieces = 0, unitBytes } = this.superblock;
    const commit = { erased, units: [...inPieces, ...byThemselves].map((unit) => ({ unit })) };
    const map = this.map.change(commit);
    const own = this.units === this.map ? undefined : this.units.change(commit);
    const index = this.index.change(erased, byThemselves, inPieces, pieces * PIECE_BYTES + headBytes);
    const begun = pieces + piecesOf(headBytes + inPieces.length * (unitBytes + SEAL_BYTES));
    const superblock = {
      ...this.superblock,
      commits: commits + 1,
      unitsStored: map.stored,
      ...(own && { unitsOwn: own.stored }),
      ...(begun > 0 && { pieces: begun }),
    };
    return { superblock, map, own, index, head: headBytes > 0 ? pieces : undefined };
  }

  /** Pieces that can be deleted in a commit that does not settle the journal, rising. */
  freed({ index }: LayerChange): number[] {
    return index.freed.filter((piece) => !this.#heads.has(piece));
  }

  /** @param journal length of the record, and its shards, which are kept; undefined when all was settled with it */
  apply(
    { superblock, map, own, index, head }: LayerChange,
    journal: { readonly bytes: number; readonly shards: readonly NumberedShard[] } | undefined,
  ): void {
    // The name may have changed meanwhile.
    this.superblock = { ...superblock, name: this.superblock.name };
    this.map.apply(map);
    if (own) this.units.apply(own);
    this.index.apply(index);
    if (journal === undefined) {
      this.settled();
      return;
    }
    const { commits, bytes } = this.journalled;
    this.journalled = { commits: commits + 1, bytes: bytes + journal.bytes };
    for (const key of pagesOf({ map, own, index })) this.#pages.add(key);
    for (const [shard, content] of journal.shards) this.#shards.set(shard, content);
    for (const piece of index.freed) if (this.#heads.has(piece)) this.#kept.add(piece);
    if (head !== undefined) this.#heads.add(head);
  }

  /** Does what a record of the journal says. @throws StoreError `corrupt` when that is not of this disk */
  repeat({ record, bytes, isJoined }: Repeated): void {
    const change = this.change(record, isJoined ? bytes : 0);
    const counts = LayerState.counts(change.superblock);
    for (const field of Object.keys(counts) as (keyof Counts)[])
      if (counts[field] !== record[field]) throw badJournal();
    this.apply(change, { bytes, shards: record.shards });
  }

  /** The journal was emptied. */
  settled(): void {
    this.journalled = { commits: 0, bytes: 0 };
    for (const held of [this.#pages, this.#shards, this.#heads, this.#kept]) held.clear();
  }

  /** What is to be done when the journal is settled, as it is or with a change and its shards. */
  unsettled(change?: LayerChange, shards: readonly NumberedShard[] = []): Unsettled {
    const keys = new Set([...this.#pages, ...(change ? pagesOf(change) : [])]);
    return {
      pages: Array.from(keys, (key) => [key, seal(this.#page(key, change))] as const),
      table: Array.from(
        new Map([...this.#shards, ...shards]),
        ([shard, bytes]) => [shard, seal(bytes)] as const,
      ),
      freed: [...this.#kept, ...(change?.index.freed ?? [])].sort((a, b) => a - b),
    };
  }

  /** Whether a unit has a record of its own in this layer. */
  isByItself(unit: number): boolean {
    return this.units.has(unit) && this.index.position(unit) === NOWHERE;
  }

  #page(key: number, change: LayerChange | undefined): Uint8Array {
    if (key >= INDEX_PAGES) return this.index.page(key - INDEX_PAGES, change?.index);
    if (key < OWN_PAGES) return change?.map.pages.get(key) ?? this.map.page(key);
    return change?.own?.pages.get(key - OWN_PAGES) ?? this.units.page(key - OWN_PAGES);
  }
}

function pagesOf({ map, own, index }: Pick<LayerChange, 'map' | 'own' | 'index'>): number[] {
  return [
    ...map.pages.keys(),
    ...Array.from(own?.pages.keys() ?? [], (page) => OWN_PAGES + page),
    ...Array.from(UnitIndex.pagesOf(index), (page) => INDEX_PAGES + page),
  ];
}
