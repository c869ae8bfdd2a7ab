import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { keepForOffline } from './keep-for-offline.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function page(booted: Promise<void>) {
  const register = vi.fn(async () => ({}));
  keepForOffline(booted, { serviceWorker: { register } as unknown as ServiceWorkerContainer });
  return register;
}

it('leaves the line to the boot, and fetches three seconds after it', async () => {
  let ready!: () => void;
  const register = page(new Promise((resolve) => (ready = resolve)));
  await vi.advanceTimersByTimeAsync(10_000);
  ready();
  await vi.advanceTimersByTimeAsync(2999);
  expect(register).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(register).toHaveBeenCalledOnce();
});

it('fetches after twenty seconds when nobody switches the machine on', async () => {
  const register = page(new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(19_999);
  expect(register).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(register).toHaveBeenCalledOnce();
});

it('does nothing where there are no service workers', () => {
  expect(() => keepForOffline(Promise.resolve(), {})).not.toThrow();
});
