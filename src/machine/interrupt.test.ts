import { beforeEach, describe, expect, it } from 'vitest';
import { type InterruptCpu, InterruptRouter, RegisterAccess } from './interrupt.ts';

const IF = 0x200;
const NVME = 8 << 3;
const CONSOLE = 12 << 3;
const NINE_P = 6 << 3;

let calls: string[];
let cpu: InterruptCpu & { readonly flags: Int32Array };
let access: RegisterAccess;
let router: InterruptRouter;

/** A processor that notes each call, and whether it could have taken an interrupt in it. */
beforeEach(() => {
  calls = [];
  const flags = Int32Array.of(IF | 0x2);
  const note = (what: string) => (line: number) =>
    calls.push(`${what} ${line}${((flags[0] ?? 0) & IF) === 0 ? ' masked' : ''}`);
  const device_spaces: (Int32Array | undefined)[] = [];
  for (const id of [NVME, CONSOLE, NINE_P]) {
    const space = new Int32Array(64);
    space[15] = 0x0100; // pin INTA#
    device_spaces[id] = space;
  }
  const isa_bridge_space8 = new Uint8Array(256);
  isa_bridge_space8.set([10, 10, 11, 11], 0x60); // as SeaBIOS does
  cpu = {
    flags,
    device_raise_irq: note('raise'),
    device_lower_irq: note('lower'),
    devices: {
      pci: { device_spaces, isa_bridge_space8, raise_irq: () => undefined, lower_irq: () => undefined },
    },
  };
  access = new RegisterAccess();
  router = new InterruptRouter(cpu, access);
});

describe('a shared line', () => {
  it('stays up until the last function lowers it, whoever raised it', () => {
    const { pci } = cpu.devices;
    pci.raise_irq(NVME);
    pci.raise_irq(CONSOLE); // v86's own device, through v86's own method
    expect([...router.asserting(11)]).toEqual([NVME, CONSOLE]);
    pci.lower_irq(CONSOLE);
    expect(calls).toEqual(['raise 11', 'raise 11']);
    pci.lower_irq(NVME);
    expect(calls).toEqual(['raise 11', 'raise 11', 'lower 11']);
  });

  it('counts functions and not calls', () => {
    router.raise(NVME);
    router.raise(NVME);
    router.lower(NVME);
    expect(calls.at(-1)).toBe('lower 11');
    router.lower(NVME);
    router.lower(CONSOLE); // never raised
    expect(calls).toEqual(['raise 11', 'raise 11', 'lower 11']);
  });

  it('is separate from the others', () => {
    router.raise(NVME);
    router.raise(NINE_P);
    router.lower(NINE_P);
    expect(calls).toEqual(['raise 11', 'raise 10', 'lower 10']);
    expect([...router.asserting(11)]).toEqual([NVME]);
  });
});

describe('routing', () => {
  it('that changed in between still lowers the line that was raised', () => {
    router.raise(NVME);
    cpu.devices.pci.isa_bridge_space8.fill(5, 0x60, 0x64);
    router.lower(NVME);
    expect(calls).toEqual(['raise 11', 'lower 11']);
    router.raise(NVME);
    expect(calls.at(-1)).toBe('raise 5');
  });

  it('that changed while raised moves the request', () => {
    router.raise(NVME);
    cpu.devices.pci.isa_bridge_space8.fill(5, 0x60, 0x64);
    router.raise(NVME);
    expect(calls).toEqual(['raise 11', 'lower 11', 'raise 5']);
  });

  it('that leads nowhere raises nothing, least of all the timer', () => {
    cpu.devices.pci.isa_bridge_space8.fill(0, 0x60, 0x64);
    router.raise(NVME);
    cpu.devices.pci.isa_bridge_space8.fill(0x80, 0x60, 0x64);
    router.raise(NVME);
    router.lower(NVME);
    expect(calls).toEqual([]);
  });
});

describe('inside a register access', () => {
  it('the processor cannot sample, and its flags come back', () => {
    access.depth = 1;
    router.raise(NVME);
    expect(cpu.flags[0]).toBe(IF | 0x2);
    router.lower(NVME);
    expect(calls).toEqual(['raise 11 masked', 'lower 11 masked']);
    expect(cpu.flags[0]).toBe(IF | 0x2);
    cpu.flags[0] = 0x2;
    router.raise(NVME);
    expect(cpu.flags[0]).toBe(0x2);
  });

  it('and outside of one it can, so that a halted one wakes', () => {
    router.raise(NVME);
    expect(calls).toEqual(['raise 11']);
  });
});
