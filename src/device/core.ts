import type { Rule } from '../spec/rules.ts';
import type { StatusCode } from '../spec/status.ts';
import type { AsyncEvents } from './async-events.ts';
import type { Command } from './command.ts';
import type { ControllerConfig } from './config.ts';
import type { ErrorLog } from './error-log.ts';
import type { Features } from './features.ts';
import type { Health } from './health.ts';
import type { Namespace } from './namespace.ts';
import type { Clock, GuestMemory } from './ports.ts';
import type { CompletionQueue, SubmissionQueue } from './queues.ts';
import type { Telemetry } from './telemetry.ts';

/** What the command sets know of the controller that they run in. */
export interface Core {
  readonly config: ControllerConfig;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly namespaces: readonly Namespace[];
  readonly health: Health;
  readonly events: AsyncEvents;
  readonly errors: ErrorLog;
  readonly features: Features;
  /** 2^(12 + CC.MPS) */
  readonly pageBytes: number;
  /** Of one command, by MDTS; Infinity where it sets no limit. */
  readonly maxTransferBytes: number;
  /** CC as the host wrote it. */
  readonly configuration: number;
  readonly sqs: (SubmissionQueue | undefined)[];
  readonly cqs: (CompletionQueue | undefined)[];
  /** Switches the write cache of the disk, if it has one. */
  useWriteCache(on: boolean): void;
  /** Ends a command with its status and the command-specific result. A second call for one command does nothing. */
  complete(command: Command, status: StatusCode, dw0?: number, dw1?: number): void;
  /** The command may wait for ever: it gives its claim on a completion slot back. */
  hold(command: Command): void;
  /** A held command has something to say: claims a completion slot again. False while there is none. */
  unhold(command: Command): boolean;
  /** The command of a queue that was fetched and has not ended, other than `not`. */
  inFlight(sqid: number, cid: number, not: Command): Command | undefined;
  /** A command that waits in its queue will not be carried out; false when it is not there. */
  dropQueued(sqid: number, cid: number): boolean;
}

/** Ends a command that broke a rule, and says which and how. */
export function refuse(core: Core, command: Command, status: StatusCode, rule: Rule, why: string): void {
  core.complete(command, explain(command, status, rule, why));
}

/** Says why a command will end with this status; answers with the status. */
export function explain(command: Command, status: StatusCode, rule: Rule, why: string): StatusCode {
  command.explain(status, rule, why);
  return status;
}
