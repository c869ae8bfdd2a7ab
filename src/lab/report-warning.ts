/** What a target that works does not survive, told in one sentence. */
import type { Geometry } from '../flash/geometry.ts';
import { SIZE_OF } from './report-lines.ts';

/**
 * Without room for struct pblk_sec_meta pblk packs it into a page of its own data (pblk_is_oob_meta_supported). To
 * recover a line that was open it reads it with a buffer and no bio (pblk_recov_scan_oob: `rqd->bio = NULL`, which
 * nvm_submit_io_sync leaves so) and then looks for the packed page in that bio (pblk_get_packed_meta), at whatever
 * outcome of the read. An orderly removal closes the line, and nothing has to be recovered from it.
 */
export function warningFor({ oobSizeBytes }: Geometry, is20: boolean): string | undefined {
  if (oobSizeBytes >= SIZE_OF.pblkSecMeta) return undefined;
  const option = is20 ? 'ms' : 'lmetasize';
  return `With less than ${SIZE_OF.pblkSecMeta} bytes of metadata (${option}) Linux 5.10 crashes when create recovers a target that was not removed before the power went ("BUG: kernel NULL pointer dereference" in pblk_get_packed_meta): nvme lnvm remove before power off, or ${option}=${SIZE_OF.pblkSecMeta}, works.`;
}
