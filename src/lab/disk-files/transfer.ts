/** Disks in and out as files: our container, and the images of qemu-nvme. The same for the page and for Node. */
import type { ControllerConfig } from '../../device/config.ts';
import { openMedia } from '../../device/media.ts';
import type { Geometry } from '../../flash/geometry.ts';
import { StoreError } from '../../flash/media-store.ts';
import type { ByteStream } from '../../storage/byte-source.ts';
import type { DiskCatalogue, DiskSpec, DiskSummary, OpenDisk } from '../../storage/catalogue.ts';
import { isContainer, refuseContainer } from '../../storage/container-format.ts';
import { ContainerReader } from '../../storage/container-read.ts';
import type { TransferOptions } from '../../storage/transfer-options.ts';
import { buildConfig, mediumOf } from '../device-line.ts';
import { LabError } from '../errors.ts';
import type { ImageContent } from './image-content.ts';
import { refuseImage, type ImageSource } from './image-source.ts';
import { fillFromOcssd, isOcssd, readOcssdHead } from './ocssd-read.ts';
import { ocssdContent } from './ocssd-write.ts';
import { fillFromRaw12, raw12Contents, type Raw12Sources } from './raw12.ts';

/** `container` is our own; `ocssd` and `raw12` are qemu-nvme's, branch master and branch ocssd12. */
export type DiskFormat = 'container' | 'ocssd' | 'raw12';
export type ImageFormat = Exclude<DiskFormat, 'container'>;

/** Bytes of a file that {@link formatOf} looks at. */
export const MAGIC_BYTES = 8;

/** What a file is by its first bytes; undefined for what can only be raw data, or nothing of ours. */
export function formatOf(firstBytes: Uint8Array): 'container' | 'ocssd' | undefined {
  if (isContainer(firstBytes)) return 'container';
  return isOcssd(firstBytes) ? 'ocssd' : undefined;
}

/** Takes a container into a catalogue: whole, or not at all. Rejects with one sentence. */
export async function importContainer(
  catalogue: DiskCatalogue,
  stream: ByteStream,
  options: TransferOptions & { readonly name?: (given: string) => string } = {},
): Promise<DiskSummary> {
  const reader = await ContainerReader.open(stream);
  try {
    const { manifest } = reader;
    const { deviceLine, sizeBytes, unitBytes, totalUnits } = manifest;
    const built = buildConfig(deviceLine, sizeBytes);
    if (!built.ok) throw refuseContainer(`its device line is not understood: ${phrase(built.error)}`);
    const medium = mediumOf(built.config);
    if (medium.unitBytes !== unitBytes || medium.totalUnits !== totalUnits)
      throw refuseContainer('its device line makes another disk than the one that is in it');
    const name = options.name?.(manifest.name) ?? manifest.name;
    return await catalogue.build({ name, deviceLine, sizeBytes, unitBytes, totalUnits }, async (disk) => {
      await reader.readInto(disk, options);
      await checkMedia(built.config, disk, refuseContainer);
    });
  } finally {
    await reader.close();
  }
}

export interface ImageImportOptions extends TransferOptions {
  readonly name: string;
  /** The device that was asked for: what the image holds has to fit it. */
  readonly device?: { readonly line: string; readonly sizeBytes?: number | undefined } | undefined;
}

/** Takes an `ocssd` image of qemu-nvme, branch master. Its head says which disk it is. Rejects with one sentence. */
export async function importOcssd(
  catalogue: DiskCatalogue,
  source: ImageSource,
  { name, device, ...options }: ImageImportOptions,
): Promise<DiskSummary> {
  const head = await readOcssdHead(source);
  const own = buildConfig(head.deviceLine, 0);
  if (!own.ok) throw refuseImage(`the disk that it describes is not possible: ${phrase(own.error)}`);
  const asked = device === undefined ? own : buildConfig(device.line, device.sizeBytes ?? source.sizeBytes);
  if (!asked.ok) throw new LabError('device', asked.error);
  const [config] = asked.config.namespaces;
  const ownCounts = countsOf(own.result.geometry);
  const askedCounts = countsOf(asked.result.geometry);
  if (config?.kind !== 'ocssd20')
    throw refuseImage(`it is an open-channel disk of version 2.0, which the device line does not make`);
  if (ownCounts !== askedCounts)
    throw refuseImage(`it has ${ownCounts}, and the device line makes ${askedCounts}`);
  const deviceLine = device?.line ?? head.deviceLine;
  return catalogue.build(specOf(name, deviceLine, asked.result.sizeBytes, asked.config), async (disk) => {
    await fillFromOcssd(disk, source, config, options);
    await checkMedia(asked.config, disk, refuseImage);
  });
}

