import { StoreError, type UnitRun } from '../flash/media-store.ts';

/**
 * Which units of a disk are stored: one bit each, in pages of 32,768 units (4 KiB). It makes the count of stored units
 * exact without ever counting records (slow in every browser), and reads of unwritten units answer without a
 * transaction.
 *
 * Bit `unit % 8`, counted from the lowest, of byte `floor(unit / 8)`; pages follow each other.
 */
export const UNIT_MAP_PAGE_BYTES = 4096;
const UNITS_PER_PAGE = UNIT_MAP_PAGE_BYTES * 8;

/** Of a commit, what concerns the map: runs that are erased before units are put. */
export interface MapCommit {
  readonly erased: readonly UnitRun[];
  readonly units: readonly { readonly unit: number }[];
}

/** What a commit makes of the map; becomes true with {@link UnitMap.apply}. */
export interface UnitMapChange {
  readonly pages: ReadonlyMap<number, Uint8Array>;
  readonly stored: number;
}

export class UnitMap {
  /** Only pages that were ever touched: a large empty disk costs nothing. */
  readonly #pages = new Map<number, Uint8Array>();
  #stored = 0;

  /** Units stored. */
  get stored(): number {
    return this.#stored;
  }

  /**
   * Takes over pages as they were loaded.
   * @throws StoreError `corrupt` when they do not hold `stored` units below `totalUnits`.
   */
  static load(pages: Iterable<readonly [number, Uint8Array]>, stored: number, totalUnits: number): UnitMap {
    const map = new UnitMap();
    let highest = -1;
    for (const [page, bytes] of pages) {
      map.#pages.set(page, bytes);
      for (let i = 0; i < bytes.length; i++) {
        const bits = bytes[i] as number;
        if (bits === 0) continue;
        map.#stored += onesIn(bits);
        highest = Math.max(highest, page * UNITS_PER_PAGE + i * 8 + 31 - Math.clz32(bits));
      }
    }
    if (map.#stored !== stored || highest >= totalUnits) {
      throw new StoreError(
        'corrupt',
        'The map of stored units does not agree with the disk; restore the disk from an export or wipe it.',
      );
    }
    return map;
  }

  has(unit: number): boolean {
    return hasBit(this.#pages.get(Math.floor(unit / UNITS_PER_PAGE)), unit % UNITS_PER_PAGE);
  }

  /** The shortest run that holds every stored unit of `run`; undefined when none is stored. */
  trim(run: UnitRun): UnitRun | undefined {
    let first = run.first;
    let end = run.first + run.count;
    while (first < end && !this.has(first)) first = this.#skipAbsentPage(first, end);
    while (end > first && !this.has(end - 1)) end--;
    return first < end ? { first, count: end - first } : undefined;
  }

  /** A page as it is stored. */
  page(page: number): Uint8Array {
    return this.#pages.get(page) ?? new Uint8Array(UNIT_MAP_PAGE_BYTES);
  }

  /** What the map will be after a commit. Changes nothing yet: the commit may fail. */
  change(commit: MapCommit): UnitMapChange {
    const pages = new Map<number, Uint8Array>();
    let stored = this.#stored;
    const set = (unit: number, present: boolean): void => {
      const page = Math.floor(unit / UNITS_PER_PAGE);
      const bit = unit % UNITS_PER_PAGE;
      let bytes = pages.get(page);
      if (hasBit(bytes ?? this.#pages.get(page), bit) === present) return;
      if (bytes === undefined) {
        bytes = this.#pages.get(page)?.slice() ?? new Uint8Array(UNIT_MAP_PAGE_BYTES);
        pages.set(page, bytes);
      }
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      stored += present ? 1 : -1;
    };
    for (const run of commit.erased) {
      const held = this.trim(run);
      if (held !== undefined) for (let i = 0; i < held.count; i++) set(held.first + i, false);
    }
    for (const { unit } of commit.units) set(unit, true);
    return { pages, stored };
  }

  /**
   * Which of the layers hold a unit of this map that none before them holds; undefined when some unit is in none.
   */
  neededOf(layers: readonly UnitMap[]): readonly boolean[] | undefined {
    const needed = layers.map(() => false);
    for (const [page, bytes] of this.#pages) {
      const pages = layers.map((layer) => layer.#pages.get(page));
      for (let i = 0; i < bytes.length; i++) {
        let rest = bytes[i] as number;
        for (let k = 0; rest !== 0 && k < pages.length; k++) {
          const held = rest & (pages[k]?.[i] ?? 0);
          if (held !== 0) needed[k] = true;
          rest ^= held;
        }
        if (rest !== 0) return undefined;
      }
    }
    return needed;
  }

  /** The same, and from then on its own. */
  copy(): UnitMap {
    const map = new UnitMap();
    for (const [page, bytes] of this.#pages) map.#pages.set(page, bytes);
    map.#stored = this.#stored;
    return map;
  }

  apply(change: UnitMapChange): void {
    for (const [page, bytes] of change.pages) this.#pages.set(page, bytes);
    this.#stored = change.stored;
  }

  /** The next unit worth asking about: a page that was never touched is skipped whole. */
  #skipAbsentPage(unit: number, end: number): number {
    const page = Math.floor(unit / UNITS_PER_PAGE);
    return this.#pages.has(page) ? unit + 1 : Math.min(end, (page + 1) * UNITS_PER_PAGE);
  }
}

function hasBit(page: Uint8Array | undefined, bit: number): boolean {
  return page !== undefined && (((page[bit >> 3] as number) >> (bit & 7)) & 1) === 1;
}

function onesIn(byte: number): number {
  let ones = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++;
  return ones;
}
