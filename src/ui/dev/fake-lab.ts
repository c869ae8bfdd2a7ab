/**
 * A lab without an emulator, for working on the page: `npm run dev`, then `?fake`. Boots in two seconds,
 * echoes what is typed and keeps writing to its flash. `?fake&crash` crashes once it runs. Never in a
 * build: only imported behind import.meta.env.DEV.
 */
import type {
  ChunkStateName,
  ContinueLines,
  DeviceLineResult,
  DiskFileKind,
  DiskRow,
  GeometryReport,
  ImportRequest,
  LabRemote,
  MapFrame,
  MapShape,
  PageMessage,
  PowerState,
  TraceFrame,
  TransferDown,
  WorkerMessage,
} from '../../rpc/protocol.ts';
import type { Connection, ConnectionListener, LabClient } from '../state/connection.ts';
import { TraceEncoder } from '../../trace/encode.ts';
import { packModel } from '../../trace/model-state.ts';
import { TraceModel } from '../../trace/model.ts';
import { tee } from '../../trace/record.ts';
import { FakePblk } from './fake-trace.ts';

const STATES: Readonly<Record<number, ChunkStateName>> = { 1: 'free', 2: 'closed', 4: 'open', 8: 'offline' };

export function connectFake(listener: ConnectionListener): Connection {
  const lab = new FakeLab((message) => queueMicrotask(() => listener.message(message)));
  return {
    // Calls of the page's own thread look like those of a worker.
    client: new Proxy(lab as unknown as LabClient, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return undefined;
        return async (...args: unknown[]) => (method as (...args: unknown[]) => unknown).apply(lab, args);
      },
    }),
    dead: new Promise(() => {}),
    send: (message) => lab.take(message),
  };
}

class FakeLab implements LabRemote {
  readonly #post: (message: WorkerMessage) => void;
  readonly #files = new Map<string, Uint8Array>();
  #disks: DiskRow[] = [];
  #power: PowerState = 'off';
  #diskId: string | undefined;
  #shape: MapShape | undefined;
  #state = new Uint8Array(0);
  #written = new Uint32Array(0);
  #erases = new Uint32Array(0);
  #dirty = new Map<number, number>();
  #life = 0;
  #encoder = new TraceEncoder();
  #model: TraceModel | undefined;
  #pblk: FakePblk | undefined;
  #traceBegun = false;
  #counters = { commands: 0, readBytes: 0, writtenBytes: 0, erases: 0, pendingCommits: 0 };

  constructor(post: (message: WorkerMessage) => void) {
    this.#post = post;
  }

  async init(): Promise<void> {
    // Nothing to fetch.
  }

  async storage() {
    return { indexedDb: true, reason: '', usageBytes: 3e8, quotaBytes: 6e10, persisted: false };
  }

  async persistStorage() {
    return false;
  }

  async parseDevice(line: string, sizeBytes: number): Promise<DeviceLineResult> {
    const words = line.replace(/^\s*-device\s+/, '').split(',');
    const given = new Map(words.slice(1).map((w) => w.split('=') as [string, string]));
    const of = (name: string, fallback: number) => Number(given.get(name) ?? fallback);
    if (!words[0]?.startsWith('nvme'))
      return { ok: false, error: `"${words[0]}" is not a device known here; nvme is.` };
    const pln = of('lnum_pln', 1);
    if (![1, 2, 4].includes(pln))
      return {
        ok: false,
        option: 'lnum_pln',
        error: `lnum_pln=${pln}: only 1, 2 or 4 planes exist; lnum_pln=2 would work.`,
      };
    const geometry = {
      numCh: of('lnum_ch', 1),
      numLun: of('lnum_lun', 1),
      numPln: pln,
      numChk: 0,
      numPg: of('lpgs_per_blk', 256),
      secsPerPg: of('lsecs_per_pg', 1),
      secSizeBytes: of('lsec_size', 4096),
      oobSizeBytes: of('lmetasize', 16),
    };
    const perChunk = geometry.secsPerPg * geometry.numPg * pln;
    geometry.numChk = Math.floor(sizeBytes / 4104 / perChunk / (geometry.numLun * geometry.numCh));
    return {
      ok: true,
      kind: of('lver', 0) === 1 ? 'ocssd12' : 'plain',
      dialect: 'qemu-nvme, branch ocssd12',
      notes: given.has('lbbtable')
        ? ['lbbtable=bbtable.qemu: the bad-block table is part of the disk here.']
        : [],
      options: [...given].map(([name, value]) => ({
        name,
        value,
        defaultValue: '1',
        given: true,
        meaning: 'what this option does here, in one phrase',
      })),
      geometry,
      totalSecs: Math.floor(sizeBytes / 4096),
      namespaces: 1,
      sizeBytes,
    };
  }

