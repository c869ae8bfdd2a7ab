/**
 * The options of `-device nvme,…`: qemu-nvme's, branch ocssd12 (hw/block/nvme.c, nvme_props and
 * nvme_check_constraints), with the same names and defaults, and what each does in this program.
 * docs/device-options.md is made from this table.
 */

export type OptionGroup = 'qemu' | 'controller' | 'namespace' | 'open-channel' | 'files';

export interface OptionSpec {
  readonly name: string;
  readonly group: OptionGroup;
  /** `switch` is a number that is 0 or 1; on, off, true, false, yes and no are read as well. */
  readonly type: 'text' | 'number' | 'switch';
  /** As written; empty when there is none. */
  readonly defaultValue: string;
  /** Inclusive bounds of a number. */
  readonly min: number;
  readonly max: number;
  /** The only values possible, where bounds are not enough. */
  readonly oneOf?: readonly number[];
  /** Why the bounds are what they are, to end the sentence that refuses another value. */
  readonly why?: string;
  /** One phrase: what it does here. */
  readonly meaning: string;
}

const U8 = 0xff;
const U16 = 0xffff;
const U32 = 0xffff_ffff;

/** What an option without effect says of itself. */
export const NO_EFFECT = 'accepted; has no effect here';

/** Powers of two that fit in the byte of the 1.2 identity that carries channels and LUNs. */
const POWERS_TO_128 = [1, 2, 4, 8, 16, 32, 64, 128];
const PBLK_BITS = 'because pblk addresses by bits and destroys data with other counts';

function text(group: OptionGroup, name: string, meaning: string): OptionSpec {
  return { name, group, type: 'text', defaultValue: '', min: 0, max: 0, meaning };
}

function number(
  group: OptionGroup,
  name: string,
  defaultValue: string,
  bounds: readonly [min: number, max: number] | readonly number[],
  meaning: string,
  more: { readonly why?: string; readonly oneOf?: readonly number[] } = {},
): OptionSpec {
  const [min = 0, max = 0] = bounds;
  return { name, group, type: 'number', defaultValue, min, max, meaning, ...more };
}

function choice(
  group: OptionGroup,
  name: string,
  defaultValue: string,
  oneOf: readonly number[],
  meaning: string,
  why: string,
): OptionSpec {
  return {
    name,
    group,
    type: 'number',
    defaultValue,
    min: Math.min(...oneOf),
    max: Math.max(...oneOf),
    oneOf,
    why,
    meaning,
  };
}

function toggle(group: OptionGroup, name: string, defaultValue: string, meaning: string): OptionSpec {
  return { name, group, type: 'switch', defaultValue, min: 0, max: 1, meaning };
}

