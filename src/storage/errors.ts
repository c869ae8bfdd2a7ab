import { StoreError } from '../flash/media-store.ts';

/** Sentences that more than one catalogue says. */

export function missingDisk(): StoreError {
  return new StoreError(
    'missing',
    'This disk no longer exists, perhaps it was deleted elsewhere; choose another one.',
  );
}

export function missingPin(): StoreError {
  return new StoreError(
    'missing',
    'This version of a disk is kept no longer, perhaps it was given up elsewhere; choose another one.',
  );
}

export function busyHere(): StoreError {
  return new StoreError('busy', 'This disk is in use here; switch its machine off first.');
}

export function newerVersion(): StoreError {
  return new StoreError(
    'version',
    'This disk was written by a newer version of this program; get the newest version to use it.',
  );
}

export function closedDisk(): StoreError {
  return new StoreError('lost', 'This disk has been closed; open it again.');
}

/** Calls a listener that others wrote; what it throws must not reach the store's own work. */
export function notify(listener: ((error: Error) => void) | undefined, error: Error): void {
  try {
    listener?.(error);
  } catch (thrown) {
    // Thrown again from outside it would be an uncaught error, which ends a worker's lab or a Node process.
    console.error('A listener for lost disks failed:', thrown);
  }
}
