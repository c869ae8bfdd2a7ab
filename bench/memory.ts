import type { CDPSession, Page } from 'playwright';

interface HeapUsage {
  readonly usedSize: number;
  /** Array buffers, which are not in the heap; WebAssembly memories are not counted (Chromium 156). */
  readonly backingStorageSize?: number;
}

/** Bytes that the first worker of a page holds after a garbage collection: its heap, and array buffers outside of it. */
export async function workerMemoryBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  const worker = await attachToWorker(session);
  await worker('HeapProfiler.collectGarbage');
  const { usedSize, backingStorageSize = 0 } = (await worker('Runtime.getHeapUsage')) as HeapUsage;
  await session.detach();
  return usedSize + backingStorageSize;
}

/** Calls methods of the protocol on the worker; they are wrapped in messages of the page's session. */
async function attachToWorker(session: CDPSession): Promise<(method: string) => Promise<unknown>> {
  const attached = new Promise<string>((resolve) => {
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') resolve(sessionId);
    });
  });
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  const sessionId = await attached;
  let next = 1;
  return (method) =>
    new Promise((resolve, reject) => {
      const id = next++;
      const listener = ({ message }: { message: string }): void => {
        const answer = JSON.parse(message) as { id?: number; result?: unknown; error?: { message: string } };
        if (answer.id !== id) return;
        session.off('Target.receivedMessageFromTarget', listener);
        if (answer.error) reject(new Error(answer.error.message));
        else resolve(answer.result);
      };
      session.on('Target.receivedMessageFromTarget', listener);
      session
        .send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) })
        .catch(reject);
    });
}
