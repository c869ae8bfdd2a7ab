import { transfer } from 'comlink';
import { buildConfig, mediumOf, parseDeviceLine } from '../src/lab/device-line.ts';
import { LabError, sentenceOf } from '../src/lab/errors.ts';
import type { LabDevice } from '../src/lab/device.ts';
import { Lab, type LabEnvironment } from '../src/lab/lab.ts';
import { geometryReport } from '../src/lab/report.ts';
import type { DeviceLineResult, GeometryReport, MapShape, PowerState } from '../src/lab/types.ts';
import type {
  ContinueLines,
  DiskFileKind,
  DiskRow,
  ImportRequest,
  LabRemote,
  LabStatus,
  PageMessage,
  PowerOnOptions,
  SavedLabRow,
  StorageInfo,
  TraceFrame,
  WatchOptions,
  WorkerMessage,
} from '../src/rpc/protocol.ts';
import type { DiskCatalogue, DiskSummary } from '../src/storage/catalogue.ts';
import { IndexedDbCatalogue } from '../src/storage/indexeddb.ts';
import { ElsewhereError } from '../src/storage/indexeddb/errors.ts';
import type { SavedLabs } from '../src/storage/saved-labs.ts';
import { USUAL_MIB } from './site-guest.ts';
import { exportOverPort, importOverPort, linesFor } from './disk-transfers.ts';
import { diskVersion, LabKeeper } from './lab-keeper.ts';

export interface RemoteParts {
  readonly memory: DiskCatalogue;
  /** Undefined where the browser has none; `reason` then says why. */
  indexedDb(): Promise<{ catalogue: DiskCatalogue | undefined; reason: string }>;
  /** Where running machines are saved; absent where none can be. */
  readonly savedLabs?: SavedLabs;
  readonly environment: LabEnvironment;
}

/** From the power's going off until a next start is made ready: a reader may want it on again at once. */
const PREPARE_MS = 1000;

/** Frames wait for each other at most so long while nothing happens, so that "writing…" turns into "saved". */
const IDLE_FRAME_MS = 100;

/**
 * The worker's half of src/rpc/protocol.ts: hands calls on to the lab and its disks, and what the lab
 * tells to the page's port.
 */
export class LabServer implements LabRemote {
  private readonly parts: RemoteParts;
  private port: MessagePort | undefined;
  private lab: Lab | undefined;
  private frameWanted = false;
  private frameTimer: ReturnType<typeof setTimeout> | undefined;
  private lastCounters = '';
  private watching: WatchOptions = { device: true, guest: true };
  private keeper: LabKeeper | undefined;
  private prepareTimer: ReturnType<typeof setTimeout> | undefined;
  /** Of the last machine, which the next one will most likely have as well. */
  private memoryMiB = USUAL_MIB;

  constructor(parts: RemoteParts) {
    this.parts = parts;
  }

  async init(port: MessagePort): Promise<void> {
    this.port = port;
    port.onmessage = (event: MessageEvent<PageMessage>) => {
      if (event.data.type !== 'nextFrame') return;
      this.frameWanted = true;
      this.sendFrame();
    };
    this.lab = new Lab(this.parts.environment, {
      console: (tty, bytes) => {
        this.keeper?.console(tty, bytes);
        this.sendConsole(tty, bytes);
      },
      power: (state, reason) => {
        this.keeper?.power(state);
        this.post({ type: 'power', state, reason, cache: this.lab?.cacheMode });
        this.memoryMiB = this.lab?.memoryMiB ?? this.memoryMiB;
        this.prepareLater(state);
        if (state === 'off' || state === 'booting') this.post({ type: 'shape', map: this.shape() });
        if (state === 'off') this.post({ type: 'targets', targets: [] });
      },
      boot: (progress) => this.post({ type: 'boot', progress }),
      targets: (targets) => this.post({ type: 'targets', targets }),
      notice: (notice) => this.post({ type: 'notice', notice }),
      guestEvents: (events) => this.lab?.device?.trace?.guest(events),
      guestTold: (source, number, atMs) => this.lab?.device?.trace?.told(source, number, atMs) ?? false,
      opened: (device, disk) => {
        device.watch(this.watching.device);
        this.keeper?.opened(disk);
      },
      closing: (device) => {
        device.trace?.power(false);
        this.sendTrace(device);
      },
    });
    const { savedLabs } = this.parts;
    if (savedLabs)
      this.keeper = new LabKeeper({
        lab: this.lab,
        labs: savedLabs,
        catalogue: async () => (await this.parts.indexedDb()).catalogue,
        console: (tty, bytes) => this.sendConsole(tty, bytes),
      });
    this.prepareLater('off');
    await this.watch(this.watching);
  }

