import { type Core, startCore } from './core.ts';
import { checkMemorySize } from './kernel-image.ts';
import { compileWasm, type WasmSource } from './wasm.ts';

/**
 * The emulator for a machine that will be restored, made before its state is there. One who has it made and does not
 * use it lets it go.
 */
export class SpareCore {
  readonly memoryBytes: number;
  readonly #core: Promise<Core>;
  #isTaken = false;

  /** @param memoryBytes 64 to 1024 MiB, whole MiB; a wrong one is told when the core is taken */
  constructor(wasm: WasmSource, memoryBytes: number) {
    this.memoryBytes = memoryBytes;
    this.#core = begin(wasm, memoryBytes);
    this.#core.catch(() => {}); // whoever takes it hears of it
  }

  /** Resolves when it is made (true), or cannot be. */
  isMade(): Promise<boolean> {
    return this.#core.then(
      () => true,
      () => false,
    );
  }

  /** Once. Rejects with a MachineError. */
  take(): Promise<Core> {
    this.#isTaken = true;
    return this.#core;
  }

  /** Lets go of its memory, unless it was taken. */
  discard(): void {
    if (this.#isTaken) return;
    this.#isTaken = true;
    this.#core.then(
      (core) => core.destroy(),
      () => {},
    );
  }
}

async function begin(wasm: WasmSource, memoryBytes: number): Promise<Core> {
  checkMemorySize(memoryBytes);
  return startCore(await compileWasm(wasm), memoryBytes, null);
}
