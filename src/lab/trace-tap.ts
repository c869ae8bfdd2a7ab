import type { CompletedCommand, Telemetry } from '../device/telemetry.ts';
import type { BlockTable } from '../flash/block-table.ts';
import { blockAddress } from '../flash/address.ts';
import { deriveGeometry, type DerivedGeometry } from '../flash/geometry.ts';
import type { FlashOperation } from '../flash/observer.ts';
import { type Segment, TraceEncoder } from '../trace/encode.ts';
import type { GuestEvent } from '../trace/guest-event.ts';
import { CellKind } from '../trace/cells.ts';
import { TraceModel } from '../trace/model.ts';
import { looksLikeBooks } from '../trace/pblk-books.ts';
import { Lba, MAX_LBA, type TraceShape, type TraceSink, tee } from '../trace/record.ts';
import { MAX_HELD, type Target } from '../trace/target.ts';
import type { GuestEventSource } from './guest-trace/told-queue.ts';
import { MOST_SECS, pagesOf, runsOf, TraceBatch } from './trace-batch.ts';

/** Where the logical address is in the out-of-band bytes: struct pblk_sec_meta { u64 reserved; __le64 lba }, pblk.h. */
const LBA_AT = 8;
const SEC_META_BYTES = 16;
/** Of ADDR_EMPTY (~0ULL), pblk.h. */
const ADDR_EMPTY_HALF = 0xffff_ffff;
const PAGE_BYTES = 4096;
/** Records that nobody has fetched are kept up to this many bytes. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

/** The device's clock, and what it showed when somebody last looked, in milliseconds. */
export interface TapClock {
  readonly lastMs: number;
  nowMs(): number;
}

/**
 * Turns what a device tells into records of a recording: encoded, for whoever keeps it, and applied to a model
 * here, which knows the device's present state when somebody joins in.
 */
export class TraceTap implements Telemetry {
  private readonly encoder = new TraceEncoder();
  private readonly known: TraceModel;
  /** What is neither encoded nor known to the model yet. */
  private readonly batch: TraceBatch;
  /**
   * Sectors at a line's end that were read, by commands that are under way: when the model is told of such a command, it
   * knows that garbage collection is at the line. Of nothing else in the batch would it learn more about what is read.
   */
  private readonly endsRead = new Set<number>();
  /** Such a command is in the batch. */
  private isEndNoted = false;
  /** Of the controller that drives the device now. */
  clock: TapClock;
  private readonly sink: TraceSink;
  private readonly next: Telemetry;
  private lastUs = 0;
  private hasOverflowed = false;
  private readonly table: BlockTable | undefined;
  private readonly g: DerivedGeometry;
  private readonly isUnitOneWrite: boolean;
  private readonly lbas: Uint32Array;
  private readonly same: Uint8Array;
  /** Checksums of the sectors that garbage collection has read, until their block is erased; 0 for the others. */
  private readonly sums = new Map<number, Uint32Array>();
  /** The same of what only pblk's buffer has ({@link Target.held}), by logical block. */
  private readonly heldSums = new Map<Target, Map<number, number>>();

  /** @param next is told everything as well */
  constructor(
    shape: TraceShape,
    table: BlockTable | undefined,
    next: Telemetry,
    clock: TapClock,
    batch = new TraceBatch(deriveGeometry(shape).secsPerPg),
  ) {
    this.batch = batch;
    this.next = next;
    this.clock = clock;
    this.table = table;
    this.g = deriveGeometry(shape);
    this.isUnitOneWrite = shape.wsOpt === this.g.secsPerUnit;
    this.lbas = new Uint32Array(Math.max(1, this.g.secsPerUnit));
    this.same = new Uint8Array(Math.max(1, this.g.secsPerUnit));
    this.known = new TraceModel(
      shape,
      table && { state: table.state, writtenSecs: table.writePointer, eraseCount: table.eraseCount },
    );
    this.sink = tee(this.encoder, this.known);
  }

  /** The device as it is now. */
  get model(): TraceModel {
    this.settle();
    return this.known;
  }

  /** Records were dropped because nobody fetched them. Whoever does next begins with the model. */
  get overflowed(): boolean {
    this.settle();
    return this.hasOverflowed;
  }

  /** What was recorded since the last call. */
  take(): Segment | undefined {
    this.settle();
    return this.encoder.take();
  }

  /** Forgets what was not taken: the model is. */
  drop(): void {
    this.settle();
    this.encoder.drop();
    this.hasOverflowed = false;
  }

