import { type AddressReader, bitsFor, blockAddress, blockIndex, type SectorAddress } from './address.ts';
import type { DerivedGeometry } from './geometry.ts';

const TWO_32 = 4_294_967_296;

/** How many bits each part of a 2.0 address has; the sector is lowest, then chunk, parallel unit, group. */
export interface ChunkAddressFormat {
  readonly sec: number;
  readonly chk: number;
  readonly pu: number;
  readonly grp: number;
  readonly totalBits: number;
}

/** The format that the geometry announces. Counts need not be powers of two: some addresses then lead nowhere. */
export function chunkAddressFormat(g: DerivedGeometry): ChunkAddressFormat {
  const sec = bitsFor(g.secsPerBlk);
  const chk = bitsFor(g.numChk);
  const pu = bitsFor(g.numLun);
  const grp = bitsFor(g.numCh);
  return { sec, chk, pu, grp, totalBits: sec + chk + pu + grp };
}

/**
 * Turns logical block addresses of Open-Channel 2.0 into block and sector numbers, without allocating. A group
 * is a channel, a parallel unit a LUN of one plane; so the numbers are those of the block table.
 */
export class ChunkAddressDecoder implements AddressReader {
  block = 0;
  sec = 0;
  readonly format: ChunkAddressFormat;
  /** Addresses below this one; not all of them lead to a sector. */
  readonly spaceSecs: number;
  private readonly g: DerivedGeometry;
  private readonly secSpan: number;
  private readonly chkSpan: number;
  private readonly puSpan: number;

  constructor(g: DerivedGeometry) {
    this.g = g;
    this.format = chunkAddressFormat(g);
    this.secSpan = 2 ** this.format.sec;
    this.chkSpan = 2 ** this.format.chk;
    this.puSpan = 2 ** this.format.pu;
    this.spaceSecs = 2 ** this.format.totalBits;
  }

  decode(low: number, high: number): boolean {
    return this.decodeLba(high * TWO_32 + low);
  }

  /** As {@link decode}, from one number (exact to 2^53; larger ones are outside anyway). */
  decodeLba(lba: number): boolean {
    const g = this.g;
    if (lba >= this.spaceSecs) return false;
    const sec = lba % this.secSpan;
    let rest = (lba - sec) / this.secSpan;
    const chk = rest % this.chkSpan;
    rest = (rest - chk) / this.chkSpan;
    const pu = rest % this.puSpan;
    const grp = (rest - pu) / this.puSpan;
    if (sec >= g.secsPerBlk || chk >= g.numChk || pu >= g.numLun || grp >= g.numCh) return false;
    this.block = (chk * g.numCh + grp) * g.numLun + pu;
    this.sec = sec;
    return true;
  }

  place(low: number, high: number): SectorAddress | undefined {
    if (!this.decode(low, high)) return undefined;
    const { ch, lun, chk } = blockAddress(this.g, this.block);
    const sec = this.sec % this.g.secsPerPg;
    return { ch, lun, pln: 0, chk, pg: (this.sec - sec) / this.g.secsPerPg, sec };
  }

  /** The address of a sector; the inverse of {@link decode}. */
  encode(a: SectorAddress): number {
    const block = blockIndex(this.g, a.ch, a.lun, a.chk, 0);
    return this.lbaOf(block, a.pg * this.g.secsPerPg + a.sec);
  }

  /** The address of a sector of a block. */
  lbaOf(block: number, sec: number): number {
    const { ch, lun, chk } = blockAddress(this.g, block);
    return ((ch * this.puSpan + lun) * this.chkSpan + chk) * this.secSpan + sec;
  }
}

/** "group 1 pu 0 chunk 12 sector 64": an address of 2.0 as people read it. */
export function describeChunkSector(g: DerivedGeometry, block: number, sec: number): string {
  const { ch, lun, chk } = blockAddress(g, block);
  return `group ${ch} pu ${lun} chunk ${chk} sector ${sec}`;
}
