import type { CacheMode, DeviceLineResult, DiskRow, GeometryReport } from '../../rpc/protocol.ts';
import { messageOf, type LabClient } from './connection.ts';
import {
  DEFAULT_CMDLINE,
  DEFAULT_MEMORY_MIB,
  GIB,
  MAX_MEMORY_MIB,
  MIB,
  MIN_MEMORY_MIB,
  presetOf,
  TUTORIAL,
  type Preset,
} from './defaults.ts';
import { recall, recallNumber, remember } from './remember.ts';

export type SizeUnit = 'MiB' | 'GiB';
export type Kept = 'indexeddb' | 'memory';

export interface PickedFile {
  readonly name: string;
  readonly bytes: ArrayBuffer;
}

interface Question {
  readonly line: string;
  readonly sizeBytes: number;
  readonly begin: number;
  readonly end: number;
  readonly memoryMiB: number;
}

const DEBOUNCE_MS = 250;

/** The set-up panel's draft: device line, disk, machine, and what the worker says to it. */
export class SetupState {
  line = $state(TUTORIAL.line);
  sizeValue = $state(TUTORIAL.sizeBytes / GIB);
  sizeUnit = $state<SizeUnit>('GiB');
  diskName = $state<string>(TUTORIAL.id);
  kept = $state<Kept>('indexeddb');
  lunBegin = $state(0);
  lunEnd = $state(3);
  memoryMiB = $state(recallNumber('memoryMiB', DEFAULT_MEMORY_MIB, MIN_MEMORY_MIB, MAX_MEMORY_MIB));
  cmdline = $state(recall('cmdline') ?? DEFAULT_CMDLINE);
  /** The cache mode that was chosen here; it is not remembered: a careless one must not outlive the page. */
  cacheChoice = $state<CacheMode>();
  /** Boot the kernel at each power-on. */
  cold = $state(recall('cold') !== undefined);
  kernel = $state.raw<PickedFile>();
  initrd = $state.raw<PickedFile>();

  parsed = $state.raw<DeviceLineResult>();
  report = $state.raw<GeometryReport>();
  reportError = $state('');
  /** The line was edited and the answer is not in yet. */
  pending = $state(true);

  readonly sizeBytes = $derived(
    Math.round((Number(this.sizeValue) || 0) * (this.sizeUnit === 'GiB' ? GIB : MIB)),
  );
  /** The one that power on will use: as chosen, or as the line's -drive says. */
  readonly cache = $derived<CacheMode>(
    this.cacheChoice ?? (this.parsed?.ok ? this.parsed.cache : undefined) ?? 'writethrough',
  );
  readonly preset = $derived(presetOf(this.line, this.sizeBytes));
  readonly luns = $derived(this.parsed?.ok ? this.parsed.geometry.numCh * this.parsed.geometry.numLun : 0);
  readonly ready = $derived(!this.pending && this.parsed?.ok === true && this.sizeBytes > 0);
  readonly command = $derived(
    `nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b ${this.lunBegin} -e ${this.lunEnd}`,
  );

  #round = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  usePreset(preset: Preset): void {
    this.line = preset.line;
    this.setSize(preset.sizeBytes);
    this.diskName = preset.id;
  }

  useDisk(disk: DiskRow): void {
    this.line = disk.deviceLine;
    this.setSize(disk.sizeBytes);
  }

  setSize(bytes: number): void {
    this.sizeUnit = bytes % GIB === 0 ? 'GiB' : 'MiB';
    this.sizeValue = bytes / (this.sizeUnit === 'GiB' ? GIB : MIB);
  }

  rememberMachine(): void {
    remember('memoryMiB', String(this.memoryMiB));
    remember('cold', this.cold ? 'yes' : undefined);
    remember('cmdline', this.cmdline === DEFAULT_CMDLINE ? undefined : this.cmdline);
  }

  /** What the worker is asked about; reading it makes an effect run again when any of it changes. */
  readonly question = $derived({
    line: this.line,
    sizeBytes: this.sizeBytes,
    begin: Number(this.lunBegin) || 0,
    end: Number(this.lunEnd) || 0,
    memoryMiB: Number(this.memoryMiB) || DEFAULT_MEMORY_MIB,
  });

  /** Asks the worker, a moment later: the reader may still be typing. */
  ask(client: LabClient | undefined, question: Question): void {
    const round = ++this.#round;
    clearTimeout(this.#timer);
    this.pending = true;
    if (!client) return;
    this.#timer = setTimeout(() => void this.#answer(client, round, question), DEBOUNCE_MS);
  }

  async #answer(client: LabClient, round: number, { line, sizeBytes, begin, end, memoryMiB }: Question) {
    let parsed: DeviceLineResult;
    try {
      parsed = await client.parseDevice(line, sizeBytes);
    } catch (error) {
      parsed = { ok: false, error: messageOf(error) };
    }
    let report: GeometryReport | undefined;
    let reportError = '';
    if (parsed.ok && parsed.kind !== 'plain') {
      const last = parsed.geometry.numCh * parsed.geometry.numLun - 1;
      try {
        report = await client.report(line, sizeBytes, Math.min(begin, last), Math.min(end, last), memoryMiB);
      } catch (error) {
        reportError = messageOf(error);
      }
    }
    // Typed on meanwhile: a later answer is coming.
    if (round !== this.#round) return;
    this.parsed = parsed;
    // A line that says how large the disk is decides; the field follows, and is what the disk is compared with.
    if (parsed.ok && parsed.sizeBytes !== sizeBytes) this.setSize(parsed.sizeBytes);
    this.report = report;
    this.reportError = reportError;
    this.pending = false;
    if (report) {
      this.lunBegin = report.lunBegin;
      this.lunEnd = report.lunEnd;
    }
  }
}
