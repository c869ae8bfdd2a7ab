import { blockAddress } from '../flash/address.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { BlockCells, CellKind, CellOwner, PagedTable } from './cells.ts';
import { Causes } from './causes.ts';
import type { GuestEvent } from './guest-event.ts';
import { looksLikeBooks, parseEmeta, parseSmeta, type Emeta, type Smeta } from './pblk-books.ts';
import { kindOf } from './wire-command.ts';
import {
  type CommandRecord,
  Lba,
  MAX_LBA,
  type PowerMark,
  type TraceShape,
  type TraceSink,
} from './record.ts';
import { type Line, newLine, newTarget, type Target, TargetLayout } from './target.ts';

/** Set in {@link BlockCells.owner} of a sector that garbage collection has read and not yet written elsewhere. */
const PICKED_UP = 0x80;
export const OWNER_MASK = 0x7f;

/** What was done to a block last, for the glow. */
export const Operation = { none: 0, read: 1, write: 2, erase: 3 } as const;

/** Something that pblk says and something that the wire says, and they differ. */
export interface Finding {
  readonly timeUs: number;
  readonly uuid: string;
  readonly line: number;
  /** Logical blocks of the line, as pblk counted them and as we did. */
  readonly pblkSecs: number;
  readonly wireSecs: number;
}

/** A table of blocks to begin with. */
export interface TableState {
  readonly state: Uint8Array;
  readonly writtenSecs: Uint32Array;
  readonly eraseCount: Uint32Array;
}

/** Findings kept. */
const MAX_FINDINGS = 64;

/**
 * What the flash holds and why, as far as it can be told from the records of a recording: which sector is the
 * newest copy of which logical block, which are stale, which are pblk's own; lines, targets and counters.
 * It is exact at each record, whether the records come as they happen or are played again.
 */
export class TraceModel implements TraceSink {
  readonly shape: TraceShape;
  readonly secsPerBlk: number;
  readonly totalBlks: number;
  /** Chunk state of each block: 1 free, 2 closed, 4 open, 8 offline. */
  readonly state: Uint8Array;
  readonly writtenSecs: Uint32Array;
  readonly eraseCount: Uint32Array;
  /** Of each block: what was done to it last, and when (microseconds). */
  readonly lastOperation: Uint8Array;
  readonly lastOperationUs: Float64Array;
  readonly targets: Target[];
  readonly findings: Finding[] = [];
  readonly causes: Causes;
  /** Rises with every record: who draws compares it. */
  version = 0;
  nowUs = 0;
  /** Records and commands applied since the recording began. */
  records = 0;
  commands = 0;
  isOn = false;
  /** When the power came on last, as far as is known: before the recording began, it may be. */
  poweredOn: { readonly timeUs: number; readonly command: number } | undefined;
  /** Blocks in state free. */
  freeBlocks = 0;
  private cells: (BlockCells | undefined)[];
  private epoch = 1;
  /** Blocks that changed since somebody asked; see {@link takeChanged}. */
  private changed: Uint8Array;
  private changedList: number[] = [];

  constructor(shape: TraceShape, table?: TableState) {
    this.shape = shape;
    this.secsPerBlk = shape.numPg * shape.secsPerPg;
    this.totalBlks = shape.numCh * shape.numLun * shape.numChk * shape.numPln;
    this.state = table?.state.slice() ?? new Uint8Array(this.totalBlks).fill(ChunkState.free);
    this.writtenSecs = table?.writtenSecs.slice() ?? new Uint32Array(this.totalBlks);
    this.eraseCount = table?.eraseCount.slice() ?? new Uint32Array(this.totalBlks);
    this.lastOperation = new Uint8Array(this.totalBlks);
    this.lastOperationUs = new Float64Array(this.totalBlks);
    this.cells = new Array<BlockCells | undefined>(this.totalBlks).fill(undefined);
    this.changed = new Uint8Array(this.totalBlks);
    this.targets = [];
    this.causes = new Causes(this);
    for (const state of this.state) if (state === ChunkState.free) this.freeBlocks++;
  }

