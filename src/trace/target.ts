import { blockIndex } from '../flash/address.ts';
import { PagedTable } from './cells.ts';
import { type Emeta, type LineSizes, lineSizes, type Smeta } from './pblk-books.ts';
import type { TraceShape } from './record.ts';

export type LineStateName = 'free' | 'open' | 'closed' | 'collecting';

/** One line of a target: the same chunk of each of its LUNs. */
export interface Line {
  readonly id: number;
  /** Snapshot round in which this object was made; see BlockCells. */
  readonly epoch: number;
  state: LineStateName;
  /** The how-manieth line that the instance opened; 0 unknown. */
  seqNr: number;
  /** Sectors written so far that hold a logical block; how many of these are the newest copy. */
  dataSecs: number;
  validSecs: number;
  paddingSecs: number;
  /** Position in the line where its end begins; see TargetLayout. */
  emetaStart: number;
  smetaStart: number;
  openedUs: number;
  closedUs: number;
  /** What pblk wrote at the line's end. */
  emeta: Emeta | undefined;
}

/** LUNs of a target as `nvme lnvm create -b -e` names them, and how a line goes round them. */
export class TargetLayout {
  readonly firstCh: number;
  readonly firstLun: number;
  readonly numCh: number;
  /** LUNs of each of those channels. */
  readonly numLun: number;
  readonly sizes: LineSizes;
  private readonly shape: TraceShape;

  constructor(
    shape: TraceShape,
    at: { firstCh: number; firstLun: number; numCh: number; numLun: number },
    sizes: LineSizes,
  ) {
    this.shape = shape;
    this.firstCh = at.firstCh;
    this.firstLun = at.firstLun;
    this.numCh = at.numCh;
    this.numLun = at.numLun;
    this.sizes = sizes;
  }

  /**
   * The layout of a target of `luns` LUNs whose first one is here. A range inside one channel stays there, a
   * longer one takes whole channels; others are refused by Linux, or destroy data. Undefined for those.
   */
  static from(shape: TraceShape, ch: number, lun: number, luns: number): TargetLayout | undefined {
    const sizes = lineSizes(
      shape.numPln * shape.numPg * shape.secsPerPg,
      luns,
      shape.wsOpt,
      shape.secSizeBytes,
    );
    if (!sizes || luns < 1) return undefined;
    if (luns <= shape.numLun - lun)
      return new TargetLayout(shape, { firstCh: ch, firstLun: lun, numCh: 1, numLun: luns }, sizes);
    const numCh = luns / shape.numLun;
    if (lun !== 0 || !Number.isInteger(numCh) || ch + numCh > shape.numCh) return undefined;
    return new TargetLayout(shape, { firstCh: ch, firstLun: 0, numCh, numLun: shape.numLun }, sizes);
  }

  /** Sectors of a block whose positions in the line follow each other. */
  get secsPerRun(): number {
    return this.shape.kind === 'ocssd12' ? this.shape.secsPerPg : this.shape.wsOpt;
  }

  get luns(): number {
    return this.numCh * this.numLun;
  }

  /** Sectors of all its lines: no logical address of the target is as large. */
  get totalSecs(): number {
    return this.sizes.secsPerLine * this.shape.numChk;
  }

  /** First and last LUN as `-b` and `-e` count them. */
  get begin(): number {
    return this.firstCh * this.shape.numLun + this.firstLun;
  }

  get end(): number {
    return this.begin + this.luns - 1;
  }

  contains(ch: number, lun: number): boolean {
    return (
      ch >= this.firstCh &&
      ch < this.firstCh + this.numCh &&
      lun >= this.firstLun &&
      lun < this.firstLun + this.numLun
    );
  }

  /** Position of a LUN in a line (pblk_ppa_to_pos). */
  bitOf(ch: number, lun: number): number {
    return ch - this.firstCh + this.numCh * (lun - this.firstLun);
  }

