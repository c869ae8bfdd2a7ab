/** The nouns of one lab that others may see: the page (by way of src/rpc), the command line, the tests. */

import type { ChunkWriteRules } from '../flash/chunk-options.ts';
import type { Geometry } from '../flash/geometry.ts';
import type { CacheMode } from '../storage/cache-mode.ts';
import type { Segment } from '../trace/encode.ts';

/** Where a machine is in its life. */
export type PowerState =
  | 'off'
  | 'loading' // fetching the guest's files
  | 'booting' // BIOS, kernel, init
  | 'running' // the control agent answered: shells are there
  | 'halted' // the guest shut itself down (poweroff, halt)
  | 'crashed' // panic, endless WARNINGs, or the emulator threw
  | 'hung'; // no sign of life though it should

/** One step of starting, with numbers, so that nobody watches a spinner. */
export interface BootProgress {
  readonly stage: 'fetch' | 'unpack' | 'restore' | 'bios' | 'kernel' | 'init' | 'disk' | 'ready';
  /**
   * Instant: fetch, unpack, restore, disk, ready. Cold: fetch, unpack, bios, kernel, init, ready. Resume, from a
   * saved lab: unpack, restore, ready.
   */
  readonly start: 'instant' | 'cold' | 'resume';
  /** What is being fetched or the last kernel line, already cleaned of control characters. */
  readonly detail: string;
  /** Bytes done and in all while fetching; absent elsewhere. */
  readonly doneBytes?: number;
  readonly totalBytes?: number;
  /** Milliseconds since power-on was asked for. */
  readonly elapsedMs: number;
}

/** Something the reader must know, in one sentence each: what happened, why, what to do. */
export interface Notice {
  readonly level: 'info' | 'warning' | 'error';
  readonly code: string;
  readonly text: string;
}

/** What a geometry will do before anyone boots it; see src/lab/report.ts. */
export interface GeometryReport {
  /** LUN range asked about, inclusive, as `nvme lnvm create -b -e` counts. */
  readonly lunBegin: number;
  readonly lunEnd: number;
  /** Whether `nvme lnvm create` over that range will succeed. */
  readonly createSucceeds: boolean;
  /** False when create would succeed and then destroy data (counts that are not powers of two). */
  readonly safe: boolean;
  /** One sentence: why it fails or is not safe, and the nearest thing that works. Empty if all is well. */
  readonly reason: string;
  /** One sentence: what a target that works does not survive. Absent if there is nothing. */
  readonly warning?: string;
  /** pblk lines: chunks in one LUN. */
  readonly lines: number;
  /** Bytes of one chunk (all planes of a LUN). */
  readonly chunkBytes: number;
  readonly rawBytes: number;
  /** What the target's disk will show, in 4 KiB sectors (or the device's sector size). 0 when it fails. */
  readonly usableSectors: number;
  readonly usableBytes: number;
  /** Over-provisioning that pblk will settle on, percent; it raises its default of 11 when it must. */
  readonly opPercent: number;
  /** Entries of pblk's write buffer, and its bytes (contiguous kernel memory). */
  readonly bufferEntries: number;
  readonly bufferBytes: number;
  /** Kernel memory for the logical-to-physical table. */
  readonly l2pBytes: number;
  /** Reads that create sends to find out which chunks are written (the 1.2 sense reads); 0 with 2.0. */
  readonly scanReads: number;
  /** Bytes of the chunk log that create reads instead (2.0); 0 with 1.2. */
  readonly chunkLogBytes: number;
}

/** A device line as it was understood. */
export type DeviceLineResult = DeviceLineOk | DeviceLineError;

export interface DeviceLineOk {
  readonly ok: true;
  readonly kind: 'ocssd12' | 'ocssd20' | 'plain';
  /** Which program's spelling was recognised, e.g. "qemu-nvme, branch ocssd12". */
  readonly dialect: string;
  /** Every option, its value, its default, and one phrase on what it does here. */
  readonly options: readonly OptionRow[];
  /** Things the reader should know although the line is accepted (files that are not needed here …). */
  readonly notes: readonly string[];
  /** In the words of 1.2: groups are channels, parallel units LUNs (2.0). */
  readonly geometry: Geometry;
  /** Sectors of the whole disk; of a plain one its logical blocks, of all namespaces together. */
  readonly totalSecs: number;
  /** Namespaces that the disk is made of. */
  readonly namespaces: number;
  /**
   * Size of the disk, which may be another than was asked for: a geometry of 2.0 that is written out decides
   * it, and so does devsz_mb. The line with this size gives the same disk.
   */
  readonly sizeBytes: number;
  /** ws_min, ws_opt and mw_cunits (2.0 only). */
  readonly writeRules?: ChunkWriteRules;
  /** What a `-drive` of the command line says of the cache. */
  readonly cache?: CacheMode;
}

