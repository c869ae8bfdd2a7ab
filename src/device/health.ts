import { DEVICE_SHARD } from '../flash/media-store.ts';
import type { UnitStore } from '../flash/unit-store.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import type { CompletedCommand } from './telemetry.ts';

/** The stored form: counters of 8 bytes each, in the order of {@link names}. */
const names = [
  'unitsRead512',
  'unitsWritten512',
  'hostReads',
  'hostWrites',
  'powerCycles',
  'unsafeShutdowns',
  'mediaErrors',
  'errorLogEntries',
] as const;
const RECORD_BYTES = 64 * 8;

/**
 * What a drive counts over its whole life (SMART). Kept with the disk: with each commit that other
 * changes cause anyway, so a killed tab loses none of the writes, and at most the reads since the last write.
 */
export class Health {
  /** Bytes ÷ 512 that hosts have read and written, reads and writes (NVMe counts commands). */
  unitsRead512 = 0;
  unitsWritten512 = 0;
  hostReads = 0;
  hostWrites = 0;
  powerCycles = 0;
  unsafeShutdowns = 0;
  mediaErrors = 0;
  errorLogEntries = 0;
  private readonly units: UnitStore;

  constructor(units: UnitStore) {
    this.units = units;
    units.keepShards(DEVICE_SHARD, 1, () => this.pack());
  }

  /** Takes over what was stored; anything else is a new drive. */
  load(bytes: Uint8Array | undefined): void {
    if (bytes?.byteLength !== RECORD_BYTES) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    names.forEach((name, i) => (this[name] = view.getFloat64(8 * i, true)));
  }

  private pack(): Uint8Array {
    const bytes = new Uint8Array(RECORD_BYTES);
    const view = new DataView(bytes.buffer);
    names.forEach((name, i) => view.setFloat64(8 * i, this[name], true));
    return bytes;
  }

  /** The next commit stores the counters as well. */
  touch(): void {
    this.units.touchShard(DEVICE_SHARD);
  }

  /** Counts an I/O command that ended. */
  count(command: CompletedCommand): void {
    if (command.status !== 0) return;
    switch (command.opcode) {
      case IoOpcode.read:
      case IoOpcode.vectorRead:
        this.hostReads++;
        this.unitsRead512 += command.dataBytes / 512;
        return;
      case IoOpcode.write:
      case IoOpcode.vectorWrite:
        this.hostWrites++;
        this.unitsWritten512 += command.dataBytes / 512;
        this.touch();
        return;
    }
  }
}
