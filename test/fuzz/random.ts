/** A small seeded generator (mulberry32). All that the fuzzer decides comes from one of these. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** 32 bits, unsigned. */
  u32(): number {
    this.state = (this.state + 0x6d2b_79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `limit - 1`; 0 for a limit of 0. */
  below(limit: number): number {
    return Math.floor((this.u32() / 4_294_967_296) * limit);
  }

  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A value that programs are wrong about. */
  edge(): number {
    switch (this.below(8)) {
      case 0:
        return 0;
      case 1:
        return 0xffff_ffff;
      case 2:
        return 2 ** this.below(32);
      case 3:
        return 2 ** this.below(32) - 1;
      case 4:
        return 0xffff_ffff - this.below(4);
      case 5:
        return this.below(0x1_0000);
      case 6:
        return this.below(256);
      default:
        return this.u32();
    }
  }
}
