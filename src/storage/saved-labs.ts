import { StoreError } from '../flash/media-store.ts';
import { isIndex } from './disk-spec.ts';
import { inDatabase, result, transact } from './indexeddb/database.ts';
import { browserEnvironment, type IndexedDbEnvironment } from './indexeddb/environment.ts';
import { Names, SAVED_LAB_SCHEMA, SAVED_LAB_STORES } from './indexeddb/layout.ts';

/** What is known of a saved lab without unpacking it. */
export interface SavedLabHead {
  readonly id: string;
  /** Saved by the page itself, and replaced by the next one of the same disk; or by the reader, under a name. */
  readonly kind: 'auto' | 'named';
  /** Empty for one that the page saved. */
  readonly name: string;
  /** The disk that the machine had, and its version then (see OpenDisk). */
  readonly diskId: string;
  readonly diskVersion: string;
  /** What keeps that version of the disk, for a named one. */
  readonly pinId?: string;
  /** Unix milliseconds. */
  readonly savedAtMs: number;
  readonly memoryMiB: number;
  /** Bytes of the packed machine. */
  readonly packedBytes: number;
}

/** A machine as it was saved. */
export interface SavedMachineRecord {
  /** The machine with its device, packed; without what is in {@link state}. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** What was left as it is, in a run of its own: nobody has to copy it. */
  readonly state?: Uint8Array<ArrayBuffer>;
  /** What the two shells had said, up to a limit: their screens, and what one could scroll back to. */
  readonly consoles: readonly [Uint8Array, Uint8Array];
}

/** As it lies in the database: thirty megabytes are read three times as fast from a blob as from an array. */
type StoredMachine = Omit<SavedMachineRecord, 'state'> & { readonly state?: Blob | Uint8Array<ArrayBuffer> };

/** Most that a head says in one field: names and ids are short. */
const MAX_TEXT = 256;

/** A lab that the page saved is one a disk. */
export function autoId(diskId: string): string {
  return `auto:${diskId}`;
}

/**
 * Machines that were saved while they ran, by id; each with its head in one transaction, so that there is never one
 * without the other. Methods reject with StoreError.
 */
export class SavedLabs {
  readonly #env: IndexedDbEnvironment;
  readonly #name: string;
  /** WebKit takes no blobs in its private windows. */
  #refusesBlobs = false;

  constructor({ prefix = '', ...env }: Partial<IndexedDbEnvironment> & { readonly prefix?: string } = {}) {
    this.#env = { ...browserEnvironment(), ...env };
    this.#name = new Names(prefix).savedLabs;
  }

  /** Newest first; records that are none of ours are passed over. */
  async list(): Promise<readonly SavedLabHead[]> {
    const heads = await this.#in('readonly', (tx) =>
      result<unknown[]>(tx.objectStore('heads').getAll() as IDBRequest<unknown[]>),
    );
    return heads
      .map(parseHead)
      .filter((head) => head !== undefined)
      .sort((a, b) => b.savedAtMs - a.savedAtMs);
  }

  async head(id: string): Promise<SavedLabHead | undefined> {
    return parseHead(await this.#in('readonly', (tx) => result<unknown>(tx.objectStore('heads').get(id))));
  }

  /** Undefined when there is none under this id. */
  async machine(id: string): Promise<SavedMachineRecord | undefined> {
    const record = parseMachine(
      await this.#in('readonly', (tx) => result<unknown>(tx.objectStore('machines').get(id))),
    );
    if (!record) return undefined;
    const { state, ...rest } = record;
    if (!(state instanceof Blob)) return { ...rest, ...(state && { state }) };
    try {
      return { ...rest, state: new Uint8Array(await state.arrayBuffer()) };
    } catch (error) {
      throw new StoreError(
        'io',
        'The browser has lost a part of this saved machine; delete it, or power on without it.',
        { cause: error },
      );
    }
  }

  /** Replaces what goes by the same id. */
  async put(head: Omit<SavedLabHead, 'packedBytes'>, machine: SavedMachineRecord): Promise<SavedLabHead> {
    const packedBytes = machine.packed.byteLength + (machine.state?.byteLength ?? 0);
    const whole = { ...head, packedBytes };
    const putAs = (record: StoredMachine) =>
      this.#in('readwrite', (tx) => {
        tx.objectStore('heads').put(whole, head.id);
        tx.objectStore('machines').put(record, head.id);
      });
    const { state } = machine;
    if (!state || this.#refusesBlobs) await putAs(machine);
    else
      await putAs({ ...machine, state: new Blob([state]) }).catch((error: unknown) => {
        if (!isRefusedBlob(error)) throw error;
        this.#refusesBlobs = true;
        return putAs(machine);
      });
    return whole;
  }

  async remove(id: string): Promise<void> {
    await this.#in('readwrite', (tx) => {
      tx.objectStore('heads').delete(id);
      tx.objectStore('machines').delete(id);
    });
  }

  #in<T>(mode: 'readonly' | 'readwrite', work: (tx: IDBTransaction) => T | Promise<T>): Promise<T> {
    return inDatabase(this.#env, this.#name, SAVED_LAB_SCHEMA, true, (db) =>
      transact(db, SAVED_LAB_STORES, mode, work),
    );
  }
}

function parseHead(record: unknown): SavedLabHead | undefined {
  if (typeof record !== 'object' || record === null) return undefined;
  const { id, kind, name, diskId, diskVersion, pinId, savedAtMs, memoryMiB, packedBytes } = record as Partial<
    Record<keyof SavedLabHead, unknown>
  >;
  if (!isText(id) || !isText(name) || !isText(diskId) || !isText(diskVersion)) return undefined;
  if (kind !== 'auto' && kind !== 'named') return undefined;
  if (pinId !== undefined && !isText(pinId)) return undefined;
  if (!isCount(savedAtMs) || !isCount(memoryMiB) || !isCount(packedBytes)) return undefined;
  return {
    id,
    kind,
    name,
    diskId,
    diskVersion,
    ...(pinId === undefined ? {} : { pinId }),
    savedAtMs,
    memoryMiB,
    packedBytes,
  };
}

function parseMachine(record: unknown): StoredMachine | undefined {
  if (typeof record !== 'object' || record === null) return undefined;
  const { packed, state, consoles } = record as Partial<Record<keyof SavedMachineRecord, unknown>>;
  const [first, second] = Array.isArray(consoles) ? (consoles as unknown[]) : [];
  if (!(packed instanceof Uint8Array) || !(first instanceof Uint8Array) || !(second instanceof Uint8Array))
    return undefined;
  if (state !== undefined && !(state instanceof Blob) && !(state instanceof Uint8Array)) return undefined;
  return {
    packed: packed as Uint8Array<ArrayBuffer>,
    ...(state && { state: state as Blob | Uint8Array<ArrayBuffer> }),
    consoles: [first, second],
  };
}

function isRefusedBlob(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof Error && cause.name === 'DataCloneError';
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT;
}

function isCount(value: unknown): value is number {
  return isIndex(value, Number.MAX_SAFE_INTEGER);
}
