import type { LockProvider } from './indexeddb/environment.ts';

/** Web Locks for tests: exclusive, `ifAvailable` only, with `steal` from outside. */
export class FakeLocks implements LockProvider {
  readonly #held = new Map<string, (reason: Error) => void>();

  request(name: string, _options: unknown, callback: (lock: unknown) => Promise<void>): Promise<unknown> {
    if (this.#held.has(name)) return Promise.resolve().then(() => callback(null));
    return new Promise((resolve, reject) => {
      this.#held.set(name, reject);
      void Promise.resolve()
        .then(() => callback({ name }))
        .finally(() => this.#held.delete(name))
        .then(resolve, reject);
    });
  }

  /** Names of the locks that are held. */
  held(): readonly string[] {
    return [...this.#held.keys()];
  }

  /** As `request(…, { steal: true })` of another tab does to the holder; the lock is free afterwards. */
  steal(name: string): void {
    this.#held.get(name)?.(new DOMException('The lock request is aborted', 'AbortError'));
    this.#held.delete(name);
  }
}
