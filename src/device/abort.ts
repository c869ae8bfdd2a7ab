import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';

/** Bit 0 of the completion's dword 0. */
const ABORTED = 0;
const NOT_ABORTED = 1;

/**
 * Abort (08h). A held Asynchronous Event Request and a command that was not fetched yet end at once; one that
 * waits for storage ends as soon as storage answers, and the Abort with it: it then says how that went.
 */
export class AbortAdmin {
  private readonly core: Core;
  private outstanding = 0;

  constructor(core: Core) {
    this.core = core;
  }

  /** CC.EN went to 0. */
  reset(): void {
    this.outstanding = 0;
  }

  execute(command: Command): void {
    const { core } = this;
    const sqid = command.cdw10 & 0xffff;
    const cid = command.cdw10 >>> 16;
    if (this.outstanding > core.config.aclZ) {
      const why = `more than ${core.config.aclZ + 1} abort commands at once`;
      refuse(core, command, Status.abortLimitExceeded, 'abort-limit', why);
      return;
    }
    if (sqid === 0 && core.events.isHeld(cid)) {
      // Without room for its completion the request stays where it is: waiting for room could be for ever.
      core.complete(command, Status.success, core.events.abort(cid) ? ABORTED : NOT_ABORTED);
      return;
    }
    const target = core.inFlight(sqid, cid, command);
    if (target && !target.abortedBy) {
      target.abortRequested = true;
      target.abortedBy = command;
      this.outstanding++;
      return;
    }
    const dropped = core.dropQueued(sqid, cid);
    core.complete(command, Status.success, dropped ? ABORTED : NOT_ABORTED);
  }

  /** The command that `abort` waits for has ended. */
  targetEnded(abort: Command, target: Command): void {
    this.outstanding--;
    const aborted = target.status === Status.abortedByRequest;
    this.core.complete(abort, Status.success, aborted ? ABORTED : NOT_ABORTED);
  }
}