  // Looking -----------------------------------------------------------------------------------------

  /**
   * What is known of a block's sectors. Undefined when nothing is: its written sectors
   * ({@link writtenSecs}) are of kind unknown then, the others free.
   */
  cellsOf(block: number): BlockCells | undefined {
    return this.cells[block];
  }

  kindOf(block: number, sec: number): CellKind {
    if (sec >= (this.writtenSecs[block] ?? 0)) return CellKind.free;
    return (this.cells[block]?.kind[sec] ?? CellKind.unknown) as CellKind;
  }

  /** The target that a LUN belongs to. */
  targetAt(ch: number, lun: number): Target | undefined {
    return this.targets.find(({ layout }) => layout.contains(ch, lun));
  }

  /** The target of a block, and the block's line in it. */
  lineAt(block: number): { target: Target; line: Line | undefined } | undefined {
    const { ch, lun, chk } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    return target && { target, line: target.lines[chk] };
  }

  /** Where the newest copy of a logical block is; undefined when it has none. */
  find(target: Target, lba: number): { block: number; sec: number } | undefined {
    const at = target.map.get(lba);
    if (at === PagedTable.none) return undefined;
    const sec = at % this.secsPerBlk;
    return { block: (at - sec) / this.secsPerBlk, sec };
  }

  /** All sectors that hold a copy of a logical block, the newest one among them; a walk over the target. */
  copiesOf(target: Target, lba: number): { block: number; sec: number }[] {
    const found: { block: number; sec: number }[] = [];
    for (const [block, cells] of this.cells.entries()) {
      if (!cells || this.lineAt(block)?.target !== target) continue;
      const written = this.writtenSecs[block] ?? 0;
      for (
        let sec = cells.lba.indexOf(lba);
        sec >= 0 && sec < written;
        sec = cells.lba.indexOf(lba, sec + 1)
      ) {
        const kind = cells.kind[sec];
        if (kind === CellKind.valid || kind === CellKind.stale) found.push({ block, sec });
      }
    }
    return found;
  }

  /** Blocks that changed since the last call, each once. */
  takeChanged(): readonly number[] {
    const list = this.changedList;
    for (const block of list) this.changed[block] = 0;
    this.changedList = [];
    return list;
  }

  private touch(block: number): void {
    if (this.changed[block] === 0) {
      this.changed[block] = 1;
      this.changedList.push(block);
    }
  }

  /** Whether a reader's look at a written sector would teach us something: its owner and address, or pblk's books. */
  isUnknown(block: number, sec: number): boolean {
    return this.kindOf(block, sec) === CellKind.unknown;
  }

  /** Garbage collection is at a block: what is read of it, it may write elsewhere. */
  isCollected(block: number): boolean {
    const at = this.lineAt(block);
    return at?.target.live === true && at.line?.state === 'collecting';
  }

  /** Whether the content of an unknown sector is worth having: it may be pblk's books. */
  wantsContent(block: number, sec: number): boolean {
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    const line = target?.lines[chk];
    if (!target || !line) return sec < this.shape.wsOpt;
    const position = target.layout.positionOf(ch, lun, pln, sec);
    return position >= line.emetaStart;
  }

  // Snapshots -----------------------------------------------------------------------------------------

  /** The model as it is now, as an object of its own. What neither changes afterwards, they share. */
  snapshot(): TraceModel {
    const copy = new TraceModel(this.shape, this);
    copy.take(this);
    this.epoch++;
    copy.epoch = this.epoch;
    return copy;
  }

  private take(from: TraceModel): void {
    this.lastOperation.set(from.lastOperation);
    this.lastOperationUs.set(from.lastOperationUs);
    this.cells = from.cells.slice();
    for (const target of from.targets)
      this.targets.push({ ...target, map: target.map.snapshot(), lines: target.lines.slice() });
    this.findings.push(...from.findings);
    this.causes.take(from.causes);
    this.version = from.version;
    this.nowUs = from.nowUs;
    this.records = from.records;
    this.commands = from.commands;
    this.isOn = from.isOn;
    this.poweredOn = from.poweredOn;
  }

