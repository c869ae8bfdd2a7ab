import type { V86Cpu } from './v86-types.ts';

/** EFLAGS.IF: the CPU takes maskable interrupts. */
const INTERRUPT_FLAG = 1 << 9;
/** PIIX3 PIRQRC[A:D] (bridge, configuration space 60h to 63h): bit 7 set, the pin is not routed. */
const PIRQ_ROUTES = 0x60;
const PIRQ_DISABLED = 0x80;
/** PCI_INTERRUPT_PIN (3Dh) as byte 1 of dword 15. */
const INTERRUPT_PIN_DWORD = 15;

/** How deep the CPU is inside a handler of ours for memory-mapped registers. */
export class RegisterAccess {
  depth = 0;
}

/** What of v86's CPU this file touches. */
export interface InterruptCpu extends Pick<V86Cpu, 'device_raise_irq' | 'device_lower_irq' | 'flags'> {
  readonly devices: {
    readonly pci: Pick<
      V86Cpu['devices']['pci'],
      'device_spaces' | 'isa_bridge_space8' | 'raise_irq' | 'lower_irq'
    >;
  };
}

/**
 * The wires from PCI functions to the interrupt controller: takes over `pci.raise_irq` and `lower_irq`
 * of v86, for its own virtio devices too, and mends two things.
 *
 * **A shared line is a wired-OR.** SeaBIOS routes the four PIRQs to two lines (10 and 11), so functions
 * meet; v86 lowers the line when any of them lowers it, and another's request is lost. Here a line is
 * up while at least one function asserts it.
 *
 * **No interrupt in the middle of an instruction.** v86 samples interrupts (`handle_irqs`) inside
 * `device_raise_irq` and `device_lower_irq`. Called from a handler of a memory-mapped register, that
 * pushes an interrupt frame while the guest's `mov` is still running, in translated code that keeps
 * registers in wasm locals: what returns from the interrupt is not what was interrupted. So inside such
 * a handler IF is cleared around the call: the request is latched in the interrupt controller and the
 * CPU takes it at its next `sti`, `popf`, `iret` or end of slice, each of which samples. From an
 * event-loop callback the call is made plainly: no instruction is running, and with IF cleared a halted
 * CPU would not be woken and would sleep until its next timer. Handlers of I/O ports (v86's virtio
 * devices) need none of this: v86 ends its translated block at an `out`.
 */
export class InterruptRouter {
  readonly #cpu: InterruptCpu;
  readonly #access: RegisterAccess;
  /** For each line, the functions (pci_id) that assert it. */
  readonly #asserting = new Map<number, Set<number>>();
  /** For each asserting function, the line it asserts: routing may change in between. */
  readonly #lines = new Map<number, number>();

  constructor(cpu: InterruptCpu, access: RegisterAccess) {
    this.#cpu = cpu;
    this.#access = access;
    cpu.devices.pci.raise_irq = (pciId) => this.raise(pciId);
    cpu.devices.pci.lower_irq = (pciId) => this.lower(pciId);
  }

  raise(pciId: number): void {
    const line = this.route(pciId);
    const before = this.#lines.get(pciId);
    if (before !== undefined && before !== line) this.lower(pciId);
    if (line === null) return;
    let functions = this.#asserting.get(line);
    if (functions === undefined) this.#asserting.set(line, (functions = new Set()));
    functions.add(pciId);
    this.#lines.set(pciId, line);
    // Also when it was up already: the guest may have reset the interrupt controller since, and raising
    // a line that is up changes nothing.
    this.#drive(line, true);
  }

  lower(pciId: number): void {
    const line = this.#lines.get(pciId);
    if (line === undefined) return;
    this.#lines.delete(pciId);
    const functions = this.#asserting.get(line);
    functions?.delete(pciId);
    if (functions === undefined || functions.size === 0) this.#drive(line, false);
  }

  /** The functions that hold a line up, for a look from outside. */
  asserting(line: number): ReadonlySet<number> {
    return this.#asserting.get(line) ?? new Set();
  }

  /** True while no function asserts a line. */
  get isQuiet(): boolean {
    return this.#lines.size === 0;
  }

  /** PIRQ swizzle of the PIIX3 as v86 has it: pin and slot choose one of four routes. Null when it leads nowhere. */
  route(pciId: number): number | null {
    const { device_spaces, isa_bridge_space8 } = this.#cpu.devices.pci;
    const pin = ((device_spaces[pciId]?.[INTERRUPT_PIN_DWORD] ?? 0) >> 8) & 0xff;
    if (pin === 0) return null;
    const route = isa_bridge_space8[PIRQ_ROUTES + ((pin - 1 + (pciId >> 3) - 1) & 3)] ?? PIRQ_DISABLED;
    // Line 0 is the timer's; the registers hold 0 until SeaBIOS writes them.
    return route === 0 || route > 15 ? null : route;
  }

  #drive(line: number, up: boolean): void {
    const cpu = this.#cpu;
    const set = (): void => (up ? cpu.device_raise_irq(line) : cpu.device_lower_irq(line));
    if (this.#access.depth === 0) {
      set();
      return;
    }
    const flags = cpu.flags[0] ?? 0;
    cpu.flags[0] = flags & ~INTERRUPT_FLAG;
    set();
    cpu.flags[0] = (cpu.flags[0] ?? 0) | (flags & INTERRUPT_FLAG);
  }
}