  /** A lab that is off makes ready for its next start, once nobody waits for this thread. */
  private prepareLater(state: PowerState): void {
    clearTimeout(this.prepareTimer);
    if (state === 'off') this.prepareTimer = setTimeout(() => this.lab?.prepare(this.memoryMiB), PREPARE_MS);
  }

  private sendConsole(tty: 0 | 1, bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.post({ type: 'console', tty, bytes: copy }, [copy.buffer]);
  }

  async watch(options: WatchOptions): Promise<void> {
    if (typeof options?.device !== 'boolean' || typeof options.guest !== 'boolean')
      throw new LabError(
        'power',
        'What is watched has to be said as { device: true or false, guest: true or false }.',
      );
    this.watching = { device: options.device, guest: options.guest };
    this.lab?.device?.watch(options.device);
    // A guest without the agent, or one that is off, tells nothing: that is no error.
    const change = options.guest ? this.lab?.startGuestTrace() : this.lab?.stopGuestTrace();
    change?.catch(() => {});
  }

  private post(message: WorkerMessage, buffers: Transferable[] = []): void {
    this.port?.postMessage(message, buffers);
  }

  private get theLab(): Lab {
    if (!this.lab) throw new LabError('power', 'The page has not connected to its worker yet; reload it.');
    return this.lab;
  }

  private shape(): MapShape | undefined {
    return this.lab?.device?.shape;
  }

  private sendTrace(device: LabDevice): void {
    const frame = device.takeTrace();
    if (frame) this.post({ type: 'trace', frame }, buffersOf(frame));
  }

  // Frames of the map: one when the page asks and something changed since the last.

  private sendFrame(): void {
    clearTimeout(this.frameTimer);
    const device = this.lab?.device;
    if (this.frameWanted && device) {
      const { map, counters } = device.takeFrame();
      const key = JSON.stringify(counters);
      const trace = device.takeTrace();
      if (map !== undefined || trace || key !== this.lastCounters) {
        this.lastCounters = key;
        this.frameWanted = false;
        const buffers = map ? Object.values(map).map((a: Uint8Array | Uint32Array) => a.buffer) : [];
        const moved = [...(buffers as ArrayBuffer[]), ...buffersOf(trace)];
        this.post({ type: 'frame', map, counters, trace }, moved);
        return;
      }
    }
    if (this.frameWanted) this.frameTimer = setTimeout(() => this.sendFrame(), IDLE_FRAME_MS);
  }

  // Storage and disks ------------------------------------------------------------------------------

  async storage(): Promise<StorageInfo> {
    const { catalogue, reason } = await this.parts.indexedDb();
    const manager = (navigator as Navigator | undefined)?.storage as StorageManager | undefined;
    const estimate = await manager?.estimate?.().catch(() => undefined);
    const persisted = await manager?.persisted?.().catch(() => undefined);
    return {
      indexedDb: catalogue !== undefined,
      reason,
      ...(estimate?.usage === undefined ? {} : { usageBytes: estimate.usage }),
      ...(estimate?.quota === undefined ? {} : { quotaBytes: estimate.quota }),
      ...(persisted === undefined ? {} : { persisted }),
    };
  }

  async persistStorage(): Promise<boolean> {
    // Only a window may ask (the prompt needs one); the page does and this answers what came of it.
    return (await navigator.storage?.persisted?.()) ?? false;
  }

  private async catalogues(): Promise<DiskCatalogue[]> {
    const { catalogue } = await this.parts.indexedDb();
    return catalogue ? [catalogue, this.parts.memory] : [this.parts.memory];
  }

  private async find(id: string): Promise<DiskCatalogue> {
    for (const catalogue of await this.catalogues()) {
      if ((await catalogue.list()).some((disk) => disk.id === id)) return catalogue;
    }
    throw new LabError('disk', 'That disk is not here any more; choose another or create one.');
  }

