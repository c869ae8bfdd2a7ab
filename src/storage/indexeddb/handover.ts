/**
 * One tab asks another for a disk that it holds. The lock is not stolen: the owner could commit once more before it
 * learns of it. It is asked to let go, and does so between two commits.
 */

/** The part of BroadcastChannel that is used. */
export interface HandoverChannel {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

const LET_GO = 'let go';

/** Listens for others who want what is held under this name. Returns what ends it. */
export function listenForAsks(
  open: ((name: string) => HandoverChannel) | undefined,
  name: string,
  letGo: () => void,
): () => void {
  const channel = open?.(name);
  if (!channel) return () => undefined;
  channel.onmessage = ({ data }) => {
    if (data === LET_GO) letGo();
  };
  // In Node a channel that is open would keep the program alive.
  (channel as { unref?: () => void }).unref?.();
  return () => channel.close();
}

/** Asks whoever holds what goes by this name. There is no answer: the lock becomes free, or it does not. */
export function askToLetGo(open: ((name: string) => HandoverChannel) | undefined, name: string): void {
  const channel = open?.(name);
  if (!channel) return;
  channel.postMessage(LET_GO);
  channel.close();
}
