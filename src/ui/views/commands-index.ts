import type { Recording } from '../../trace/recording.ts';
import { sinkOf } from '../../trace/sink.ts';
import { type CommandKind, kindOf } from '../../trace/wire-command.ts';

export const FILTERS = ['all', 'write', 'read', 'erase', 'admin', 'other', 'failed'] as const;
export type Filter = (typeof FILTERS)[number];

const FAILED = 0x80;
const codes: Readonly<Record<CommandKind, number>> = {
  write: 1,
  vectorWrite: 1,
  vectorCopy: 1,
  read: 2,
  vectorRead: 2,
  vectorErase: 3,
  discard: 3,
  admin: 4,
  flush: 5,
  other: 5,
};
const wanted: Readonly<Record<Exclude<Filter, 'all' | 'failed'>, number>> = {
  write: 1,
  read: 2,
  erase: 3,
  admin: 4,
  other: 5,
};

/** Which commands of a recording are of which sort: a byte each, so that lists of some are made at once. */
export class CommandIndex {
  /** Number of the first command that is known; those before it are kept no more. */
  first: number;
  count = 0;
  private codes = new Uint8Array(1024);
  private readonly recording: Recording;
  private nextRecord = 0;
  private readonly sink = sinkOf({
    command: (record) => {
      if (this.count === this.codes.length) {
        const grown = new Uint8Array(this.count * 2);
        grown.set(this.codes);
        this.codes = grown;
      }
      this.codes[this.count++] = codes[kindOf(record)] | (record.status === 0 ? 0 : FAILED);
    },
  });

  constructor(recording: Recording) {
    this.recording = recording;
    this.first = recording.start.command + 1;
  }

  /** Reads what came since, for about so long; true when there is nothing more. */
  advance(budgetMs: number): boolean {
    const until = performance.now() + budgetMs;
    for (const record of this.recording.play(this.sink, this.nextRecord)) {
      this.nextRecord = record;
      if (performance.now() >= until) return false;
    }
    return true;
  }

  /** Numbers of the commands of a sort that are still kept, oldest first. */
  numbers(filter: Filter): Uint32Array {
    const from = Math.max(0, this.recording.start.command + 1 - this.first);
    const found = new Uint32Array(Math.max(0, this.count - from));
    let n = 0;
    for (let i = from; i < this.count; i++) {
      const code = this.codes[i] as number;
      const fits =
        filter === 'all' ||
        (filter === 'failed' ? (code & FAILED) !== 0 : (code & ~FAILED) === wanted[filter]);
      if (fits) found[n++] = this.first + i;
    }
    return found.subarray(0, n);
  }
}
