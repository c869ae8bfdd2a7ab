/**
 * All that crosses between the worker and the page. Control goes by comlink ({@link LabRemote}); what
 * flows (console bytes, frames of the map, notices) goes over one MessagePort as {@link WorkerMessage},
 * with transferable buffers.
 */
import type { ContinueLines } from '../lab/disk-files/continue-lines.ts';
import type {
  BootProgress,
  CacheMode,
  ChunkDetails,
  CommandEvent,
  Counters,
  CountersNow,
  DeviceLineResult,
  ExecResult,
  GeometryReport,
  MapFrame,
  MapShape,
  Notice,
  PowerState,
  RememberedTarget,
  SectorAddress,
  TraceFrame,
} from '../lab/types.ts';

export type * from '../lab/types.ts';
export type { ContinueLines } from '../lab/disk-files/continue-lines.ts';

export interface DiskRow {
  readonly id: string;
  readonly name: string;
  readonly deviceLine: string;
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly createdAtMs: number;
  readonly kept: 'indexeddb' | 'memory' | 'file';
  /** Open in this tab. */
  readonly open: boolean;
  /** Why it cannot be used, in one sentence; it can still be deleted. Absent for a sound disk. */
  readonly problem?: string;
}

/** A machine that was saved while it ran. */
export interface SavedLabRow {
  readonly id: string;
  /** Saved by the page itself when the guest fell quiet, or by the reader under a name. */
  readonly kind: 'auto' | 'named';
  /** Empty for one that the page saved. */
  readonly name: string;
  readonly diskId: string;
  /** Unix milliseconds. */
  readonly savedAtMs: number;
  readonly memoryMiB: number;
  /** Bytes that it takes in the browser's storage, without the disk. */
  readonly packedBytes: number;
  /**
   * Its disk is as it was then; or was written to since (one with a name goes on with a fork of the disk as it was);
   * or is gone (the same).
   */
  readonly state: 'ready' | 'moved' | 'gone';
}

export interface StorageInfo {
  /** False: no IndexedDB here (private window, blocked); only RAM disks can be made. */
  readonly indexedDb: boolean;
  /** Why not, in one sentence; empty if it works. */
  readonly reason: string;
  /** navigator.storage.estimate(), undefined where the browser does not tell. */
  readonly usageBytes?: number;
  readonly quotaBytes?: number;
  readonly persisted?: boolean;
}

export interface PowerOnOptions {
  readonly diskId: string;
  /** 64 to 1024. */
  readonly memoryMiB: number;
  readonly cmdline: string;
  /** A reader's own kernel and initramfs, as read by the file picker; the built-in ones otherwise. */
  readonly kernel?: ArrayBuffer;
  readonly initrd?: ArrayBuffer;
  /** Boot the kernel, instead of going on from a guest that has booted (with the built-in kernel and the usual RAM). */
  readonly cold?: boolean;
  /** When writes count as done; absent: as a `-drive` of the device line says, or `writethrough`. */
  readonly cache?: CacheMode;
  /** Targets that the disk remembers; the page sees to it. */
  readonly targets?: TargetsChoice;
  /** Another tab that has the disk open is asked to let go of it first. */
  readonly takeOver?: boolean;
}

/** What is done about targets that a disk remembers when its guest has booted; `offer`, unless the reader wants them always. */
export type TargetsChoice = 'offer' | 'create' | 'ignore';

/** How a disk leaves: our own container, or the image of qemu-nvme that fits it, in an archive with holes. */
export type DiskFileKind = 'container' | 'image';

/** The files that a disk comes in: one, or the three of branch ocssd12, which are told apart by their names. */
export interface ImportRequest {
  readonly files: readonly { readonly name: string; readonly blob: Blob }[];
  readonly kept: 'indexeddb' | 'memory';
  /** What raw files are of: they do not say it themselves. */
  readonly deviceLine: string;
}

/**
 * A transfer's own port, from the worker: how far it is; of an export the pieces of the file, each after it was asked
 * for; and, when all went well, that this was the last.
 */
export type TransferUp =
  | { readonly type: 'progress'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly type: 'piece'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'end' };
/** To the worker. */
export type TransferDown = { readonly type: 'next' } | { readonly type: 'cancel' };

export interface LabStatus {
  readonly power: PowerState;
  readonly diskId: string | undefined;
  /** The map's shape while a disk is open. */
  readonly map: MapShape | undefined;
}

/** What is recorded. */
export interface WatchOptions {
  /** What the device does: the map's layers, the timeline, the inspector. Without it only states of chunks are shown. */
  readonly device: boolean;
  /** What the guest's kernel tells by way of its agent: processes, lines, pblk's own numbers. */
  readonly guest: boolean;
}

/** Errors cross comlink as plain objects with a sentence; the page shows `message` as it is. */
export interface LabRemote {
  /** Must be called first: the port for {@link WorkerMessage}. */
  init(port: MessagePort): Promise<void>;
  storage(): Promise<StorageInfo>;
  /** Asks the browser not to purge; true if it agreed. */
  persistStorage(): Promise<boolean>;

  parseDevice(line: string, sizeBytes: number): Promise<DeviceLineResult>;
  /**
   * Rejects with the parser's sentence when the line is wrong. LUNs inclusive; all of them by default.
   * `memoryMiB`: the machine's RAM, which the target's tables must fit in (128 by default).
   */
  report(
    line: string,
    sizeBytes: number,
    lunBegin?: number,
    lunEnd?: number,
    memoryMiB?: number,
  ): Promise<GeometryReport>;