  /** A block's cells, to be changed. For those who restore a model; everybody else looks ({@link cellsOf}). */
  own(block: number): BlockCells {
    const cells = this.cells[block];
    if (cells && cells.epoch === this.epoch) return cells;
    const made = new BlockCells(this.secsPerBlk, this.epoch, cells);
    if (!cells) {
      const written = this.writtenSecs[block] ?? 0;
      made.kind.fill(CellKind.unknown, 0, written);
      made.lba.fill(Lba.unknown, 0, written);
    }
    this.cells[block] = made;
    return made;
  }

  private ownLine(target: Target, id: number): Line {
    const line = target.lines[id];
    if (line && line.epoch === this.epoch) return line;
    const made = line
      ? { ...line, epoch: this.epoch }
      : newLine(
          id,
          this.epoch,
          target.layout.ends((bit) => this.isBad(target, id, bit)),
        );
    target.lines[id] = made;
    return made;
  }

  private isBad(target: Target, line: number, bit: number): boolean {
    const { layout } = target;
    const { numLun, numPln } = this.shape;
    const ch = layout.firstCh + (bit % layout.numCh);
    const lun = layout.firstLun + Math.floor(bit / layout.numCh);
    const first = ((line * this.shape.numCh + ch) * numLun + lun) * numPln;
    for (let pln = 0; pln < numPln; pln++) if (this.state[first + pln] === ChunkState.offline) return true;
    return false;
  }

  // Records -------------------------------------------------------------------------------------------

  at(timeUs: number): void {
    this.nowUs = timeUs;
    this.version++;
    this.records++;
  }

  write(block: number, sec: number, secs: number, lbas: Uint32Array, same: Uint8Array): void {
    if (!this.isInside(block, sec, secs)) return;
    const cells = this.own(block);
    const end = sec + secs;
    this.writtenSecs[block] = Math.max(this.writtenSecs[block] ?? 0, end);
    this.setState(block, this.writtenSecs[block] === this.secsPerBlk ? ChunkState.closed : ChunkState.open);
    this.did(block, Operation.write);
    const writtenMs = this.nowUs / 1000;
    // Runs are of a few sectors: to call `fill` for each array takes longer.
    for (let i = 0, s = sec; i < secs; i++, s++) {
      cells.writtenMs[s] = writtenMs;
      cells.command[s] = 0;
      cells.process[s] = 0;
      cells.owner[s] = CellOwner.unknown;
      cells.lba[s] = lbas[i] ?? Lba.unknown;
    }
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    if (!target) {
      for (let s = sec; s < end; s++)
        cells.kind[s] = cells.lba[s] === Lba.empty ? CellKind.padding : CellKind.unknown;
      return;
    }
    const line = this.ownLine(target, chk);
    const { secsPerRun } = target.layout;
    for (let s = sec; s < end;) {
      // Neighbours in a run are neighbours in the line too, and of one kind: the line's head and end are whole runs.
      const runEnd = Math.min(end, s + secsPerRun - (s % secsPerRun));
      const position = target.layout.positionOf(ch, lun, pln, s);
      if (isInSmeta(target, line, position)) this.wroteBooks(target, cells, s, runEnd, CellKind.smeta);
      else if (position >= line.emetaStart) this.wroteBooks(target, cells, s, runEnd, CellKind.emeta);
      else this.wroteData(target, line, block, cells, s, runEnd, same, sec);
      s = runEnd;
    }
  }

  private wroteBooks(target: Target, cells: BlockCells, from: number, end: number, kind: CellKind): void {
    for (let s = from; s < end; s++) {
      cells.kind[s] = kind;
      cells.owner[s] = CellOwner.pblk;
      cells.lba[s] = Lba.empty;
    }
    target.metaSecs += end - from;
  }

