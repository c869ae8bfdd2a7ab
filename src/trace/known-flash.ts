import { blockAddress } from '../flash/address.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { BlockCells, CellKind, PagedTable } from './cells.ts';
import { Lba, type TraceShape } from './record.ts';
import { type Line, newLine, type Target } from './target.ts';

/** Set in {@link BlockCells.owner} of a sector that garbage collection has read and not yet written elsewhere. */
export const PICKED_UP = 0x80;
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

/**
 * What is known of a flash: its blocks, what their sectors hold, targets and their lines. Here it is looked at, and
 * changed step by step; which steps a record means is said by model.ts and books-reader.ts.
 */
export class KnownFlash {
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
  protected cells: (BlockCells | undefined)[];
  protected epoch = 1;
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
    return this.isLineEnd(block, sec) ?? sec < this.shape.wsOpt;
  }

  /** In a line, where pblk keeps what it knows of it; undefined: the block is of no line that we know. */
  isLineEnd(block: number, sec: number): boolean | undefined {
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const target = this.targetAt(ch, lun);
    const line = target?.lines[chk];
    return line && target.layout.positionOf(ch, lun, pln, sec) >= line.emetaStart;
  }

  // Changing, for those who apply records or restore a model --------------------------------------------

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

  /** A line, to be changed. */
  ownLine(target: Target, id: number): Line {
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

  /** A chunk of a line is out of use: pblk leaves it out. */
  isBad(target: Target, line: number, bit: number): boolean {
    const { layout } = target;
    const { numLun, numPln } = this.shape;
    const ch = layout.firstCh + (bit % layout.numCh);
    const lun = layout.firstLun + Math.floor(bit / layout.numCh);
    const first = ((line * this.shape.numCh + ch) * numLun + lun) * numPln;
    for (let pln = 0; pln < numPln; pln++) if (this.state[first + pln] === ChunkState.offline) return true;
    return false;
  }

  /** The copy that was the newest is none from now on. */
  outdate(target: Target, lba: number): void {
    const at = this.find(target, lba);
    if (!at) return;
    const line = this.ownLine(target, blockAddress(this.shape, at.block).chk);
    becomeStale(this.own(at.block), line, at.sec);
    this.touch(at.block);
    target.map.set(lba, PagedTable.none);
  }

  /** Logical blocks that were given back (a discard): no copy of them is the newest any more. */
  discard(target: Target, lba: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.outdate(target, lba + i);
      target.held.delete(lba + i);
    }
  }

  /** A block has changed; see {@link takeChanged}. */
  touch(block: number): void {
    if (this.changed[block] === 0) {
      this.changed[block] = 1;
      this.changedList.push(block);
    }
  }

  setState(block: number, state: number): void {
    if (this.state[block] === ChunkState.free) this.freeBlocks--;
    if (state === ChunkState.free) this.freeBlocks++;
    this.state[block] = state;
  }

  /** Something was done to a block just now. */
  did(block: number, operation: number): void {
    this.lastOperation[block] = operation;
    this.lastOperationUs[block] = this.nowUs;
    this.touch(block);
  }

  isInside(block: number, sec: number, secs: number): boolean {
    return block >= 0 && block < this.totalBlks && sec + secs <= this.secsPerBlk;
  }
}

/** A copy is not the newest one any more. */
export function becomeStale(cells: BlockCells, line: Line, sec: number): void {
  cells.owner[sec] = (cells.owner[sec] as number) & OWNER_MASK;
  if (cells.kind[sec] !== CellKind.valid) return;
  cells.kind[sec] = CellKind.stale;
  cells.valid--;
  line.validSecs--;
}

/** A position of a line is in its head. */
export const isInSmeta = (target: Target, { smetaStart }: Line, position: number): boolean =>
  position >= smetaStart && position < smetaStart + target.layout.sizes.smetaSecs;
