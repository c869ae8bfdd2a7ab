import type { FlashOperation } from '../../src/flash/observer.ts';
import type { CompletedCommand, Telemetry } from '../../src/device/telemetry.ts';

export interface CommandEvent {
  readonly queueId: number;
  readonly opcode: number;
  readonly status: number;
  readonly bytes: number;
}

export interface FlashEvent {
  readonly operation: FlashOperation;
  readonly block: number;
  readonly sec: number;
  readonly secs: number;
}

/** Keeps what it is told. */
export class FakeTelemetry implements Telemetry {
  readonly commands: CommandEvent[] = [];
  readonly operations: FlashEvent[] = [];
  readonly refusals: string[] = [];

  command({ queueId, opcode, status, dataBytes }: CompletedCommand): void {
    this.commands.push({ queueId, opcode, status, bytes: dataBytes });
  }

  flash(operation: FlashOperation, block: number, sec: number, secs: number): void {
    this.operations.push({ operation, block, sec, secs });
  }

  refused(text: string): void {
    this.refusals.push(text);
  }
}
