import { describe, expect, it } from 'vitest';
import { listenForEvents, MAX_TOLD_BYTES, TOLD_PORT } from './told-events.ts';

const RAM_BYTES = 2 * 2 ** 20;
const AT = 0x12_3450;

/** A guest of 2 MiB that writes to ports. */
function guest() {
  const wasm_memory = new WebAssembly.Memory({ initial: RAM_BYTES / 65_536 });
  const ports = new Map<number, (value: number) => void>();
  const told: number[][] = [];
  listenForEvents(
    {
      wasm_memory,
      mem8: new Uint8Array(wasm_memory.buffer),
      memory_size: Int32Array.of(RAM_BYTES),
      jit_dirty_cache: () => undefined,
      io: {
        mmap_register: () => undefined,
        register_write: (port, _device, _write8, _write16, write32) => void ports.set(port, write32),
      },
    },
    (event) => told.push(Array.from(new Uint8Array(event.buffer, event.byteOffset, event.byteLength))),
  );
  return {
    told,
    put(address: number, length: number, ...bytes: number[]) {
      new DataView(wasm_memory.buffer).setUint32(address, length, true);
      new Uint8Array(wasm_memory.buffer).set(bytes, address + 4);
    },
    out: (value: number) => ports.get(TOLD_PORT)?.(value),
  };
}

describe('events that the kernel tells', () => {
  it('are read where it says, as long as it says', () => {
    const { told, put, out } = guest();
    put(AT, 3, 7, 8, 9, 10);
    out(AT);
    put(AT, 1, 5);
    out(AT);
    expect(told).toEqual([[7, 8, 9], [5]]);
  });

  it('may end where memory ends', () => {
    const { told, put, out } = guest();
    put(RAM_BYTES - 6, 2, 1, 2);
    out(RAM_BYTES - 6);
    expect(told).toEqual([[1, 2]]);
  });

  it.each([
    ['an address outside of memory', RAM_BYTES, 0],
    ['a negative one, as v86 hands them over', -4, 0],
    ['one in the hole below 1 MiB', 0xa0000, 0],
    ['a length that goes past the end of memory', RAM_BYTES - 6, 3],
    ['a length of no event', AT, MAX_TOLD_BYTES + 1],
    ['a length of 4 GiB', AT, 0xffff_ffff],
  ])('passes over %s', (_, address, length) => {
    const { told, put, out } = guest();
    if (address > 0 && address <= RAM_BYTES - 4) put(address, length);
    out(address);
    expect(told).toEqual([]);
  });
});