/** Contents of the files that a device line names; the names themselves are only names here. */
export interface DeviceFiles {
  /** States of chunks (lchunkstate, chunkinfo); src/lab/chunk-files.ts has the format. 2.0 only. */
  readonly chunkInfo?: string;
  /** Resets that fail (lresetfail, resetfail). 2.0 only. */
  readonly resetFail?: string;
  /** Writes that fail (lwritefail, writefail). 2.0 only. */
  readonly writeFail?: string;
  /** The bad-block table of a new disk (lbbtable): one byte a block, in the order LUN, chunk, plane. 1.2 only. */
  readonly badBlocks?: Uint8Array;
}

export interface OptionRow {
  readonly name: string;
  readonly value: string;
  readonly defaultValue: string;
  readonly given: boolean;
  readonly meaning: string;
}

export interface DeviceLineError {
  readonly ok: false;
  /** The option at fault, if one is. */
  readonly option?: string;
  /** One sentence: which option, what was given, what is allowed, what would work. */
  readonly error: string;
}

/** What it takes to make a target of LightNVM again: arguments of `nvme lnvm create`. */
export interface TargetRecipe {
  /** Name of its block device. */
  readonly name: string;
  /** As Linux 5.10 has them: `pblk`. */
  readonly type: string;
  /** First and last LUN, `-b` and `-e`. */
  readonly begin: number;
  readonly end: number;
  /** Percent of over-provisioning, `-o`, where it is not pblk's default. */
  readonly op?: number;
}

/** A target that the open disk remembers. */
export interface RememberedTarget extends TargetRecipe {
  /** The guest has it. */
  readonly exists: boolean;
  /** What makes it again. */
  readonly command: string;
}

export interface ExecResult {
  readonly status: number;
  readonly output: string;
}

/** Enough to lay the flash map out. A plain disk has no map of cells: kind 'plain'. */
export interface MapShape extends Geometry {
  readonly kind: 'ocssd12' | 'ocssd20' | 'plain';
}

export type { SectorAddress } from '../flash/address.ts';
export type { CacheMode } from '../storage/cache-mode.ts';
export type { CommandEvent, LoggedAddress } from '../device/command-log.ts';
export type { Rule } from '../spec/rules.ts';

export interface ChunkDetails {
  readonly ch: number;
  readonly lun: number;
  readonly chk: number;
  readonly planes: readonly {
    readonly pln: number;
    readonly state: ChunkStateName;
    /** Sectors written since the last erase, of secsPerBlk. */
    readonly writtenSecs: number;
    readonly secsPerBlk: number;
    readonly eraseCount: number;
    /** Bad-block table entry, by name: good, bad, grown bad, device reserved, host reserved. */
    readonly badBlock: string;
    /** 2.0 only: sectors that can be read (those after them, up to writtenSecs, are in the cache), and wear of 255. */
    readonly readableSecs?: number;
    readonly wearIndex?: number;
  }[];
}

export type ChunkStateName = 'free' | 'open' | 'closed' | 'offline';

/**
 * Blocks that changed, as parallel arrays (all of equal length). A block's index is
 * `((chk × numCh + ch) × numLun + lun) × numPln + pln`.
 */
export interface MapFrame {
  readonly block: Uint32Array;
  /** 1 free, 2 closed, 4 open, 8 offline (the specification's chunk states). */
  readonly state: Uint8Array;
  /** Sectors written since the last erase. */
  readonly writtenSecs: Uint32Array;
  readonly eraseCount: Uint32Array;
  /** Last operation since the frame before: 0 none, 1 read, 2 write, 3 erase. */
  readonly lastOp: Uint8Array;
}

/** What was recorded since the last frame; or, after records were lost and at first, the whole state. */
export interface TraceFrame {
  readonly segment?: Segment;
  /** A model as src/trace/model-state.ts packs it. */
  readonly state?: Uint8Array;
  /** Records between the last frame and this state were not kept: the page did not fetch them in time. */
  readonly lost: boolean;
}

/** Totals since power-on, for the status line. */
export interface Counters {
  readonly commands: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly erases: number;
  /** Acknowledged commands whose storage transaction is under way: 0 means "saved". */
  readonly pendingCommits: number;
}

export interface CountersNow extends Counters {
  /** By the clock of {@link CommandEvent}s. */
  readonly atMs: number;
}
