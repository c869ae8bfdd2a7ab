import { barBytes } from '../../src/device/controller.ts';
import { GuestTime } from '../../src/machine/guest-time.ts';
import { InterruptRouter, RegisterAccess } from '../../src/machine/interrupt.ts';
import { PciBus, type PciPorts } from '../../src/machine/pci.ts';
import type { V86Cpu } from '../../src/machine/v86-types.ts';
import type { Rig } from '../driver/rig.ts';
import { FakeClock } from '../fakes/fake-clock.ts';

/** A list that has the same at every index. */
const everywhere = <T>(value: T): readonly T[] => new Proxy<T[]>([], { get: () => value });

/** What of v86 a PCI function touches, with configuration space and BAR as v86 keeps them. */
export function plugIntoFakeBus(rig: Rig) {
  const space = new Int32Array(64);
  const map = {
    read8: (_address: number): number => 0,
    read32: (_address: number): number => 0,
    write8: (_address: number, _value: number): void => undefined,
    write32: (_address: number, _value: number): void => undefined,
  };
  const bytes = new Uint8Array(space.buffer);
  const store = (size: number) => (address: number, value: number) => {
    for (let i = 0; i < size; i++) bytes[(address & 0xff) + i] = (value >>> (8 * i)) & 0xff;
  };
  const pci = {
    devices: [],
    device_spaces: [] as (Int32Array | undefined)[],
    isa_bridge_space8: new Uint8Array(256).fill(10),
    register_device: (device: { pci_id: number; pci_space: number[] }) => {
      bytes.set(device.pci_space);
      pci.device_spaces[device.pci_id] = space;
      return space;
    },
    raise_irq: () => undefined,
    lower_irq: () => undefined,
    pci_write8: store(1),
    pci_write16: store(2),
    // As v86: a BAR cannot move.
    pci_write32: (_address: number, _value: number): void => undefined,
  };
  const cpu = {
    devices: { pci },
    io: {
      mmap_register: (
        _address: number,
        _size: number,
        read8: typeof map.read8,
        write8: typeof map.write8,
        read32: typeof map.read32,
        write32: typeof map.write32,
      ) => Object.assign(map, { read8, write8, read32, write32 }),
    },
    memory_map_read8: everywhere(() => 0xff),
    memory_map_write8: everywhere(() => undefined),
    memory_map_read32: everywhere(() => -1),
    memory_map_write32: everywhere(() => undefined),
    wasm_memory: { buffer: new ArrayBuffer(0) },
    mem8: { byteOffset: 0, length: 0 },
    memory_size: [0],
    flags: [0],
    reg32: [0, 0, 0, 0, 0],
    cpl: [0],
    in_hlt: [0],
    current_tsc: [0, 0],
    store_current_tsc: () => undefined,
    device_raise_irq: () => undefined,
    device_lower_irq: () => undefined,
    jit_dirty_cache: () => undefined,
  } as unknown as V86Cpu;
  const access = new RegisterAccess();
  const bus = new PciBus(cpu, new InterruptRouter(cpu, access), access, new FakeClock(), new GuestTime());
  const offsets: number[] = [];
  const { controller } = rig;
  bus.plug({
    slot: 8,
    name: 'nvme',
    vendorId: 0x1d1d,
    deviceId: 0x1f1f,
    classCode: 0x010802,
    revision: 0,
    subsystemVendorId: 0x1d1d,
    subsystemId: 1,
    bar0Bytes: barBytes(controller.config),
    attach: (_ports: PciPorts) => ({
      read8: (offset) => (offsets.push(offset), controller.read8(offset)),
      read32: (offset) => (offsets.push(offset), controller.read32(offset)),
      write8: (offset, value) => (offsets.push(offset), controller.write8(offset, value)),
      write32: (offset, value) => (offsets.push(offset + 3), controller.write32(offset, value)),
    }),
  });
  const base =
    (bytes[0x10] ?? 0) +
    ((bytes[0x11] ?? 0) << 8) +
    ((bytes[0x12] ?? 0) << 16) +
    (bytes[0x13] ?? 0) * 2 ** 24;
  return { pci, map, bytes, base, offsets };
}
