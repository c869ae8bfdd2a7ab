/** FEMU's `femu` device (hw/block/femu/femu.c, femu_props), as far as it is an open-channel SSD or a plain disk. */
import {
  choice,
  NO_EFFECT,
  number,
  type OptionSpec,
  OptionTable,
  text,
  U16,
  U32,
  U8,
} from './options-build.ts';
import { DLFEAT_OPTION, metadataOption, sectorSizeOption } from './options-chunks.ts';
import {
  CMB_OPTIONS,
  controllerOptions,
  EXTENDED_OPTION,
  formatOptions,
  NAMESPACES_OPTION,
  PROTECTION_OPTIONS,
  QEMU_OPTIONS,
} from './options-controller.ts';
import { geometry12Options, META_OPTIONS } from './options.ts';

/** What FEMU calls its kinds of SSD. */
export const FemuMode = { openChannel: 0, blackBox: 1, plain: 2 } as const;

/** Latencies and the geometry of FEMU's own translation layer: nothing of that exists here. */
const WITHOUT_EFFECT = [
  'secsz',
  'secs_per_pg',
  'pgs_per_blk',
  'blks_per_pl',
  'pls_per_lun',
  'luns_per_ch',
  'nchs',
  'pg_rd_lat',
  'pg_wr_lat',
  'blk_er_lat',
  'ch_xfer_lat',
  'gc_thres_pcent',
  'gc_thres_pcent_high',
  'flash_type',
  'multipoller_enabled',
  'poller_ratio',
  'ms',
  'ms_max',
];

const COMMON: readonly OptionSpec[] = [
  number(
    'controller',
    'devsz_mb',
    '1024',
    [1, 2 ** 20],
    'size of the disk in MiB; where absent, --size says it',
  ),
  ...controllerOptions({ queues: ['queues', '8'], mdts: '10', serial: 'vOCSSD' }),
  ...CMB_OPTIONS,
  number(
    'controller',
    'femu_mode',
    '2',
    [0, U8],
    '0 an open-channel SSD (also where lver is given), 1 and 2 a plain NVMe disk',
  ),
  NAMESPACES_OPTION,
  ...formatOptions('0'),
  DLFEAT_OPTION,
  EXTENDED_OPTION,
  ...META_OPTIONS,
  ...PROTECTION_OPTIONS,
  choice(
    'open-channel',
    'lver',
    '2',
    [1, 2],
    'specification of the open-channel SSD: 1 is 1.2, 2 is 2.0',
    'because those are the specifications that there are',
  ),
];

const REST: readonly OptionSpec[] = [
  ...WITHOUT_EFFECT.map((name) => text('qemu', name, `${NO_EFFECT}: flash takes no time here`)),
  ...QEMU_OPTIONS,
];

const GEOMETRY_20: readonly OptionSpec[] = [
  sectorSizeOption('open-channel-20', 'lsec_size', 4096, 'bytes of a sector'),
  number('open-channel-20', 'lsecs_per_pg', '4', [1, U8], 'sectors of a page of one plane'),
  number('open-channel-20', 'lpgs_per_blk', '512', [1, U16], 'pages of a block'),
  number(
    'open-channel-20',
    'lnum_pln',
    '2',
    [1, U8],
    'planes: a chunk is lsecs_per_pg × lpgs_per_blk × lnum_pln',
  ),
  number('open-channel-20', 'lnum_ch', '2', [1, U8], 'groups (channels)'),
  number('open-channel-20', 'lnum_lun', '8', [1, U8], 'parallel units (LUNs) of a group'),
  number('open-channel-20', 'lmax_sec_per_rq', '64', [1, U32], `${NO_EFFECT}: 2.0 always carries 64`),
  metadataOption('open-channel-20', 'lmetasize', '16'),
];

const HINT = "FEMU's, such as devsz_mb, lver, lnum_ch and lnum_lun";

/** With lver=2. */
export const FEMU_20_TABLE = new OptionTable('femu', HINT, [...COMMON, ...GEOMETRY_20, ...REST]);

/** With lver=1, and for plain disks. */
export const FEMU_12_TABLE = new OptionTable('femu', HINT, [
  ...COMMON,
  ...geometry12Options({ secsPerPg: '4', pgsPerBlk: '512', ch: '2', lun: '8', pln: '2' }),
  ...REST,
]);
