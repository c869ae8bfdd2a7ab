import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GuestTime, MAX_BEHIND_MS, TICKS_PER_MS } from './guest-time.ts';

const STACK_A = 0xc1000000;
const STACK_B = 0xc1002000;

let hostMs = 1000;
beforeEach(() => {
  hostMs = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => hostMs);
});
afterEach(() => vi.restoreAllMocks());

/**
 * A processor in the middle of a kernel stack. Its counter is v86's (cpu.rs, read_tsc): while the clock shows the very
 * same number, it counts up by how often it was asked.
 */
function cpuOn(stack: number, time?: GuestTime) {
  const reg32 = new Int32Array(8);
  reg32[4] = stack + 0x1234;
  let last = -1;
  let asked = 0;
  const current_tsc = new Int32Array(2);
  return {
    reg32,
    cpl: Uint8Array.of(0),
    in_hlt: Uint8Array.of(0),
    current_tsc,
    store_current_tsc() {
      const value = Math.floor((time?.nowMs() ?? hostMs) * TICKS_PER_MS);
      asked = value === last ? asked + 1 : 0;
      last = value;
      current_tsc[0] = (value + asked) % 2 ** 32;
      current_tsc[1] = Math.floor((value + asked) / 2 ** 32);
    },
  };
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

  it('knows the thread also when the memory of the emulator has grown', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    // As v86 makes its views: of the memory there is.
    const cpu = Object.defineProperty(cpuOn(STACK_A), 'reg32', {
      get: () => new Int32Array(memory.buffer, 64, 8),
    });
    const time = new GuestTime();
    cpu.reg32[4] = STACK_A + 0x100;
    time.duringRegister(cpu, passes(0.5));
    memory.grow(1);
    time.sliceEnds();
    hostMs += 0.25;
    time.sliceBegins(cpu);
    expect(time.nowMs()).toBe(1000);
  });

  it('is a few milliseconds behind at most, and never goes back', () => {
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A);
    let beforeMs = time.nowMs();
    for (let i = 0; i < 200; i++) {
      time.duringRegister(cpu, passes((i % 7) * 0.3));
      expect(time.nowMs()).toBeGreaterThanOrEqual(beforeMs);
      beforeMs = time.nowMs();
      if (i % 50 === 49) time.catchUp(cpu);
      expect(time.nowMs()).toBeGreaterThanOrEqual(beforeMs);
      expect(hostMs - time.nowMs()).toBeLessThanOrEqual(MAX_BEHIND_MS);
    }
    time.catchUp(cpu);
    time.duringRegister(cpu, passes(1000));
    // Too long to be hidden, and a part of it would be no whole step.
    expect(time.nowMs()).toBe(hostMs);
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

  it("is not put back behind what the counter has shown, where the host's clock goes in steps", () => {
    let exactMs = 1000;
    const pass = (ms: number) => () => {
      exactMs += ms;
      hostMs = Math.floor(exactMs * 10) / 10;
    };
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A, time);
    const other = { ...cpu, reg32: cpuOn(STACK_B).reg32 };
    let shown = 0;
    const look = () => {
      const ticks = time.ticks(cpu);
      expect(ticks).toBeGreaterThanOrEqual(shown);
      shown = ticks;
    };
    for (let i = 0; i < 5000; i++) {
      time.sliceBegins(i % 5 === 0 ? other : cpu);
      for (let k = 0; k < 4; k++) {
        pass(0.013 * ((i + k) % 9))();
        look();
        time.duringRegister(cpu, pass(0.037 * ((i * 3 + k) % 11)));
        look();
      }
      time.sliceEnds();
      pass(0.07)();
      // What the guest's kernel tells is read between slices.
      if (i % 3 === 0) look();
      pass(0.05)();
    }
  });

  it('tells when something was, as long as it has not forgotten', () => {
    const time = new GuestTime();
    const cpu = cpuOn(STACK_A, time);
    const seen: { ticks: number; hostMs: number }[] = [];
    for (let i = 0; i < 20_000; i++) {
      seen.push({ ticks: time.ticks(cpu), hostMs });
      // At once, by the guest's clock.
      time.duringRegister(cpu, passes(0.25));
      hostMs += 0.5;
      seen.push({ ticks: time.ticks(cpu), hostMs });
      hostMs += 0.5;
      if (i % 3 === 0) time.catchUp(cpu);
    }
    const now = { ticks: time.ticks(cpu), atMs: hostMs };
    for (const { ticks, hostMs: wasMs } of seen.slice(-8000))
      expect(time.hostMsAt(ticks, now)).toBeCloseTo(wasMs, 4);
    // Long ago: not more wrong than it can be behind.
    const [first] = seen;
    expect(Math.abs(time.hostMsAt(first?.ticks ?? 0, now) - (first?.hostMs ?? 0))).toBeLessThanOrEqual(
      MAX_BEHIND_MS,
    );
  });
});
