/**
 * Plugs PCI functions of our own into v86: configuration space, BAR0, and what the command register
 * switches. Field names are those of Linux' include/uapi/linux/pci_regs.h; sections are those of the
 * PCI Local Bus Specification 3.0.
 *
 * Left out: capabilities (so no MSI and no power management: Linux falls back to INTx), 64-bit and I/O
 * BARs, expansion ROMs, more than one function in a slot. v86 cannot move memory BARs; ours are moved here:
 * Linux gives a function that was removed and found again another address.
 */
import type { Clock, GuestMemory, InterruptLine } from '../device/ports.ts';
import { DmaMemory } from './dma.ts';
import { MachineError } from './errors.ts';
import type { GuestTime } from './guest-time.ts';
import type { InterruptRouter, RegisterAccess } from './interrupt.ts';
import type { V86Cpu, V86Pci } from './v86-types.ts';

/** A function in a saved machine. */
export interface SavedFunction {
  readonly slot: number;
  /** The first 64 bytes of its configuration space. */
  readonly configuration: readonly number[];
  /** What {@link PciPlug.save} answered. */
  readonly state: unknown;
}

/** What a function gets from the machine it is plugged into. */
export interface PciPorts {
  readonly memory: GuestMemory;
  readonly interrupt: InterruptLine;
  readonly clock: Clock;
}

/**
 * A function's registers behind BAR0. Offsets are bytes from the start of the BAR and may be unaligned;
 * they are below `bar0Bytes`. All values are unsigned.
 *
 * The guest's accesses arrive as v86 splits them: 32 bits as one, 16 bits as two 8-bit accesses, 64 and
 * 128 bits as 32-bit ones, all low part first. So an 8-bit write is the guest's own or half of a 16-bit
 * one; nothing tells them apart, and it is the function's to decide. (NVMe's registers are defined for
 * 32- and 64-bit access only: a controller may ignore `write8` and should answer `read8` from `read32`.)
 */
export interface MmioHandlers {
  read8(offset: number): number;
  read32(offset: number): number;
  write8(offset: number, value: number): void;
  write32(offset: number, value: number): void;
}

/** A PCI function and where it goes. */
export interface PciPlug {
  /** Device number on bus 0, 2 to 31; v86 has functions of its own in 6, 12, 18 and 30. */
  readonly slot: number;
  readonly name: string;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Base class, sub-class, programming interface: 010802h is NVM Express. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** Size of the registers; rounded up to a power of two of at least 4 KiB. */
  readonly bar0Bytes: number;
  /**
   * Called once, before the CPU runs. The ports stop working when the machine is destroyed. With `saved`, the
   * function goes on from what {@link save} answered in another machine, and asks for its interrupt if it did so
   * then; throws a MachineError `state` when it cannot.
   */
  attach(ports: PciPorts, saved?: { readonly state: unknown }): MmioHandlers;
  /** Why the function cannot be saved now, for the end of a sentence; null if it can. */
  whyBusy?(): string | null;
  /** Its state as plain data, for structured clone. A function without this method is never saved. */
  save?(): unknown;
}

const PCI_COMMAND = 0x04;
const PCI_COMMAND_MEMORY = 0x2;
const PCI_COMMAND_MASTER = 0x4;
const PCI_COMMAND_INTX_DISABLE = 0x400;
const PCI_STATUS = 0x06;
const PCI_STATUS_INTERRUPT = 0x08;
const PCI_REVISION_ID = 0x08;
const PCI_CACHE_LINE_SIZE = 0x0c;
const PCI_BASE_ADDRESS_0 = 0x10;
const PCI_CARDBUS_CIS = 0x28;
const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
const PCI_SUBSYSTEM_ID = 0x2e;
const PCI_INTERRUPT_LINE = 0x3c;
const PCI_INTERRUPT_PIN = 0x3d;
const HEADER_BYTES = 0x40;

