/**
 * Runs in a worker of the bench's own page: puts records into IndexedDB as barely as can be, or commits units to a
 * disk of ours. Bundled by bench/storage.ts.
 */
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import type { MediaCommit } from '../src/flash/media-store.ts';

export interface RawJob {
  readonly kind: 'raw';
  readonly recordBytes: number;
  readonly groupBytes: number;
  readonly totalBytes: number;
  readonly random: boolean;
}

export interface StoreJob {
  readonly kind: 'store';
  readonly unitBytes: number;
  readonly groupBytes: number;
  readonly totalBytes: number;
  readonly random: boolean;
}

export interface FillJob {
  readonly kind: 'fill';
  readonly totalBytes: number;
  readonly unitBytes: number;
  readonly diskBytes: number;
}

export interface OpenJob {
  readonly kind: 'open';
  readonly id: string;
}

export interface DropJob {
  readonly kind: 'drop';
}

export type StorageJob = RawJob | StoreJob | FillJob | OpenJob | DropJob;

const catalogue = new IndexedDbCatalogue({ prefix: 'bench' });
const SHARD_BYTES = 4096;
const RAW = 'bench-raw';

/** Numbers from 0 to `count - 1`, shuffled if asked (a fixed shuffle). */
function order(count: number, random: boolean): number[] {
  const numbers = Array.from({ length: count }, (_, i) => i);
  if (!random) return numbers;
  let state = 12345;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const j = state % (i + 1);
    [numbers[i], numbers[j]] = [numbers[j] as number, numbers[i] as number];
  }
  return numbers;
}

/** Bytes that no compression makes smaller. */
function noise(bytes: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65536)
    crypto.getRandomValues(data.subarray(at, Math.min(bytes, at + 65536)));
  return data;
}

const done = (request: IDBOpenDBRequest): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** MiB a second. */
async function raw({ recordBytes, groupBytes, totalBytes, random }: RawJob): Promise<number> {
  const opening = indexedDB.open(RAW, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('records');
  const db = await done(opening);
  const perGroup = Math.max(1, Math.round(groupBytes / recordBytes));
  const keys = order(Math.round(totalBytes / recordBytes), random);
  const records = Array.from({ length: perGroup }, () => noise(recordBytes));
  const from = performance.now();
  for (let at = 0; at < keys.length; at += perGroup) {
    await new Promise<void>((resolve, reject) => {
      const tx = db.transaction('records', 'readwrite', { durability: 'relaxed' });
      tx.oncomplete = () => resolve();
      tx.onabort = () => reject(tx.error);
      const store = tx.objectStore('records');
      for (let i = 0; i < perGroup && at + i < keys.length; i++) store.put(records[i], keys[at + i]);
      tx.commit();
    });
  }
  const rate = totalBytes / 2 ** 20 / ((performance.now() - from) / 1000);
  db.close();
  await done(indexedDB.deleteDatabase(RAW));
  return rate;
}

async function store({ unitBytes, groupBytes, totalBytes, random }: StoreJob): Promise<number> {
  const totalUnits = Math.round(totalBytes / unitBytes);
  const spec = { name: 'bench', deviceLine: 'nvme', sizeBytes: totalBytes, unitBytes, totalUnits };
  const { id } = await catalogue.create(spec);
  const disk = await catalogue.open(id);
  const perGroup = Math.max(1, Math.round(groupBytes / unitBytes));
  const units = order(totalUnits, random);
  const bytes = Array.from({ length: perGroup }, () => noise(unitBytes));
  const shard = noise(SHARD_BYTES);
  const counters = noise(512);
  const from = performance.now();
  for (let at = 0; at < totalUnits; at += perGroup) {
    const commit: MediaCommit = {
      erased: [],
      units: units.slice(at, at + perGroup).map((unit, i) => ({ unit, bytes: bytes[i] as Uint8Array })),
      shards: [
        { shard: 0, bytes: shard },
        { shard: 2 ** 30, bytes: counters },
      ],
    };
    await disk.commit(commit, 'relaxed');
  }
  const rate = totalBytes / 2 ** 20 / ((performance.now() - from) / 1000);
  await disk.close();
  await catalogue.remove(id);
  return rate;
}

/** Makes a disk that holds so much; answers with its id. */
async function fill({ totalBytes, unitBytes, diskBytes }: FillJob): Promise<string> {
  const totalUnits = Math.round(diskBytes / unitBytes);
  const spec = { name: 'bench', deviceLine: 'nvme', sizeBytes: diskBytes, unitBytes, totalUnits };
  const { id } = await catalogue.create(spec);
  const disk = await catalogue.open(id);
  const bytes = noise(unitBytes);
  const perGroup = Math.ceil((4 * 2 ** 20) / unitBytes);
  const shards = Math.ceil(totalUnits / 128 / 256);
  const table = Array.from({ length: shards }, (_, shard) => ({ shard, bytes: noise(SHARD_BYTES) }));
  const count = Math.round(totalBytes / unitBytes);
  for (let at = 0; at < count; at += perGroup) {
    const units = Array.from({ length: Math.min(perGroup, count - at) }, (_, i) => ({ unit: at + i, bytes }));
    await disk.commit({ erased: [], units, shards: table }, 'relaxed');
  }
  await disk.close();
  return id;
}

/** Milliseconds to open a disk and its block table. */
async function open({ id }: OpenJob): Promise<number> {
  const from = performance.now();
  const disk = await catalogue.open(id);
  await disk.loadTable();
  const ms = performance.now() - from;
  await disk.close();
  return ms;
}

async function drop(): Promise<void> {
  for (const { id } of await catalogue.list()) await catalogue.remove(id);
}

const jobs = { raw, store, fill, open, drop } as const;

self.onmessage = (event: MessageEvent<StorageJob>) => {
  const job = event.data;
  (jobs[job.kind] as (job: StorageJob) => Promise<unknown>)(job).then(
    (value) => self.postMessage({ value }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
};
