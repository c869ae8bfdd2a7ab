import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GuestTime, MAX_BEHIND_MS } from './guest-time.ts';

const STACK_A = 0xc1000000;
const STACK_B = 0xc1002000;

let hostMs = 1000;
beforeEach(() => {
  hostMs = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => hostMs);
});
afterEach(() => vi.restoreAllMocks());

/** A processor in the middle of a kernel stack. */
function cpuOn(stack: number) {
  const reg32 = new Int32Array(8);
  reg32[4] = stack + 0x1234;
  return { reg32, cpl: Uint8Array.of(0), in_hlt: Uint8Array.of(0) };
}

const passes = (ms: number) => () => void (hostMs += ms);

describe("the guest's clock", () => {
  it('stands while a register works, and between slices of the thread that wrote to it', () => {
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A);
    time.sliceBegins(cpu);
    time.duringRegister(cpu, passes(0.5));
    expect(time.nowMs()).toBe(1000);
    hostMs += 1;
    expect(time.nowMs()).toBe(1001);
    time.sliceEnds();
    hostMs += 0.25;
    time.sliceBegins(cpu);
    expect(time.nowMs()).toBe(1001);
  });

  it.each([
    ['another thread', { ...cpuOn(STACK_B) }],
    ['a program', { ...cpuOn(STACK_A), cpl: Uint8Array.of(3) }],
    ['none', { ...cpuOn(STACK_A), in_hlt: Uint8Array.of(1) }],
  ])('is right again when the processor has %s', (_, cpu) => {
    const time = new GuestTime();
    time.duringRegister(cpuOn(STACK_A), passes(0.5));
    time.sliceEnds();
    hostMs += 0.25;
    time.sliceBegins(cpu);
    expect(time.nowMs()).toBe(hostMs);
  });

  it('is a few milliseconds behind at most, and never goes back', () => {
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A);
    let beforeMs = time.nowMs();
    for (let i = 0; i < 200; i++) {
      time.duringRegister(cpu, passes((i % 7) * 0.3));
      expect(time.nowMs()).toBeGreaterThanOrEqual(beforeMs);
      beforeMs = time.nowMs();
      if (i % 50 === 49) time.catchUp();
      expect(time.nowMs()).toBeGreaterThanOrEqual(beforeMs);
      expect(hostMs - time.nowMs()).toBeLessThanOrEqual(MAX_BEHIND_MS);
    }
    time.duringRegister(cpu, passes(1000));
    expect(hostMs - time.nowMs()).toBe(MAX_BEHIND_MS);
  });

  it('counts what a register takes that throws', () => {
    const time = new GuestTime();
    expect(() =>
      time.duringRegister(cpuOn(STACK_A), () => {
        hostMs += 1;
        throw new Error('of the device');
      }),
    ).toThrow('of the device');
    expect(time.nowMs()).toBe(1000);
  });

  it('tells when something was, as long as it has not forgotten', () => {
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A);
    const seen: { guestMs: number; hostMs: number }[] = [];
    for (let i = 0; i < 20_000; i++) {
      time.duringRegister(cpu, passes(0.25));
      hostMs += 0.5;
      seen.push({ guestMs: time.nowMs(), hostMs });
      hostMs += 0.5;
      if (i % 3 === 0) time.catchUp();
    }
    for (const { guestMs, hostMs: wasMs } of seen.slice(-5000))
      expect(time.hostMsAt(guestMs)).toBeCloseTo(wasMs, 6);
    // Long ago: by what is left of it, not more wrong than it can be behind.
    const [first] = seen;
    expect(Math.abs(time.hostMsAt(first?.guestMs ?? 0) - (first?.hostMs ?? 0))).toBeLessThanOrEqual(
      MAX_BEHIND_MS,
    );
  });
});