/** Bits the guest may change, by byte (section 6.2.2): memory, master, parity, SERR#, INTx disable; line size; interrupt line. */
const WRITABLE = new Map([
  [PCI_COMMAND, 0x46],
  [PCI_COMMAND + 1, 0x05],
  [PCI_CACHE_LINE_SIZE, 0xff],
  [PCI_INTERRUPT_LINE, 0xff],
]);

/** Where our BARs begin: above RAM and v86's VGA (E0000000h), below the APICs (FEC00000h). */
export const BAR_WINDOW_BEGIN = 0xf0000000;
const BAR_WINDOW_END = 0xfe000000;
/** v86 maps memory in pieces of 128 KiB. */
const MAP_BYTES = 0x20000;
const MIN_BAR_BYTES = 0x1000;
/** v86 answers for a whole megabyte with its VGA BIOS, of which the ROM's BAR claims the first 64 KiB. SeaBIOS puts us behind. */
const VGA_ROM_END = 0xfeb20000;
const VGA_ROM_MAP_END = 0xfec00000;

/** The first 64 bytes of configuration space (section 6.1, figure 6-1). */
export function configurationHeader(
  plug: Omit<PciPlug, 'attach' | 'whyBusy' | 'save'>,
  bar0Address: number,
): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint16(0x00, plug.vendorId, true); // PCI_VENDOR_ID
  view.setUint16(0x02, plug.deviceId, true); // PCI_DEVICE_ID
  // PCI_COMMAND and PCI_STATUS are 0 after reset: SeaBIOS turns memory on, the driver turns mastering on.
  view.setUint32(PCI_REVISION_ID, ((plug.classCode << 8) | plug.revision) >>> 0, true); // and PCI_CLASS_PROG, PCI_CLASS_DEVICE
  // PCI_LATENCY_TIMER, PCI_HEADER_TYPE (0Eh: type 0, one function) and PCI_BIST are 0.
  view.setUint32(PCI_BASE_ADDRESS_0, bar0Address, true); // 32 bits, not prefetchable: the low four bits are 0
  view.setUint16(PCI_SUBSYSTEM_VENDOR_ID, plug.subsystemVendorId, true);
  view.setUint16(PCI_SUBSYSTEM_ID, plug.subsystemId, true);
  view.setUint8(PCI_INTERRUPT_PIN, 1); // INTA#
  return header;
}

/**
 * The header of a function that goes on where it was, its request for an interrupt left out: whoever asks for one
 * asks again. Throws a MachineError `state` when it is another function's, or impossible.
 */
export function savedHeader(plug: PciPlug, configuration: readonly number[]): Uint8Array {
  const bytes = Uint8Array.from(configuration);
  const isBytes = bytes.length === HEADER_BYTES && bytes.every((byte, i) => byte === configuration[i]);
  const address = isBytes ? new DataView(bytes.buffer).getUint32(PCI_BASE_ADDRESS_0, true) : 0;
  const header = configurationHeader(plug, address);
  if (isBytes) {
    for (const [offset, mask] of WRITABLE) header[offset] = (bytes[offset] ?? 0) & mask;
    bytes[PCI_STATUS] = (bytes[PCI_STATUS] ?? 0) & ~PCI_STATUS_INTERRUPT;
  }
  if (!isBytes || address % barBytesOf(plug) !== 0 || bytes.some((byte, i) => byte !== header[i]))
    throw new MachineError(
      'state',
      `The saved state of the machine cannot be restored: in slot ${plug.slot} it has another function.`,
    );
  return header;
}

/** Section 6.2.5.1: what a BAR claims is a power of two. */
function barBytesOf({ bar0Bytes }: PciPlug): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bar0Bytes, MIN_BAR_BYTES)));
}

type MapHandlers = Pick<PluggedFunction, 'read8' | 'write8' | 'read32' | 'write32'>;

/** Who answers for an address outside RAM. */
function handlersAt(cpu: V86Cpu, address: number): MapHandlers {
  const block = Math.floor(address / MAP_BYTES);
  const at = <T>(map: readonly (T | undefined)[]): T => {
    const handler = map[block];
    if (handler === undefined)
      throw new MachineError('emulator', `v86 maps nothing at ${address.toString(16)}h.`);
    return handler;
  };
  return {
    read8: at(cpu.memory_map_read8),
    write8: at(cpu.memory_map_write8),
    read32: at(cpu.memory_map_read32),
    write32: at(cpu.memory_map_write32),
  };
}

