import { MachineError } from './errors.ts';
import type { V86FileSystem } from './v86-types.ts';

/** NAME_MAX of Linux. */
const MAX_NAME_BYTES = 255;
/** Largest file either side may make here: v86 keeps each in one array, half as large again while it grows. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024;
const S_IFMT = 0xf000;
const S_IFREG = 0x8000;

/** The directory the guest mounts over 9p. It is in memory and goes with the machine. */
export interface SharedFiles {
  /** Makes or replaces a file; the bytes are copied. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** A copy of a file's bytes, as far as the guest has written them. */
  get(name: string): Promise<Uint8Array>;
  /** Names of the files (not of directories) in it, sorted. */
  list(): string[];
  /** Bytes of a file, as far as the guest has written it; 0 if it is not there. */
  sizeOf(name: string): number;
}

/** Throws unless `name` is one path component of at most 255 bytes that means the same on both sides. */
export function checkFileName(name: string): void {
  const refuse = (why: string): never => {
    throw new MachineError('file', `A file for the guest cannot be called ${JSON.stringify(name)}: ${why}.`);
  };
  if (name === '') refuse('the name is empty');
  if (name === '.' || name === '..') refuse('that is a directory');
  if (name.includes('/')) refuse('a name holds no slash');
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name)) refuse('a name holds no control characters');
  const bytes = new TextEncoder().encode(name);
  if (bytes.length > MAX_NAME_BYTES)
    refuse(`it has ${bytes.length} bytes, and ${MAX_NAME_BYTES} are the most`);
  if (new TextDecoder().decode(bytes) !== name) refuse('it is not valid Unicode');
}

export class NinePFiles implements SharedFiles {
  #fs: V86FileSystem | null;

  constructor(fs: V86FileSystem) {
    this.#fs = fs;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkFileName(name);
    const fs = this.#open();
    if (bytes.length > MAX_FILE_BYTES) {
      throw new MachineError(
        'file',
        `A file for the guest may have at most ${MAX_FILE_BYTES / 2 ** 20} MiB.`,
      );
    }
    const { id, parentid } = fs.SearchPath(`/${name}`);
    if (id !== -1) {
      if (!isFile(fs, id))
        throw new MachineError('file', `${JSON.stringify(name)} in the guest's share is not a file.`);
      // A guest that has the old file open keeps it, as with any file that is replaced.
      fs.Unlink(parentid, name);
    }
    await fs.CreateBinaryFile(name, parentid, bytes);
  }

  async get(name: string): Promise<Uint8Array> {
    checkFileName(name);
    const fs = this.#open();
    const { id } = fs.SearchPath(`/${name}`);
    const inode = id === -1 ? undefined : fs.inodes[id];
    if (inode === undefined || !isFile(fs, id)) {
      throw new MachineError('file', `There is no file ${JSON.stringify(name)} in the guest's share.`);
    }
    const bytes = await fs.Read(id, 0, inode.size);
    return bytes === null ? new Uint8Array(0) : bytes.slice();
  }

  list(): string[] {
    const fs = this.#open();
    return (fs.read_dir('/') ?? []).filter((name) => isFile(fs, fs.SearchPath(`/${name}`).id)).sort();
  }

  sizeOf(name: string): number {
    const fs = this.#open();
    return fs.inodes[fs.SearchPath(`/${name}`).id]?.size ?? 0;
  }

  close(): void {
    this.#fs = null;
  }

  #open(): V86FileSystem {
    if (this.#fs === null) throw new MachineError('ended', 'The machine is off, so its files are gone.');
    return this.#fs;
  }
}

function isFile(fs: V86FileSystem, id: number): boolean {
  return ((fs.inodes[id]?.mode ?? 0) & S_IFMT) === S_IFREG;
}
