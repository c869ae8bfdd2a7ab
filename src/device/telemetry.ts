import type { FlashObserver } from '../flash/observer.ts';
import type { SectorVector } from '../flash/transfer.ts';
import type { Rule } from '../spec/rules.ts';
import type { Clock } from './ports.ts';

/** Where a buffer is in the host's memory, in order: runs of neighbouring bytes. */
export interface MemoryRuns {
  readonly runs: number;
  addressOf(run: number): number;
  lengthOf(run: number): number;
}

/** A command that ended. Borrowed: the object is used again once the call returns. */
export interface CompletedCommand {
  /** 0 is the admin queue. */
  readonly queueId: number;
  readonly cid: number;
  readonly opcode: number;
  readonly nsid: number;
  /** The 64 bytes as they were fetched, and the 16 words that they are. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** The status field without the phase bit; 0 is success. */
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
  /** Bytes of its data buffer. */
  readonly dataBytes: number;
  /** When it was fetched, by the controller's clock; as precise as that is looked at (once for a run of commands). */
  readonly fetchedMs: number;
  /** Runs of memory that its data is in, in order; see PrpSegments. */
  readonly data: MemoryRuns;
  /** Where a vector command went; empty for others. */
  readonly vector: SectorVector;
  /** What a vector copy was to read. */
  readonly sources?: SectorVector | undefined;
  /** The first rule that it broke, and how. */
  readonly rule: Rule | undefined;
  readonly why: string;
}

/** What the device tells whoever watches. Emitting costs a call; without an observer use {@link silent}. */
export interface Telemetry extends FlashObserver {
  command(command: CompletedCommand): void;
  /** Something was refused: what was asked and which rule it broke. */
  refused(text: string): void;
}

export const silent: Telemetry = {
  flash() {},
  command() {},
  refused() {},
};

const REFUSALS_PER_SECOND = 20;

/**
 * Hands everything on, but at most {@link REFUSALS_PER_SECOND} explanations a second: a hostile guest must not
 * flood the page. What the observer throws is its own affair and goes no further.
 */
export function limitRefusals(telemetry: Telemetry, clock: Clock): Telemetry {
  let windowStartMs = -Infinity;
  let count = 0;
  return {
    ...guardObserver(telemetry),
    command(command) {
      try {
        telemetry.command(command);
      } catch {
        // Whoever watches has failed; the device has not.
      }
    },
    refused(text) {
      try {
        const now = clock.nowMs();
        if (now - windowStartMs >= 1000) {
          windowStartMs = now;
          count = 0;
        }
        count++;
        if (count <= REFUSALS_PER_SECOND) telemetry.refused(text);
        else if (count === REFUSALS_PER_SECOND + 1)
          telemetry.refused('more refusals this second are not listed');
      } catch {
        // As above.
      }
    },
  };
}

/** An observer whose exceptions never reach the flash in the middle of its work. */
export function guardObserver(observer: FlashObserver): FlashObserver {
  const { cells } = observer;
  return {
    ...(cells && {
      cells(operation, unit, slot, secs, unitBytes, lastRunBytes) {
        try {
          cells.call(observer, operation, unit, slot, secs, unitBytes, lastRunBytes);
        } catch {
          // As below.
        }
      },
    }),
    flash(operation, block, sec, secs) {
      try {
        observer.flash(operation, block, sec, secs);
      } catch {
        // Whoever watches has failed; the flash has not.
      }
    },
  };
}
