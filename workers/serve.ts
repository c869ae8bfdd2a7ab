/** Composition only: a lab over IndexedDB and v86, offered to the page by comlink. */
import { expose } from 'comlink';
import type { LabEnvironment } from '../src/lab/lab.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';
import { SavedLabs } from '../src/storage/saved-labs.ts';
import { LabServer } from './lab-remote.ts';

export function serve(environment: LabEnvironment): void {
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
      environment,
    }),
  );
}