  /** Records what was only noted. */
  private settle(): void {
    this.isEndNoted = false;
    if (this.batch.isEmpty) return;
    this.makeRoom();
    this.batch.replay(this.sink);
  }

  private makeRoom(): void {
    if (this.encoder.length <= MAX_WAITING_BYTES) return;
    this.encoder.drop();
    this.hasOverflowed = true;
  }

  /** The batch, with room for one more thing. */
  private noted(): TraceBatch {
    if (this.batch.isFull) this.settle();
    return this.batch;
  }

  /** The sink, told the time: once before each record. */
  private now(): TraceSink {
    this.at(this.clock.nowMs());
    return this.sink;
  }

  /**
   * The same within a command. The device looked at the clock when it fetched it: another look for each run of sectors
   * would be a tenth of what the recording costs.
   */
  private soon(): TraceSink {
    this.at(this.clock.lastMs);
    return this.sink;
  }

  private at(ms: number): void {
    this.settle();
    this.makeRoom();
    this.sink.at(this.stamp(ms));
  }

  /** Microseconds, which never go back. */
  private stamp(ms: number): number {
    this.lastUs = Math.max(this.lastUs, Math.floor(ms * 1000));
    return this.lastUs;
  }

  /** @param sinceMs of the device's clock, for who hears of it later */
  power(on: boolean, sinceMs?: number): void {
    this.at(sinceMs ?? this.clock.nowMs());
    this.sink.power(on ? 'on' : 'off');
    if (sinceMs !== undefined) this.now();
  }

  mark(text: string): void {
    this.now().mark(text);
  }

  guest(events: readonly GuestEvent[]): void {
    for (const event of events) this.noted().guest(this.stamp(this.clock.nowMs()), event);
  }

  /**
   * An event to take from the source by its number, which is there when this has returned; `atMs` of the device's clock.
   * True: it will be taken (see GuestTrace.ontold).
   */
  told(source: GuestEventSource, number: number, atMs: number): true {
    this.noted().told(this.stamp(atMs), source, number);
    return true;
  }

  flash(operation: FlashOperation, block: number, sec: number, secs: number): void {
    this.next.flash(operation, block, sec, secs);
    const { table } = this;
    if (operation !== 'erase' || !table) return;
    // Without sectors: the block's entry was changed by other means.
    if (secs > 0) {
      this.holdSums(block);
      this.noted().erase(this.stamp(this.clock.lastMs), block);
    } else {
      const written = table.writePointer[block] ?? 0;
      this.soon().entry(block, table.state[block] ?? 0, written, table.eraseCount[block] ?? 0);
    }
  }

  cells(
    operation: 'read' | 'write',
    unit: number,
    slot: number,
    secs: number,
    unitBytes: Uint8Array,
    lastRunBytes = 0,
  ): void {
    const { g } = this;
    const chunk = Math.floor(unit / g.numPg);
    const page = unit % g.numPg;
    const isWrite = operation === 'write';
    if (isWrite) this.readLbas(slot, secs, unitBytes, lastRunBytes);
    const isQuiet = isWrite && this.sums.size === 0 && this.heldSums.size === 0 && secs <= MOST_SECS;
    if (isQuiet && !this.hasBooks(slot, secs, unitBytes)) {
      const block = chunk * g.numPln + Math.floor(slot / g.secsPerPg);
      const sec = page * g.secsPerPg + (slot % g.secsPerPg);
      this.noted().write(this.stamp(this.clock.lastMs), block, sec, secs, this.lbas);
      return;
    }
    // A run may go on in the next plane.
    for (let at = slot; at < slot + secs;) {
      const pln = Math.floor(at / g.secsPerPg);
      const inPage = at % g.secsPerPg;
      const count = Math.min(g.secsPerPg - inPage, slot + secs - at);
      const block = chunk * g.numPln + pln;
      const sec = page * g.secsPerPg + inPage;
      if (isWrite) this.wrote(block, sec, at, count, unitBytes, this.lbas.subarray(at - slot));
      else this.read(block, sec, at, count, unitBytes);
      at += count;
    }
  }

  /** @param lbas of these sectors */
  private wrote(
    block: number,
    sec: number,
    slot: number,
    secs: number,
    unitBytes: Uint8Array,
    lbas: Uint32Array,
  ): void {
    this.settle();
    this.compare(block, slot, secs, unitBytes, lbas);
    this.soon().write(block, sec, secs, lbas, this.same);
    for (let i = 0; i < secs; i++) this.books(block, sec + i, slot + i, unitBytes, true);
  }