  private wroteData(
    target: Target,
    line: Line,
    block: number,
    cells: BlockCells,
    from: number,
    end: number,
    same: Uint8Array,
    sameFrom: number,
  ): void {
    const { map, layout } = target;
    const { totalSecs } = layout;
    // Blocks that are written together were mostly written together before: their old copies are neighbours too.
    let oldBlock = -1;
    let oldCells = cells;
    let oldLine = line;
    let gcSecs = 0;
    let dataSecs = 0;
    for (let s = from; s < end; s++) {
      const lba = cells.lba[s] as number;
      // What pblk never writes (a guest can) is nobody's: the map would grow with any number.
      if (lba >= totalSecs) {
        cells.kind[s] = lba === Lba.empty ? CellKind.padding : CellKind.unknown;
        cells.owner[s] = lba === Lba.empty ? CellOwner.pblk : CellOwner.unknown;
        if (lba === Lba.empty) {
          target.paddingSecs++;
          line.paddingSecs++;
        }
        continue;
      }
      const before = map.get(lba);
      let isGc = false;
      if (before !== PagedTable.none) {
        const at = Math.floor(before / this.secsPerBlk);
        if (at !== oldBlock) {
          oldBlock = at;
          oldCells = this.own(at);
          oldLine = this.ownLine(target, blockAddress(this.shape, at).chk);
          this.touch(at);
        }
        const old = before - at * this.secsPerBlk;
        const owner = oldCells.owner[old] as number;
        // Whoever writes what was picked up may also be a process that writes the block just now: that is other data.
        isGc = (owner & PICKED_UP) !== 0 && same[s - sameFrom] === 1;
        // Whose data it is stays known when it is moved.
        if (isGc) cells.process[s] = oldCells.process[old] as number;
        becomeStale(oldCells, oldLine, old);
      }
      cells.kind[s] = CellKind.valid;
      cells.owner[s] = isGc ? CellOwner.gc : CellOwner.user;
      map.set(lba, block * this.secsPerBlk + s);
      // Within the loop: the block may be written once more in this run.
      cells.valid++;
      line.validSecs++;
      dataSecs++;
      if (isGc) gcSecs++;
      if (this.causes.isActive) this.causes.wrote(target, lba, block, s, isGc);
    }
    line.dataSecs += dataSecs;
    target.gcSecs += gcSecs;
    target.userSecs += dataSecs - gcSecs;
  }

  /** The copy that was the newest is none from now on. */
  private outdate(target: Target, lba: number): void {
    const at = this.find(target, lba);
    if (!at) return;
    const line = this.ownLine(target, blockAddress(this.shape, at.block).chk);
    becomeStale(this.own(at.block), line, at.sec);
    this.touch(at.block);
    target.map.set(lba, PagedTable.none);
  }

  /** Logical blocks that were given back (a discard): no copy of them is the newest any more. */
  discard(target: Target, lba: number, count: number): void {
    for (let i = 0; i < count; i++) this.outdate(target, lba + i);
  }

  learn(block: number, sec: number, secs: number, lbas: Uint32Array): void {
    if (!this.isInside(block, sec, secs)) return;
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    this.touch(block);
    for (let i = 0; i < secs; i++) {
      const s = sec + i;
      if (this.kindOf(block, s) !== CellKind.unknown) continue;
      const lba = lbas[i] ?? Lba.unknown;
      this.own(block).lba[s] = lba;
      if (target) this.learnInLine(target, chk, target.layout.positionOf(ch, lun, pln, s), block, s, lba);
    }
  }

  /** A sector from before: it is the newest copy unless a younger one is known. */
  private learnInLine(
    target: Target,
    lineId: number,
    position: number,
    block: number,
    sec: number,
    lba: number,
  ): void {
    const line = this.ownLine(target, lineId);
    if (isInSmeta(target, line, position) || position >= line.emetaStart) return;
    if (lba !== Lba.empty && lba >= target.layout.totalSecs) return;
    const cells = this.own(block);
    cells.lba[sec] = lba;
    if (lba > MAX_LBA) {
      cells.kind[sec] = CellKind.padding;
      cells.owner[sec] = CellOwner.pblk;
      line.paddingSecs++;
      return;
    }
    line.dataSecs++;
    const other = this.find(target, lba);
    if (other && !this.isOlder(target, other, line, position)) {
      cells.kind[sec] = CellKind.stale;
      return;
    }
    this.outdate(target, lba);
    cells.kind[sec] = CellKind.valid;
    cells.valid++;
    line.validSecs++;
    target.map.set(lba, block * this.secsPerBlk + sec);
  }

