import { StoreError } from '../../flash/media-store.ts';

/**
 * What browsers throw and signal, as StoreErrors. Names are from the specification; the messages are
 * what Chromium ("backing store") and WebKit ("server lost") say when the process behind the database
 * died: both come as UnknownError.
 */

/** True when it was the connection that failed and not what was asked of it: reopening may help. */
export function isConnectionFailure(error: unknown): boolean {
  const { name, message } = facts(error);
  if (name === 'InvalidStateError') return true;
  return (
    /connection|server lost|backing store|clos(?:ed|ing)/i.test(message) && name !== 'QuotaExceededError'
  );
}

/** A failed transaction or request. `error` may be null: an abort need not give a reason. */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { name, message } = facts(error);
  const cause = { cause: error };
  // Firefox says NS_ERROR_DOM_INDEXEDDB_QUOTA_ERR in the message, and WebKit quota in an UnknownError.
  if (name === 'QuotaExceededError' || /quota/i.test(message)) {
    return new StoreError(
      'quota',
      'The browser has no more room for disks; delete a disk or free space on this computer, then try again.',
      cause,
    );
  }
  if (isConnectionFailure(error)) return lostError(error);
  if (name === 'AbortError') return abortedError(error);
  if (name === 'NotFoundError') {
    return new StoreError(
      'corrupt',
      'A part of this disk is missing from the browser; delete the disk.',
      cause,
    );
  }
  return new StoreError(
    'io',
    `The browser could not read or write the disk (${name === '' ? 'no reason given' : name}); try again or reload the page.`,
    cause,
  );
}

export function abortedError(error: unknown): StoreError {
  return new StoreError('aborted', 'The browser rolled a write back; try again or reload the page.', {
    cause: error,
  });
}

export function lostError(error?: unknown): StoreError {
  return new StoreError(
    'lost',
    'The browser closed the database of this disk; reload the page to open it again.',
    {
      cause: error,
    },
  );
}

export function overtakenError(): StoreError {
  return new StoreError(
    'lost',
    'Another tab took this disk over; close this one, or reload it when the other is closed.',
  );
}

export function unavailableError(reason: string, error?: unknown): StoreError {
  return new StoreError(
    'unavailable',
    `${reason}, so disks cannot be kept in this browser; use a disk in memory or leave the private window.`,
    { cause: error },
  );
}

export function notHandedOver(): StoreError {
  return new StoreError(
    'busy',
    'The other tab does not let go of this disk; close it, or reload it, then try again.',
  );
}

/** Another tab has the disk open: it can be asked to let go of it. */
export class ElsewhereError extends StoreError {
  constructor() {
    super('busy', 'This disk is open in another tab; close it there, then try again.');
  }
}

function facts(error: unknown): { name: string; message: string } {
  if (typeof error !== 'object' || error === null) return { name: '', message: '' };
  const { name, message } = error as { name?: unknown; message?: unknown };
  return { name: typeof name === 'string' ? name : '', message: typeof message === 'string' ? message : '' };
}
