/**
 * Names and keys in IndexedDB; docs/disk-format.md draws them.
 *
 * A small catalogue database, and one database per disk: `deleteDatabase` took 6 to 17 ms for a disk of
 * 32 MiB where clearing an object store of its records took 120 ms, and grows with them.
 */

/** IndexedDB's own version number, which says which object stores there are. */
export interface Schema {
  readonly version: number;
  readonly stores: readonly string[];
}

export const CATALOGUE_STORES = ['disks', 'garbage', 'pins'] as const;
/** Version 1 had no pins. A program that knows only that one is kept out: it would forget layers below a disk. */
export const CATALOGUE_SCHEMA: Schema = { version: 2, stores: CATALOGUE_STORES };

/** Units, block table, unit map and superblock. */
export const DISK_STORES = ['units', 'table', 'map', 'superblock'] as const;
export const DISK_SCHEMA: Schema = { version: 1, stores: DISK_STORES };

/**
 * In `map`, pages from here on say which units are in this very layer. Only a layer above others has them. Pages of
 * the unit map itself end at 2^17.
 */
export const OWN_PAGES = 2 ** 20;

/** In `map`, pages from here on say where in the pieces units lie; see unit-index.ts. */
export const INDEX_PAGES = 2 ** 24;

/** In `map`, records of the journal: see journal.ts, `slotOf`. */
export const JOURNAL = 2 ** 41;

/** In `units`, PIECES + n is piece n; see pieces.ts. Numbers of units end at 2^32. */
export const PIECES = 2 ** 40;

/** Heads of saved machines, and their bytes, under the same keys. */
export const SAVED_LAB_STORES = ['heads', 'machines'] as const;
export const SAVED_LAB_SCHEMA: Schema = { version: 1, stores: SAVED_LAB_STORES };

/** Key of the only record in `superblock`. */
export const SUPERBLOCK_KEY = 0;

/** Of the first database of a disk. */
export const FIRST_GENERATION = 1;

/** A database of a disk, without what is the same for all of them: `ID:GENERATION`. */
export type Layer = string;

export function layerOf(id: string, generation: number): Layer {
  return `${id}:${generation}`;
}

/** The disk that a layer was made for. */
export function diskOfLayer(layer: Layer): string {
  return layer.slice(0, layer.lastIndexOf(':'));
}

export class Names {
  readonly #base: string;

  /**
   * @param prefix tells apart copies of this program on one origin, such as two projects on
   * `someone.github.io`: give the path of the page.
   */
  constructor(prefix: string) {
    this.#base = prefix === '' ? 'lightnvm-lab' : `lightnvm-lab:${prefix}`;
  }

  get catalogue(): string {
    return `${this.#base}:catalogue`;
  }

  /** Each wipe, and each fork, begins a new database: its generation is one higher. */
  disk(id: string, generation: number): string {
    return this.layer(layerOf(id, generation));
  }

  layer(layer: Layer): string {
    return `${this.#base}:disk:${layer}`;
  }

  /** True for names that {@link layer} may have made: nothing else is ever deleted. */
  isDisk(name: string): boolean {
    return name.startsWith(`${this.#base}:disk:`);
  }

  get savedLabs(): string {
    return `${this.#base}:labs`;
  }

  lock(id: string): string {
    return `${this.#base}:lock:${id}`;
  }
}
