import type { MediaStore } from '../flash/media-store.ts';

/**
 * Disks by name. One catalogue per place to keep them (IndexedDB, memory, files); the lab sees only this.
 */

/** What is written at birth and never changes but for the name: enough to plug the disk in again. */
export interface DiskSpec {
  /** What the reader calls it: 1 to 64 characters, no control characters. */
  readonly name: string;
  /** The `-device nvme,…` line it was made with, as pasted; parsed again at each power-on. */
  readonly deviceLine: string;
  /** Size of the backing "file" in bytes (`--size`), from which qemu-nvme's formula takes the geometry. */
  readonly sizeBytes: number;
  /** Bytes of one stored unit; see src/flash/media-store.ts. A unit of another length is corrupt. */
  readonly unitBytes: number;
  /** Units the disk has at most. */
  readonly totalUnits: number;
}

export interface DiskSummary extends DiskSpec {
  readonly id: string;
  /** Unix milliseconds. */
  readonly createdAtMs: number;
  /** Opened so many times; a stale owner notices that it was overtaken. */
  readonly epoch: number;
  /** Commits that it ever took; see {@link DiskVersion}. */
  readonly commits: number;
  /** Units stored now, from the superblock's count. */
  readonly unitsStored: number;
  /** Where it is kept: survives a reload or not. */
  readonly kept: 'indexeddb' | 'memory' | 'file';
  /**
   * Why this disk cannot be read, in one sentence; absent when it can. Then only `id` and `kept` are known:
   * it can be removed, all else rejects.
   */
  readonly problem?: string;
}

/**
 * Where a disk stands. The same `id` and `commits` mean the same content: a commit and a wipe count `commits` up,
 * opening, renaming and forking do not.
 */
export interface DiskVersion {
  /** Opened so many times. */
  readonly epoch: number;
  /** Commits that were ever stored. A disk of format 1 begins to count when it is first opened as format 2. */
  readonly commits: number;
}

/**
 * A version of a disk that is kept, whatever becomes of the disk, until {@link DiskCatalogue.unpin}. JSON can hold
 * it; the spec is that of the disk at that moment.
 */
export interface PinnedDisk extends DiskSpec, DiskVersion {
  /** Names it: sixteen hexadecimal digits. */
  readonly pin: string;
  /** The disk it is a version of, which may have gone since. */
  readonly diskId: string;
  /** Unix milliseconds. */
  readonly pinnedAtMs: number;
  readonly unitsStored: number;
  readonly kept: DiskSummary['kept'];
}

/** A disk held exclusively. */
export interface OpenDisk extends MediaStore {
  readonly summary: DiskSummary;
  /** As of the last commit that is stored: what waits in a write cache does not count. */
  version(): DiskVersion;
  /** Units stored now. */
  unitsStored(): number;
  /** Whether a unit is stored, known without reading it. */
  isStored(unit: number): boolean;
  /**
   * Ends when every commit under way has ended, then lets the lock go. After it every call rejects with
   * a StoreError `lost`. Safe to call twice.
   */
  close(): Promise<void>;
  /** Called once if the disk is taken away (connection lost, overtaken by another tab, purged). */
  onlost: ((error: Error) => void) | undefined;
}

export interface DiskCatalogue {
  /** Oldest first; unreadable ones, with their `problem`, last. Rejects only when the catalogue itself cannot be read. */
  list(): Promise<readonly DiskSummary[]>;
  /** Rejects with StoreError `io` when the spec is out of bounds; see disk-spec.ts. */
  create(spec: DiskSpec): Promise<DiskSummary>;
  /**
   * Makes a disk with content. `fill` writes to it while nobody else can see it; it enters the list, at once and
   * whole, when `fill` has ended. When `fill` rejects, or the program dies in between, nothing of it stays, and
   * what `fill` rejected with is passed on.
   */
  build(spec: DiskSpec, fill: (disk: OpenDisk) => Promise<void>): Promise<DiskSummary>;
  /** Takes the exclusive lock; rejects with StoreError `busy` if someone else has it. */
  open(id: string): Promise<OpenDisk>;
  /**
   * Works while the disk is open too; then {@link OpenDisk.summary} has the new name, if it is open in another tab some
   * commits later.
   */
  rename(id: string, name: string): Promise<DiskSummary>;
  /** Factory reset: every unit and shard goes, the spec stays. Rejects `busy` while the disk is open. */
  wipe(id: string): Promise<DiskSummary>;
  /** Works on an unreadable disk too. Rejects `busy` while the disk is open. */
  remove(id: string): Promise<void>;
  /**
   * A second disk with the content of this one; from then on each goes its own way. The content is that of one moment
   * between two commits. Works while the disk is open in this very catalogue, whose commits wait meanwhile (what is in
   * a write cache is not in the fork: settle it first); rejects `busy` while it is open elsewhere.
   */
  fork(id: string, name: string): Promise<DiskSummary>;
  /** Keeps the disk as it is now, under the same conditions as {@link fork}. */
  pin(id: string): Promise<PinnedDisk>;
  /** Everything pinned, oldest first. */
  pins(): Promise<readonly PinnedDisk[]>;
  /** Makes a disk of a pinned version, as often as wanted. Rejects `missing` when it is pinned no longer. */
  forkPin(pin: string, name: string): Promise<DiskSummary>;
  /** The version is not needed any more: what no disk and no other pin shares with it is freed. Safe to repeat. */
  unpin(pin: string): Promise<void>;
}
