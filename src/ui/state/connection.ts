import { wrap, transfer } from 'comlink';
import type { LabRemote, PageMessage, WorkerMessage } from '../../rpc/protocol.ts';

/** The worker as the page sees it: every call is answered later. */
export type LabClient = {
  readonly [K in keyof LabRemote]: (
    ...args: Parameters<LabRemote[K]>
  ) => Promise<Awaited<ReturnType<LabRemote[K]>>>;
};

export interface Connection {
  readonly client: LabClient;
  send(message: PageMessage): void;
}

export interface ConnectionListener {
  message(message: WorkerMessage): void;
  /** The worker itself is gone: nothing will be answered any more. */
  died(reason: string): void;
}

/** Starts the emulator's worker and hands it its port. */
export async function connect(listener: ConnectionListener): Promise<Connection> {
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    const { connectFake } = await import('../dev/fake-lab.ts');
    return connectFake(listener);
  }
  // Vite finds workers by this literal.
  const worker = new Worker(new URL('../../../workers/emulator.worker.ts', import.meta.url), {
    type: 'module',
  });
  worker.addEventListener('error', (event) => listener.died(event.message ?? ''));
  const client: LabClient = wrap<LabRemote>(worker);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event: MessageEvent<WorkerMessage>) => listener.message(event.data);
  await client.init(transfer(port2, [port2]), new URL('guest/', document.baseURI).href);
  return { client, send: (message) => port1.postMessage(message) };
}

/** What crossed as an error, in words. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}
