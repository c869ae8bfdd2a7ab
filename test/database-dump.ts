/** IndexedDB databases as JSON and back, for fixtures: byte strings are base64 in `{ "bytes": … }`. */

export interface DatabaseDump {
  readonly name: string;
  readonly version: number;
  readonly stores: Readonly<Record<string, readonly (readonly [key: unknown, value: unknown])[]>>;
}

const request = <T>(asked: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });

export async function dumpDatabases(factory: IDBFactory): Promise<DatabaseDump[]> {
  const dumps: DatabaseDump[] = [];
  for (const { name = '' } of await factory.databases()) {
    const db = await request(factory.open(name));
    const stores: Record<string, [unknown, unknown][]> = {};
    for (const store of db.objectStoreNames) {
      const records = db.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([request(records.getAllKeys()), request(records.getAll())]);
      stores[store] = keys.map((key, i) => [key, packed(values[i])]);
    }
    dumps.push({ name, version: db.version, stores });
    db.close();
  }
  return dumps;
}

export async function restoreDatabases(factory: IDBFactory, dumps: readonly DatabaseDump[]): Promise<void> {
  for (const { name, version, stores } of dumps) {
    const opening = factory.open(name, version);
    opening.onupgradeneeded = () => {
      for (const store of Object.keys(stores)) opening.result.createObjectStore(store);
    };
    const db = await request(opening);
    for (const [store, records] of Object.entries(stores)) {
      const tx = db.transaction(store, 'readwrite');
      for (const [key, value] of records) tx.objectStore(store).put(unpacked(value), key as IDBValidKey);
      await new Promise((resolve) => (tx.oncomplete = resolve));
    }
    db.close();
  }
}

function packed(value: unknown): unknown {
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : value;
}

function unpacked(value: unknown): unknown {
  const { bytes } = value as { bytes?: unknown };
  return typeof bytes === 'string' ? new Uint8Array(Buffer.from(bytes, 'base64')) : value;
}
