import type { HandoverChannel } from './handover.ts';

/** What IndexedDB disks need from the browser; injected, so that tests run without one. */

export interface IndexedDbEnvironment {
  /** `globalThis.indexedDB`; undefined where there is none. */
  readonly indexedDB: IDBFactory | undefined;
  /** `globalThis.IDBKeyRange`. */
  readonly keyRange: Pick<typeof IDBKeyRange, 'bound'> | undefined;
  /** `navigator.locks`; undefined on insecure pages and in old browsers. Then the epoch alone guards a disk. */
  readonly locks: LockProvider | undefined;
  /** Opens a channel to the other tabs; undefined where there is no BroadcastChannel. */
  readonly channel: ((name: string) => HandoverChannel) | undefined;
  /** Milliseconds after which a database that neither opens nor fails counts as unavailable. */
  readonly openTimeoutMs: number;
}

/** The part of `LockManager` that is used. */
export interface LockProvider {
  request(
    name: string,
    options: { mode: 'exclusive'; ifAvailable: true },
    callback: (lock: unknown) => Promise<void>,
  ): Promise<unknown>;
}

/** What this page or worker has. Where a browser blocks storage, even looking can throw. */
export function browserEnvironment(): IndexedDbEnvironment {
  return {
    indexedDB: tried(() => globalThis.indexedDB),
    keyRange: tried(() => globalThis.IDBKeyRange),
    locks: tried(() => globalThis.navigator.locks as LockProvider | undefined),
    channel: tried(() =>
      globalThis.BroadcastChannel ? (name: string) => new BroadcastChannel(name) : undefined,
    ),
    openTimeoutMs: 15_000,
  };
}

function tried<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
