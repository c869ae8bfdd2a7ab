/**
 * How far the guest's memory reaches when pblk allocates. Counts are the kernel's; what the guest itself
 * uses is an estimate, so an answer near the edge can be wrong in either direction.
 */

/** Memory of the guest unless something else is said: 128 MiB. */
export const DEFAULT_MEMORY_BYTES = 128 * 2 ** 20;

/**
 * What kernel, unpacked initramfs and shells take: 21 MiB were measured at a fresh prompt with 128 MiB
 * (MemAvailable 109,648 kB, 25 free blocks of 4 MiB); a little is added for what runs besides.
 */
export const GUEST_OWN_BYTES = 24 * 2 ** 20;

const PAGE_BYTES = 4096;

/** The largest contiguous block: order 10 (MAX_ORDER - 1 on x86). No CONFIG_COMPACTION in this kernel. */
export const MAX_CONTIGUOUS_BYTES = 4 * 2 ** 20;

export class KernelMemory {
  readonly #ramBytes: number;
  #freeBytes: number;

  constructor(ramBytes: number) {
    this.#ramBytes = ramBytes;
    this.#freeBytes = Math.max(0, ramBytes - GUEST_OWN_BYTES);
  }

  /** kmalloc and friends: contiguous, rounded up to a power of two of at least 8 bytes. */
  kmalloc(bytes: number, count = 1): boolean {
    if (bytes > MAX_CONTIGUOUS_BYTES) return false;
    return this.#take(2 ** Math.max(3, Math.ceil(Math.log2(Math.max(1, bytes)))) * count);
  }

  /** vmalloc: whole pages; nothing at all and more than all memory fail at once (mm/vmalloc.c, __vmalloc_node_range). */
  vmalloc(bytes: number): boolean {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    if (pages === 0 || pages > this.#ramBytes / PAGE_BYTES) return false;
    return this.#take(pages * PAGE_BYTES);
  }

  /** vmalloc that was freed again. */
  vfree(bytes: number): void {
    this.#freeBytes += Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  }

  #take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }
}
