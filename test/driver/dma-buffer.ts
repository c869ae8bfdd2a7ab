import type { Range } from '../fakes/fake-memory.ts';
import type { HostMemory } from './host.ts';

const PAGE = 4096;

/** A data buffer of the host: pages anywhere, an offset into the first, a length. */
export class DmaBuffer {
  readonly memory: HostMemory;
  readonly pages: readonly number[];
  readonly offset: number;
  readonly length: number;

  constructor(memory: HostMemory, pages: readonly number[], offset: number, length: number) {
    this.memory = memory;
    this.pages = pages;
    this.offset = offset;
    this.length = length;
  }

  /** The runs of memory that it is made of, one a page. */
  get ranges(): Range[] {
    const ranges: Range[] = [];
    let rest = this.length;
    let inPage = this.offset;
    for (const page of this.pages) {
      const length = Math.min(rest, PAGE - inPage);
      if (length > 0) ranges.push({ address: page + inPage, length });
      rest -= length;
      inPage = 0;
    }
    return ranges;
  }

  read(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const { address, length } of this.ranges) {
      bytes.set(this.memory.ram.subarray(address, address + length), at);
      at += length;
    }
    return bytes;
  }

  fill(bytes: Uint8Array): this {
    let at = 0;
    for (const { address, length } of this.ranges) {
      this.memory.put(address, bytes.subarray(at, at + length));
      at += length;
    }
    return this;
  }
}
