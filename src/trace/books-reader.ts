import { blockAddress } from '../flash/address.ts';
import { CellKind, CellOwner } from './cells.ts';
import { isInSmeta, type KnownFlash } from './known-flash.ts';
import { type Emeta, looksLikeBooks, parseEmeta, parseSmeta, type Smeta } from './pblk-books.ts';
import { Lba, MAX_LBA } from './record.ts';
import { type Line, newTarget, type Target, TargetLayout } from './target.ts';

/** Findings kept. */
const MAX_FINDINGS = 64;

/**
 * Learns from what pblk notes for itself: the head and the end of each line, and the logical addresses beside what was
 * written before the recording began.
 */
export class BooksReader {
  private readonly flash: KnownFlash;

  constructor(flash: KnownFlash) {
    this.flash = flash;
  }

  learn(block: number, sec: number, secs: number, lbas: Uint32Array): void {
    if (!this.flash.isInside(block, sec, secs)) return;
    const { ch, lun, chk, pln } = blockAddress(this.flash.shape, block);
    const target = this.flash.targetAt(ch, lun);
    this.flash.touch(block);
    for (let i = 0; i < secs; i++) {
      const s = sec + i;
      if (this.flash.kindOf(block, s) !== CellKind.unknown) continue;
      const lba = lbas[i] ?? Lba.unknown;
      this.flash.own(block).lba[s] = lba;
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
    const line = this.flash.ownLine(target, lineId);
    if (isInSmeta(target, line, position) || position >= line.emetaStart) return;
    if (lba !== Lba.empty && lba >= target.layout.totalSecs) return;
    const cells = this.flash.own(block);
    cells.lba[sec] = lba;
    if (lba > MAX_LBA) {
      cells.kind[sec] = CellKind.padding;
      cells.owner[sec] = CellOwner.pblk;
      line.paddingSecs++;
      return;
    }
    line.dataSecs++;
    const other = this.flash.find(target, lba);
    if (other && !this.isOlder(target, other, line, position)) {
      cells.kind[sec] = CellKind.stale;
      return;
    }
    this.flash.outdate(target, lba);
    cells.kind[sec] = CellKind.valid;
    cells.valid++;
    line.validSecs++;
    target.map.set(lba, block * this.flash.secsPerBlk + sec);
  }

  private isOlder(target: Target, at: { block: number; sec: number }, line: Line, position: number): boolean {
    const { ch, lun, chk, pln } = blockAddress(this.flash.shape, at.block);
    const other = target.lines[chk];
    if (!other) return true;
    if (other.id !== line.id) return other.seqNr < line.seqNr;
    return target.layout.positionOf(ch, lun, pln, at.sec) < position;
  }

  content(block: number, sec: number, bytes: Uint8Array, isNew: boolean): void {
    if (!this.flash.isInside(block, sec, 1)) return;
    const { ch, lun, chk, pln } = blockAddress(this.flash.shape, block);
    const target = this.flash.targetAt(ch, lun);
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
    let target = this.flash.targets.find(({ uuid }) => uuid === smeta.uuid);
    if (!target || !target.layout.contains(ch, lun)) {
      const layout = TargetLayout.from(this.flash.shape, ch, lun, smeta.luns);
      if (!layout) return;
      const made = newTarget(smeta, layout);
      // An instance over LUNs of another takes them over: a new target of the same range, or the same again.
      for (let i = this.flash.targets.length - 1; i >= 0; i--)
        if (overlaps((this.flash.targets[i] as Target).layout, layout)) this.abandon(i);
      this.flash.targets.push(made);
      target = made;
    }
    const known = target.lines[smeta.line];
    if (isNew || !known) target.lines[smeta.line] = undefined;
    const line = this.flash.ownLine(target, smeta.line);
    line.state = 'open';
    line.seqNr = smeta.seqNr;
    line.openedUs = isNew ? this.flash.nowUs : 0;
    if (isNew) {
      target.live = true;
      target.openLine = smeta.line;
    }
    const { smetaSecs } = target.layout.sizes;
    for (let position = line.smetaStart; position < line.smetaStart + smetaSecs; position++) {
      const place = target.layout.place(smeta.line, position);
      if (place.sec >= (this.flash.writtenSecs[place.block] ?? 0)) continue;
      const cells = this.flash.own(place.block);
      if (isNew && cells.kind[place.sec] !== CellKind.smeta) target.metaSecs++;
      cells.kind[place.sec] = CellKind.smeta;
      cells.owner[place.sec] = CellOwner.pblk;
      this.flash.touch(place.block);
    }
  }

  /** The instance is gone: what its sectors hold is nobody's newest copy of anything. */
  private abandon(index: number): void {
    const [target] = this.flash.targets.splice(index, 1);
    if (!target) return;
    for (const [lba] of [...target.map.entries()]) this.flash.outdate(target, lba);
  }

  private sawEmeta(target: Target, emeta: Emeta, isNew: boolean): void {
    const line = this.flash.ownLine(target, emeta.line);
    line.emeta = emeta;
    if (line.state === 'open') {
      line.state = 'closed';
      line.closedUs = isNew ? this.flash.nowUs : 0;
    }
    if (isNew) {
      if (target.openLine === emeta.line) target.openLine = -1;
      if (emeta.nrValidLbas !== line.dataSecs) {
        this.flash.findings.push({
          timeUs: this.flash.nowUs,
          uuid: target.uuid,
          line: line.id,
          pblkSecs: emeta.nrValidLbas,
          wireSecs: line.dataSecs,
        });
        if (this.flash.findings.length > MAX_FINDINGS) this.flash.findings.shift();
      }
      return;
    }
    // The end of a line from before: all of it is known by its position.
    const { secsPerLine } = target.layout.sizes;
    for (let position = line.emetaStart; position < secsPerLine; position++) {
      const { block, sec } = target.layout.place(emeta.line, position);
      if (this.flash.kindOf(block, sec) !== CellKind.unknown) continue;
      const cells = this.flash.own(block);
      cells.kind[sec] = CellKind.emeta;
      cells.owner[sec] = CellOwner.pblk;
      cells.lba[sec] = Lba.empty;
      this.flash.touch(block);
    }
  }

  /** A sector of the list of logical addresses at the end of a line: a 64-bit number for each position of the line. */
  private sawList(target: Target, lineId: number, position: number, bytes: Uint8Array): void {
    const line = this.flash.ownLine(target, lineId);
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
      if (this.flash.kindOf(place.block, place.sec) !== CellKind.unknown) continue;
      const high = view.getUint32(i * 8 + 4, true);
      const low = view.getUint32(i * 8, true);
      const lba = high === 0 && low <= MAX_LBA ? low : Lba.empty;
      this.flash.touch(place.block);
      this.learnInLine(target, lineId, at, place.block, place.sec, lba);
    }
  }

  /** The how-manieth sector of a line's end a position is: bad chunks are left out. */
  private indexInEnd(target: Target, line: Line, position: number): number {
    const { layout } = target;
    const { wsOpt } = this.flash.shape;
    let index = 0;
    for (let at = line.emetaStart; at < position; at++)
      if (!this.flash.isBad(target, line.id, Math.floor(at / wsOpt) % layout.luns)) index++;
    return index;
  }
}

function overlaps(a: TargetLayout, b: TargetLayout): boolean {
  const apart = (from: number, count: number, otherFrom: number, otherCount: number) =>
    from + count <= otherFrom || otherFrom + otherCount <= from;
  return !apart(a.firstCh, a.numCh, b.firstCh, b.numCh) && !apart(a.firstLun, a.numLun, b.firstLun, b.numLun);
}