  async report(line: string, sizeBytes: number, lunBegin = 0, lunEnd = 0): Promise<GeometryReport> {
    const parsed = await this.parseDevice(line, sizeBytes);
    if (!parsed.ok) throw new Error(parsed.error);
    const g = parsed.geometry;
    const luns = lunEnd - lunBegin + 1;
    const chunkBytes = g.numPg * g.secsPerPg * g.numPln * 4096;
    const rawBytes = chunkBytes * g.numChk * luns;
    const fails = g.numChk < 11;
    const safe = (luns & (luns - 1)) === 0;
    return {
      lunBegin,
      lunEnd,
      createSucceeds: !fails,
      safe,
      reason: fails
        ? `pblk needs at least 11 chunks per LUN here and this disk has ${g.numChk}; a disk of 3 GiB or more works.`
        : safe
          ? ''
          : `${luns} LUNs: pblk accepts only powers of two without saying so; LUNs 0 to 3 work.`,
      lines: g.numChk,
      chunkBytes,
      rawBytes,
      usableSectors: fails ? 0 : Math.floor((rawBytes * 0.68) / 4096),
      usableBytes: fails ? 0 : rawBytes * 0.68,
      opPercent: 32,
      bufferEntries: 1024,
      bufferBytes: 4 << 20,
      l2pBytes: rawBytes / 1024,
      scanReads: g.numChk * luns * 2,
      chunkLogBytes: 0,
    };
  }

  async listDisks() {
    return this.#disks.map((d) => ({ ...d, open: d.id === this.#diskId && this.#power !== 'off' }));
  }

  async createDisk(name: string, deviceLine: string, sizeBytes: number, kept: 'indexeddb' | 'memory') {
    const id = `d${this.#disks.length + 1}`;
    const disk: DiskRow = {
      id,
      name,
      deviceLine,
      sizeBytes,
      storedBytes: 1 << 20,
      createdAtMs: Date.now(),
      kept,
      open: false,
    };
    this.#disks.push(disk);
    return disk;
  }

  async renameDisk(id: string, name: string) {
    this.#disks = this.#disks.map((d) => (d.id === id ? { ...d, name } : d));
    return this.#disk(id);
  }

  async wipeDisk(id: string) {
    return this.#disk(id);
  }

  async savedLabs() {
    return [];
  }

  async saveLab(): Promise<never> {
    throw new Error('The fake lab saves no machines.');
  }

  async resumeLab(): Promise<never> {
    throw new Error('The fake lab saves no machines.');
  }

  async removeLab() {}

  async pageHidden() {}

  async removeDisk(id: string) {
    this.#disks = this.#disks.filter((d) => d.id !== id);
  }

  async forkDisk(id: string, name: string) {
    const { deviceLine, sizeBytes, kept } = this.#disk(id);
    return this.createDisk(name, deviceLine, sizeBytes, kept === 'memory' ? 'memory' : 'indexeddb');
  }

  async exportDisk(_id: string, _kind: DiskFileKind, port: MessagePort): Promise<void> {
    let pieces = 0;
    await new Promise<void>((resolve) => {
      port.onmessage = async ({ data }: MessageEvent<TransferDown>) => {
        await wait(50);
        if (data.type === 'cancel' || pieces === 40) {
          port.postMessage({ type: 'end' });
          return resolve();
        }
        pieces++;
        port.postMessage({ type: 'progress', doneBytes: pieces << 20, totalBytes: 40 << 20 });
        port.postMessage({ type: 'piece', bytes: new Uint8Array(1 << 10) });
      };
    });
  }

  async importDisk({ files, kept }: ImportRequest, port: MessagePort): Promise<DiskRow> {
    port.postMessage({ type: 'end' });
    return this.createDisk(files[0]?.name ?? 'imported', 'nvme,serial=x,lver=1', 1 << 29, kept);
  }

  async continueLines(id: string): Promise<ContinueLines> {
    return {
      format: 'raw12',
      qemu: `qemu-system-x86_64 \\\n  -device nvme,drive=${id}`,
      femu: 'femu,lver=1',
    };
  }

