import type { Geometry } from './geometry.ts';

/** What the flash of an open-channel 2.0 disk is made of. */
export interface ChunkOptions {
  /**
   * In the words of 1.2: groups are channels, parallel units are LUNs, there is one plane, and a page is what
   * is stored together (ws_opt sectors where that divides a chunk, else ws_min).
   */
  readonly geometry: Geometry;
  readonly writeRules: ChunkWriteRules;
  /** MCCAP of the geometry: bit 0 vector copy, bit 1 a free chunk may be reset again. */
  readonly mccap: number;
  /** Program/erase cycles after which a chunk's wear index has reached 255 (`pe_cycles`). 0: wear is not counted. */
  readonly peCycles: number;
  /** How far a chunk's wear index may be from the average (WIT) before that is noticed. */
  readonly wearIndexThreshold: number;
  /** Chunks that may be open at once: in all (MAXOC) and in one parallel unit (MAXOCPU). 0: no limit. */
  readonly maxOpenChunks: number;
  readonly maxOpenChunksPerPu: number;
  /** Whether an open chunk may be reset (qemu-nvme `learly_reset`); else that is an invalid reset. */
  readonly earlyReset: boolean;
  /** What unwritten sectors read as (DLFEAT bits 0 to 2): 1 zeros, 2 FFh bytes, 0 not said (zeros here). */
  readonly deallocatedReads: number;
  readonly faults: ChunkFaults;
  /** States and wear that chunks begin with on a new disk. */
  readonly initialChunks: readonly InitialChunk[];
}

/** ws_min, ws_opt and mw_cunits of the 2.0 geometry, in sectors. */
export interface ChunkWriteRules {
  readonly wsMin: number;
  readonly wsOpt: number;
  /** Sectors below the write pointer of an open chunk that cannot be read yet. */
  readonly mwCunits: number;
}

/** Where commands fail on purpose; undefined parts of a place mean any. Probabilities from 0 to 100 percent. */
export interface ChunkFaults {
  readonly writes: readonly ChunkFault[];
  readonly resets: readonly ChunkFault[];
}

export interface ChunkFault {
  readonly grp?: number;
  readonly pu?: number;
  readonly chk?: number;
  /** For writes only: the sector in the chunk. */
  readonly sec?: number;
  readonly percent: number;
}

export interface InitialChunk {
  readonly grp?: number;
  readonly pu?: number;
  readonly chk?: number;
  readonly state?: 'free' | 'closed' | 'open' | 'offline';
  readonly wearIndex?: number;
  /** Sectors already written, for open chunks. */
  readonly writePointer?: number;
}
