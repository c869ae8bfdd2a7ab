import { FORCE_UNIT_ACCESS } from '../spec/identify.ts';
import { IoOpcode, opcodeName } from '../spec/opcodes.ts';
import { MAX_VECTOR } from '../spec/ocssd12.ts';
import { SQE_BYTES } from '../spec/registers.ts';
import type { Rule } from '../spec/rules.ts';
import { Status, type StatusCode, statusName } from '../spec/status.ts';
import { SectorVector, type Transfer } from '../flash/transfer.ts';
import { bytesOf } from './ports.ts';
import { PrpSegments } from './prp.ts';
import type { SubmissionQueue } from './queues.ts';
import type { CompletedCommand } from './telemetry.ts';

const TWO_32 = 4_294_967_296;

/** What commands share with the controller they run in. */
export interface CommandHost {
  /** One more at each reset: commands of an earlier one are stale. */
  generation: number;
  /** Ends a command; see Core. */
  complete(command: Command, status: StatusCode, dw0: number, dw1: number): void;
  /** A write goes with the next commit; see Transfer. */
  committing(command: Command): void;
  /** Told why a command is refused, in a sentence. */
  refused(text: string): void;
}

/**
 * One command: the 64 bytes copied from the guest once (it may change them meanwhile) and their fields
 * (Linux struct nvme_common_command). Objects are reused; nothing is allocated for a command in flight.
 */
export class Command implements Transfer, CompletedCommand {
  readonly words = new Uint32Array(SQE_BYTES / 4);
  readonly bytes = bytesOf(this.words);
  private readonly host: CommandHost;
  /** The queue it came from, and the controller's generation then: a reset makes it stale. */
  sq: SubmissionQueue | undefined;
  queueId = 0;
  fetchedMs = 0;
  generation = 0;
  /** Abort asked for it: who can still end it early, does. The Abort waits for how it ends. */
  abortRequested = false;
  abortedBy: Command | undefined;
  /** Its place among the controller's commands. */
  index = -1;

  opcode = 0;
  flags = 0;
  cid = 0;
  nsid = 0;
  /** Addresses as numbers: exact to 2^53, and everything above fails the RAM check anyway. */
  metadata = 0;
  prp1 = 0;
  prp2 = 0;
  cdw10 = 0;
  cdw11 = 0;
  cdw12 = 0;
  cdw13 = 0;
  cdw14 = 0;
  cdw15 = 0;

  readonly data = new PrpSegments();
  readonly oob = new PrpSegments();
  readonly vector = new SectorVector(MAX_VECTOR);
  /** What a vector copy reads. */
  sources: SectorVector | undefined;
  hasOob = false;
  /** How it ended. */
  status: StatusCode = 0;
  dw0 = 0;
  dw1 = 0;
  /** The first rule that it broke, and how. */
  rule: Rule | undefined;
  why = '';
  /** Bytes of a write that SMART has counted already. */
  countedBytes = 0;

  constructor(host: CommandHost) {
    this.host = host;
  }

  /** From before a reset: nobody waits for it. */
  get stale(): boolean {
    return this.generation !== this.host.generation;
  }

  get abandoned(): boolean {
    return this.abortRequested || this.stale;
  }

  /** NVM Express 1.2, section 6.15; vector commands have other control bits there. */
  get forced(): boolean {
    const { opcode } = this;
    return (
      (opcode === IoOpcode.write || opcode === IoOpcode.writeZeroes) && (this.cdw12 & FORCE_UNIT_ACCESS) !== 0
    );
  }

  get dataBytes(): number {
    return this.data.lengthBytes;
  }

  get lastRunBytes(): number {
    return this.data.lengthOf(this.data.runs - 1);
  }

  /** Ends the command: made once, so that waiting for storage costs no closure for each command. */
  readonly finish = (status: StatusCode): void => {
    this.host.complete(this, status, this.vector.failedLow, this.vector.failedHigh);
  };

  committing(): void {
    // With data that could not be moved it ends with an error, whatever the medium says.
    if (this.transferFailure === Status.success) this.host.committing(this);
  }

  refuse(rule: Rule, why: string): void {
    this.remember(rule, why);
    this.host.refused(why);
  }

  /** As {@link refuse}, for a command that ends with `status` because of it. */
  explain(status: StatusCode, rule: Rule, why: string): void {
    this.remember(rule, why);
    this.host.refused(`${opcodeName(this.queueId, this.opcode)}: ${why} (${statusName(status)})`);
  }

  private remember(rule: Rule, why: string): void {
    if (this.rule !== undefined) return;
    this.rule = rule;
    this.why = why;
  }

  /** Reads the fields out of {@link words}. */
  parse(): void {
    const w = this.words;
    const dw0 = w[0] as number;
    this.opcode = dw0 & 0xff;
    this.flags = (dw0 >>> 8) & 0xff;
    this.cid = dw0 >>> 16;
    this.nsid = w[1] as number;
    this.metadata = (w[5] as number) * TWO_32 + (w[4] as number);
    this.prp1 = (w[7] as number) * TWO_32 + (w[6] as number);
    this.prp2 = (w[9] as number) * TWO_32 + (w[8] as number);
    this.cdw10 = w[10] as number;
    this.cdw11 = w[11] as number;
    this.cdw12 = w[12] as number;
    this.cdw13 = w[13] as number;
    this.cdw14 = w[14] as number;
    this.cdw15 = w[15] as number;
    this.data.clear();
    this.oob.clear();
    this.vector.clear();
    this.sources = undefined;
    this.hasOob = false;
    this.abortRequested = false;
    this.abortedBy = undefined;
    this.rule = undefined;
    this.why = '';
    this.countedBytes = 0;
  }

  /** cdw10 and 11 as one number: a starting LBA, or an address. */
  get cdw10and11(): number {
    return this.cdw11 * TWO_32 + this.cdw10;
  }

  /** Why the command cannot end with success whatever the medium says: its data could not be moved. */
  get transferFailure(): StatusCode {
    return this.data.failure || this.oob.failure;
  }

  // Transfers go on after storage was waited for, where nobody would catch what a port throws.

  pullData(at: number, target: Uint8Array, offset: number, length: number): void {
    try {
      this.data.pull(at, target, offset, length);
    } catch (error) {
      this.transferBroke(error);
    }
  }
  pushData(at: number, source: Uint8Array, offset: number, length: number): void {
    try {
      this.data.push(at, source, offset, length);
    } catch (error) {
      this.transferBroke(error);
    }
  }
  pullOob(at: number, target: Uint8Array, offset: number, length: number): void {
    try {
      this.oob.pull(at, target, offset, length);
    } catch (error) {
      this.transferBroke(error);
    }
  }
  pushOob(at: number, source: Uint8Array, offset: number, length: number): void {
    try {
      this.oob.push(at, source, offset, length);
    } catch (error) {
      this.transferBroke(error);
    }
  }

  private transferBroke(error: unknown): void {
    this.data.failure = Status.internalError;
    this.explain(Status.internalError, 'internal', `internal error: ${String(error)}`);
  }
}
