import { decompress } from 'fzstd';
import { LabError } from './errors.ts';

/**
 * The files a machine boots from, as public/guest/manifest.json lists them: fetched with progress,
 * checked against their checksums, unpacked.
 */
export interface GuestImages {
  readonly bios: Uint8Array<ArrayBuffer>;
  readonly vgaBios: Uint8Array<ArrayBuffer>;
  readonly kernel: Uint8Array<ArrayBuffer>;
  readonly initrd: Uint8Array<ArrayBuffer>;
  /** The kernel command line the images were tested with. */
  readonly cmdline: string;
}

/** Hears of a file while it comes. */
export interface PieceListener {
  piece(bytes: Uint8Array<ArrayBuffer>): void;
  /** It comes from its beginning once more: the pieces so far are of no use. */
  again(): void;
}

/** Where the files are: reads one whole, and tells of its pieces as they come. Rejects if it is not there. */
export interface GuestSource {
  read(name: string, listener: PieceListener): Promise<Uint8Array<ArrayBuffer>>;
}

/** Counts the bytes of a file while it comes. */
export function counting(onBytes: (count: number) => void): PieceListener {
  let doneBytes = 0;
  return {
    piece({ byteLength }) {
      doneBytes += byteLength;
      onBytes(byteLength);
    },
    again() {
      onBytes(-doneBytes);
      doneBytes = 0;
    },
  };
}

/** How far a file, or a set of them, is loaded. */
export type OnProgress = (doneBytes: number, totalBytes: number, name: string) => void;

export interface ManifestFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

const MANIFEST = 'manifest.json';
const NAMES = {
  bios: 'seabios.bin',
  vgaBios: 'vgabios.bin',
  kernel: 'bzImage',
  initrd: 'initramfs.cpio.zst',
} as const;
export const DEFAULT_CMDLINE = 'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on nowatchdog';

/**
 * Reads and checks all of them; `onProgress` gets bytes done and in all over every file. Rejects with a
 * {@link LabError} that names the file and says what is wrong with it.
 */
export async function loadGuestImages(source: GuestSource, onProgress: OnProgress): Promise<GuestImages> {
  const files = parseManifest(await readOne(source, MANIFEST, () => {}));
  const wanted = Object.values(NAMES).map((name) => {
    const file = files.get(name);
    if (!file)
      throw new LabError(
        'guest',
        `The guest's manifest does not list ${name}; build the guest again or reload the page.`,
      );
    return file;
  });
  const totalBytes = wanted.reduce((sum, file) => sum + file.size, 0);
  let doneBytes = 0;
  const read = async (file: ManifestFile) => {
    const bytes = await readOne(source, file.name, (count) => {
      doneBytes += count;
      onProgress(Math.min(doneBytes, totalBytes), totalBytes, file.name);
    });
    await checkFile(file, bytes);
    return bytes;
  };
  const [bios, vgaBios, kernel, initrd] = await Promise.all(wanted.map(read));
  if (!bios || !vgaBios || !kernel || !initrd) throw new LabError('guest', 'A guest file is missing.');
  return { bios, vgaBios, kernel, initrd: unpack(initrd), cmdline: DEFAULT_CMDLINE };
}

async function readOne(
  source: GuestSource,
  name: string,
  onBytes: (count: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await source.read(name, counting(onBytes));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LabError(
      'guest',
      `The guest's file ${name} could not be loaded (${why}); check the connection and power on again.`,
      error,
    );
  }
}

function parseManifest(bytes: Uint8Array): Map<string, ManifestFile> {
  const files = new Map<string, ManifestFile>();
  try {
    const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const list = (manifest as { files?: unknown }).files;
    if (!Array.isArray(list)) throw new Error('no list of files');
    for (const entry of list as unknown[]) {
      const { name, size, sha256 } = entry as Partial<ManifestFile>;
      if (typeof name !== 'string' || typeof size !== 'number' || typeof sha256 !== 'string')
        throw new Error('an entry without name, size or sha256');
      files.set(name, { name, size, sha256 });
    }
  } catch (error) {
    throw new LabError('guest', `The guest's ${MANIFEST} cannot be read; reload the page.`, error);
  }
  return files;
}

/** Sizes always; the checksum where the browser has one to offer (pages served without TLS have not). */
export async function checkFile(file: ManifestFile, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const damaged = (what: string) =>
    new LabError(
      'guest',
      `The guest's file ${file.name} is damaged (${what}); reload the page without its cache.`,
    );
  if (bytes.byteLength !== file.size) throw damaged(`${bytes.byteLength} bytes instead of ${file.size}`);
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle as SubtleCrypto | undefined;
  if (!subtle) return;
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  const hex = Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
  if (hex !== file.sha256) throw damaged('wrong checksum');
}

/** The initramfs travels compressed and is unpacked here: a native loop, not one on an emulated processor. */
function unpack(packed: Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    return decompress(packed) as Uint8Array<ArrayBuffer>;
  } catch (error) {
    throw new LabError(
      'guest',
      `The guest's file ${NAMES.initrd} cannot be unpacked; reload the page.`,
      error,
    );
  }
}
