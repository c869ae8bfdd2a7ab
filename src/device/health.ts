import { DEVICE_SHARD } from '../flash/media-store.ts';
import type { UnitStore } from '../flash/unit-store.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import type { Clock } from './ports.ts';

/** The stored form: counters of 8 bytes each, in the order of {@link names}. New ones go to the end. */
const names = [
  'unitsRead512',
  'unitsWritten512',
  'hostReads',
  'hostWrites',
  'powerCycles',
  'unsafeShutdowns',
  'mediaErrors',
  'errorLogEntries',
  'busyMs',
  'poweredMs',
  'inUse',
] as const;
const RECORD_BYTES = 64 * 8;

/**
 * What a drive counts over its whole life (SMART). Kept with the disk: with each commit that other
 * changes cause anyway, and at Flush and shutdown; so a killed tab loses none of the writes, and at most what
 * was only read since, or that the power came on.
 */
export class Health {
  /** Bytes ÷ 512 that hosts have read and written, reads and writes (NVMe counts commands). */
  unitsRead512 = 0;
  unitsWritten512 = 0;
  hostReads = 0;
  hostWrites = 0;
  powerCycles = 0;
  /** Times that the power went without CC.SHN. */
  unsafeShutdowns = 0;
  mediaErrors = 0;
  errorLogEntries = 0;
  /** Time with I/O commands outstanding, and with power, up to the last look at the clock. */
  busyMs = 0;
  poweredMs = 0;
  /** 1 from the first enable until a shutdown is announced: found so at power-on, it tells an unsafe one. */
  inUse = 0;

  private readonly units: UnitStore;
  /** Set while there is power. */
  private clock: Clock | undefined;
  private poweredAtMs = 0;
  private outstanding = 0;
  private busySinceMs = 0;

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
    this.look();
    const bytes = new Uint8Array(RECORD_BYTES);
    const view = new DataView(bytes.buffer);
    names.forEach((name, i) => view.setFloat64(8 * i, this[name], true));
    return bytes;
  }

  /** The next commit stores the counters as well. */
  touch(): void {
    this.units.touchShard(DEVICE_SHARD);
  }

  /** The controller is enabled: the first time with this power, that is a power cycle. */
  enabled(clock: Clock): void {
    if (!this.clock) {
      this.goOn(clock);
      this.powerCycles++;
      if (this.inUse !== 0) this.unsafeShutdowns++;
    }
    this.inUse = 1;
    this.touch();
  }

  /** A controller was enabled since the power came. */
  get isPowered(): boolean {
    return this.clock !== undefined;
  }

  /** A saved controller goes on: with power as it had, which is no power cycle, and neither safe nor unsafe. */
  goOn(clock: Clock): void {
    this.clock = clock;
    this.poweredAtMs = clock.nowMs();
  }

  /** CC.SHN: from here on the power may go. */
  shutDown(): void {
    this.inUse = 0;
    this.touch();
  }

  /** The power went. */
  powerOff(): void {
    this.idle();
    this.look();
    this.clock = undefined;
  }

  /** Brings the times up to now. */
  look(): void {
    if (!this.clock) return;
    const now = this.clock.nowMs();
    this.poweredMs += now - this.poweredAtMs;
    this.poweredAtMs = now;
    if (this.outstanding === 0) return;
    this.busyMs += now - this.busySinceMs;
    this.busySinceMs = now;
  }

  get isBusy(): boolean {
    return this.outstanding > 0;
  }

  /** An I/O command is outstanding (or about to be fetched). The time since when any is. */
  begin(): number {
    if (this.outstanding++ === 0 && this.clock) this.busySinceMs = this.clock.nowMs();
    return this.busySinceMs;
  }

  end(): void {
    if (this.outstanding === 0 || --this.outstanding > 0 || !this.clock) return;
    this.busyMs += this.clock.nowMs() - this.busySinceMs;
  }

  /** A reset: nothing is outstanding any more. */
  idle(): void {
    this.look();
    this.outstanding = 0;
  }

  /**
   * A write is counted when nothing but its commit can fail any more, and before that commit is made up. So the
   * commit that stores the data stores the count, and no other does: after a power cut the disk has counted
   * what it has kept. {@link count} takes it back if the commit fails, which then has stored neither.
   */
  countWrite(command: Command): void {
    if (command.queueId === 0) return;
    if (command.opcode !== IoOpcode.write && command.opcode !== IoOpcode.vectorWrite) return;
    command.countedBytes = command.dataBytes;
    this.hostWrites++;
    this.unitsWritten512 += command.countedBytes / 512;
    this.touch();
  }

  /** Counts an I/O command that ended. */
  count(command: Command): void {
    if (command.status !== 0) {
      if (command.countedBytes > 0) {
        this.hostWrites--;
        this.unitsWritten512 -= command.countedBytes / 512;
      }
      // Unrecovered reads, by number: with or without DNR.
      if ((command.status & 0x7ff) === (Status.eccFailure & 0x7ff)) this.mediaErrors++;
      return;
    }
    switch (command.opcode) {
      case IoOpcode.read:
      case IoOpcode.compare:
      case IoOpcode.vectorRead:
        this.hostReads++;
        this.unitsRead512 += command.dataBytes / 512;
        return;
    }
  }
}
