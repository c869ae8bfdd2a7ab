/**
 * The emulator's worker is started by the page's first few lines, while all the rest of the page is still on its way:
 * reading its script takes it longer than the page needs for its first picture.
 */
export interface StartedWorker {
  readonly worker: Worker;
  /** What failed before anybody listened: it could not be loaded. */
  readonly failed: () => string | undefined;
}

let early: StartedWorker | undefined;

/** Once for each page that will have a lab. */
export function startWorker(): void {
  early = makeWorker();
}

/** The worker that was started, or one that is started now: each is given away once. */
export function takeWorker(): StartedWorker {
  const started = early ?? makeWorker();
  early = undefined;
  return started;
}

function makeWorker(): StartedWorker {
  // Vite finds workers by this literal.
  const worker = new Worker(new URL('../../../workers/emulator.worker.ts', import.meta.url), {
    type: 'module',
  });
  let reason: string | undefined;
  worker.addEventListener('error', ({ message }) => (reason ??= message ?? ''), { once: true });
  return { worker, failed: () => reason };
}
