/**
 * What a recording consists of: records of what the device did, in the order in which it did it. A record is
 * handed to a {@link TraceSink}, whoever made it: the device as it happens, or a recording that is played.
 */
import type { Geometry } from '../flash/geometry.ts';
import type { GuestEvent } from './guest-event.ts';

/** The device that a recording is of. */
export interface TraceShape extends Geometry {
  readonly kind: 'ocssd12' | 'ocssd20' | 'plain';
  /** Sectors that pblk writes to one LUN at a time (ws_opt); 1.2: a page over all planes. 0 for a plain disk. */
  readonly wsOpt: number;
}

/** Logical addresses as a recording has them: a block number of the target, or one of these. */
export const Lba = {
  /** pblk's ADDR_EMPTY: nobody's data (padding, smeta). pblk.h. */
  empty: 0xffff_fffe,
  /** There is no out-of-band area that could tell. */
  unknown: 0xffff_ffff,
} as const;
/** The largest that is an address. */
export const MAX_LBA = 0xffff_fffd;

/** Addresses of a vector command that follow each other in one block; `block` -1: outside the device. */
export interface AddressRun {
  readonly block: number;
  readonly sec: number;
  readonly count: number;
}

/** A command that ended. */
export interface CommandRecord {
  /** 0 is the admin queue. */
  readonly queueId: number;
  /** The 64 bytes as they were fetched. */
  readonly sqe: Uint8Array;
  /** Without the phase bit; 0 is success. */
  readonly status: number;
  readonly dw0: number;
  readonly dw1: number;
  readonly dataBytes: number;
  /** From fetch to completion. */
  readonly latencyUs: number;
  readonly addresses: readonly AddressRun[];
  /** What a vector copy read; its `addresses` are where that went. */
  readonly sources?: readonly AddressRun[];
  /** Name of the rule that it broke (src/spec/rules.ts), '' for none, and how. */
  readonly rule: string;
  readonly why: string;
  /** Memory pages of the data buffer, in order (PRPs), as byte addresses. */
  readonly pages: readonly number[];
}

export type PowerMark = 'on' | 'off';

export interface TraceSink {
  /**
   * The next record happened then: microseconds on the clock of the machine (performance.now()). Said before each one, which
   * is how a model counts them.
   */
  at(timeUs: number): void;
  command(record: CommandRecord): void;
  /**
   * `secs` sectors of a block were written, from its write pointer `sec` on. `lbas[0 … secs - 1]`, borrowed; and
   * 1 in `same[i]` where the data is what the newest copy of that logical block held.
   */
  write(block: number, sec: number, secs: number, lbas: Uint32Array, same: Uint8Array): void;
  /** The logical addresses of sectors that were written before the recording began were seen in a read. */
  learn(block: number, sec: number, secs: number, lbas: Uint32Array): void;
  /** Content of one sector that pblk keeps its books in (smeta, emeta): written just now, or read. Borrowed. */
  content(block: number, sec: number, bytes: Uint8Array, isNew: boolean): void;
  erase(block: number): void;
  /** A block's entry in the table was changed by other means than writing and erasing. */
  entry(block: number, state: number, writtenSecs: number, eraseCount: number): void;
  guest(event: GuestEvent): void;
  power(mark: PowerMark): void;
  /** Somebody set a mark: the reader, or a script. */
  mark(text: string): void;
}

/** Hands everything on to two. */
export function tee(first: TraceSink, second: TraceSink): TraceSink {
  return {
    at(timeUs) {
      first.at(timeUs);
      second.at(timeUs);
    },
    command(record) {
      first.command(record);
      second.command(record);
    },
    write(block, sec, secs, lbas, same) {
      first.write(block, sec, secs, lbas, same);
      second.write(block, sec, secs, lbas, same);
    },
    learn(block, sec, secs, lbas) {
      first.learn(block, sec, secs, lbas);
      second.learn(block, sec, secs, lbas);
    },
    content(block, sec, bytes, isNew) {
      first.content(block, sec, bytes, isNew);
      second.content(block, sec, bytes, isNew);
    },
    erase(block) {
      first.erase(block);
      second.erase(block);
    },
    entry(block, state, writtenSecs, eraseCount) {
      first.entry(block, state, writtenSecs, eraseCount);
      second.entry(block, state, writtenSecs, eraseCount);
    },
    guest(event) {
      first.guest(event);
      second.guest(event);
    },
    power(mark) {
      first.power(mark);
      second.power(mark);
    },
    mark(text) {
      first.mark(text);
      second.mark(text);
    },
  };
}
