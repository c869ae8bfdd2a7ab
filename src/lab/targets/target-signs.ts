import { AdminOpcode, IoOpcode } from '../../spec/opcodes.ts';
import { LogPage20 } from '../../spec/ocssd20.ts';
import { type AddressFormat, addressFormat, type BitField } from '../../flash/address.ts';
import type { Geometry } from '../../flash/geometry.ts';
import type { CompletedCommand } from '../../device/telemetry.ts';

/** Of a chunk in the log of 2.0 (struct nvme_nvm_chk_meta). */
const CHUNK_ENTRY_BYTES = 32;
/** LUNs noted; more than two targets over the largest device are never made at a time. */
const MAX_NOTED = 8192;

/** Stands in {@link TargetSigns.scanned} where one target's LUNs end. */
const END = -1;

/**
 * What the wire tells of targets that come and go. Before a target is made Linux asks for the state of each chunk in
 * its LUNs, and in no others: with 1.2 by their bad-block tables, one LUN at a time, with 2.0 by the chunk log. Whose
 * LUNs they are, and when a target goes, the wire does not tell for sure: a sign only says that a look is worth while.
 */
export class TargetSigns {
  /** LUNs asked about, as `-b` and `-e` count them, in their order; who has looked takes them out. */
  readonly scanned: number[] = [];
  /** Vector writes: a target that goes fills its open line up before. And queues that go, when the guest unplugs the device. */
  writes = 0;
  /** Told of LUNs that are asked about. */
  onscan: (() => void) | undefined;
  /** Told of each of {@link writes}. */
  onwrite: (() => void) | undefined;
  /** LUNs since the last end. They are nobody's, so that who first writes there is the target they were asked for. */
  private readonly open = new Set<number>();
  private readonly g: Geometry;
  private readonly format: AddressFormat;
  private readonly is20: boolean;

  constructor(g: Geometry, is20: boolean) {
    this.g = g;
    this.is20 = is20;
    this.format = addressFormat(g);
  }

  command(command: CompletedCommand): void {
    const { opcode } = command;
    if (command.queueId !== 0) {
      if (opcode !== IoOpcode.vectorWrite && opcode !== IoOpcode.vectorErase) return;
      if (this.open.size > 0) this.closeFor(command);
      if (opcode === IoOpcode.vectorWrite) this.wrote();
    } else if (command.status === 0) {
      if (opcode === AdminOpcode.deleteSq) this.wrote();
      if (opcode === AdminOpcode.getBadBlockTable && !this.is20) this.badBlockTable(command.words);
      else if (opcode === AdminOpcode.getLogPage && this.is20) this.chunkLog(command);
    }
  }

  /** So many of {@link scanned} are a target's that is known now: no other one's are among them. */
  took(at: number, count: number): void {
    this.scanned.fill(END, at, at + count);
  }

  private wrote(): void {
    this.writes++;
    this.onwrite?.();
  }

  private closeFor({ vector }: CompletedCommand): void {
    const { numCh, numLun, numPln } = this.g;
    for (let i = 0; i < vector.count; i++) {
      const lun = Math.floor((vector.block[i] ?? 0) / numPln) % (numCh * numLun);
      if (!this.open.has(lun)) continue;
      this.open.clear();
      this.scanned.push(END);
      return;
    }
  }

  private badBlockTable(words: Uint32Array): void {
    const { lun, ch } = this.format;
    const address = words[10] ?? 0;
    this.note(part(address, ch) * this.g.numLun + part(address, lun));
  }

  private chunkLog({ words, dataBytes }: CompletedCommand): void {
    if (((words[10] ?? 0) & 0xff) !== LogPage20.chunkInformation) return;
    const bytesOfLun = CHUNK_ENTRY_BYTES * this.g.numChk;
    const from = (words[13] ?? 0) * 2 ** 32 + (words[12] ?? 0);
    const total = this.g.numCh * this.g.numLun;
    const end = Math.min(total, Math.ceil((from + dataBytes) / bytesOfLun));
    for (let lun = Math.floor(from / bytesOfLun); lun < end; lun++) this.note(lun);
  }

  private note(lun: number): void {
    // A long log comes in pieces that begin inside a LUN.
    if (this.scanned.at(-1) !== lun) this.scanned.push(lun);
    if (this.scanned.length > MAX_NOTED) this.scanned.splice(0, MAX_NOTED / 2);
    this.open.add(lun);
    this.onscan?.();
  }
}

/** Addresses fit in 32 bits. */
function part(address: number, { offset, bits }: BitField): number {
  return bits === 0 ? 0 : (address >>> offset) % 2 ** bits;
}

/** LUNs that were asked about in a row, and where in the row they begin. */
export interface ScannedRange {
  readonly begin: number;
  readonly end: number;
  readonly at: number;
}

/** Each `count` LUNs in a row, before index `before`, that are neighbours: one target's may be. The last ones first. */
export function* scannedRanges(
  scanned: readonly number[],
  count: number,
  before = scanned.length,
): Generator<ScannedRange> {
  if (!Number.isInteger(count) || count < 1) return;
  for (let at = before - count; at >= 0; at--) {
    const luns = new Set(scanned.slice(at, at + count));
    let [begin, end] = [Infinity, -Infinity];
    for (const lun of luns) [begin, end] = [Math.min(begin, lun), Math.max(end, lun)];
    if (begin !== END && luns.size === count && end - begin + 1 === count) yield { begin, end, at };
  }
}
