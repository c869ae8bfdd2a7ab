import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { ensureBootStates, findBootStates, readBootStateList } from '../headless/boot-states.ts';
import { BOOT_STATES, bootStateList, type PackedFile } from '../lab/boot-state.ts';

interface Packed {
  readonly file: PackedFile;
  readonly bytes: Uint8Array;
}

function packedEmulator(): Packed {
  const wasm = readFileSync(createRequire(import.meta.url).resolve('v86/build/v86.wasm'));
  const bytes = gzipSync(wasm, { level: 9 });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const name = `v86-${sha256.slice(0, 8)}.packed`;
  return { file: { name, size: bytes.length, sha256, unpackedSize: wasm.length }, bytes };
}

/** Where the page looks for the guest's files. */
const FOLDER = 'guest/';

/**
 * Puts the saved guests beside the guest's images: boots the guest first if that has not been done yet. And the
 * emulator's WebAssembly packed, to a fifth: not every host packs what it sends.
 */
export function bootStates(): Plugin {
  return {
    name: 'lightnvm-lab-boot-states',
    // A test runner has a server too, and needs none of this.
    apply: (_config, { mode }) => mode !== 'test',
    async generateBundle() {
      // A site without them is a site whose guest boots.
      const states = await ensureBootStates().catch((error: unknown) => this.warn(String(error)));
      const emulator = packedEmulator();
      const list = bootStateList(states ? readBootStateList(states).states : [], emulator.file);
      const emit = (name: string, source: Uint8Array | string): void => {
        this.emitFile({ type: 'asset', fileName: FOLDER + name, source });
      };
      emit(BOOT_STATES, JSON.stringify(list, null, 2));
      emit(emulator.file.name, emulator.bytes);
      for (const { name } of list.states) emit(name, readFileSync(join(states ?? '', name)));
    },
    /** While developing nobody waits for a boot: until the state is made, the guest boots. */
    configureServer(server) {
      void ensureBootStates().catch((error: unknown) => server.config.logger.warn(String(error)));
      server.middlewares.use((request, response, next) => {
        const name = /^\/guest\/([\w.-]+)$/.exec(request.url?.split('?')[0] ?? '')?.[1];
        const folder = findBootStates();
        if (name === BOOT_STATES && folder === undefined) response.end(JSON.stringify(bootStateList([])));
        else if (name !== undefined && folder !== undefined && readdirSync(folder).includes(name))
          createReadStream(join(folder, name)).pipe(response);
        else next();
      });
    },
  };
}
