import { CellOwner } from './cells.ts';
import { DirtyPages } from './dirty-pages.ts';
import type { GuestBio, GuestDevice, GuestEvent, GuestLine, GuestSample } from './guest-event.ts';
import type { TraceModel } from './model.ts';
import { type Queued, QueuedBlocks } from './queued-blocks.ts';
import type { Target } from './target.ts';
import { isBefore, MAX_PENDING, Waiting } from './waiting.ts';

/** A process of the guest, as its events name it. */
export interface ProcessName {
  readonly pid: number;
  readonly comm: string;
}

/** Sectors of a block device in a logical block of pblk. */
const SECTORS_PER_BLOCK = 8;
/** A cell has 16 bits for its process. */
const MAX_PROCESSES = 0xffff;
const MAX_DISCARDS = 256;
/** A new target opens its first line in the kernel, and the head of that is on the wire a moment later. */
const OPEN_WITHIN_MS = 2000;
const MAX_OPENED = 64;

/** Where a logical block was written, and when. */
interface Place {
  readonly block: number;
  readonly sec: number;
  readonly atMs: number;
}

/** A sector on the wire whose cause is not known yet. */
interface Unexplained extends Place {
  /** Where garbage collection has moved it meanwhile: events of a guest that is busy come seconds late. */
  readonly copies: readonly Place[];
}

const NO_COPIES: readonly Place[] = [];

interface Discard {
  readonly uuid: string;
  readonly lba: number;
  readonly count: number;
  readonly atMs: number;
}

/**
 * Joins what the guest's agent tells (who queued which block, who dirtied which page) with what was written on
 * the wire, so that each sector carries its process. pblk writes each block that is queued exactly once, and blocks
 * of one address in their order; so the two are matched one to one, whichever is heard of first: what is queued may
 * stay in pblk's buffer for long, and events of a kernel that does not tell them itself come late. Without an agent
 * the wire's own guess stands.
 */
export class Causes {
  /** Index 0 is "unknown". */
  readonly processes: ProcessName[] = [{ pid: 0, comm: '' }];
  /** Events that the agent could not tell: from then on some sectors may carry no process. */
  lostEvents = 0;
  private readonly model: TraceModel;
  private indices = new Map<string, number>();
  private names = new Map<number, string>();
  /** What {@link processOf} was asked last: most events are of the process of the one before. */
  private last = { pid: -1, comm: '', index: 0 };
  private queued = new QueuedBlocks();
  private unexplained = new Waiting<Unexplained>();
  private discards: Discard[] = [];
  private dirty = new DirtyPages();
  /** Disk name by device number; target by disk name. */
  private disks = new Map<string, string>();
  private targets = new Map<string, string>();
  /** Blocks queued on a disk of which is not known yet which target it is. */
  private early: GuestBio[] = [];
  /** The line that each disk opened last, of those of which is not known yet which target they are. */
  private opened = new Map<string, GuestLine>();
  /** The agent speaks: {@link wrote} wants to be told. */
  isActive = false;

  constructor(model: TraceModel) {
    this.model = model;
  }

  /** Becomes a copy of another one. */
  take(from: Causes): void {
    this.processes.splice(0, this.processes.length, ...from.processes);
    this.lostEvents = from.lostEvents;
    this.indices = new Map(from.indices);
    this.names = new Map(from.names);
    this.queued = from.queued.copy();
    this.unexplained = from.unexplained.copy();
    this.discards = from.discards.slice();
    this.dirty = from.dirty.copy();
    this.disks = new Map(from.disks);
    this.targets = new Map(from.targets);
    this.early = from.early.slice();
    this.opened = new Map(from.opened);
    this.isActive = from.isActive;
  }

  /** A sector of a target was written on the wire, just now. `isGc`: it holds what garbage collection had picked up. */
  wrote(target: Target, lba: number, block: number, sec: number, isGc: boolean): void {
    const atMs = this.model.nowUs / 1000;
    if (isGc) {
      if (this.model.cellsOf(block)?.process[sec] !== 0) return;
      this.unexplained.replaceLast(target.uuid, lba, (sector) => ({
        ...sector,
        copies: [...sector.copies, { block, sec, atMs }],
      }));
      return;
    }
    const queued = this.queued.take(target.uuid, lba, atMs);
    if (!queued) {
      this.unexplained.add(target.uuid, lba, { block, sec, atMs, copies: NO_COPIES });
      // So many in vain that they were forgotten: it was switched off.
      if (this.unexplained.count === 0) this.isActive = false;
    } else if (this.discards.length > 0) {
      this.explain(target, lba, { block, sec, atMs, copies: NO_COPIES }, queued);
    } else {
      // It was written this moment, so it is there.
      this.model.setCause(target, block, sec, CellOwner.user, queued.process);
    }
  }

