import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MachineClock } from './clock.ts';

const fail = (error: unknown): void => {
  throw error;
};

let clock: MachineClock | null = null;
afterEach(() => clock?.close());

describe('MachineClock', () => {
  it('never goes back', () => {
    clock = new MachineClock(fail);
    const first = clock.nowMs();
    expect(clock.nowMs()).toBeGreaterThanOrEqual(first);
  });

  it('runs tasks once, in order, at the next drain', () => {
    clock = new MachineClock(fail);
    const ran: number[] = [];
    clock.defer(() => ran.push(1));
    clock.defer(() => ran.push(2));
    expect(ran).toEqual([]);
    clock.drain();
    expect(ran).toEqual([1, 2]);
    clock.drain();
    expect(ran).toEqual([1, 2]);
  });

  it('leaves what a task defers to the next time', () => {
    clock = new MachineClock(fail);
    let runs = 0;
    const again = (): void => {
      runs++;
      clock?.defer(again);
    };
    clock.defer(again);
    clock.drain();
    expect(runs).toBe(1);
    clock.drain();
    expect(runs).toBe(2);
  });

  it('runs tasks from the event loop when nobody drains', async () => {
    clock = new MachineClock(fail);
    const ran: number[] = [];
    clock.defer(() => {
      ran.push(1);
      clock?.defer(() => ran.push(2));
    });
    await turn();
    await turn();
    await turn();
    expect(ran).toEqual([1, 2]);
  });

  it('hands on what a task throws, and keeps the others', async () => {
    const errors: unknown[] = [];
    clock = new MachineClock((error) => errors.push(error));
    const ran: number[] = [];
    clock.defer(() => fail('one'));
    clock.defer(() => ran.push(2));
    expect(() => clock?.drain()).toThrow('one');
    clock.drain();
    expect(ran).toEqual([2]);
    clock.defer(() => fail('three'));
    await turn();
    await turn();
    expect(errors).toEqual(['three']);
  });

  it('runs nothing after close, not even the rest of a drain', async () => {
    clock = new MachineClock(fail);
    const ran: number[] = [];
    clock.defer(() => {
      ran.push(1);
      clock?.close();
    });
    clock.defer(() => ran.push(2));
    clock.drain();
    clock.defer(() => ran.push(3));
    clock.drain();
    await turn();
    expect(ran).toEqual([1]);
  });

  it('uses a message to itself where there is no setImmediate', async () => {
    vi.stubGlobal('setImmediate', undefined);
    const browserClock = new MachineClock(fail);
    vi.unstubAllGlobals();
    const ran: number[] = [];
    await new Promise<void>((resolve) => {
      browserClock.defer(() => {
        ran.push(1);
        resolve();
      });
    });
    browserClock.defer(() => ran.push(2));
    browserClock.close();
    await turn();
    expect(ran).toEqual([1]);
  });
});
