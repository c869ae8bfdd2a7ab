import { beforeEach, expect, it, vi } from 'vitest';

const made: EventTarget[] = [];
vi.stubGlobal(
  'Worker',
  class extends EventTarget {
    constructor() {
      super();
      made.push(this);
    }
  },
);
const { startEmulator, takeEmulator } = await import('./emulator-worker.ts');

beforeEach(() => made.splice(0));

it('hands out the worker that was started early, once', () => {
  startEmulator();
  startEmulator();
  expect(made).toHaveLength(1);
  expect(takeEmulator().worker).toBe(made[0]);
  expect(takeEmulator().worker).toBe(made[1]);
});

it('knows why a worker could not be loaded that nobody has listened to yet', () => {
  startEmulator();
  made[0]?.dispatchEvent(Object.assign(new Event('error'), { message: 'no such file' }));
  expect(takeEmulator().failure()).toBe('no such file');
  expect(takeEmulator().failure()).toBeUndefined();
});