  /** A look at sectors from before the recording teaches what they are. */
  private read(block: number, sec: number, slot: number, secs: number, unitBytes: Uint8Array): void {
    const isPlain = !this.isEndNoted && !this.known.isCollected(block) && !this.hasUnknown(block, sec, secs);
    if (!isPlain) this.settle();
    if (this.known.isLineEnd(block, sec)) this.endsRead.add(block * this.known.secsPerBlk + sec);
    if (isPlain) return;
    if (this.known.isCollected(block)) this.keepSums(block, sec, slot, secs, unitBytes);
    if (!this.hasUnknown(block, sec, secs)) return;
    for (let i = 0; i < secs; i++) this.books(block, sec + i, slot + i, unitBytes, false);
    // What is read teaches no more than pblk learns of it: after a cut it takes the last sector for the list.
    this.readLbas(slot, secs, unitBytes, PAGE_BYTES);
    this.soon().learn(block, sec, secs, this.lbas);
  }

  private hasUnknown(block: number, sec: number, secs: number): boolean {
    for (let i = 0; i < secs; i++) if (this.known.isUnknown(block, sec + i)) return true;
    return false;
  }

  private hasBooks(slot: number, secs: number, unitBytes: Uint8Array): boolean {
    const { secSizeBytes } = this.g;
    for (let i = 0; i < secs; i++) if (looksLikeBooks(unitBytes, (slot + i) * secSizeBytes)) return true;
    return false;
  }

  private books(block: number, sec: number, slot: number, unitBytes: Uint8Array, isNew: boolean): void {
    const { secSizeBytes } = this.g;
    const at = slot * secSizeBytes;
    const wanted = looksLikeBooks(unitBytes, at) || (!isNew && this.known.wantsContent(block, sec));
    if (wanted) this.soon().content(block, sec, unitBytes.subarray(at, at + secSizeBytes), isNew);
  }

  private keepSums(block: number, sec: number, slot: number, secs: number, unitBytes: Uint8Array): void {
    const { secSizeBytes } = this.g;
    const sums = this.sums.get(block) ?? new Uint32Array(this.known.secsPerBlk);
    this.sums.set(block, sums);
    for (let i = 0; i < secs; i++) sums[sec + i] = sumOf(unitBytes, (slot + i) * secSizeBytes, secSizeBytes);
  }

  /** A block is erased: of what was picked up of it, and is in pblk's buffer alone from now on, the sums are kept. */
  private holdSums(block: number): void {
    const sums = this.sums.get(block);
    if (!sums) return;
    this.settle();
    this.sums.delete(block);
    const target = this.known.lineAt(block)?.target;
    const cells = this.known.cellsOf(block);
    if (!target || !cells) return;
    const held = this.heldSums.get(target) ?? new Map<number, number>();
    for (const [sec, sum] of sums.entries())
      if (sum !== 0 && cells.kind[sec] === CellKind.valid && held.size < MAX_HELD)
        held.set(cells.lba[sec] as number, sum);
    if (held.size > 0) this.heldSums.set(target, held);
  }

  private takeHeldSum(target: Target, lba: number): number | undefined {
    const held = this.heldSums.get(target);
    const sum = held?.get(lba);
    held?.delete(lba);
    if (held?.size === 0) this.heldSums.delete(target);
    return sum;
  }

  /** Whether each sector holds what garbage collection has read of the newest copy of its logical block. */
  private compare(block: number, slot: number, secs: number, unitBytes: Uint8Array, lbas: Uint32Array): void {
    const { known: model, g } = this;
    this.same.fill(0, 0, secs);
    // Of what was discarded, or lost with the power, nobody asks any more.
    for (const [target] of this.heldSums)
      if (target.held.size === 0 || !model.targets.includes(target)) this.heldSums.delete(target);
    if (this.sums.size === 0 && this.heldSums.size === 0) return;
    const { ch, lun } = blockAddress(g, block);
    const target = model.targetAt(ch, lun);
    if (!target) return;
    for (let i = 0; i < secs; i++) {
      const lba = lbas[i] as number;
      const old = lba <= MAX_LBA ? model.find(target, lba) : undefined;
      const sum = (old ? this.sums.get(old.block)?.[old.sec] : this.takeHeldSum(target, lba)) ?? 0;
      if (sum !== 0 && sum === sumOf(unitBytes, (slot + i) * g.secSizeBytes, g.secSizeBytes))
        this.same[i] = 1;
    }
  }

