import { bytesOf, type GuestMemory } from '../../src/device/ports.ts';

const MIB = 1024 * 1024;
export const HOLE_BEGIN = 0xa_0000;
export const HOLE_END = 0x10_0000;

export interface Range {
  readonly address: number;
  readonly length: number;
}

/**
 * Guest RAM of a small PC: the legacy hole, and a window of device registers in the middle of RAM, are
 * refused. What the device reads and writes is recorded; the test itself, playing the processor, uses
 * {@link ram} and the helpers below, which are not.
 */
export class FakeMemory implements GuestMemory {
  readonly ram: Uint8Array;
  readonly view: DataView;
  readonly registers: Range;
  /** What the device has read and written since {@link forget}. */
  deviceReads: Range[] = [];
  deviceWrites: Range[] = [];
  /** While true, the device cannot reach memory at all (bus mastering off). */
  unreachable = false;

  constructor(mib = 16, registers: Range = { address: 8 * MIB, length: 8192 }) {
    this.ram = new Uint8Array(mib * MIB);
    this.view = new DataView(this.ram.buffer);
    this.registers = registers;
  }

  isRam(address: number, length: number): boolean {
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || address < 0 || length < 0)
      return false;
    const end = address + length;
    if (this.unreachable || end > this.ram.byteLength) return false;
    if (address < HOLE_END && end > HOLE_BEGIN) return false;
    return !(address < this.registers.address + this.registers.length && end > this.registers.address);
  }

  read(address: number, target: Uint8Array, offset: number, length: number): boolean {
    if (!this.isRam(address, length)) return false;
    this.deviceReads.push({ address, length });
    target.set(this.ram.subarray(address, address + length), offset);
    return true;
  }

  write(address: number, source: Uint8Array, offset: number, length: number): boolean {
    if (!this.isRam(address, length)) return false;
    this.deviceWrites.push({ address, length });
    this.ram.set(source.subarray(offset, offset + length), address);
    return true;
  }

  readWords(address: number, words: Uint32Array): boolean {
    return this.read(address, bytesOf(words), 0, words.byteLength);
  }

  writeWords(address: number, words: Uint32Array): boolean {
    return this.write(address, bytesOf(words), 0, words.byteLength);
  }

  /** Starts a new record. */
  forget(): void {
    this.deviceReads = [];
    this.deviceWrites = [];
  }

  /** Device writes that are not wholly inside one of `allowed`. */
  writesOutside(allowed: readonly Range[]): Range[] {
    return this.deviceWrites.filter(
      (w) => !allowed.some((a) => w.address >= a.address && w.address + w.length <= a.address + a.length),
    );
  }

  bytes(address: number, length: number): Uint8Array {
    return this.ram.slice(address, address + length);
  }

  put(address: number, bytes: Uint8Array): void {
    this.ram.set(bytes, address);
  }

  put64(address: number, value: number): void {
    this.view.setBigUint64(address, BigInt(value), true);
  }
}
