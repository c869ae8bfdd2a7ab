/**
 * The options of `-device nvme,…`: qemu-nvme's, branch ocssd12 (hw/block/nvme.c, nvme_props and
 * nvme_check_constraints), with the same names and defaults, and what each does in this program.
 * docs/device-options.md is made from this table and its siblings (options-master.ts, -next.ts, -femu.ts).
 */
import {
  choice,
  NO_EFFECT,
  number,
  type OptionSpec,
  OptionTable,
  text,
  toggle,
  U16,
  U32,
  U8,
} from './options-build.ts';
import {
  CMB_OPTIONS,
  controllerOptions,
  EXTENDED_OPTION,
  formatOptions,
  NAMESPACES_OPTION,
  PROTECTION_OPTIONS,
  QEMU_OPTIONS,
} from './options-controller.ts';

export { allowedPhrase, type OptionGroup, type OptionSpec, OptionTable } from './options-build.ts';

/** Powers of two that fit in the byte of the 1.2 identity that carries channels and LUNs. */
const POWERS_TO_128 = [1, 2, 4, 8, 16, 32, 64, 128];
const PBLK_BITS = 'because pblk addresses by bits and destroys data with other counts';

/** NVMe's own metadata, which only 1.2 spells so. */
export const META_OPTIONS: readonly OptionSpec[] = [
  choice(
    'namespace',
    'meta',
    '0',
    [0],
    "NVMe's own metadata",
    'because only the out-of-band bytes of lmetasize are kept',
  ),
  choice(
    'namespace',
    'mc',
    '0',
    [0],
    "NVMe's metadata capabilities",
    'because only the out-of-band bytes of lmetasize are kept',
  ),
];

interface GeometryDefaults {
  readonly secsPerPg: string;
  readonly pgsPerBlk: string;
  readonly ch: string;
  readonly lun: string;
  readonly pln: string;
}

/** The geometry of 1.2; FEMU has the same names with other defaults. */
export function geometry12Options(defaults: GeometryDefaults): OptionSpec[] {
  return [
    number('open-channel', 'lsec_size', '4096', [1, U16], 'bytes of a sector; pblk works with 4096 only'),
    choice(
      'open-channel',
      'lsecs_per_pg',
      defaults.secsPerPg,
      [1, 2, 4, 8],
      'sectors of a page of one plane',
      `${PBLK_BITS}, and a page of 1.2 has at most 65,535 bytes`,
    ),
    number('open-channel', 'lpgs_per_blk', defaults.pgsPerBlk, [1, U16], 'pages of a block'),
    number('open-channel', 'lmax_sec_per_rq', '64', [1, 64], 'sectors that one vector command may carry'),
    choice('open-channel', 'lnum_ch', defaults.ch, POWERS_TO_128, 'channels; real ones here', PBLK_BITS),
    choice('open-channel', 'lnum_lun', defaults.lun, POWERS_TO_128, 'LUNs of one channel', PBLK_BITS),
    choice(
      'open-channel',
      'lnum_pln',
      defaults.pln,
      [1, 2, 4],
      'planes of a LUN, written together',
      'because 1.2 knows single, dual and quad plane',
    ),
    number(
      'open-channel',
      'lmetasize',
      '16',
      [0, 1024],
      'out-of-band bytes of a sector; below 16 pblk packs its own into the data',
    ),
  ];
}

export const OPTIONS: readonly OptionSpec[] = [
  text('files', 'drive', "names QEMU's backing file; here the disk itself takes its place"),
  text(
    'files',
    'lbbtable',
    "names QEMU's bad-block file, whose content is given with --bad-blocks (one byte a block: LUN, chunk, plane); kept with the disk",
  ),
  text(
    'files',
    'lmetadata',
    "QEMU's out-of-band file; here out-of-band bytes are part of the disk and are kept with it",
  ),

  ...controllerOptions({ queues: ['queues', '64'], mdts: '10', serial: '' }),
  ...CMB_OPTIONS,

  NAMESPACES_OPTION,
  ...formatOptions('3'),
  EXTENDED_OPTION,
  ...META_OPTIONS,
  ...PROTECTION_OPTIONS,

  choice(
    'open-channel',
    'lver',
    '0',
    [0, 1],
    '0 is a plain NVMe disk, 1 an open-channel SSD of specification 1.2',
    'because 2.0 is spelt otherwise (qemu-img create -f ocssd, ocssd-ns, or femu with lver=2)',
  ),
  choice(
    'open-channel',
    'll2pmode',
    '0',
    [0],
    '0: the host keeps the mapping (some builds of qemu-nvme default to 1, hybrid)',
    'because 1 is a hybrid device, whose mapping the device keeps, and pblk refuses hybrid devices',
  ),
  ...geometry12Options({ secsPerPg: '1', pgsPerBlk: '256', ch: '1', lun: '1', pln: '1' }),
  choice(
    'open-channel',
    'lmtype',
    '0',
    [0],
    'media type: 0 is NAND flash',
    'because Linux refuses any other memory type',
  ),
  number(
    'open-channel',
    'lfmtype',
    '0',
    [0, U8],
    'flash type that the identity reports (0 SLC, 1 MLC); nothing else changes',
  ),
  number(
    'open-channel',
    'lb_err_write',
    '0',
    [0, U32],
    'fail writes each time this many sectors were written; 0 is never',
  ),
  number('open-channel', 'ln_err_write', '0', [0, 64], 'how many sectors fail each time'),
  number(
    'open-channel',
    'lbbfrequency',
    '0',
    [0, U16],
    'of a new disk, each so many-th block of a LUN is bad from the factory; 0 is none',
  ),
  toggle('open-channel', 'lreadl2ptbl', '1', `${NO_EFFECT}: it is of hybrid devices`),
  toggle('open-channel', 'ldebug', '0', `${NO_EFFECT}: every command is shown on the page`),
  toggle('open-channel', 'lstrict', '0', `${NO_EFFECT}: the rules of flash are always checked`),

  ...QEMU_OPTIONS,
];

/** The options of `-device nvme,…` of branch ocssd12. */
export const NVME_TABLE = new OptionTable('nvme', "qemu-nvme's, such as serial, lver and lnum_lun", OPTIONS);

/** The option of that name; names are case-sensitive, as in QEMU. */
export function findOption(name: string): OptionSpec | undefined {
  return NVME_TABLE.find(name);
}
