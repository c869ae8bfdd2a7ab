import { MachineError, reasonOf } from './errors.ts';

/** Where v86's WebAssembly comes from. A compiled module may be shared by any number of machines. */
export type WasmSource =
  | { readonly module: WebAssembly.Module | Promise<WebAssembly.Module> }
  | { readonly bytes: ArrayBuffer | Uint8Array<ArrayBuffer> }
  /** A file in Node, a URL elsewhere. */
  | { readonly path: string };

interface NodeProcess {
  getBuiltinModule?: (name: 'node:fs/promises') => {
    readFile(path: string): Promise<Uint8Array<ArrayBuffer>>;
  };
}

/** Fetches and compiles v86.wasm. v86's own loader would log a failure and then never complete. */
export async function compileWasm(source: WasmSource): Promise<WebAssembly.Module> {
  if ('module' in source) return source.module;
  try {
    return await WebAssembly.compile('bytes' in source ? source.bytes : await load(source.path));
  } catch (error) {
    throw new MachineError('wasm', `The emulator's WebAssembly cannot be used: ${reasonOf(error)}.`, error);
  }
}

async function load(path: string): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>> {
  // Not an import: this file is bundled for the browser too.
  const fs = (globalThis as { process?: NodeProcess }).process?.getBuiltinModule?.('node:fs/promises');
  if (fs !== undefined) return fs.readFile(path);
  const response = await fetch(path);
  if (!response.ok) throw new Error(`the server answered ${response.status} for ${path}`);
  return response.arrayBuffer();
}
