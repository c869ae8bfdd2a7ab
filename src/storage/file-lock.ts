import { linkSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { randomDiskId } from './disk-spec.ts';
import { busyFile } from './file-errors.ts';

/**
 * Exclusive use of a file, by a file beside it (`NAME.lock`) that names its owner. Node has no advisory
 * locks; a lock whose process is gone is broken by the next one who asks.
 */

/** How long a lock file may be without a readable owner before it counts as left behind. */
const NAMELESS_FOR_MS = 2000;

/** Locks of this very process: a lock file with our own number that is not here was another's before us. */
const ours = new Set<string>();

/**
 * @returns a function that lets go
 * @throws StoreError `busy`, or the file system's error
 */
export function lockFile(path: string): () => void {
  const lockPath = `${path}.lock`;
  const owner = JSON.stringify({ pid: process.pid, started: startOf(process.pid), host: hostname() });
  if (ours.has(lockPath)) throw busyFile(path, 'this process');
  if (!create(lockPath, owner)) {
    breakStale(path, lockPath);
    if (!create(lockPath, owner)) throw busyFile(path, 'another process');
  }
  ours.add(lockPath);
  return () => {
    if (ours.delete(lockPath)) unlinkQuietly(lockPath);
  };
}

/** False when there is one. The lock appears with its owner in it: it is written aside and then linked. */
function create(lockPath: string, owner: string): boolean {
  const aside = asideOf(lockPath);
  try {
    writeFileSync(aside, owner, { flag: 'wx', mode: 0o600 });
    linkSync(aside, lockPath);
    return true;
  } catch (error) {
    if (isThere(error)) return false;
    if ((error as NodeJS.ErrnoException).syscall !== 'link') throw error;
  } finally {
    unlinkQuietly(aside);
  }
  // No links here (FAT, some network file systems). Then it is empty for a moment; see `breakStale`.
  try {
    writeFileSync(lockPath, owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (isThere(error)) return false;
    throw error;
  }
}

function isThere(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EEXIST';
}

/** A name that no one else has: process numbers are the same on other computers and in other threads. */
function asideOf(lockPath: string): string {
  return `${lockPath}.${randomDiskId()}`;
}

/** Removes the lock if its owner is gone. @throws StoreError `busy` if not */
function breakStale(path: string, lockPath: string): void {
  const text = readQuietly(lockPath);
  if (text === undefined) return;
  const alive = livingOwner(text, lockPath);
  if (alive !== undefined) throw busyFile(path, alive);
  // Two may find it stale at once. Renaming succeeds for one of them; should it have caught the new lock
  // of the other instead, it is put back.
  const aside = asideOf(lockPath);
  try {
    renameSync(lockPath, aside);
  } catch {
    return;
  }
  try {
    const caught = readQuietly(aside);
    if (caught !== undefined && caught !== text) create(lockPath, caught);
  } finally {
    unlinkQuietly(aside);
  }
}

/** Who holds it, in words; undefined when nobody does. */
function livingOwner(text: string, lockPath: string): string | undefined {
  let owner: { pid?: unknown; started?: unknown; host?: unknown };
  try {
    owner = JSON.parse(text) as typeof owner;
  } catch {
    // Its owner died, or is, between creating and writing it (where there are no links): only the second is
    // a moment long. Empty for ever must not mean locked for ever.
    return ageMs(lockPath) < NAMELESS_FOR_MS ? 'a process that is just taking it' : undefined;
  }
  if (typeof owner !== 'object' || owner === null || !Number.isSafeInteger(owner.pid)) return undefined;
  const pid = owner.pid as number;
  if (owner.host !== hostname()) return `process ${pid} on ${String(owner.host)}`;
  if (pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  // Numbers are used again: a process that began at another time is not the owner.
  const started = startOf(pid);
  return started !== '' && owner.started !== '' && started !== owner.started ? undefined : `process ${pid}`;
}

/** When a process began, in Linux's clock ticks since boot; empty on other systems. */
function startOf(pid: number): string {
  const stat = readQuietly(`/proc/${pid}/stat`);
  // The command, in parentheses, may hold spaces; starttime is field 22, the 20th after it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Since it was written, either way: clocks of file servers differ. Zero when it is gone. */
function ageMs(path: string): number {
  const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return modifiedMs === undefined ? 0 : Math.abs(Date.now() - modifiedMs);
}

function readQuietly(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Already gone.
  }
}
