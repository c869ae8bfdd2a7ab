/** Finding what works instead: every piece of advice was tried on the model before it is given. */
import type { Geometry } from '../flash/geometry.ts';
import { isPowerOfTwo, lunRange } from './report-luns.ts';
import { DEFAULT_MEMORY_BYTES } from './report-memory.ts';
import type { ChunkWriteRules } from '../flash/chunk-options.ts';
import type { FactoryChunks } from './report-factory.ts';
import { MAX_OP, MIN_OP } from './report-lines.ts';
import { createTarget, type PblkAnswer } from './report-pblk.ts';
import { type ChunkShape, chunksPerLun, fileBytesPerLine, sizeForChunks } from './size-chunks.ts';
import { formatSize } from './size.ts';

/** One `nvme lnvm create` on one disk. */
export interface CreateTrial {
  readonly geometry: Geometry;
  /** Of a device of 2.0, whose counts are not made from a size; undefined for 1.2. */
  readonly writeRules?: ChunkWriteRules | undefined;
  readonly factory?: FactoryChunks | undefined;
  readonly mdts: number;
  readonly maxSecsPerRq: number;
  readonly lunBegin: number;
  readonly lunEnd: number;
  readonly op: number | undefined;
  readonly memoryBytes: number;
}

/** @returns undefined when the LUNs are out of bounds. */
export function tryCreate(trial: CreateTrial): PblkAnswer | undefined {
  const range = lunRange(trial.geometry.numCh, trial.geometry.numLun, trial.lunBegin, trial.lunEnd);
  return range === undefined ? undefined : createTarget({ ...trial, range });
}

/** Succeeds, and the target can be used without losing data. */
export function works(trial: CreateTrial): boolean {
  const answer = tryCreate(trial);
  return answer !== undefined && answer.failure === undefined && answer.danger === undefined;
}

/** Stops searches that could go on for long; no useful geometry needs more lines than this to work. */
const MOST_CHUNKS_TRIED = 2048;

/** Enough lines for any range that works at all. */
const PLENTY_OF_CHUNKS = 64;

/** The least number of chunks in a LUN, above the present one, with which it works. */
function moreChunks(trial: CreateTrial): number | undefined {
  const { geometry } = trial;
  for (
    let numChk = geometry.numChk + 1;
    numChk <= Math.min(0xffff, geometry.numChk + MOST_CHUNKS_TRIED);
    numChk += 1
  ) {
    if (works({ ...trial, geometry: { ...geometry, numChk } })) return numChk;
  }
  return undefined;
}

/**
 * A number of chunks in a LUN, below the present one, with which it works: the largest one, or for large
 * numbers one within a two-thousandth of it, so that a page may ask at every keystroke.
 */
function fewerChunks(trial: CreateTrial): number | undefined {
  const { geometry } = trial;
  const from = Math.min(0xffff, geometry.numChk);
  const step = Math.ceil(from / MOST_CHUNKS_TRIED);
  for (let numChk = from - step; numChk > 0; numChk -= step) {
    if (works({ ...trial, geometry: { ...geometry, numChk } })) return numChk;
  }
  return undefined;
}

/** How many LUNs a range may have: with 1.2 powers of two; with 2.0 also whole groups, and what was asked. */
function countsUpTo(total: number, trial: CreateTrial): readonly number[] {
  const counts = new Set<number>();
  for (let count = 1; count <= total; count *= 2) counts.add(count);
  if (trial.writeRules !== undefined) {
    for (const count of [trial.geometry.numLun, total, trial.lunEnd - trial.lunBegin + 1])
      if (Number.isInteger(count) && count >= 1 && count <= total) counts.add(count);
  }
  return [...counts].sort((a, b) => a - b);
}

/** The LUN range nearest to the one asked for that works: first the count, then the place. */
export function nearestRange(
  trial: CreateTrial,
): { readonly begin: number; readonly end: number } | undefined {
  const { numCh, numLun } = trial.geometry;
  const total = numCh * numLun;
  const askedBegin = Math.min(Math.max(0, Math.trunc(trial.lunBegin) || 0), total - 1);
  const asked = Math.max(1, Math.min(total, Math.trunc(trial.lunEnd) || 0) - askedBegin + 1);
  let best: { begin: number; end: number; far: number } | undefined;
  for (const count of countsUpTo(total, trial)) {
    const starts = new Set([
      askedBegin,
      askedBegin - (askedBegin % count),
      askedBegin - (askedBegin % numLun),
      total - count,
      0,
    ]);
    for (const begin of starts) {
      const end = begin + count - 1;
      if (begin < 0 || end >= total) continue;
      // Larger counts win a tie: nobody asked for less room.
      const far =
        Math.abs(count - asked) * 4 * total + Math.abs(begin - askedBegin) - (count > asked ? 1 : 0);
      if ((best === undefined || far < best.far) && works({ ...trial, lunBegin: begin, lunEnd: end })) {
        best = { begin, end, far };
      }
    }
  }
  return best;
}

export function adviseRange(trial: CreateTrial): string | undefined {
  const range = nearestRange(trial);
  return range === undefined ? undefined : `-b ${range.begin} -e ${range.end} works`;
}

/** A larger disk. */
export function adviseLarger(trial: CreateTrial): string | undefined {
  const chunks = moreChunks(trial);
  return chunks === undefined ? undefined : `with ${moreText(trial, chunks)} it works`;
}

