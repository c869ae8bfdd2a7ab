import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DmaCpu, DmaMemory, HOLE_BEGIN, HOLE_END, isRamRange } from './dma.ts';

const PAGE = 0x10000;
const RAM_BYTES = 32 * PAGE;
const RAM_AT = 0x400;

function fake() {
  const memory = new WebAssembly.Memory({ initial: 40, maximum: 64 });
  const dirtied: [number, number][] = [];
  const cpu: DmaCpu = {
    wasm_memory: memory,
    memory_size: Uint32Array.of(RAM_BYTES),
    mem8: { byteOffset: RAM_AT, length: RAM_BYTES },
    jit_dirty_cache: (start, end) => dirtied.push([start, end]),
  };
  let master = true;
  return {
    dma: new DmaMemory(cpu, () => master),
    memory,
    dirtied,
    setMaster: (on: boolean) => (master = on),
  };
}

describe('isRamRange', () => {
  it.each([
    [0, 1, true],
    [0, HOLE_BEGIN, true],
    [0, HOLE_BEGIN + 1, false],
    [HOLE_BEGIN - 1, 2, false],
    [HOLE_BEGIN, 1, false],
    [HOLE_END - 1, 1, false],
    [HOLE_END - 1, 2, false],
    [HOLE_END, 1, true],
    [RAM_BYTES - 1, 1, true],
    [RAM_BYTES - 1, 2, false],
    [RAM_BYTES, 1, false],
    [0xf0000000, 4, false],
    [0xfee00000, 4, false],
    [2 ** 32, 1, false],
    [2 ** 53, 1, false],
    [2 ** 53 - 1, 2 ** 53 - 1, false],
    [-1, 1, false],
    [0, -1, false],
    [0.5, 1, false],
    [0, 0.5, false],
    [NaN, 1, false],
    [0, NaN, false],
    [Infinity, 1, false],
    [0, Infinity, false],
    [-Infinity, 1, false],
    [0xb0000, 0, true],
    [2 ** 53, 0, false],
  ])('(%d, %d) is %s', (address, length, expected) => {
    expect(isRamRange(address, length, RAM_BYTES)).toBe(expected);
  });

  it('holds for every range that is inside one of the two pieces, and no other', () => {
    const anywhere = fc.oneof(
      fc.integer({ min: -10, max: RAM_BYTES + 10 }),
      fc
        .constantFrom(0, HOLE_BEGIN, HOLE_END, RAM_BYTES)
        .chain((edge) => fc.integer({ min: edge - 3, max: edge + 3 })),
      fc.double(),
    );
    fc.assert(
      fc.property(anywhere, anywhere, (address, length) => {
        const whole = Number.isInteger(address) && Number.isInteger(length) && address >= 0 && length >= 0;
        const inside = (begin: number, end: number): boolean => address >= begin && address + length <= end;
        const expected = whole && length > 0 && (inside(0, HOLE_BEGIN) || inside(HOLE_END, RAM_BYTES));
        if (length !== 0) expect(isRamRange(address, length, RAM_BYTES)).toBe(expected);
      }),
    );
  });
});

