/**
 * The guest as it was saved after its boot, for an instant start: a file a RAM size beside the guest's
 * images, made by the build, and a list of them with sizes and checksums.
 */
import type { SavedMachine } from '../machine/saved-state.ts';
import { LabError } from './errors.ts';
import {
  checkFile,
  counting,
  type GuestSource,
  type ManifestFile,
  type OnProgress,
  type PieceListener,
} from './guest-images.ts';
import { Gunzip, gunzip } from './gunzip.ts';

export const BOOT_STATES = 'instant.json';
const FORMAT = 1;

/** A gzip file. */
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
  return parseList(
    await readOne(
      source,
      BOOT_STATES,
      counting(() => {}),
    ),
  );
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
async function loadPacked(
  source: GuestSource,
  file: PackedFile,
  onProgress: OnProgress,
  listener?: PieceListener,
): Promise<Uint8Array<ArrayBuffer>> {
  let doneBytes = 0;
  const counted = counting((count) => {
    doneBytes += count;
    onProgress(Math.min(doneBytes, file.size), file.size, file.name);
  });
  const packed = await readOne(source, file.name, {
    piece(bytes) {
      counted.piece(bytes);
      listener?.piece(bytes);
    },
    again() {
      counted.again();
      listener?.again();
    },
  });
  await checkFile(file, packed);
  return packed;
}

/** A file of the list, as it came and as it was before it was packed. */
interface Loaded {
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly unpacked: Uint8Array<ArrayBuffer>;
}

/** Reads a file of the list, checks it, and unpacks it while it comes. Rejects with a {@link LabError}. */
export async function loadUnpacked(
  source: GuestSource,
  file: PackedFile,
  onProgress: OnProgress,
): Promise<Loaded> {
  let unpacking = new Gunzip(file.unpackedSize);
  try {
    const packed = await loadPacked(source, file, onProgress, {
      piece: (bytes) => unpacking.write(bytes),
      again() {
        unpacking.abort();
        unpacking = new Gunzip(file.unpackedSize);
      },
    });
    return { packed, unpacked: await unpacking.end().catch((error: unknown) => cannotUnpack(file, error)) };
  } catch (error) {
    unpacking.abort();
    throw error;
  }
}

/** {@link loadBootState} and {@link unpackBootState} in the time of the longer one. */
export async function loadSavedGuest(
  source: GuestSource,
  list: BootStateList,
  memoryMiB: number,
  onProgress: OnProgress,
): Promise<{ readonly state: PackedBootState; readonly guest: SavedGuest } | undefined> {
  const entry = list.states.find((state) => state.memoryMiB === memoryMiB);
  if (!entry) return undefined;
  const { packed, unpacked } = await loadUnpacked(source, entry, onProgress);
  return { state: { entry, packed }, guest: savedGuest(entry, unpacked) };
}

/** Unpacks a state. Rejects with a {@link LabError} when the bytes are not what was packed. */
export async function unpackBootState({ entry, packed }: PackedBootState): Promise<SavedGuest> {
  const bytes = await gunzip(packed, entry.unpackedSize).catch((error: unknown) =>
    cannotUnpack(entry, error),
  );
  return savedGuest(entry, bytes);
}

function savedGuest(entry: BootStateEntry, bytes: Uint8Array<ArrayBuffer>): SavedGuest {
  const { version, memoryMiB, savedAtMs, consoles } = entry;
  return { machine: { version, memoryBytes: memoryMiB * 2 ** 20, savedAtMs, bytes }, consoles };
}

function cannotUnpack({ name }: PackedFile, error: unknown): never {
  throw new LabError('guest', `The saved guest's file ${name} cannot be unpacked.`, error);
}

async function readOne(
  source: GuestSource,
  name: string,
  listener: PieceListener,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await source.read(name, listener);
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