  guest(event: GuestEvent): void {
    this.isActive = true;
    switch (event.kind) {
      case 'bio':
        this.bio(event);
        break;
      case 'dirty':
        this.dirty.dirtied(event.bdi, event.ino, event.index, this.processOf(event.pid, event.comm));
        break;
      case 'extent':
        this.dirty.extent(keyOf(event.dev), event.pblk, event.len, event.ino, event.lblk);
        break;
      case 'filePage':
        this.dirty.extent(keyOf(event.dev), event.blkaddr, 1, event.ino, event.index);
        break;
      case 'process':
        this.names.set(event.pid, event.comm);
        break;
      case 'line':
        this.lineChanged(event);
        break;
      case 'sample':
        this.sampled(event);
        break;
      case 'lost':
        this.lostEvents += event.events;
        break;
      default: // chunks and resets are seen on the wire
    }
  }

  private bio(event: GuestBio): void {
    const disk = this.disks.get(keyOf(event.dev));
    const uuid = disk === undefined ? undefined : this.targets.get(disk);
    const target = uuid === undefined ? undefined : this.model.targets.find((t) => t.uuid === uuid);
    if (!target) {
      this.early.push(event);
      if (this.early.length > MAX_PENDING) this.early.splice(0, MAX_PENDING / 2);
      return;
    }
    const first = Math.floor(event.sector / SECTORS_PER_BLOCK);
    // A guest can name any; pblk has no others.
    const end = Math.min(
      Math.ceil((event.sector + event.sectors) / SECTORS_PER_BLOCK),
      target.layout.totalSecs,
    );
    const count = Math.max(0, end - first);
    if (event.rwbs.includes('D')) {
      this.discard(target, first, count, event.atMs);
      return;
    }
    const submitter = this.processOf(event.pid, event.comm);
    const device = keyOf(event.dev);
    const { atMs } = event;
    const bySubmitter = { atMs, process: submitter };
    const isLater = (writtenMs: number) => isBefore(atMs, writtenMs);
    for (let lba = first; lba < end; lba++) {
      // Who made the page dirty counts, not the thread that writes it back for him.
      const author = this.dirty.takeAuthor(device, lba);
      const queued = author === undefined ? bySubmitter : { atMs, process: author };
      const sector = this.unexplained.take(target.uuid, lba, isLater);
      if (sector) this.explain(target, lba, sector, queued);
      else this.queued.add(target.uuid, lba, queued);
    }
  }

  private discard(target: Target, lba: number, count: number, atMs: number): void {
    this.discards.push({ uuid: target.uuid, lba, count, atMs });
    if (this.discards.length > MAX_DISCARDS) this.discards.shift();
    // What was written later than that is not meant. What was queued before and comes on the wire later is; see explain.
    const { model } = this;
    for (let block = lba; block < lba + count; block++) {
      const place = model.find(target, block);
      if (place && (model.cellsOf(place.block)?.writtenMs[place.sec] ?? 0) <= atMs)
        model.discard(target, block, 1);
    }
  }

  private explain(target: Target, lba: number, sector: Unexplained, queued: Queued): void {
    const { model } = this;
    this.explainAs(target, lba, CellOwner.user, sector, queued.process);
    for (const copy of sector.copies) this.explainAs(target, lba, CellOwner.gc, copy, queued.process);
    if (this.discards.length === 0) return;
    const isDiscarded = this.discards.some(
      (run) =>
        run.uuid === target.uuid && lba >= run.lba && lba < run.lba + run.count && run.atMs > queued.atMs,
    );
    const newest = isDiscarded ? model.find(target, lba) : undefined;
    const isOurs = [sector, ...sector.copies].some(
      ({ block, sec }) => block === newest?.block && sec === newest.sec,
    );
    if (isOurs) model.discard(target, lba, 1);
  }

  private explainAs(target: Target, lba: number, owner: CellOwner, place: Place, process: number): void {
    const { block, sec, atMs } = place;
    const cells = this.model.cellsOf(block);
    // It may have been erased since, or even written again.
    const isThere = cells?.lba[sec] === lba && cells.writtenMs[sec] === Math.floor(atMs);
    if (isThere) this.model.setCause(target, block, sec, owner, process);
  }

