import { transfer } from 'comlink';
import type {
  BootProgress,
  CacheMode,
  ChunkDetails,
  CommandEvent,
  Counters,
  DiskRow,
  ExecResult,
  PowerOnOptions,
  PowerState,
  StorageInfo,
  WorkerMessage,
} from '../../rpc/protocol.ts';
import type { ChunkAddress } from '../charts/flash-map-layout.ts';
import { language } from '../text/language.svelte.ts';
import { connect, messageOf, WorkerGone, type LabClient } from './connection.ts';
import { RESTARTING } from './defaults.ts';
import { FlashState } from './flash.svelte.ts';
import { Notices, REFUSED } from './notices.svelte.ts';
import { recall, remember } from './remember.ts';
import { SavedLabsState } from './saved-labs.svelte.ts';
import { SetupState, type Kept } from './setup.svelte.ts';
import { TargetsState } from './targets.svelte.ts';
import { TraceState } from './trace.svelte.ts';

/** Refusals of so long are explained together, by the last of them. */
const REFUSAL_MS = 100;
/** A drawing frame that took longer was held up by something else. */
const MOST_DRAW_MS = 20;
const NO_COUNTERS: Counters = { commands: 0, readBytes: 0, writtenBytes: 0, erases: 0, pendingCommits: 0 };

export interface HostFile {
  readonly name: string;
  readonly sizeBytes: number;
}

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

type ConsoleListener = (bytes: Uint8Array) => void;

/** What a page wants this lab to begin with, where it is not what the reader used last. */
export interface Wish {
  /** The disk to go on with. @param last id of the one that was used last here */
  disk(disks: readonly DiskRow[], last: string | undefined): DiskRow | undefined;
  /** Whether a machine that was left running on that disk goes on. */
  readonly goesOn: boolean;
  /** There is none: the set-up for the one that power on makes. */
  draft(lab: LabState): void;
}

/** The lab as the page sees it: wraps the worker, turns its messages into state, its errors into notices. */
export class LabState {
  readonly notices = new Notices();
  readonly setup = new SetupState();
  readonly flash = new FlashState();
  readonly trace = new TraceState();
  readonly targets = new TargetsState();
  readonly savedLabs = new SavedLabsState(this);

  client = $state.raw<LabClient>();
  power = $state<PowerState>('off');
  powerReason = $state('');
  /** How the disk that is open is cached. */
  cache = $state<CacheMode>('writethrough');
  boot = $state.raw<BootProgress>();
  counters = $state.raw<Counters>(NO_COUNTERS);
  disks = $state.raw<readonly DiskRow[]>([]);
  /** The disk that power on will use; none: the set-up's draft becomes one. */
  diskId = $state<string>();
  storage = $state.raw<StorageInfo>();
  files = $state.raw<readonly HostFile[]>([]);
  /** Clicked on the map. */
  chunk = $state.raw<ChunkAddress>();
  chunkDetails = $state.raw<ChunkDetails>();
  /** The newest command that the device refused, as its log has it. */
  refused = $state.raw<CommandEvent>();
  /** A disk that another tab has open, and that was wanted here. */
  elsewhere = $state.raw<string>();
  /** Power requests whose answers are not in. */
  #asks = $state(0);
  /** The first answers of the worker are in: the page can say what power on will do. */
  loaded = $state(false);

