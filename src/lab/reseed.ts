/**
 * Has a guest's kernel draw its random numbers from what it was given just now. Its generator has been seeded long
 * ago, goes on from its own state, and looks at its pool about once a minute (CRNG_RESEED_INTERVAL in Linux'
 * drivers/char/random.c): until then every lab that goes on from one saved state would draw the same. Only an
 * ioctl on /dev/urandom makes it look at once. The agent sends it with what it is given, but in machines that were
 * saved with an agent of version 1 no program does. So we bring one.
 */
import { type ControlChannel, RESEEDING_VERSION } from './control-channel.ts';

const LOADED_AT = 0x0804_8000;
const ELF_HEADER_BYTES = 52;
const PROGRAM_HEADER_BYTES = 32;
const PROGRAM_HEADERS = 2;
const BEGIN = ELF_HEADER_BYTES + PROGRAM_HEADERS * PROGRAM_HEADER_BYTES;
/** include/uapi/linux/elf.h: without it the kernel says on the console that the stack is executable. */
const PT_GNU_STACK = 0x6474_e551;
/** include/uapi/linux/random.h: _IO('R', 0x07). */
const RNDRESEEDCRNG = 0x5207;
/** arch/x86/entry/syscalls/syscall_32.tbl. */
const [EXIT, OPEN, IOCTL] = [1, 5, 54];

const u16 = (value: number): number[] => [value & 0xff, value >>> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];

/** An ELF executable for i386 (System V ABI): opens the device, sends the ioctl, exits with 0 or an error number. */
function reseedProgram(): number[] {
  const moveTo = { eax: 0xb8, ecx: 0xb9, ebx: 0xbb };
  const code = (pathAt: number): number[] => [
    ...[moveTo.eax, ...u32(OPEN), moveTo.ebx, ...u32(pathAt), 0x31, 0xc9, 0xcd, 0x80], // xor ecx, ecx; int 80h
    ...[0x89, 0xc3, moveTo.eax, ...u32(IOCTL), moveTo.ecx, ...u32(RNDRESEEDCRNG), 0xcd, 0x80], // mov ebx, eax
    ...[0x89, 0xc3, 0xf7, 0xdb, moveTo.eax, ...u32(EXIT), 0xcd, 0x80], // mov ebx, eax; neg ebx
  ];
  const pathAt = LOADED_AT + BEGIN + code(0).length;
  const body = [...code(pathAt), ...new TextEncoder().encode('/dev/urandom\0')];
  const bytes = BEGIN + body.length;
  return [
    ...[0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], // e_ident: 32 bits, little-endian
    ...[...u16(2), ...u16(3), ...u32(1), ...u32(LOADED_AT + BEGIN)], // ET_EXEC, EM_386, version, e_entry
    ...[...u32(ELF_HEADER_BYTES), ...u32(0), ...u32(0)], // e_phoff, e_shoff, e_flags
    ...[ELF_HEADER_BYTES, PROGRAM_HEADER_BYTES, PROGRAM_HEADERS, 0, 0, 0].flatMap(u16),
    ...[1, 0, LOADED_AT, LOADED_AT, bytes, bytes, 5, 0x1000].flatMap(u32), // PT_LOAD, read and execute
    ...[PT_GNU_STACK, 0, 0, 0, 0, 0, 6, 16].flatMap(u32), // read and write
    ...body,
  ];
}

/** A shell command; it fails where the guest cannot do it, which is no reason not to go on. */
function reseedCommand(): string {
  const octal = reseedProgram().map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`);
  return `f=/tmp/.reseed.$$; printf '%b' '${octal.join('')}' > $f && chmod 700 $f && $f; s=$?; rm -f $f; exit $s`;
}

/** Resolves when a guest that goes on, and was given entropy, draws random numbers of its own. */
export async function reseeded(control: ControlChannel): Promise<void> {
  if ((await control.ready) < RESEEDING_VERSION) await control.exec(reseedCommand());
}
