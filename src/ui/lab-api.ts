import type {
  CommandEvent,
  DeviceLineResult,
  DiskRow,
  ExecResult,
  GeometryReport,
  PowerOnOptions,
  PowerState,
  WatchOptions,
} from '../rpc/protocol.ts';
import type { Position } from '../trace/recording.ts';
import type { LabState } from './state/lab.svelte.ts';
import { exportParts, openRecording, saveRecording, type ExportFormat } from './state/recordings.ts';

/**
 * `window.lab`: the lab for scripts, graders and the browser's console. Everything is asynchronous unless
 * it says otherwise and rejects with an Error whose message is a sentence.
 */
export interface LabApi {
  /**
   * Resolves when the agent in the guest has answered: shells are there and {@link exec} works. Waits for
   * power on while the machine is off; read it again after each power on. Rejects with the reason when
   * power on fails, or the machine goes off or crashes before the agent has answered.
   */
  readonly ready: Promise<void>;

  /** Runs `sh -c command` in the guest; a command that fails resolves too, with its status. */
  exec(command: string, options?: { timeoutMs?: number }): Promise<ExecResult>;

  readonly device: LabDevice;
  readonly disk: LabDisk;
  readonly power: LabPower;
  readonly trace: LabTrace;
}

/** The recording that the page shows, and the moment of it. Times are microseconds of the machine's clock. */
export interface LabTrace {
  /** The moment shown, at once; undefined before anything is recorded. */
  readonly position: Position | undefined;
  /** Oldest and newest moment that can be shown, at once. */
  readonly range: { readonly start: Position; readonly end: Position } | undefined;
  /** The page follows the device, at once. */
  readonly isLive: boolean;
  /** Shows the device as it was then; a moment outside the recording is its nearest end. */
  seek(to: { timeUs: number } | { command: number }): Promise<Position>;
  /** Shows the device as it is now. */
  live(): Promise<void>;
  /** What is recorded, now and at later power-ons: the device's doings, and what the guest's kernel tells. */
  watch(what: WatchOptions): Promise<void>;
  /** Sets a mark at the moment shown. */
  mark(text: string): Promise<void>;
  /** The recording as a file, for {@link open} and `?replay=`. */
  save(): Promise<Uint8Array>;
  /** Shows a recording from a file. */
  open(bytes: Uint8Array): Promise<void>;
  /** JSON: one object a line and record; CSV: the commands; blkparse: text in its columns. */
  export(format: 'json' | 'csv' | 'blkparse'): Promise<string>;
}

/** The set-up panel's device line and size. */
export interface LabDevice {
  readonly line: string;
  readonly sizeBytes: number;
  /** What a line means; the set-up's own line and size by default. Never rejects for a wrong line. */
  parse(line?: string, sizeBytes?: number): Promise<DeviceLineResult>;
  /** What `nvme lnvm create -b lunBegin -e lunEnd` will do; all LUNs by default. Rejects for a wrong line. */
  report(line?: string, sizeBytes?: number, lunBegin?: number, lunEnd?: number): Promise<GeometryReport>;
  /** Puts line and size into the set-up panel; power on then makes a disk of them. */
  set(line: string, sizeBytes: number): Promise<DeviceLineResult>;
  /**
   * The commands that the device carried out or refused since power on, decoded, oldest first: those after
   * `afterSequence`, as far as they are still kept. Empty while the power is off.
   */
  log(afterSequence?: number): Promise<readonly CommandEvent[]>;
}

export interface LabDisk {
  list(): Promise<readonly DiskRow[]>;
  /** Makes and chooses a disk: by default of the set-up's line and size, kept in IndexedDB. */
  create(options?: {
    name?: string;
    line?: string;
    sizeBytes?: number;
    kept?: 'indexeddb' | 'memory';
  }): Promise<DiskRow>;
  /** Chooses the disk for the next power on, by id or by name. */
  choose(idOrName: string): Promise<DiskRow>;
  /** The same as {@link choose}. */
  open(idOrName: string): Promise<DiskRow>;
  rename(idOrName: string, name: string): Promise<void>;
  /** Factory reset: every chunk free, no data. */
  wipe(idOrName: string): Promise<void>;
  remove(idOrName: string): Promise<void>;
  /** The chosen disk, at once. */
  readonly current: DiskRow | undefined;
}