  /** A power request was sent and its answer is not in. */
  readonly asking = $derived(this.#asks > 0);
  readonly disk = $derived(this.disks.find((d) => d.id === this.diskId));
  readonly isOn = $derived(this.power !== 'off' && this.power !== 'halted');
  readonly starting = $derived(this.power === 'loading' || this.power === 'booting');
  readonly failed = $derived(this.power === 'crashed' || this.power === 'hung');
  /** The chosen disk is not what the set-up panel shows: power on would make another. */
  readonly draftDiffers = $derived(
    this.disk !== undefined &&
      (this.disk.deviceLine !== this.setup.line || this.disk.sizeBytes !== this.setup.sizeBytes),
  );
  /** States of the flash: live, or as they were when this disk's power went off. */
  readonly knownMap = $derived(
    this.flash.shape
      ? this.flash.data
      : !this.draftDiffers && this.flash.last?.diskId === this.diskId
        ? this.flash.last?.data
        : undefined,
  );
  /** What the map shows, or would: its parts have other names in 1.2 and 2.0. */
  readonly mapKind = $derived(
    this.flash.shape?.kind ?? (this.setup.parsed?.ok ? this.setup.parsed.kind : undefined),
  );
  readonly willCreate = $derived(this.disk === undefined || this.draftDiffers);
  readonly canPowerOn = $derived(
    this.loaded &&
      this.client !== undefined &&
      !this.isOn &&
      !this.asking &&
      (!this.willCreate || this.setup.ready),
  );

  readonly #console: Record<0 | 1, readonly ConsoleListener[]> = { 0: [], 1: [] };
  #refusalTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #whenRunning: Waiter[] = [];
  /** Power-ons under way, resets among them: not to be disturbed by another. */
  #startsUnderWay = 0;
  /** The disk of the last power on; the chosen one may be another by the time it is closed. */
  #poweredDiskId: string | undefined;
  /** Script that taking in what is new has cost since the last picture. */
  #newsMs = 0;
  #askedToPersist = false;
  #gone: WorkerGone | undefined;
  #disksRound = 0;
  #refreshingDisks: Promise<void> = Promise.resolve();

  async start(wish?: Wish): Promise<void> {
    try {
      const connection = await connect({
        message: (message) => this.#take(message),
        troubled: (reason) =>
          this.notices.add({
            level: 'warning',
            code: 'worker.troubled',
            text: language.t.notices.workerTroubled(reason),
          }),
      });
      this.client = connection.client;
      this.flash.attach(connection);
      void connection.dead.then((error) => this.#died(error));
    } catch (error) {
      this.#died(error instanceof WorkerGone ? error : new WorkerGone(messageOf(error)));
      return;
    }
    await this.attempt(language.t.disks.title, () => this.#firstLook(wish));
    this.loaded = true;
    // A page that holds two says itself what each begins with.
    if (wish?.goesOn !== false && this.client)
      await this.attempt(language.t.savedLabs.goOn, () => this.savedLabs.goOn());
  }

  /** What is here already: disks of earlier visits, and which of them was used last. */
  async #firstLook(wish: Wish | undefined): Promise<void> {
    const client = this.connected();
    const [disks, storage, status] = await Promise.all([
      client.listDisks(),
      client.storage(),
      client.status(),
    ]);
    this.storage = storage;
    if (!storage.indexedDb) this.setup.kept = 'memory';
    this.disks = disks;
    const last = status.diskId ?? recall('disk');
    const chosen = wish ? wish.disk(disks, last) : (disks.find((d) => d.id === last) ?? newest(disks));
    if (chosen) this.choose(chosen.id);
    else wish?.draft(this);
  }

  // ---- disks ----------------------------------------------------------------------------------------

  /** @param isOpen it is the disk of the machine that has just been switched on */
  choose(id: string, isOpen = false): void {
    const disk = this.disks.find((d) => d.id === id);
    if (!disk) return;
    if (this.isOn && !isOpen && id !== this.diskId) throw new Error(language.t.disks.busy);
    this.diskId = id;
    remember('disk', id);
    this.setup.useDisk(disk);
  }

  /** No disk chosen: the set-up panel's draft is what power on will create. */
  chooseNone(): void {
    this.diskId = undefined;
    remember('disk', undefined);
  }

  refreshDisks(): Promise<void> {
    this.#refreshingDisks = this.#listDisks(++this.#disksRound);
    return this.#refreshingDisks;
  }

  async #listDisks(round: number): Promise<void> {
    const client = this.connected();
    const [disks, storage] = await Promise.all([client.listDisks(), client.storage()]);
    // Asked again meanwhile: that list is newer, and whoever waits for this one waits for it.
    if (round !== this.#disksRound) return this.#refreshingDisks;
    this.disks = disks;
    this.storage = storage;
    if (this.diskId !== undefined && !disks.some((d) => d.id === this.diskId)) this.chooseNone();
  }

  async createDisk(name: string, line: string, sizeBytes: number, kept: Kept): Promise<DiskRow> {
    const disk = await this.connected().createDisk(this.#freeName(name), line, sizeBytes, kept);
    await this.refreshDisks();
    this.choose(disk.id);
    return disk;
  }

  async createFromSetup(): Promise<DiskRow> {
    const { diskName, line, sizeBytes, kept } = this.setup;
    const disk = await this.createDisk(diskName, line, sizeBytes, kept);
    // From now on there is something to lose, and the reader has just asked for it. Nobody waits for the answer.
    if (kept === 'indexeddb' && this.storage?.persisted === false && !this.#askedToPersist) {
      this.#askedToPersist = true;
      void this.persist().catch(() => undefined);
    }
    return disk;
  }

  async renameDisk(id: string, name: string): Promise<void> {
    await this.connected().renameDisk(id, name);
    await this.refreshDisks();
  }

  async wipeDisk(id: string): Promise<void> {
    await this.#release();
    await this.connected().wipeDisk(id);
    this.flash.forget(id);
    await this.refreshDisks();
  }

  /** Works while the machine is on, too. */
  async forkDisk(id: string, name: string): Promise<DiskRow> {
    const fork = await this.connected().forkDisk(id, name);
    await this.refreshDisks();
    return fork;
  }

  async removeDisk(id: string): Promise<void> {
    await this.#release();
    await this.connected().removeDisk(id);
    this.flash.forget(id);
    await this.refreshDisks();
  }

  async persist(): Promise<boolean> {
    // Only a window may ask; the worker then says what came of it.
    await navigator.storage?.persist?.();
    const agreed = await this.connected().persistStorage();
    this.storage = await this.connected().storage();
    return agreed;
  }

  // ---- power ----------------------------------------------------------------------------------------

  /** Powers on the chosen disk, making it first where the set-up says so. */
  async powerOn(options: Partial<PowerOnOptions> = {}): Promise<void> {
    if (this.isOn) throw new Error(language.t.power.alreadyOn);
    if (this.#startsUnderWay > 0) throw new Error(language.t.power.underWay);
    this.targets.choose(options.targets);
    return this.#start(async (client) => {
      await this.#release();
      const diskId = options.diskId ?? (this.willCreate ? (await this.createFromSetup()).id : this.diskId);
      if (diskId === undefined) return;
      if (options.diskId !== undefined) this.choose(options.diskId);
      const kernel = options.kernel ?? this.setup.kernel?.bytes;
      const initrd = options.initrd ?? this.setup.initrd?.bytes;
      this.setup.rememberMachine();
      this.#beginLife(diskId);
      await client.powerOn({
        diskId,
        memoryMiB: options.memoryMiB ?? this.setup.memoryMiB,
        cmdline: options.cmdline ?? this.setup.cmdline,
        cold: options.cold ?? this.setup.cold,
        ...(options.takeOver ? { takeOver: true } : {}),
        ...cacheOption(options.cache ?? this.setup.cacheChoice),
        ...(kernel && { kernel }),
        ...(initrd && { initrd }),
      });
    });
  }

  /** Goes on with a saved machine, instead of the one that is on. False when another tab has its disk. */
  async resume(id: string): Promise<boolean> {
    if (this.#startsUnderWay > 0) throw new Error(language.t.power.underWay);
    return this.#start(async (client) => {
      // Its answer may be here before the state of the power is.
      if (this.isOn) await client.powerCut();
      this.#beginLife(this.savedLabs.rows.find((row) => row.id === id)?.diskId);
      const { diskId } = (await client.resumeLab(id)) ?? {};
      if (diskId === undefined) return false;
      this.#poweredDiskId = diskId;
      await this.refreshDisks();
      if (diskId !== this.diskId) this.choose(diskId, true);
      return true;
    });
  }

  /** Nothing is known yet of the machine that is about to be switched on. */
  #beginLife(diskId: string | undefined): void {
    this.boot = undefined;
    this.counters = NO_COUNTERS;
    this.elsewhere = undefined;
    this.#poweredDiskId = diskId;
  }

