/**
 * Which LUNs a target gets: `nvme lnvm create -b -e` counts LUNs over the whole device, channel by channel
 * (Linux 5.10 drivers/lightnvm/core.c, nvm_config_check_luns and nvm_create_tgt_dev).
 */

/** A range of LUNs as nvm_create_tgt_dev cuts it. */
export interface LunRange {
  readonly begin: number;
  readonly end: number;
  /** LUNs in the target. */
  readonly allLuns: number;
  /** Channels in the target. */
  readonly numCh: number;
  /** LUNs in each of its channels, or -1 when they differ. */
  readonly numLun: number;
  /**
   * The range starts inside a channel and goes on in the next. The kernel then writes past the end of its
   * LUN map (`lun_roffs[j + blun]`) and reads the state of other LUNs (nvm_get_bb_meta starts each channel
   * at the same LUN), so what follows is not predictable.
   */
  readonly overrunsChannel: boolean;
}

/**
 * Cuts a range. -1 and -1 mean all LUNs (__nvm_config_simple).
 * @returns undefined when the kernel says "lun out of bound".
 */
export function lunRange(
  devNumCh: number,
  devNumLun: number,
  lunBegin: number,
  lunEnd: number,
): LunRange | undefined {
  const total = devNumCh * devNumLun;
  const all = lunBegin === -1 && lunEnd === -1;
  const begin = all ? 0 : lunBegin;
  const end = all ? total - 1 : lunEnd;
  if (!Number.isInteger(begin) || !Number.isInteger(end) || begin < 0 || begin > end || end >= total)
    return undefined;
  const allLuns = end - begin + 1;
  const numCh = Math.ceil(allLuns / devNumLun);
  const balanced = numCh === 1 || allLuns % devNumLun === 0;
  const firstLun = begin % devNumLun;
  return {
    begin,
    end,
    allLuns,
    numCh,
    numLun: balanced ? Math.min(allLuns, devNumLun) : -1,
    overrunsChannel: firstLun + Math.min(allLuns, devNumLun) > devNumLun,
  };
}

/** Whether pblk can address the range: it computes addresses by bits (pblk_set_addrf_12). */
export function isPowerOfTwo(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && 2 ** Math.round(Math.log2(count)) === count;
}
