import { type Arena, PAGE } from './arena.ts';
import type { DmaBuffer } from './dma-buffer.ts';

export interface Prps {
  readonly prp1: number;
  readonly prp2: number;
}

const SLOTS = PAGE / 8;

/**
 * PRP entries for a buffer, as Linux' nvme_pci_setup_prps builds them: the second page in PRP2, or a list
 * there, whose last slot points to the next page of the list. `listOffset` puts the list into the middle
 * of its first page.
 */
export function prpsFor(arena: Arena, buffer: DmaBuffer, listOffset = 0): Prps {
  const [first = 0, ...rest] = buffer.pages;
  const prp1 = first + buffer.offset;
  if (rest.length === 0) return { prp1, prp2: 0 };
  if (rest.length === 1) return { prp1, prp2: rest[0] as number };
  const prp2 = arena.pages() + listOffset;
  let at = prp2;
  for (let i = 0; i < rest.length; i++) {
    const slot = (at % PAGE) / 8;
    if (slot === SLOTS - 1 && i < rest.length - 1) {
      const next = arena.pages();
      arena.memory.put64(at, next);
      at = next;
    }
    arena.memory.put64(at, rest[i] as number);
    at += 8;
  }
  return { prp1, prp2 };
}
