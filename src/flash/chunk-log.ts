import { ChunkState } from '../spec/ocssd12.ts';
import { CHUNK_DESCRIPTOR_BYTES, CHUNK_TYPE_SEQUENTIAL, chunkDescriptor } from '../spec/ocssd20.ts';
import { blockIndex } from './address.ts';
import type { ChunkFlash } from './chunk-flash.ts';

const TWO_32 = 4_294_967_296;
/** Descriptors made at a time. */
const PIECE = 128;
const { state, type, wearIndex, slba, cnlb, wp } = chunkDescriptor.fields;

/** Bytes of the chunk information log: a descriptor for each chunk. */
export function chunkLogBytes(flash: ChunkFlash): number {
  return flash.table.totalBlks * CHUNK_DESCRIPTOR_BYTES;
}

/**
 * Makes `length` bytes of the chunk information log from byte `offset` on, in pieces: `put` gets each with its
 * position among the bytes asked for. The pieces are borrowed. The bytes are inside the log.
 */
export function chunkLog(
  flash: ChunkFlash,
  offset: number,
  length: number,
  put: (at: number, bytes: Uint8Array) => void,
): void {
  const end = offset + length;
  const piece = new Uint8Array(PIECE * CHUNK_DESCRIPTOR_BYTES);
  const view = new DataView(piece.buffer);
  let at = offset;
  while (at < end) {
    const first = Math.floor(at / CHUNK_DESCRIPTOR_BYTES);
    const last = Math.min(first + PIECE, Math.ceil(end / CHUNK_DESCRIPTOR_BYTES));
    for (let i = first; i < last; i++)
      putChunkDescriptor(flash, blockInLog(flash, i), view, (i - first) * CHUNK_DESCRIPTOR_BYTES);
    const from = at - first * CHUNK_DESCRIPTOR_BYTES;
    const to = Math.min(end, last * CHUNK_DESCRIPTOR_BYTES) - first * CHUNK_DESCRIPTOR_BYTES;
    put(at - offset, piece.subarray(from, to));
    at += to - from;
  }
}

/**
 * The block of the log's `index`-th chunk: chunks of a parallel unit are neighbours, then come parallel units,
 * then groups (Linux nvme_nvm_get_chk_meta computes its offsets that way).
 */
function blockInLog({ geometry: g }: ChunkFlash, index: number): number {
  const chk = index % g.numChk;
  const puIndex = (index - chk) / g.numChk;
  const pu = puIndex % g.numLun;
  return blockIndex(g, (puIndex - pu) / g.numLun, pu, chk, 0);
}

/** One chunk's descriptor. The write pointer of an offline chunk is no pointer: all ones, as in qemu-nvme. */
export function putChunkDescriptor(flash: ChunkFlash, block: number, view: DataView, at: number): void {
  const { table } = flash;
  view.setUint8(at + state.offset, table.state[block] ?? 0);
  view.setUint8(at + type.offset, CHUNK_TYPE_SEQUENTIAL);
  view.setUint8(at + wearIndex.offset, flash.wear.index(block));
  put64(view, at + slba.offset, flash.address.lbaOf(block, 0));
  put64(view, at + cnlb.offset, flash.geometry.secsPerBlk);
  if (table.state[block] === ChunkState.offline) view.setBigUint64(at + wp.offset, 0xffff_ffff_ffff_ffffn);
  else put64(view, at + wp.offset, table.written(block));
}

function put64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO_32, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}
