/** The page's worker: composition only. A lab over IndexedDB and v86, offered to the page by comlink. */
import { expose } from 'comlink';
import wasmUrl from 'v86/build/v86.wasm?url';
import { loadGuestImages, type GuestImages, type GuestSource } from '../src/lab/guest-images.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import { sentenceOf } from '../src/lab/errors.ts';
import { LabServer } from './lab-remote.ts';

/** Reads files of the site, counting bytes as they come. */
function siteFiles(baseUrl: string): GuestSource {
  return {
    async read(name, onBytes) {
      const response = await fetch(new URL(name, baseUrl));
      if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
      const chunks: Uint8Array[] = [];
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks.push(value);
        onBytes(value.byteLength);
      }
      return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    },
  };
}

let images: Promise<GuestImages> | undefined;
let database: Promise<{ catalogue: IndexedDbCatalogue | undefined; reason: string }> | undefined;

/** Remembers what worked; forgets a failure, so that the next power-on tries again. */
function once<T>(current: Promise<T> | undefined, make: () => Promise<T>, forget: () => void): Promise<T> {
  if (current) return current;
  const made = make();
  made.catch(forget);
  return made;
}

expose(
  new LabServer({
    memory: new MemoryCatalogue(),
    indexedDb: () =>
      (database ??= IndexedDbCatalogue.open().then(
        (catalogue) => ({ catalogue, reason: '' }),
        (error: unknown) => ({ catalogue: undefined, reason: sentenceOf(error) }),
      )),
    environment: (guestBaseUrl) => ({
      wasm: { path: new URL(wasmUrl, self.location.href).href },
      guestImages: (onProgress) =>
        (images = once(images, () => loadGuestImages(siteFiles(guestBaseUrl), onProgress), () => (images = undefined))),
    }),
  }),
);
