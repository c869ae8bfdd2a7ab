/** `--import` and `--export`: disks in and out as files of Node. */
import { createReadStream, existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { imagePieces, type ImageContent } from '../lab/disk-files/image-content.ts';
import type { ImageSource } from '../lab/disk-files/image-source.ts';
import {
  BAD_BLOCKS_SUFFIX,
  formatOf,
  imageFiles,
  importContainer,
  importOcssd,
  importRaw12,
  MAGIC_BYTES,
  METADATA_SUFFIX,
  type DiskFormat,
} from '../lab/disk-files/transfer.ts';
import { LabError } from '../lab/errors.ts';
import { readableBytes } from '../lab/size.ts';
import type { DiskCatalogue, DiskSummary } from '../storage/catalogue.ts';
import { MAX_NAME_CHARACTERS, printable } from '../storage/disk-spec.ts';
import { CONTAINER_EXTENSION } from '../storage/container-format.ts';
import { writeContainer } from '../storage/container-write.ts';
import type { TransferOptions } from '../storage/transfer-options.ts';
import type { LabArguments } from './arguments.ts';

const READ_BYTES = 1_048_576;
/** Between two lines of progress. */
const PROGRESS_MS = 1000;

/** Fills a new disk of the catalogue from the file of `--import`. Rejects with one sentence; then there is no disk. */
export async function importDisk(
  args: LabArguments,
  catalogue: DiskCatalogue,
  path: string,
): Promise<DiskSummary> {
  const opened: FileHandle[] = [];
  const source = async (name: string): Promise<ImageSource> => {
    const handle = await opening(name, () => open(name, 'r'));
    opened.push(handle);
    return handleSource(handle, name);
  };
  try {
    const image = await source(path);
    const first = await image.read(0, Math.min(MAGIC_BYTES, image.sizeBytes));
    const format = formatOf(first) ?? (args.metadata === undefined ? args.format : 'raw12');
    if (format === undefined || (format === 'container' && formatOf(first) === undefined)) {
      throw new LabError(
        'file',
        `${path} is neither an exported disk nor an ocssd image; raw files of branch ocssd12 are taken with --format raw12.`,
      );
    }
    const progress = progressOf(`Importing ${path}`);
    const options = {
      name: nameOf(path),
      device: args.chosen
        ? { line: args.device, sizeBytes: args.sizeGiven ? args.sizeBytes : undefined }
        : undefined,
      ...progress,
    };
    if (format === 'ocssd') return await importOcssd(catalogue, image, options);
    if (format === 'raw12') {
      const metadata = await source(args.metadata ?? `${path}${METADATA_SUFFIX}`);
      const badBlocks = args.files.badBlocks ?? `${path}${BAD_BLOCKS_SUFFIX}`;
      const given = args.files.badBlocks !== undefined || existsSync(badBlocks);
      return await importRaw12(
        catalogue,
        { data: image, metadata, badBlocks: given ? await source(badBlocks) : undefined },
        options,
      );
    }
    if (args.chosen) {
      throw new LabError('device', `${path} says itself which disk is in it; leave --device and --size out.`);
    }
    const stream: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: READ_BYTES });
    return await importContainer(catalogue, stream, progress);
  } finally {
    for (const handle of opened) await handle.close();
  }
}

/** Writes a disk to the file of `--export`, and its companions. Rejects with one sentence; then there is no file. */
export async function exportDisk(
  args: LabArguments,
  catalogue: DiskCatalogue,
  diskId: string,
  path: string,
): Promise<void> {
  const format = exportFormat(args, path);
  const disk = await catalogue.open(diskId);
  try {
    const progress = progressOf(`Exporting ${path}`);
    if (format === 'container') {
      await written(path, async (handle) => {
        let offset = 0;
        for await (const piece of writeContainer(disk, progress)) {
          await writeAll(handle, piece, offset);
          offset += piece.length;
        }
      });
      return;
    }
    const { files, notes } = await imageFiles(disk, format);
    for (const { suffix } of files) refuseExisting(`${path}${suffix}`);
    for (const { suffix, content } of files) {
      const options = suffix === '' ? progress : {};
      await written(`${path}${suffix}`, (handle) =>
        writeImage(handle, content, imagePieces(content, disk, options)),
      );
    }
    for (const note of notes) console.error(note);
  } finally {
    await disk.close();
  }
}

/** What `--export` writes: what `--format` says, unless the name is that of a container. */
function exportFormat({ format, import: from }: LabArguments, path: string): DiskFormat {
  if (path.endsWith(CONTAINER_EXTENSION)) {
    // With --import as well the format is that file's.
    if (format !== undefined && format !== 'container' && from === undefined)
      throw new LabError('file', `${path} is named as a container; give the ${format} image another name.`);
    return 'container';
  }
  if (format !== undefined) return format;
  throw new LabError(
    'file',
    `What ${path} is to be is not known; end its name with ${CONTAINER_EXTENSION}, or give --format container, ocssd or raw12.`,
  );
}

async function writeImage(
  handle: FileHandle,
  { sizeBytes }: ImageContent,
  pieces: ReturnType<typeof imagePieces>,
): Promise<void> {
  // What is never written stays a hole.
  await handle.truncate(sizeBytes);
  for await (const { offset, bytes } of pieces) await writeAll(handle, bytes, offset);
}

/** A write may take less than it is given. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length;)
    at += (await handle.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
}

/** Makes a file that appears whole or not at all, and never in place of another. */
async function written(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  refuseExisting(path);
  const partPath = `${path}.part`;
  const handle = await opening(partPath, () => open(partPath, 'w', 0o644));
  try {
    try {
      await write(handle);
    } finally {
      await handle.close();
    }
    await rename(partPath, path);
  } catch (error) {
    await rm(partPath, { force: true });
    throw fileError(error, path);
  }
}

function refuseExisting(path: string): void {
  if (existsSync(path)) throw new LabError('file', `${path} exists already; give the name of a new file.`);
}

async function opening<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(error, path);
  }
}

function fileError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  // Our own errors have sentences already; their codes are words.
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  return new LabError(
    'file',
    `${path} cannot be read or written (${code}); check its name and its permissions.`,
    error,
  );
}

async function handleSource(handle: FileHandle, path: string): Promise<ImageSource> {
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await opening(path, () => handle.read(bytes, at, length - at, offset + at));
        if (bytesRead === 0)
          throw new LabError('file', `${path} became shorter while it was read; try again.`);
        at += bytesRead;
      }
      return bytes;
    },
  };
}

/** A disk's name from that of a file. */
function nameOf(path: string): string {
  return [...printable(basename(path))].slice(0, MAX_NAME_CHARACTERS).join('') || 'imported';
}

/** Lines on standard error: at most one a second, and one at the end. */
function progressOf(what: string): Pick<TransferOptions, 'onProgress'> {
  let lastMs = 0;
  return {
    onProgress(doneBytes, totalBytes) {
      const nowMs = performance.now();
      if (doneBytes < totalBytes && nowMs - lastMs < PROGRESS_MS) return;
      lastMs = nowMs;
      const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
      console.error(`${what}: ${readableBytes(doneBytes)} of ${readableBytes(totalBytes)}, ${percent} %`);
    },
  };
}
