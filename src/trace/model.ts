import { blockAddress } from '../flash/address.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { BooksReader } from './books-reader.ts';
import { type BlockCells, CellKind, CellOwner, PagedTable } from './cells.ts';
import { Causes } from './causes.ts';
import type { GuestEvent } from './guest-event.ts';
import {
  becomeStale,
  isInSmeta,
  KnownFlash,
  Operation,
  OWNER_MASK,
  PICKED_UP,
  type TableState,
} from './known-flash.ts';
import {
  type AddressRun,
  type CommandRecord,
  Lba,
  type PowerMark,
  type TraceShape,
  type TraceSink,
} from './record.ts';
import { type Line, MAX_HELD, type Target } from './target.ts';
import { kindOf } from './wire-command.ts';

/**
 * What the flash holds and why, as far as it can be told from the records of a recording: which sector is the
 * newest copy of which logical block, which are stale, which are pblk's own; lines, targets and counters.
 * It is exact at each record, whether the records come as they happen or are played again.
 */
export class TraceModel extends KnownFlash implements TraceSink {
  readonly causes: Causes;
  private readonly books: BooksReader;

  constructor(shape: TraceShape, table?: TableState) {
    super(shape, table);
    this.causes = new Causes(this);
    this.books = new BooksReader(this);
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
      this.targets.push({
        ...target,
        map: target.map.snapshot(),
        lines: target.lines.slice(),
        held: new Map(target.held),
      });
    this.findings.push(...from.findings);
    this.causes.take(from.causes);
    this.version = from.version;
    this.nowUs = from.nowUs;
    this.records = from.records;
    this.commands = from.commands;
    this.isOn = from.isOn;
    this.poweredOn = from.poweredOn;
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
      } else if (target.held.size > 0) {
        const process = target.held.get(lba);
        // A process may have written the block meanwhile: then pblk drops what it holds.
        isGc = process !== undefined && same[s - sameFrom] === 1;
        if (isGc) cells.process[s] = process as number;
        target.held.delete(lba);
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

  learn(block: number, sec: number, secs: number, lbas: Uint32Array): void {
    this.books.learn(block, sec, secs, lbas);
  }

  content(block: number, sec: number, bytes: Uint8Array, isNew: boolean): void {
    this.books.content(block, sec, bytes, isNew);
  }

  erase(block: number): void {
    if (!this.isInside(block, 0, 0)) return;
    const cells = this.cells[block];
    const at = this.lineAt(block);
    if (cells && at && cells.valid > 0) {
      for (let sec = 0; sec < this.secsPerBlk; sec++) {
        const here = block * this.secsPerBlk + sec;
        const lba = cells.lba[sec] as number;
        if (cells.kind[sec] !== CellKind.valid || at.target.map.get(lba) !== here) continue;
        at.target.map.set(lba, PagedTable.none);
        const isPickedUp = ((cells.owner[sec] as number) & PICKED_UP) !== 0;
        if (isPickedUp && at.target.held.size < MAX_HELD)
          at.target.held.set(lba, cells.process[sec] as number);
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
    if (kind === 'vectorRead') this.sawRead(record.addresses);
    else if (kind === 'vectorWrite' || kind === 'vectorCopy') {
      this.sawRead(record.sources ?? []);
      this.sign(record);
    }
  }

  private sawRead(runs: readonly AddressRun[]): void {
    for (const run of runs) {
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
    for (const target of this.targets) {
      target.live = false;
      target.held.clear();
    }
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
}
