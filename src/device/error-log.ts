import { SavedFields, type TakeOver } from '../flash/saved-fields.ts';
import { errorLogEntry } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import type { Rule } from '../spec/rules.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import type { Command } from './command.ts';
import type { Health } from './health.ts';

const U16 = 0xffff;
const NO_COMMAND = 0xffff;
const NO_LOCATION = 0xffff;

/** Outcomes that a host asked for, or has to expect, are no errors of the drive. */
const expected: ReadonlySet<StatusCode> = new Set([
  Status.success,
  Status.abortedByRequest,
  Status.abortedSqDeletion,
  Status.emptyPage,
  Status.highEcc,
  Status.unwrittenBlock,
]);

/** The byte of the command that a rule is about (Linux struct nvme_common_command). */
const locations: Partial<Record<Rule, number>> = {
  opcode: 0,
  'no-fused-no-sgl': 1,
  namespace: 4,
  'metadata-pointer': 16,
  prp: 24,
  range: 40,
  'address-list': 40,
  field: 40,
  queue: 40,
  'log-page': 40,
  feature: 40,
  format: 40,
  uncorrectable: 40,
  'compare-differs': 40,
  'vector-length': 48,
  'plane-mode': 48,
  'transfer-size': 48,
};

interface Entry {
  readonly errorCount: number;
  readonly sqid: number;
  readonly cmdid: number;
  readonly statusField: number;
  readonly parmErrorLocation: number;
  readonly lba: bigint;
  readonly nsid: number;
}

export interface SavedErrors {
  readonly entries: readonly (Omit<Entry, 'lba'> & { readonly lba: string })[];
}

/** The error information log (01h): the newest errors, at most ELPE + 1. Their number over the drive's life is kept with the disk. */
export class ErrorLog {
  private readonly capacity: number;
  private readonly health: Health;
  /** Newest first. */
  private readonly entries: Entry[] = [];

  constructor(capacity: number, health: Health) {
    this.capacity = capacity;
    this.health = health;
  }

  /** A command ended with an error; whether that is one for the log is decided here. */
  record(command: Command, status: StatusCode): void {
    if (expected.has(status)) return;
    this.add({
      sqid: command.queueId,
      cmdid: command.cid,
      statusField: (status << 1) & 0xffff,
      parmErrorLocation: (command.rule && locations[command.rule]) ?? NO_LOCATION,
      lba: command.queueId === 0 ? 0n : (BigInt(command.cdw11) << 32n) | BigInt(command.cdw10),
      nsid: command.nsid,
    });
  }

  /** A doorbell was rung that does not exist, or with a value that it cannot have. */
  doorbell(status: StatusCode): void {
    this.add({
      sqid: NO_COMMAND,
      cmdid: NO_COMMAND,
      statusField: (status << 1) & 0xffff,
      parmErrorLocation: NO_LOCATION,
      lba: 0n,
      nsid: 0,
    });
  }

  private add(entry: Omit<Entry, 'errorCount'>): void {
    this.health.errorLogEntries++;
    this.health.touch();
    this.entries.unshift({ errorCount: this.health.errorLogEntries, ...entry });
    if (this.entries.length > this.capacity) this.entries.pop();
  }

  /** Newest first. The starting LBA is in decimal digits, which JSON can carry. */
  save(): SavedErrors {
    return { entries: this.entries.map((entry) => ({ ...entry, lba: entry.lba.toString() })) };
  }

  /** Throws SavedStateError. */
  readSaved(value: unknown): TakeOver {
    const saved = new SavedFields(value, 'the error log');
    const entries = saved.list('entries', this.capacity, (item, what): Entry => {
      const entry = new SavedFields(item, what);
      return {
        errorCount: entry.whole('errorCount', 1, Number.MAX_SAFE_INTEGER),
        sqid: entry.whole('sqid', 0, U16),
        cmdid: entry.whole('cmdid', 0, U16),
        statusField: entry.whole('statusField', 0, U16),
        parmErrorLocation: entry.whole('parmErrorLocation', 0, U16),
        lba: BigInt.asUintN(64, BigInt(entry.text('lba', /^\d{1,20}$/))),
        nsid: entry.whole('nsid', 0, 0xffff_ffff),
      };
    });
    return () => {
      this.entries.splice(0, Infinity, ...entries);
    };
  }

  /** The power went. */
  clear(): void {
    this.entries.length = 0;
  }

  /** Log page 01h: an entry without an error count ends it. */
  page(): Uint8Array {
    const bytes = new Uint8Array(this.capacity * errorLogEntry.sizeBytes);
    this.entries.forEach((entry, i) => bytes.set(pack(errorLogEntry, entry), i * errorLogEntry.sizeBytes));
    return bytes;
  }
}
