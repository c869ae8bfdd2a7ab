import type { GuestSample, GuestTarget } from './guest-event.ts';
import { TraceDecoder, type Segment } from './encode.ts';
import { type Recording, sinkOf } from './recording.ts';
import type { Target } from './target.ts';

/**
 * What pblk says of itself in /sys/block/X/pblk, as numbers. Formats: drivers/lightnvm/pblk-sysfs.c and
 * pblk_rb_sysfs of Linux 5.10. Each parser answers undefined for a text that is not as it expects.
 */

export interface WriteBuffer {
  /** Sectors that it has room for. */
  readonly entries: number;
  /** Where the next sector is put. All are places in the ring. */
  readonly mem: number;
  /** Up to where sectors were handed to the flash, */
  readonly subm: number;
  /** were acknowledged by it, */
  readonly sync: number;
  /** and are found through the mapping table instead of in the buffer. */
  readonly l2pUpdate: number;
  /** The sector up to which somebody waits for a flush. */
  readonly flushPoint: number | undefined;
  /** Waiting to be handed over; room; those up to the flush point. */
  readonly waiting: number;
  readonly space: number;
  readonly flushing: number;
  /** Writes that ended before an earlier one. */
  readonly queued: number;
}

export interface RateLimiter {
  /** Sectors in the buffer, and how many there may be, of users and of garbage collection. */
  readonly user: number;
  readonly userMax: number;
  readonly gc: number;
  readonly gcMax: number;
  /** PBLK_RL_* of pblk.h: 0 off, 1 lines with write errors, 2 high, 3 middle, 4 low on free chunks. */
  readonly state: number;
  /** Sectors that both share. The file calls it "stop". */
  readonly budget: number;
  /** From so many free chunks on, nobody is held up. */
  readonly high: number;
  readonly freeChunks: number;
  /** Those of them that are not in a line that is being written. */
  readonly freeUserChunks: number;
  readonly totalChunks: number;
  /** Somebody wrote in the last five seconds. */
  readonly userActive: boolean;
}

export interface LinesReport {
  /** The line that is being written; -1 none. */
  readonly dataLine: number;
  readonly total: number;
  readonly free: number;
  /** Written to the end, whose emeta is on its way. */
  readonly closing: number;
  readonly closed: number;
  readonly bad: number;
  readonly corrupt: number;
  /** Closed lines by how much garbage is in them. */
  readonly groups: Readonly<Record<GcGroup, number>>;
  /** Reads that garbage collection has under way. */
  readonly gcReads: number;
  readonly current: CurrentLine | undefined;
}

export interface CurrentLine {
  readonly line: number;
  /** Sectors taken so far, of both data and metadata; those left for data. */
  readonly cur: number;
  readonly left: number;
  readonly valid: number;
  readonly secs: number;
  readonly mapped: number;
  readonly secsPerLine: number;
  /** Requests under way. */
  readonly inFlight: number;
}

/** pblk.h PBLK_LINEGC_*: full of garbage, much, some, little, none; and lines with failed writes. */
export type GcGroup = 'full' | 'high' | 'mid' | 'low' | 'empty' | 'werr';
export const GC_GROUPS: readonly GcGroup[] = ['full', 'high', 'mid', 'low', 'empty', 'werr'];

export interface LinesInfo {
  readonly smetaBytes: number;
  readonly smetaSecs: number;
  readonly emetaBytes: number;
  readonly emetaSecs: number;
  /** Fewest good chunks a line must have. */
  readonly fewestChunks: number;
  readonly chunksPerLine: number;
  readonly secsPerLine: number;
  readonly secsPerChunk: number;
}

/** Sectors; pblk counts them when they enter its buffer, and leaves smeta and emeta out. */
export interface WriteAmplification {
  readonly user: number;
  readonly gc: number;
  readonly pad: number;
  /** Undefined before the first user write (pblk says NaN). */
  readonly factor: number | undefined;
}

