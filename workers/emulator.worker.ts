/** The page's worker: composition only. A lab over IndexedDB and v86, offered to the page by comlink. */
import { expose } from 'comlink';
import wasmUrl from 'v86/build/v86.wasm?url';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import { SavedLabs } from '../src/storage/saved-labs.ts';
import { LabServer } from './lab-remote.ts';
import { SiteGuest } from './site-guest.ts';

/** RAM of a machine that nobody has changed. */
const USUAL_MIB = 128;

/** Several copies of the site may share an origin: each keeps its disks under its own path. */
const prefix = new URL('..', self.location.href).pathname;
const disks = new IndexedDbCatalogue({ prefix });

expose(
  new LabServer({
    memory: new MemoryCatalogue(),
    savedLabs: new SavedLabs({ prefix }),
    async indexedDb() {
      const reason = await disks.whyUnavailable();
      return { catalogue: reason === '' ? disks : undefined, reason };
    },
    environment: (guestBaseUrl) =>
      new SiteGuest(guestBaseUrl, new URL(wasmUrl, self.location.href).href, USUAL_MIB),
  }),
);
