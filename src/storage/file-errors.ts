import { StoreError } from '../flash/media-store.ts';
import { missingDisk } from './errors.ts';

/** What the operating system reports, as a StoreError. */
export function fileError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
  const options = { cause: error };
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new StoreError(
      'quota',
      `There is no room to write ${path} (${code}); free space, then try again.`,
      options,
    );
  }
  if (code === 'ENOENT') return missingDisk();
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new StoreError(
      'unavailable',
      `${path} may not be read and written (${code}); change its permissions.`,
      options,
    );
  }
  return new StoreError(
    'io',
    `${path} could not be read or written (${code}); check the file and its disk.`,
    options,
  );
}

export function busyFile(path: string, owner: string): StoreError {
  return new StoreError(
    'busy',
    `${path} is in use by ${owner}; end that first, or delete ${path}.lock if it is not so.`,
  );
}
