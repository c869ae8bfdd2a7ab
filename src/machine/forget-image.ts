import { INITRD_ADDRESS, KERNEL_ADDRESS } from './kernel-image.ts';
import type { V86Cpu } from './v86-types.ts';

/** PAGE_OFFSET of a 32-bit kernel with the usual split: above it, the kernel runs from where it unpacked itself. */
const PAGE_OFFSET = 0xc0000000;
const PAGE_BYTES = 4096;

/** What of v86's CPU this file touches. */
export type ForgettingCpu = Pick<V86Cpu, 'instruction_pointer' | 'zero_memory' | 'jit_dirty_cache'>;

/**
 * Zeroes the packed kernel in RAM (`protectedBytes` at 1 MiB) as soon as nobody needs it any more: call the
 * returned function after each slice of the CPU until it answers true. Linux itself leaves the bytes where
 * they are, and finds them in pages that it hands out without clearing them: 1.5 MiB that nothing compresses,
 * a fifth of a packed saved state. It has to be the first slice (100,000 instructions) in the kernel proper:
 * what is there belongs to nobody until the page allocator starts, some million instructions later.
 */
export function forgetImage(cpu: ForgettingCpu, protectedBytes: number): () => boolean {
  const end = Math.min(KERNEL_ADDRESS + Math.ceil(protectedBytes / PAGE_BYTES) * PAGE_BYTES, INITRD_ADDRESS);
  return () => {
    if ((cpu.instruction_pointer[0] ?? 0) >>> 0 < PAGE_OFFSET) return false;
    cpu.jit_dirty_cache(KERNEL_ADDRESS, end);
    cpu.zero_memory(KERNEL_ADDRESS, end - KERNEL_ADDRESS);
    return true;
  };
}
