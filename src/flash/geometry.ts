/**
 * The shape of an open-channel SSD, in the words of the Open-Channel SSD specification 1.2
 * (channel, LUN, plane, block, page, sector). Everything that has a size derives from this.
 *
 * Counts are counts (never zero-based). A "chunk" here is what pblk calls a chunk: the same block
 * number in every plane of one LUN, written and erased together.
 */
export interface Geometry {
  /** Channels (qemu-nvme `lnum_ch`; Linux `struct nvme_nvm_id12_grp.num_ch`). */
  readonly numCh: number;
  /** LUNs in one channel. The option `lnum_lun` counts LUNs per channel. */
  readonly numLun: number;
  /** Planes in one LUN: 1, 2 or 4. */
  readonly numPln: number;
  /** Blocks in one plane, which is chunks in one LUN. */
  readonly numChk: number;
  /** Pages in one block. */
  readonly numPg: number;
  /** Sectors in one page of one plane. */
  readonly secsPerPg: number;
  /** Bytes in one sector. */
  readonly secSizeBytes: number;
  /** Out-of-band bytes that travel with each sector. */
  readonly oobSizeBytes: number;
}

/** Numbers that follow from a {@link Geometry}; made once, by {@link deriveGeometry}. */
export interface DerivedGeometry extends Geometry {
  /** LUNs in the whole device. */
  readonly totalLuns: number;
  /** Sectors of one block (one plane). */
  readonly secsPerBlk: number;
  /** Sectors of one chunk (all planes). */
  readonly secsPerChk: number;
  /** Sectors of the whole device. */
  readonly totalSecs: number;
  /** Blocks (chunk × plane) of the whole device. */
  readonly totalBlks: number;
  /** Sectors programmed together: one page in every plane. The unit of storage. */
  readonly secsPerUnit: number;
  /** Units (pages across planes) of the whole device. */
  readonly totalUnits: number;
  /** Bytes of one unit as it is stored: data of every sector, then OOB of every sector. */
  readonly unitBytes: number;
  /** Where the OOB of the first sector starts in a unit. */
  readonly unitOobOffset: number;
}

/** Adds what follows from the counts. Pure; does not validate. */
export function deriveGeometry(g: Geometry): DerivedGeometry {
  const totalLuns = g.numCh * g.numLun;
  const secsPerBlk = g.numPg * g.secsPerPg;
  const secsPerChk = secsPerBlk * g.numPln;
  const secsPerUnit = g.secsPerPg * g.numPln;
  return {
    ...g,
    totalLuns,
    secsPerBlk,
    secsPerChk,
    totalSecs: totalLuns * g.numChk * secsPerChk,
    totalBlks: totalLuns * g.numChk * g.numPln,
    secsPerUnit,
    totalUnits: totalLuns * g.numChk * g.numPg,
    unitBytes: secsPerUnit * (g.secSizeBytes + g.oobSizeBytes),
    unitOobOffset: secsPerUnit * g.secSizeBytes,
  };
}
