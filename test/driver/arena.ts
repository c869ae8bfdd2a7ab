import { HOLE_END, type Range } from '../fakes/fake-memory.ts';
import { DmaBuffer } from './dma-buffer.ts';
import type { HostMemory } from './host.ts';

export const PAGE = 4096;

/** Hands out zeroed guest pages, upwards from the first megabyte; nothing is ever given back but all at once. */
export class Arena {
  readonly memory: HostMemory;
  private next = HOLE_END;

  constructor(memory: HostMemory) {
    this.memory = memory;
  }

  /** Address of `count` pages in a row. */
  pages(count = 1): number {
    let at = this.next;
    if (!this.memory.isRam(at, count * PAGE)) {
      // Only the register window can be in the way.
      at = Math.ceil((this.memory.registers.address + this.memory.registers.length) / PAGE) * PAGE;
    }
    if (!this.memory.isRam(at, count * PAGE)) throw new Error('the arena is full');
    this.next = at + count * PAGE;
    this.memory.ram.fill(0, at, this.next);
    return at;
  }

  /** A mark for {@link rewind}. */
  get mark(): number {
    return this.next;
  }

  /** Takes back everything handed out since the mark. */
  rewind(mark: number): void {
    this.next = mark;
  }

  /**
   * A buffer that begins `offset` bytes into its first page. With `scattered` no two of its pages are
   * neighbours, and they lie in falling order.
   */
  buffer(length: number, { offset = 0, scattered = false } = {}): DmaBuffer {
    const count = Math.max(1, Math.ceil((offset + length) / PAGE));
    const pages: number[] = [];
    if (scattered) {
      const first = this.pages(2 * count);
      for (let i = count - 1; i >= 0; i--) pages.push(first + 2 * i * PAGE);
    } else {
      const first = this.pages(count);
      for (let i = 0; i < count; i++) pages.push(first + i * PAGE);
    }
    return new DmaBuffer(this.memory, pages, offset, length);
  }

  /** One run of bytes at exactly this offset in a page. */
  run(length: number, offset = 0): Range {
    return { address: this.pages(Math.ceil((offset + length) / PAGE)) + offset, length };
  }
}