describe('DmaMemory', () => {
  it('copies both ways, and drops translated code of what it writes', () => {
    const { dma, memory, dirtied } = fake();
    expect(dma.write(0x1000, Uint8Array.of(9, 1, 2, 3, 9), 1, 3)).toBe(true);
    expect([...new Uint8Array(memory.buffer, RAM_AT + 0x1000, 4)]).toEqual([1, 2, 3, 0]);
    expect(dirtied).toEqual([[0x1000, 0x1003]]);
    const target = new Uint8Array(6);
    expect(dma.read(0x1000, target, 2, 3)).toBe(true);
    expect([...target]).toEqual([0, 0, 1, 2, 3, 0]);
    new Uint8Array(memory.buffer)[RAM_AT + 0x1000] = 7; // a copy, not a view
    expect(target[2]).toBe(1);
  });

  it('does nothing outside RAM, and says so', () => {
    const { dma, memory, dirtied } = fake();
    const target = new Uint8Array(8).fill(5);
    for (const address of [HOLE_BEGIN - 4, HOLE_BEGIN, RAM_BYTES - 7, 0xf0000000, NaN, -1, 2 ** 53]) {
      expect(dma.read(address, target, 0, 8)).toBe(false);
      expect(dma.write(address, target, 0, 8)).toBe(false);
      expect(dma.isRam(address, 8)).toBe(false);
    }
    expect([...target]).toEqual(Array(8).fill(5));
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
    expect(dirtied).toEqual([]);
  });

  it('refuses a host array that is too short, instead of writing less', () => {
    const { dma, dirtied } = fake();
    const bytes = new Uint8Array(8);
    expect(dma.read(0, bytes, 1, 8)).toBe(false);
    expect(dma.write(0, bytes, 1, 8)).toBe(false);
    expect(dma.write(0, bytes, -1, 4)).toBe(false);
    expect(dirtied).toEqual([]);
  });

  it('takes nothing as nothing', () => {
    const { dma, dirtied } = fake();
    expect(dma.read(0, new Uint8Array(0), 0, 0)).toBe(true);
    expect(dma.write(0, new Uint8Array(4), 4, 0)).toBe(true);
    expect(dirtied).toEqual([]);
  });

  it.each([0x1000, 0x1001, 0x1002])(
    'moves words as the bytes that they are, at any address: %d',
    (address) => {
      const { dma, memory, dirtied } = fake();
      const words = Uint32Array.of(0x04030201, 0xfffefdfc);
      expect(dma.writeWords(address, words)).toBe(true);
      expect([...new Uint8Array(memory.buffer, RAM_AT + address, 9)]).toEqual([
        1, 2, 3, 4, 0xfc, 0xfd, 0xfe, 0xff, 0,
      ]);
      expect(dirtied).toEqual([[address, address + 8]]);
      memory.grow(1);
      const target = new Uint32Array(2);
      expect(dma.readWords(address, target)).toBe(true);
      expect([...target]).toEqual([...words]);
    },
  );

  it('moves no words outside RAM, nor without Bus Master Enable', () => {
    const { dma, memory, dirtied, setMaster } = fake();
    const words = Uint32Array.of(1, 2);
    for (const address of [HOLE_BEGIN - 4, HOLE_BEGIN, RAM_BYTES - 4, 0xf0000000, NaN, -4, 2 ** 53]) {
      expect(dma.readWords(address, words)).toBe(false);
      expect(dma.writeWords(address, words)).toBe(false);
    }
    setMaster(false);
    expect([dma.readWords(0, words), dma.writeWords(0, words)]).toEqual([false, false]);
    expect([...words]).toEqual([1, 2]);
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
    expect(dirtied).toEqual([]);
  });

  it('goes on after the wasm memory has grown', () => {
    const { dma, memory } = fake();
    dma.write(0, Uint8Array.of(1), 0, 1);
    memory.grow(1);
    const target = new Uint8Array(1);
    expect(dma.read(0, target, 0, 1)).toBe(true);
    expect(target[0]).toBe(1);
    dma.write(1, Uint8Array.of(2), 0, 1);
    expect(new Uint8Array(memory.buffer)[RAM_AT + 1]).toBe(2);
  });

  it('fails without Bus Master Enable, and after it was closed', () => {
    const { dma, setMaster } = fake();
    const bytes = new Uint8Array(1);
    setMaster(false);
    expect([dma.isRam(0, 1), dma.read(0, bytes, 0, 1), dma.write(0, bytes, 0, 1)]).toEqual([
      false,
      false,
      false,
    ]);
    setMaster(true);
    expect(dma.isRam(0, 1)).toBe(true);
    dma.close();
    expect([dma.isRam(0, 1), dma.read(0, bytes, 0, 1), dma.write(0, bytes, 0, 1)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