  private readLbas(slot: number, secs: number, unitBytes: Uint8Array, lastRunBytes: number): void {
    const { oobSizeBytes, unitOobOffset } = this.g;
    if (oobSizeBytes < SEC_META_BYTES) {
      this.readPackedLbas(slot, secs, unitBytes, lastRunBytes);
      return;
    }
    for (let i = 0; i < secs; i++) {
      const at = unitOobOffset + (slot + i) * oobSizeBytes + LBA_AT;
      const low = u32(unitBytes, at);
      const high = u32(unitBytes, at + 4);
      this.lbas[i] = high === 0 && low <= MAX_LBA ? low : Lba.empty;
    }
  }

  /**
   * Without room out of band pblk puts the same structures into the last page of each write (pblk-core.c
   * pblk_get_meta_for_writes), which is one unit then: 16 bytes for each sector, that last one included. What it takes for
   * the last page is the first one of the request's last bio_vec, and pages that lie side by side in memory are one
   * bio_vec (bio_add_hw_page): so of a write that is padded the list may be in an earlier sector, and in the last one what
   * that page held before. pblk itself looks for it in the last one only: after a cut such blocks are lost until their
   * line is closed.
   */
  private readPackedLbas(slot: number, secs: number, unitBytes: Uint8Array, lastRunBytes: number): void {
    const { secsPerUnit, secSizeBytes } = this.g;
    this.lbas.fill(Lba.unknown, 0, secs);
    if (!this.isUnitOneWrite) return;
    const lastPages = Math.max(1, Math.floor(lastRunBytes / PAGE_BYTES));
    const list = Math.max(0, secsPerUnit - lastPages) * secSizeBytes + LBA_AT;
    const holds = this.listAt(list, unitBytes);
    if (holds === 'none') return;
    for (let i = 0; i < secs; i++) {
      const at = list + (slot + i) * SEC_META_BYTES;
      this.lbas[i] = holds === 'nothing' || u32(unitBytes, at + 4) !== 0 ? Lba.empty : u32(unitBytes, at);
    }
  }

  /**
   * Whether there is a list, and it names blocks. A list of pblk's does not name the write's last sector; what pads a line
   * after a power cut is zeros, the list included.
   */
  private listAt(listAt: number, unitBytes: Uint8Array): 'names' | 'nothing' | 'none' {
    const { secsPerUnit } = this.g;
    let isZero = true;
    let names = false;
    for (let i = 0; i < secsPerUnit; i++) {
      const low = u32(unitBytes, listAt + i * SEC_META_BYTES);
      const high = u32(unitBytes, listAt + i * SEC_META_BYTES + 4);
      const isLba = high === 0 && low <= MAX_LBA;
      if (!isLba && (high & low) >>> 0 !== ADDR_EMPTY_HALF) return 'none';
      isZero &&= low === 0 && high === 0;
      names ||= isLba;
      if (isLba && i === secsPerUnit - 1 && !isZero) return 'none';
    }
    return names && !isZero ? 'names' : 'nothing';
  }

  command(command: CompletedCommand): void {
    this.next.command(command);
    const nowMs = this.clock.nowMs();
    const latencyUs = (nowMs - command.fetchedMs) * 1000;
    if (command.rule === undefined && !command.sources && command.vector.count <= MOST_SECS) {
      this.noted().command(this.stamp(nowMs), latencyUs, command);
      this.noteEnds(command);
      return;
    }
    this.at(nowMs);
    this.sink.command({
      queueId: command.queueId,
      sqe: command.bytes,
      status: command.status,
      dw0: command.dw0,
      dw1: command.dw1,
      dataBytes: command.dataBytes,
      latencyUs,
      addresses: runsOf(command.vector),
      ...(command.sources && { sources: runsOf(command.sources) }),
      rule: command.rule ?? '',
      why: command.why,
      pages: pagesOf(command),
    });
  }

  private noteEnds({ vector }: CompletedCommand): void {
    if (this.endsRead.size === 0) return;
    for (let i = 0; i < vector.count; i++) {
      const place = (vector.block[i] as number) * this.known.secsPerBlk + (vector.sec[i] as number);
      if (this.endsRead.delete(place)) this.isEndNoted = true;
    }
  }

  refused(text: string): void {
    this.next.refused(text);
  }
}

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0;

/** Bytes between two that a checksum looks at: a sector costs a tenth of a microsecond, and random data differs. */
const SUM_STEP = 32;

function sumOf(bytes: Uint8Array, from: number, length: number): number {
  let sum = 0x811c9dc5;
  for (let at = from; at < from + length; at += SUM_STEP)
    sum = Math.imul(sum ^ u32(bytes, at), 0x01000193) ^ (sum >>> 15);
  return sum >>> 0 || 1;
}
