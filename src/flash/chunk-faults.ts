import type { ChunkFault, ChunkFaults } from './chunk-options.ts';

/** Where an operation goes. */
export interface ChunkPlace {
  readonly grp: number;
  readonly pu: number;
  readonly chk: number;
}

/**
 * Decides which operations fail on purpose. The draws come from a fixed seed: the same commands meet the same
 * faults in each run.
 */
export class ChunkFaultInjector {
  private readonly faults: ChunkFaults;
  private state = 0x0c20;

  constructor(faults: ChunkFaults) {
    this.faults = faults;
  }

  /** Where the draws are, for a state that is saved. */
  get position(): number {
    return this.state;
  }

  set position(state: number) {
    this.state = state;
  }

  /** Whether any write can fail: where not, nobody has to ask. */
  get failsWrites(): boolean {
    return this.faults.writes.length > 0;
  }

  writeFails(place: ChunkPlace, sec: number): boolean {
    return this.draw(percentAt(this.faults.writes, place, sec));
  }

  resetFails(place: ChunkPlace): boolean {
    return this.draw(percentAt(this.faults.resets, place, undefined));
  }

  private draw(percent: number): boolean {
    if (percent <= 0) return false;
    return percent >= 100 || this.random() * 100 < percent;
  }

  /** 0 to 1 (mulberry32). */
  private random(): number {
    this.state = (this.state + 0x6d2b_79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
}

/** Of several that fit a place, the last counts, as in qemu-nvme's fault files. */
function percentAt(faults: readonly ChunkFault[], place: ChunkPlace, sec: number | undefined): number {
  let percent = 0;
  for (const fault of faults) {
    const fits =
      (fault.grp ?? place.grp) === place.grp &&
      (fault.pu ?? place.pu) === place.pu &&
      (fault.chk ?? place.chk) === place.chk &&
      (sec === undefined || (fault.sec ?? sec) === sec);
    if (fits) percent = fault.percent;
  }
  return percent;
}
