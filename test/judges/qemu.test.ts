/** QEMU's qtest for NVMe, re-derived. */
import { expect } from 'vitest';
import { barBytes } from '../../src/device/controller.ts';
import { everyDisk, judge } from './judge.ts';

judge('qemu/reg-read', everyDisk, async (bench) => {
  const { controller } = await bench.powered({ config: { mpsMax: 4 } });
  // As two of 32 bits, as one of 64 (which arrives as two), and byte by byte.
  const low = controller.read32(0);
  const high = controller.read32(4);
  expect(low & 0xffff, 'MQES').toBe(0x7ff);
  expect((high >>> 20) & 0xf, 'MPSMAX').toBe(4);
  const cap = (BigInt(controller.read32(4)) << 32n) | BigInt(controller.read32(0));
  expect(cap & 0xffffn).toBe(0x7ffn);
  expect((cap >> 52n) & 0xfn).toBe(4n);
  expect([cap & 0xffff_ffffn, cap >> 32n]).toEqual([BigInt(low), BigInt(high)]);
  let bytes = 0n;
  for (let at = 7; at >= 0; at--) bytes = (bytes << 8n) | BigInt(controller.read8(at));
  expect(bytes).toBe(cap);
});

/** There is no controller memory buffer here; what must hold is the same: accesses across the end of the BAR. */
judge('qemu/oob-cmb-access', everyDisk, async (bench) => {
  const { controller } = await bench.powered();
  const end = barBytes(controller.config);
  for (const at of [end - 8, end - 4, end - 3, end - 2, end - 1]) {
    controller.write32(at, 0x4433_2211);
    controller.write8(at, 0x11);
    expect(controller.read32(at)).toBe(0);
    expect(controller.read8(at)).toBe(0);
  }
  expect([controller.read32(0x38), controller.read32(0x3c)], 'CMBLOC, CMBSZ').toEqual([0, 0]);
});
