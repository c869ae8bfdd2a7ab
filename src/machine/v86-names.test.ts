/** Fails when a name that src/machine relies on disappears from the published v86 (see v86-types.ts). */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { V86, type V86Options } from 'v86';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WASM_PATH } from '../../test/machine-fixtures.ts';
import { MACHINE_VERSION } from './saved-state.ts';
import { type V86Emulator, WASM_TABLE_OFFSET } from './v86-types.ts';

let emulator: V86Emulator;

beforeAll(async () => {
  emulator = new V86({
    wasm_path: WASM_PATH,
    memory_size: 64 * 1024 * 1024,
    autostart: false,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    uart1: true,
    net_device: { type: 'none' },
    virtio_console: { type: 'none' },
    filesystem: {},
  } as unknown as V86Options) as V86Emulator;
  await new Promise<void>((resolve) => emulator.add_listener('emulator-ready', () => resolve()));
});

afterAll(() => emulator.destroy());

/** typeof each property, by name; a property that is missing shows as "undefined". */
function types(object: object, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, typeof (object as Record<string, unknown>)[name]]));
}

function expectAll(object: object, type: string, names: readonly string[]): void {
  expect(types(object, names)).toEqual(Object.fromEntries(names.map((name) => [name, type])));
}

describe('v86 has what this room relies on', () => {
  it('in the version that was looked at', () => {
    const require = createRequire(import.meta.url);
    const { dependencies } = require('../../package.json') as { dependencies: Record<string, string> };
    expect(dependencies['v86']).toBe('0.5.462');
    // Another version's saved states are another machine's.
    expect(MACHINE_VERSION).toContain('v86 0.5.462,');
  });

  it('in the emulator', () => {
    expectAll(emulator, 'function', [
      'continue_init',
      'add_listener',
      'serial_send_bytes',
      'run',
      'stop',
      'destroy',
    ]);
    expectAll(emulator, 'function', [
      'serial_set_carrier_detect',
      'serial_set_data_set_ready',
      'serial_set_clear_to_send',
    ]);
    expectAll(emulator, 'object', ['v86', 'bus', 'fs9p']);
    expectAll(emulator.bus, 'function', ['send', 'register']);
  });

  it('in its loop', () => {
    const main = emulator.v86;
    expectAll(main, 'function', [
      'init',
      'run',
      'do_tick',
      'next_tick',
      'yield',
      'yield_callback',
      'unregister_yield',
      'destroy',
      'save_state',
      'restore_state',
    ]);
    expectAll(main, 'boolean', ['running', 'stopping', 'idle']);
    expectAll(main, 'number', ['tick_counter']);
    expect(main.worker).toBeNull();
  });

  it('in its processor', () => {
    const { cpu } = emulator.v86;
    expectAll(cpu, 'function', [
      'device_raise_irq',
      'device_lower_irq',
      'handle_irqs',
      'store_current_tsc',
      'zero_memory',
      'jit_dirty_cache',
      'read16',
      'read_blob',
      'write_blob',
      'run_hardware_timers',
      'reboot_internal',
      'codegen_finalize',
      'codegen_finalize_finished',
    ]);
    for (const view of [
      cpu.mem8,
      cpu.memory_size,
      cpu.reg32,
      cpu.cpl,
      cpu.flags,
      cpu.in_hlt,
      cpu.instruction_counter,
      cpu.current_tsc,
      cpu.instruction_pointer,
    ]) {
      expect(typeof view[0]).toBe('number');
      expect(typeof view.byteOffset).toBe('number');
    }
    expect(cpu.memory_size[0]).toBe(64 * 1024 * 1024);
    expect(cpu.mem8.length).toBe(64 * 1024 * 1024);
    expect(cpu.wasm_memory).toBeInstanceOf(WebAssembly.Memory);
    expect(cpu.wm.wasm_table).toBeInstanceOf(WebAssembly.Table);
    expect(cpu.wm.wasm_table.length).toBeGreaterThan(WASM_TABLE_OFFSET);
    expect(cpu.jit_imports['m']).toBe(cpu.wasm_memory);
    expectAll(cpu.io, 'function', ['mmap_register', 'register_write']);
    expectAll(cpu.bus, 'function', ['send', 'register']);
    for (const map of [
      cpu.memory_map_read8,
      cpu.memory_map_write8,
      cpu.memory_map_read32,
      cpu.memory_map_write32,
    ]) {
      expect(map[0xf0000000 >>> 17]).toBeTypeOf('function');
      expect(map[0]).toBeUndefined(); // RAM
    }
  });

  it('in its PCI bus', () => {
    const { pci } = emulator.v86.cpu.devices;
    expectAll(pci, 'function', [
      'register_device',
      'raise_irq',
      'lower_irq',
      'pci_write8',
      'pci_write16',
      'pci_write32',
    ]);
    expect(pci.isa_bridge_space8).toBeInstanceOf(Uint8Array);
    expect(pci.devices[6 << 3]?.name).toBe('virtio-9p');
    expect(pci.devices[12 << 3]?.name).toBe('virtio-console');
    expect(pci.devices[8 << 3]).toBeUndefined();
    expect(pci.device_spaces[6 << 3]).toBeInstanceOf(Int32Array);
  });

  it('in its devices', () => {
    const { uart0, uart1, pit, virtio_console, virtio_9p } = emulator.v86.cpu.devices;
    expect(pit.counter_start_time).toBeInstanceOf(Float64Array);
    expect(pit.counter_start_time.length).toBe(3);
    for (const uart of [uart0, uart1]) {
      expect(Array.isArray(uart.input)).toBe(true);
      expect(typeof uart.modem_control).toBe('number');
    }
    const [queue] = virtio_console.virtio.queues;
    expect(typeof virtio_console.virtio.device_status).toBe('number');
    expectAll(queue ?? {}, 'function', ['is_configured', 'has_request', 'avail_get_entry', 'get_descriptor']);
    expectAll(queue ?? {}, 'number', ['desc_addr', 'avail_last_idx']);
    expectAll(virtio_9p, 'function', ['SendError', 'SendReply', 'ReceiveRequest', 'constructor']);
  });

  it('in its file system', () => {
    const { fs9p } = emulator;
    expectAll(fs9p, 'function', [
      'SearchPath',
      'CreateBinaryFile',
      'Unlink',
      'Read',
      'Write',
      'ChangeSize',
      'read_dir',
    ]);
    expect(fs9p.SearchPath('/nothing')).toMatchObject({ id: -1, parentid: 0 });
    expect(typeof fs9p.inodes[0]?.mode).toBe('number');
  });

  it('in events that are named in strings', async () => {
    const source = await readFile(createRequire(import.meta.url).resolve('v86'), 'utf8');
    for (const name of ['cpu-event-halt', '-output-byte', '-output-bytes', '-input-bytes']) {
      expect(source).toContain(name);
    }
  });
});
