/** What the flash tells whoever watches; src/device/telemetry.ts hands it on. */
export type FlashOperation = 'read' | 'write' | 'erase';

export interface FlashObserver {
  /** `secs` sectors of a block, from `sec` on, were read, written or erased. */
  flash(operation: FlashOperation, block: number, sec: number, secs: number): void;
  /**
   * The bytes behind a read or a write, where somebody wants to see them: `secs` sectors of a unit, from `slot` on
   * (see DerivedGeometry.unitBytes). Borrowed for the call. A write is told of after its last byte is there.
   * `lastRunBytes` of a write: see Transfer, which says the same of its data.
   */
  cells?(
    operation: 'read' | 'write',
    unit: number,
    slot: number,
    secs: number,
    unitBytes: Uint8Array,
    lastRunBytes?: number,
  ): void;
}
