import type * as PciModule from '../../src/machine/pci.ts';
import type { PciPlug } from '../../src/machine/pci.ts';
import type { V86Cpu } from '../../src/machine/v86-types.ts';
import type { HostInterrupt, HostMemory } from '../driver/host.ts';
import type { RegisterAccess } from '../driver/registers.ts';
import type { Range } from '../fakes/fake-memory.ts';

/** The CPU of the machine that was made last: no user of a machine needs it, so the machine does not show it. */
let cpu: V86Cpu | undefined;

/** To be given to `vi.mock` for src/machine/pci.ts: the bus is the real one, and says which CPU it belongs to. */
export async function busThatTells(original: () => Promise<typeof PciModule>) {
  const pci = await original();
  return {
    ...pci,
    PciBus: class extends pci.PciBus {
      constructor(...parameters: ConstructorParameters<typeof pci.PciBus>) {
        super(...parameters);
        [cpu] = parameters;
      }
    },
  };
}

const MAP_BYTES = 0x20000;
const STATUS_INTERRUPT = 0x8_0000;
const HOLE_BEGIN = 0xa_0000;
const HOLE_END = 0x10_0000;

/**
 * A function of a real machine as the guest's processor reaches it: its registers through the memory map at the
 * address in BAR0, memory as RAM, and its interrupt request as configuration space shows it.
 */
export class MachineHost implements HostMemory, HostInterrupt {
  readonly registers: Range;
  private readonly cpu: V86Cpu;
  private readonly pciId: number;

  constructor(plug: PciPlug) {
    if (!cpu) throw new Error('no machine was made, or src/machine/pci.ts is not mocked');
    this.cpu = cpu;
    this.pciId = plug.slot << 3;
    this.registers = { address: (this.configuration(0x10) & ~0xf) >>> 0, length: plug.bar0Bytes };
  }

  /** A dword of configuration space. */
  configuration(offset: number): number {
    return (this.cpu.devices.pci.device_spaces[this.pciId]?.[offset >> 2] ?? 0) >>> 0;
  }

  /** Writes a word of configuration space, as an `out` to CONFIG_DATA does. */
  configure16(offset: number, value: number): void {
    this.cpu.devices.pci.pci_write16((this.pciId << 8) | offset, value);
  }

  get level(): boolean {
    return (this.configuration(4) & STATUS_INTERRUPT) !== 0;
  }

  /** Memory-mapped accesses, split and signed as v86 delivers the guest's. */
  get bar(): RegisterAccess {
    const { memory_map_read8, memory_map_read32, memory_map_write8, memory_map_write32 } = this.cpu;
    const block = Math.floor(this.registers.address / MAP_BYTES);
    const mapped = <T>(map: readonly (T | undefined)[]): T => {
      const handler = map[block];
      if (!handler) throw new Error('nothing is mapped there');
      return handler;
    };
    const at = (offset: number) => (this.registers.address + offset) | 0;
    return {
      read8: (offset) => mapped(memory_map_read8)(at(offset)) & 0xff,
      read32: (offset) => mapped(memory_map_read32)(at(offset)) >>> 0,
      write8: (offset, value) => mapped(memory_map_write8)(at(offset), value & 0xff),
      write32: (offset, value) => mapped(memory_map_write32)(at(offset), value | 0),
    };
  }

  get ram(): Uint8Array {
    return new Uint8Array(this.cpu.wasm_memory.buffer, this.cpu.mem8.byteOffset, this.cpu.memory_size[0]);
  }

  isRam(address: number, length: number): boolean {
    const end = address + length;
    return address >= 0 && end <= this.ram.byteLength && (end <= HOLE_BEGIN || address >= HOLE_END);
  }

  bytes(address: number, length: number): Uint8Array {
    return this.ram.slice(address, address + length);
  }

  put(address: number, bytes: Uint8Array): void {
    this.ram.set(bytes, address);
  }

  put64(address: number, value: number): void {
    const { ram } = this;
    new DataView(ram.buffer, ram.byteOffset).setBigUint64(address, BigInt(value), true);
  }
}
