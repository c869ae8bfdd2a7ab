/**
 * Checks of what the machine boots, before v86 sees it: v86 loads a file that is not a kernel without
 * a word and then runs whatever the BIOS finds, and a file that is too large overwrites something.
 *
 * Field names and offsets are those of "The Linux/x86 Boot Protocol" (Documentation/x86/boot.rst).
 */
import { MachineError } from './errors.ts';

const MIB = 1024 * 1024;

/** v86 puts the initramfs here (src/kernel.js), so RAM must reach beyond. */
export const INITRD_ADDRESS = 64 * MIB;
/** v86 puts the protected-mode kernel here. */
export const KERNEL_ADDRESS = MIB;
export const MIN_MEMORY_BYTES = 64 * MIB;
export const MAX_MEMORY_BYTES = 1024 * MIB;

const SETUP_SECTS = 0x1f1;
const SYSSIZE = 0x1f4;
const BOOT_FLAG = 0x1fe;
const HEADER = 0x202;
const VERSION = 0x206;
const LOADFLAGS = 0x211;
const CMDLINE_SIZE = 0x238;
/** The last field we read ends here. */
const HEADER_END = 0x264;
const LOADED_HIGH = 1;
const HDRS = 0x53726448; // "HdrS"

export type Bytes = ArrayBuffer | Uint8Array;

/** The bytes as an array of their own that nobody else can see, its length padded to a multiple of four with zeros. */
export function ownBuffer(bytes: Bytes): ArrayBuffer {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const copy = new Uint8Array((view.length + 3) & ~3);
  copy.set(view);
  return copy.buffer;
}

/** Throws unless `bytes` is RAM that v86 can give and that this machine is meant for. */
export function checkMemorySize(memoryBytes: number): void {
  const whole = Number.isSafeInteger(memoryBytes) && memoryBytes % MIB === 0;
  if (!whole || memoryBytes < MIN_MEMORY_BYTES || memoryBytes > MAX_MEMORY_BYTES) {
    throw new MachineError(
      'memory',
      `The machine takes ${MIN_MEMORY_BYTES / MIB} to ${MAX_MEMORY_BYTES / MIB} MiB of memory in whole MiB, and ` +
        `${whole ? `${memoryBytes / MIB} MiB` : `${memoryBytes} bytes`} was asked for.`,
    );
  }
}

/** Throws unless `bytes` is a complete bzImage that may be loaded below the initramfs with this command line. */
export function checkKernel(bytes: Bytes, cmdline: string): void {
  const image = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const refuse = (why: string): never => {
    throw new MachineError('kernel', `The kernel image cannot be booted: ${why}.`);
  };
  if (image.length < HEADER_END) refuse(`it has ${image.length} bytes, less than a boot header`);
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (view.getUint16(BOOT_FLAG, true) !== 0xaa55) refuse('the boot flag AA55h is missing at byte 1FEh');
  if (view.getUint32(HEADER, true) !== HDRS) refuse('the signature "HdrS" is missing at byte 202h');
  const version = view.getUint16(VERSION, true);
  if (version < 0x206) refuse(`its boot protocol is ${version >> 8}.${version & 0xff}, and 2.6 is the least`);
  if ((view.getUint8(LOADFLAGS) & LOADED_HIGH) === 0)
    refuse('it is a zImage, and only a bzImage is loaded high');
  const setupBytes = setupBytesOf(image);
  const wholeBytes = setupBytes + view.getUint32(SYSSIZE, true) * 16;
  if (setupBytes >= image.length || image.length + 15 < wholeBytes) {
    refuse(`it is cut short at ${image.length} of ${wholeBytes} bytes`);
  }
  if (KERNEL_ADDRESS + image.length - setupBytes > INITRD_ADDRESS) {
    refuse(`its ${image.length} bytes do not fit below the initramfs at ${INITRD_ADDRESS / MIB} MiB`);
  }
  checkCmdline(cmdline, view.getUint32(CMDLINE_SIZE, true));
}

/** Bytes of a bzImage before the protected-mode kernel. */
function setupBytesOf(image: Uint8Array): number {
  return ((image[SETUP_SECTS] || 4) + 1) * 512;
}

/** Bytes of a bzImage that v86 puts at {@link KERNEL_ADDRESS}. */
export function protectedBytesOf(bytes: Bytes): number {
  const image = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return image.length - setupBytesOf(image);
}

/** Throws unless v86, which copies one byte per character, passes this command line on unchanged. */
function checkCmdline(cmdline: string, maxBytes: number): void {
  if (!/^[\x20-\x7e]*$/.test(cmdline)) {
    throw new MachineError('cmdline', 'The kernel command line may hold printable ASCII characters only.');
  }
  if (cmdline.length >= maxBytes) {
    throw new MachineError(
      'cmdline',
      `The kernel command line has ${cmdline.length} characters, and this kernel takes at most ${maxBytes - 1}.`,
    );
  }
}

/** Throws unless an initramfs of so many bytes fits between its load address and the end of RAM. */
export function checkInitrd(initrdBytes: number, memoryBytes: number): void {
  if (initrdBytes === 0) throw new MachineError('initrd', 'The initramfs is empty.');
  if (INITRD_ADDRESS + initrdBytes > memoryBytes) {
    const needMib = Math.ceil((INITRD_ADDRESS + initrdBytes) / MIB);
    throw new MachineError(
      'initrd',
      `The initramfs is loaded at ${INITRD_ADDRESS / MIB} MiB and has ${initrdBytes} bytes, so the machine needs at ` +
        `least ${needMib} MiB of memory and has ${memoryBytes / MIB} MiB.`,
    );
  }
}

/** Throws unless the two firmware images have sizes that fit where v86 copies them: below 1 MiB and at C0000h. */
export function checkFirmware(bios: Bytes, vgaBios: Bytes): void {
  if (bios.byteLength === 0 || bios.byteLength > 256 * 1024 || bios.byteLength % 0x10000 !== 0) {
    throw new MachineError(
      'firmware',
      `The BIOS image has ${bios.byteLength} bytes, and 64, 128, 192 or 256 KiB are expected.`,
    );
  }
  const vga = vgaBios instanceof Uint8Array ? vgaBios : new Uint8Array(vgaBios);
  if (vga.length < 512 || vga.length > 64 * 1024 || vga[0] !== 0x55 || vga[1] !== 0xaa) {
    throw new MachineError('firmware', 'The VGA BIOS image is not an option ROM of at most 64 KiB.');
  }
}
