import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SliceTimer } from './slice-timer.ts';

afterEach(() => vi.unstubAllGlobals());

describe.each(['of Node', 'of a browser'])('the timer %s', (where) => {
  const make = (): SliceTimer => {
    if (where === 'of a browser') vi.stubGlobal('setImmediate', undefined);
    timer = new SliceTimer();
    vi.unstubAllGlobals();
    return timer;
  };
  let timer: SliceTimer | undefined;
  // An open channel would keep the tests alive.
  afterEach(() => timer?.close());

  it('runs again and again, and lets others have their turn', async () => {
    const timer = make();
    let slices = 0;
    let others = 0;
    const done = new Promise<void>((resolve) => {
      const slice = (): void => {
        if (++slices === 500) resolve();
        else timer.after(0, slice);
      };
      timer.after(0, slice);
    });
    const other = setInterval(() => others++, 0);
    while (slices < 400) await sleep(1);
    await done;
    clearInterval(other);
    expect(slices).toBe(500);
    expect(others).toBeGreaterThan(0);
  });

  it('runs the latest only, and nothing that was taken back', async () => {
    const timer = make();
    const ran: string[] = [];
    timer.after(0, () => ran.push('first'));
    timer.after(0, () => ran.push('second'));
    await sleep(20);
    timer.after(5, () => ran.push('late'));
    timer.after(0, () => ran.push('soon'));
    await sleep(20);
    timer.after(0, () => ran.push('cancelled'));
    timer.cancel();
    await sleep(20);
    timer.after(5, () => ran.push('cancelled late'));
    timer.cancel();
    timer.cancel();
    await sleep(20);
    timer.after(0, () => ran.push('again'));
    await sleep(20);
    expect(ran).toEqual(['second', 'soon', 'again']);
  });

  it('waits as long as was said', async () => {
    const timer = make();
    const fromMs = performance.now();
    await new Promise<void>((resolve) => timer.after(30, resolve));
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(29);
  });
});
