/**
 * The guest as it was saved after its boot, for an instant start: a file a RAM size beside the guest's
 * images, made by the build, and a list of them with sizes and checksums.
 */
import type { SavedMachine } from '../machine/saved-state.ts';
import { LabError } from './errors.ts';
import { checkFile, type GuestSource, type ManifestFile, type OnProgress } from './guest-images.ts';

export const BOOT_STATES = 'instant.json';
const FORMAT = 1;

/** A gzip file: browsers unpack it natively, in a third of the time that zstd takes in script. */
export interface PackedFile extends ManifestFile {
  /** Bytes when unpacked. */
  readonly unpackedSize: number;
}

/** One saved guest in the list. */
export interface BootStateEntry extends PackedFile {
  readonly memoryMiB: number;
  /** See {@link SavedMachine}. */
  readonly version: string;
  readonly savedAtMs: number;
  /** What the shells on ttyS0 and ttyS1 had said: the greeting, and the prompt at which they stand. */
  readonly consoles: readonly [string, string];
}

/** A guest that has booted, for an instant start. */
export interface SavedGuest {
  readonly machine: SavedMachine;
  /** See {@link BootStateEntry}. */
  readonly consoles: readonly [string, string];
}

export interface BootStateList {
  readonly format: typeof FORMAT;
  /** v86's WebAssembly, which not every host packs on its way. */
  readonly emulator?: PackedFile;
  readonly states: readonly BootStateEntry[];
}

export function bootStateList(states: readonly BootStateEntry[], emulator?: PackedFile): BootStateList {
  return { format: FORMAT, states, ...(emulator && { emulator }) };
}

/** A packed state, checked against the list. */
export interface PackedBootState {
  readonly entry: BootStateEntry;
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** Rejects with a {@link LabError}, one sentence, when the list is missing or damaged. */
export async function loadBootStateList(source: GuestSource): Promise<BootStateList> {
  return parseList(await readOne(source, BOOT_STATES, () => {}));
}

/**
 * Reads and checks the state for a RAM size; undefined where none was made for it. Rejects with a
 * {@link LabError}, one sentence, when the file is missing or damaged.
 */
export async function loadBootState(
  source: GuestSource,
  list: BootStateList,
  memoryMiB: number,
  onProgress: OnProgress,
): Promise<PackedBootState | undefined> {
  const entry = list.states.find((state) => state.memoryMiB === memoryMiB);
  return entry && { entry, packed: await loadPacked(source, entry, onProgress) };
}

/** Reads a file of the list and checks it. Rejects with a {@link LabError}. */
export async function loadPacked(
  source: GuestSource,
  file: PackedFile,
  onProgress: OnProgress,
): Promise<Uint8Array<ArrayBuffer>> {
  let doneBytes = 0;
  const packed = await readOne(source, file.name, (count) => {
    doneBytes += count;
    onProgress(Math.min(doneBytes, file.size), file.size, file.name);
  });
  await checkFile(file, packed);
  return packed;
}

/** Unpacks a state. Rejects with a {@link LabError} when the bytes are not what was packed. */
export async function unpackBootState({ entry, packed }: PackedBootState): Promise<SavedGuest> {
  const { version, memoryMiB, savedAtMs, unpackedSize, consoles } = entry;
  try {
    const bytes = await gunzip(packed, unpackedSize);
    return { machine: { version, memoryBytes: memoryMiB * 2 ** 20, savedAtMs, bytes }, consoles };
  } catch (error) {
    throw new LabError('guest', `The saved guest ${entry.name} cannot be unpacked.`, error);
  }
}

/** gzip's own checksum is checked by the browser. */
export async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  unpackedSize: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(unpackedSize);
  let at = 0;
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes.set(value, at); // throws a RangeError when it is more than was said
    at += value.length;
  }
  if (at !== unpackedSize) throw new Error(`${at} bytes instead of ${unpackedSize}`);
  return bytes;
}

async function readOne(
  source: GuestSource,
  name: string,
  onBytes: (count: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await source.read(name, onBytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LabError('guest', `The saved guest's file ${name} could not be loaded (${why}).`, error);
  }
}

function parseList(bytes: Uint8Array): BootStateList {
  try {
    const list = JSON.parse(new TextDecoder().decode(bytes)) as Partial<BootStateList> | null;
    if (list?.format !== FORMAT || !Array.isArray(list.states)) throw new Error('another format');
    const states = (list.states as unknown[]).map(parseState);
    return bootStateList(states, list.emulator === undefined ? undefined : parseFile(list.emulator));
  } catch (error) {
    throw new LabError('guest', `The list of saved guests, ${BOOT_STATES}, cannot be read.`, error);
  }
}

function parseState(entry: unknown): BootStateEntry {
  const { memoryMiB, version, savedAtMs, consoles } = entry as Partial<BootStateEntry>;
  if (!isCount(memoryMiB) || typeof version !== 'string' || typeof savedAtMs !== 'number') {
    throw new Error('an entry without memoryMiB, version or savedAtMs');
  }
  const [first, second] = Array.isArray(consoles) ? (consoles as unknown[]) : [];
  if (typeof first !== 'string' || typeof second !== 'string') throw new Error('an entry without consoles');
  return { ...parseFile(entry), memoryMiB, version, savedAtMs, consoles: [first, second] };
}

function parseFile(entry: unknown): PackedFile {
  const { name, size, sha256, unpackedSize } = entry as Partial<PackedFile>;
  if (typeof name !== 'string' || !/^[\w.-]+$/.test(name) || typeof sha256 !== 'string') {
    throw new Error('an entry without name or sha256');
  }
  if (!isCount(size) || !isCount(unpackedSize) || unpackedSize > MAX_UNPACKED_BYTES) {
    throw new Error('an entry without size or unpackedSize');
  }
  return { name, size, sha256, unpackedSize };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The largest RAM, and v86's own memory for the screen. */
export const MAX_UNPACKED_BYTES = (1024 + 64) * 2 ** 20;