  private isOlder(target: Target, at: { block: number; sec: number }, line: Line, position: number): boolean {
    const { ch, lun, chk, pln } = blockAddress(this.shape, at.block);
    const other = target.lines[chk];
    if (!other) return true;
    if (other.id !== line.id) return other.seqNr < line.seqNr;
    return target.layout.positionOf(ch, lun, pln, at.sec) < position;
  }

  content(block: number, sec: number, bytes: Uint8Array, isNew: boolean): void {
    if (!this.isInside(block, sec, 1)) return;
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    const books = looksLikeBooks(bytes);
    if (target) {
      const line = target.lines[chk];
      const position = target.layout.positionOf(ch, lun, pln, sec);
      if (line && position >= line.emetaStart && line.state !== 'free') {
        const emeta = books ? parseEmeta(bytes, target.layout.luns) : undefined;
        if (emeta && emeta.uuid === target.uuid && emeta.line === chk) this.sawEmeta(target, emeta, isNew);
        else if (!isNew) this.sawList(target, chk, position, bytes);
        return;
      }
    }
    const smeta = books ? parseSmeta(bytes) : undefined;
    if (smeta && smeta.line === chk) this.sawSmeta(smeta, ch, lun, isNew);
  }

  private sawSmeta(smeta: Smeta, ch: number, lun: number, isNew: boolean): void {
    let target = this.targets.find(({ uuid }) => uuid === smeta.uuid);
    if (!target || !target.layout.contains(ch, lun)) {
      const layout = TargetLayout.from(this.shape, ch, lun, smeta.luns);
      if (!layout) return;
      const made = newTarget(smeta, layout);
      // An instance over LUNs of another takes them over: a new target of the same range, or the same again.
      for (let i = this.targets.length - 1; i >= 0; i--)
        if (overlaps((this.targets[i] as Target).layout, layout)) this.abandon(i);
      this.targets.push(made);
      target = made;
    }
    const known = target.lines[smeta.line];
    if (isNew || !known) target.lines[smeta.line] = undefined;
    const line = this.ownLine(target, smeta.line);
    line.state = 'open';
    line.seqNr = smeta.seqNr;
    line.openedUs = isNew ? this.nowUs : 0;
    if (isNew) {
      target.live = true;
      target.openLine = smeta.line;
    }
    const { smetaSecs } = target.layout.sizes;
    for (let position = line.smetaStart; position < line.smetaStart + smetaSecs; position++) {
      const place = target.layout.place(smeta.line, position);
      if (place.sec >= (this.writtenSecs[place.block] ?? 0)) continue;
      const cells = this.own(place.block);
      if (isNew && cells.kind[place.sec] !== CellKind.smeta) target.metaSecs++;
      cells.kind[place.sec] = CellKind.smeta;
      cells.owner[place.sec] = CellOwner.pblk;
      this.touch(place.block);
    }
  }

  /** The instance is gone: what its sectors hold is nobody's newest copy of anything. */
  private abandon(index: number): void {
    const [target] = this.targets.splice(index, 1);
    if (!target) return;
    for (const [lba] of [...target.map.entries()]) this.outdate(target, lba);
  }