export interface PaddingShare {
  /** Sectors that were added to a write. */
  readonly sectors: number;
  /** Share of the flushes, percent, rounded down. */
  readonly percent: number;
}

export interface PblkErrors {
  readonly readFailed: number;
  readonly readHighEcc: number;
  readonly readEmpty: number;
  readonly readFailedGc: number;
  readonly writeFailed: number;
  readonly eraseFailed: number;
}

export interface GcState {
  readonly enabled: boolean;
  readonly active: boolean;
}

/** All of a target's files that could be read. */
export interface PblkReport {
  readonly writeBuffer: WriteBuffer | undefined;
  readonly rateLimiter: RateLimiter | undefined;
  readonly lines: LinesReport | undefined;
  readonly linesInfo: LinesInfo | undefined;
  readonly mileage: WriteAmplification | undefined;
  readonly trip: WriteAmplification | undefined;
  readonly padding: readonly PaddingShare[] | undefined;
  readonly errors: PblkErrors | undefined;
  readonly gc: GcState | undefined;
  readonly maxSecPerWrite: number | undefined;
}

export function readPblkFiles(files: Readonly<Record<string, string>>): PblkReport {
  const read = <T>(name: string, parse: (text: string) => T | undefined): T | undefined => {
    const text = Object.hasOwn(files, name) ? files[name] : undefined;
    return text === undefined ? undefined : parse(text);
  };
  return {
    writeBuffer: read('write_buffer', parseWriteBuffer),
    rateLimiter: read('rate_limiter', parseRateLimiter),
    lines: read('lines', parseLines),
    linesInfo: read('lines_info', parseLinesInfo),
    mileage: read('write_amp_mileage', parseWriteAmplification),
    trip: read('write_amp_trip', parseWriteAmplification),
    padding: read('padding_dist', parsePaddingDist),
    errors: read('errors', parseErrors),
    gc: read('gc_state', parseGcState),
    maxSecPerWrite: read('max_sec_per_write', parseMaxSecPerWrite),
  };
}

/** The numbers of the groups of a pattern. Undefined when it does not fit; a group that is not there is NaN. */
function numbers(pattern: RegExp, text: string): number[] | undefined {
  const found = pattern.exec(text);
  return found?.slice(1).map((part) => (part === undefined ? NaN : Number(part)));
}

/** Reads numbers one after the other. The pattern decides how many there are. */
function reader(values: readonly number[]): () => number {
  let at = 0;
  return () => values[at++] ?? 0;
}

export function parseWriteBuffer(text: string): WriteBuffer | undefined {
  const values = numbers(
    /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+\s+(?:(\d+)|NULL)\s+-\s+(\d+)\/(\d+)\/(\d+)\s+-\s+(\d+)/,
    text,
  );
  if (!values) return undefined;
  const next = reader(values);
  const buffer = { entries: next(), mem: next(), subm: next(), sync: next(), l2pUpdate: next() };
  const flushPoint = next();
  const inRing = [buffer.mem, buffer.subm, buffer.sync, buffer.l2pUpdate].every((p) => p < buffer.entries);
  if (!inRing) return undefined;
  return {
    ...buffer,
    flushPoint: flushPoint < buffer.entries ? flushPoint : undefined,
    waiting: next(),
    space: next(),
    flushing: next(),
    queued: next(),
  };
}

export function parseRateLimiter(text: string): RateLimiter | undefined {
  const values = numbers(
    /u:(\d+)\/(\d+),gc:(\d+)\/(\d+)\((\d+)\)\(stop:<(\d+),full:>(\d+),free:(-?\d+)\/(-?\d+)\/(\d+)\)-(\d+)/,
    text,
  );
  if (!values) return undefined;
  const next = reader(values);
  return {
    user: next(),
    userMax: next(),
    gc: next(),
    gcMax: next(),
    state: next(),
    budget: next(),
    high: next(),
    freeChunks: next(),
    freeUserChunks: next(),
    totalChunks: next(),
    userActive: next() !== 0,
  };
}