/** The same disk with fewer and larger chunks. */
export function adviseLargerChunks(trial: CreateTrial): string | undefined {
  let { numPg, numChk } = trial.geometry;
  while (numPg * 2 <= 0xffff && numChk >= 2) {
    numPg *= 2;
    numChk = Math.floor(numChk / 2);
    if (works({ ...trial, geometry: { ...trial.geometry, numPg, numChk } }))
      return trial.writeRules === undefined
        ? `lpgs_per_blk=${numPg} works`
        : `with ${numChk} chunks of ${secsOf(trial, numPg)} sectors it works`;
  }
  return undefined;
}

/** Larger chunks and a larger disk. */
export function adviseLargerBoth(trial: CreateTrial): string | undefined {
  for (let numPg = trial.geometry.numPg * 2; numPg <= 0xffff; numPg *= 2) {
    const geometry = { ...trial.geometry, numPg, numChk: 0 };
    const chunks = moreChunks({ ...trial, geometry });
    if (chunks === undefined) continue;
    return trial.writeRules === undefined
      ? `lpgs_per_blk=${numPg} with --size ${sizeText(geometry, chunks)} works`
      : `with ${chunks} chunks of ${secsOf(trial, numPg)} sectors it works`;
  }
  return undefined;
}

/** Other LUNs and a larger disk. */
export function adviseRangeAndSize(trial: CreateTrial): string | undefined {
  const range = nearestRange({ ...trial, geometry: { ...trial.geometry, numChk: PLENTY_OF_CHUNKS } });
  if (range === undefined) return undefined;
  const chunks = moreChunks({ ...trial, lunBegin: range.begin, lunEnd: range.end });
  return chunks === undefined
    ? undefined
    : `-b ${range.begin} -e ${range.end} with ${moreText(trial, chunks)} works`;
}

/** A smaller disk. */
export function adviseSmaller(trial: CreateTrial): string | undefined {
  const chunks = fewerChunks(trial);
  if (chunks === undefined) return undefined;
  return trial.writeRules === undefined
    ? `with --size ${sizeTextAtMost(trial.geometry, chunks)} it works`
    : `with ${chunks} chunks in each parallel unit it works`;
}

/** More chunks, as they are asked for: with 1.2 by the size, with 2.0 by their number. */
function moreText(trial: CreateTrial, chunks: number): string {
  return trial.writeRules === undefined
    ? `--size ${sizeText(trial.geometry, chunks)}`
    : `${chunks} chunks in each parallel unit`;
}

function secsOf({ geometry }: CreateTrial, numPg: number): number {
  return numPg * geometry.secsPerPg;
}

function sizeText(shape: ChunkShape, chunks: number): string {
  return formatSize(sizeForChunks(shape, chunks));
}

function sizeTextAtMost(shape: ChunkShape, chunks: number): string {
  const least = sizeForChunks(shape, chunks);
  // Rounding up must not add the chunk that is too many.
  return formatSize(chunksPerLun(shape, least) === chunks ? least : fileBytesPerLine(shape) * chunks);
}

/** The percentage nearest to the one given that works. */
export function adviseOp(trial: CreateTrial): string | undefined {
  const given = trial.op ?? MIN_OP;
  const percents = Array.from({ length: MAX_OP - MIN_OP + 1 }, (_, i) => MIN_OP + i);
  percents.sort((a, b) => Math.abs(a - given) - Math.abs(b - given));
  const op = percents.find((percent) => works({ ...trial, op: percent }));
  return op === undefined ? undefined : `-o ${op} works`;
}

export function adviseMdts(trial: CreateTrial): string | undefined {
  for (let mdts = trial.mdts + 1; mdts <= 10; mdts += 1) {
    if (works({ ...trial, mdts })) return `mdts=${mdts} works`;
  }
  return undefined;
}

export function adviseMemory(trial: CreateTrial): string | undefined {
  for (let mib = 128; mib <= 1024; mib *= 2) {
    const memoryBytes = mib * 2 ** 20;
    if (memoryBytes > trial.memoryBytes && works({ ...trial, memoryBytes }))
      return `with --memory ${mib} it works`;
  }
  return undefined;
}

export function adviseOob(trial: CreateTrial): string | undefined {
  if (!works({ ...trial, geometry: { ...trial.geometry, oobSizeBytes: 16 } })) return undefined;
  return trial.writeRules === undefined
    ? 'lmetasize=16 works'
    : 'with 16 bytes of metadata for each sector it works';
}

/** A smaller optimal write, for chunks that the present one does not divide. */
export function adviseWrites(trial: CreateTrial): string | undefined {
  const { writeRules, geometry } = trial;
  if (writeRules === undefined) return undefined;
  const { wsMin, mwCunits } = writeRules;
  for (let wsOpt = writeRules.wsOpt - wsMin; wsOpt >= wsMin; wsOpt -= wsMin) {
    if ((geometry.numPg * geometry.secsPerPg) % wsOpt !== 0) continue;
    if (works({ ...trial, writeRules: { wsMin, wsOpt, mwCunits } }))
      return `an optimal write of ${wsOpt} sectors works`;
  }
  return undefined;
}

/** A target over the whole device, as a disk without further options has it. */
function wholeDevice(geometry: Geometry): CreateTrial {
  const memoryBytes = DEFAULT_MEMORY_BYTES;
  return { geometry, mdts: 10, maxSecsPerRq: 64, lunBegin: -1, lunEnd: -1, op: undefined, memoryBytes };
}

/** The smallest size, in bytes, at which pblk works over all LUNs of a shape; undefined when none does. */
export function smallestSizeForPblk(shape: ChunkShape): number | undefined {
  if (!isPowerOfTwo(shape.numCh) || !isPowerOfTwo(shape.numLun)) return undefined;
  const chunks = moreChunks(wholeDevice({ ...shape, numChk: 0 }));
  return chunks === undefined ? undefined : sizeForChunks(shape, chunks);
}
