/** The geometry of an open-channel disk from its options and its size, or why there is none. */
import { addressFormat } from '../flash/address.ts';
import type { Geometry } from '../flash/geometry.ts';
import { smallestSizeForPblk } from './report-advice.ts';
import { type ChunkShape, chunksPerLun, largestSizeForChunks, sizeForChunks } from './size-chunks.ts';
import { formatSize } from './size.ts';

/** Blocks (chunk × plane) of a device: bounds the block table and what it costs to open a disk. */
export const MAX_BLOCKS = 2 ** 20;
/** `num_chk` of the 1.2 identity is 16 bits wide. */
const MAX_CHUNKS = 0xffff;

export type GeometryResult =
  | { readonly ok: true; readonly geometry: Geometry }
  | { readonly ok: false; readonly error: string; readonly option?: string };

/** Gives the shape its chunks and refuses what 1.2 cannot say or this program does not hold. */
export function geometryFor(shape: ChunkShape, sizeBytes: number): GeometryResult {
  const pageBytes = shape.secsPerPg * shape.secSizeBytes;
  if (pageBytes > 0xffff) {
    return {
      ok: false,
      option: 'lsecs_per_pg',
      error: `lsecs_per_pg=${shape.secsPerPg} makes pages of ${pageBytes} bytes, more than the 65,535 that 1.2 can say: lsecs_per_pg=8 is the most that works.`,
    };
  }
  const numChk = chunksPerLun(shape, sizeBytes);
  const given = formatSize(sizeBytes);
  if (numChk < 1) {
    const least = formatSize(sizeForChunks(shape, 1));
    const pblk = smallestSizeForPblk(shape);
    const more = pblk === undefined ? '' : `, and ${formatSize(pblk)} works with pblk`;
    return {
      ok: false,
      error: `The size ${given} is too small for one chunk in each of the ${shape.numCh * shape.numLun} LUNs: ${least} is the least${more}.`,
    };
  }
  const blocksPerChunk = shape.numCh * shape.numLun * shape.numPln;
  const most = Math.min(MAX_CHUNKS, Math.floor(MAX_BLOCKS / blocksPerChunk));
  if (numChk > most) {
    const limit =
      most === MAX_CHUNKS
        ? `1.2 can say at most ${MAX_CHUNKS}`
        : `${MAX_BLOCKS} blocks in all are the most this program holds`;
    return {
      ok: false,
      error: `The size ${given} gives ${numChk} chunks in each LUN, but ${limit}: ${formatSize(largestSizeForChunks(shape, most))} works, and so do more lpgs_per_blk.`,
    };
  }
  const geometry: Geometry = { ...shape, numChk };
  const { totalBits } = addressFormat(geometry);
  if (totalBits > 32) {
    return {
      ok: false,
      error: `This geometry needs addresses of ${totalBits} bits, but user programs pass 32: a size or a count halved ${totalBits - 32} times works.`,
    };
  }
  return { ok: true, geometry };
}
