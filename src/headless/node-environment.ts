import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  loadBootState,
  loadBootStateList,
  type PackedBootState,
  unpackBootState,
} from '../lab/boot-state.ts';
import { loadGuestImages, type GuestImages, type GuestSource } from '../lab/guest-images.ts';
import type { LabEnvironment } from '../lab/lab.ts';
import { compileWasm } from '../machine/wasm.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const guestFolder = join(root, 'public', 'guest');

/**
 * The lab's environment in Node: files of this checkout.
 * @param states the folder with saved guests (boot-states.ts); without one the guest always boots
 */
export function nodeEnvironment(folder = guestFolder, states?: string): LabEnvironment {
  let images: Promise<GuestImages> | undefined;
  const packed = new Map<number, Promise<PackedBootState | undefined>>();
  const module = compileWasm({ path: createRequire(import.meta.url).resolve('v86/build/v86.wasm') });
  module.catch(() => {}); // told to whoever powers on
  return {
    wasm: { module },
    guestImages: (onProgress) => (images ??= loadGuestImages(filesOf(folder), onProgress)),
    ...(states !== undefined && {
      async savedGuest(memoryMiB, onProgress) {
        const source = filesOf(states);
        const loading =
          packed.get(memoryMiB) ??
          loadBootStateList(source).then((list) => loadBootState(source, list, memoryMiB, onProgress));
        packed.set(memoryMiB, loading);
        const state = await loading;
        return state && unpackBootState(state);
      },
    }),
  };
}

function filesOf(folder: string): GuestSource {
  return {
    async read(name, listener) {
      const bytes = new Uint8Array(await readFile(join(folder, name)));
      listener.piece(bytes);
      return bytes;
    },
  };
}