export function parseLines(text: string): LinesReport | undefined {
  const counts = numbers(
    /lines:d:(-?\d+),l:-?\d+-f:(-?\d+),m:(\d+)\/\d+,c:(\d+),b:(\d+),co:(\d+)\(d:\d+,l:\d+\)t:(\d+)/,
    text,
  );
  const groups = numbers(
    /GC:\s*full:(\d+), high:(\d+), mid:(\d+), low:(\d+), empty:(\d+), werr:\s*(\d+), queue:(-?\d+)/,
    text,
  );
  if (!counts || !groups) return undefined;
  const next = reader(counts);
  const group = reader(groups);
  return {
    dataLine: next(),
    free: next(),
    closing: next(),
    closed: next(),
    bad: next(),
    corrupt: next(),
    total: next(),
    groups: { full: group(), high: group(), mid: group(), low: group(), empty: group(), werr: group() },
    gcReads: group(),
    current: parseCurrentLine(text),
  };
}

function parseCurrentLine(text: string): CurrentLine | undefined {
  const values = numbers(
    /data \((-?\d+)\) cur:(\d+), left:(-?\d+), vsc:(-?\d+), s:(\d+), map:(\d+)\/(\d+) \((-?\d+)\)/,
    text,
  );
  if (!values || (values[0] ?? -1) < 0) return undefined;
  const next = reader(values);
  return {
    line: next(),
    cur: next(),
    left: next(),
    valid: next(),
    secs: next(),
    mapped: next(),
    secsPerLine: next(),
    inFlight: next(),
  };
}

export function parseLinesInfo(text: string): LinesInfo | undefined {
  const values = numbers(
    /smeta - len:(\d+), secs:(\d+)\s+emeta - len:(\d+), sec:(\d+), bb_start:(\d+)[\s\S]*blk_line:(\d+), sec_line:(\d+), sec_blk:(\d+)/,
    text,
  );
  if (!values) return undefined;
  const next = reader(values);
  return {
    smetaBytes: next(),
    smetaSecs: next(),
    emetaBytes: next(),
    emetaSecs: next(),
    fewestChunks: next(),
    chunksPerLine: next(),
    secsPerLine: next(),
    secsPerChunk: next(),
  };
}

export function parseWriteAmplification(text: string): WriteAmplification | undefined {
  const values = numbers(/user:(\d+) gc:(\d+) pad:(\d+) WA:(?:(\d+\.\d+)|NaN)/, text);
  if (!values) return undefined;
  const [user = 0, gc = 0, pad = 0, factor = NaN] = values;
  return { user, gc, pad, factor: Number.isNaN(factor) ? undefined : factor };
}

/** "0:80% 1:20% ": without percent signs before the first flush. */
export function parsePaddingDist(text: string): readonly PaddingShare[] | undefined {
  const shares = [...text.matchAll(/(\d+):(-?\d+)%?/g)].map(([, sectors, percent]) => ({
    sectors: Number(sectors),
    percent: Number(percent),
  }));
  return shares.length > 0 ? shares : undefined;
}

export function parseErrors(text: string): PblkErrors | undefined {
  const values = numbers(
    /read_failed=(\d+), read_high_ecc=(\d+), read_empty=(\d+), read_failed_gc=(\d+), write_failed=(\d+), erase_failed=(\d+)/,
    text,
  );
  if (!values) return undefined;
  const next = reader(values);
  return {
    readFailed: next(),
    readHighEcc: next(),
    readEmpty: next(),
    readFailedGc: next(),
    writeFailed: next(),
    eraseFailed: next(),
  };
}

export function parseGcState(text: string): GcState | undefined {
  const values = numbers(/gc_enabled=(\d+), gc_active=(\d+)/, text);
  return values && { enabled: values[0] !== 0, active: values[1] !== 0 };
}

export function parseMaxSecPerWrite(text: string): number | undefined {
  return numbers(/^\s*(\d+)\s*$/, text)?.[0];
}

