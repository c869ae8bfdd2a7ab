import type { MapDims } from './flash-map-layout.ts';
import { chunkIndex, type ChunkAddress } from './flash-map-layout.ts';

/** The map's arrays as they come from the worker (MapFrame in src/rpc/protocol.ts). */
export interface BlockChanges {
  readonly block: Uint32Array;
  readonly state: Uint8Array;
  readonly writtenSecs: Uint32Array;
  readonly eraseCount: Uint32Array;
  readonly lastOp: Uint8Array;
}

/** The specification's chunk states, and 0 for "not known yet" (the disk is not powered). */
export const CHUNK_STATE = { unknown: 0, free: 1, closed: 2, open: 4, offline: 8 } as const;
export const STATE_CODES = [
  CHUNK_STATE.open,
  CHUNK_STATE.closed,
  CHUNK_STATE.free,
  CHUNK_STATE.offline,
] as const;
export type StateName = keyof typeof CHUNK_STATE;

export interface StateCounts {
  free: number;
  open: number;
  closed: number;
  offline: number;
}

/** Chunks by state, LUN by LUN. */
export interface LunCounts {
  readonly dims: MapDims;
  countsOfLun(ch: number, lun: number): StateCounts;
}

export interface ChunkOp {
  readonly chunk: number;
  /** 1 read, 2 write, 3 erase. */
  readonly op: number;
}

export function stateName(code: number): StateName {
  switch (code) {
    case CHUNK_STATE.free:
      return 'free';
    case CHUNK_STATE.closed:
      return 'closed';
    case CHUNK_STATE.open:
      return 'open';
    case CHUNK_STATE.offline:
      return 'offline';
    default:
      return 'unknown';
  }
}

/**
 * State of every block, in plain typed arrays (a reactive proxy over 10⁶ numbers would cost more than the
 * drawing), with what the map asks for most kept up to date: a chunk's state over its planes, and counts.
 */
export class FlashMapData implements LunCounts {
  readonly dims: MapDims;
  readonly secsPerBlk: number;
  readonly chunks: number;
  readonly blockState: Uint8Array;
  readonly blockWritten: Uint32Array;
  readonly blockErases: Uint32Array;
  readonly chunkState: Uint8Array;
  /** Rises with every change: who draws compares it. */
  version = 0;
  /** Per LUN (channel-major), four counters in the order free, closed, open, offline. */
  readonly #counts: Uint32Array;
  #changed = new Set<number>();

  constructor(dims: MapDims) {
    this.dims = dims;
    this.secsPerBlk = dims.numPg * dims.secsPerPg;
    this.chunks = dims.numCh * dims.numLun * dims.numChk;
    const blocks = this.chunks * dims.numPln;
    this.blockState = new Uint8Array(blocks);
    this.blockWritten = new Uint32Array(blocks);
    this.blockErases = new Uint32Array(blocks);
    this.chunkState = new Uint8Array(this.chunks);
    this.#counts = new Uint32Array(dims.numCh * dims.numLun * 4);
  }

  /** Takes over the changes; returns the chunks that something was done to, for the glow. */
  apply(frame: BlockChanges): ChunkOp[] {
    const ops: ChunkOp[] = [];
    const { numPln } = this.dims;
    for (let i = 0; i < frame.block.length; i++) {
      const block = frame.block[i] as number;
      // A frame of another shape that was still on its way: not ours.
      if (block >= this.blockState.length) continue;
      this.blockState[block] = frame.state[i] as number;
      this.blockWritten[block] = frame.writtenSecs[i] as number;
      this.blockErases[block] = frame.eraseCount[i] as number;
      this.#changed.add(block);
      const chunk = Math.floor(block / numPln);
      this.#recount(chunk);
      const op = frame.lastOp[i] as number;
      if (op !== 0) ops.push({ chunk, op });
    }
    this.version++;
    return ops;
  }

  /** Blocks that changed since the last call, each once. */
  takeChanged(): readonly number[] {
    const list = [...this.#changed];
    this.#changed.clear();
    return list;
  }

  countsOfLun(ch: number, lun: number): StateCounts {
    const at = (ch * this.dims.numLun + lun) * 4;
    const c = this.#counts;
    return {
      free: c[at] as number,
      closed: c[at + 1] as number,
      open: c[at + 2] as number,
      offline: c[at + 3] as number,
    };
  }

  totals(): StateCounts {
    const sum = { free: 0, closed: 0, open: 0, offline: 0 };
    for (let ch = 0; ch < this.dims.numCh; ch++)
      for (let lun = 0; lun < this.dims.numLun; lun++) {
        const c = this.countsOfLun(ch, lun);
        sum.free += c.free;
        sum.closed += c.closed;
        sum.open += c.open;
        sum.offline += c.offline;
      }
    return sum;
  }

  stateOf(at: ChunkAddress): StateName {
    return stateName(this.chunkState[chunkIndex(this.dims, at)] ?? 0);
  }

  /** Sectors written over all planes. */
  writtenOf(at: ChunkAddress): number {
    const first = chunkIndex(this.dims, at) * this.dims.numPln;
    let sum = 0;
    for (let p = 0; p < this.dims.numPln; p++) sum += this.blockWritten[first + p] ?? 0;
    return sum;
  }

  #recount(chunk: number): void {
    const before = this.chunkState[chunk] as number;
    const after = this.#combined(chunk);
    if (before === after) return;
    const { numCh, numLun } = this.dims;
    const lun = chunk % numLun;
    const ch = ((chunk - lun) / numLun) % numCh;
    const at = (ch * numLun + lun) * 4;
    if (before !== 0) this.#bump(at + slot(before), -1);
    if (after !== 0) this.#bump(at + slot(after), 1);
    this.chunkState[chunk] = after;
  }

  #bump(counter: number, by: number): void {
    this.#counts[counter] = (this.#counts[counter] ?? 0) + by;
  }

  /** One word for all planes: the worst wins, and a chunk that is part written is open. */
  #combined(chunk: number): number {
    const { numPln } = this.dims;
    let seen = 0;
    for (let p = 0; p < numPln; p++) seen |= this.blockState[chunk * numPln + p] as number;
    if (seen & CHUNK_STATE.offline) return CHUNK_STATE.offline;
    if (seen === CHUNK_STATE.free || seen === CHUNK_STATE.closed || seen === 0) return seen;
    return CHUNK_STATE.open;
  }
}

function slot(state: number): number {
  return state === CHUNK_STATE.free
    ? 0
    : state === CHUNK_STATE.closed
      ? 1
      : state === CHUNK_STATE.open
        ? 2
        : 3;
}

/**
 * "LUN 0: 3 open, 28 free", a line a LUN: what a screen reader and the tests read instead of pixels.
 * @param parts what a channel and a LUN are called; in 2.0 they are groups and PUs.
 */
export function summarize(
  data: LunCounts,
  words: Record<keyof StateCounts, string>,
  [chWord, lunWord]: readonly [string, string] = ['ch', 'LUN'],
): string[] {
  const lines: string[] = [];
  const order = ['open', 'closed', 'offline', 'free'] as const;
  for (let ch = 0; ch < data.dims.numCh; ch++) {
    for (let lun = 0; lun < data.dims.numLun; lun++) {
      const counts = data.countsOfLun(ch, lun);
      const said = order.filter((s) => counts[s] > 0).map((s) => `${counts[s]} ${words[s]}`);
      const where = data.dims.numCh > 1 ? `${chWord} ${ch} ${lunWord} ${lun}` : `${lunWord} ${lun}`;
      lines.push(`${where}: ${said.join(', ') || '–'}`);
    }
  }
  return lines;
}
