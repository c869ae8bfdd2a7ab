/** The page's worker: composition only. A lab over IndexedDB and v86, offered to the page by comlink. */
import { expose } from 'comlink';
import wasmUrl from 'v86/build/v86.wasm?url';
import { loadGuestImages, type GuestImages, type GuestSource } from '../src/lab/guest-images.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
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
/** Several copies of the site may share an origin: each keeps its disks under its own path. */
const disks = new IndexedDbCatalogue({ prefix: new URL('..', self.location.href).pathname });

expose(
  new LabServer({
    memory: new MemoryCatalogue(),
    async indexedDb() {
      const reason = await disks.whyUnavailable();
      return { catalogue: reason === '' ? disks : undefined, reason };
    },
    environment: (guestBaseUrl) => ({
      wasm: { path: new URL(wasmUrl, self.location.href).href },
      guestImages(onProgress) {
        // What was loaded is remembered; a failure is not, so that the next power-on tries again.
        images ??= loadGuestImages(siteFiles(guestBaseUrl), onProgress).catch((error: unknown) => {
          images = undefined;
          throw error;
        });
        return images;
      },
    }),
  }),
);
