/** What goes on a command line to use a disk's exported image in qemu-nvme, and to have a disk of the same shape in FEMU. */
import type { ControllerConfig } from '../../device/config.ts';
import type { Geometry } from '../../flash/geometry.ts';
import { buildConfig } from '../device-line.ts';
import { BAD_BLOCKS_SUFFIX, imageFormatOf, METADATA_SUFFIX, type ImageFormat } from './transfer.ts';

export interface ContinueLines {
  /** Which image the lines use. */
  readonly format: ImageFormat;
  /** A whole command of qemu-nvme, branch master (2.0) or ocssd12 (1.2). */
  readonly qemu: string;
  /** A command of FEMU for a new disk of this shape; absent where FEMU cannot have the shape. */
  readonly femu?: string;
}

const MIB = 2 ** 20;
const START = 'qemu-system-x86_64 -m 4G -smp 2 -enable-kvm -drive file=guest.qcow2,if=virtio';

/**
 * Undefined for a plain disk, and for one whose device line is not understood.
 * @param imageName name of the exported file
 */
export function continueLines(
  deviceLine: string,
  sizeBytes: number,
  imageName: string,
): ContinueLines | undefined {
  const format = imageFormatOf(deviceLine, sizeBytes);
  const built = buildConfig(deviceLine, sizeBytes);
  if (format === undefined || !built.ok) return undefined;
  const [config] = built.config.namespaces;
  if (config === undefined || config.kind === 'plain') return undefined;
  // QEMU takes a comma in a value when it is doubled (util/qemu-option.c, get_opt_value).
  const file = imageName.replaceAll(',', ',,');
  const serial = `serial=${built.config.serial.replaceAll(',', ',,')}`;
  const qemu =
    config.kind === 'ocssd20'
      ? [
          START,
          `-blockdev ocssd,node-name=nvme01,file.driver=file,file.filename=${file}`,
          `-device nvme,drive=nvme01,${serial},mdts=${built.config.mdts}${config.earlyReset ? '' : ',learly_reset=0'}`,
        ]
      : [
          START,
          `-drive file=${file},if=none,id=mynvme,format=raw`,
          `-device nvme,drive=mynvme,${serial},${options12(config.geometry, built.config)},lbbtable=${file}${BAD_BLOCKS_SUFFIX},lmetadata=${file}${METADATA_SUFFIX}`,
        ];
  const femu = femuDevice(config.kind, config.geometry, built.config, sizeBytes);
  return {
    format,
    qemu: qemu.join(' \\\n  '),
    ...(femu === undefined ? {} : { femu: `${START} \\\n  -device ${femu}` }),
  };
}

function options12(g: Geometry, { mdts }: ControllerConfig): string {
  const channels = g.numCh === 1 ? '' : `lnum_ch=${g.numCh},`;
  return `namespaces=1,lver=1,lmetasize=${g.oobSizeBytes},ll2pmode=0,nlbaf=5,lba_index=3,mdts=${mdts},${channels}lnum_lun=${g.numLun},lnum_pln=${g.numPln},lsec_size=${g.secSizeBytes},lsecs_per_pg=${g.secsPerPg},lpgs_per_blk=${g.numPg}`;
}

/** FEMU's line, if it makes the same counts: its sizes are whole MiB, and its 2.0 chunks pages of planes. */
function femuDevice(
  kind: 'ocssd12' | 'ocssd20',
  g: Geometry,
  config: ControllerConfig,
  sizeBytes: number,
): string | undefined {
  const clba = g.numPg * g.secsPerPg;
  const [pln, secs] = kind === 'ocssd12' ? [g.numPln, g.secsPerPg] : clba % 8 === 0 ? [2, 4] : [1, 1];
  const pages = kind === 'ocssd12' ? g.numPg : clba / (pln * secs);
  const common = `femu,devsz_mb=${Math.ceil(sizeBytes / MIB)},femu_mode=0,serial=${config.serial.replaceAll(',', ',,')},namespaces=1`;
  const line = `${common},lver=${kind === 'ocssd12' ? 1 : 2},lmetasize=${g.oobSizeBytes},nlbaf=5,lba_index=3,mdts=${config.mdts},lnum_ch=${g.numCh},lnum_lun=${g.numLun},lnum_pln=${pln},lsec_size=${g.secSizeBytes},lsecs_per_pg=${secs},lpgs_per_blk=${pages}`;
  const built = buildConfig(line, sizeBytes);
  if (!built.ok) return undefined;
  const made = built.result.geometry;
  const same =
    made.numCh === g.numCh &&
    made.numLun === g.numLun &&
    made.numPln === g.numPln &&
    made.numChk === g.numChk &&
    made.numPg * made.secsPerPg === clba &&
    made.oobSizeBytes === g.oobSizeBytes;
  return same ? line : undefined;
}
