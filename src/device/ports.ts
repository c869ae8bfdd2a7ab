/**
 * What a controller needs from the machine it is plugged into. Each port has a fake of a few lines in
 * test/, so that controller tests speak only registers, memory and interrupts.
 */

/** Guest physical memory as a bus master sees it. Addresses are bytes; all above 2^53 are refused. */
export interface GuestMemory {
  /**
   * True when `length` bytes at `address` are ordinary RAM: inside memory, outside the legacy hole at
   * A0000h to FFFFFh and outside every device's registers. Nothing may be read or written elsewhere.
   */
  isRam(address: number, length: number): boolean;
  /** Copies guest memory into `target` at `offset`. False, and nothing copied, when it is not RAM. */
  read(address: number, target: Uint8Array, offset: number, length: number): boolean;
  /** Copies `length` bytes of `source` from `offset` to guest memory. False, and nothing written, when it is not RAM. */
  write(address: number, source: Uint8Array, offset: number, length: number): boolean;
  /**
   * As {@link read} and {@link write}, for a queue entry: all of `words`, which are the bytes in the order in which
   * they lie in memory. (x86 is little-endian, and so is every machine with a WebAssembly of its speed.)
   */
  readWords(address: number, words: Uint32Array): boolean;
  writeWords(address: number, words: Uint32Array): boolean;
}

/** The bytes that words are made of. */
export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** One level-triggered line. Calls with the level it already has do nothing. */
export interface InterruptLine {
  assert(): void;
  deassert(): void;
}

/** Time, in milliseconds with fractions, since a fixed but unknown moment; never goes back. */
export interface Clock {
  nowMs(): number;
  /** Runs `task` once, soon, from outside any register access. */
  defer(task: () => void): void;
}