  private row(disk: DiskSummary): DiskRow {
    const open = this.lab?.diskId === disk.id;
    const units = (open ? this.lab?.unitsStored : undefined) ?? disk.unitsStored;
    const { id, name, deviceLine, sizeBytes, createdAtMs, kept, problem } = disk;
    return {
      id,
      name,
      deviceLine,
      sizeBytes,
      createdAtMs,
      kept,
      open,
      storedBytes: units * disk.unitBytes,
      ...(problem === undefined ? {} : { problem }),
    };
  }

  async listDisks(): Promise<readonly DiskRow[]> {
    const lists = await Promise.all((await this.catalogues()).map((catalogue) => catalogue.list()));
    return lists.flat().map((disk) => this.row(disk));
  }

  async createDisk(
    name: string,
    line: string,
    sizeBytes: number,
    kept: 'indexeddb' | 'memory',
  ): Promise<DiskRow> {
    const built = buildConfig(line, sizeBytes);
    if (!built.ok) throw new LabError('device', built.error);
    const { catalogue, reason } = await this.parts.indexedDb();
    const home = kept === 'memory' ? this.parts.memory : catalogue;
    if (!home) throw new LabError('disk', reason);
    // Some lines say how large the disk is, whatever was asked for.
    const spec = { name, deviceLine: line, sizeBytes: built.result.sizeBytes };
    return this.row(await home.create({ ...spec, ...mediumOf(built.config) }));
  }

  async renameDisk(id: string, name: string): Promise<DiskRow> {
    return this.row(await (await this.find(id)).rename(id, name));
  }

  async wipeDisk(id: string): Promise<DiskRow> {
    return this.row(await (await this.find(id)).wipe(id));
  }

  async removeDisk(id: string): Promise<void> {
    await (await this.find(id)).remove(id);
  }

  async forkDisk(id: string, name: string): Promise<DiskRow> {
    const catalogue = await this.find(id);
    // What the guest was told is kept has to be in the fork, even if it waits in a write cache.
    if (this.lab?.diskId === id) await this.lab.settleDisk();
    return this.row(await catalogue.fork(id, name));
  }

  async exportDisk(id: string, kind: DiskFileKind, port: MessagePort): Promise<void> {
    const disk = await (await this.find(id)).open(id);
    try {
      await exportOverPort(disk, kind, port);
    } finally {
      await disk.close();
    }
  }

  async importDisk(request: ImportRequest, port: MessagePort): Promise<DiskRow> {
    const { catalogue, reason } = await this.parts.indexedDb();
    const home = request.kept === 'memory' ? this.parts.memory : catalogue;
    if (!home) throw new LabError('disk', reason);
    const names = (await this.listDisks()).map(({ name }) => name);
    return this.row(await importOverPort(home, request, names, port));
  }

  async continueLines(id: string): Promise<ContinueLines | undefined> {
    const disk = (await (await this.find(id)).list()).find((one) => one.id === id);
    return disk && linesFor(disk);
  }

  // Device lines -------------------------------------------------------------------------------------

  async parseDevice(line: string, sizeBytes: number): Promise<DeviceLineResult> {
    return parseDeviceLine(line, sizeBytes);
  }

  async report(
    line: string,
    sizeBytes: number,
    lunBegin?: number,
    lunEnd?: number,
    memoryMiB = 128,
  ): Promise<GeometryReport> {
    const built = buildConfig(line, sizeBytes);
    if (!built.ok) throw new LabError('device', built.error);
    const { numCh, numLun } = built.result.geometry;
    return geometryReport(built.config, lunBegin ?? 0, lunEnd ?? numCh * numLun - 1, {
      memoryBytes: memoryMiB * 1024 * 1024,
    });
  }

  // Power and the guest --------------------------------------------------------------------------------

  async status(): Promise<LabStatus> {
    return { power: this.theLab.power, diskId: this.theLab.diskId, map: this.shape() };
  }

