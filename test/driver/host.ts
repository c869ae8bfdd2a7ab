import type { Range } from '../fakes/fake-memory.ts';

/** Memory as the driver, playing the processor, sees it. FakeMemory is one; so is the RAM of an emulated PC. */
export interface HostMemory {
  /** All of it. A machine may move its memory: take it anew for each access. */
  readonly ram: Uint8Array;
  /** Device registers, which the driver's buffers must not cover. */
  readonly registers: Range;
  isRam(address: number, length: number): boolean;
  bytes(address: number, length: number): Uint8Array;
  put(address: number, bytes: Uint8Array): void;
  put64(address: number, value: number): void;
}

/** The interrupt line as the processor sees it. */
export interface HostInterrupt {
  readonly level: boolean;
}
