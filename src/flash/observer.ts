/** What the flash tells whoever watches; src/device/telemetry.ts hands it on. */
export type FlashOperation = 'read' | 'write' | 'erase';

export interface FlashObserver {
  /** `secs` sectors of a block, from `sec` on, were read, written or erased. */
  flash(operation: FlashOperation, block: number, sec: number, secs: number): void;
}
