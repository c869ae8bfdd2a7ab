import type { Position } from '../../trace/recording.ts';
import type { LabTrace, Moment } from '../lab-api-trace.ts';
import { otherOf, SIDES, type SideId } from './side-query.ts';

/** What is counted from: power-on, the first write of a user, or a mark that both sides got together. */
export type Zero = 'powerOn' | 'firstWrite' | 'mark';
export const ZEROS: readonly Zero[] = ['powerOn', 'firstWrite', 'mark'];
/** What is the same on both sides: time since zero, or commands since zero. */
export type Unit = 'time' | 'commands';
export const UNITS: readonly Unit[] = ['time', 'commands'];

/** What linking needs of a recording; `window.lab.trace` is one. */
export type LinkedTrace = Pick<
  LabTrace,
  'position' | 'range' | 'isLive' | 'file' | 'seek' | 'live' | 'pause' | 'mark' | 'listen' | 'find'
>;

/**
 * Why a side does not show the moment of the other: nothing is recorded; it has no zero yet; the moment is before
 * what it has kept, or after its end.
 */
export type Missing = 'nothing' | 'noZero' | 'before' | 'after';

/** Where one side is. */
export interface SideMoment {
  readonly position: Position | undefined;
  readonly zero: Moment | undefined;
  readonly sinceUs: number | undefined;
  readonly sinceCommands: number | undefined;
  /** It follows a device. */
  readonly isLive: boolean;
  /** Only of the side that follows. */
  readonly missing: Missing | undefined;
}

interface Side {
  trace: LinkedTrace | undefined;
  stop: () => void;
  /** Set by {@link TimeLink.markTogether} in the recording that is shown. */
  mark: Moment | undefined;
  zero: Moment | undefined;
  missing: Missing | undefined;
  /** Time or command that it was sent to last. */
  target: number | undefined;
}

/**
 * Two recordings on one clock. Whoever was moved last leads: the other one is shown the same time, or as many
 * commands, after its own zero. Two devices are live together; a recording beside a live device follows it.
 */
export class TimeLink {
  #isLinked = true;
  #zero: Zero = 'powerOn';
  #unit: Unit = 'time';
  #leader: SideId | undefined;
  /** The side that is being moved from here: what it says of that is no news. */
  #moving: SideId | undefined;
  readonly #changed: () => void;
  readonly #sides: Record<SideId, Side> = { left: noSide(), right: noSide() };

