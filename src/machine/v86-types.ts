/**
 * The names inside v86 0.5.462 that this room relies on and that v86.d.ts does not declare.
 *
 * The published libv86.mjs is built without property renaming, so they are there, but nobody promises
 * that they stay: package.json pins the exact version, and v86-names.test.ts fails when one of them is
 * gone or has changed its type. Nothing outside src/machine may use them.
 */
import type { V86 } from 'v86';

/** A typed array that v86 wraps in a Proxy, so that it survives growth of the wasm memory. Slow: about 0.2 µs a touch. */
export interface V86View {
  [index: number]: number;
  readonly byteOffset: number;
  readonly length: number;
}

/** The same, of which somebody makes a view of his own. */
export interface V86MemoryView extends V86View {
  readonly buffer: ArrayBufferLike;
}

/** One PCI function as `register_device` wants it. */
export interface V86PciDevice {
  /** (device << 3) | function, on bus 0. */
  readonly pci_id: number;
  /** Configuration space, at least the 64 bytes of the header. */
  readonly pci_space: number[];
  readonly pci_bars: ({ size: number } | undefined)[];
  readonly name: string;
}

export interface V86Pci {
  /** Indexed by pci_id; undefined where nothing is plugged in. */
  readonly devices: (V86PciDevice | undefined)[];
  readonly device_spaces: (Int32Array | undefined)[];
  /** Configuration space of the PIIX3 bridge; 60h to 63h (PIRQRCA to PIRQRCD) route INTA# to INTD#. */
  readonly isa_bridge_space8: Uint8Array;
  /** Copies the header into a 256-byte space and returns it. Maps no memory BAR. */
  register_device(device: V86PciDevice): Int32Array;
  raise_irq(pciId: number): void;
  lower_irq(pciId: number): void;
  /** `address` is what the guest put into CONFIG_ADDRESS plus the byte within the dword. */
  pci_write8(address: number, value: number): void;
  pci_write16(address: number, value: number): void;
  pci_write32(address: number, value: number): void;
}

export interface V86Io {
  /** `address` and `size` in bytes, multiples of 128 KiB. All values are signed. */
  mmap_register(
    address: number,
    size: number,
    read8: (address: number) => number,
    write8: (address: number, value: number) => void,
    read32: (address: number) => number,
    write32: (address: number, value: number) => void,
  ): void;
  /** Who gets what is written to a port, by the width of the write, and is `this` then. 32-bit values are signed. */
  register_write(
    port: number,
    device: object | null,
    write8: (value: number) => void,
    write16: (value: number) => void,
    write32: (value: number) => void,
  ): void;
}

export interface V86Uart {
  /** Received bytes the guest has not read yet; it has no bound. */
  readonly input: number[];
  /** MCR of the 16550; bit 1 is RTS. */
  readonly modem_control: number;
}

export interface V86Pit {
  /** performance.now() when each of the three counters was started. */
  readonly counter_start_time: Float64Array;
}

export interface V86VirtQueue {
  is_configured(): unknown;
  has_request(): boolean;
  readonly desc_addr: number;
  readonly avail_last_idx: number;
  avail_get_entry(index: number): number;
  get_descriptor(table: number, index: number): { readonly len: number; readonly flags: number };
}

export interface V86VirtIO {
  /** The virtio device status byte; bit 2 is DRIVER_OK. */
  readonly device_status: number;
  readonly queues: V86VirtQueue[];
}

export interface V86VirtioConsole {
  readonly virtio: V86VirtIO;
}

/** A chain of guest buffers of one virtio request. */
export interface V86BufferChain {
  readonly read_buffers: { readonly addr_low: number; readonly len: number }[];
}

export interface V86Virtio9p {
  SendError(tag: number, message: string, errno: number): void;
  SendReply(chain: V86BufferChain): void;
  ReceiveRequest(chain: V86BufferChain): Promise<void>;
}

/** lib/filesystem.js: the tree behind the 9p device. Inode 0 is the root. */
export interface V86FileSystem {
  readonly inodes: { readonly mode: number; readonly size: number }[];
  /** `id` is -1 when there is no such path. */
  SearchPath(path: string): { id: number; parentid: number; name: string };
  CreateBinaryFile(name: string, parentId: number, data: Uint8Array): Promise<number>;
  Unlink(parentId: number, name: string): number;
  Read(id: number, offset: number, count: number): Promise<Uint8Array | null>;
  Write(id: number, offset: number, count: number, data: Uint8Array): Promise<void>;
  ChangeSize(id: number, size: number): Promise<void>;
  read_dir(path: string): string[] | undefined;
}

