/**
 * Saved guests (src/lab/boot-state.ts) in this checkout's cache. Nothing of them is committed: whoever
 * builds or tests makes them, once, and again when something they depend on has changed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { BOOT_STATES, type BootStateList, type PackedFile } from '../lab/boot-state.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const cache = join(root, '.cache', 'boot-states');
/** The RAM sizes with a state: what the page begins with. Others boot. */
export const BOOT_STATE_MIB: readonly number[] = [128];

/** A hash over all that a state depends on. */
export function bootStateKey(): string {
  const v86 = dirname(createRequire(import.meta.url).resolve('v86'));
  const machine = join(root, 'src', 'machine');
  const files = [
    // It has the checksum of every image.
    join(root, 'public', 'guest', 'manifest.json'),
    join(v86, 'libv86.mjs'),
    join(v86, 'v86.wasm'),
    ...readdirSync(machine)
      .filter((name) => !name.includes('.test.'))
      .sort()
      .map((name) => join(machine, name)),
    join(root, 'src', 'lab', 'guest-images.ts'),
    join(root, 'src', 'lab', 'boot-state.ts'),
    join(root, 'src', 'lab', 'rest.ts'),
    join(root, 'src', 'headless', 'make-boot-states.ts'),
  ];
  const hash = createHash('sha256').update(BOOT_STATE_MIB.join());
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}

/** Where the states of today's guest and machine are, or will be. */
export function bootStateFolder(): string {
  return join(cache, bootStateKey());
}

/** The folder with the list and its files, if they were made. */
export function findBootStates(): string | undefined {
  const folder = bootStateFolder();
  return existsSync(join(folder, BOOT_STATES)) ? folder : undefined;
}

/** Makes what is not there; a process of its own boots the guest and tells on standard error how far it is. */
export async function ensureBootStates(): Promise<string> {
  const found = findBootStates();
  if (found !== undefined) return found;
  const maker = join(root, 'src', 'headless', 'make-boot-states.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', maker], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  const made = findBootStates();
  if (status !== 0 || made === undefined) {
    throw new Error('The guest could not be saved after its boot: see the lines above.');
  }
  return made;
}

/** Packs a file for the page (boot-state.ts). */
export function packFile(stem: string, content: Uint8Array): { file: PackedFile; bytes: Uint8Array } {
  const bytes = gzipSync(content, { level: 9 });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  // With its hash, so that a page of an older build never gets another one's file from a cache; and not .gz,
  // which servers declare as an encoding, so that browsers unpack it on the way.
  const name = `${stem}-${sha256.slice(0, 8)}.packed`;
  return { file: { name, size: bytes.length, sha256, unpackedSize: content.length }, bytes };
}

export function readBootStateList(folder: string): BootStateList {
  return JSON.parse(readFileSync(join(folder, BOOT_STATES), 'utf8')) as BootStateList;
}
