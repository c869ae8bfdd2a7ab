import { AGES, Code, sectorCodes, USERS, type LayerContext } from './flash-map-codes.ts';

/**
 * A chunk as a small picture: from left to right its sectors in the order in which they are written, in each
 * column what they hold, stacked from the bottom. So the write pointer, stale stretches and the ends that pblk
 * keeps its books in are seen while a sector is far smaller than a pixel.
 */
export interface Profile {
  /** bins × levels codes, bottom first. */
  readonly codes: Uint8Array;
  /** It holds sectors of smeta, and of emeta: marked at its ends however few they are. */
  readonly hasSmeta: boolean;
  readonly hasEmeta: boolean;
}

export class ProfileMaker {
  private readonly counts = new Uint32Array(256);
  private sectors = new Uint8Array(0);

  make(c: LayerContext, chunk: number, bins: number, levels: number): Profile {
    const { secsPerBlk, dims } = c.source;
    const { numPln } = dims;
    if (this.sectors.length < secsPerBlk * numPln) this.sectors = new Uint8Array(secsPerBlk * numPln);
    const { sectors, counts } = this;
    for (let p = 0; p < numPln; p++)
      sectorCodes(c, chunk * numPln + p, sectors.subarray(p * secsPerBlk, (p + 1) * secsPerBlk));
    const codes = new Uint8Array(bins * levels);
    let hasSmeta = false;
    let hasEmeta = false;
    for (let bin = 0; bin < bins; bin++) {
      const from = Math.floor((bin * secsPerBlk) / bins);
      const to = Math.max(from + 1, Math.floor(((bin + 1) * secsPerBlk) / bins));
      for (const code of ORDER) counts[code] = 0;
      for (let p = 0; p < numPln; p++)
        for (let i = p * secsPerBlk + from, end = p * secsPerBlk + to; i < end; i++) {
          const code = sectors[i] as number;
          counts[code] = (counts[code] as number) + 1;
        }
      hasSmeta ||= counts[Code.smeta] !== 0;
      hasEmeta ||= counts[Code.emeta] !== 0;
      // Where the write pointer is, the column is of what is written: it stands as high as its neighbours.
      const total = (to - from) * numPln;
      const written = total - (counts[Code.unwritten] as number);
      if (written > 0) counts[Code.unwritten] = 0;
      stack(counts, written || total, codes.subarray(bin * levels, (bin + 1) * levels));
    }
    return { codes, hasSmeta, hasEmeta };
  }
}

/** Codes that sectors have in the layers of sectors, from the bottom of a stack to its top. */
const ORDER = Uint8Array.of(
  Code.unknownState,
  ...[Code.valid, Code.validGc, Code.stale, Code.unknown, Code.padding, Code.smeta, Code.emeta],
  ...Array.from({ length: USERS }, (_, i) => Code.user + i),
  ...[Code.ownerUnknown, Code.gc, Code.pblk],
  ...Array.from({ length: AGES }, (_, i) => Code.age + i),
  ...[Code.ageBefore, Code.unwritten, Code.offline],
);

/**
 * Shares as a column of levels. What is there gets one level at least: a single stale sector among hundreds is
 * the thing to be seen.
 */
export function stack(counts: Uint32Array, total: number, out: Uint8Array): void {
  const levels = out.length;
  let most: number = Code.unwritten;
  for (const code of ORDER) if ((counts[code] as number) > (counts[most] as number)) most = code;
  let others = 0;
  const share = (code: number) => Math.max(1, Math.round((levels * (counts[code] as number)) / total));
  for (const code of ORDER) if (code !== most && counts[code] !== 0) others += share(code);
  let at = 0;
  for (const code of ORDER) {
    if (counts[code] === 0) continue;
    // The largest gives way to the least.
    const size = code === most ? Math.max(1, levels - others) : share(code);
    out.fill(code, at, at + size);
    at += size;
  }
}
