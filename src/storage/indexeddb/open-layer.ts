import type { UnitMap } from '../unit-map.ts';
import type { StoreError } from '../../flash/media-store.ts';
import { Connection } from './connection.ts';
import { transact } from './database.ts';
import type { IndexedDbEnvironment } from './environment.ts';
import { UnitReader } from './unit-reader.ts';

export interface LayerParts {
  /** Of the database. */
  readonly name: string;
  readonly db: IDBDatabase;
  readonly units: UnitMap;
  /** See {@link Connection}. */
  readonly verify: (db: IDBDatabase) => Promise<void>;
  readonly onlost: (error: StoreError) => void;
}

/** One database of an open disk: its own, or one below it that is only read. */
export class OpenLayer {
  readonly connection: Connection;
  /** Which units are in it. */
  readonly units: UnitMap;
  readonly #reader: UnitReader;

  constructor(env: IndexedDbEnvironment, { name, db, units, verify, onlost }: LayerParts) {
    this.units = units;
    this.connection = new Connection(env, name, db, verify);
    this.connection.onlost = onlost;
    this.#reader = new UnitReader((numbers, deliver) => this.#fetch(numbers, deliver));
  }

  /** The record of a unit as it is here. Reads of one turn share a transaction. */
  read(unit: number): Promise<unknown> {
    return this.#reader.read(unit);
  }

  close(): void {
    this.connection.close();
  }

  async #fetch(units: readonly number[], deliver: (unit: number, record: unknown) => void): Promise<void> {
    const left = new Set(units);
    await this.connection.use((db) =>
      transact(db, ['units'], 'readonly', (tx) => {
        const store = tx.objectStore('units');
        for (const unit of left) {
          const request = store.get(unit);
          request.onsuccess = () => {
            left.delete(unit);
            deliver(unit, request.result);
          };
        }
      }),
    );
  }
}
