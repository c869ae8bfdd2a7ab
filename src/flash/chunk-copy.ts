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

  /** No write of the host: nobody counts it. */
  committing(): void {}

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
