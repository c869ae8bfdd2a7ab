import { submissionEntry } from '../spec/entries.ts';
import { unpack } from '../spec/layout.ts';
import { AdminOpcode, IoOpcode, opcodeName } from '../spec/opcodes.ts';
import { MAX_VECTOR } from '../spec/ocssd12.ts';
import { SQE_BYTES } from '../spec/registers.ts';
import { type Rule, rules } from '../spec/rules.ts';
import { statusMeaning, statusName, statusRule } from '../spec/status.ts';
import type { SectorAddress } from '../flash/address.ts';
import { commandDetail } from './command-detail.ts';
import type { Namespace } from './namespace.ts';
import { bytesOf } from './ports.ts';
import type { CompletedCommand } from './telemetry.ts';

/** An address of a vector command: as the host wrote it, and where that is (absent outside the device). */
export interface LoggedAddress {
  /** 16 hexadecimal digits. */
  readonly raw: string;
  readonly place?: SectorAddress;
}

/** One command that ended, decoded. */
export interface CommandEvent {
  /** Counts from 1; never used twice. */
  readonly sequence: number;
  /** By the controller's clock. */
  readonly timeMs: number;
  /** 0 is the admin queue. */
  readonly queueId: number;
  readonly cid: number;
  readonly opcode: number;
  /** The opcode's name, e.g. "vectorWrite"; its number where it has none. */
  readonly name: string;
  /** The command in a line: "Get Features: number of queues", "Vector Write: 8 addresses, dual plane". */
  readonly detail: string;
  readonly nsid: number;
  /** First logical block and how many, for commands that name blocks that way. */
  readonly lba?: number;
  readonly blocks?: number;
  /** Ranges of a Dataset Management command. */
  readonly ranges?: number;
  /** Of commands that name physical addresses, as far as they could be fetched. */
  readonly addresses: readonly LoggedAddress[];
  /** Which of the addresses failed. */
  readonly failed: readonly number[];
  /** Bytes of the data buffer. */
  readonly dataBytes: number;
  readonly dw0: number;
  readonly dw1: number;
  /** Without the phase bit. */
  readonly status: number;
  readonly statusName: string;
  /** What the status means, in a sentence. */
  readonly meaning: string;
  /** The rule that was broken: its name, what it says, and how this command broke it. */
  readonly rule?: Rule;
  readonly ruleText?: string;
  readonly why?: string;
  /** The 64 bytes of the command. */
  readonly sqe: Uint8Array;
}

const NUMBERS = 6;
const SQE_WORDS = SQE_BYTES / 4;
const f = submissionEntry.fields;

/**
 * The last commands that ended, in a ring of fixed size: recording costs a few copies and no memory, and
 * names are looked up when somebody reads.
 */
export class CommandLog {
  /** Commands ever recorded. */
  recorded = 0;
  private readonly namespaces: readonly Namespace[];
  private readonly capacity: number;
  private readonly sqes: Uint32Array;
  /** Time, status, dw0, dw1, data bytes, queue. */
  private readonly numbers: Float64Array;
  private readonly counts: Uint8Array;
  private readonly low: Uint32Array;
  private readonly high: Uint32Array;
  private readonly failed: Uint32Array;
  private readonly rules: (Rule | undefined)[];
  private readonly whys: string[];

  /** @param capacity commands kept; each takes about 650 bytes */
  constructor(namespaces: readonly Namespace[], capacity = 1024) {
    this.namespaces = namespaces;
    this.capacity = capacity;
    this.sqes = new Uint32Array(capacity * SQE_WORDS);
    this.numbers = new Float64Array(capacity * NUMBERS);
    this.counts = new Uint8Array(capacity);
    this.low = new Uint32Array(capacity * MAX_VECTOR);
    this.high = new Uint32Array(capacity * MAX_VECTOR);
    this.failed = new Uint32Array(capacity * 2);
    this.rules = new Array<Rule | undefined>(capacity).fill(undefined);
    this.whys = new Array<string>(capacity).fill('');
  }

  record(command: CompletedCommand, timeMs: number): void {
    const slot = this.recorded % this.capacity;
    this.recorded++;
    const { words } = command;
    // In a loop: calling `set` for so little takes longer.
    for (let i = 0; i < SQE_WORDS; i++) this.sqes[slot * SQE_WORDS + i] = words[i] as number;
    const numbers = this.numbers;
    const at = slot * NUMBERS;
    numbers[at] = timeMs;
    numbers[at + 1] = command.status;
    numbers[at + 2] = command.dw0;
    numbers[at + 3] = command.dw1;
    numbers[at + 4] = command.dataBytes;
    numbers[at + 5] = command.queueId;
    const { vector } = command;
    this.counts[slot] = vector.count;
    const first = slot * MAX_VECTOR;
    for (let i = 0; i < vector.count; i++) {
      this.low[first + i] = vector.addressLow[i] as number;
      this.high[first + i] = vector.addressHigh[i] as number;
    }
    this.failed[slot * 2] = vector.failedLow;
    this.failed[slot * 2 + 1] = vector.failedHigh;
    // Hardly any command breaks a rule: what is not written here is not fetched into the cache either.
    if (command.rule === undefined && this.rules[slot] === undefined) return;
    this.rules[slot] = command.rule;
    this.whys[slot] = command.why;
  }

