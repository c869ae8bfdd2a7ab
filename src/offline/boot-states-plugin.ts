import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Plugin } from 'vite';
import { ensureBootStates, findBootStates, packFile, readBootStateList } from '../headless/boot-states.ts';
import { BOOT_STATES, type BootStateList, bootStateList } from '../lab/boot-state.ts';

/** Where the page looks for the guest's files. */
const FOLDER = 'guest/';
/** What the page's worker imports the list as. */
const LIST_MODULE = 'virtual:boot-states';

interface SiteStates {
  readonly list: BootStateList;
  /** Where the states of the list are; undefined when none could be made. */
  readonly folder: string | undefined;
  readonly emulatorBytes: Uint8Array;
}

let siteStates: Promise<SiteStates> | undefined;

/** Made once a build: the worker is told the list, and the site gets the files. */
function statesOfSite(warn: (message: string) => void): Promise<SiteStates> {
  return (siteStates ??= makeSiteStates(warn));
}

async function makeSiteStates(warn: (message: string) => void): Promise<SiteStates> {
  // A site without them is a site whose guest boots.
  const folder = await ensureBootStates().catch((error: unknown) => {
    warn(String(error));
    return undefined;
  });
  const wasm = createRequire(import.meta.url).resolve('v86/build/v86.wasm');
  const emulator = packFile('v86', readFileSync(wasm));
  const states = folder === undefined ? [] : readBootStateList(folder).states;
  return { list: bootStateList(states, emulator.file), folder, emulatorBytes: emulator.bytes };
}

/**
 * The list as a module: the page's worker knows the names of what it needs as soon as it runs, and need not ask first.
 * While developing there may be none yet, and it asks.
 */
export function bootStateNames(): Plugin {
  let isBuild = false;
  return {
    name: 'lightnvm-lab-boot-state-names',
    configResolved({ command }) {
      isBuild = command === 'build';
    },
    resolveId: (id) => (id === LIST_MODULE ? `\0${LIST_MODULE}` : undefined),
    async load(id) {
      if (id !== `\0${LIST_MODULE}`) return undefined;
      if (!isBuild) return 'export default undefined;';
      const { list } = await statesOfSite((message) => this.warn(message));
      return `export default ${JSON.stringify(list)};`;
    },
  };
}

/**
 * Puts the saved guests beside the guest's images: boots the guest first if that has not been done yet. And the
 * emulator's WebAssembly packed, to a fifth: not every host packs what it sends.
 */
export function bootStates(): Plugin {
  return {
    name: 'lightnvm-lab-boot-states',
    // A test runner has a server too, and needs none of this.
    apply: (_config, { mode }) => mode !== 'test',
    buildStart() {
      // A build that watches begins again, and what the states depend on may have changed.
      siteStates = undefined;
    },
    async generateBundle() {
      const { list, folder, emulatorBytes } = await statesOfSite((message) => this.warn(message));
      const emit = (name: string, source: Uint8Array | string): void => {
        this.emitFile({ type: 'asset', fileName: FOLDER + name, source });
      };
      if (list.emulator) emit(list.emulator.name, emulatorBytes);
      for (const { name } of list.states) emit(name, readFileSync(join(folder ?? '', name)));
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
