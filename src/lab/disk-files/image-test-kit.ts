/** Images byte by byte, for tests: after the structures of qemu-nvme, not by the code that they test. */
import { crc32 } from '../../storage/checksum.ts';

export interface OcssdRecipe {
  readonly numGrp: number;
  readonly numPu: number;
  readonly numChk: number;
  readonly clba: number;
  readonly mdBytes: number;
  readonly wsMin: number;
  readonly wsOpt: number;
  readonly mwCunits: number;
}

export const smallRecipe: OcssdRecipe = {
  numGrp: 2,
  numPu: 2,
  numChk: 12,
  clba: 32,
  mdBytes: 16,
  wsMin: 4,
  wsOpt: 8,
  mwCunits: 24,
};

const bitsOf = (count: number): number => Math.ceil(Math.log2(count));

/**
 * What `qemu-img create -f ocssd -o …` writes (block/ocssd.c, ocssd_co_create_opts; structures of
 * include/block/lightnvm.h). Extra bytes make the file longer, as an image that was padded.
 */
export function ocssdImage(r: OcssdRecipe, extraBytes = 0): Uint8Array<ArrayBuffer> {
  const chunks = r.numGrp * r.numPu * r.numChk;
  const logBytes = Math.ceil((chunks * 32) / 4096) * 4096;
  const usable = chunks * r.clba * (4096 + r.mdBytes);
  const nsSize = usable + 4096 + logBytes + 4096;
  const image = new Uint8Array(40 + nsSize + extraBytes);
  const view = new DataView(image.buffer);
  // LnvmHeader: magic, version, num_namespaces, rsvd, sector_size (u64), md_size, padding, ns_size (u64).
  view.setUint32(0, 0x4c4e564d, true);
  view.setUint32(4, 1, true);
  view.setUint32(8, 1, true);
  view.setBigUint64(16, 4096n, true);
  view.setUint32(24, r.mdBytes, true);
  view.setBigUint64(32, BigInt(nsSize), true);
  // LnvmNamespaceGeometry, at sector 1.
  const at = 4096;
  image[at] = 2;
  [r.numGrp, r.numPu, r.numChk, r.clba].forEach((count, i) => (image[at + 8 + i] = bitsOf(count)));
  view.setUint16(at + 64, r.numGrp, true);
  view.setUint16(at + 66, r.numPu, true);
  view.setUint32(at + 68, r.numChk, true);
  view.setUint32(at + 72, r.clba, true);
  view.setUint32(at + 128, r.wsMin, true);
  view.setUint32(at + 132, r.wsOpt, true);
  view.setUint32(at + 136, r.mwCunits, true);
  [70_000, 100_000, 1_900_000, 3_500_000, 3_000_000, 3_000_000].forEach((ns, i) =>
    view.setUint32(at + 192 + 4 * i, ns, true),
  );
  // LnvmCS: state, type, wear_index, rsvd[5], slba, cnlb, wp.
  for (let i = 0; i < chunks; i++) {
    const grp = Math.floor(i / (r.numPu * r.numChk));
    const pu = Math.floor(i / r.numChk) % r.numPu;
    const slba =
      grp * 2 ** (bitsOf(r.clba) + bitsOf(r.numChk) + bitsOf(r.numPu)) +
      pu * 2 ** (bitsOf(r.clba) + bitsOf(r.numChk)) +
      (i % r.numChk) * 2 ** bitsOf(r.clba);
    image.set([1, 1], 8192 + 32 * i);
    view.setBigUint64(8192 + 32 * i + 8, BigInt(slba), true);
    view.setBigUint64(8192 + 32 * i + 16, BigInt(r.clba), true);
  }
  return image;
}

/** Where the device puts things (hw/block/nvme/lightnvm.c, lnvm_init_namespace) in a file of this length. */
export function ocssdPlaces(r: OcssdRecipe, fileBytes: number) {
  const chunks = r.numGrp * r.numPu * r.numChk;
  const logBytes = Math.ceil((chunks * 32) / 4096) * 4096;
  const nsSize = Math.ceil(fileBytes / 512) * 512;
  const blocks = Math.floor(nsSize / (4096 + r.mdBytes)) - (2 + logBytes / 4096);
  const dataAt = 4096 + 2 * 4096 + logBytes;
  return { chunks, dataAt, oobAt: dataAt + 4096 * blocks, blocks };
}

/** Sets a chunk's state, wear and write pointer, as the running device does. */
export function setChunk(image: Uint8Array, i: number, state: number, wp: number | bigint, wear = 0): void {
  const view = new DataView(image.buffer);
  image[8192 + 32 * i] = state;
  image[8192 + 32 * i + 2] = wear;
  view.setBigUint64(8192 + 32 * i + 24, BigInt(wp), true);
}

/** Bytes that tell where they belong. */
export function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = crc32(Uint8Array.of(seed, seed >>> 8, seed >>> 16)) | 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Writes sectors `from` to `to` of a chunk with their out-of-band bytes, as far as the file goes. */
export function writeSectors(image: Uint8Array, r: OcssdRecipe, i: number, from: number, to: number): void {
  const { dataAt, oobAt } = ocssdPlaces(r, image.length);
  for (let sec = from; sec < to; sec++) {
    const index = i * r.clba + sec;
    image.set(noise(4096, index), dataAt + index * 4096);
    const room = Math.max(0, Math.min(r.mdBytes, image.length - (oobAt + index * r.mdBytes)));
    if (room > 0) image.set(noise(r.mdBytes, index + 1e6).subarray(0, room), oobAt + index * r.mdBytes);
  }
}
