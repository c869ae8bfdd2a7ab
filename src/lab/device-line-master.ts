/** qemu-nvme, branch master: counts from the image (or an older device line), rules from the device. */
import { build20, dataBytes, type ChunkDevice, type ChunkNames } from './device-line-20.ts';
import { buildPlain } from './device-line-12.ts';
import type { Understood } from './device-line-build.ts';
import { DIALECTS, type Recognised } from './device-line-dialect.ts';
import { fileNotes } from './device-line-files.ts';
import { commonNotes } from './device-line-notes.ts';
import { oneNamespaceOnly } from './device-line-plain.ts';
import { fail, readOptions, type Values } from './device-line-values.ts';
import { MASTER_IMAGE_TABLE, MASTER_TABLE } from './options-master.ts';
import { formatSize } from './size.ts';
import type { DeviceFiles, DeviceLineError } from './types.ts';

/** Each reset adds one to the branch's wear index, which ends at 255. */
const PE_CYCLES = 255;
const EARLY_RESET = 4;

const IMAGE_NAMES = { grp: 'num_grp', pu: 'num_pu', chk: 'num_chk', sec: 'num_sec' };
const OLD_NAMES = { grp: 'lnum_grp', pu: 'lnum_pu', chk: 'the size', sec: 'lnum_sec' };

/** A line of branch master for a disk of so many bytes, which matter only where no image says them. */
export function understandMaster(
  recognised: Extract<Recognised, { spelling: 'master' }>,
  sizeBytes: number,
  files: DeviceFiles,
): Understood | DeviceLineError {
  const read = readOptions(recognised.device.options, MASTER_TABLE);
  if (!read.ok) return read;
  const { values } = read;
  if (values.number('dialect') === 0) return plain(values, read.notes, sizeBytes, files);
  const image = readOptions(recognised.image ?? [], MASTER_IMAGE_TABLE);
  if (!image.ok) return image;
  const wrong = oneNamespaceOnly(values) ?? differingMetadata(values, image.values);
  if (wrong !== undefined) return wrong;
  const isOld =
    recognised.image === undefined && ['lnum_grp', 'lnum_pu', 'lnum_sec'].some((n) => values.isGiven(n));
  const counts = isOld ? oldCounts(values, sizeBytes) : imageCounts(image.values);
  const metadata = image.values.isGiven('md_size') ? image.values.number('md_size') : values.number('ms');
  const mccap = ruled(values, 'lmccap', image.values, 'mccap');
  const device: ChunkDevice = {
    ...counts,
    oobSizeBytes: metadata,
    wsMin: ruled(values, 'lws_min', image.values, 'ws_min'),
    wsOpt: ruled(values, 'lws_opt', image.values, 'ws_opt'),
    mwCunits: ruled(values, 'lmw_cunits', image.values, 'mw_cunits'),
    mccap,
    earlyReset: values.number('learly_reset') === 1 || (mccap & EARLY_RESET) !== 0,
    peCycles: PE_CYCLES,
    wearIndexThreshold: 0,
    deallocatedReads: values.number('dlfeat'),
  };
  const names: ChunkNames = {
    ...(isOld ? OLD_NAMES : IMAGE_NAMES),
    wsMin: values.isGiven('lws_min') || !image.values.isGiven('ws_min') ? 'lws_min' : 'ws_min',
    wsOpt: values.isGiven('lws_opt') || !image.values.isGiven('ws_opt') ? 'lws_opt' : 'ws_opt',
  };
  const built = build20(device, names, files);
  if (!built.ok) return built;
  return {
    ok: true,
    dialect: DIALECTS.master,
    values,
    rows: [...(isOld ? [] : image.values.rows()), ...values.rows()],
    namespaces: [built.namespace],
    sizeBytes: isOld ? sizeBytes : dataBytes(device),
    notes: [
      ...read.notes,
      ...image.notes,
      ...imageNotes(recognised.image !== undefined, isOld, values, device),
      ...built.notes,
      ...fileNotes(values, files),
      ...commonNotes(values),
    ],
  };
}

function plain(
  values: Values,
  notes: readonly string[],
  sizeBytes: number,
  files: DeviceFiles,
): Understood | DeviceLineError {
  const built = buildPlain(values, sizeBytes, files);
  if (!built.ok) return built;
  return {
    ok: true,
    dialect: DIALECTS.masterPlain,
    values,
    rows: values.rows(),
    namespaces: built.namespaces,
    sizeBytes,
    notes: [...notes, 'dialect=0 makes a plain NVMe disk, so options that begin with l have no effect.'],
  };
}

/** The device line decides, then the image, then the device's default. */
function ruled(values: Values, name: string, image: Values, imageName: string): number {
  return !values.isGiven(name) && image.isGiven(imageName) ? image.number(imageName) : values.number(name);
}

function imageCounts(image: Values): Pick<ChunkDevice, 'numGrp' | 'numPu' | 'numChk' | 'clba'> {
  return {
    numGrp: image.number('num_grp'),
    numPu: image.number('num_pu'),
    numChk: image.number('num_chk'),
    clba: image.number('num_sec'),
  };
}

/** Chunks from the size, as states of the branch before its image format had them. */
function oldCounts(
  values: Values,
  sizeBytes: number,
): Pick<ChunkDevice, 'numGrp' | 'numPu' | 'numChk' | 'clba'> {
  const numGrp = values.number('lnum_grp');
  const numPu = values.number('lnum_pu');
  const clba = values.number('lnum_sec');
  const secBytes = values.number('lsec_size') + values.number('ms');
  return { numGrp, numPu, numChk: Math.floor(sizeBytes / secBytes / clba / (numGrp * numPu)), clba };
}

function differingMetadata(values: Values, image: Values): DeviceLineError | undefined {
  if (!values.isGiven('ms') || !image.isGiven('md_size')) return undefined;
  const [ms, mdSize] = [values.number('ms'), image.number('md_size')];
  if (ms === mdSize) return undefined;
  return fail(
    `ms=${ms} of the device and md_size=${mdSize} of the image are the same bytes and have to be equal: ms=${mdSize} would work.`,
    'ms',
  );
}

function imageNotes(hasImage: boolean, isOld: boolean, values: Values, device: ChunkDevice): string[] {
  if (isOld) {
    return [
      'The line has no image, so the number of chunks comes from the size; qemu-img create -f ocssd -o num_grp=…,num_pu=…,num_chk=…,num_sec=… before it decides them all.',
    ];
  }
  const { numGrp, numPu, numChk, clba } = device;
  const counts = `num_grp=${numGrp}, num_pu=${numPu}, num_chk=${numChk}, num_sec=${clba}`;
  const notes = hasImage
    ? []
    : [
        `The geometry belongs to the image, which the line does not have, so it is that of qemu-img create -f ocssd by default: ${counts} (${formatSize(dataBytes(device))}); paste that command with its -o too for another.`,
      ];
  const old = ['lnum_grp', 'lnum_pu', 'lnum_sec'].filter((name) => values.isGiven(name));
  if (old.length > 0) notes.push(`The image decides the geometry, so ${old.join(', ')} has no effect.`);
  return notes;
}