export interface V86Cpu {
  readonly devices: {
    readonly pci: V86Pci;
    readonly uart0: V86Uart;
    readonly uart1: V86Uart;
    readonly pit: V86Pit;
    readonly virtio_console: V86VirtioConsole;
    virtio_9p: V86Virtio9p;
  };
  readonly io: V86Io;
  readonly bus: V86Bus;
  readonly wasm_memory: WebAssembly.Memory;
  /** Guest RAM. Its `byteOffset` is where RAM lies in `wasm_memory`. */
  readonly mem8: V86View;
  /** Bytes of RAM, at [0]. */
  readonly memory_size: V86View;
  /** Who answers for each 128 KiB that is not RAM; what {@link V86Io.mmap_register} fills. */
  readonly memory_map_read8: readonly (((address: number) => number) | undefined)[];
  readonly memory_map_write8: readonly (((address: number, value: number) => void) | undefined)[];
  readonly memory_map_read32: readonly (((address: number) => number) | undefined)[];
  readonly memory_map_write32: readonly (((address: number, value: number) => void) | undefined)[];
  /** The general registers; ESP is at [4]. */
  readonly reg32: V86MemoryView;
  /** The privilege that the CPU runs at, at [0]: 0 is the kernel's, 3 a program's. */
  readonly cpl: V86View;
  /** EFLAGS at [0], arithmetic flags excepted (v86 computes those lazily). IF is bit 9. */
  readonly flags: V86View;
  /** 1 at [0] while the CPU waits in HLT. */
  readonly in_hlt: V86View;
  /** Instructions executed, at [0], modulo 2^32. */
  readonly instruction_counter: V86View;
  /** The time stamp counter as {@link store_current_tsc} found it: low half at [0], high half at [1]. */
  readonly current_tsc: V86View;
  /** EIP as a linear address, at [0]. */
  readonly instruction_pointer: V86View;
  readonly wm: { readonly wasm_table: WebAssembly.Table };
  readonly jit_imports: WebAssembly.ModuleImports;
  store_current_tsc(): void;
  /** `address` and `size` in bytes of guest RAM, whole pages. */
  zero_memory: (address: number, size: number) => void;
  device_raise_irq(line: number): void;
  device_lower_irq(line: number): void;
  handle_irqs(): void;
  /** Drops translated code of [start, end): both byte addresses in guest RAM. */
  jit_dirty_cache(start: number, end: number): void;
  read16(address: number): number;
  read_blob(address: number, length: number): Uint8Array;
  write_blob(bytes: Uint8Array, address: number): void;
  run_hardware_timers(acpiEnabled: number, nowMs: number): number;
  reboot_internal(): void;
  codegen_finalize(
    tableIndex: number,
    start: number,
    stateFlags: number,
    pointer: number,
    length: number,
  ): void;
  codegen_finalize_finished(tableIndex: number, start: number, stateFlags: number): void;
}

/** One end of v86's event bus: `send` reaches the listeners of the other end, at once. */
export interface V86Bus {
  send(name: string, value?: unknown): void;
  register(name: string, listener: (value: never) => void, thisValue: unknown): void;
}

/** src/main.js: the loop around the CPU. */
export interface V86Main {
  readonly cpu: V86Cpu;
  running: boolean;
  stopping: boolean;
  idle: boolean;
  tick_counter: number;
  /** The nested worker that paces the loop in browsers, until {@link unregister_yield}; null in Node. */
  readonly worker: Worker | null;
  init(settings: unknown): void;
  run(): void;
  /** Copies the processor, v86's devices, the shared files and all memory that is not zero. */
  save_state(): ArrayBuffer;
  /** Takes what save_state made, plain or as one zstd frame. Throws on a header that is not one. */
  restore_state(state: ArrayBuffer): void;
  do_tick(): void;
  next_tick(delayMs: number): void;
  yield(delayMs: number, tick: number): void;
  yield_callback(tick: number): void;
  /** Ends the nested worker. */
  unregister_yield(): void;
  destroy(): void;
}

/** src/browser/starter.js: what `new V86()` returns, as far as v86.d.ts keeps it to itself. */
export interface V86Emulator extends V86 {
  readonly v86: V86Main;
  readonly bus: V86Bus;
  readonly fs9p: V86FileSystem;
  continue_init(main: V86Main, options: unknown): Promise<void>;
}

/** Where in the function table translated code begins (src/rust/cpu/cpu.rs, WASM_TABLE_OFFSET). */
export const WASM_TABLE_OFFSET = 1024;
