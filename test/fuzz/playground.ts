import { type FuzzMemory, PAGE } from './fuzz-memory.ts';
import type { Random } from './random.ts';

/**
 * The part of guest memory that all pointers of the fuzzer's commands lead into (or they lead to a wrong
 * place): data pages, pages of PRP lists, address lists, and pages for queues that come and go.
 */
export const PLAYGROUND = 4 * 1024 * 1024;
export const PLAYGROUND_PAGES = 512;
const DATA_PAGES = 256;
const LISTS = PLAYGROUND + DATA_PAGES * PAGE;
const LIST_PAGES = 64;
const SLOTS = PAGE / 8;
/** 64 addresses and 64 × 64 bytes of OOB fit in two pages. */
const VECTORS = LISTS + LIST_PAGES * PAGE;
const VECTOR_PAGES = 64;
const QUEUES = VECTORS + VECTOR_PAGES * PAGE;
const QUEUE_PAGES = PLAYGROUND_PAGES - DATA_PAGES - LIST_PAGES - VECTOR_PAGES;

/** Not memory: the legacy hole, before and after the playground, beyond RAM, and what only 64 bits tell apart. */
const WRONG = [
  0xa_0000,
  0xf_f000,
  PLAYGROUND - 4,
  PLAYGROUND + PLAYGROUND_PAGES * PAGE,
  PLAYGROUND + PLAYGROUND_PAGES * PAGE - 4,
  8 * 1024 * 1024,
  16 * 1024 * 1024,
  16 * 1024 * 1024 - 4,
  0xf000_0000,
  0xfee0_0000,
  2 ** 32,
  2 ** 32 + PLAYGROUND,
  2 ** 52,
  2 ** 63,
  2 ** 64 - 4096,
  0,
];

export interface Pointers {
  prp1: number;
  prp2: number;
}

export class Playground {
  private readonly memory: FuzzMemory;
  private readonly random: Random;
  private nextVector = 0;

  constructor(memory: FuzzMemory, random: Random) {
    this.memory = memory;
    this.random = random;
    memory.add(PLAYGROUND, PLAYGROUND_PAGES, true);
    this.plantAll();
  }

  dataPage(): number {
    return PLAYGROUND + this.random.below(DATA_PAGES) * PAGE;
  }

  wrong(): number {
    return this.random.pick(WRONG);
  }

  /** Where a queue of a few pages can be. */
  queuePages(pages: number): number {
    return QUEUES + this.random.below(QUEUE_PAGES - pages) * PAGE;
  }

  /** Two pages in a row, for addresses, metadata or ranges; every one is used again after a while. */
  vectorPages(): number {
    this.nextVector = (this.nextVector + 2) % VECTOR_PAGES;
    return VECTORS + this.nextVector * PAGE;
  }

  /** Good pointers for a buffer of so many bytes, in all the shapes that a driver uses. */
  pointers(length: number): Pointers {
    const { random } = this;
    const offset = random.oneIn(3) ? random.below(PAGE / 4) * 4 : 0;
    const prp1 = this.dataPage() + offset;
    const rest = length - (PAGE - offset);
    if (rest <= 0) return { prp1, prp2: random.oneIn(4) ? random.u32() : 0 };
    if (rest <= PAGE) return { prp1, prp2: this.dataPage() };
    const slots = Math.ceil(rest / PAGE);
    const atEnd = random.oneIn(8);
    const slot = atEnd ? SLOTS - 1 - random.below(3) : random.below(Math.max(1, SLOTS - slots));
    return { prp1, prp2: this.listPage() + slot * 8 };
  }

  private listPage(): number {
    return LISTS + this.random.below(LIST_PAGES) * PAGE;
  }

  /** Something else into a few places: what the guest changes behind the device's back. */
  scribble(): void {
    const { random, memory } = this;
    for (let i = 0; i < 8; i++) {
      const at = PLAYGROUND + random.below((PLAYGROUND_PAGES * PAGE) / 8) * 8;
      memory.put64(at, random.oneIn(2) ? this.dataPage() : random.edge());
    }
    this.plant(random.below(LIST_PAGES));
  }

  plantAll(): void {
    for (let i = 0; i < LIST_PAGES; i++) this.plant(i);
  }

  /** Fills one list page: most are good, some lead on to others or to themselves, some are wrong. */
  private plant(index: number): void {
    const { random, memory } = this;
    const page = LISTS + index * PAGE;
    for (let slot = 0; slot < SLOTS; slot++) memory.put64(page + 8 * slot, this.dataPage());
    const last = page + PAGE - 8;
    switch (random.below(8)) {
      case 0:
        memory.put64(last, page); // a loop
        break;
      case 1:
        memory.put64(last, last); // the shortest loop
        break;
      case 2:
        memory.put64(page + 8 * random.below(SLOTS), this.wrong());
        break;
      case 3:
        memory.put64(page + 8 * random.below(SLOTS), this.dataPage() + 1 + random.below(PAGE - 1));
        break;
      default:
        memory.put64(last, this.listPage() + 8 * random.below(SLOTS));
    }
  }
}
