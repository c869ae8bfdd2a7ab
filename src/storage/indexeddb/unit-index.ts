import { StoreError, type UnitRun } from '../../flash/media-store.ts';
import { SEAL_BYTES } from '../checksum.ts';
import type { DiskSpec } from '../catalogue.ts';
import type { UnitMap } from '../unit-map.ts';
import { MOST_IN_PIECES, PIECE_BYTES, piecesAt } from './pieces.ts';

/**
 * Where in the pieces of a layer its units lie. In pages of 512 units, which are stored: 8 bytes each, a double, little-
 * endian: one more than the position, or 0 for a unit that has a record of its own or is not in the layer.
 */
export const INDEX_PAGE_BYTES = 4096;
const UNITS_PER_PAGE = INDEX_PAGE_BYTES / 8;

/** A unit that lies in no piece. */
export const NOWHERE = -1;

/** What a commit makes of the index; becomes true with {@link UnitIndex.apply}. */
export interface UnitIndexChange {
  /** New positions of units. */
  readonly positions: ReadonlyMap<number, number>;
  /** How many units each piece is then needed for. */
  readonly needs: ReadonlyMap<number, number>;
  /** Pieces that are not needed any more, in rising order. */
  readonly freed: readonly number[];
}

export class UnitIndex {
  /** Only pages that were ever touched. */
  readonly #pages = new Map<number, Float64Array>();
  readonly #sealedBytes: number;
  /** Units in each piece. Counted when first asked for: layers that are only read need none. */
  #needs: Map<number, number> | undefined;

  constructor(unitBytes: number) {
    this.#sealedBytes = unitBytes + SEAL_BYTES;
  }

  /**
   * @param units that are in the layer
   * @param pieces that the layer ever began
   * @throws StoreError `corrupt` when a unit is said to lie where it cannot
   */
  static load(
    pages: Iterable<readonly [number, Uint8Array]>,
    { unitBytes, totalUnits }: DiskSpec,
    units: UnitMap,
    pieces: number,
  ): UnitIndex {
    const index = new UnitIndex(unitBytes);
    // Of units that are never put into pieces nothing can be said to lie there.
    const isAny = index.#sealedBytes <= MOST_IN_PIECES;
    const end = isAny ? pieces * PIECE_BYTES - index.#sealedBytes + 1 : 0;
    for (const [page, bytes] of pages) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const entries = new Float64Array(UNITS_PER_PAGE);
      for (let i = 0; i < UNITS_PER_PAGE; i++) {
        const entry = view.getFloat64(i * 8, true);
        if (entry === 0) continue;
        const unit = page * UNITS_PER_PAGE + i;
        if (
          !Number.isSafeInteger(entry) ||
          entry < 0 ||
          entry > end ||
          unit >= totalUnits ||
          !units.has(unit)
        )
          throw new StoreError(
            'corrupt',
            'A unit of this disk is said to be where it cannot be; restore the disk from an export or wipe it.',
          );
        entries[i] = entry;
      }
      index.#pages.set(page, entries);
    }
    return index;
  }

  /** Of the sealed unit; {@link NOWHERE} when it lies in no piece. */
  position(unit: number): number {
    return (this.#pages.get(pageOf(unit))?.[unit % UNITS_PER_PAGE] ?? 0) - 1;
  }

  /**
   * What becomes of it when runs are erased, then units put: some by themselves, others end to end from `position` on.
   * Changes nothing yet.
   */
  change(
    erased: readonly UnitRun[],
    byThemselves: readonly number[],
    inPieces: readonly number[],
    position: number,
  ): UnitIndexChange {
    const positions = new Map<number, number>();
    const leaves = (unit: number): void => {
      if (this.position(unit) !== NOWHERE) positions.set(unit, NOWHERE);
    };
    for (const run of erased) this.#eachIn(run, leaves);
    inPieces.forEach((unit, i) => positions.set(unit, position + i * this.#sealedBytes));
    for (const unit of byThemselves) {
      positions.delete(unit);
      leaves(unit);
    }
    const needs = new Map<number, number>();
    const count = (at: number, change: number): void => {
      if (at === NOWHERE) return;
      const [first, last] = piecesAt(at, this.#sealedBytes);
      for (let piece = first; piece <= last; piece++)
        needs.set(piece, (needs.get(piece) ?? this.#counted().get(piece) ?? 0) + change);
    };
    for (const [unit, at] of positions) {
      count(this.position(unit), -1);
      count(at, 1);
    }
    const freed = [...needs].filter(([, units]) => units === 0).map(([piece]) => piece);
    return { positions, needs, freed: freed.sort((a, b) => a - b) };
  }

  apply({ positions, needs }: UnitIndexChange): void {
    const counted = this.#counted();
    for (const [unit, position] of positions) {
      let entries = this.#pages.get(pageOf(unit));
      if (entries === undefined) this.#pages.set(pageOf(unit), (entries = new Float64Array(UNITS_PER_PAGE)));
      entries[unit % UNITS_PER_PAGE] = position + 1;
    }
    for (const [piece, units] of needs) {
      if (units === 0) counted.delete(piece);
      else counted.set(piece, units);
    }
  }

  /** Numbers of the pages that a change touches. */
  static pagesOf({ positions }: UnitIndexChange): Set<number> {
    return new Set(Array.from(positions.keys(), pageOf));
  }

  /** A page as it is stored, or as it will be. */
  page(page: number, change?: UnitIndexChange): Uint8Array {
    const bytes = new Uint8Array(INDEX_PAGE_BYTES);
    const view = new DataView(bytes.buffer);
    this.#pages.get(page)?.forEach((entry, i) => view.setFloat64(i * 8, entry, true));
    for (const [unit, position] of change?.positions ?? [])
      if (pageOf(unit) === page) view.setFloat64((unit % UNITS_PER_PAGE) * 8, position + 1, true);
    return bytes;
  }

  #eachIn({ first, count }: UnitRun, visit: (unit: number) => void): void {
    const end = first + count;
    const firstPage = pageOf(first);
    const pages = pageOf(end - 1) - firstPage + 1;
    // A run may be as long as the disk, most of which was never written.
    const numbers =
      pages > this.#pages.size
        ? [...this.#pages.keys()]
        : Array.from({ length: pages }, (_, i) => firstPage + i);
    for (const page of numbers) {
      if (!this.#pages.has(page)) continue;
      const base = page * UNITS_PER_PAGE;
      for (let unit = Math.max(first, base); unit < Math.min(end, base + UNITS_PER_PAGE); unit++) visit(unit);
    }
  }

  #counted(): Map<number, number> {
    if (this.#needs !== undefined) return this.#needs;
    const needs = new Map<number, number>();
    for (const entries of this.#pages.values())
      for (const entry of entries) {
        if (entry === 0) continue;
        const [first, last] = piecesAt(entry - 1, this.#sealedBytes);
        for (let piece = first; piece <= last; piece++) needs.set(piece, (needs.get(piece) ?? 0) + 1);
      }
    return (this.#needs = needs);
  }
}

function pageOf(unit: number): number {
  return Math.floor(unit / UNITS_PER_PAGE);
}