  powerOff(timeoutMs?: number): Promise<void> {
    return this.#ask((client) => client.powerOff(timeoutMs));
  }

  powerCut(): Promise<void> {
    return this.#ask((client) => client.powerCut());
  }

  reset(): Promise<void> {
    return this.#start((client) => client.reset());
  }

  /**
   * Resolves as soon as the agent in the guest has answered; at once if it has. Waits while the machine is
   * off; rejects when power on fails, or the machine goes off or crashes before.
   */
  whenRunning(): Promise<void> {
    const waiting = new Promise<void>((resolve, reject) => {
      if (this.power === 'running') resolve();
      else if (this.#gone) reject(this.#gone);
      else if (this.power === 'crashed') reject(crashed(this.powerReason));
      else this.#whenRunning.push({ resolve, reject });
    });
    // Scripts may look at `lab.ready` without waiting for it.
    waiting.catch(() => {});
    return waiting;
  }

  /** The worker; throws with the reason when it is not there. */
  connected(): LabClient {
    if (this.#gone) throw this.#gone;
    if (!this.client) throw new Error('The emulator is not there yet.');
    return this.client;
  }

  exec(command: string, options?: { timeoutMs?: number }): Promise<ExecResult> {
    return this.connected().exec(command, options);
  }

  // ---- terminals ------------------------------------------------------------------------------------

  onConsole(tty: 0 | 1, listener: ConsoleListener): () => void {
    this.#console[tty] = [...this.#console[tty], listener];
    return () => {
      this.#console[tty] = this.#console[tty].filter((l) => l !== listener);
    };
  }

  consoleSend(tty: 0 | 1, bytes: Uint8Array): void {
    const listens = this.starting || this.power === 'running' || this.power === 'hung';
    // It fails only with the worker, and that is said already.
    if (listens) this.client?.consoleSend(tty, bytes).catch(() => {});
  }

  consoleResize(tty: 0 | 1, cols: number, rows: number): void {
    if (this.isOn) this.client?.consoleResize(tty, cols, rows).catch(() => {});
  }

  /** Types into a shell, without Enter: the reader decides. */
  typeInto(tty: 0 | 1, text: string): void {
    if (text !== '') this.consoleSend(tty, new TextEncoder().encode(text));
  }

  /** Types what makes the targets again that the disk had, where the reader sees it. */
  createTargets(): void {
    this.typeInto(0, this.targets.take());
  }

  // ---- files ----------------------------------------------------------------------------------------

  async putFiles(files: readonly File[]): Promise<void> {
    const t = language.t;
    for (const file of files) {
      if (this.power !== 'running') {
        this.notices.error('files.off', t.files.off);
        return;
      }
      try {
        const bytes = new Uint8Array(await file.arrayBuffer());
        await this.connected().putFile(file.name, transfer(bytes, [bytes.buffer]));
        this.notices.info('files.sent', t.files.sent(file.name));
      } catch (error) {
        this.notices.error('files.failed', t.files.failed(file.name, messageOf(error)));
      }
    }
    await this.refreshFiles();
  }

  async refreshFiles(): Promise<void> {
    if (this.power === 'running') this.files = await this.connected().listFiles();
  }

  getFile(name: string): Promise<Uint8Array> {
    return this.connected().getFile(name);
  }

  // ---- map ------------------------------------------------------------------------------------------

  async inspect(at: ChunkAddress | undefined): Promise<void> {
    this.chunk = at;
    if (!at || !this.flash.data || !this.client) {
      this.chunkDetails = undefined;
      return;
    }
    const details = await this.client.chunkDetails(at.ch, at.lun, at.chk);
    if (this.chunk === at) this.chunkDetails = details;
  }

  /** Runs what a button asks for; a rejection becomes a notice that starts with what was tried. */
  async attempt(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.notices.error('action', language.t.notices.failed(what, messageOf(error)));
    }
  }

  // ---- from the worker ------------------------------------------------------------------------------

  /** Asks for the decoded command behind refusals; a little later, for a command ends after it was refused. */
  #explainRefusal(): void {
    if (this.#refusalTimer !== undefined) return;
    this.#refusalTimer = setTimeout(() => {
      this.#refusalTimer = undefined;
      // Without an answer the notice has its sentence all the same.
      this.client?.lastRefused().then(
        (event) => (this.refused = event),
        () => {},
      );
    }, REFUSAL_MS);
  }

  #take(message: WorkerMessage): void {
    switch (message.type) {
      case 'console':
        for (const listener of this.#console[message.tty]) listener(message.bytes);
        break;
      case 'power':
        if (message.cache !== undefined) this.cache = message.cache;
        this.#powerChanged(message.state, message.reason);
        break;
      case 'boot':
        this.boot = message.progress;
        break;
      case 'elsewhere':
        this.elsewhere = message.diskId;
        break;
      case 'notice':
        this.notices.add(message.notice);
        if (message.notice.code === REFUSED) this.#explainRefusal();
        break;
      case 'frame':
        this.#timed(() => {
          if (message.trace) this.trace.take(message.trace);
          if (!sameCounters(this.counters, message.counters)) this.counters = message.counters;
          this.flash.take(message);
        });
        // Whoever draws has asked for this animation frame before, and comes first in it.
        requestAnimationFrame((startMs) => {
          this.flash.took(this.#newsMs + Math.min(MOST_DRAW_MS, performance.now() - startMs));
          this.#newsMs = 0;
        });
        break;
      case 'targets':
        this.targets.known = message.targets;
        break;
      case 'trace':
        this.#timed(() => this.trace.take(message.frame));
        break;
      case 'shape':
        this.chunk = undefined;
        this.chunkDetails = undefined;
        void this.attempt(language.t.map.title, () => this.flash.setShape(message.map, this.#poweredDiskId));
        break;
    }
  }

  #timed(work: () => void): void {
    const fromMs = performance.now();
    work();
    this.#newsMs += performance.now() - fromMs;
  }

  #powerChanged(state: PowerState, reason: string): void {
    const wasStarting = this.starting;
    this.power = state;
    this.powerReason = reason;
    if (state === 'crashed') this.#rejectWaiters(crashed(reason));
    if (state === 'off') this.savedLabs.ended();
    if (state === 'off' && wasStarting && reason !== RESTARTING && !this.savedLabs.triesFirst)
      this.#rejectWaiters(new Error(sentence(`The machine is off again before it was ready: ${reason}`)));
    if (state === 'loading') this.targets.begin();
    if (state === 'running') {
      // Once in its life: a machine that was only slow has been asked already.
      if (wasStarting) this.typeInto(0, this.targets.ready());
      for (const { resolve } of this.#whenRunning.splice(0)) resolve();
      void this.attempt(language.t.files.title, () => this.refreshFiles());
    } else if (state === 'off') {
      this.files = [];
    }
    if (this.client && state !== 'loading' && state !== 'booting')
      void this.attempt(language.t.disks.title, () => this.refreshDisks());
  }

  async #ask<T>(action: (client: LabClient) => Promise<T>): Promise<T> {
    this.#asks++;
    try {
      return await action(this.connected());
    } finally {
      this.#asks--;
    }
  }

  async #start<T>(action: (client: LabClient) => Promise<T>): Promise<T> {
    this.#startsUnderWay++;
    try {
      return await this.#ask(action);
    } finally {
      this.#startsUnderWay--;
    }
  }

  #rejectWaiters(error: Error): void {
    for (const { reject } of this.#whenRunning.splice(0)) reject(error);
  }

  /** A machine that halted by itself still holds its disk until it is switched off. */
  async #release(): Promise<void> {
    if (this.power === 'halted') await this.connected().powerCut();
  }

  #died(error: WorkerGone): void {
    this.#gone = error;
    this.client = undefined;
    this.notices.error('worker.died', error.message);
    this.#rejectWaiters(error);
    if (this.isOn) this.#powerChanged('crashed', error.reason);
  }

  /** "tutorial", "tutorial 2" …: two disks of one name cannot be told apart. */
  #freeName(wanted: string): string {
    const base = wanted.trim() || 'disk';
    const taken = this.disks.map((d) => d.name);
    let name = base;
    for (let n = 2; taken.includes(name); n++) name = `${base} ${n}`;
    return name;
  }
}

/** Without a choice the device line has its say. */
function cacheOption(cache: CacheMode | undefined): Pick<PowerOnOptions, 'cache'> {
  return cache === undefined ? {} : { cache };
}

function crashed(reason: string): Error {
  return new Error(sentence(`The machine has crashed: ${reason}`));
}

/** Reasons are phrases ("power cut") or sentences. */
function sentence(text: string): string {
  return /[.!?。]$/.test(text) ? text : `${text}.`;
}

function newest(disks: readonly DiskRow[]): DiskRow | undefined {
  return [...disks].sort((a, b) => b.createdAtMs - a.createdAtMs)[0];
}

function sameCounters(a: Counters, b: Counters): boolean {
  return (
    a.commands === b.commands &&
    a.readBytes === b.readBytes &&
    a.writtenBytes === b.writtenBytes &&
    a.erases === b.erases &&
    a.pendingCommits === b.pendingCommits
  );
}
