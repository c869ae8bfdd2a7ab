/**
 * From a size to chunks, by the formula of qemu-nvme, branch ocssd12 (hw/block/nvme.c, ns_blks and
 * lightnvm_init): every sector of the file costs its data and 8 bytes of an L2P entry.
 */
import type { Geometry } from '../flash/geometry.ts';

/** What the original reserves for each sector besides its data: one 64-bit entry of its own L2P table. */
const L2P_ENTRY_BYTES = 8;

/** A geometry before the size has said how many chunks there are. */
export type ChunkShape = Omit<Geometry, 'numChk'>;

/** Bytes of backing file that one chunk in every LUN costs. */
export function fileBytesPerLine(shape: ChunkShape): number {
  const secsPerLine = shape.numCh * shape.numLun * shape.numPln * shape.numPg * shape.secsPerPg;
  return secsPerLine * (shape.secSizeBytes + L2P_ENTRY_BYTES);
}

/**
 * Chunks in one LUN. The original divides in steps, which floors to the same number, and forgets the
 * channels, of which it has only one; it also cuts the blocks of a channel to 16 bits, which is not
 * repeated here.
 */
export function chunksPerLun(shape: ChunkShape, sizeBytes: number): number {
  return Math.floor(sizeBytes / fileBytesPerLine(shape));
}

/** The smallest comfortable size, in bytes, that gives at least so many chunks: whole GiB, else whole MiB. */
export function sizeForChunks(shape: ChunkShape, chunks: number): number {
  const least = fileBytesPerLine(shape) * chunks;
  const unit = least > 2 ** 30 ? 2 ** 30 : 2 ** 20;
  return Math.ceil(least / unit) * unit;
}

/** The largest comfortable size, in bytes, that gives at most so many chunks. */
export function largestSizeForChunks(shape: ChunkShape, chunks: number): number {
  const most = fileBytesPerLine(shape) * (chunks + 1) - 1;
  const unit = most > 2 ** 31 ? 2 ** 30 : 2 ** 20;
  return Math.floor(most / unit) * unit;
}
