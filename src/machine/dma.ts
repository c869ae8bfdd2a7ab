import { bytesOf, type GuestMemory } from '../device/ports.ts';
import type { V86Cpu } from './v86-types.ts';

/** The legacy hole of a PC: VGA memory, option ROMs and the BIOS. v86 keeps RAM under part of it; a device has no business there. */
export const HOLE_BEGIN = 0xa0000;
export const HOLE_END = 0x100000;

/** Queue entries and the like: a loop is faster than a view made for `set`. */
const SMALL_BYTES = 64;

/** What of v86's CPU this file touches. */
export type DmaCpu = Pick<V86Cpu, 'wasm_memory' | 'mem8' | 'memory_size' | 'jit_dirty_cache'>;

/**
 * Guest RAM for a bus master.
 *
 * All checks are ours: v86's are compiled out of the published build, its `read_blob` returns a live and
 * possibly short view, and its `write_blob` throws inside the emulator when it goes past the end. Both
 * reach RAM through a Proxy that makes a new view for each touch; this class keeps one view and makes a
 * new one only when the wasm memory has grown (the old one then has length 0).
 */
export class DmaMemory implements GuestMemory {
  #cpu: DmaCpu | null;
  #ram: Uint8Array;
  /** The same memory by words: queue entries are moved in a quarter of the steps. */
  #ramWords: Uint32Array;
  readonly #ramBytes: number;
  readonly #mayMaster: () => boolean;

  /** `mayMaster` says whether the function's Bus Master Enable is set; without it every access fails. */
  constructor(cpu: DmaCpu, mayMaster: () => boolean) {
    this.#cpu = cpu;
    this.#ramBytes = (cpu.memory_size[0] ?? 0) >>> 0;
    this.#ram = new Uint8Array(0);
    this.#ramWords = new Uint32Array(0);
    this.#mayMaster = mayMaster;
  }

  isRam(address: number, length: number): boolean {
    return this.#cpu !== null && isRamRange(address, length, this.#ramBytes) && this.#mayMaster();
  }

  read(address: number, target: Uint8Array, offset: number, length: number): boolean {
    if (!this.isRam(address, length) || !fits(target, offset, length)) return false;
    const ram = this.#view();
    if (length > SMALL_BYTES) target.set(ram.subarray(address, address + length), offset);
    else for (let i = 0; i < length; i++) target[offset + i] = ram[address + i] as number;
    return true;
  }

  write(address: number, source: Uint8Array, offset: number, length: number): boolean {
    const cpu = this.#cpu;
    if (cpu === null || !this.isRam(address, length) || !fits(source, offset, length)) return false;
    if (length === 0) return true;
    // What cpu.write_blob does, without the Proxy: code translated from these bytes must go first.
    cpu.jit_dirty_cache(address, address + length);
    if (length <= SMALL_BYTES) {
      const ram = this.#view();
      for (let i = 0; i < length; i++) ram[address + i] = source[offset + i] as number;
      return true;
    }
    const bytes =
      offset === 0 && length === source.length ? source : source.subarray(offset, offset + length);
    this.#view().set(bytes, address);
    return true;
  }

  readWords(address: number, words: Uint32Array): boolean {
    if (!this.isRam(address, words.byteLength)) return false;
    this.#view();
    const ram = this.#ramWords;
    if ((address & 3) !== 0 || ram.length === 0)
      return this.read(address, bytesOf(words), 0, words.byteLength);
    const first = address >>> 2;
    for (let i = 0; i < words.length; i++) words[i] = ram[first + i] as number;
    return true;
  }

  writeWords(address: number, words: Uint32Array): boolean {
    const cpu = this.#cpu;
    if (cpu === null || !this.isRam(address, words.byteLength)) return false;
    this.#view();
    const ram = this.#ramWords;
    if ((address & 3) !== 0 || ram.length === 0)
      return this.write(address, bytesOf(words), 0, words.byteLength);
    cpu.jit_dirty_cache(address, address + words.byteLength);
    const first = address >>> 2;
    for (let i = 0; i < words.length; i++) ram[first + i] = words[i] as number;
    return true;
  }

  /** Lets go of the guest's memory; every later access fails. */
  close(): void {
    this.#cpu = null;
    this.#ram = new Uint8Array(0);
    this.#ramWords = new Uint32Array(0);
  }

  #view(): Uint8Array {
    if (this.#ram.length === 0 && this.#cpu !== null) {
      const { buffer } = this.#cpu.wasm_memory;
      const at = this.#cpu.mem8.byteOffset;
      this.#ram = new Uint8Array(buffer, at, this.#ramBytes);
      // None where memory does not begin at a word: then entries go byte by byte.
      this.#ramWords =
        at % 4 === 0 ? new Uint32Array(buffer, at, Math.floor(this.#ramBytes / 4)) : new Uint32Array(0);
    }
    return this.#ram;
  }
}

/**
 * True when the range is RAM of a machine with `ramBytes` of it. Devices' registers are far above the
 * largest RAM (see pci.ts), so the upper bound keeps DMA out of them. Nothing is RAM wherever it is.
 */
export function isRamRange(address: number, length: number, ramBytes: number): boolean {
  // isSafeInteger refuses NaN, infinities, fractions and everything from 2^53 on.
  if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || address < 0 || length < 0)
    return false;
  if (length === 0) return true;
  const end = address + length;
  return end <= ramBytes && (end <= HOLE_BEGIN || address >= HOLE_END);
}

function fits(bytes: Uint8Array, offset: number, length: number): boolean {
  return Number.isSafeInteger(offset) && offset >= 0 && offset + length <= bytes.length;
}