  listDisks(): Promise<readonly DiskRow[]>;
  createDisk(name: string, line: string, sizeBytes: number, kept: 'indexeddb' | 'memory'): Promise<DiskRow>;
  renameDisk(id: string, name: string): Promise<DiskRow>;
  wipeDisk(id: string): Promise<DiskRow>;
  removeDisk(id: string): Promise<void>;
  /**
   * A second disk with the content of this one, also while its machine runs here: then as if the plug had been pulled
   * at this moment. Rejects when another tab has the disk.
   */
  forkDisk(id: string, name: string): Promise<DiskRow>;
  /** Sends a disk that is not in use as a file over the port; resolves when all was sent. */
  exportDisk(id: string, kind: DiskFileKind, port: MessagePort): Promise<void>;
  /** Makes a disk of files: whole, or not at all. The port tells how far it is. */
  importDisk(request: ImportRequest, port: MessagePort): Promise<DiskRow>;
  /** Command lines for the disk's exported image; undefined for a plain disk. */
  continueLines(id: string): Promise<ContinueLines | undefined>;

  /** Switches the recording on or off, now and for later power-ons; both parts are on at first. */
  watch(options: WatchOptions): Promise<void>;
  status(): Promise<LabStatus>;
  powerOn(options: PowerOnOptions): Promise<void>;
  /** Asks the guest to shut down, waits for it up to `timeoutMs`, then cuts. */
  powerOff(timeoutMs?: number): Promise<void>;
  /** The plug is pulled: the machine is gone between two instructions. What the device acknowledged is kept. */
  powerCut(): Promise<void>;
  /** Cut and on again with the same options. */
  reset(): Promise<void>;

  /** Machines that were saved, newest first. */
  savedLabs(): Promise<readonly SavedLabRow[]>;
  /** Saves the running machine under a name, with its disk as it is now. Rejects when there is no moment of rest. */
  saveLab(name: string): Promise<SavedLabRow>;
  /**
   * Goes on with a saved machine; the power has to be off. The disk that it uses: its own, or a fork of it; undefined
   * when another tab has its disk.
   */
  resumeLab(id: string): Promise<{ diskId: string } | undefined>;
  removeLab(id: string): Promise<void>;
  /** The page is hidden and may be gone soon: what is not saved yet is saved, if the guest is at rest. */
  pageHidden(): Promise<void>;

  /** Runs `sh -c command` in the guest on the control channel. Rejects when no agent answers or time is up. */
  exec(command: string, options?: { timeoutMs?: number }): Promise<ExecResult>;
  consoleSend(tty: 0 | 1, bytes: Uint8Array): void;
  consoleResize(tty: 0 | 1, cols: number, rows: number): void;

  /** Has the open disk not remember a target any more; the target itself stays. */
  forgetTarget(name: string): Promise<void>;

  /** Files: into and out of /host in the guest (9p). Names are single path components. */
  putFile(name: string, bytes: Uint8Array): Promise<void>;
  getFile(name: string): Promise<Uint8Array>;
  listFiles(): Promise<readonly { name: string; sizeBytes: number }[]>;

  /** State of every block now; then only changes come in frames. Undefined without an open-channel disk. */
  mapSnapshot(): Promise<MapFrame | undefined>;
  /** What one chunk is, for the details on click. */
  chunkDetails(ch: number, lun: number, chk: number): Promise<ChunkDetails>;
  /**
   * Commands that ended since power on, decoded, oldest first: those after `afterSequence` that are still kept
   * (the last thousand or so). Empty while the power is off.
   */
  commandLog(afterSequence?: number): Promise<readonly CommandEvent[]>;
  /** Totals since power on, and when they were read by the device's clock; undefined while the power is off. */
  counters(): Promise<CountersNow | undefined>;
  /** The newest command that broke a rule. */
  lastRefused(): Promise<CommandEvent | undefined>;
  /** One sector's data and OOB as stored; undefined when it was never written since its last erase. */
  sectorBytes(address: SectorAddress): Promise<{ data: Uint8Array; oob: Uint8Array } | undefined>;
}

export type WorkerMessage =
  | { readonly type: 'console'; readonly tty: 0 | 1; readonly bytes: Uint8Array }
  /** The disk was not opened, as another tab has it. */
  | { readonly type: 'elsewhere'; readonly diskId: string }
  | {
      readonly type: 'power';
      readonly state: PowerState;
      readonly reason: string;
      /** How the disk is cached, while it is open. */
      readonly cache?: CacheMode | undefined;
    }
  | { readonly type: 'boot'; readonly progress: BootProgress }
  | { readonly type: 'notice'; readonly notice: Notice }
  /** The targets that the open disk remembers; none while the power is off. */
  | { readonly type: 'targets'; readonly targets: readonly RememberedTarget[] }
  | { readonly type: 'trace'; readonly frame: TraceFrame }
  /** What one picture is of comes in one message: two would be two tasks of the page, with a picture between them. */
  | {
      readonly type: 'frame';
      readonly map: MapFrame | undefined;
      readonly counters: Counters;
      readonly trace: TraceFrame | undefined;
    }
  | { readonly type: 'shape'; readonly map: MapShape | undefined };

/** From page to worker over the same port: the page is ready for the next frame. */
export type PageMessage = { readonly type: 'nextFrame' };
