/** The first words between the lab and the guest's agents. */
import type { Beginning } from './beginning.ts';
import type { ControlChannel } from './control-channel.ts';
import type { GuestTrace } from './guest-trace/guest-trace.ts';
import { reseeded } from './reseed.ts';

const ENTROPY_BYTES = 64;

export interface GreetedGuest {
  readonly control: ControlChannel;
  readonly trace: GuestTrace;
  readonly beginning: Beginning;
  /** Namespaces of the device, which a guest that was saved before it had one has to find. */
  readonly namespaces: number;
  /** Sizes of the terminals that are known by then. */
  readonly windowSizes: ReadonlyMap<0 | 1, { readonly cols: number; readonly rows: number }>;
  /** What the shells of a saved guest had said. */
  readonly console: (tty: 0 | 1, bytes: Uint8Array) => void;
}

/**
 * Tells the agent what it is told at its start, and meets one that runs already. Resolves when it has answered; after an
 * instant start, when the guest has its disk and its shells too.
 */
export async function greet(guest: GreetedGuest): Promise<void> {
  const { control, trace, beginning, windowSizes } = guest;
  control.onagentstart = () => {
    // First: whatever draws random numbers in a restored guest must not draw the same as in another.
    control.addEntropy(crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES)));
    control.setClock(Date.now());
    for (const [tty, size] of windowSizes) control.winsize(tty, size.cols, size.rows);
  };
  if ('resume' in beginning) {
    // It has its disk and its shells, and is in the middle of whatever it did.
    const { controlId, traceRun, trace: traced } = beginning.resume;
    control.meetRunning(controlId);
    await reseeded(control);
    // Not before: to end a trace takes the guest longer than all the rest.
    trace.meetRunning(traceRun, traced);
  } else if ('saved' in beginning) {
    control.meetRunning();
    await Promise.all([control.ready, control.wake(guest.namespaces)]);
    const encoder = new TextEncoder();
    for (const tty of [0, 1] as const) guest.console(tty, encoder.encode(beginning.saved.consoles[tty]));
    // Not before: starting to trace takes the guest longer than finding its disk.
    trace.meetRunning();
  } else await control.ready;
}
