import type fc from 'fast-check';
import type { NamespaceConfig } from '../../src/device/config.ts';
import type { Arena } from '../driver/arena.ts';
import type { Completion, Sqe } from '../driver/entries.ts';
import type { Rig } from '../driver/rig.ts';
import type { Ink } from './ink.ts';
import type { Steps } from './linear.ts';

/** A command as the host sends it, and how its answer is put into words. */
export interface Sent {
  readonly sqe: Sqe;
  readonly observe: (completion: Completion) => string;
}

/** A command: what is sent, and what the model says of it. */
export interface Op<S> extends Steps<S> {
  readonly queue: 0 | 1;
  /** It changes the disk, so it must fail once nothing can be kept any more. */
  readonly changes: boolean;
  /** A host sends no two of these at once: it would not know what became of the disk. */
  readonly alone?: boolean;
  /** What SMART counts it as when it succeeds, and its data in bytes. */
  readonly counts?: 'read' | 'write';
  readonly dataBytes?: number;
  send(arena: Arena): Sent;
}

/** What a dialect may use to make its commands. */
export interface Tools {
  readonly ink: Ink;
  /** Reads of unwritten sectors fail (Set Features, DULBE). */
  readonly dulbe: boolean;
}

/** A kind of disk: its model, and the commands that it is asked. `R` is a command before it meets a disk. */
export interface Dialect<S, R> {
  readonly name: string;
  readonly namespaces: readonly NamespaceConfig[];
  readonly initial: S;
  readonly recipe: fc.Arbitrary<R>;
  /** Whether there is an error for reading what was never written. */
  readonly hasDulbe: boolean;
  /** The recipe at the place of another one. */
  aim(recipe: R, at: R): R;
  /** What a power cut makes of a state. */
  afterPower(state: S): S;
  /** Forgets of a state what matters only to commands that are under way. */
  atRest(state: S): S;
  /** Learns the disk's addresses from the disk. */
  attach(rig: Rig): Promise<void>;
  /** The command, or undefined where there is nothing to be done. */
  make(recipe: R, guess: S, tools: Tools): Op<S> | undefined;
  /** What a host asks before it goes on with a disk of which it does not know what became of it. */
  revalidate(desk: SurveyDesk<S>): Promise<void>;
  /** Asks for all that the disk holds. */
  survey(desk: SurveyDesk<S>): Promise<void>;
}

export interface SurveyDesk<S> {
  readonly rig: Rig;
  readonly tools: Tools;
  /** Carries a command out alone; answers with its words. */
  ask(op: Op<S>): Promise<string>;
  observe(label: string, look: (state: S) => string, observed: string): void;
  guess(): S;
}

/** Status and failure map. */
export const words = (status: number, failed: readonly boolean[] = []): string => {
  let low = 0;
  let high = 0;
  failed.forEach((bad, i) => {
    if (!bad) return;
    if (i < 32) low += 2 ** i;
    else high += 2 ** (i - 32);
  });
  return `${status.toString(16)} ${low.toString(16)}:${high.toString(16)}`;
};

/** The same of a completion. */
export const wordsOf = ({ status, dw0, dw1 }: Completion): string =>
  `${status.toString(16)} ${dw0.toString(16)}:${dw1.toString(16)}`;

/** Whether entry `i` has its bit in the failure map. */
export const hasFailed = ({ dw0, dw1 }: Completion, i: number): boolean =>
  ((i < 32 ? dw0 >>> i : dw1 >>> (i - 32)) & 1) !== 0;