  /** The commands after `afterSequence` that are still here, oldest first. */
  events(afterSequence = 0): CommandEvent[] {
    const first = Math.max(afterSequence + 1, this.recorded - this.capacity + 1, 1);
    const events: CommandEvent[] = [];
    for (let sequence = first; sequence <= this.recorded; sequence++) events.push(this.event(sequence));
    return events;
  }

  /** The newest command that broke a rule, if it is still here. */
  lastRefused(): CommandEvent | undefined {
    const oldest = Math.max(1, this.recorded - this.capacity + 1);
    for (let sequence = this.recorded; sequence >= oldest; sequence--) {
      if (this.rules[(sequence - 1) % this.capacity] !== undefined) return this.event(sequence);
    }
    return undefined;
  }

  /** The newest command; undefined before the first. */
  last(): CommandEvent | undefined {
    return this.recorded === 0 ? undefined : this.event(this.recorded);
  }

  private event(sequence: number): CommandEvent {
    const slot = (sequence - 1) % this.capacity;
    const [timeMs = 0, status = 0, dw0 = 0, dw1 = 0, dataBytes = 0, queueId = 0] = this.numbers.subarray(
      slot * NUMBERS,
      (slot + 1) * NUMBERS,
    );
    const sqe = bytesOf(this.sqes.slice(slot * SQE_WORDS, (slot + 1) * SQE_WORDS));
    const opcode = unpack(f.opcode, sqe);
    const nsid = unpack(f.nsid, sqe);
    const rule = this.rules[slot] ?? statusRule(status);
    const why = this.whys[slot] ?? '';
    return {
      sequence,
      timeMs,
      queueId,
      cid: unpack(f.cid, sqe),
      opcode,
      name: opcodeName(queueId, opcode),
      detail: commandDetail(queueId, sqe),
      nsid,
      ...blocksOf(queueId, opcode, sqe),
      addresses: this.addresses(slot, queueId, opcode, nsid, sqe),
      failed: this.failures(slot),
      dataBytes,
      dw0,
      dw1,
      status,
      statusName: statusName(status),
      meaning: statusMeaning(status),
      ...(rule && { rule, ruleText: rules[rule] }),
      ...(why !== '' && { why }),
      sqe,
    };
  }

  private addresses(
    slot: number,
    queueId: number,
    opcode: number,
    nsid: number,
    sqe: Uint8Array,
  ): LoggedAddress[] {
    const ns = this.namespaces[nsid - 1];
    const count = this.counts[slot] ?? 0;
    if (count === 0 && namesOneAddress(queueId, opcode, ns, sqe))
      return [logged(ns, unpack(f.cdw10, sqe), unpack(f.cdw11, sqe))];
    const first = slot * MAX_VECTOR;
    return Array.from({ length: count }, (_, i) =>
      logged(ns, this.low[first + i] ?? 0, this.high[first + i] ?? 0),
    );
  }

  private failures(slot: number): number[] {
    const failed: number[] = [];
    for (let i = 0; i < MAX_VECTOR; i++) {
      const half = this.failed[slot * 2 + (i < 32 ? 0 : 1)] ?? 0;
      if ((half & (1 << (i % 32))) !== 0) failed.push(i);
    }
    return failed;
  }
}

/** Commands whose dwords 10 and 11 are a starting LBA and whose dword 12 begins with a count (NLB). */
const withLba: ReadonlySet<number> = new Set([
  IoOpcode.write,
  IoOpcode.read,
  IoOpcode.writeUncorrectable,
  IoOpcode.compare,
  IoOpcode.writeZeroes,
]);

function blocksOf(
  queueId: number,
  opcode: number,
  sqe: Uint8Array,
): { lba?: number; blocks?: number; ranges?: number } {
  if (queueId === 0) return {};
  if (opcode === IoOpcode.datasetManagement) return { ranges: (unpack(f.cdw10, sqe) & 0xff) + 1 };
  if (!withLba.has(opcode)) return {};
  const lba = unpack(f.cdw11, sqe) * 2 ** 32 + unpack(f.cdw10, sqe);
  return { lba, blocks: (unpack(f.cdw12, sqe) & 0xffff) + 1 };
}

/** Commands of addresses, in a list or, when there is one only, in dwords 10 and 11. */
const withAddresses: ReadonlySet<number> = new Set([
  IoOpcode.vectorErase,
  IoOpcode.vectorWrite,
  IoOpcode.vectorRead,
  IoOpcode.rawWrite,
  IoOpcode.rawRead,
]);

/** Whether dwords 10 and 11 of a command, whose addresses were not fetched, are an address. */
function namesOneAddress(
  queueId: number,
  opcode: number,
  ns: Namespace | undefined,
  sqe: Uint8Array,
): boolean {
  if (ns === undefined || ns.kind === 'plain') return false;
  const single = (unpack(f.cdw12, sqe) & 0xffff) === 0;
  if (queueId === 0)
    return opcode === AdminOpcode.getBadBlockTable || (opcode === AdminOpcode.setBadBlockTable && single);
  if (withAddresses.has(opcode)) return single;
  // Logical blocks of 2.0 are physical addresses; those of 1.2 are numbered through.
  return ns.kind === 'ocssd20' && withLba.has(opcode);
}

function logged(ns: Namespace | undefined, low: number, high: number): LoggedAddress {
  const raw = high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  const place = ns === undefined || ns.kind === 'plain' ? undefined : ns.medium.address.place(low, high);
  return place ? { raw, place } : { raw };
}
