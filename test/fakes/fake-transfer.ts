import type { Rule } from '../../src/spec/rules.ts';
import type { Transfer } from '../../src/flash/transfer.ts';

/** Host buffers of one command, as plain arrays. */
export class FakeTransfer implements Transfer {
  abandoned = false;
  /** Times that it was said to be whole. */
  committed = 0;
  /** Rules that were said to be broken, in order, and how. */
  readonly refusals: { readonly rule: Rule; readonly why: string }[] = [];
  readonly data: Uint8Array;
  readonly oob: Uint8Array | undefined;

  constructor(data: Uint8Array, oob?: Uint8Array) {
    this.data = data;
    this.oob = oob;
  }

  get hasOob(): boolean {
    return this.oob !== undefined;
  }

  committing(): void {
    this.committed++;
  }

  refuse(rule: Rule, why: string): void {
    this.refusals.push({ rule, why });
  }

  pullData(at: number, target: Uint8Array, offset: number, length: number): void {
    copy(this.data, at, target, offset, length);
  }

  pushData(at: number, source: Uint8Array, offset: number, length: number): void {
    copy(source, offset, this.data, at, length);
  }

  pullOob(at: number, target: Uint8Array, offset: number, length: number): void {
    if (!this.oob) throw new Error('no OOB buffer');
    copy(this.oob, at, target, offset, length);
  }

  pushOob(at: number, source: Uint8Array, offset: number, length: number): void {
    if (!this.oob) throw new Error('no OOB buffer');
    copy(source, offset, this.oob, at, length);
  }
}

function copy(from: Uint8Array, at: number, to: Uint8Array, offset: number, length: number): void {
  if (at + length > from.byteLength || offset + length > to.byteLength) throw new RangeError('copy');
  to.set(from.subarray(at, at + length), offset);
}
