/** What the machine's tests boot: a few instructions as a BIOS, or the guest's real images. */
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decompress } from 'fzstd';
import { Machine, type MachineOptions } from '../src/machine/machine.ts';
import type { PciPlug, PciPorts } from '../src/machine/pci.ts';

const MIB = 1024 * 1024;
export const CMDLINE = 'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on nowatchdog';
export const WASM_PATH = join(dirname(createRequire(import.meta.url).resolve('v86')), 'v86.wasm');
const GUEST_DIRECTORY = fileURLToPath(new URL('../public/guest/', import.meta.url));

// Real images -----------------------------------------------------------------------------------------

export type GuestFiles = Pick<MachineOptions, 'bios' | 'vgaBios' | 'kernel'> & { initrd: Uint8Array };

/** The images of public/guest, unpacked; null when they have not been built. */
export async function guestFiles(): Promise<GuestFiles | null> {
  const names: string[] = await readdir(GUEST_DIRECTORY).catch(() => []);
  const initramfs = names.find((name) => /^initramfs/.test(name));
  if (initramfs === undefined || !names.includes('bzImage')) return null;
  const read = (name: string): Promise<Buffer> => readFile(join(GUEST_DIRECTORY, name));
  const packed = await read(initramfs);
  return {
    bios: await read('seabios.bin'),
    vgaBios: await read('vgabios.bin'),
    kernel: await read('bzImage'),
    initrd: initramfs.endsWith('.zst') ? decompress(packed) : packed,
  };
}

/** The bytes a channel sends, as text, and a way to wait for some of it. */
export class Transcript {
  text = '';
  #waiting: { pattern: RegExp; from: number; resolve: (text: string) => void }[] = [];

  readonly listen = (bytes: Uint8Array): void => {
    this.text += Buffer.from(bytes).toString('latin1');
    this.#waiting = this.#waiting.filter(({ pattern, from, resolve }) => {
      const rest = this.text.slice(from);
      if (!pattern.test(rest)) return true;
      resolve(rest);
      return false;
    });
  };

  /** Resolves with the text from `from` on when it matches. */
  waitFor(pattern: RegExp, from = 0): Promise<string> {
    const rest = this.text.slice(from);
    if (pattern.test(rest)) return Promise.resolve(rest);
    return new Promise((resolve) => this.#waiting.push({ pattern, from, resolve }));
  }
}

// A few instructions ----------------------------------------------------------------------------------

const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];

/** 32-bit protected-mode instructions, as bytes. */
export const asm = {
  outByte: (port: number, value: number) => [0xba, ...u32(port), 0xb0, value, 0xee], // mov edx; mov al; out dx, al
  outDword: (port: number, value: number) => [0xba, ...u32(port), 0xb8, ...u32(value), 0xef],
  outWord: (port: number, value: number) => [0xba, ...u32(port), 0xb8, ...u32(value), 0x66, 0xef],
  store32: (address: number, value: number) => [0xc7, 0x05, ...u32(address), ...u32(value)],
  store16: (address: number, value: number) => [0x66, 0xc7, 0x05, ...u32(address), ...u16(value)],
  store8: (address: number, value: number) => [0xc6, 0x05, ...u32(address), value],
  /** Copies with a register between. */
  copy32: (from: number, to: number) => [0xa1, ...u32(from), 0xa3, ...u32(to)],
  copy16: (from: number, to: number) => [0x66, 0xa1, ...u32(from), 0x66, 0xa3, ...u32(to)],
  copy8: (from: number, to: number) => [0xa0, ...u32(from), 0xa2, ...u32(to)],
  print: (text: string) => [...text].flatMap((char) => asm.outByte(0x3f8, char.charCodeAt(0))),
  /** Sends the byte at an address to ttyS0. */
  printByteAt: (address: number) => [0xba, ...u32(0x3f8), 0xa0, ...u32(address), 0xee],
  /** Writes `value` to configuration space of function `slot`.0; `bytes` 1, 2 or 4. */
  config: (slot: number, offset: number, value: number, bytes: 1 | 2 | 4) => [
    ...asm.outDword(0xcf8, 0x80000000 + slot * 0x800 + (offset & ~3)),
    ...(bytes === 4
      ? asm.outDword(0xcfc, value)
      : bytes === 2
        ? asm.outWord(0xcfc + (offset & 2), value)
        : asm.outByte(0xcfc + (offset & 3), value)),
  ],
  /** Reads a dword of configuration space into memory. */
  readConfig: (slot: number, offset: number, to: number) => [
    ...asm.outDword(0xcf8, 0x80000000 + slot * 0x800 + offset),
    ...[0xba, ...u32(0xcfc), 0xed, 0xa3, ...u32(to)],
  ],
  /** Decrements and jumps back over `body` (and itself) `count` times; uses ecx. */
  repeat: (count: number, body: number[]) => [
    0xb9, ...u32(count), ...body, 0x49, 0x0f, 0x85, ...u32(-(body.length + 7)), // mov ecx; body; dec ecx; jnz body
  ], // prettier-ignore
  forever: [0xeb, 0xfe],
  halt: [0xfa, 0xf4], // cli; hlt
  sti: [0xfb],
  nop: [0x90],
};

