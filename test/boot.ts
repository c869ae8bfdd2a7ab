import { buildConfig, mediumOf } from '../src/lab/device-line.ts';
import { Lab, type LabEnvironment, type PowerOptions, type SavedLab } from '../src/lab/lab.ts';
import type { BootProgress, DeviceFiles, ExecResult, Notice, PowerState } from '../src/lab/types.ts';
import { ensureBootStates } from '../src/headless/boot-states.ts';
import { guestFolder, nodeEnvironment } from '../src/headless/node-environment.ts';
import type { CacheMode } from '../src/storage/cache-mode.ts';
import type { DiskCatalogue } from '../src/storage/catalogue.ts';
import { MemoryCatalogue } from '../src/storage/memory.ts';

const MIB = 2 ** 20;

/** A booted lab for tests: the real guest on the real device, in Node. */
export interface Booted {
  readonly lab: Lab;
  readonly catalogue: DiskCatalogue;
  readonly diskId: string;
  readonly notices: Notice[];
  readonly powers: PowerState[];
  /** What was told of the starts. */
  readonly boots: BootProgress[];
  /** What it was switched on with. */
  readonly power: PowerOptions;
  /** What was on the first console, as text. */
  console(): string;
  /** Runs a command and fails the test if it fails. */
  run(command: string, timeoutMs?: number): Promise<string>;
  exec(command: string, timeoutMs?: number): Promise<ExecResult>;
  /** The plug is pulled and put in again; the disk is what it was. */
  powerCycle(): Promise<void>;
  off(): Promise<void>;
}

/** Made when it is first needed, which takes a boot; kept for later runs. */
let environment: Promise<LabEnvironment> | undefined;
const usualEnvironment = () =>
  (environment ??= ensureBootStates().then((states) => nodeEnvironment(guestFolder, states)));

export interface BootOptions {
  readonly line: string;
  readonly sizeMiB: number;
  readonly memoryMiB?: number;
  readonly catalogue?: DiskCatalogue;
  readonly diskId?: string;
  readonly files?: DeviceFiles;
  readonly cache?: CacheMode;
  /** Boot the kernel, instead of going on from a guest that has booted: where the boot is what is tested. */
  readonly cold?: boolean;
  readonly environment?: LabEnvironment;
  /** Go on from this. */
  readonly resume?: SavedLab;
  readonly diskVersion?: () => string;
}

/** A guest that is ready for commands: restored with the default RAM, booted with another. */
export async function boot(options: BootOptions): Promise<Booted> {
  const sizeBytes = options.sizeMiB * MIB;
  const built = buildConfig(options.line, sizeBytes, options.files);
  if (!built.ok) throw new Error(built.error);
  const catalogue = options.catalogue ?? new MemoryCatalogue();
  const diskId =
    options.diskId ??
    (
      await catalogue.create({
        name: 'test',
        deviceLine: options.line,
        sizeBytes: built.result.sizeBytes,
        ...mediumOf(built.config),
      })
    ).id;
  const notices: Notice[] = [];
  const powers: PowerState[] = [];
  const boots: BootProgress[] = [];
  const decoder = new TextDecoder();
  let consoleText = '';
  const lab = new Lab(options.environment ?? (await usualEnvironment()), {
    console: (tty, bytes) => {
      if (tty === 0) consoleText += decoder.decode(bytes, { stream: true });
    },
    power: (state) => powers.push(state),
    boot: (progress) => boots.push(progress),
    notice: (notice) => notices.push(notice),
  });
  const power = {
    catalogue,
    diskId,
    memoryMiB: options.memoryMiB ?? 128,
    cmdline: '',
    cold: options.cold ?? false,
    ...(options.files && { files: options.files }),
    ...(options.cache && { cache: options.cache }),
    ...(options.diskVersion && { diskVersion: options.diskVersion }),
  };
  const on = async (resume?: SavedLab) => {
    await lab.powerOn({ ...power, ...(resume && { resume }) });
    await lab.whenReady();
  };
  await on(options.resume);
  const exec = (command: string, timeoutMs = 240_000) => lab.exec(command, { timeoutMs });
  return {
    lab,
    catalogue,
    diskId,
    notices,
    powers,
    boots,
    power,
    console: () => consoleText,
    exec,
    async run(command, timeoutMs) {
      const { status, output } = await exec(command, timeoutMs);
      if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
      return output;
    },
    async powerCycle() {
      await lab.powerCut();
      await on();
    },
    off: () => lab.powerCut(),
  };
}

export const tutorialLine =
  '-device nvme,drive=mynvme,serial=deadbeef,namespaces=1,lver=1,lmetasize=16,ll2pmode=0,nlbaf=5,lba_index=3,mdts=10,lnum_lun=16,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=512,lbbtable=bbtable.qemu,lmetadata=meta.qemu,ldebug=1';

/** A 1.2 device line with the parts given. */
export function line12(parts: string): string {
  return `nvme,serial=test,lver=1,lba_index=3,nlbaf=5,mdts=10,lmetasize=16,${parts}`;
}

export const createTarget = (begin: number, end: number, name = 'mydevice') =>
  `nvme lnvm create -d nvme0n1 -n ${name} -t pblk -b ${begin} -e ${end}`;

/** Lines of the kernel log that mean that something is broken. */
export function kernelComplaints(dmesg: string): string[] {
  return dmesg.split('\n').filter((line) => /WARNING|BUG|Oops|Call Trace|timeout/.test(line));
}
