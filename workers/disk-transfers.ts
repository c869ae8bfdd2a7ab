import { continueLines } from '../src/lab/disk-files/continue-lines.ts';
import { imagePieces } from '../src/lab/disk-files/image-content.ts';
import { blobSource } from '../src/lab/disk-files/image-source.ts';
import { sparseTar } from '../src/lab/disk-files/sparse-tar.ts';
import {
  BAD_BLOCKS_SUFFIX,
  formatOf,
  imageFiles,
  imageFormatOf,
  importContainer,
  importOcssd,
  importRaw12,
  MAGIC_BYTES,
  METADATA_SUFFIX,
} from '../src/lab/disk-files/transfer.ts';
import { LabError } from '../src/lab/errors.ts';
import type {
  ContinueLines,
  DiskFileKind,
  ImportRequest,
  TransferDown,
  TransferUp,
} from '../src/rpc/protocol.ts';
import { streamBytes } from '../src/storage/byte-source.ts';
import type { DiskCatalogue, DiskSummary, OpenDisk } from '../src/storage/catalogue.ts';
import { MAX_NAME_CHARACTERS, printable } from '../src/storage/disk-spec.ts';
import { writeContainer } from '../src/storage/container-write.ts';
import { throwIfAborted, type TransferOptions } from '../src/storage/transfer-options.ts';

/** Progress is told at most so often. */
const PROGRESS_MS = 100;

/** The worker's end of one transfer's port: asked for pieces, told to stop, telling how far it is. */
class TransferPort {
  readonly #port: MessagePort;
  readonly #end = new AbortController();
  #wanted = 0;
  #wake: (() => void) | undefined;
  #lastMs = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<TransferDown>) => {
      if (data.type === 'next') this.#wanted++;
      else this.#end.abort();
      this.#wake?.();
    };
  }

  get options(): TransferOptions {
    return {
      signal: this.#end.signal,
      onProgress: (doneBytes, totalBytes) => {
        const nowMs = performance.now();
        if (doneBytes < totalBytes && nowMs - this.#lastMs < PROGRESS_MS) return;
        this.#lastMs = nowMs;
        this.#post({ type: 'progress', doneBytes, totalBytes });
      },
    };
  }

  /** Hands a piece over once the page asks for one; when it wants no more, the next part of the disk is not read. */
  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    while (this.#wanted === 0 && !this.#end.signal.aborted)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wanted--;
    if (!this.#end.signal.aborted) this.#post({ type: 'piece', bytes }, [bytes.buffer]);
  }

  end(): void {
    this.#post({ type: 'end' });
  }

  close(): void {
    this.#port.close();
  }

  #post(message: TransferUp, buffers: Transferable[] = []): void {
    this.#port.postMessage(message, buffers);
  }
}

/** Exports an open disk over a port. Rejects with one sentence. */
export async function exportOverPort(disk: OpenDisk, kind: DiskFileKind, port: MessagePort): Promise<void> {
  const to = new TransferPort(port);
  try {
    const pieces =
      kind === 'container' ? writeContainer(disk, to.options) : await imageArchive(disk, to.options);
    for await (const piece of pieces) await to.send(piece);
    throwIfAborted(to.options.signal);
    to.end();
  } finally {
    to.close();
  }
}

/** The files of a disk's image in one archive, with holes. */
async function imageArchive(
  disk: OpenDisk,
  options: TransferOptions,
): Promise<AsyncIterable<Uint8Array<ArrayBuffer>>> {
  const { deviceLine, sizeBytes, name } = disk.summary;
  const format = imageFormatOf(deviceLine, sizeBytes);
  if (format === undefined)
    throw new LabError(
      'disk',
      'There is no image of a plain disk for qemu-nvme: a container takes any disk.',
    );
  const { files } = await imageFiles(disk, format);
  return sparseTar(
    files.map(({ suffix, content }) => ({
      name: `${imageName(name)}${suffix}`,
      content,
      // Only the data tells how far it is: the rest is small beside it.
      pieces: () => imagePieces(content, disk, suffix === '' ? options : { signal: options.signal }),
    })),
  );
}

/** A file name that every file system and the archive's format take. */
export function imageName(diskName: string): string {
  const plain = diskName.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|-+$/g, '');
  return `${plain.slice(0, 60) || 'disk'}.img`;
}

/** Imports files over a port. Rejects with one sentence; then nothing was changed. */
export async function importOverPort(
  catalogue: DiskCatalogue,
  request: ImportRequest,
  taken: readonly string[],
  port: MessagePort,
): Promise<DiskSummary> {
  const from = new TransferPort(port);
  try {
    const summary = await importFiles(catalogue, request, taken, from.options);
    from.end();
    return summary;
  } finally {
    from.close();
  }
}

async function importFiles(
  catalogue: DiskCatalogue,
  { files, deviceLine }: ImportRequest,
  taken: readonly string[],
  options: TransferOptions,
): Promise<DiskSummary> {
  const freeName = (name: string): string => freeNameOf(name, taken);
  const metadata = files.find(({ name }) => name.endsWith(METADATA_SUFFIX) || /^meta\b.*\.qemu$/.test(name));
  const badBlocks = files.find(({ name }) => name.endsWith(BAD_BLOCKS_SUFFIX) || /^bbtable\b/.test(name));
  const others = files.filter((file) => file !== metadata && file !== badBlocks);
  const [file] = others;
  if (file === undefined || others.length > 1)
    throw new LabError(
      'file',
      `Of the ${files.length} files ${others.length} can be a disk; choose one, and with raw files of branch ocssd12 those of its metadata (${METADATA_SUFFIX}) and bad blocks (${BAD_BLOCKS_SUFFIX}) too.`,
    );
  const format = formatOf(new Uint8Array(await file.blob.slice(0, MAGIC_BYTES).arrayBuffer()));
  if (format === 'container')
    return importContainer(catalogue, streamBytes(file.blob.stream()), {
      ...options,
      name: freeName,
    });
  const name = freeName(file.name.replace(/\.img$/, ''));
  if (format === 'ocssd') return importOcssd(catalogue, blobSource(file.blob), { ...options, name });
  if (metadata === undefined)
    throw new LabError(
      'file',
      `${file.name} is neither an exported disk nor an ocssd image; unpack an archive first, and choose raw files of branch ocssd12 together with their ${METADATA_SUFFIX} file.`,
    );
  return importRaw12(
    catalogue,
    {
      data: blobSource(file.blob),
      metadata: blobSource(metadata.blob),
      badBlocks: badBlocks && blobSource(badBlocks.blob),
    },
    { ...options, name, device: { line: deviceLine } },
  );
}

/** The name, or with a number behind it: two disks of one name cannot be told apart. */
export function freeNameOf(wanted: string, taken: readonly string[]): string {
  const clean = printable(wanted) || 'disk';
  const base = [...clean].slice(0, MAX_NAME_CHARACTERS - 5).join('');
  let name = [...clean].length <= MAX_NAME_CHARACTERS ? clean : base;
  for (let n = 2; taken.includes(name); n++) name = `${base} ${n}`;
  return name;
}

export function linesFor({ deviceLine, sizeBytes, name }: DiskSummary): ContinueLines | undefined {
  return continueLines(deviceLine, sizeBytes, imageName(name));
}