/** Offsets in the BIOS image, which is at F0000h. */
const CODE = 0x1000;
const GDT = 0x100;
const GDT_POINTER = 0x140;
const IDT_POINTER = 0x150;
const HANDLER = 0x8000;
const IDT = 0xa000;
export const BIOS_BASE = 0xf0000;

/**
 * A 64 KiB BIOS that enters protected mode (flat segments) and runs `code`; `handler`, if any, is the
 * interrupt handler of every vector.
 */
export function biosOf(code: number[], handler: number[] = [0xcf]): Uint8Array {
  const image = new Uint8Array(0x10000);
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0); // jmp F000:0000
  image.set([
    ...[0xfa, 0x2e, 0x0f, 0x01, 0x16, ...u16(GDT_POINTER)], // cli; lgdt cs:[..]
    ...[0x2e, 0x0f, 0x01, 0x1e, ...u16(IDT_POINTER)], // lidt cs:[..]
    ...[0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], // mov eax, cr0; or al, 1; mov cr0, eax
    ...[0x66, 0xea, ...u32(BIOS_BASE + CODE), ...u16(8)], // jmp dword 8:code
  ]);
  const segment = (access: number): number[] => [0xff, 0xff, 0, 0, 0, access, 0xcf, 0];
  image.set([...u32(0), ...u32(0), ...segment(0x9a), ...segment(0x92)], GDT);
  image.set([...u16(23), ...u32(BIOS_BASE + GDT)], GDT_POINTER);
  image.set([...u16(0x7ff), ...u32(BIOS_BASE + IDT)], IDT_POINTER);
  for (let vector = 0; vector < 256; vector++) {
    const at = BIOS_BASE + HANDLER;
    image.set([...u16(at), ...u16(8), 0, 0x8e, ...u16(at >>> 16)], IDT + 8 * vector);
  }
  image.set(handler, HANDLER);
  image.set(
    [
      ...[0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], // mov ax, 10h; ds, es, ss
      ...[0xbc, ...u32(0x7000)], // mov esp, 7000h
      ...code,
    ],
    CODE,
  );
  return image;
}

/** The least that passes for a bzImage; nothing of it is executed. */
export function hollowKernel(bytes = 8192): Uint8Array {
  const image = new Uint8Array(bytes);
  const view = new DataView(image.buffer);
  view.setUint8(0x1f1, 4); // setup_sects
  view.setUint32(0x1f4, (bytes - 5 * 512) / 16, true); // syssize
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint8(0x211, 1); // LOADED_HIGH
  view.setUint32(0x238, 2047, true); // cmdline_size
  return image;
}

export const hollowVgaBios = Uint8Array.from({ length: 512 }, (_, i) => [0x55, 0xaa, 1, 0xcb][i] ?? 0);

/** A machine that runs `code` and nothing else. */
export function bareMachine(code: number[], plugs: PciPlug[] = [], handler?: number[]): Promise<Machine> {
  return Machine.create({
    wasm: { path: WASM_PATH },
    bios: biosOf(code, handler),
    vgaBios: hollowVgaBios,
    kernel: hollowKernel(),
    cmdline: '',
    memoryBytes: 64 * MIB,
    plugs,
  });
}

// A function to plug in -------------------------------------------------------------------------------

export interface Access {
  readonly kind: 'read8' | 'read32' | 'write8' | 'write32';
  readonly offset: number;
  readonly value?: number;
}

/** A PCI function with scratch registers; it keeps a list of what was done to it. */
export class ScratchFunction {
  readonly accesses: Access[] = [];
  ports: PciPorts | null = null;
  /** Answers reads. */
  onread: (offset: number) => number = () => 0;
  onwrite: (offset: number, value: number) => void = () => undefined;

  readonly plug: PciPlug = {
    slot: 8,
    name: 'scratch',
    vendorId: 0x1234,
    deviceId: 0x5678,
    classCode: 0x088000, // PCI_CLASS_SYSTEM_OTHER
    revision: 3,
    subsystemVendorId: 0x9abc,
    subsystemId: 0xdef0,
    bar0Bytes: 0x4000,
    attach: (ports) => {
      this.ports = ports;
      const write = (kind: 'write8' | 'write32') => (offset: number, value: number) => {
        this.accesses.push({ kind, offset, value });
        this.onwrite(offset, value);
      };
      const read = (kind: 'read8' | 'read32') => (offset: number) => {
        this.accesses.push({ kind, offset });
        return this.onread(offset);
      };
      return {
        read8: read('read8'),
        read32: read('read32'),
        write8: write('write8'),
        write32: write('write32'),
      };
    },
  };
}
