import type { BlockCells } from '../../trace/cells.ts';
import { CHUNK_STATE } from './flash-map-data.ts';
import { targetsByUnit, type MapLayer, type MapSource } from './flash-map-source.ts';

/**
 * What a pixel of the map means, as a number below 256; flash-map-looks.ts says how it looks. Where several cells
 * share a pixel the larger number is shown, and shares of a chunk are stacked from the smallest number up.
 */
export const Code = {
  none: 0,
  free: 1,
  /** Nothing is known: the disk is not powered. */
  unknownState: 2,
  closedTint: 10,
  closed: 11,
  openTint: 12,
  open: 13,
  /** A chunk from afar: how much of what was written is still valid, in eight steps. */
  share: 20,
  valid: 30,
  validGc: 31,
  stale: 32,
  unknown: 33,
  padding: 34,
  smeta: 35,
  emeta: 36,
  /** Written for a user of the target with that index, modulo four. */
  user: 40,
  ownerUnknown: 44,
  gc: 45,
  pblk: 46,
  /** From {@link AGE_MS}; the first is the youngest. */
  age: 50,
  ageBefore: 56,
  wear: 60,
  /** Read, write, erase: FADES steps each, the first the freshest. */
  operation: 100,
  /** Erased, in a block that holds something. */
  unwritten: 240,
  offline: 250,
} as const;

export const SHARES = 8;
export const USERS = 4;
/** Ages up to which a class goes, milliseconds; the last class has no end. */
export const AGE_MS = [1_000, 10_000, 60_000, 600_000, 3_600_000] as const;
export const AGES = AGE_MS.length + 1;
export const WEARS = 32;
/** How long ago an operation was, for its fading. */
export const FADE_MS = [400, 2_000, 10_000, 60_000] as const;
export const FADES = FADE_MS.length + 1;

/** CellKind (src/trace/cells.ts) as codes. */
const BY_KIND = Uint8Array.of(
  Code.unwritten,
  Code.valid,
  Code.stale,
  Code.padding,
  Code.smeta,
  Code.emeta,
  Code.unknown,
);
const KIND_VALID = 1;
const OWNER_GC = 2;
const OWNER_PBLK = 3;
const OWNER_USER = 1;
/** The upper bits of an owner are the model's own notes (OWNER_MASK in src/trace/known-flash.ts). */
const OWNER_BITS = 0x7f;

/** A layer at a moment: what is needed to tell a cell's code. */
export interface LayerContext {
  readonly source: MapSource;
  readonly layer: MapLayer;
  readonly nowMs: number;
  /** Erases that the strongest colour of the wear layer stands for. */
  readonly wearTop: number;
  readonly targetOfUnit: Int8Array;
}

export function layerContext(source: MapSource, layer: MapLayer, wearTop: number): LayerContext {
  return { source, layer, nowMs: source.nowUs / 1000, wearTop, targetOfUnit: targetsByUnit(source) };
}

/** Whether the layer says something of each sector, and not only of a block. */
export function isOfSectors(layer: MapLayer): boolean {
  return layer === 'validity' || layer === 'age' || layer === 'owner';
}

/** Codes of a block's sectors, into `out[0 … secsPerBlk - 1]`. */
export function sectorCodes(c: LayerContext, block: number, out: Uint8Array): void {
  const { source } = c;
  const secs = source.secsPerBlk;
  const state = source.state[block] ?? 0;
  if (state === CHUNK_STATE.offline || state === CHUNK_STATE.unknown) {
    out.fill(state === CHUNK_STATE.offline ? Code.offline : Code.unknownState, 0, secs);
    return;
  }
  const written = Math.min(secs, source.writtenSecs[block] ?? 0);
  out.fill(Code.unwritten, written, secs);
  const cells = source.model?.cellsOf(block);
  switch (c.layer) {
    case 'validity':
      if (cells) validityCodes(cells, written, out);
      else out.fill(Code.unknown, 0, written);
      break;
    case 'owner':
      if (cells) ownerCodes(cells, written, userCode(c, block), out);
      else out.fill(Code.ownerUnknown, 0, written);
      break;
    case 'age':
      if (cells) ageCodes(cells, written, c.nowMs, out);
      else out.fill(Code.ageBefore, 0, written);
      break;
    case 'state':
      out.fill(state === CHUNK_STATE.closed ? Code.closed : Code.open, 0, written);
      break;
    default:
      out.fill(blockCode(c, block), 0, c.layer === 'wear' ? secs : written || secs);
  }
}

function validityCodes(cells: BlockCells, written: number, out: Uint8Array): void {
  const { kind, owner } = cells;
  for (let i = 0; i < written; i++) {
    const k = kind[i] as number;
    out[i] =
      k === KIND_VALID && ((owner[i] as number) & OWNER_BITS) === OWNER_GC
        ? Code.validGc
        : (BY_KIND[k] as number);
  }
}

function ownerCodes(cells: BlockCells, written: number, user: number, out: Uint8Array): void {
  const codes = Uint8Array.of(Code.ownerUnknown, user, Code.gc, Code.pblk);
  for (let i = 0; i < written; i++)
    out[i] = codes[(cells.owner[i] as number) & OWNER_BITS] ?? Code.ownerUnknown;
}

function ageCodes(cells: BlockCells, written: number, nowMs: number, out: Uint8Array): void {
  for (let i = 0; i < written; i++) out[i] = ageCode(cells.writtenMs[i] as number, nowMs);
}

export function ageCode(writtenMs: number, nowMs: number): number {
  if (writtenMs === 0) return Code.ageBefore;
  const age = nowMs - writtenMs;
  let step = 0;
  while (step < AGE_MS.length && age > (AGE_MS[step] as number)) step++;
  return Code.age + step;
}

