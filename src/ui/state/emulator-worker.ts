/** The emulator's worker: to be had before the page that will talk to it has even been read. */

export interface StartedWorker {
  readonly worker: Worker;
  /** Why its script could not be loaded, if that is known already. */
  failure(): string | undefined;
}

let early: StartedWorker | undefined;

/** Starts the worker that {@link takeEmulator} will hand out: it then loads beside the page, and not after it. */
export function startEmulator(): void {
  early ??= start();
}

/** The worker that was started early, once; later ones are new. */
export function takeEmulator(): StartedWorker {
  const taken = early ?? start();
  early = undefined;
  return taken;
}

function start(): StartedWorker {
  // Vite finds workers by this literal.
  const worker = new Worker(new URL('../../../workers/emulator.worker.ts', import.meta.url), {
    type: 'module',
  });
  let reason: string | undefined;
  worker.addEventListener('error', (event) => (reason ??= event.message ?? ''), { once: true });
  return { worker, failure: () => reason };
}
