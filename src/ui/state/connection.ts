import { wrap, transfer } from 'comlink';
import type { LabRemote, PageMessage, WorkerMessage } from '../../rpc/protocol.ts';
import { language } from '../text/language.svelte.ts';
import { takeEmulator } from './emulator-worker.ts';

/** The worker as the page sees it: every call is answered later, or rejects when the worker is gone. */
export type LabClient = {
  readonly [K in keyof LabRemote]: (
    ...args: Parameters<LabRemote[K]>
  ) => Promise<Awaited<ReturnType<LabRemote[K]>>>;
};

export interface Connection {
  readonly client: LabClient;
  /** Resolves when the worker is gone: nothing will be answered any more. */
  readonly dead: Promise<WorkerGone>;
  send(message: PageMessage): void;
}

export interface ConnectionListener {
  message(message: WorkerMessage): void;
  /** Something failed in the worker that nobody caught; it goes on. */
  troubled(reason: string): void;
}

export class WorkerGone extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(language.t.notices.workerDied(reason));
    this.reason = reason;
  }
}

/** Starts the emulator's worker and hands it its port. Rejects with {@link WorkerGone}. */
export async function connect(listener: ConnectionListener): Promise<Connection> {
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    const { connectFake } = await import('../dev/fake-lab.ts');
    return connectFake(listener);
  }
  const { worker, failure } = takeEmulator();
  const reason = failure();
  if (reason === undefined) return connectTo(worker, listener);
  worker.terminate();
  throw new WorkerGone(reason);
}

export async function connectTo(worker: Worker, listener: ConnectionListener): Promise<Connection> {
  const calls = new OpenCalls();
  const end = (reason: string): WorkerGone => {
    worker.terminate();
    return calls.end(new WorkerGone(reason));
  };
  let answered = false;
  worker.addEventListener('message', () => (answered = true), { once: true });
  // Before the first answer: it could not be loaded. Later it is only something that nobody caught.
  worker.addEventListener('error', (event) => {
    const reason = event.message ?? '';
    if (answered) listener.troubled(reason);
    else end(reason);
  });
  worker.addEventListener('messageerror', () => end('an answer of it could not be read'));

  const client = mortal(wrap<LabRemote>(worker), calls);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event: MessageEvent<WorkerMessage>) => listener.message(event.data);
  try {
    await client.init(transfer(port2, [port2]));
  } catch (error) {
    throw error instanceof WorkerGone ? error : end(messageOf(error));
  }
  return { client, dead: calls.ended, send: (message) => port1.postMessage(message) };
}

/** Calls that wait for their answer. Promise.race would keep every answer for as long as the worker lives. */
class OpenCalls {
  readonly ended: Promise<WorkerGone>;
  readonly #waiting = new Set<(error: WorkerGone) => void>();
  #error: WorkerGone | undefined;
  #resolveEnded: (error: WorkerGone) => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
  }

  call<T>(action: () => Promise<T>): Promise<T> {
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const done = () => this.#waiting.delete(reject);
      action().then(resolve, reject).finally(done);
    });
  }

  /** Every call rejects with this, open ones and later ones; the first end counts. */
  end(error: WorkerGone): WorkerGone {
    if (this.#error) return this.#error;
    this.#error = error;
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#resolveEnded(error);
    return error;
  }
}

function mortal(client: LabClient, calls: OpenCalls): LabClient {
  return new Proxy(client, {
    get(target, name) {
      // Whoever awaits a client does not want it to be called.
      if (name === 'then' || typeof name === 'symbol') return undefined;
      const method = name as keyof LabClient;
      return (...args: unknown[]) =>
        calls.call(() => (target[method] as (...args: unknown[]) => Promise<unknown>)(...args));
    },
  });
}

/** What crossed as an error, in words. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}