/** Plugs functions into one machine's bus. */
export class PciBus {
  readonly #cpu: V86Cpu;
  readonly #router: InterruptRouter;
  readonly #access: RegisterAccess;
  readonly #clock: Clock;
  readonly #time: GuestTime;
  readonly #functions = new Map<number, PluggedFunction>();
  /** v86's own handlers for addresses where nothing is. */
  readonly #nobody: MapHandlers;
  #nextAddress = BAR_WINDOW_BEGIN;

  constructor(cpu: V86Cpu, router: InterruptRouter, access: RegisterAccess, clock: Clock, time: GuestTime) {
    this.#cpu = cpu;
    this.#router = router;
    this.#access = access;
    this.#clock = clock;
    this.#time = time;
    this.#nobody = handlersAt(cpu, BAR_WINDOW_BEGIN);
    this.#guardConfigurationWrites(cpu.devices.pci);
  }

  /** Why its functions cannot be saved now, for the end of a sentence; null if they can. */
  whyBusy(): string | null {
    for (const { plug } of this.#functions.values()) {
      const busy = plug.save === undefined ? `${plug.name} cannot be saved` : (plug.whyBusy?.() ?? null);
      if (busy !== null) return busy;
    }
    return null;
  }

  save(): SavedFunction[] {
    return Array.from(this.#functions.values(), ({ plug, configuration }) => ({
      slot: plug.slot,
      configuration: [...configuration],
      state: plug.save?.(),
    }));
  }

  /** With `saved`, the guest finds the function where and as it was, and notices nothing. */
  plug(plug: PciPlug, saved?: SavedFunction): void {
    const { pci } = this.#cpu.devices;
    const pciId = plug.slot << 3;
    if (!Number.isInteger(plug.slot) || plug.slot < 2 || plug.slot > 31) {
      throw new MachineError('slot', `There is no PCI slot ${plug.slot}; slots 2 to 31 take a function.`);
    }
    const occupant = pci.devices[pciId];
    if (occupant !== undefined) {
      throw new MachineError('slot', `PCI slot ${plug.slot} is taken by ${occupant.name}.`);
    }
    const barBytes = barBytesOf(plug);
    const mapBytes = Math.max(barBytes, MAP_BYTES);
    const address = Math.ceil(this.#nextAddress / mapBytes) * mapBytes;
    if (!(address + mapBytes <= BAR_WINDOW_END)) {
      throw new MachineError('slot', `The ${plug.bar0Bytes} bytes of registers of ${plug.name} do not fit.`);
    }
    this.#nextAddress = address + mapBytes;

    const header = saved ? savedHeader(plug, saved.configuration) : configurationHeader(plug, address);
    const bar0Address = new DataView(header.buffer).getUint32(PCI_BASE_ADDRESS_0, true);
    const space = pci.register_device({
      pci_id: pciId,
      pci_space: [...header],
      pci_bars: [{ size: barBytes }],
      name: plug.name,
    });
    // A machine that was restored has its firmware behind it: this register is what it would have written.
    const line = this.#router.route(pciId);
    if (line !== null && !saved) new Uint8Array(space.buffer)[PCI_INTERRUPT_LINE] = line;
    const bar0 = { address: bar0Address, bytes: plug.bar0Bytes, alignment: barBytes };
    const plugged = new PluggedFunction(this.#cpu, this.#router, this.#access, this.#time, plug, space, bar0);
    this.#functions.set(pciId, plugged);
    const ports = { memory: plugged.memory, interrupt: plugged, clock: this.#clock };
    plugged.handlers = plug.attach(ports, saved);
    this.#place(plugged);
  }

  /**
   * Maps a function's registers where its BAR says, if nothing else is there; else they are nowhere, as when
   * two devices of a real bus are told the same address.
   */
  #place(plugged: PluggedFunction): void {
    for (const { address, before } of plugged.mapped) this.#map(address, before);
    plugged.mapped = [];
    const begin = Math.floor(plugged.bar0Address / MAP_BYTES) * MAP_BYTES;
    const bytes = Math.ceil((plugged.bar0Address + plugged.bar0Bytes - begin) / MAP_BYTES) * MAP_BYTES;
    // Below is RAM, which v86 does not ask us about; the last megabytes are the BIOS, which is not "nobody".
    if (begin < (this.#cpu.memory_size[0] ?? 0) >>> 0) return;
    const addresses = Array.from({ length: bytes / MAP_BYTES }, (_, i) => begin + i * MAP_BYTES);
    if (!addresses.every((address) => this.#isFree(address))) return;
    plugged.mapped = addresses.map((address) => ({ address, before: handlersAt(this.#cpu, address) }));
    for (const address of addresses) this.#map(address, plugged);
  }

  #isFree(address: number): boolean {
    if (address >= VGA_ROM_END && address < VGA_ROM_MAP_END) return true;
    return this.#cpu.memory_map_read8[address / MAP_BYTES] === this.#nobody.read8;
  }

  #map(address: number, { read8, write8, read32, write32 }: MapHandlers): void {
    this.#cpu.io.mmap_register(address, MAP_BYTES, read8, write8, read32, write32);
  }

  /** Cuts every function off: registers read as all ones, memory and interrupts do nothing. */
  close(): void {
    for (const plugged of this.#functions.values()) plugged.close();
    this.#functions.clear();
  }

  /**
   * v86 stores whatever the guest writes into configuration space, identification included, and throws
   * when an 8- or 16-bit write goes to an empty slot. Our functions' read-only fields stay what they are,
   * and a write to nowhere goes nowhere.
   */
  #guardConfigurationWrites(pci: V86Pci): void {
    const { pci_write8, pci_write16, pci_write32 } = pci;
    const guard = (address: number, value: number, bytes: number, original: V86Pci['pci_write8']): void => {
      const pciId = (address >> 8) & 0xffff;
      if (pci.device_spaces[pciId] === undefined) return;
      const plugged = this.#functions.get(pciId);
      const offset = address & 0xff;
      if (plugged !== undefined && bytes === 4 && offset === PCI_BASE_ADDRESS_0) {
        plugged.writeBar0(value);
        this.#place(plugged);
      } else if (
        plugged === undefined ||
        (bytes === 4 && offset > PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS)
      ) {
        original.call(pci, address, value);
      } else {
        for (let i = 0; i < bytes; i++) plugged.writeConfiguration(offset + i, (value >>> (8 * i)) & 0xff);
      }
    };
    pci.pci_write8 = (address, value) => guard(address, value, 1, pci_write8);
    pci.pci_write16 = (address, value) => guard(address, value, 2, pci_write16);
    pci.pci_write32 = (address, value) => guard(address, value, 4, pci_write32);
  }
}

/** One function in its slot: its configuration space, its line, its registers. */
class PluggedFunction implements InterruptLine {
  handlers: MmioHandlers | null = null;
  readonly plug: PciPlug;
  readonly memory: DmaMemory;
  readonly #router: InterruptRouter;
  readonly #access: RegisterAccess;
  readonly #cpu: V86Cpu;
  readonly #time: GuestTime;
  readonly #pciId: number;
  readonly #space: Uint8Array;
  /** Where the guest wants the registers, and where they are. */
  bar0Address: number;
  mapped: readonly { readonly address: number; readonly before: MapHandlers }[] = [];
  readonly bar0Bytes: number;
  readonly #bar0Alignment: number;
  /** The level the function asks for; INTx Disable may keep it from the line. */
  #asserted = false;
  #closed = false;

  constructor(
    cpu: V86Cpu,
    router: InterruptRouter,
    access: RegisterAccess,
    time: GuestTime,
    plug: PciPlug,
    space: Int32Array,
    bar0: { readonly address: number; readonly bytes: number; readonly alignment: number },
  ) {
    this.#router = router;
    this.#access = access;
    this.#cpu = cpu;
    this.#time = time;
    this.plug = plug;
    this.#pciId = plug.slot << 3;
    this.#space = new Uint8Array(space.buffer);
    this.bar0Address = bar0.address;
    this.bar0Bytes = bar0.bytes;
    this.#bar0Alignment = bar0.alignment;
    this.memory = new DmaMemory(cpu, () => (this.#command & PCI_COMMAND_MASTER) !== 0);
  }

  /** The first 64 bytes of configuration space. */
  get configuration(): Uint8Array {
    return this.#space.slice(0, HEADER_BYTES);
  }

  assert(): void {
    this.#setLevel(true);
  }

  deassert(): void {
    this.#setLevel(false);
  }

  /** A byte the guest writes to configuration space, BARs excepted. */
  writeConfiguration(offset: number, value: number): void {
    const mask = WRITABLE.get(offset);
    if (mask === undefined) return;
    this.#space[offset] = ((this.#space[offset] ?? 0) & ~mask) | (value & mask);
    if (offset === PCI_COMMAND + 1) this.#driveLine();
  }

  /** Section 6.2.5.1: the low bits are fixed, so that writing all ones and reading back tells the size. */
  writeBar0(value: number): void {
    this.bar0Address = (value & ~(this.#bar0Alignment - 1)) >>> 0;
    new DataView(this.#space.buffer).setUint32(PCI_BASE_ADDRESS_0, this.bar0Address, true);
  }

  close(): void {
    this.#closed = true;
    this.handlers = null;
    this.memory.close();
  }

  readonly read8 = (address: number): number => this.#read(address, 1) & 0xff;
  readonly read32 = (address: number): number => this.#read(address, 4) | 0;
  readonly write8 = (address: number, value: number): void => this.#write(address, 1, value & 0xff);
  readonly write32 = (address: number, value: number): void => this.#write(address, 4, value >>> 0);

  get #command(): number {
    return (this.#space[PCI_COMMAND] ?? 0) | ((this.#space[PCI_COMMAND + 1] ?? 0) << 8);
  }

  #read(address: number, bytes: 1 | 4): number {
    const { handlers } = this;
    const offset = this.#offset(address, bytes);
    if (handlers === null || offset === null) return -1; // nobody answers: all ones
    this.#access.depth++;
    try {
      return bytes === 1 ? handlers.read8(offset) : handlers.read32(offset);
    } finally {
      this.#access.depth--;
    }
  }

  #write(address: number, bytes: 1 | 4, value: number): void {
    const { handlers } = this;
    const offset = this.#offset(address, bytes);
    if (handlers === null || offset === null) return;
    this.#access.depth++;
    try {
      this.#time.duringRegister(this.#cpu, () => {
        if (bytes === 1) handlers.write8(offset, value);
        else handlers.write32(offset, value);
      });
    } finally {
      this.#access.depth--;
    }
  }

  /** Offset in the BAR, or null where nothing decodes: beyond the registers, or with Memory Space off. */
  #offset(address: number, bytes: number): number | null {
    const offset = (address >>> 0) - this.bar0Address;
    const decodes = ((this.#space[PCI_COMMAND] ?? 0) & PCI_COMMAND_MEMORY) !== 0;
    return decodes && offset >= 0 && offset + bytes <= this.bar0Bytes ? offset : null;
  }

  #setLevel(up: boolean): void {
    if (this.#closed || up === this.#asserted) return;
    this.#asserted = up;
    // Section 6.2.3: Interrupt Status shows the function's request whatever INTx Disable says.
    const status = this.#space[PCI_STATUS] ?? 0;
    this.#space[PCI_STATUS] = up ? status | PCI_STATUS_INTERRUPT : status & ~PCI_STATUS_INTERRUPT;
    this.#driveLine();
  }

  #driveLine(): void {
    if (this.#closed) return;
    if (this.#asserted && (this.#command & PCI_COMMAND_INTX_DISABLE) === 0) this.#router.raise(this.#pciId);
    else this.#router.lower(this.#pciId);
  }
}