export const OPTIONS: readonly OptionSpec[] = [
  text('files', 'drive', "names QEMU's backing file; here the disk itself takes its place"),
  text(
    'files',
    'lbbtable',
    "QEMU's bad-block file; here the bad-block table is part of the disk and is kept with it",
  ),
  text(
    'files',
    'lmetadata',
    "QEMU's out-of-band file; here out-of-band bytes are part of the disk and are kept with it",
  ),

  text(
    'controller',
    'serial',
    'serial number in Identify Controller: 1 to 20 printable ASCII characters; required',
  ),
  number('controller', 'queues', '64', [1, 2047], 'I/O queue pairs that the controller offers'),
  number('controller', 'entries', '0x7ff', [1, U16], 'CAP.MQES: entries of the largest queue, minus one'),
  number('controller', 'max_cqes', '4', [4, 15], 'largest completion queue entry, as a power of two'),
  number('controller', 'max_sqes', '6', [6, 15], 'largest submission queue entry, as a power of two'),
  number('controller', 'stride', '0', [0, 12], 'CAP.DSTRD: doorbells are 4 << stride bytes apart'),
  number('controller', 'aerl', '3', [0, U8], 'asynchronous event requests held at once, minus one'),
  number('controller', 'acl', '3', [0, U8], 'abort commands held at once, minus one'),
  number('controller', 'elpe', '3', [0, U8], 'entries of the error log, minus one'),
  number('controller', 'mdts', '10', [0, 28], 'largest transfer: 2^mdts pages of 4 KiB; 0 is no limit', {
    why: 'because Linux shifts a 32-bit number by mdts + 3',
  }),
  toggle('controller', 'cqr', '1', 'CAP.CQR: queues must be contiguous in memory'),
  choice(
    'controller',
    'mpsmin',
    '0',
    [0],
    'smallest memory page, 4 KiB << mpsmin',
    'because Linux on i386 has pages of 4 KiB and refuses a controller that needs larger ones',
  ),
  number('controller', 'mpsmax', '0', [0, 15], 'largest memory page, 4 KiB << mpsmax'),
  number(
    'controller',
    'vid',
    '0x1d1d',
    [1, U16 - 1],
    'PCI vendor id; 1d1d:1f1f is what Linux knows as open-channel',
  ),
  number('controller', 'did', '0x1f1f', [1, U16 - 1], 'PCI device id'),
  toggle('controller', 'vwc', '0', `${NO_EFFECT}: a completed write is kept`),
  toggle('controller', 'intc', '0', NO_EFFECT),
  number('controller', 'intc_thresh', '0', [0, U8], NO_EFFECT),
  number('controller', 'intc_time', '0', [0, U8], NO_EFFECT),
  number('controller', 'cmbsz', '0', [0, U32], `${NO_EFFECT}: there is no controller memory buffer`),
  number('controller', 'cmbloc', '0', [0, U32], NO_EFFECT),
  number('controller', 'oacs', '0x2', [0, U16], NO_EFFECT),
  number('controller', 'oncs', '0x4', [0, U16], NO_EFFECT),

  choice(
    'namespace',
    'namespaces',
    '1',
    [1],
    'namespaces made of the disk',
    'because this release makes one namespace of the whole disk',
  ),
  number('namespace', 'nlbaf', '5', [1, 16], 'logical block formats that lba_index chooses from'),
  number('namespace', 'lba_index', '3', [0, 15], 'the format in use: blocks of 512 << lba_index bytes'),
  choice(
    'namespace',
    'extended',
    '0',
    [0],
    'metadata interleaved with data',
    'because pblk refuses extended metadata',
  ),
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
  choice(
    'namespace',
    'dpc',
    '0',
    [0],
    'end-to-end protection capabilities',
    'because end-to-end protection is not implemented',
  ),
  choice(
    'namespace',
    'dps',
    '0',
    [0],
    'end-to-end protection settings',
    'because end-to-end protection is not implemented',
  ),

  choice(
    'open-channel',
    'lver',
    '0',
    [0, 1],
    '0 is a plain NVMe disk, 1 an open-channel SSD of specification 1.2',
    'because this release speaks open-channel 1.2 and plain NVMe',
  ),
  choice(
    'open-channel',
    'll2pmode',
    '0',
    [0],
    '0: the host keeps the mapping (some builds of qemu-nvme default to 1)',
    'because pblk refuses hybrid devices',
  ),
  number('open-channel', 'lsec_size', '4096', [1, U16], 'bytes of a sector; pblk works with 4096 only'),
  choice(
    'open-channel',
    'lsecs_per_pg',
    '1',
    [1, 2, 4, 8],
    'sectors of a page of one plane',
    `${PBLK_BITS}, and a page of 1.2 has at most 65,535 bytes`,
  ),
  number('open-channel', 'lpgs_per_blk', '256', [1, U16], 'pages of a block'),
  number('open-channel', 'lmax_sec_per_rq', '64', [1, 64], 'sectors that one vector command may carry'),
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
  choice('open-channel', 'lnum_ch', '1', POWERS_TO_128, 'channels; real ones here', PBLK_BITS),
  choice('open-channel', 'lnum_lun', '1', POWERS_TO_128, 'LUNs of one channel', PBLK_BITS),
  choice(
    'open-channel',
    'lnum_pln',
    '1',
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
  number(
    'open-channel',
    'lb_err_write',
    '0',
    [0, U32],
    'fail writes each time this many sectors were written; 0 is never',
  ),
  number('open-channel', 'ln_err_write', '0', [0, 64], 'how many sectors fail each time'),
  toggle('open-channel', 'lreadl2ptbl', '1', `${NO_EFFECT}: it is of hybrid devices`),
  number('open-channel', 'lbbfrequency', '0', [0, U8], `${NO_EFFECT}, nor in the original`),
  toggle('open-channel', 'ldebug', '0', `${NO_EFFECT}: every command is shown on the page`),
  toggle('open-channel', 'lstrict', '0', `${NO_EFFECT}: the rules of flash are always checked`),

  text('qemu', 'id', NO_EFFECT),
  text('qemu', 'bus', NO_EFFECT),
  text('qemu', 'addr', NO_EFFECT),
  text('qemu', 'bootindex', NO_EFFECT),
  text('qemu', 'multifunction', NO_EFFECT),
  text('qemu', 'rombar', NO_EFFECT),
  text('qemu', 'romfile', NO_EFFECT),
  text('qemu', 'logical_block_size', `${NO_EFFECT}: lba_index says it`),
  text('qemu', 'physical_block_size', NO_EFFECT),
  text('qemu', 'min_io_size', NO_EFFECT),
  text('qemu', 'opt_io_size', NO_EFFECT),
  text('qemu', 'discard_granularity', NO_EFFECT),
];

const byName = new Map(OPTIONS.map((spec) => [spec.name, spec]));

/** The option of that name; names are case-sensitive, as in QEMU. */
export function findOption(name: string): OptionSpec | undefined {
  return byName.get(name);
}

/** What values an option takes, as a phrase: "a whole number from 1 to 2047". */
export function allowedPhrase(spec: OptionSpec): string {
  if (spec.type === 'text') return 'text';
  if (spec.type === 'switch') return '0 or 1';
  const { oneOf } = spec;
  if (oneOf !== undefined) {
    if (oneOf.length === 1) return `only ${oneOf.join('')}`;
    if (oneOf.length > 4) return `a power of two from ${spec.min} to ${spec.max}`;
    return `${oneOf.slice(0, -1).join(', ')} or ${oneOf.slice(-1).join('')}`;
  }
  return `a whole number from ${spec.min} to ${spec.max}`;
}
