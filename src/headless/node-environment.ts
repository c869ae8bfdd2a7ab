import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadGuestImages, type GuestImages } from '../lab/guest-images.ts';
import type { LabEnvironment } from '../lab/lab.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const guestFolder = join(root, 'public', 'guest');

/** The lab's environment in Node: files of this checkout. */
export function nodeEnvironment(folder = guestFolder): LabEnvironment {
  let images: Promise<GuestImages> | undefined;
  return {
    wasm: { path: createRequire(import.meta.url).resolve('v86/build/v86.wasm') },
    guestImages: (onProgress) =>
      (images ??= loadGuestImages(
        {
          async read(name, onBytes) {
            const bytes = await readFile(join(folder, name));
            onBytes(bytes.byteLength);
            return new Uint8Array(bytes);
          },
        },
        onProgress,
      )),
  };
}