  private sawEmeta(target: Target, emeta: Emeta, isNew: boolean): void {
    const line = this.ownLine(target, emeta.line);
    line.emeta = emeta;
    if (line.state === 'open') {
      line.state = 'closed';
      line.closedUs = isNew ? this.nowUs : 0;
    }
    if (isNew) {
      if (target.openLine === emeta.line) target.openLine = -1;
      if (emeta.nrValidLbas !== line.dataSecs) {
        this.findings.push({
          timeUs: this.nowUs,
          uuid: target.uuid,
          line: line.id,
          pblkSecs: emeta.nrValidLbas,
          wireSecs: line.dataSecs,
        });
        if (this.findings.length > MAX_FINDINGS) this.findings.shift();
      }
      return;
    }
    // The end of a line from before: all of it is known by its position.
    const { secsPerLine } = target.layout.sizes;
    for (let position = line.emetaStart; position < secsPerLine; position++) {
      const { block, sec } = target.layout.place(emeta.line, position);
      if (this.kindOf(block, sec) !== CellKind.unknown) continue;
      const cells = this.own(block);
      cells.kind[sec] = CellKind.emeta;
      cells.owner[sec] = CellOwner.pblk;
      cells.lba[sec] = Lba.empty;
      this.touch(block);
    }
  }

  /** A sector of the list of logical addresses at the end of a line: a 64-bit number for each position of the line. */
  private sawList(target: Target, lineId: number, position: number, bytes: Uint8Array): void {
    const line = this.ownLine(target, lineId);
    const { layout } = target;
    const { emetaHeadSecs, secsPerLine } = layout.sizes;
    const index = this.indexInEnd(target, line, position);
    if (index < emetaHeadSecs) return;
    const perSec = bytes.length / 8;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const first = (index - emetaHeadSecs) * perSec;
    for (let i = 0; i < perSec; i++) {
      const at = first + i;
      if (at >= Math.min(line.emetaStart, secsPerLine)) break;
      const place = layout.place(lineId, at);
      if (this.kindOf(place.block, place.sec) !== CellKind.unknown) continue;
      const high = view.getUint32(i * 8 + 4, true);
      const low = view.getUint32(i * 8, true);
      const lba = high === 0 && low <= MAX_LBA ? low : Lba.empty;
      this.touch(place.block);
      this.learnInLine(target, lineId, at, place.block, place.sec, lba);
    }
  }

  /** The how-manieth sector of a line's end a position is: bad chunks are left out. */
  private indexInEnd(target: Target, line: Line, position: number): number {
    const { layout } = target;
    const { wsOpt } = this.shape;
    let index = 0;
    for (let at = line.emetaStart; at < position; at++)
      if (!this.isBad(target, line.id, Math.floor(at / wsOpt) % layout.luns)) index++;
    return index;
  }

  erase(block: number): void {
    if (!this.isInside(block, 0, 0)) return;
    const cells = this.cells[block];
    const at = this.lineAt(block);
    if (cells && at && cells.valid > 0) {
      for (let sec = 0; sec < this.secsPerBlk; sec++) {
        const here = block * this.secsPerBlk + sec;
        const lba = cells.lba[sec] as number;
        if (cells.kind[sec] === CellKind.valid && at.target.map.get(lba) === here)
          at.target.map.set(lba, PagedTable.none);
      }
    }
    this.cells[block] = undefined;
    this.writtenSecs[block] = 0;
    this.setState(block, ChunkState.free);
    this.eraseCount[block] = (this.eraseCount[block] ?? 0) + 1;
    this.did(block, Operation.erase);
    if (at?.line && at.line.state !== 'free') {
      const line = this.ownLine(at.target, at.line.id);
      Object.assign(line, { state: 'free', dataSecs: 0, validSecs: 0, paddingSecs: 0, emeta: undefined });
    }
  }

  entry(block: number, state: number, writtenSecs: number, eraseCount: number): void {
    if (!this.isInside(block, 0, writtenSecs)) return;
    if (writtenSecs === 0) this.cells[block] = undefined;
    this.setState(block, state);
    this.writtenSecs[block] = writtenSecs;
    this.eraseCount[block] = eraseCount;
    this.touch(block);
  }

  command(record: CommandRecord): void {
    this.commands++;
    const kind = kindOf(record);
    if (kind === 'vectorRead') this.sawRead(record);
    else if (kind === 'vectorWrite' || kind === 'vectorCopy') this.sign(record);
  }

