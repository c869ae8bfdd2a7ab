/** What a machine begins with (the images that its firmware boots, or a guest that has booted), and its making. */
import { barBytes, type NvmeController } from '../device/controller.ts';
import { Machine } from '../machine/machine.ts';
import type { PciPlug } from '../machine/pci.ts';
import type { SavedMachine } from '../machine/saved-state.ts';
import { SpareCore } from '../machine/spare-core.ts';
import type { WasmSource } from '../machine/wasm.ts';
import type { CacheMode } from '../storage/cache-mode.ts';
import type { DiskCatalogue, OpenDisk } from '../storage/catalogue.ts';
import type { SavedGuest } from './boot-state.ts';
import type { LabDevice } from './device.ts';
import { LabError } from './errors.ts';
import { DEFAULT_CMDLINE, type GuestImages, type OnProgress } from './guest-images.ts';
import type { SavedLab } from './saved-lab.ts';
import type { DeviceFiles } from './types.ts';

/** The slot of the NVMe function: 0000:00:08.0. */
const NVME_SLOT = 8;
const CLASS_NVM_EXPRESS = 0x010802;
const MIB = 1024 * 1024;

/** What a lab needs from the place it runs in: a worker of the page, or Node. */
export interface LabEnvironment {
  readonly wasm: WasmSource;
  /** Loads and checks the guest's files; asked again at each power-on, so it should remember. */
  guestImages(onProgress: OnProgress): Promise<GuestImages>;
  /**
   * The guest as it was saved after its boot, for a machine of that RAM; undefined where none was made.
   * Rejects with one sentence when there should be one: the lab then says so and boots.
   */
  savedGuest?(memoryMiB: number, onProgress: OnProgress): Promise<SavedGuest | undefined>;
}

export interface PowerOptions {
  /** Where the disk is kept, and which one it is. */
  readonly catalogue: DiskCatalogue;
  readonly diskId: string;
  /** 64 to 1024. */
  readonly memoryMiB: number;
  /** Kernel command line; empty for the usual one. */
  readonly cmdline: string;
  /** A reader's own kernel (bzImage) and initramfs instead of the built-in ones. */
  readonly kernel?: ArrayBuffer;
  readonly initrd?: ArrayBuffer;
  /** Boot the kernel even where a guest that has booted is at hand. */
  readonly cold?: boolean;
  /** When writes count as done; what a `-drive` of the device line says, or `writethrough`, where it is absent. */
  readonly cache?: CacheMode;
  /**
   * Go on from this saved lab, which may still be on its way, instead of booting: the disk has to be as it was then, and
   * memory, cache mode and files the same; kernel and command line are the saved guest's. Refused with a LabError
   * `resume`, and everything is off. A later reset boots.
   */
  readonly resume?: SavedLab | Promise<SavedLab>;
  /** What the caller knows a version of the disk by: kept with a saved lab, and compared when it goes on. */
  readonly diskVersion?: (disk: OpenDisk) => string | undefined | Promise<string | undefined>;
  /** What a device line names files for: faults, and the chunks or bad blocks that a new disk begins with. */
  readonly files?: DeviceFiles;
}

export type Beginning =
  { readonly images: GuestImages } | { readonly saved: SavedGuest } | { readonly resume: SavedLab };

/** A machine with the device plugged in. */
export interface WiredMachine {
  readonly machine: Machine;
  readonly controller: NvmeController;
}

type FromSaved = Exclude<Beginning, { readonly images: GuestImages }>;

function machineOf(beginning: FromSaved): SavedMachine {
  return 'resume' in beginning ? beginning.resume.machine : beginning.saved.machine;
}

/** How the disk of a saved lab was cached, which it has to be again. */
export function savedCache(beginning: Beginning): CacheMode | undefined {
  return 'resume' in beginning ? beginning.resume.cache : undefined;
}

/** A guest that has booted can stand in for what this would boot. */
export function mayBeInstant(options: PowerOptions, environment: LabEnvironment): boolean {
  const { cold, kernel, initrd, cmdline } = options;
  if (cold === true || kernel !== undefined || initrd !== undefined) return false;
  const isUsual = cmdline.trim() === '' || cmdline.trim() === DEFAULT_CMDLINE;
  return isUsual && environment.savedGuest !== undefined;
}

export async function loadImages(environment: LabEnvironment, onProgress: OnProgress): Promise<Beginning> {
  return { images: await environment.guestImages(onProgress) };
}

/** The images where no guest of that RAM was saved. */
export async function loadSaved(
  environment: LabEnvironment,
  { memoryMiB }: PowerOptions,
  onProgress: OnProgress,
): Promise<Beginning> {
  const saved = await environment.savedGuest?.(memoryMiB, onProgress);
  return saved === undefined ? loadImages(environment, onProgress) : { saved };
}

/** The emulator for a machine that goes on from something saved, which may still be on its way. */
export function spareCore({ wasm }: LabEnvironment, memoryMiB: number): SpareCore {
  return new SpareCore(wasm, memoryMiB * MIB);
}

/**
 * Rejects with a MachineError `state` when what was saved is no good: a guest that has booted before the device is
 * touched, a lab before its device has changed.
 * @param spare for a machine that does not boot; one is made where it is absent
 */
export async function plugIn(
  environment: LabEnvironment,
  options: PowerOptions,
  beginning: Beginning,
  device: LabDevice,
  spare?: SpareCore,
): Promise<WiredMachine> {
  let controller: NvmeController | undefined;
  const { vendorId, deviceId } = device.config;
  const plug: PciPlug = {
    slot: NVME_SLOT,
    name: 'nvme',
    vendorId,
    deviceId,
    classCode: CLASS_NVM_EXPRESS,
    revision: 2,
    subsystemVendorId: vendorId,
    subsystemId: deviceId,
    bar0Bytes: barBytes(device.config),
    attach: (ports, saved) => (controller = device.attach(ports, saved)),
    whyBusy: () => controller?.whyBusy() ?? null,
    save: () => controller?.save(),
  };
  const machine = await ('images' in beginning
    ? Machine.create({
        wasm: environment.wasm,
        memoryBytes: options.memoryMiB * MIB,
        plugs: [plug],
        bios: beginning.images.bios,
        vgaBios: beginning.images.vgaBios,
        kernel: options.kernel ?? beginning.images.kernel,
        // One's own kernel may bring its own initramfs or work with ours.
        initrd: options.initrd ?? beginning.images.initrd,
        cmdline: options.cmdline.trim() === '' ? DEFAULT_CMDLINE : options.cmdline,
      })
    : Machine.restore({
        core: spare ?? spareCore(environment, options.memoryMiB),
        plugs: [plug],
        saved: machineOf(beginning),
      }));
  if (!controller) throw new LabError('device', 'The device could not be plugged in.');
  return { machine, controller };
}
