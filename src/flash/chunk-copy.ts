import type { Rule } from '../spec/rules.ts';
import type { DerivedGeometry } from './geometry.ts';
import type { Transfer } from './transfer.ts';

/** The buffers of a copy inside the device: what is read into them is then written from them. */
export class ChunkCopy implements Transfer {
  readonly hasOob: boolean;
  private readonly data: Uint8Array;
  private readonly oob: Uint8Array;
  private readonly command: Transfer;

  constructor(g: DerivedGeometry, secs: number, command: Transfer) {
    this.hasOob = g.oobSizeBytes > 0;
    this.data = new Uint8Array(secs * g.secSizeBytes);
    this.oob = new Uint8Array(secs * g.oobSizeBytes);
    this.command = command;
  }

  get abandoned(): boolean {
    return this.command.abandoned;
  }

  refuse(rule: Rule, why: string): void {
    this.command.refuse(rule, why);
  }

  pullData(at: number, target: Uint8Array, offset: number, length: number): void {
    target.set(this.data.subarray(at, at + length), offset);
  }

  pushData(at: number, source: Uint8Array, offset: number, length: number): void {
    this.data.set(source.subarray(offset, offset + length), at);
  }

  pullOob(at: number, target: Uint8Array, offset: number, length: number): void {
    target.set(this.oob.subarray(at, at + length), offset);
  }

  pushOob(at: number, source: Uint8Array, offset: number, length: number): void {
    this.oob.set(source.subarray(offset, offset + length), at);
  }
}

/** Copies under way at once. */
const MAX_COPIES = 16;

type Copy = (leave: () => void) => void;

/** Lets a few copies in at a time, in the order in which they came. */
export class CopyGate {
  private underWay = 0;
  private starting = false;
  private readonly waiting: Copy[] = [];

  /** Runs `copy` now or later; it calls what it is given when it has ended. */
  enter(copy: Copy): void {
    this.waiting.push(copy);
    this.start();
  }

  private readonly leave = (): void => {
    this.underWay--;
    this.start();
  };

  /** One that ends at once lets the next one in from the loop, not from within itself: the stack stays flat. */
  private start(): void {
    if (this.starting) return;
    this.starting = true;
    try {
      while (this.underWay < MAX_COPIES) {
        const next = this.waiting.shift();
        if (!next) break;
        this.underWay++;
        next(this.leave);
      }
    } finally {
      this.starting = false;
    }
  }
}
