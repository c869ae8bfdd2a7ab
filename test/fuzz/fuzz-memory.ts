import { bytesOf, type GuestMemory } from '../../src/device/ports.ts';

export const PAGE = 4096;
export const RAM_BYTES = 16 * 1024 * 1024;
const PAGES = RAM_BYTES / PAGE;
const TWO_32 = 4_294_967_296;

/** Thrown by a port that was told to. */
export class PortError extends Error {}

/**
 * Guest memory that judges each access of the device as it happens and keeps nothing of it. Only the pages
 * given with {@link add} are RAM; of these the device may write the allowed ones. Whatever else it writes,
 * or tries to without having asked whether it is RAM, is a violation.
 */
export class FuzzMemory implements GuestMemory {
  readonly ram = new Uint8Array(RAM_BYTES);
  readonly view = new DataView(this.ram.buffer);
  /** What the device did that it must not; the first few. */
  readonly violations: string[] = [];
  /** Bus mastering is off. */
  unreachable = false;
  /** Nothing may be written at all: the controller is disabled. */
  frozen = false;
  /** One access in so many fails with an exception. 0: none. */
  throwOneIn = 0;
  /** Called after each read: the guest's other processor. */
  onread: ((address: number, length: number) => void) | undefined;
  private accesses = 0;
  private readonly present = new Uint8Array(PAGES);
  private readonly allowed = new Uint8Array(PAGES);
  private readonly temporary: number[] = [];

  /** `count` pages of RAM from `address`; the device may write them, or only read. */
  add(address: number, count: number, writable: boolean): void {
    this.present.fill(1, address / PAGE, address / PAGE + count);
    this.setWritable(address, count, writable);
  }

  setWritable(address: number, count: number, writable: boolean): void {
    this.allowed.fill(writable ? 1 : 0, address / PAGE, address / PAGE + count);
  }

  /** Makes the page of an address writable until {@link forgetTemporary}. */
  allowTemporarily(address: number): void {
    const page = Math.floor(address / PAGE);
    if (page >= PAGES || this.present[page] === 0 || this.allowed[page] === 1) return;
    this.allowed[page] = 1;
    this.temporary.push(page);
  }

  forgetTemporary(): void {
    for (const page of this.temporary) this.allowed[page] = 0;
    this.temporary.length = 0;
  }

  isRam(address: number, length: number): boolean {
    this.mayThrow();
    return !this.unreachable && this.isPresent(address, length);
  }

  private isPresent(address: number, length: number): boolean {
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || address < 0 || length < 0)
      return false;
    if (address + length > RAM_BYTES) return false;
    const last = Math.floor((address + Math.max(1, length) - 1) / PAGE);
    for (let page = Math.floor(address / PAGE); page <= last; page++) {
      if (this.present[page] !== 1) return false;
    }
    return true;
  }

  read(address: number, target: Uint8Array, offset: number, length: number): boolean {
    this.mayThrow();
    if (offset + length > target.byteLength) this.violate(`a read of ${length} bytes beyond its target`);
    if (this.unreachable || !this.isPresent(address, length)) return false;
    if (length <= 64) {
      for (let i = 0; i < length; i++) target[offset + i] = this.ram[address + i] as number;
    } else target.set(this.ram.subarray(address, address + length), offset);
    this.onread?.(address, length);
    return true;
  }

  write(address: number, source: Uint8Array, offset: number, length: number): boolean {
    this.mayThrow();
    if (offset + length > source.byteLength) this.violate(`a write of ${length} bytes beyond its source`);
    if (this.unreachable) return false;
    if (!this.isPresent(address, length)) {
      this.violate(`${run(address, length)} written, which is not RAM`);
      return false;
    }
    const last = Math.floor((address + length - 1) / PAGE);
    for (let page = Math.floor(address / PAGE); page <= last; page++) {
      if (this.allowed[page] !== 1)
        this.violate(`${run(address, length)} written, which is none of its business`);
    }
    if (this.frozen) this.violate(`${run(address, length)} written by a disabled controller`);
    this.ram.set(source.subarray(offset, offset + length), address);
    return true;
  }

  readWords(address: number, words: Uint32Array): boolean {
    return this.read(address, bytesOf(words), 0, words.byteLength);
  }

  writeWords(address: number, words: Uint32Array): boolean {
    return this.write(address, bytesOf(words), 0, words.byteLength);
  }

  put64(address: number, value: number): void {
    this.view.setUint32(address, value % TWO_32, true);
    this.view.setUint32(address + 4, Math.floor(value / TWO_32), true);
  }

  get64(address: number): number {
    return this.view.getUint32(address + 4, true) * TWO_32 + this.view.getUint32(address, true);
  }

  private mayThrow(): void {
    if (this.throwOneIn > 0 && ++this.accesses % this.throwOneIn === 0)
      throw new PortError('injected: memory');
  }

  private violate(what: string): void {
    if (this.violations.length < 10) this.violations.push(what);
  }
}

const run = (address: number, length: number): string => `${length} bytes at ${address.toString(16)}h`;