  /** @param changed called when something is to be shown anew */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed;
  }

  get isLinked(): boolean {
    return this.#isLinked;
  }
  get zero(): Zero {
    return this.#zero;
  }
  get unit(): Unit {
    return this.#unit;
  }
  /** The side that the other one follows. */
  get leader(): SideId | undefined {
    return this.#leader;
  }

  /** A side's recordings from now on; undefined when it has none any more. */
  attach(id: SideId, trace: LinkedTrace | undefined): void {
    const side = this.#sides[id];
    side.stop();
    Object.assign(side, noSide());
    if (!trace) return;
    side.trace = trace;
    side.stop = trace.listen((event) => {
      if (event === 'open') this.#opened(id);
      else if (event === 'move') this.#moved(id);
      else if (event === 'grow') this.#grew(id);
    });
    this.#opened(id);
  }

  setLinked(isLinked: boolean): void {
    this.#isLinked = isLinked;
    this.#follow(true);
  }

  setZero(zero: Zero): void {
    this.#zero = zero;
    for (const id of SIDES) this.#findZero(id);
    this.#follow(true);
  }

  setUnit(unit: Unit): void {
    this.#unit = unit;
    this.#follow(true);
  }

  /** Counts from the moments that both show now, and marks them. False when one of them shows nothing. */
  markTogether(text: string): boolean {
    const positions = SIDES.map((id) => this.#sides[id].trace?.position);
    if (positions.includes(undefined)) return false;
    for (const [i, id] of SIDES.entries()) {
      const side = this.#sides[id];
      const { timeUs, command } = positions[i] as Position;
      side.mark = { timeUs, command };
      void side.trace?.mark(text);
    }
    this.setZero('mark');
    return true;
  }

  /** Looks for a zero that was not there yet; to be called now and then. */
  refresh(): void {
    for (const id of SIDES) if (!this.#sides[id].zero) this.#findZero(id);
    if (this.#sides.left.missing ?? this.#sides.right.missing) this.#follow();
  }

  momentOf(id: SideId): SideMoment {
    const { trace, zero, missing, target } = this.#sides[id];
    const position = trace?.position;
    // Nothing has happened here between the last record and the moment that it was sent to.
    const isSent = this.#isLinked && this.#unit === 'time' && id !== this.#leader && !trace?.isLive;
    const timeUs = isSent ? (target ?? position?.timeUs) : position?.timeUs;
    return {
      position,
      zero,
      sinceUs: timeUs === undefined || !zero ? undefined : timeUs - zero.timeUs,
      sinceCommands: position && zero && position.command - zero.command,
      isLive: trace !== undefined && isLive(trace),
      missing,
    };
  }

  #findZero(id: SideId): void {
    const side = this.#sides[id];
    side.zero = this.#zero === 'mark' ? side.mark : side.trace?.find(this.#zero);
  }

  #opened(id: SideId): void {
    const side = this.#sides[id];
    side.mark = side.target = undefined;
    this.#findZero(id);
    // A device that was switched on is what somebody wants to see; a file joins what is there.
    if (side.trace?.file) this.#leader ??= otherOf(id);
    else this.#leader = id;
    if (!this.#sides[this.#leader].trace?.position) this.#leader = id;
    this.#follow(true);
  }

  #moved(id: SideId): void {
    if (this.#moving === id) return;
    this.#sides[id].target = undefined;
    this.#sides[id].missing = undefined;
    this.#leader = id;
    this.#follow();
  }

  #grew(id: SideId): void {
    const leading = id === this.#leader && this.#sides[id].trace?.isLive;
    // The moment that was not there yet may have come.
    if (leading || this.#sides[id].missing === 'after') this.#follow();
    else this.#changed();
  }

  /** @param again also when the other side was sent there before */
  #follow(again = false): void {
    if (this.#leader !== undefined) {
      const leader = this.#sides[this.#leader];
      const follower = this.#sides[otherOf(this.#leader)];
      if (again) follower.target = undefined;
      leader.missing = undefined;
      follower.missing = this.#isLinked ? this.#bring(otherOf(this.#leader), follower, leader) : undefined;
    }
    this.#changed();
  }

  /** Shows on one side the moment of the other; says why not. */
  #bring(id: SideId, follower: Side, leader: Side): Missing | undefined {
    const { trace } = follower;
    const from = leader.trace?.position;
    if (!trace?.position || !trace.range || !leader.trace || !from) return 'nothing';
    if (isLive(leader.trace) && !trace.file) {
      if (!trace.isLive) this.#move(id, () => void trace.live());
      return undefined;
    }
    if (!follower.zero || !leader.zero) return 'noZero';
    const of = (moment: Moment) => (this.#unit === 'time' ? moment.timeUs : moment.command);
    const wanted = of(follower.zero) + of(from) - of(leader.zero);
    const { start, end } = trace.range;
    const target = Math.max(of(start), Math.min(wanted, of(end)));
    if (target !== follower.target || trace.isLive)
      this.#move(id, () => {
        trace.pause();
        void trace.seek(this.#unit === 'time' ? { timeUs: target } : { command: target });
      });
    follower.target = target;
    return wanted < of(start) ? 'before' : wanted > of(end) ? 'after' : undefined;
  }

  #move(id: SideId, action: () => void): void {
    this.#moving = id;
    try {
      action();
    } finally {
      this.#moving = undefined;
    }
  }
}

/** A file that is shown to its end is not live: nothing comes after it. */
function isLive(trace: LinkedTrace): boolean {
  return trace.isLive && !trace.file;
}

function noSide(): Side {
  return {
    trace: undefined,
    stop: () => {},
    mark: undefined,
    zero: undefined,
    missing: undefined,
    target: undefined,
  };
}
