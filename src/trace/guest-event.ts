/**
 * What the guest's kernel tells of itself, as src/lab/guest-trace reads it out of the guest's trace buffer.
 *
 * `atMs` is on the scale of performance.now() of the thread that the machine and the device run in, so it
 * may be compared with the times of the command log. Text comes from the guest and may hold any character.
 */

/** A block device's number. */
export interface GuestDevice {
  readonly major: number;
  readonly minor: number;
}

/** A write or discard that was handed to a block device; not those that pblk sends to the flash. */
export interface GuestBio {
  readonly kind: 'bio';
  readonly atMs: number;
  readonly pid: number;
  readonly comm: string;
  readonly dev: GuestDevice;
  /** In units of 512 bytes, of the whole disk (also when a partition was written). */
  readonly sector: number;
  readonly sectors: number;
  /** W write, D discard, and what may stand around it: F flush before or FUA after, S sync, M metadata, A ahead. */
  readonly rwbs: string;
}

/** A page of the page cache became dirty. */
export interface GuestDirtyPage {
  readonly kind: 'dirty';
  readonly atMs: number;
  readonly pid: number;
  readonly comm: string;
  /** Name of the backing device: "major:minor" of the disk. */
  readonly bdi: string;
  /** Of a block device's own page cache it is the inode of the device, not of a file. */
  readonly ino: number;
  /** Page of the file, of 4 KiB. */
  readonly index: number;
}

/** ext4: where blocks of a file lie. Comes when they are allocated (with delayed allocation: at writeback) or looked up. */
export interface GuestExtent {
  readonly kind: 'extent';
  readonly atMs: number;
  readonly dev: GuestDevice;
  readonly ino: number;
  /** First block of the file, how many, and the first block of the file system; in blocks of the file system. */
  readonly lblk: number;
  readonly len: number;
  readonly pblk: number;
}

/** f2fs: a page of a file goes to a block. Node pages have inode 1, f2fs's own metadata inode 2. */
export interface GuestFilePage {
  readonly kind: 'filePage';
  readonly atMs: number;
  readonly pid: number;
  readonly comm: string;
  readonly dev: GuestDevice;
  readonly ino: number;
  readonly index: number;
  /** Block of the file system, of 4 KiB. */
  readonly blkaddr: number;
}

/** pblk: a line changes its state: NEW, FREE, OPEN, CLOSED, GC, BAD or CORRUPT. */
export interface GuestLine {
  readonly kind: 'line';
  readonly atMs: number;
  readonly disk: string;
  readonly line: number;
  readonly state: string;
}

/** A place as pblk counts: group and unit within the target, not within the device. */
interface GuestChunkPlace {
  readonly disk: string;
  /** Channel in the words of 1.2. */
  readonly group: number;
  /** LUN in the words of 1.2. */
  readonly unit: number;
  /** Block in the words of 1.2. */
  readonly chunk: number;
}

/** pblk: a chunk changes its state: FREE, CLOSED, OPEN, OFFLINE, or several at once. */
export interface GuestChunk extends GuestChunkPlace {
  readonly kind: 'chunk';
  readonly atMs: number;
  readonly state: string;
}

/** pblk erases a chunk: START, then OK or FAILED. */
export interface GuestChunkReset extends GuestChunkPlace {
  readonly kind: 'chunkReset';
  readonly atMs: number;
  readonly state: string;
}

/** pblk as a whole: RUNNING, STOPPING, RECOVERING, STOPPED. */
export interface GuestPblk {
  readonly kind: 'pblk';
  readonly atMs: number;
  readonly disk: string;
  readonly state: string;
}

/** A process is there (told once of each when the trace starts), was forked, or has another name. */
export interface GuestProcess {
  readonly kind: 'process';
  readonly atMs: number;
  readonly pid: number;
  /** Given when it was forked. */
  readonly parent?: number;
  readonly comm: string;
  /** Given when it executes a program. */
  readonly file?: string;
}

/** What pblk says of itself in sysfs. */
export interface GuestTarget extends GuestDevice {
  readonly disk: string;
  /** Contents by the name of the file: rate_limiter, lines, gc_state, write_buffer … */
  readonly files: Readonly<Record<string, string>>;
}

export interface GuestSample {
  readonly kind: 'sample';
  readonly atMs: number;
  /** All targets there are, with all their files. */
  readonly targets: readonly GuestTarget[];
  /** /proc/self/mountinfo, when it is new. */
  readonly mounts?: string;
}

/** Events happened that are not told: the guest's buffer was full, or what came could not be read. */
export interface GuestLost {
  readonly kind: 'lost';
  readonly atMs: number;
  /** At least so many. */
  readonly events: number;
}

export type GuestEvent =
  | GuestBio
  | GuestDirtyPage
  | GuestExtent
  | GuestFilePage
  | GuestLine
  | GuestChunk
  | GuestChunkReset
  | GuestPblk
  | GuestProcess
  | GuestSample
  | GuestLost;