export function operationCode(operation: number, atMs: number, nowMs: number): number {
  const age = nowMs - atMs;
  let step = 0;
  while (step < FADE_MS.length && age > (FADE_MS[step] as number)) step++;
  return Code.operation + (operation - 1) * FADES + step;
}

function userCode(c: LayerContext, block: number): number {
  const { numPln, numCh, numLun } = c.source.dims;
  const unit = Math.floor(block / numPln) % (numCh * numLun);
  return Code.user + (Math.max(0, c.targetOfUnit[unit] ?? 0) % USERS);
}

/** The code of a block as a whole, in the layers that say no more. */
export function blockCode(c: LayerContext, block: number): number {
  const { source } = c;
  const state = source.state[block] ?? 0;
  if (state === CHUNK_STATE.offline) return Code.offline;
  if (state === CHUNK_STATE.unknown) return Code.unknownState;
  if (c.layer === 'wear') {
    const erases = source.eraseCount[block] ?? 0;
    if (erases === 0) return Code.free;
    return Code.wear + Math.min(WEARS - 1, Math.floor((erases * (WEARS - 1)) / Math.max(1, c.wearTop)));
  }
  if (c.layer === 'operation') {
    const operation = source.model?.lastOperation[block] ?? 0;
    if (operation === 0) return Code.free;
    return operationCode(operation, (source.model?.lastOperationUs[block] ?? 0) / 1000, c.nowMs);
  }
  return state === CHUNK_STATE.free ? Code.free : state === CHUNK_STATE.closed ? Code.closed : Code.open;
}

/** One code for a whole chunk, for when it is a dot; planes of a kind count together. */
export function dotCode(c: LayerContext, chunk: number): number {
  const { source } = c;
  const { numPln } = source.dims;
  const first = chunk * numPln;
  if (c.layer === 'wear' || c.layer === 'operation') {
    let strongest = 0;
    for (let p = 0; p < numPln; p++) strongest = Math.max(strongest, blockCode(c, first + p));
    return strongest;
  }
  const state = chunkStateOf(source, chunk);
  if (state === CHUNK_STATE.offline) return Code.offline;
  if (state === CHUNK_STATE.unknown) return Code.unknownState;
  if (c.layer === 'state')
    return state === CHUNK_STATE.free ? Code.free : state === CHUNK_STATE.closed ? Code.closed : Code.open;
  let written = 0;
  let valid = 0;
  let isKnown = false;
  for (let p = 0; p < numPln; p++) {
    written += source.writtenSecs[first + p] ?? 0;
    const cells = source.model?.cellsOf(first + p);
    if (!cells) continue;
    isKnown = true;
    valid += cells.valid;
  }
  if (written === 0) return Code.free;
  if (c.layer === 'validity')
    return isKnown ? Code.share + Math.round(((SHARES - 1) * valid) / written) : Code.unknown;
  if (c.layer === 'age') return ageCode(newestMs(source, chunk), c.nowMs);
  return mostFrequent(c, first);
}

/** When the chunk was written last: blocks are written from the front, so it is the last sector's time. */
export function newestMs(source: MapSource, chunk: number): number {
  const { numPln } = source.dims;
  let newest = 0;
  for (let block = chunk * numPln; block < (chunk + 1) * numPln; block++) {
    const written = source.writtenSecs[block] ?? 0;
    if (written > 0) newest = Math.max(newest, source.model?.cellsOf(block)?.writtenMs[written - 1] ?? 0);
  }
  return newest;
}

/** Sectors looked at to tell whose a chunk mostly is when it is a dot. */
const SAMPLES = 24;

function mostFrequent(c: LayerContext, first: number): number {
  const votes = new Uint8Array(4);
  for (let p = 0; p < c.source.dims.numPln; p++) {
    const written = c.source.writtenSecs[first + p] ?? 0;
    const owner = c.source.model?.cellsOf(first + p)?.owner;
    for (let i = 0; i < SAMPLES && written > 0; i++) {
      const who = owner ? (owner[Math.floor(((i + 0.5) * written) / SAMPLES)] as number) & OWNER_BITS : 0;
      votes[who] = (votes[who] ?? 0) + 1;
    }
  }
  const winner = votes.indexOf(Math.max(...votes));
  return winner === OWNER_USER
    ? userCode(c, first)
    : winner === OWNER_GC
      ? Code.gc
      : winner === OWNER_PBLK
        ? Code.pblk
        : Code.ownerUnknown;
}

/** One word for all planes: the worst wins, and a chunk that is part written is open. */
export function chunkStateOf(source: MapSource, chunk: number): number {
  const { numPln } = source.dims;
  let seen = 0;
  for (let p = 0; p < numPln; p++) seen |= source.state[chunk * numPln + p] as number;
  if (seen & CHUNK_STATE.offline) return CHUNK_STATE.offline;
  if (seen === CHUNK_STATE.free || seen === CHUNK_STATE.closed || seen === 0) return seen;
  return CHUNK_STATE.open;
}

export function writtenOfChunk(source: MapSource, chunk: number): number {
  const { numPln } = source.dims;
  let sum = 0;
  for (let p = 0; p < numPln; p++) sum += source.writtenSecs[chunk * numPln + p] ?? 0;
  return sum;
}

/** The end of the wear scale: a round number that is not smaller than any erase count. */
export function wearTopOf(eraseCount: Uint32Array): number {
  let most = 0;
  for (const erases of eraseCount) if (erases > most) most = erases;
  for (let decade = 1; ; decade *= 10)
    for (const step of [1, 2, 5]) if (step * decade >= most && step * decade >= 5) return step * decade;
}
