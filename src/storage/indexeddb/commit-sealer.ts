import type { Durability, MediaCommit, UnitRun } from '../../flash/media-store.ts';
import { seal, SEAL_BYTES } from '../checksum.ts';
import { MAX_PIECES } from '../superblock.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import {
  encodeJournal,
  isJoined,
  journalBytes,
  MAX_JOURNALLED,
  MOST_JOURNALLED_BYTES,
  SETTLE_AFTER_BYTES,
  SETTLE_AFTER_COMMITS,
  slotOf,
  type NumberedShard,
  type Step,
} from './journal.ts';
import { LayerState, type SealedRecord } from './layer-state.ts';
import { JOURNAL, PIECES } from './layout.ts';
import { Lazily } from './lazily.ts';
import { MOST_IN_PIECES, PIECE_BYTES, PieceCutter, piecesOf } from './pieces.ts';
import { keyRange, pieceRanges } from './records.ts';
import type { SealedCommit } from './write-commit.ts';

/** Buffers of units, and of pieces, kept from one commit to the next: 2 MiB of usual ones each. */
const KEPT_BUFFERS = 64;

/** A commit as it is written, and what to do with the state when it is. */
export interface PreparedCommit {
  readonly sealed: SealedCommit;
  readonly apply: () => void;
}

/** Makes of commits what is written: decides what goes where, and copies it. */
export class CommitSealer {
  readonly #env: IndexedDbEnvironment;
  readonly #isExclusive: boolean;
  /** Units are sealed in these, used again at each commit; as pieces.ts says of its own. */
  readonly #units: Uint8Array<ArrayBuffer>[] = [];
  readonly #pieces = new PieceCutter(KEPT_BUFFERS);

  constructor(env: IndexedDbEnvironment, isExclusive: boolean) {
    this.#env = env;
    this.#isExclusive = isExclusive;
  }