  private sawRead(record: CommandRecord): void {
    for (const run of record.addresses) {
      if (!this.isInside(run.block, run.sec, run.count)) continue;
      this.did(run.block, Operation.read);
      const at = this.lineAt(run.block);
      if (!at?.target.live || !at.line) continue;
      const { target, line } = at;
      if (line.state !== 'closed' && line.state !== 'collecting') continue;
      const { ch, lun, pln } = blockAddress(this.shape, run.block);
      // Before it collects a line, pblk reads its end (pblk-gc.c get_lba_list_from_emeta). Nobody else does.
      if (line.state === 'closed') {
        if (target.layout.positionOf(ch, lun, pln, run.sec) < line.emetaStart) continue;
        this.ownLine(target, line.id).state = 'collecting';
        continue;
      }
      const cells = this.own(run.block);
      for (let sec = run.sec; sec < run.sec + run.count; sec++)
        if (cells.kind[sec] === CellKind.valid) cells.owner[sec] = (cells.owner[sec] ?? 0) | PICKED_UP;
    }
  }

  /** Notes which command wrote the sectors. */
  private sign(record: CommandRecord): void {
    for (const run of record.addresses) {
      if (!this.isInside(run.block, run.sec, run.count)) continue;
      const cells = this.own(run.block);
      for (let sec = run.sec; sec < run.sec + run.count; sec++)
        if (sec < (this.writtenSecs[run.block] ?? 0) && cells.command[sec] === 0)
          cells.command[sec] = this.commands;
    }
  }

  guest(event: GuestEvent): void {
    this.causes.guest(event);
  }

  power(mark: PowerMark): void {
    this.isOn = mark === 'on';
    if (this.isOn) this.poweredOn = { timeUs: this.nowUs, command: this.commands };
    for (const target of this.targets) target.live = false;
  }

  mark(): void {
    // The recording keeps them; the flash knows nothing of them.
  }

  /** The cause of a sector has become known: who wrote it, and for which process. */
  setCause(target: Target, block: number, sec: number, owner: CellOwner, process: number): void {
    const cells = this.own(block);
    const before = (cells.owner[sec] ?? 0) & OWNER_MASK;
    if (before !== owner) {
      if (before === CellOwner.gc) target.gcSecs--;
      else if (before === CellOwner.user) target.userSecs--;
      if (owner === CellOwner.gc) target.gcSecs++;
      else if (owner === CellOwner.user) target.userSecs++;
    }
    cells.owner[sec] = owner | ((cells.owner[sec] ?? 0) & PICKED_UP);
    cells.process[sec] = process;
    this.touch(block);
  }

  private setState(block: number, state: number): void {
    if (this.state[block] === ChunkState.free) this.freeBlocks--;
    if (state === ChunkState.free) this.freeBlocks++;
    this.state[block] = state;
  }

  private did(block: number, operation: number): void {
    this.lastOperation[block] = operation;
    this.lastOperationUs[block] = this.nowUs;
    this.touch(block);
  }

  private isInside(block: number, sec: number, secs: number): boolean {
    return block >= 0 && block < this.totalBlks && sec + secs <= this.secsPerBlk;
  }
}

/** A copy is not the newest one any more. */
function becomeStale(cells: BlockCells, line: Line, sec: number): void {
  cells.owner[sec] = (cells.owner[sec] as number) & OWNER_MASK;
  if (cells.kind[sec] !== CellKind.valid) return;
  cells.kind[sec] = CellKind.stale;
  cells.valid--;
  line.validSecs--;
}

const isInSmeta = (target: Target, { smetaStart }: Line, position: number): boolean =>
  position >= smetaStart && position < smetaStart + target.layout.sizes.smetaSecs;

function overlaps(a: TargetLayout, b: TargetLayout): boolean {
  const apart = (from: number, count: number, otherFrom: number, otherCount: number) =>
    from + count <= otherFrom || otherFrom + otherCount <= from;
  return !apart(a.firstCh, a.numCh, b.firstCh, b.numCh) && !apart(a.firstLun, a.numLun, b.firstLun, b.numLun);
}