export interface LabPower {
  /** At once. */
  readonly state: PowerState;
  /** Resolves when the machine was started; await {@link LabApi.ready} for the prompt. */
  on(options?: Partial<PowerOnOptions>): Promise<void>;
  /** Asks the guest to shut down; after `timeoutMs` the power is cut. */
  off(timeoutMs?: number): Promise<void>;
  /** Pulls the plug. */
  cut(): Promise<void>;
  reset(): Promise<void>;
}

export function makeLabApi(lab: LabState, started: Promise<void>): LabApi {
  const client = async () => {
    await started;
    return lab.connected();
  };
  const find = async (idOrName: string): Promise<DiskRow> => {
    await client();
    await lab.refreshDisks();
    const disk = lab.disks.find((d) => d.id === idOrName) ?? lab.disks.find((d) => d.name === idOrName);
    if (!disk) {
      const names = lab.disks.map((d) => `"${d.name}"`).join(', ') || 'none';
      throw new Error(`There is no disk "${idOrName}"; the disks here are: ${names}.`);
    }
    return disk;
  };
  const choose = async (idOrName: string): Promise<DiskRow> => {
    const disk = await find(idOrName);
    lab.choose(disk.id);
    return disk;
  };

  return {
    get ready() {
      return lab.whenRunning();
    },
    exec: async (command, options) => (await client()).exec(command, options),
    device: {
      get line() {
        return lab.setup.line;
      },
      get sizeBytes() {
        return lab.setup.sizeBytes;
      },
      parse: async (line = lab.setup.line, sizeBytes = lab.setup.sizeBytes) =>
        (await client()).parseDevice(line, sizeBytes),
      report: async (line = lab.setup.line, sizeBytes = lab.setup.sizeBytes, lunBegin, lunEnd) =>
        (await client()).report(line, sizeBytes, lunBegin, lunEnd),
      set: async (line, sizeBytes) => {
        const parsed = await (await client()).parseDevice(line, sizeBytes);
        lab.setup.line = line;
        lab.setup.setSize(sizeBytes);
        return parsed;
      },
      log: async (afterSequence = 0) => (await client()).commandLog(afterSequence),
    },
    disk: {
      list: async () => (await client()).listDisks(),
      create: async (options = {}) => {
        await client();
        const { setup } = lab;
        return lab.createDisk(
          options.name ?? setup.diskName,
          options.line ?? setup.line,
          options.sizeBytes ?? setup.sizeBytes,
          options.kept ?? setup.kept,
        );
      },
      choose,
      open: choose,
      rename: async (idOrName, name) => lab.renameDisk((await find(idOrName)).id, name),
      wipe: async (idOrName) => lab.wipeDisk((await find(idOrName)).id),
      remove: async (idOrName) => lab.removeDisk((await find(idOrName)).id),
      get current() {
        return lab.disk;
      },
    },
    power: {
      get state() {
        return lab.power;
      },
      on: async (options) => {
        await client();
        await lab.powerOn(options);
      },
      off: async (timeoutMs) => {
        await client();
        await lab.powerOff(timeoutMs);
      },
      cut: async () => {
        await client();
        await lab.powerCut();
      },
      reset: async () => {
        await client();
        await lab.reset();
      },
    },
    trace: traceApi(lab),
  };
}

function traceApi(lab: LabState): LabTrace {
  const { trace } = lab;
  const recording = () => {
    if (!trace.recording) throw new Error('Nothing is recorded yet; power on, or open a recording.');
    return trace.recording;
  };
  return {
    get position() {
      return trace.position;
    },
    get range() {
      return trace.recording && { start: trace.recording.start, end: trace.recording.end };
    },
    get isLive() {
      return trace.isLive;
    },
    seek: async (to) => {
      recording();
      if ('command' in to) trace.seekCommand(to.command);
      else trace.seekTime(to.timeUs);
      return trace.position ?? recording().end;
    },
    live: async () => trace.goLive(),
    watch: (what) => lab.connected().watch(what),
    mark: async (text) => {
      recording();
      trace.mark(String(text));
    },
    save: () => saveRecording(trace, { deviceLine: lab.disk?.deviceLine ?? '', name: lab.disk?.name ?? '' }),
    open: (bytes) => openRecording(trace, bytes, ''),
    export: async (format: ExportFormat) => {
      if (format !== 'json' && format !== 'csv' && format !== 'blkparse')
        throw new Error(`There is no export "${String(format)}"; json, csv and blkparse are there.`);
      return [...exportParts(trace, format)].join('');
    },
  };
}