/**
 * The list in which pblk keeps a closed line with so many valid sectors (pblk_line_gc_list, thresholds of
 * pblk_line_meta_init).
 * @param dataSecs sectors of the line that are not metadata: padding among them, which is never valid
 */
export function gcGroupOf(validSecs: number, dataSecs: number, secsPerLine: number): GcGroup {
  if (validSecs === 0) return 'full';
  if (validSecs < Math.floor(secsPerLine / 4)) return 'high';
  if (validSecs < Math.floor(secsPerLine / 2)) return 'mid';
  return validSecs < dataSecs ? 'low' : 'empty';
}

export interface SampleAt {
  /** When the guest's agent read the files: microseconds of the machine's clock. */
  readonly timeUs: number;
  readonly sample: GuestSample;
}

/** Bytes of a recording after which a question is put off: under ten milliseconds of decoding. */
const BYTES_A_QUESTION = 128 * 1024;

/**
 * Finds what sysfs said at a moment of a recording. Segments are searched backwards from there, each once; a
 * question that would take long answers undefined, and the next one goes on.
 */
export class PblkSamples {
  private readonly known = new WeakMap<Segment, readonly SampleAt[]>();

  /** The latest sample at or before a time. */
  at(recording: Recording, timeUs: number): SampleAt | undefined {
    const { segments } = recording.contents();
    let budget = BYTES_A_QUESTION;
    for (let i = segments.length - 1; i >= 0 && budget > 0; i--) {
      const segment = segments[i] as Segment;
      if (segment.fromUs > timeUs) continue;
      let samples = this.known.get(segment);
      if (!samples) {
        budget -= segment.bytes.length;
        samples = samplesOf(segment);
        this.known.set(segment, samples);
      }
      const found = samples.findLast((sample) => sample.timeUs <= timeUs);
      if (found) return found;
    }
    return undefined;
  }
}

function samplesOf(segment: Segment): readonly SampleAt[] {
  const samples: SampleAt[] = [];
  const decoder = new TraceDecoder(segment);
  const sink = sinkOf({
    guest: (event) => {
      if (event.kind === 'sample') samples.push({ timeUs: decoder.timeUs, sample: event });
    },
  });
  while (decoder.next(sink)) {
    // The sink does the work.
  }
  return samples;
}

/** Prints all of pblk's files of all targets, for {@link readSysfsDump}: where no agent tells them. */
export const SYSFS_DUMP = `for p in /sys/block/*/pblk; do [ -d "$p" ] || continue; d=\${p%/pblk}; echo "=disk \${d##*/}"
for f in "$p"/*; do echo "=file \${f##*/}"; cat "$f" 2>/dev/null; done; done`;

export function readSysfsDump(text: string): GuestTarget[] {
  const targets: { disk: string; major: number; minor: number; files: Record<string, string> }[] = [];
  let file = '';
  for (const line of text.split('\n')) {
    const disk = /^=disk (\S+)$/.exec(line)?.[1];
    const name = /^=file (\w+)$/.exec(line)?.[1];
    const target = targets.at(-1);
    if (disk !== undefined) targets.push({ disk, major: 0, minor: 0, files: {} });
    else if (name !== undefined) file = name;
    else if (target && file !== '' && file !== '__proto__')
      target.files[file] = `${target.files[file] ?? ''}${line}\n`;
  }
  return targets;
}

/** What the guest says of one target; undefined when its targets cannot be told apart. */
export function guestTargetOf(
  target: Target,
  all: readonly Target[],
  told: readonly GuestTarget[],
): GuestTarget | undefined {
  const named = told.find(({ disk }) => disk === target.disk);
  if (named || target.disk !== '') return named;
  // Before its name is known: the only one with as many LUNs.
  const luns = ({ files }: GuestTarget) => (files['write_luns']?.match(/pos:/g) ?? []).length;
  const fit = told.filter((other) => luns(other) === target.layout.luns);
  const alike = all.filter((other) => other.layout.luns === target.layout.luns);
  return fit.length === 1 && alike.length === 1 ? fit[0] : undefined;
}
