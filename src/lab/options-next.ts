/**
 * qemu-nvme, branch next: the controller `ocssd` and its namespace `ocssd-ns` (hw/block/nvme/ocssd.h, ocssd-ns.h).
 * In older states of the branch one device had the options of both.
 */
import { choice, number, OptionTable, text, toggle, U32, U8 } from './options-build.ts';
import {
  countOptions,
  mccapOption,
  metadataOption,
  sectorSizeOption,
  writeOptions,
} from './options-chunks.ts';
import {
  CMB_SIZE_OPTION,
  controllerOptions,
  EXTENDED_OPTION,
  PROTECTION_OPTIONS,
  QEMU_OPTIONS,
} from './options-controller.ts';

const CONTROLLER = [
  ...controllerOptions({ queues: ['num_queues', '64'], mdts: '7', serial: '' }),
  CMB_SIZE_OPTION,
];

const NAMESPACE = [
  text('files', 'drive', "names QEMU's image; here the disk itself takes its place"),
  text('files', 'chunkinfo', 'names a file of chunk states, whose content is given with --chunk-info'),
  text('files', 'resetfail', 'names a file of resets that fail, whose content is given with --reset-fail'),
  text('files', 'writefail', 'names a file of writes that fail, whose content is given with --write-fail'),
  choice(
    'namespace',
    'nsid',
    '0',
    [0, 1],
    'the namespace',
    'because an open-channel disk is one namespace here',
  ),
  metadataOption('namespace', 'ms', '0'),
  EXTENDED_OPTION,
  ...PROTECTION_OPTIONS,
  ...countOptions(
    'open-channel-20',
    { grp: 'num_grp', pu: 'num_pu', chk: 'num_chk', sec: 'clba' },
    { grp: '2', pu: '4', chk: '60', sec: '4096' },
  ),
  sectorSizeOption('open-channel-20', 'lbads', 12, 'bytes of a sector as a power of two'),
  number(
    'open-channel-20',
    'pe_cycles',
    '1000',
    [0, U32],
    'erases after which the wear index of a chunk is 255; 0: wear is not counted',
  ),
  mccapOption('open-channel-20', 'mccap', '5'),
  ...writeOptions('open-channel-20', '', '24'),
  number('open-channel-20', 'wit', '10', [0, U8], 'wear-level index delta threshold'),
  toggle('open-channel-20', 'early_reset', '1', 'an open chunk may be reset; where absent, mccap says it'),
];

const HINT = "qemu-nvme's, such as num_grp, num_pu, num_chk and clba";

/** `-device ocssd,…` with a namespace of its own. */
export const NEXT_CONTROLLER_TABLE = new OptionTable(
  'ocssd',
  "qemu-nvme's, such as serial and mdts; the geometry belongs to ocssd-ns",
  [...CONTROLLER, ...QEMU_OPTIONS],
);

/** `-device ocssd-ns,…`. */
export const NEXT_NAMESPACE_TABLE = new OptionTable('ocssd-ns', HINT, [...NAMESPACE, ...QEMU_OPTIONS]);

/** `-device ocssd,…` alone. */
export const NEXT_TABLE = new OptionTable('ocssd', HINT, [...CONTROLLER, ...NAMESPACE, ...QEMU_OPTIONS]);
