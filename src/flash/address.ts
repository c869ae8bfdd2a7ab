import type { Geometry } from './geometry.ts';

/** Where each part of a physical address sits in its 64 bits (all within the low 32). */
export interface AddressFormat {
  readonly sec: BitField;
  readonly pln: BitField;
  readonly pg: BitField;
  readonly blk: BitField;
  readonly lun: BitField;
  readonly ch: BitField;
  readonly totalBits: number;
}

export interface BitField {
  readonly offset: number;
  readonly bits: number;
}

/** Bits that hold values below `count`. */
export function bitsFor(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/**
 * The format we announce in the 1.2 identity: sector lowest, then plane, page, block, LUN, channel. All
 * parts together must fit in 32 bits (the parser refuses others): nvme-cli and pblk's ioctl path carry
 * one address through a pointer-sized value on i386.
 */
export function addressFormat(g: Geometry): AddressFormat {
  let offset = 0;
  const take = (count: number): BitField => {
    const field = { offset, bits: bitsFor(count) };
    offset += field.bits;
    return field;
  };
  const sec = take(g.secsPerPg);
  const pln = take(g.numPln);
  const pg = take(g.numPg);
  const blk = take(g.numChk);
  const lun = take(g.numLun);
  const ch = take(g.numCh);
  return { sec, pln, pg, blk, lun, ch, totalBits: offset };
}

/** One sector's place, part by part. */
export interface SectorAddress {
  readonly ch: number;
  readonly lun: number;
  readonly pln: number;
  readonly chk: number;
  readonly pg: number;
  readonly sec: number;
}

/**
 * Index of a block (one plane of one chunk) in the block table. A line's blocks (the same chunk number in
 * every LUN) are neighbours, so that what pblk changes together is stored together.
 */
export function blockIndex(g: Geometry, ch: number, lun: number, chk: number, pln: number): number {
  return ((chk * g.numCh + ch) * g.numLun + lun) * g.numPln + pln;
}

/** The parts of a block index; the inverse of {@link blockIndex}. */
export function blockAddress(
  g: Geometry,
  block: number,
): { ch: number; lun: number; chk: number; pln: number } {
  const pln = block % g.numPln;
  const lunIndex = (block - pln) / g.numPln;
  const lun = lunIndex % g.numLun;
  const chIndex = (lunIndex - lun) / g.numLun;
  const ch = chIndex % g.numCh;
  return { ch, lun, chk: (chIndex - ch) / g.numCh, pln };
}

/** Reads the addresses of one kind of device: as they come over the wire, in two unsigned 32-bit halves. */
export interface AddressReader {
  /** Block index of the last decoded address. */
  readonly block: number;
  /** Sector in that block: page × sectors per page + sector. */
  readonly sec: number;
  /** False when the address is outside the device. */
  decode(low: number, high: number): boolean;
  /** The parts of an address; undefined when it is outside the device. */
  place(low: number, high: number): SectorAddress | undefined;
}

/** Turns addresses as they come over the wire into block and sector numbers, without allocating. */
export class AddressDecoder implements AddressReader {
  block = 0;
  sec = 0;
  readonly format: AddressFormat;
  private readonly g: Geometry;

  constructor(g: Geometry) {
    this.g = g;
    this.format = addressFormat(g);
  }

  /**
   * Decodes the address in (high, low), two unsigned 32-bit halves. False when it is outside the device:
   * a part too large for the geometry, or a bit set that belongs to no part.
   */
  decode(low: number, high: number): boolean {
    const { sec, pln, pg, blk, lun, ch, totalBits } = this.format;
    const g = this.g;
    if (high !== 0 || (totalBits < 32 && low >>> totalBits !== 0)) return false;
    const s = (low >>> sec.offset) & mask(sec.bits);
    const p = (low >>> pln.offset) & mask(pln.bits);
    const page = (low >>> pg.offset) & mask(pg.bits);
    const b = (low >>> blk.offset) & mask(blk.bits);
    const l = (low >>> lun.offset) & mask(lun.bits);
    const c = (low >>> ch.offset) & mask(ch.bits);
    if (
      s >= g.secsPerPg ||
      p >= g.numPln ||
      page >= g.numPg ||
      b >= g.numChk ||
      l >= g.numLun ||
      c >= g.numCh
    ) {
      return false;
    }
    this.block = ((b * g.numCh + c) * g.numLun + l) * g.numPln + p;
    this.sec = page * g.secsPerPg + s;
    return true;
  }

  /** The parts of an address; undefined when it is outside the device. Allocates: for logs and people. */
  place(low: number, high: number): SectorAddress | undefined {
    if (!this.decode(low, high)) return undefined;
    const { ch, lun, chk, pln } = blockAddress(this.g, this.block);
    const sec = this.sec % this.g.secsPerPg;
    return { ch, lun, pln, chk, pg: (this.sec - sec) / this.g.secsPerPg, sec };
  }

  /** The address of a sector as it travels; the inverse of {@link decode}. An unsigned 32-bit number. */
  encode(a: SectorAddress): number {
    const f = this.format;
    const put = (value: number, field: BitField) => (field.bits === 0 ? 0 : value << field.offset);
    return (
      (put(a.sec, f.sec) |
        put(a.pln, f.pln) |
        put(a.pg, f.pg) |
        put(a.chk, f.blk) |
        put(a.lun, f.lun) |
        put(a.ch, f.ch)) >>>
      0
    );
  }
}

function mask(bits: number): number {
  return bits === 0 ? 0 : bits >= 32 ? -1 : (1 << bits) - 1;
}

/** "ch 0 lun 3 pln 1 chk 12 pg 5 sec 2": an address as people read it. */
export function describeSector(g: Geometry, block: number, sec: number): string {
  const { ch, lun, chk, pln } = blockAddress(g, block);
  return `ch ${ch} lun ${lun} pln ${pln} chk ${chk} pg ${Math.floor(sec / g.secsPerPg)} sec ${sec % g.secsPerPg}`;
}