  /**
   * Position in its line of a sector of a block, counted as pblk counts (pblk_dev_ppa_to_line_addr): ws_opt
   * sectors of one LUN, then of the next channel, then of the next LUN.
   */
  positionOf(ch: number, lun: number, pln: number, sec: number): number {
    const { shape } = this;
    const { wsOpt } = shape;
    let round: number;
    let inUnit: number;
    if (shape.kind === 'ocssd12') {
      const inPage = sec % shape.secsPerPg;
      round = (sec - inPage) / shape.secsPerPg;
      inUnit = pln * shape.secsPerPg + inPage;
    } else {
      inUnit = sec % wsOpt;
      round = (sec - inUnit) / wsOpt;
    }
    return inUnit + wsOpt * (this.bitOf(ch, lun) + this.luns * round);
  }

  /** The block and sector at a position of a line; the inverse of {@link positionOf}. */
  place(line: number, position: number): { block: number; sec: number } {
    const { shape } = this;
    const { wsOpt } = shape;
    const inUnit = position % wsOpt;
    const unit = (position - inUnit) / wsOpt;
    const bit = unit % this.luns;
    const round = (unit - bit) / this.luns;
    const ch = this.firstCh + (bit % this.numCh);
    const lun = this.firstLun + Math.floor(bit / this.numCh);
    if (shape.kind === 'ocssd12') {
      const inPage = inUnit % shape.secsPerPg;
      const pln = (inUnit - inPage) / shape.secsPerPg;
      return { block: blockIndex(shape, ch, lun, line, pln), sec: round * shape.secsPerPg + inPage };
    }
    return { block: blockIndex(shape, ch, lun, line, 0), sec: round * wsOpt + inUnit };
  }

  /** Where the head and the end of a line are, given which of its LUNs have a bad chunk (pblk_line_init_bb). */
  ends(isBad: (bit: number) => boolean): { smetaStart: number; emetaStart: number } {
    const { wsOpt } = this.shape;
    const { smetaSecs, emetaSecs, secsPerLine } = this.sizes;
    let first = 0;
    while (first < this.luns - 1 && isBad(first)) first++;
    const smetaStart = first * wsOpt;
    let at = secsPerLine;
    for (let left = emetaSecs; left > 0 && at >= wsOpt;) {
      at -= wsOpt;
      const isHead = at >= smetaStart && at < smetaStart + smetaSecs;
      if (!isHead && !isBad((at / wsOpt) % this.luns)) left -= wsOpt;
    }
    return { smetaStart, emetaStart: at };
  }
}

/** More of {@link Target.held} than any write buffer has room for. */
export const MAX_HELD = 1 << 16;

/** A pblk instance as its lines show it. */
export interface Target {
  readonly uuid: string;
  readonly layout: TargetLayout;
  /** Where each logical block's newest copy is: block × sectors of a block + sector. */
  readonly map: PagedTable;
  readonly lines: (Line | undefined)[];
  /**
   * Logical blocks that only pblk's write buffer has: garbage collection has read them, and their line was erased before
   * they were written elsewhere (pblk gives a line back as soon as its data is in the buffer, pblk-gc.c pblk_gc_line_ws).
   * To each, the index of the process it was written for.
   */
  readonly held: Map<number, number>;
  /** It has opened a line since the power came on: what it reads of its books from then on is for collecting garbage. */
  live: boolean;
  /** Sectors written for each, smeta and emeta left out of padding. */
  userSecs: number;
  gcSecs: number;
  paddingSecs: number;
  metaSecs: number;
  /** The line that is being written; -1 none. */
  openLine: number;
  /** Name of the block device, once the guest's agent has told; '' before. */
  disk: string;
}

export function newTarget(smeta: Smeta, layout: TargetLayout): Target {
  return {
    uuid: smeta.uuid,
    layout,
    map: new PagedTable(),
    lines: [],
    held: new Map(),
    live: false,
    userSecs: 0,
    gcSecs: 0,
    paddingSecs: 0,
    metaSecs: 0,
    openLine: -1,
    disk: '',
  };
}

export function newLine(id: number, epoch: number, ends: { smetaStart: number; emetaStart: number }): Line {
  return {
    id,
    epoch,
    state: 'free',
    seqNr: 0,
    dataSecs: 0,
    validSecs: 0,
    paddingSecs: 0,
    ...ends,
    openedUs: 0,
    closedUs: 0,
    emeta: undefined,
  };
}
