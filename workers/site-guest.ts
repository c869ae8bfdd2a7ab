import {
  BOOT_STATES,
  type BootStateList,
  gunzip,
  loadBootState,
  loadBootStateList,
  loadPacked,
  type PackedBootState,
  type SavedGuest,
  unpackBootState,
} from '../src/lab/boot-state.ts';
import {
  type GuestImages,
  type GuestSource,
  loadGuestImages,
  type OnProgress,
} from '../src/lab/guest-images.ts';
import type { LabEnvironment } from '../src/lab/lab.ts';
import { compileWasm, type WasmSource } from '../src/machine/wasm.ts';

/** A saved guest on its way or here, and who is told how far it is. */
interface Loading {
  readonly packed: Promise<PackedBootState | undefined>;
  /** Unpacked ahead, for the first who asks. */
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

  /** @param usualMiB the RAM size that most begin with */
  constructor(guestBaseUrl: string, wasmUrl: string, usualMiB: number) {
    this.source = siteFiles(guestBaseUrl);
    this.wasmUrl = wasmUrl;
    this.compile();
    const usual = this.load(usualMiB);
    usual.ahead = usual.packed.then((packed) => packed && unpackBootState(packed));
    // Whoever powers on hears of it.
    usual.ahead.catch(() => {});
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
    const packed = await loadPacked(this.source, emulator, () => {});
    return compileWasm({ bytes: await gunzip(packed, emulator.unpackedSize) });
  }

  private states(): Promise<BootStateList> {
    this.list ??= loadBootStateList(this.source);
    this.list.catch(() => (this.list = undefined));
    return this.list;
  }

  private load(memoryMiB: number): Loading {
    const known = this.saved.get(memoryMiB);
    if (known) return known;
    const packed = this.states().then((list) =>
      loadBootState(this.source, list, memoryMiB, (...progress) => loading.listener(...progress)),
    );
    const loading: Loading = { packed, ahead: undefined, listener: () => {} };
    this.saved.set(memoryMiB, loading);
    packed.catch(() => this.saved.delete(memoryMiB));
    return loading;
  }
}

/** Reads files of the site, counting bytes as they come. */
function siteFiles(baseUrl: string): GuestSource {
  return {
    async read(name, onBytes) {
      const url = new URL(name, baseUrl);
      let readBytes = 0;
      const counted = (bytes: number) => {
        readBytes += bytes;
        onBytes(bytes);
      };
      try {
        // The list names files by their contents; it is itself the one that must not be an old one.
        return await readWhole(url, name === BOOT_STATES ? 'no-cache' : 'default', counted);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        // Seen in Chromium, with a small HTTP cache: a body that the service worker reads as well ends in
        // ERR_CACHE_WRITE_FAILURE. Past the cache it comes.
        onBytes(-readBytes);
        return readWhole(url, 'no-store', onBytes);
      }
    },
  };
}

async function readWhole(
  url: URL,
  cache: RequestCache,
  onBytes: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { cache });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    onBytes(value.byteLength);
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}
