/** The options that every dialect's controller has, with the defaults that differ between them. */
import { choice, NO_EFFECT, number, type OptionSpec, text, toggle, U16, U32, U8 } from './options-build.ts';

interface ControllerDefaults {
  /** `queues` counts I/O queue pairs, `num_queues` the admin queues as well. */
  readonly queues: readonly ['queues', string] | readonly ['num_queues', string];
  readonly mdts: string;
  readonly serial: string;
}

/** Identify Controller, registers and queues. */
export function controllerOptions(defaults: ControllerDefaults): OptionSpec[] {
  const [queues, queuesDefault] = defaults.queues;
  const serialMeaning =
    defaults.serial === ''
      ? 'serial number in Identify Controller: 1 to 20 printable ASCII characters; required'
      : 'serial number in Identify Controller: 1 to 20 printable ASCII characters';
  return [
    { ...text('controller', 'serial', serialMeaning), defaultValue: defaults.serial },
    queues === 'queues'
      ? number('controller', queues, queuesDefault, [1, 2047], 'I/O queue pairs that the controller offers')
      : number(
          'controller',
          queues,
          queuesDefault,
          [2, 2048],
          'queue pairs, the admin queues included: one less for I/O',
        ),
    number('controller', 'entries', '0x7ff', [1, U16], 'CAP.MQES: entries of the largest queue, minus one'),
    number('controller', 'max_cqes', '4', [4, 15], 'largest completion queue entry, as a power of two'),
    number('controller', 'max_sqes', '6', [6, 15], 'largest submission queue entry, as a power of two'),
    number('controller', 'stride', '0', [0, 12], 'CAP.DSTRD: doorbells are 4 << stride bytes apart'),
    number('controller', 'aerl', '3', [0, U8], 'asynchronous event requests held at once, minus one'),
    number('controller', 'acl', '3', [0, U8], 'abort commands held at once, minus one'),
    number('controller', 'elpe', '3', [0, U8], 'entries of the error log, minus one'),
    number(
      'controller',
      'mdts',
      defaults.mdts,
      [0, 28],
      'largest transfer: 2^mdts pages of 4 KiB; 0 is no limit',
      'because Linux shifts a 32-bit number by mdts + 3',
    ),
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
    toggle(
      'controller',
      'vwc',
      '0',
      'a volatile write cache is reported, and feature 06h switches it; a completed write is kept all the same',
    ),
    number(
      'controller',
      'oacs',
      '0x2',
      [0, U16],
      'optional admin commands that are reported, of those that exist here',
    ),
    number(
      'controller',
      'oncs',
      '0x1f',
      [0, U16],
      'optional NVM commands that are reported, of those that exist here (the original has 0x4, dataset management, only)',
    ),
    toggle('controller', 'intc', '0', `${NO_EFFECT}: every completion interrupts at once`),
    number('controller', 'intc_thresh', '0', [0, U8], `${NO_EFFECT}: interrupts are not coalesced`),
    number('controller', 'intc_time', '0', [0, U8], `${NO_EFFECT}: interrupts are not coalesced`),
  ];
}

/** The controller memory buffer, which is not here, in its older spelling. */
export const CMB_OPTIONS: readonly OptionSpec[] = [
  number('controller', 'cmbsz', '0', [0, U32], `${NO_EFFECT}: there is no controller memory buffer`),
  number('controller', 'cmbloc', '0', [0, U32], NO_EFFECT),
];

/** … and in its newer one. */
export const CMB_SIZE_OPTION: OptionSpec = number(
  'controller',
  'cmb_size_mb',
  '0',
  [0, U32],
  `${NO_EFFECT}: there is no controller memory buffer`,
);

const NO_PROTECTION = 'because end-to-end protection is not implemented';

export const EXTENDED_OPTION: OptionSpec = choice(
  'namespace',
  'extended',
  '0',
  [0],
  'metadata interleaved with data',
  'because pblk refuses extended metadata',
);

export const PROTECTION_OPTIONS: readonly OptionSpec[] = [
  choice('namespace', 'dpc', '0', [0], 'end-to-end protection capabilities', NO_PROTECTION),
  choice('namespace', 'dps', '0', [0], 'end-to-end protection settings', NO_PROTECTION),
];

/** Namespaces of the disk; an open-channel disk is one. */
export const NAMESPACES_OPTION: OptionSpec = number(
  'namespace',
  'namespaces',
  '1',
  [1, 256],
  'namespaces of equal size made of a plain disk; an open-channel disk is one',
);

/** Formats of a plain disk. */
export function formatOptions(lbaIndex: string): OptionSpec[] {
  return [
    number('namespace', 'nlbaf', '5', [1, 16], 'logical block formats that lba_index chooses from'),
    number(
      'namespace',
      'lba_index',
      lbaIndex,
      [0, 15],
      'the format in use: blocks of 512 << lba_index bytes, at most 4096',
    ),
  ];
}

/** Properties of any QEMU device. */
export const QEMU_OPTIONS: readonly OptionSpec[] = [
  text('qemu', 'id', NO_EFFECT),
  text('qemu', 'bus', NO_EFFECT),
  text('qemu', 'addr', NO_EFFECT),
  text('qemu', 'bootindex', NO_EFFECT),
  text('qemu', 'multifunction', NO_EFFECT),
  text('qemu', 'rombar', NO_EFFECT),
  text('qemu', 'romfile', NO_EFFECT),
  text('qemu', 'logical_block_size', `${NO_EFFECT}: the namespace's own options say it`),
  text('qemu', 'physical_block_size', NO_EFFECT),
  text('qemu', 'min_io_size', NO_EFFECT),
  text('qemu', 'opt_io_size', NO_EFFECT),
  text('qemu', 'discard_granularity', NO_EFFECT),
];