/** Takes the files of qemu-nvme, branch ocssd12; the device line says what is in them. Rejects with one sentence. */
export async function importRaw12(
  catalogue: DiskCatalogue,
  sources: Raw12Sources,
  { name, device, ...options }: ImageImportOptions,
): Promise<DiskSummary> {
  if (device === undefined)
    throw refuseImage(
      'raw files do not say what is in them: the device line they were made with has to be given',
    );
  const { sizeBytes } = sources.data;
  if (device.sizeBytes !== undefined && device.sizeBytes !== sizeBytes)
    throw refuseImage(`the data file has ${sizeBytes} bytes and the disk is to have ${device.sizeBytes}`);
  const built = buildConfig(device.line, sizeBytes);
  if (!built.ok) throw new LabError('device', built.error);
  const [config] = built.config.namespaces;
  if (config?.kind !== 'ocssd12')
    throw refuseImage(
      'the device line makes no open-channel disk of version 1.2 (lver=1), which these files are',
    );
  return catalogue.build(specOf(name, device.line, sizeBytes, built.config), async (disk) => {
    await fillFromRaw12(disk, sources, config, options);
    await checkMedia(built.config, disk, refuseImage);
  });
}

/** The files of an image, with what is added to the name of the first for each. */
export interface ImageFiles {
  readonly files: readonly { readonly suffix: string; readonly content: ImageContent }[];
  /** What the reader should know, a sentence each. */
  readonly notes: readonly string[];
}

/** What an image of an open disk is made of. Rejects with one sentence for a disk that it cannot hold. */
export async function imageFiles(disk: OpenDisk, format: ImageFormat): Promise<ImageFiles> {
  const { deviceLine, sizeBytes } = disk.summary;
  const built = buildConfig(deviceLine, sizeBytes);
  if (!built.ok) throw new LabError('device', built.error);
  const [config] = built.config.namespaces;
  if (format === 'ocssd') {
    if (config?.kind !== 'ocssd20')
      throw new LabError(
        'disk',
        'An ocssd image holds an open-channel disk of version 2.0, which this one is not: a container takes any disk.',
      );
    return { files: [{ suffix: '', content: await ocssdContent(disk, config) }], notes: OCSSD_NOTES };
  }
  if (config?.kind !== 'ocssd12')
    throw new LabError(
      'disk',
      'Raw files with metadata hold an open-channel disk of version 1.2, which this one is not: a container takes any disk.',
    );
  const { data, metadata, badBlocks } = await raw12Contents(disk, config);
  return {
    files: [
      { suffix: '', content: data },
      { suffix: METADATA_SUFFIX, content: metadata },
      { suffix: BAD_BLOCKS_SUFFIX, content: badBlocks },
    ],
    notes: RAW12_NOTES,
  };
}

export const METADATA_SUFFIX = '.meta';
export const BAD_BLOCKS_SUFFIX = '.bbt';

export const OCSSD_NOTES = [
  'At each start qemu-nvme writes its predefined data over the first sector of the disk (group 0, parallel unit 0, chunk 0), so that a pblk line which begins there is not recovered; a target over other parallel units is not touched.',
];
export const RAW12_NOTES = [
  'qemu-nvme, branch ocssd12, zeroes its metadata file at each start, so that the disk does not continue there with its data: only the formats are served.',
];

/** Which image a disk can become; undefined for plain disks. */
export function imageFormatOf(deviceLine: string, sizeBytes: number): ImageFormat | undefined {
  const built = buildConfig(deviceLine, sizeBytes);
  const kind = built.ok ? built.result.kind : 'plain';
  return kind === 'ocssd20' ? 'ocssd' : kind === 'ocssd12' ? 'raw12' : undefined;
}

/** Opens the media once, as a power on does: a table that is not possible is found here and not there. */
async function checkMedia(
  config: ControllerConfig,
  disk: OpenDisk,
  refuse: (reason: string) => StoreError,
): Promise<void> {
  try {
    await openMedia(config, disk, { flash: () => {} });
  } catch (error) {
    if (error instanceof StoreError && error.code !== 'corrupt') throw error;
    throw refuse(`what is in it cannot be a disk: ${phrase((error as Error).message)}`);
  }
}

function specOf(name: string, deviceLine: string, sizeBytes: number, config: ControllerConfig): DiskSpec {
  return { name, deviceLine, sizeBytes, ...mediumOf(config) };
}

function countsOf({ numCh, numLun, numChk, numPg, secsPerPg, oobSizeBytes }: Geometry): string {
  return `${numCh} × ${numLun} parallel units of ${numChk} chunks with ${numPg * secsPerPg} sectors and ${oobSizeBytes} bytes of metadata each`;
}

/** A sentence as part of another. */
function phrase(sentence: string): string {
  return sentence.replace(/[.]$/, '');
}