  seal(state: LayerState, commit: MediaCommit, durability: Durability): PreparedCommit {
    // Of what is put twice the last counts.
    const bytesOf = new Map(commit.units.map(({ unit, bytes }) => [unit, bytes]));
    // As long wherever the units lie.
    const all = { erased: commit.erased, inPieces: [...bytesOf.keys()], byThemselves: [] };
    const lengthBytes = journalBytes(all, commit.shards);
    const settles = isToSettle(state, lengthBytes);
    const { step, joins } = placed(state, all.erased, all.inPieces, settles ? undefined : lengthBytes);
    const change = state.change(step, joins ? lengthBytes : 0);
    const deleted = this.#deleted(state, commit.erased);
    const written = { before: state.superblock, superblock: change.superblock };
    const common = { ...written, isExclusive: this.#isExclusive, durability };
    const sealed = (head?: Uint8Array) =>
      new Lazily(this.#sealed(step, bytesOf, state.superblock.pieces ?? 0, head));
    const shards = commit.shards.map(({ shard, bytes: content }) => [shard, content] as const);
    if (settles) {
      const settled = { ...state.unsettled(change, shards), empties: false };
      return {
        sealed: { ...common, deleted, units: sealed(), settles: settled },
        apply: () => state.apply(change, undefined),
      };
    }
    deleted.push(...pieceRanges(this.#env, state.freed(change)));
    const record = encodeJournal({ ...step, ...LayerState.counts(change.superblock), shards });
    const kept = { bytes: lengthBytes, shards: copies(shards, record) };
    const slot = [JOURNAL + slotOf(change.superblock.commits), record] as const;
    const journalled = joins ? { units: sealed(record) } : { units: sealed(), journal: slot };
    return { sealed: { ...common, deleted, ...journalled }, apply: () => state.apply(change, kept) };
  }

  /** Units and pieces with their keys. Copies: they go on changing in place, and a commit may have to be repeated. */
  *#sealed(
    { inPieces, byThemselves }: Step,
    bytesOf: ReadonlyMap<number, Uint8Array>,
    firstPiece: number,
    head: Uint8Array | undefined,
  ): Generator<SealedRecord, void, undefined> {
    let key = PIECES + firstPiece;
    const units = inPieces.map((unit) => bytesOf.get(unit) as Uint8Array);
    for (const piece of this.#pieces.cut(units, head)) yield [key++, piece];
    for (const [i, unit] of byThemselves.entries()) {
      const bytes = bytesOf.get(unit) as Uint8Array;
      yield [unit, seal(bytes, this.#unit(bytes, i))];
    }
  }

  /** No commit, but the journal in its places. */
  settle(state: LayerState): PreparedCommit {
    const { superblock } = state;
    const settles = { ...state.unsettled(), empties: true };
    const rest = {
      units: new Lazily<SealedRecord>([].values()),
      deleted: [],
      durability: 'relaxed',
      isExclusive: this.#isExclusive,
    } as const;
    return { sealed: { ...rest, before: superblock, superblock, settles }, apply: () => state.settled() };
  }

  /** Between two commits: buffers of a large one go. */
  trim(): void {
    if (this.#units.length > KEPT_BUFFERS) this.#units.length = KEPT_BUFFERS;
    this.#pieces.trim();
  }

  #unit(bytes: Uint8Array, i: number): Uint8Array<ArrayBuffer> {
    return (this.#units[i] ??= new Uint8Array(bytes.length + SEAL_BYTES));
  }

  /**
   * A delete of nothing still costs a millisecond, and GC erases what it has just emptied as well. What is in a layer
   * below is only forgotten.
   */
  #deleted(state: LayerState, erased: readonly UnitRun[]): IDBKeyRange[] {
    return erased.flatMap((run) => {
      const held = state.units.trim(run);
      if (held === undefined) return [];
      let [first, last] = [held.first, held.first + held.count - 1];
      while (first <= last && !state.isByItself(first)) first++;
      while (last > first && !state.isByItself(last)) last--;
      return first <= last ? [keyRange(this.#env, first, last)] : [];
    });
  }
}

/**
 * What goes where. Units that the layer has not got go into pieces, where that makes fewer records or smaller ones:
 * what is written to flash was erased before, and goes together. What is written over has, from then on, a record of
 * its own: what is written over again and again must not leave pieces behind of which little is needed.
 * @param journalLength of the commit's record, if there is one: it may lie before the units, and is then no record more
 */
function placed(
  state: LayerState,
  erased: readonly UnitRun[],
  units: readonly number[],
  journalLength: number | undefined,
): { readonly step: Step; readonly joins: boolean } {
  const isErased = (unit: number): boolean =>
    erased.some(({ first, count }) => unit >= first && unit < first + count);
  const isNew = (unit: number): boolean => !state.units.has(unit) || isErased(unit);
  const inPieces = units.filter(isNew);
  const { unitBytes, pieces: begun = 0 } = state.superblock;
  const sealedBytes = unitBytes + SEAL_BYTES;
  const joins = journalLength !== undefined && isJoined(journalLength, inPieces.length * unitBytes);
  const pieces = piecesOf((joins ? journalLength : 0) + inPieces.length * sealedBytes);
  const others = inPieces.length + (joins ? 1 : 0);
  const pays = sealedBytes > PIECE_BYTES ? sealedBytes <= MOST_IN_PIECES : pieces < others;
  if (!pays || begun + pieces > MAX_PIECES)
    return { step: { erased, inPieces: [], byThemselves: units }, joins: false };
  return { step: { erased, inPieces, byThemselves: units.filter((unit) => !isNew(unit)) }, joins };
}

function isToSettle({ journalled, superblock }: LayerState, nextBytes: number): boolean {
  return (
    journalled.commits + 1 >= SETTLE_AFTER_COMMITS ||
    nextBytes > MOST_JOURNALLED_BYTES ||
    journalled.bytes + nextBytes > SETTLE_AFTER_BYTES ||
    superblock.commits >= MAX_JOURNALLED
  );
}

/** The shards as they lie at the end of a journal's record: the caller's own bytes will change. */
function copies(shards: readonly NumberedShard[], record: Uint8Array): NumberedShard[] {
  let at = shards.reduce((end, [, { length }]) => end - length, record.length - SEAL_BYTES);
  return shards.map(([shard, { length }]) => [shard, record.subarray(at, (at += length))]);
}
