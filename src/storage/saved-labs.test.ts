import { IDBFactory, IDBKeyRange, IDBObjectStore } from 'fake-indexeddb';
import { beforeEach, expect, it, vi } from 'vitest';
import { autoId, SavedLabs, type SavedLabHead, type SavedMachineRecord } from './saved-labs.ts';

let indexedDB: IDBFactory;
const labs = (prefix?: string) =>
  new SavedLabs({ indexedDB, keyRange: IDBKeyRange, openTimeoutMs: 500, ...(prefix && { prefix }) });
const machine = (...bytes: number[]): SavedMachineRecord => ({
  packed: Uint8Array.from(bytes),
  consoles: [Uint8Array.of(35), Uint8Array.of()],
});
const head = (id: string, savedAtMs: number): Omit<SavedLabHead, 'packedBytes'> => ({
  id,
  kind: 'named',
  name: 'before the cut',
  diskId: 'd',
  diskVersion: '1:2',
  savedAtMs,
  memoryMiB: 128,
});

beforeEach(() => {
  indexedDB = new IDBFactory();
});

it('keeps machines by id, newest first, until they are removed', async () => {
  await labs().put(head('a', 1), machine(1, 2));
  await labs().put({ ...head('b', 2), pinId: 'p' }, machine(3));
  expect((await labs().list()).map(({ id, packedBytes, pinId }) => [id, packedBytes, pinId])).toEqual([
    ['b', 1, 'p'],
    ['a', 2, undefined],
  ]);
  expect(await labs().machine('a')).toEqual(machine(1, 2));
  await labs().remove('a');
  expect([await labs().head('a'), await labs().machine('a')]).toEqual([undefined, undefined]);
  expect((await labs().head('b'))?.name).toBe('before the cut');
});

it('replaces what goes by the same id, whole', async () => {
  await labs().put({ ...head(autoId('d'), 1), pinId: 'p' }, machine(1, 2));
  await labs().put(head(autoId('d'), 5), machine(9));
  expect(await labs().list()).toEqual([{ ...head(autoId('d'), 5), packedBytes: 1 }]);
  expect(await labs().machine(autoId('d'))).toEqual(machine(9));
});

it('keeps what was left as it is beside what was packed, and counts both', async () => {
  const apart = { ...machine(1, 2), state: Uint8Array.of(3, 4, 5) };
  expect((await labs().put(head('a', 1), apart)).packedBytes).toBe(5);
  expect(await labs().machine('a')).toEqual(apart);
});

it('keeps it as an array where a browser takes no blobs, and asks once', async () => {
  const { put } = IDBObjectStore.prototype;
  let refused = 0;
  const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    value: unknown,
    key?: IDBValidKey,
  ) {
    if (typeof value === 'object' && value !== null && 'state' in value && value.state instanceof Blob) {
      refused++;
      throw new DOMException('BlobURLs are not yet supported', 'DataCloneError');
    }
    return put.call(this, value, key);
  });
  const one = labs();
  const apart = { ...machine(1, 2), state: Uint8Array.of(3, 4, 5) };
  await one.put(head('a', 1), apart);
  await one.put(head('b', 2), apart);
  spy.mockRestore();
  expect([refused, await labs().machine('a'), await labs().machine('b')]).toEqual([1, apart, apart]);
});

it('says which thing is lost when the browser cannot give it back', async () => {
  await labs().put(head('a', 1), { ...machine(1), state: Uint8Array.of(3) });
  const spy = vi
    .spyOn(Blob.prototype, 'arrayBuffer')
    .mockRejectedValue(new DOMException('gone', 'NotFoundError'));
  await expect(labs().machine('a')).rejects.toThrow(/lost a part of this saved machine; delete it/);
  spy.mockRestore();
});

it('belongs to one copy of the page on an origin', async () => {
  await labs('/one/').put(head('a', 1), machine(1));
  expect(await labs('/two/').list()).toEqual([]);
});

it.each([
  null,
  7,
  {},
  { ...head('x', 1), packedBytes: -1 },
  { ...head('x', 1), packedBytes: 1, kind: 'other' },
  { ...head('x', NaN), packedBytes: 1 },
  { ...head('x', 1), packedBytes: 1, name: 'n'.repeat(300) },
  { ...head('x', 1), packedBytes: 1, pinId: 5 },
])('passes over what is no head: %j', async (record) => {
  await labs().put(head('a', 1), machine(1));
  await new Promise<void>((resolve, reject) => {
    const opening = indexedDB.open('lightnvm-lab:labs');
    opening.onsuccess = () => {
      const tx = opening.result.transaction('heads', 'readwrite');
      tx.objectStore('heads').put(record, 'x');
      tx.oncomplete = () => (opening.result.close(), resolve());
      tx.onabort = () => reject(new Error('aborted'));
    };
  });
  expect((await labs().list()).map(({ id }) => id)).toEqual(['a']);
  expect(await labs().head('x')).toBeUndefined();
});

it('says in a sentence that nothing can be kept here', async () => {
  const none = new SavedLabs({ indexedDB: undefined, keyRange: undefined });
  await expect(none.list()).rejects.toMatchObject({ code: 'unavailable' });
});
