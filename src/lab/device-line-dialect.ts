import type { GivenOption } from './device-line-words.ts';
import { shown } from './size.ts';

/** What a line in our own spelling is called. */
export const OUR_DIALECT = 'qemu-nvme, branch ocssd12';

const WORKS =
  'nvme,serial=deadbeef,lver=1 with the geometry in lnum_lun, lnum_pln, lsecs_per_pg and lpgs_per_blk would work';
const SPEAKS = 'this release speaks open-channel 1.2 and plain NVMe';

/** Options of qemu-nvme's master branch that no other spelling has (hw/block/nvme.c there). */
const MASTER_ONLY = new Set([
  'dialect',
  'dlfeat',
  'lmccap',
  'lnum_grp',
  'lnum_pu',
  'lnum_sec',
  'lws_min',
  'lws_opt',
  'lmw_cunits',
  'lchunkstate',
  'lresetfail',
  'lwritefail',
  'learly_reset',
  'lsgl_lbal',
]);

/** Options that master has and ocssd12 has not, but others have too: they tell only where lver is absent. */
const MASTER_HINTS = new Set(['ms', 'ms_max', 'num_queues', 'cmb_size_mb']);

/** An option of open-channel 2.0. */
export function isOption20(name: string): boolean {
  return MASTER_ONLY.has(name);
}

/**
 * Recognises the spellings of open-channel 2.0 and of other devices, to refuse them by name.
 * @returns one sentence, or undefined when the line is in our spelling.
 */
export function foreignDialect(
  driver: string,
  options: readonly GivenOption[],
): { option?: string; error: string } | undefined {
  const lver = options.findLast((option) => option.name === 'lver')?.value;
  if (/^ocssd(-ns)?$/i.test(driver)) {
    return {
      error: `${driver} is the spelling of qemu-nvme, branch next (open-channel 2.0), but ${SPEAKS}: ${WORKS}.`,
    };
  }
  if (/^femu/i.test(driver)) {
    return {
      error: `${shown(driver)} is the spelling of FEMU${lver === '2' ? ' (open-channel 2.0)' : ''}, but ${SPEAKS} in qemu-nvme's spelling: ${WORKS}.`,
    };
  }
  if (driver !== 'nvme') {
    return {
      error: `${shown(driver)} is not a device of this lab: the line has to begin with nvme, as in nvme,serial=deadbeef,lver=1.`,
    };
  }
  if (lver === '2') {
    return {
      option: 'lver',
      error: `lver=2 is the spelling of FEMU (open-channel 2.0), but ${SPEAKS}: ${WORKS}.`,
    };
  }
  if (lver === undefined) {
    const tell =
      options.find(({ name }) => MASTER_ONLY.has(name)) ?? options.find(({ name }) => MASTER_HINTS.has(name));
    if (tell !== undefined) {
      return {
        option: tell.name,
        error: `${tell.name} is the spelling of qemu-nvme, branch master (open-channel 2.0), but ${SPEAKS}: ${WORKS}.`,
      };
    }
  }
  return undefined;
}
