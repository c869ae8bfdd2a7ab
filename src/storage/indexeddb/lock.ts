import type { LockProvider } from './environment.ts';

/** One exclusive Web Lock, held until released. The browser lets it go when the tab ends or crashes. */
export interface HeldLock {
  /** Resolves when the lock is free for others. */
  release(): Promise<void>;
  /** Nobody else can have the disk: false where there are no locks. */
  readonly excludes: boolean;
  /** Called if another tab stole it. */
  onstolen: (() => void) | undefined;
}

/**
 * Takes the lock if it is free; undefined when someone else has it. Where there are no Web Locks, or the
 * browser refuses to give any (a sandboxed frame), a lock that excludes nobody is returned: the epoch in
 * the superblock still keeps two owners from mixing their writes.
 */
export function takeLock(locks: LockProvider | undefined, name: string): Promise<HeldLock | undefined> {
  if (locks === undefined) return Promise.resolve(openToAll());
  return new Promise((resolve) => {
    let held: HeldLock | undefined;
    let whenFree: Promise<unknown> | undefined;
    const whileHeld = (lock: unknown): Promise<void> => {
      if (lock === null) {
        resolve(undefined);
        return Promise.resolve();
      }
      return new Promise<void>((letGo) => {
        held = {
          excludes: true,
          onstolen: undefined,
          release: async () => {
            letGo();
            await whenFree?.catch(() => undefined);
          },
        };
        resolve(held);
      });
    };
    try {
      whenFree = locks.request(name, { mode: 'exclusive', ifAvailable: true }, whileHeld);
    } catch {
      resolve(openToAll());
      return;
    }
    whenFree.catch(() => {
      // Rejected while held: stolen. Rejected before: no locks to be had.
      if (held === undefined) resolve(openToAll());
      else held.onstolen?.();
    });
  });
}

function openToAll(): HeldLock {
  return { excludes: false, onstolen: undefined, release: () => Promise.resolve() };
}
