/** What a read of a sector with a fault ends as. */
export type ReadFault = 'ecc' | 'highEcc';

/** How often each kind of operation fails by chance, from 0 to 1: reads and writes by sector, erases by block. */
export interface FaultRates {
  readonly ecc?: number;
  readonly highEcc?: number;
  readonly write?: number;
  readonly erase?: number;
}

/**
 * Where an open-channel 1.2 flash fails because somebody asked for it, in the ways that pblk tells apart:
 *
 * - a read as `ecc` brings no data and ends as NVM_RSP_ERR_FAILECC; as `highEcc` it brings the data and ends
 *   as NVM_RSP_WARN_HIGHECC. It belongs to the data: when its block is erased it is gone.
 * - a write fails with NVM_RSP_ERR_FAILWRITE and leaves the write pointer before the sector, so that nothing
 *   after it in the block can be written either: pblk maps the rest of the chunk out and writes elsewhere.
 *   The cell stays bad until the fault is cleared.
 * - an erase fails and makes the block grown bad, as a drive's own firmware would: it is offline from then on.
 *
 * (Status codes of include/linux/lightnvm.h in Linux 5.10.)
 */
export class FlashFaults {
  /** Nothing is set: what every operation asks first. */
  none = true;
  private readonly secsPerBlk: number;
  /** Keyed by block × sectors per block + sector. */
  private readonly reads = new Map<number, ReadFault>();
  private readonly writes = new Set<number>();
  private readonly erases = new Set<number>();
  private rates: FaultRates = {};
  private random: () => number = () => 1;

  constructor(secsPerBlk: number) {
    this.secsPerBlk = secsPerBlk;
  }

  setRead(block: number, sec: number, fault: ReadFault): void {
    this.reads.set(this.key(block, sec), fault);
    this.update();
  }

  setWrite(block: number, sec: number): void {
    this.writes.add(this.key(block, sec));
    this.update();
  }

  setErase(block: number): void {
    this.erases.add(block);
    this.update();
  }

  clearRead(block: number, sec: number): void {
    this.reads.delete(this.key(block, sec));
    this.update();
  }

  clearWrite(block: number, sec: number): void {
    this.writes.delete(this.key(block, sec));
    this.update();
  }

  clearErase(block: number): void {
    this.erases.delete(block);
    this.update();
  }

  /** From now on operations fail by chance as well; the same seed gives the same failures. */
  setRates(rates: FaultRates, seed: number): void {
    this.rates = rates;
    this.random = seededRandom(seed);
    this.update();
  }

  /** Takes every fault back, chance included. */
  clear(): void {
    this.reads.clear();
    this.writes.clear();
    this.erases.clear();
    this.rates = {};
    this.update();
  }

  /** Whether reading the sector fails now, and how. */
  onRead(block: number, sec: number): ReadFault | undefined {
    const fault = this.reads.get(this.key(block, sec));
    if (fault) return fault;
    if (this.happens(this.rates.ecc)) return 'ecc';
    return this.happens(this.rates.highEcc) ? 'highEcc' : undefined;
  }

  onWrite(block: number, sec: number): boolean {
    return this.writes.has(this.key(block, sec)) || this.happens(this.rates.write);
  }

  onErase(block: number): boolean {
    return this.erases.has(block) || this.happens(this.rates.erase);
  }

  /** The block was erased: what could not be read is no more. */
  erased(block: number): void {
    if (this.reads.size === 0) return;
    const first = this.key(block, 0);
    for (const key of this.reads.keys()) {
      if (key >= first && key < first + this.secsPerBlk) this.reads.delete(key);
    }
    this.update();
  }

  private key(block: number, sec: number): number {
    return block * this.secsPerBlk + sec;
  }

  private happens(rate = 0): boolean {
    return rate > 0 && this.random() < rate;
  }

  private update(): void {
    const { ecc = 0, highEcc = 0, write = 0, erase = 0 } = this.rates;
    const bySite = this.reads.size + this.writes.size + this.erases.size;
    this.none = bySite === 0 && ecc + highEcc + write + erase === 0;
  }
}

/** Numbers from 0 up to 1 that follow from the seed (a 32-bit multiply and xor-shift, "mulberry"). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
