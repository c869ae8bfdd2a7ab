import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Plugin } from 'vite';
import { ensureBootStates, findBootStates, packFile, readBootStateList } from '../headless/boot-states.ts';
import { BOOT_STATES, bootStateList } from '../lab/boot-state.ts';

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
      const wasm = createRequire(import.meta.url).resolve('v86/build/v86.wasm');
      const emulator = packFile('v86', readFileSync(wasm));
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
        // Whether they are there is told by a hash over megabytes: not for any other request.
        const folder = name === undefined ? undefined : findBootStates();
        if (name === BOOT_STATES && folder === undefined) response.end(JSON.stringify(bootStateList([])));
        else if (name !== undefined && folder !== undefined && readdirSync(folder).includes(name))
          createReadStream(join(folder, name)).pipe(response);
        else next();
      });
    },
  };
}
