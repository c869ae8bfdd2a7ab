/**
 * The `ocssd` image of qemu-nvme, branch master: where everything is. Structures and formulas are those of its
 * include/block/lightnvm.h (LnvmHeader, LnvmNamespaceGeometry, LnvmCS), block/ocssd.c (ocssd_co_create_opts) and
 * hw/block/nvme/lightnvm.c (lnvm_init_namespace). All numbers are little-endian.
 *
 *     header           one sector, of which LnvmHeader is the beginning
 *     geometry         4096 bytes, LnvmNamespaceGeometry
 *     chunk log        a descriptor for each chunk, rounded up to sectors; then one sector that nobody uses
 *     data             the sectors: group, parallel unit, chunk, sector
 *     slack            sectors that the size of the file leaves over
 *     out-of-band      the bytes of each sector, in the same order
 */
import { CHUNK_DESCRIPTOR_BYTES } from '../../spec/ocssd20.ts';
import { struct, u32, u64 } from '../../spec/layout.ts';

/** struct LnvmHeader (include/block/lightnvm.h): 40 bytes with the compiler's padding behind md_size. */
export const lnvmHeader = struct(40, {
  magic: u32(0),
  version: u32(4),
  numNamespaces: u32(8),
  sectorSize: u64(16),
  mdSize: u32(24),
  nsSize: u64(32),
});
/** LNVM_MAGIC: 'L' << 24 | 'N' << 16 | 'V' << 8 | 'M'. */
export const LNVM_MAGIC = 0x4c4e_564d;
export const LNVM_VERSION = 1;

export const SECTOR_BYTES = 4096;
/** struct LnvmNamespaceGeometry; its fields are those of src/spec/ocssd20.ts. */
export const GEOMETRY_AT = SECTOR_BYTES;
export const GEOMETRY_BYTES = 4096;
export const LOG_AT = GEOMETRY_AT + GEOMETRY_BYTES;

export interface OcssdCounts {
  readonly chunks: number;
  readonly sectors: number;
  /** Out-of-band bytes of a sector (md_size). */
  readonly mdBytes: number;
}

export interface OcssdLayout {
  /** Sectors of the chunk log. */
  readonly logSectors: number;
  readonly dataAt: number;
  readonly dataEnd: number;
  readonly oobAt: number;
  readonly oobEnd: number;
  readonly fileBytes: number;
}

/** bs_size is counted in QEMU's own sectors. */
const QEMU_SECTOR_BYTES = 512;
const upTo = (value: number, step: number): number => Math.ceil(value / step) * step;

/** ns_size of the header, as qemu-img computes it. */
export function namespaceBytes(counts: OcssdCounts): number {
  const { sectors, mdBytes } = counts;
  return (
    sectors * (SECTOR_BYTES + mdBytes) + GEOMETRY_BYTES + logSectors(counts) * SECTOR_BYTES + SECTOR_BYTES
  );
}

function logSectors({ chunks }: OcssdCounts): number {
  return Math.ceil((chunks * CHUNK_DESCRIPTOR_BYTES) / SECTOR_BYTES);
}

/** Where everything is in a file of so many bytes: the device places the out-of-band bytes by the file's length. */
export function layoutOf(counts: OcssdCounts, fileBytes: number): OcssdLayout {
  const { sectors, mdBytes } = counts;
  const log = logSectors(counts);
  // lnvm_init_namespace: ns_blks = ns_size / (sector + metadata) - (2 + chunk log), with ns_size = file length.
  const blocks = Math.floor(upTo(fileBytes, QEMU_SECTOR_BYTES) / (SECTOR_BYTES + mdBytes)) - (2 + log);
  const dataAt = GEOMETRY_AT + (2 + log) * SECTOR_BYTES;
  const oobAt = dataAt + blocks * SECTOR_BYTES;
  return {
    logSectors: log,
    dataAt,
    dataEnd: dataAt + sectors * SECTOR_BYTES,
    oobAt,
    oobEnd: oobAt + sectors * mdBytes,
    fileBytes,
  };
}

/**
 * A file in which everything has room. qemu-img's own is up to 4,056 bytes shorter than what the device writes,
 * and then the out-of-band bytes of the last sectors are lost; with more than 3,840 chunks they would lie over the
 * last sectors themselves. `leastBytes`: the file is not to become shorter than it was.
 */
export function roomyLayout(counts: OcssdCounts, leastBytes = 0): OcssdLayout {
  let layout = layoutOf(counts, Math.max(leastBytes, lnvmHeader.sizeBytes + namespaceBytes(counts)));
  // A longer file may move the out-of-band bytes on, by less than it became longer: this ends.
  while (overlaps(layout) || neededBytes(layout) > layout.fileBytes) {
    const apart = (counts.sectors + 2 + layout.logSectors) * (SECTOR_BYTES + counts.mdBytes);
    layout = layoutOf(counts, overlaps(layout) ? apart : upTo(neededBytes(layout), QEMU_SECTOR_BYTES));
  }
  return layout;
}

/** Whether out-of-band bytes and data would lie over each other. */
export function overlaps({ oobAt, oobEnd, dataEnd }: OcssdLayout): boolean {
  return oobEnd > oobAt && oobAt < dataEnd;
}

function neededBytes({ oobAt, oobEnd, dataEnd }: OcssdLayout): number {
  return oobEnd > oobAt ? oobEnd : dataEnd;
}
