import { expose } from 'comlink';
import { afterEach, describe, expect, it, vi } from 'vitest';

vi.hoisted(() => vi.stubGlobal('navigator', { language: 'en' }));
const { connectTo, WorkerGone } = await import('./connection.ts');

/** A worker of this thread; `answers`: undefined for one whose script never ran. */
class FakeWorker extends EventTarget {
  terminated = false;
  readonly #channel = new MessageChannel();

  constructor(answers: object | undefined) {
    super();
    const { port1, port2 } = this.#channel;
    port1.onmessage = (event) => this.dispatchEvent(new MessageEvent('message', { data: event.data }));
    if (answers) expose(answers, port2);
  }

  postMessage(message: unknown, transfer: Transferable[] = []): void {
    this.#channel.port1.postMessage(message, transfer);
  }

  terminate(): void {
    this.terminated = true;
    this.#channel.port1.close();
  }

  fail(type: 'error' | 'messageerror', message = ''): void {
    this.dispatchEvent(Object.assign(new Event(type), { message }));
  }
}

const workers: FakeWorker[] = [];
afterEach(() => workers.splice(0).forEach((worker) => worker.terminate()));

function start(answers?: object) {
  const worker = new FakeWorker(answers);
  workers.push(worker);
  const troubled = vi.fn();
  const connecting = connectTo(worker as unknown as Worker, { message: () => {}, troubled });
  return { worker, troubled, connecting };
}

const lab = {
  init: async () => {},
  storage: async () => ({ indexedDb: true, reason: '' }),
  exec: () => new Promise(() => {}),
  listDisks: async () => {
    throw new Error('There is no list.');
  },
};

describe('the connection to the worker', () => {
  it('answers calls and hands on their errors', async () => {
    const { client } = await start(lab).connecting;
    expect(await client.storage()).toEqual({ indexedDb: true, reason: '' });
    await expect(client.listDisks()).rejects.toThrow('There is no list.');
  });

  it('rejects when the script cannot be loaded', async () => {
    const { worker, troubled, connecting } = start();
    worker.fail('error');
    await expect(connecting).rejects.toThrow(/could not be loaded/);
    expect(worker.terminated).toBe(true);
    expect(troubled).not.toHaveBeenCalled();
  });

  it('rejects when the worker answers that it cannot start', async () => {
    const { worker, connecting } = start({ init: () => Promise.reject(new Error('no room')) });
    await expect(connecting).rejects.toThrow(WorkerGone);
    expect(worker.terminated).toBe(true);
  });

  it('goes on after an uncaught error in a worker that has answered', async () => {
    const { worker, troubled, connecting } = start(lab);
    const { client } = await connecting;
    worker.fail('error', 'x is undefined');
    expect(troubled).toHaveBeenCalledExactlyOnceWith('x is undefined');
    expect(worker.terminated).toBe(false);
    expect(await client.storage()).toMatchObject({ indexedDb: true });
  });

  it('rejects open and later calls once the worker is gone', async () => {
    const { worker, connecting } = start(lab);
    const { client, dead } = await connecting;
    const open = client.exec('sleep 1000');
    worker.fail('messageerror');
    await expect(open).rejects.toThrow(/stopped: an answer of it could not be read/);
    await expect(client.storage()).rejects.toThrow(WorkerGone);
    expect(await dead).toBeInstanceOf(WorkerGone);
    expect(worker.terminated).toBe(true);
  });
});