  async watch(): Promise<void> {
    // Always on.
  }

  async status() {
    return { power: this.#power, diskId: this.#diskId, map: this.#shape };
  }

  async powerOn(options: { diskId: string }) {
    const life = ++this.#life;
    const disk = this.#disk(options.diskId);
    this.#diskId = disk.id;
    const parsed = await this.parseDevice(disk.deviceLine, disk.sizeBytes);
    if (!parsed.ok) throw new Error(parsed.error);
    const started = performance.now();
    this.#set('loading');
    for (let done = 0; done <= 6e6 && life === this.#life; done += 1e6) {
      this.#boot('fetch', 'bzImage', started, done, 6e6);
      await wait(100);
    }
    this.#open({ ...parsed.geometry, kind: parsed.kind });
    this.#set('booting');
    const log = [
      'Linux version 5.10.223',
      'nvme nvme0: pci function 0000:00:08.0',
      'nvm: registered nvme0n1',
    ];
    for (const stage of ['unpack', 'bios', 'kernel', 'init'] as const) {
      for (const line of log) {
        if (life !== this.#life) return;
        this.#boot(stage, `[    0.${Math.floor(performance.now() - started)}] ${line}`, started);
        if (stage === 'kernel') this.#say(0, `[    0.512] ${line}\r\n`);
        await wait(80);
      }
    }
    this.#boot('ready', '', started);
    this.#say(0, '\r\nWelcome to LightNVM Lab\r\n\x1b[1;32m/ #\x1b[0m ');
    this.#say(1, '\x1b[1;32m/ #\x1b[0m ');
    this.#set('running');
    void this.#live(life);
    if (new URLSearchParams(location.search).has('crash')) {
      await wait(1500);
      this.#set('crashed', 'Kernel panic - not syncing: Attempted to kill init!');
    }
  }

  async powerOff() {
    this.#life++;
    this.#set('halted');
  }

  async powerCut() {
    this.#life++;
    this.#set('off');
    this.#shape = undefined;
    this.#post({ type: 'shape', map: undefined });
  }

  async reset() {
    await this.powerCut();
    if (this.#diskId) await this.powerOn({ diskId: this.#diskId });
  }

  async exec(command: string) {
    return { status: 0, output: `${command}: not a real machine\n` };
  }

  async forgetTarget() {}

  consoleSend(tty: 0 | 1, bytes: Uint8Array) {
    const text = new TextDecoder().decode(bytes);
    this.#say(tty, text === '\r' ? '\r\n\x1b[1;32m/ #\x1b[0m ' : text);
  }

  consoleResize() {
    // No window to tell.
  }

  async putFile(name: string, bytes: Uint8Array) {
    this.#files.set(name, bytes);
  }

  async getFile(name: string) {
    return this.#files.get(name) ?? new Uint8Array();
  }

  async listFiles() {
    return [...this.#files].map(([name, bytes]) => ({ name, sizeBytes: bytes.length }));
  }

  async mapSnapshot() {
    return this.#frame([...this.#state.keys()]);
  }

  async chunkDetails(ch: number, lun: number, chk: number) {
    const shape = this.#shape;
    if (!shape) throw new Error('No disk is open.');
    const first = ((chk * shape.numCh + ch) * shape.numLun + lun) * shape.numPln;
    const planes = Array.from({ length: shape.numPln }, (_, pln) => ({
      pln,
      state: STATES[this.#state[first + pln] ?? 1] ?? 'free',
      writtenSecs: this.#written[first + pln] ?? 0,
      secsPerBlk: shape.numPg * shape.secsPerPg,
      eraseCount: this.#erases[first + pln] ?? 0,
      badBlock: this.#state[first + pln] === 8 ? 'grown bad' : 'good',
    }));
    return { ch, lun, chk, planes };
  }

  async commandLog() {
    return [];
  }

  async counters() {
    return { ...this.#counters, atMs: performance.now() };
  }

  async lastRefused() {
    return undefined;
  }

  async sectorBytes() {
    return undefined;
  }

  take(message: PageMessage) {
    if (message.type !== 'nextFrame') return;
    const blocks = [...this.#dirty.keys()];
    const map = blocks.length > 0 ? this.#frame(blocks) : undefined;
    this.#dirty.clear();
    this.#post({ type: 'frame', map, counters: { ...this.#counters }, trace: this.#takeTrace() });
  }

  #takeTrace(): TraceFrame | undefined {
    if (!this.#model) return undefined;
    if (!this.#traceBegun) {
      this.#traceBegun = true;
      this.#encoder.drop();
      return { state: packModel(this.#model), lost: false };
    }
    const segment = this.#encoder.take();
    return segment && { segment, lost: false };
  }

  #open(shape: MapShape) {
    this.#shape = shape;
    const blocks = shape.numCh * shape.numLun * shape.numChk * shape.numPln;
    this.#state = new Uint8Array(blocks).fill(1);
    this.#written = new Uint32Array(blocks);
    this.#erases = new Uint32Array(blocks);
    const perChunk = shape.numPln * shape.numLun * shape.numCh;
    for (const bad of [perChunk * 5 + 2 * shape.numPln, perChunk * 20 + 9 * shape.numPln])
      for (let p = 0; p < shape.numPln; p++) if (bad + p < blocks) this.#state[bad + p] = 8;
    this.#post({ type: 'shape', map: shape });
    if (shape.kind === 'plain') return;
    const table = { state: this.#state, writtenSecs: this.#written, eraseCount: this.#erases };
    const traced = { ...shape, wsOpt: shape.numPln * shape.secsPerPg };
    this.#model = new TraceModel(traced, table);
    this.#encoder = new TraceEncoder();
    this.#traceBegun = false;
    const isBad = (block: number) => this.#state[block] === 8;
    const startUs = Math.floor(performance.now() * 1000);
    this.#pblk = new FakePblk(traced, tee(this.#encoder, this.#model), { lines: 6, startUs, isBad });
  }

  /** Does what pblk does, in the time of the page: `?fake&fast` goes five times as fast. */
  async #live(life: number) {
    const { search } = location;
    const speed = new URLSearchParams(search).has('fast') ? 5 : 1;
    const pblk = this.#pblk;
    const startUs = pblk?.timeUs ?? 0;
    const startMs = performance.now();
    const begun = pblk && this.#takeTrace();
    if (begun) this.#post({ type: 'trace', frame: begun });
    pblk?.power('on');
    while (life === this.#life && pblk && this.#model) {
      // A slow machine has slow flash, and a page that still answers.
      const until = performance.now() + 8;
      const wantedUs = startUs + (performance.now() - startMs) * 1000 * speed;
      while (pblk.timeUs < wantedUs && performance.now() < until) pblk.step();
      const model = this.#model;
      for (const block of model.takeChanged()) {
        this.#state[block] = model.state[block] ?? 1;
        this.#written[block] = model.writtenSecs[block] ?? 0;
        this.#erases[block] = model.eraseCount[block] ?? 0;
        this.#dirty.set(block, model.lastOperation[block] ?? 0);
      }
      this.#counters.commands = pblk.commands;
      this.#counters.writtenBytes += 8 * 65536;
      this.#counters.pendingCommits = Math.random() < 0.5 ? 3 : 0;
      await wait(16);
    }
  }

  #frame(blocks: number[]): MapFrame {
    return {
      block: Uint32Array.from(blocks),
      state: Uint8Array.from(blocks, (b) => this.#state[b] ?? 1),
      writtenSecs: Uint32Array.from(blocks, (b) => this.#written[b] ?? 0),
      eraseCount: Uint32Array.from(blocks, (b) => this.#erases[b] ?? 0),
      lastOp: Uint8Array.from(blocks, (b) => this.#dirty.get(b) ?? 0),
    };
  }

  #disk(id: string): DiskRow {
    const disk = this.#disks.find((d) => d.id === id);
    if (!disk) throw new Error('That disk is gone.');
    return disk;
  }

  #set(state: PowerState, reason = '') {
    this.#power = state;
    this.#post({ type: 'power', state, reason });
  }

  #say(tty: 0 | 1, text: string) {
    this.#post({ type: 'console', tty, bytes: new TextEncoder().encode(text) });
  }

  #boot(
    stage: 'fetch' | 'unpack' | 'bios' | 'kernel' | 'init' | 'ready',
    detail: string,
    t0: number,
    done = 0,
    all = 0,
  ) {
    const elapsedMs = performance.now() - t0;
    const bytes = all > 0 ? { doneBytes: done, totalBytes: all } : {};
    this.#post({ type: 'boot', progress: { stage, start: 'cold', detail, elapsedMs, ...bytes } });
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
