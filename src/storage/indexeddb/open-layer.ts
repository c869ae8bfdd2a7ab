import type { StoreError } from '../../flash/media-store.ts';
import { SEAL_BYTES } from '../checksum.ts';
import { Connection } from './connection.ts';
import { transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import type { LayerUnits } from './layer-state.ts';
import { PIECES } from './layout.ts';
import { piecesAt, unitIn } from './pieces.ts';
import { NOWHERE } from './unit-index.ts';
import { UnitReader } from './unit-reader.ts';

/** A database that was opened, and what is in it. */
export interface LoadedLayer extends LayerUnits {
  /** Of the database. */
  readonly name: string;
  readonly db: IDBDatabase;
}

export interface LayerParts extends LoadedLayer {
  readonly unitBytes: number;
  /** See {@link Connection}. */
  readonly verify: (db: IDBDatabase) => Promise<void>;
  readonly onlost: (error: StoreError) => void;
}

/** A unit that is asked for, and the records that it is made of. */
interface Asked {
  readonly unit: number;
  readonly position: number;
  readonly keys: readonly number[];
  missing: number;
}

/** One database of an open disk: its own, or one below it that is only read. */
export class OpenLayer {
  readonly connection: Connection;
  readonly #held: LayerUnits;
  readonly #sealedBytes: number;
  readonly #reader: UnitReader;

  constructor(env: IndexedDbEnvironment, { name, db, units, index, unitBytes, verify, onlost }: LayerParts) {
    this.#held = { units, index };
    this.#sealedBytes = unitBytes + SEAL_BYTES;
    this.connection = new Connection(env, name, db, verify);
    this.connection.onlost = onlost;
    this.#reader = new UnitReader((numbers, deliver) => this.#fetch(numbers, deliver));
  }

  /** Whether a unit is in it. */
  has(unit: number): boolean {
    return this.#held.units.has(unit);
  }

  /** A unit as it is sealed here. Reads of one turn share a transaction. */
  read(unit: number): Promise<unknown> {
    return this.#reader.read(unit);
  }

  close(): void {
    this.connection.close();
  }

  async #fetch(units: readonly number[], deliver: (unit: number, record: unknown) => void): Promise<void> {
    const left = new Set(units);
    while (left.size > 0) {
      await this.connection.use((db) =>
        transact(db, ['units'], 'readonly', (tx) => {
          this.#ask(tx.objectStore('units'), left, (unit, record) => {
            left.delete(unit);
            deliver(unit, record);
          });
        }),
      );
    }
  }

  /** Asks for each record once. A unit that a commit has put elsewhere meanwhile is not delivered. */
  #ask(
    store: IDBObjectStore,
    units: Iterable<number>,
    deliver: (unit: number, record: unknown) => void,
  ): void {
    const waiting = new Map<number, Asked[]>();
    const records = new Map<number, unknown>();
    for (const unit of units) {
      const asked = this.#asked(unit);
      for (const key of asked.keys) waiting.set(key, [...(waiting.get(key) ?? []), asked]);
    }
    for (const [key, all] of waiting) {
      const request = store.get(key) as IDBRequest<unknown>;
      request.onsuccess = () => {
        records.set(key, request.result);
        for (const asked of all) {
          if (--asked.missing > 0 || this.#held.index.position(asked.unit) !== asked.position) continue;
          const found = asked.keys.map((one) => records.get(one));
          const { unit, position } = asked;
          deliver(unit, position === NOWHERE ? found[0] : unitIn(found, position, this.#sealedBytes));
        }
      };
    }
  }

  #asked(unit: number): Asked {
    const position = this.#held.index.position(unit);
    if (position === NOWHERE) return { unit, position, keys: [unit], missing: 1 };
    const [first, last] = piecesAt(position, this.#sealedBytes);
    const keys = Array.from({ length: last - first + 1 }, (_, i) => PIECES + first + i);
    return { unit, position, keys, missing: keys.length };
  }
}
