import { ChunkState } from '../spec/ocssd12.ts';
import type { TraceModel } from './model.ts';
import type { Recording } from './recording.ts';
import { sinkOf } from './sink.ts';
import { kindOf } from './wire-command.ts';

/** Sectors that one pblk instance has written since it was first seen, by what they were for. */
export interface TargetFigures {
  readonly uuid: string;
  /** Name of the block device; '' until the guest's agent has told. */
  readonly disk: string;
  readonly userSecs: number;
  readonly gcSecs: number;
  readonly paddingSecs: number;
  /** pblk's books: heads and ends of lines. */
  readonly metaSecs: number;
}

/** A device in numbers, at one moment. */
export interface Figures {
  readonly timeUs: number;
  readonly command: number;
  readonly secSizeBytes: number;
  readonly targets: readonly TargetFigures[];
  /** Chunks over all planes, as the map counts them: one that is written in one plane is open. All 0 for a plain disk. */
  readonly chunks: {
    readonly free: number;
    readonly open: number;
    readonly closed: number;
    readonly offline: number;
  };
  /** How often chunks were erased in the life of the disk; a chunk's planes are erased together and count once. */
  readonly erases: number;
}

export function figuresOf(model: TraceModel): Figures {
  const chunks = { free: 0, open: 0, closed: 0, offline: 0 };
  let erases = 0;
  const { numPln } = model.shape;
  const count = model.shape.kind === 'plain' ? 0 : model.totalBlks;
  for (let first = 0; first < count; first += numPln) {
    let seen = 0;
    let most = 0;
    for (let block = first; block < first + numPln; block++) {
      seen |= model.state[block] as number;
      most = Math.max(most, model.eraseCount[block] as number);
    }
    chunks[stateOf(seen)]++;
    erases += most;
  }
  return {
    timeUs: model.nowUs,
    command: model.commands,
    secSizeBytes: model.shape.secSizeBytes,
    targets: model.targets.map(({ uuid, disk, userSecs, gcSecs, paddingSecs, metaSecs }) => ({
      uuid,
      disk,
      userSecs,
      gcSecs,
      paddingSecs,
      metaSecs,
    })),
    chunks,
    erases,
  };
}

/** The states of a chunk's planes, or'ed: the worst wins, and what is part written is open. */
function stateOf(seen: number): keyof Figures['chunks'] {
  if (seen & ChunkState.offline) return 'offline';
  if (seen === ChunkState.closed) return 'closed';
  return seen === ChunkState.free || seen === 0 ? 'free' : 'open';
}

/** A moment of a recording, kept or not: what times and commands are counted from. */
export interface Moment {
  readonly timeUs: number;
  readonly command: number;
}

/**
 * When the power came on for the last time before the end, which may be before the recording begins; for one that does
 * not know, when it begins.
 */
export function findPowerOn({ head, marks, began, start }: Recording): Moment {
  // A file of an older page knows it from its marks, when the record is not kept any more.
  const known = head.poweredOn ?? marks.findLast(({ kind }) => kind === 'on');
  // A model that was just made has no time yet.
  return known ?? (began.timeUs > 0 ? began : start);
}

/**
 * When the first sector of a user was written: to a target, or to a plain disk. Undefined when there is none
 * among the records that are kept.
 */
export function findFirstWrite(recording: Recording): Moment | undefined {
  const { stats } = recording;
  const isPlain = recording.head.shape.kind === 'plain';
  const bytes = stats.column(isPlain ? 'writtenBytes' : 'userBytes');
  // A bin says only about when: the records of the first ones that count are looked through.
  for (let bin = 0; bin < stats.bins; bin++) {
    if ((bytes[bin] as number) <= 0 || stats.timeUs(bin + 1) < recording.start.timeUs) continue;
    const period = [stats.timeUs(bin), stats.timeUs(bin + 1)] as const;
    const found = isPlain ? firstPlainWrite(recording, ...period) : firstUserSecs(recording, ...period);
    if (found) return found;
  }
  return undefined;
}

function firstUserSecs(recording: Recording, fromUs: number, toUs: number): Moment | undefined {
  const cursor = recording.seekTime(fromUs - 1);
  const userSecs = () => cursor.model.targets.reduce((sum, target) => sum + target.userSecs, 0);
  for (let before = userSecs(); ; before = userSecs()) {
    const { records } = cursor.model;
    cursor.toRecord(records + 1);
    const { records: now, nowUs, commands } = cursor.model;
    if (now === records || nowUs > toUs) return undefined;
    if (userSecs() > before) return { timeUs: nowUs, command: commands };
  }
}

/** The model of a plain disk counts no sectors: its commands tell. */
function firstPlainWrite(recording: Recording, fromUs: number, toUs: number): Moment | undefined {
  let timeUs = 0;
  let writtenUs: number | undefined;
  const watcher = sinkOf({
    at: (us) => (timeUs = us),
    command: (record) => {
      if (kindOf(record) === 'write' && record.status === 0) writtenUs ??= timeUs;
    },
  });
  recording.playBetween(fromUs, toUs, watcher);
  if (writtenUs === undefined) return undefined;
  return { timeUs: writtenUs, command: recording.seekTime(writtenUs).model.commands };
}
