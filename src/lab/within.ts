import { CommandTimeout } from './control-channel.ts';

/** setTimeout's largest delay; above it fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Resolves as `promise` does, or rejects with a CommandTimeout after `timeoutMs`; longer than 24 days is no limit. */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  if (timeoutMs > MAX_TIMER_MS) return promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new CommandTimeout(
            `The guest was not ready after ${timeoutMs} ms; wait for its prompt, or restart it.`,
          ),
        ),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}
