import { Register } from '../../src/spec/registers.ts';

/** The device as the processor sees it through BAR0; the controller has this shape. */
export interface RegisterAccess {
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  read8(offset: number): number;
  write8(offset: number, value: number): void;
}

const TWO_32 = 4_294_967_296;

/** BAR0 by name and width. 64-bit accesses are two of 32 bits, low half first, as on i386. */
export class Registers {
  readonly bar: RegisterAccess;

  constructor(bar: RegisterAccess) {
    this.bar = bar;
  }

  get cap(): { low: number; high: number } {
    return { low: this.bar.read32(Register.cap), high: this.bar.read32(Register.cap + 4) };
  }
  get cc(): number {
    return this.bar.read32(Register.cc);
  }
  set cc(value: number) {
    this.bar.write32(Register.cc, value);
  }
  get csts(): number {
    return this.bar.read32(Register.csts);
  }
  get version(): number {
    return this.bar.read32(Register.vs);
  }
  set aqa(value: number) {
    this.bar.write32(Register.aqa, value);
  }
  set asq(value: number) {
    this.write64(Register.asq, value);
  }
  set acq(value: number) {
    this.write64(Register.acq, value);
  }

  /** CAP.DSTRD: bytes between doorbells. */
  get doorbellBytes(): number {
    return 4 << (this.cap.high & 0xf);
  }

  ringSubmission(queueId: number, tail: number): void {
    this.bar.write32(Register.doorbells + 2 * queueId * this.doorbellBytes, tail);
  }

  ringCompletion(queueId: number, head: number): void {
    this.bar.write32(Register.doorbells + (2 * queueId + 1) * this.doorbellBytes, head);
  }

  maskInterrupts(): void {
    this.bar.write32(Register.intms, 1);
  }

  unmaskInterrupts(): void {
    this.bar.write32(Register.intmc, 1);
  }

  read64(offset: number): number {
    return this.bar.read32(offset + 4) * TWO_32 + this.bar.read32(offset);
  }

  write64(offset: number, value: number): void {
    this.bar.write32(offset, value % TWO_32);
    this.bar.write32(offset + 4, Math.floor(value / TWO_32));
  }
}
