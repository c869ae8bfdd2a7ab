import type {
  CommandEvent,
  CountersNow,
  DeviceLineResult,
  DiskFileKind,
  DiskRow,
  ExecResult,
  GeometryReport,
  PowerOnOptions,
  PowerState,
  RememberedTarget,
} from '../rpc/protocol.ts';
import { filesOf, stringOf } from './api-input.ts';
import { forkName } from './state/fork-name.ts';
import { blobSink, exportDisk, importDisk } from './state/disk-files.ts';
import { savedApi, type LabSaved } from './lab-api-saved.ts';
import { shellApi, type LabShell } from './lab-api-shell.ts';
import { traceApi, type LabTrace } from './lab-api-trace.ts';
import type { LabState } from './state/lab.svelte.ts';
import type { Theme } from './state/preferences.svelte.ts';
import type { LanguageCode } from './text/language.svelte.ts';
import { language } from './text/language.svelte.ts';

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
  readonly targets: LabTargets;
  readonly saved: LabSaved;
  readonly trace: LabTrace;
  readonly shell: LabShell;
  readonly page: LabPage;
}

/** How the page looks, for a page that holds it in a frame. */
export interface LabPage {
  /** At once; what is not named stays as it is. */
  set(look: { theme?: Theme; language?: LanguageCode; projector?: boolean }): void;
}

/** What {@link LabPage} sets. */
export interface Look {
  setTheme(theme: Theme): void;
  projector: boolean;
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
  /**
   * Commands, bytes read and written and erases since power on, and `atMs`, by the clock of the log; undefined while
   * the power is off.
   */
  counters(): Promise<CountersNow | undefined>;
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
  /**
   * A second disk with the content of this one, which takes room only for what is written from then on; also while
   * the machine is on. Called `NAME (fork)` by default. It is not chosen.
   */
  fork(idOrName: string, name?: string): Promise<DiskRow>;
  /** The disk as a container file (by default), or its image for qemu-nvme in a tar archive; not while it is on. */
  export(idOrName: string, kind?: DiskFileKind): Promise<Blob>;
  /**
   * Makes a disk of a container file, an ocssd image, or the raw files of branch ocssd12 by their names; kept as the
   * set-up says. Rejects with one sentence for what is none; then nothing was changed.
   */
  import(files: Blob | readonly File[], options?: { kept?: 'indexeddb' | 'memory' }): Promise<DiskRow>;
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

/** The LightNVM targets that the disk remembers (Linux itself forgets them when the power goes). */
export interface LabTargets {
  /** Of the disk that is open, at once; each says whether the guest has it, and the command that makes it. */
  readonly list: readonly RememberedTarget[];
  /**
   * Types the commands of those that the guest does not have into the first shell, one after the other; resolves with
   * them when all are made. Rejects when one of them fails, or the machine is not running.
   */
  create(): Promise<readonly RememberedTarget[]>;
  /** Has the disk not remember a target; the target itself stays. */
  forget(name: string): Promise<void>;
}

export function makeLabApi(lab: LabState, started: Promise<void>, look: Look): LabApi {
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
  const shell = shellApi(lab);
  const choose = async (idOrName: string): Promise<DiskRow> => {
    const disk = await find(idOrName);
    lab.choose(disk.id);
    return disk;
  };

  return {
    get ready() {
      return lab.whenRunning();
    },
    exec: async (command, options) => (await client()).exec(stringOf(command, 'lab.exec'), options),
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
      counters: async () => (await client()).counters(),
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
      fork: async (idOrName, name) => {
        const disk = await find(idOrName);
        return lab.forkDisk(disk.id, name ?? forkName(disk.name));
      },
      export: async (idOrName, kind = 'container') => {
        const { id } = await find(idOrName);
        const sink = blobSink();
        await exportDisk(lab.connected(), id, kind, sink);
        return sink.blob();
      },
      import: async (files, options = {}) => {
        await client();
        const { line, kept } = lab.setup;
        const request = { files: filesOf(files), kept: options.kept ?? kept, deviceLine: line };
        const disk = await importDisk(lab.connected(), request);
        await lab.refreshDisks();
        return disk;
      },
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
    targets: {
      get list() {
        return lab.targets.known;
      },
      create: async () => {
        await client();
        const { missing } = lab.targets;
        lab.targets.notNow(); // by the page: it is done here
        for (const { name, command } of missing) {
          const { status } = await shell.run(command);
          if (status !== 0)
            throw new Error(`The target ${name} was not created: ${command} ended with status ${status}.`);
        }
        return missing;
      },
      forget: async (name) => (await client()).forgetTarget(String(name)),
    },
    saved: savedApi(lab, started),
    trace: traceApi(lab),
    shell,
    page: {
      set: ({ theme, language: code, projector }) => {
        // Scripts are not checked by a compiler: nothing is set when a part of it is nonsense.
        if (theme !== undefined && !['auto', 'light', 'dark'].includes(theme))
          throw new Error(`There is no theme "${String(theme)}"; auto, light and dark are there.`);
        if (code !== undefined && code !== 'en' && code !== 'zh-CN')
          throw new Error(`There is no language "${String(code)}"; en and zh-CN are there.`);
        if (theme !== undefined) look.setTheme(theme);
        if (code !== undefined) language.set(code);
        if (projector !== undefined) look.projector = projector;
      },
    },
  };
}
