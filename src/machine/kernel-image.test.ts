import { describe, expect, it } from 'vitest';
import { hollowKernel, hollowVgaBios } from '../../test/machine-fixtures.ts';
import { checkFirmware, checkInitrd, checkKernel, checkMemorySize, ownBuffer } from './kernel-image.ts';

const MIB = 1024 * 1024;

/** A hollow kernel with some bytes changed. */
function patched(changes: Record<number, number>, bytes?: number): Uint8Array {
  const image = hollowKernel(bytes);
  for (const [offset, value] of Object.entries(changes)) image[Number(offset)] = value;
  return image;
}

describe('checkKernel', () => {
  it('takes a bzImage, also one inside a larger buffer and with an odd length', () => {
    expect(() => checkKernel(hollowKernel(), 'console=ttyS0')).not.toThrow();
    expect(() => checkKernel(hollowKernel().buffer as ArrayBuffer, '')).not.toThrow();
    const larger = new Uint8Array(10_000);
    larger.set(hollowKernel(8193), 7);
    expect(() => checkKernel(larger.subarray(7, 7 + 8193), '')).not.toThrow();
  });

  it.each([
    [new Uint8Array(10), 'it has 10 bytes, less than a boot header'],
    [patched({ 0x1fe: 0 }), 'the boot flag AA55h is missing at byte 1FEh'],
    [patched({ 0x202: 0 }), 'the signature "HdrS" is missing at byte 202h'],
    [patched({ 0x206: 3, 0x207: 2 }), 'its boot protocol is 2.3, and 2.6 is the least'],
    [patched({ 0x211: 0 }), 'it is a zImage, and only a bzImage is loaded high'],
    [hollowKernel().subarray(0, 8000), 'it is cut short at 8000 of 8192 bytes'],
    [hollowKernel().subarray(0, 1000), 'it is cut short at 1000 of 8192 bytes'],
    [hollowKernel(64 * MIB), 'its 67108864 bytes do not fit below the initramfs at 64 MiB'],
  ])('refuses what is not one (%#)', (image, why) => {
    expect(() => checkKernel(image, '')).toThrow(`The kernel image cannot be booted: ${why}.`);
  });

  it('refuses a command line that v86 would change or the kernel would cut', () => {
    expect(() => checkKernel(hollowKernel(), 'a'.repeat(2046))).not.toThrow();
    expect(() => checkKernel(hollowKernel(), 'a'.repeat(2047))).toThrow(
      'The kernel command line has 2047 characters, and this kernel takes at most 2046.',
    );
    expect(() => checkKernel(hollowKernel(), 'é')).toThrow('printable ASCII');
    expect(() => checkKernel(hollowKernel(), 'a\0b')).toThrow('printable ASCII');
  });
});

describe('sizes', () => {
  it('of memory are whole MiB from 64 to 1024', () => {
    for (const mib of [64, 65, 128, 1024]) expect(() => checkMemorySize(mib * MIB)).not.toThrow();
    expect(() => checkMemorySize(63 * MIB)).toThrow(
      '64 to 1024 MiB of memory in whole MiB, and 63 MiB was asked for.',
    );
    for (const bytes of [0, -1, NaN, Infinity, 2 ** 53, 64 * MIB + 1, 1025 * MIB]) {
      expect(() => checkMemorySize(bytes)).toThrow('The machine takes 64 to 1024 MiB');
    }
  });

  it('of the initramfs fit above 64 MiB', () => {
    expect(() => checkInitrd(64 * MIB, 128 * MIB)).not.toThrow();
    expect(() => checkInitrd(64 * MIB + 1, 128 * MIB)).toThrow(
      'needs at least 129 MiB of memory and has 128 MiB.',
    );
    expect(() => checkInitrd(0, 128 * MIB)).toThrow('The initramfs is empty.');
  });

  it('of the firmware are those of ROMs', () => {
    expect(() => checkFirmware(new Uint8Array(0x20000), hollowVgaBios)).not.toThrow();
    expect(() => checkFirmware(new Uint8Array(0x20001), hollowVgaBios)).toThrow(
      'The BIOS image has 131073 bytes',
    );
    expect(() => checkFirmware(new Uint8Array(0), hollowVgaBios)).toThrow('The BIOS image has 0 bytes');
    expect(() => checkFirmware(new Uint8Array(0x20000), new Uint8Array(1024))).toThrow('not an option ROM');
  });
});

it('ownBuffer copies and pads to a multiple of four', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const own = ownBuffer(bytes.subarray(1));
  expect([...new Uint8Array(own)]).toEqual([2, 3, 4, 5]);
  expect([...new Uint8Array(ownBuffer(bytes))]).toEqual([1, 2, 3, 4, 5, 0, 0, 0]);
  new Uint8Array(own)[0] = 9;
  expect(bytes[1]).toBe(2);
});
