/**
 * The arithmetic of pblk-init.c of Linux 5.10 on i386: lines, write buffer and over-provisioning, in the
 * kernel's integer widths.
 */

/** pblk.h PBLK_DEFAULT_OP; lightnvm.h NVM_TARGET_MIN_OP, NVM_TARGET_MAX_OP, NVM_MAX_VLBA. */
export const PBLK_DEFAULT_OP = 11;
export const MIN_OP = 3;
export const MAX_OP = 80;
export const NVM_MAX_VLBA = 64;
export const PBLK_DATA_LINES = 4;

/** sizeof on i386, from the built kernel's objects or, for wire structures, from pblk.h. */
export const SIZE_OF = {
  pblkSecMeta: 16,
  lineSmeta: 60,
  lineEmeta: 72,
  waCounters: 24,
  nvmChkMeta: 32,
  pblkLun: 20,
  pblkLine: 124,
  pblkWErrGc: 12,
  pblkRbEntry: 48,
  bbTableHeader: 64,
} as const;

/** pci.c NVME_MAX_KB_SZ: what the driver transfers at most, in sectors of 512 bytes. */
const DRIVER_MAX_HW_SECTORS = 4096 << 1;

const u32 = (n: number): number => n >>> 0;
const mul = (a: number, b: number): number => Math.imul(a, b) >>> 0;
/** DIV_ROUND_UP in 32 bits, where the addition can wrap. */
const divRoundUp = (n: number, d: number): number => Math.floor(u32(n + d - 1) / d);
/** include/linux/bitops.h get_count_order. */
const countOrder = (n: number): number => (u32(n) === 0 ? -1 : 32 - Math.clz32(u32(n) - 1));
/** BITS_TO_LONGS(n) * sizeof(long). */
export const bitmapBytes = (bits: number): number => Math.ceil(bits / 32) * 4;

/** Largest transfer in bytes (core.c nvme_init_identify, pci.c nvme_reset_work, blk_queue_max_hw_sectors). */
export function maxTransferBytes(mdts: number): number {
  const sectors = mdts === 0 ? DRIVER_MAX_HW_SECTORS : Math.min(DRIVER_MAX_HW_SECTORS, u32(1 << (mdts + 3)));
  return Math.max(8, sectors) * 512;
}

export interface LineMeta {
  readonly secPerLine: number;
  readonly smetaSec: number;
  readonly emetaSec: number;
  readonly minBlkLine: number;
}

/**
 * pblk_line_meta_init and calc_emeta_len. The list of valid-sector counts takes no room: its length is
 * computed from l_mg->nr_lines, which pblk_line_mg_init sets only afterwards (seen in a running kernel).
 * Undefined when the loop would not end.
 */
export function lineMeta(clba: number, allLuns: number, wsOpt: number, csecs: number): LineMeta | undefined {
  const secPerLine = mul(clba, allLuns);
  const lunBitmapLen = bitmapBytes(allLuns);
  const smetaSec = Math.ceil((SIZE_OF.lineSmeta + lunBitmapLen) / (wsOpt * csecs)) * wsOpt;
  const header = divRoundUp(SIZE_OF.lineEmeta + lunBitmapLen + SIZE_OF.waCounters, csecs);
  for (let emetaSec = wsOpt; emetaSec < 2 ** 26; emetaSec += wsOpt) {
    const dsecPerLine = u32(secPerLine - emetaSec);
    const lbas = divRoundUp(mul(dsecPerLine, 8), csecs);
    const needed = u32(mul(header, csecs) + mul(lbas, csecs));
    if (needed <= mul(emetaSec, csecs)) {
      const minBlkLine = 1 + (allLuns > 1 ? divRoundUp(smetaSec + emetaSec, clba) : 0);
      return { secPerLine, smetaSec, emetaSec, minBlkLine };
    }
  }
  return undefined;
}

/** pblk-rb.c pblk_rb_calculate_size, with the arguments of pblk_rwb_init. */
export function bufferEntriesFor(mwCunits: number, wsOpt: number, allLuns: number): number {
  const threshold = mul(mwCunits, allLuns);
  const pgsInBuffer = mul(Math.max(mwCunits, wsOpt) + wsOpt, allLuns);
  const thrSz = 2 ** countOrder(threshold + NVM_MAX_VLBA);
  const maxSz = Math.max(thrSz, pgsInBuffer);
  const maxIo = 2 ** Math.max(countOrder(maxSz), countOrder(NVM_MAX_VLBA << 1));
  return threshold + NVM_MAX_VLBA >= maxIo ? maxIo * 2 : maxIo;
}

/** pblk.h pblk_get_min_chks. */
export const minChks = (op: number, blkPerLine: number): number => mul(divRoundUp(100, op), blkPerLine);

export interface Provision {
  readonly op: number;
  readonly opBlks: number;
  readonly blkMeta: number;
  readonly room: number;
  /** sector_t: 64 bits, and wraps when more is reserved than there is. */
  readonly capacity: bigint;
}

/** pblk_set_provision. Undefined for "OP too small to create a sane instance". */
export function provision(
  nrFreeChks: number,
  allLuns: number,
  nrFreeLines: number,
  meta: LineMeta,
  clba: number,
  wsOpt: number,
  wsData: number,
  givenOp: number | undefined,
): Provision | undefined {
  let op = givenOp ?? PBLK_DEFAULT_OP;
  const minimum = minChks(op, allLuns);
  let provisioned = Math.floor((nrFreeChks * (100 - op)) / 100);
  if (nrFreeChks - provisioned < minimum) {
    if (givenOp !== undefined) return undefined;
    // int minus unsigned int: 32 bits, then widened without a sign.
    provisioned = u32(nrFreeChks - minimum);
    op = Math.floor(mul(100, minimum) / nrFreeChks);
  }
  const opBlks = (nrFreeChks - provisioned) | 0;
  const secMeta = mul(meta.smetaSec + meta.emetaSec, nrFreeLines);
  const blkMeta = divRoundUp(secMeta, clba) | 0;
  const usable = Math.floor(clba / wsOpt) * wsData;
  const capacity = BigInt.asUintN(64, (BigInt(provisioned) - BigInt(blkMeta)) * BigInt(usable));
  return { op, opBlks, blkMeta, room: nrFreeChks - opBlks - blkMeta, capacity };
}
