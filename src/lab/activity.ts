import type { CompletedCommand, Telemetry } from '../device/telemetry.ts';
import type { BlockTable } from '../flash/block-table.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import type { FlashOperation } from '../flash/observer.ts';
import type { Counters, MapFrame } from './types.ts';

const OPERATION_NUMBER: Readonly<Record<FlashOperation, number>> = { read: 1, write: 2, erase: 3 };
const NONE = 0;

/**
 * Gathers what the device reports between two frames of the map: which blocks were touched, by what, and
 * totals. Its size is bounded by the number of blocks, however busy the device is.
 */
export class Activity implements Telemetry {
  /** Told of every refused command. */
  onrefused: ((text: string) => void) | undefined;
  commands = 0;
  readBytes = 0;
  writtenBytes = 0;
  erases = 0;
  private readonly secSizeBytes: number;
  private readonly lastOp: Uint8Array;
  private readonly touched: Uint32Array;
  private touchedCount = 0;

  constructor(totalBlks: number, secSizeBytes: number) {
    this.secSizeBytes = secSizeBytes;
    this.lastOp = new Uint8Array(totalBlks);
    this.touched = new Uint32Array(totalBlks);
  }

  flash(operation: FlashOperation, block: number, _sec: number, secs: number): void {
    if (this.lastOp[block] === NONE) this.touched[this.touchedCount++] = block;
    this.lastOp[block] = OPERATION_NUMBER[operation];
    if (operation === 'read') this.readBytes += secs * this.secSizeBytes;
    else if (operation === 'write') this.writtenBytes += secs * this.secSizeBytes;
    else if (secs > 0) this.erases++;
  }

  command({ queueId, opcode, status, dataBytes: bytes }: CompletedCommand): void {
    this.commands++;
    // A plain disk has no flash to report; its reads and writes are counted here.
    if (this.lastOp.length > 0 || queueId === 0 || status !== 0) return;
    if (opcode === IoOpcode.read) this.readBytes += bytes;
    else if (opcode === IoOpcode.write) this.writtenBytes += bytes;
  }

  refused(text: string): void {
    this.onrefused?.(text);
  }

  /** Blocks touched since the last call, as the table has them now; undefined if there are none. */
  takeFrame(table: BlockTable): MapFrame | undefined {
    if (this.touchedCount === 0) return undefined;
    const block = this.touched.slice(0, this.touchedCount);
    const lastOp = new Uint8Array(this.touchedCount);
    for (let i = 0; i < this.touchedCount; i++) {
      lastOp[i] = this.lastOp[block[i] as number] ?? NONE;
      this.lastOp[block[i] as number] = NONE;
    }
    this.touchedCount = 0;
    return frameOf(table, block, lastOp);
  }

  counters(pendingCommits: number): Counters {
    const { commands, readBytes, writtenBytes, erases } = this;
    return { commands, readBytes, writtenBytes, erases, pendingCommits };
  }
}

/** Every block of the table. */
export function snapshotFrame(table: BlockTable): MapFrame {
  const block = Uint32Array.from({ length: table.totalBlks }, (_, i) => i);
  return frameOf(table, block, new Uint8Array(table.totalBlks));
}

function frameOf(table: BlockTable, block: Uint32Array, lastOp: Uint8Array): MapFrame {
  const state = new Uint8Array(block.length);
  const writtenSecs = new Uint32Array(block.length);
  const eraseCount = new Uint32Array(block.length);
  for (let i = 0; i < block.length; i++) {
    const b = block[i] as number;
    state[i] = table.state[b] ?? 0;
    writtenSecs[i] = table.writePointer[b] ?? 0;
    eraseCount[i] = table.eraseCount[b] ?? 0;
  }
  return { block, state, writtenSecs, eraseCount, lastOp };
}