  async powerOn(options: PowerOnOptions): Promise<void> {
    const { diskId, memoryMiB, cmdline, kernel, initrd, cold, cache } = options;
    const catalogue = await this.find(diskId);
    if (options.takeOver && catalogue instanceof IndexedDbCatalogue) await catalogue.takeOver(diskId);
    const started = this.theLab.powerOn({
      catalogue,
      diskId,
      memoryMiB,
      cmdline,
      cold: cold === true,
      diskVersion,
      ...(cache === undefined ? {} : { cache }),
      ...(kernel ? { kernel } : {}),
      ...(initrd ? { initrd } : {}),
    });
    await started.catch((error: unknown) => {
      if (error instanceof ElsewhereError) this.post({ type: 'elsewhere', diskId });
      throw error;
    });
  }

  async powerOff(timeoutMs?: number): Promise<void> {
    await this.theLab.powerOff(timeoutMs);
  }
  async powerCut(): Promise<void> {
    await this.theLab.powerCut();
  }
  async reset(): Promise<void> {
    await this.theLab.reset();
  }

  // Saved machines -------------------------------------------------------------------------------------

  private get theKeeper(): LabKeeper {
    if (!this.keeper) throw new LabError('save', 'Machines cannot be saved here.');
    return this.keeper;
  }

  async savedLabs(): Promise<readonly SavedLabRow[]> {
    return (await this.keeper?.list()) ?? [];
  }
  async saveLab(name: string): Promise<SavedLabRow> {
    if (typeof name !== 'string') throw new LabError('save', 'The name of a saved machine has to be text.');
    return this.theKeeper.save(name);
  }
  async resumeLab(id: string): Promise<{ diskId: string } | undefined> {
    try {
      return await this.theKeeper.resume(id);
    } catch (error) {
      if (!(error instanceof ElsewhereError)) throw error;
      const head = await this.parts.savedLabs?.head(id);
      if (head) this.post({ type: 'elsewhere', diskId: head.diskId });
      return undefined;
    }
  }
  async removeLab(id: string): Promise<void> {
    await this.theKeeper.remove(id);
  }
  async pageHidden(): Promise<void> {
    await this.keeper?.hidden();
  }

  exec(command: string, options?: { timeoutMs?: number }) {
    this.keeper?.touched();
    return this.theLab.exec(command, options);
  }

  async forgetTarget(name: string): Promise<void> {
    this.theLab.forgetTarget(name);
  }

  consoleSend(tty: 0 | 1, bytes: Uint8Array): void {
    this.keeper?.touched();
    try {
      this.theLab.consoleSend(tty, bytes);
    } catch (error) {
      this.post({ type: 'notice', notice: { level: 'warning', code: 'console', text: sentenceOf(error) } });
    }
  }
  consoleResize(tty: 0 | 1, cols: number, rows: number): void {
    this.theLab.consoleResize(tty, cols, rows);
  }

  async putFile(name: string, bytes: Uint8Array): Promise<void> {
    this.keeper?.touched();
    await this.theLab.putFile(name, bytes);
  }
  async getFile(name: string): Promise<Uint8Array> {
    const bytes = await this.theLab.getFile(name);
    return transfer(bytes, [bytes.buffer as ArrayBuffer]);
  }
  listFiles() {
    return this.theLab.listFiles();
  }

  // The map ----------------------------------------------------------------------------------------------

  async mapSnapshot() {
    return this.theLab.device?.snapshot();
  }
  async chunkDetails(ch: number, lun: number, chk: number) {
    return this.open().chunkDetails(ch, lun, chk);
  }
  async commandLog(afterSequence = 0) {
    return this.theLab.device?.commandEvents(afterSequence) ?? [];
  }
  async counters() {
    const device = this.lab?.device;
    return device && { ...device.counters(), atMs: performance.now() };
  }
  async lastRefused() {
    return this.theLab.device?.lastRefused();
  }
  async sectorBytes(address: Parameters<LabRemote['sectorBytes']>[0]) {
    return this.open().sectorBytes(address);
  }

  private open() {
    const device = this.theLab.device;
    if (!device) throw new LabError('power', 'No disk is open; power on first.');
    return device;
  }
}

function buffersOf(frame: TraceFrame | undefined): ArrayBuffer[] {
  const bytes = frame?.segment?.bytes ?? frame?.state;
  return bytes ? [bytes.buffer as ArrayBuffer] : [];
}
