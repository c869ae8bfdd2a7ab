import type { FlashObserver } from '../flash/observer.ts';
import type { Clock } from './ports.ts';

/** What the device tells whoever watches. Emitting costs a call; without an observer use {@link silent}. */
export interface Telemetry extends FlashObserver {
  /** A command ended. `status` is the status field without the phase bit; 0 is success. Queue 0 is the admin queue. */
  command(queueId: number, opcode: number, status: number, bytes: number): void;
}

export const silent: Telemetry = {
  flash() {},
  command() {},
  refused() {},
};

const REFUSALS_PER_SECOND = 20;

/** Hands everything on, but at most {@link REFUSALS_PER_SECOND} explanations a second: a hostile guest must not flood the page. */
export function limitRefusals(telemetry: Telemetry, clock: Clock): Telemetry {
  let windowStartMs = -Infinity;
  let count = 0;
  return {
    flash: (operation, block, sec, secs) => telemetry.flash(operation, block, sec, secs),
    command: (queueId, opcode, status, bytes) => telemetry.command(queueId, opcode, status, bytes),
    refused(text) {
      const now = clock.nowMs();
      if (now - windowStartMs >= 1000) {
        windowStartMs = now;
        count = 0;
      }
      count++;
      if (count <= REFUSALS_PER_SECOND) telemetry.refused(text);
      else if (count === REFUSALS_PER_SECOND + 1)
        telemetry.refused('more refusals this second are not listed');
    },
  };
}
