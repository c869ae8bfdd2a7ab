/**
 * Names and keys in IndexedDB; docs/disk-format.md draws them.
 *
 * A small catalogue database, and one database per disk: `deleteDatabase` took 6 to 17 ms for a disk of
 * 32 MiB where clearing an object store of its records took 120 ms, and grows with them.
 */

export const CATALOGUE_STORES = ['disks', 'garbage'] as const;

/** Units, block table, unit map and superblock: a commit's transaction spans all four. */
export const DISK_STORES = ['units', 'table', 'map', 'superblock'] as const;

/** Key of the only record in `superblock`. */
export const SUPERBLOCK_KEY = 0;

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

  /** Each wipe begins a new database: its generation is one higher. */
  disk(id: string, generation: number): string {
    return `${this.#base}:disk:${id}:${generation}`;
  }

  /** True for names that {@link disk} may have made: nothing else is ever deleted. */
  isDisk(name: string): boolean {
    return name.startsWith(`${this.#base}:disk:`);
  }

  lock(id: string): string {
    return `${this.#base}:lock:${id}`;
  }
}
