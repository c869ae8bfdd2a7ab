/**
 * qemu-nvme, branch master: the options of the `ocssd` image format (block/ocssd.c) and of its `nvme` device
 * (hw/block/nvme/nvme.h). Older states of the branch had the counts on the device line, with `l` in front.
 */
import { choice, NO_EFFECT, number, OptionTable, text, toggle, U16 } from './options-build.ts';
import {
  countOptions,
  DLFEAT_OPTION,
  mccapOption,
  metadataOption,
  sectorSizeOption,
  writeOptions,
} from './options-chunks.ts';
import {
  CMB_SIZE_OPTION,
  controllerOptions,
  EXTENDED_OPTION,
  NAMESPACES_OPTION,
  PROTECTION_OPTIONS,
  QEMU_OPTIONS,
} from './options-controller.ts';

/** `qemu-img create -f ocssd -o …`. */
export const MASTER_IMAGE_TABLE = new OptionTable(
  'an ocssd image',
  "qemu-img's, such as num_grp, num_pu, num_chk and num_sec",
  [
    ...countOptions(
      'image',
      { grp: 'num_grp', pu: 'num_pu', chk: 'num_chk', sec: 'num_sec' },
      { grp: '2', pu: '8', chk: '60', sec: '4096' },
    ),
    sectorSizeOption('image', 'sec_size', 4096, 'bytes of a sector'),
    metadataOption('image', 'md_size', '16'),
    choice('image', 'num_ns', '1', [1], 'namespaces', 'because an open-channel disk is one namespace here'),
    mccapOption('image', 'mccap', '0'),
    ...writeOptions('image', '', '24'),
    text('image', 'size', `${NO_EFFECT}: the counts say how large the image is`),
  ],
);

/** `-device nvme,…` of that branch. */
export const MASTER_TABLE = new OptionTable(
  'nvme (branch master)',
  "qemu-nvme's, such as serial, lws_min and lmw_cunits",
  [
    text('files', 'drive', "names QEMU's image; here the disk itself takes its place"),
    text('files', 'lchunkstate', 'names a file of chunk states, whose content is given with --chunk-info'),
    text('files', 'lresetfail', 'names a file of resets that fail, whose content is given with --reset-fail'),
    text('files', 'lwritefail', 'names a file of writes that fail, whose content is given with --write-fail'),
    ...controllerOptions({ queues: ['num_queues', '64'], mdts: '7', serial: '' }),
    CMB_SIZE_OPTION,
    NAMESPACES_OPTION,
    choice(
      'namespace',
      'dialect',
      '1',
      [0, 1],
      '1 is open-channel 2.0, 0 a plain NVMe disk',
      'because the branch has those two',
    ),
    metadataOption('namespace', 'ms', '16'),
    number('namespace', 'ms_max', '64', [0, 64], 'largest ms that is taken'),
    DLFEAT_OPTION,
    EXTENDED_OPTION,
    ...PROTECTION_OPTIONS,
    number('namespace', 'mc', '2', [0, 2], 'metadata capabilities: 2 is metadata in a buffer of its own'),
    mccapOption('open-channel-20', 'lmccap', '0'),
    ...writeOptions('open-channel-20', 'l', '32'),
    toggle('open-channel-20', 'learly_reset', '1', 'an open chunk may be reset; else that fails'),
    choice(
      'open-channel-20',
      'lsgl_lbal',
      '0',
      [0],
      'address lists as scatter-gather lists',
      'because there are no scatter-gather lists here, and Linux sends none',
    ),
    toggle('open-channel-20', 'ldebug', '0', `${NO_EFFECT}: every command is shown on the page`),
    number('open-channel-20', 'lnum_grp', '1', [1, U16], 'groups, where no image says it (older spelling)'),
    number(
      'open-channel-20',
      'lnum_pu',
      '1',
      [1, U16],
      'parallel units of a group, where no image says it (older spelling)',
    ),
    number(
      'open-channel-20',
      'lnum_sec',
      '4096',
      [1, 2 ** 31],
      'sectors of a chunk, where no image says it (older spelling)',
    ),
    sectorSizeOption('open-channel-20', 'lsec_size', 4096, 'bytes of a sector (older spelling)'),
    ...QEMU_OPTIONS,
  ],
);
