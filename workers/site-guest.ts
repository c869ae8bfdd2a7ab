import {
  BOOT_STATES,
  type BootStateList,
  loadBootStateList,
  loadSavedGuest,
  loadUnpacked,
  type PackedBootState,
  type SavedGuest,
  unpackBootState,
} from '../src/lab/boot-state.ts';
import {
  type GuestImages,
  type GuestSource,
  loadGuestImages,
  type OnProgress,
  type PieceListener,
} from '../src/lab/guest-images.ts';
import type { LabEnvironment } from '../src/lab/lab.ts';
import { joined } from '../src/storage/joined.ts';
import { compileWasm, type WasmSource } from '../src/machine/wasm.ts';

/** RAM of a machine that nobody has changed. */
export const USUAL_MIB = 128;

export interface SiteParts {
  readonly guestBaseUrl: string;
  readonly wasmUrl: string;
  /** The RAM size that most begin with. */
  readonly usualMiB: number;
  /** What saved guests there are, where the build has told; asked for otherwise. */
  readonly list: BootStateList | undefined;
}

/** A saved guest on its way or here, and who is told how far it is. */
interface Loading {
  readonly packed: Promise<PackedBootState | undefined>;
  /** Unpacked while it came, for the first who asks. */
  ahead: Promise<SavedGuest | undefined> | undefined;
  listener: OnProgress;
}

/**
 * What a machine begins with, from the site. The usual saved guest and the emulator are fetched at once, while
 * the page is still drawn and its reader looks around. What was loaded is remembered (packed), a failure is not:
 * the next power-on tries again.
 */
export class SiteGuest implements LabEnvironment {
  private readonly source: GuestSource;
  private readonly wasmUrl: string;
  private list: Promise<BootStateList> | undefined;
  private module: Promise<WebAssembly.Module> | undefined;
  private images: Promise<GuestImages> | undefined;
  private readonly saved = new Map<number, Loading>();

  constructor({ guestBaseUrl, wasmUrl, usualMiB, list }: SiteParts) {
    this.list = list && Promise.resolve(list);
    this.source = siteFiles(guestBaseUrl);
    this.wasmUrl = wasmUrl;
    this.compile();
    this.load(usualMiB);
  }

  get wasm(): WasmSource {
    return { module: this.compile() };
  }

  guestImages(onProgress: OnProgress): Promise<GuestImages> {
    this.images ??= loadGuestImages(this.source, onProgress).catch((error: unknown) => {
      this.images = undefined;
      throw error;
    });
    return this.images;
  }

  async savedGuest(memoryMiB: number, onProgress: OnProgress): Promise<SavedGuest | undefined> {
    const loading = this.load(memoryMiB);
    loading.listener = onProgress;
    const { ahead } = loading;
    loading.ahead = undefined;
    if (ahead) return ahead;
    const packed = await loading.packed;
    return packed && unpackBootState(packed);
  }

  private compile(): Promise<WebAssembly.Module> {
    // Whatever is wrong with the packed one, there is the plain one.
    this.module ??= this.compilePacked().catch(() => compileWasm({ path: this.wasmUrl }));
    this.module.catch(() => (this.module = undefined));
    return this.module;
  }

  private async compilePacked(): Promise<WebAssembly.Module> {
    const { emulator } = await this.states();
    if (emulator === undefined) throw new Error('not packed here');
    const { unpacked } = await loadUnpacked(this.source, emulator, () => {});
    return compileWasm({ bytes: unpacked });
  }

  private states(): Promise<BootStateList> {
    this.list ??= loadBootStateList(this.source);
    this.list.catch(() => (this.list = undefined));
    return this.list;
  }

  private load(memoryMiB: number): Loading {
    const known = this.saved.get(memoryMiB);
    if (known) return known;
    const loaded = this.states().then((list) =>
      loadSavedGuest(this.source, list, memoryMiB, (...progress) => loading.listener(...progress)),
    );
    const packed = loaded.then((saved) => saved?.state);
    const ahead = loaded.then((saved) => saved?.guest);
    const loading: Loading = { packed, ahead, listener: () => {} };
    this.saved.set(memoryMiB, loading);
    // Whoever powers on hears of it.
    packed.catch(() => this.saved.delete(memoryMiB));
    ahead.catch(() => {});
    return loading;
  }
}

/** Reads files of the site, piece by piece. */
function siteFiles(baseUrl: string): GuestSource {
  return {
    async read(name, listener) {
      const url = new URL(name, baseUrl);
      try {
        // The list names files by their contents; it is itself the one that must not be an old one.
        return await readWhole(url, name === BOOT_STATES ? 'no-cache' : 'default', listener);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        // Seen in Chromium, with a small HTTP cache: a body that the service worker reads as well ends in
        // ERR_CACHE_WRITE_FAILURE. Past the cache it comes.
        listener.again();
        return readWhole(url, 'no-store', listener);
      }
    },
  };
}

async function readWhole(
  url: URL,
  cache: RequestCache,
  listener: PieceListener,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { cache });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    listener.piece(value);
  }
  return joined(pieces, length);
}