  // Who is who ----------------------------------------------------------------------------------------

  private processOf(pid: number, comm: string): number {
    const { last } = this;
    if (last.pid === pid && last.comm === comm && comm !== '' && comm !== '<...>') return last.index;
    const index = this.indexOf(pid, comm);
    this.last = { pid, comm, index };
    return index;
  }

  private indexOf(pid: number, comm: string): number {
    const name = comm === '' || comm === '<...>' ? (this.names.get(pid) ?? comm) : comm;
    const key = `${pid} ${name}`;
    const known = this.indices.get(key);
    if (known !== undefined) return known;
    if (this.processes.length >= MAX_PROCESSES) return 0;
    this.indices.set(key, this.processes.length);
    return this.processes.push({ pid, comm: name }) - 1;
  }

  private sampled({ targets }: GuestSample): void {
    this.tryOpened();
    const sampled = new Set(this.disks.values());
    this.disks = new Map(targets.map((t) => [keyOf(t), t.disk]));
    // A disk opens its first lines before it is in sysfs: one that no sample has had is not gone.
    for (const disk of this.targets.keys())
      if (sampled.has(disk) && !targets.some((t) => t.disk === disk)) this.targets.delete(disk);
    // One disk and one target: they belong together.
    const [only] = targets;
    const live = this.model.targets.filter((t) => t.live);
    if (targets.length === 1 && live.length === 1 && only && live[0]) this.identify(only.disk, live[0]);
    this.tryEarly();
  }

  /**
   * pblk opens each line while it begins to write the one before (pblk-core.c pblk_line_replace_data): between two that a
   * disk opens, the head of the first is on its target's wire.
   */
  private lineChanged(event: GuestLine): void {
    const { disk } = event;
    if (event.state === 'OPEN' && !this.isKnown(disk)) {
      const before = this.opened.get(disk);
      if (before) this.identifyIfOnly(disk, this.openedBetween(before.line, before.atMs, event.atMs));
      // The newest is the last: with more disks than there can be, the one that was heard of first goes.
      this.opened.delete(disk);
      this.opened.set(disk, event);
      const [oldest] = this.opened.keys();
      if (this.opened.size > MAX_OPENED && oldest !== undefined) this.opened.delete(oldest);
    }
    this.tryOpened();
  }

  /** The kernel may tell of a line before its head is on the wire, or after. */
  private tryOpened(): void {
    for (const event of [...this.opened.values()]) this.firstOpened(event);
    for (const disk of [...this.opened.keys()]) if (this.isKnown(disk)) this.opened.delete(disk);
  }

  /**
   * Of a new target one line is enough: its first, if no other disk has opened one of that number. (Of an old one it is
   * not: the other target's head may come first.)
   */
  private firstOpened({ disk, line, atMs }: GuestLine): void {
    if (this.isKnown(disk)) return;
    const untilMs = atMs + OPEN_WITHIN_MS;
    const fits = this.openedBetween(line, atMs, untilMs);
    const others = [...this.opened.values()].filter((other) => other.disk !== disk && other.line === line);
    const isNew = fits[0]?.lines.filter((each) => (each?.openedUs ?? 0) > 0).length === 1;
    if (isNew && others.length === 0) this.identifyIfOnly(disk, fits);
  }

  /** Targets that are nobody's yet, and had the head of that line on the wire then. */
  private openedBetween(line: number, fromMs: number, untilMs: number): readonly Target[] {
    const taken = new Set(this.targets.values());
    return this.model.targets.filter((target) => {
      const openedMs = (target.lines[line]?.openedUs ?? 0) / 1000;
      const isThen = isBefore(fromMs, openedMs) && isBefore(openedMs, untilMs);
      return openedMs > 0 && isThen && !taken.has(target.uuid);
    });
  }

  private identifyIfOnly(disk: string, [target, ...others]: readonly Target[]): void {
    if (target && others.length === 0) this.identify(disk, target);
  }

  /** Which target a disk is, and that is still there. */
  private isKnown(disk: string): boolean {
    const uuid = this.targets.get(disk);
    return this.model.targets.some((target) => target.uuid === uuid);
  }

  private identify(disk: string, target: Target): void {
    this.targets.set(disk, target.uuid);
    target.disk = disk;
    this.tryEarly();
  }

  private tryEarly(): void {
    const waiting = this.early;
    this.early = [];
    for (const event of waiting) this.bio(event);
  }
}

const keyOf = ({ major, minor }: GuestDevice): string => `${major}:${minor}`;
