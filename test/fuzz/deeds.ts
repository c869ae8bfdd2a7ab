import { barBytes } from '../../src/device/controller.ts';
import { Register } from '../../src/spec/registers.ts';
import type { FuzzCommand } from './command.ts';
import type { Fuzz } from './fuzz.ts';
import { type FuzzMemory, PAGE } from './fuzz-memory.ts';
import type { Random } from './random.ts';

/** What the host's own queues depend on: CC, AQA, ASQ, ACQ and the doorbells of its two pairs. */
const IN_USE = new Set([0x14, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x1000, 0x1004, 0x1008, 0x100c]);

/** Reads and writes of any width anywhere, where the host can live with what comes of it. */
export function touchRegisters({ controller, config, host }: Fuzz, random: Random): void {
  const size = barBytes(config);
  const expectUnsigned = (value: number, offset: number) => {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff)
      host.complain(`register ${offset.toString(16)}h reads as ${value}`);
  };
  for (let i = 0; i < 16; i++) {
    const offset = random.oneIn(2) ? random.below(0x40) : random.below(size);
    const value = random.edge();
    expectUnsigned(controller.read32(offset), offset);
    expectUnsigned(controller.read8(offset), offset);
    controller.write8(offset, value & 0xff);
    if (!IN_USE.has(offset)) controller.write32(offset, value);
  }
}

/** Doorbells that nobody should ring; those of the host's own pairs only with values they cannot take. */
export function ringWrongDoorbells({ controller }: Fuzz, random: Random): void {
  for (let i = 0; i < 16; i++) {
    const own = random.oneIn(4);
    const offset = Register.doorbells + (own ? random.below(4) * 4 : 16 + random.below(0x3fc) * 4);
    const value = own ? 64 + random.below(0xffff_ffbf) : random.oneIn(2) ? random.below(64) : random.edge();
    controller.write32(offset, value);
  }
}

/** Allows the pages that PRP1, PRP2, the lists it may lead to, and the metadata pointer name; for a while. */
export function allowNamed(memory: FuzzMemory, { prp1, prp2, metadata }: FuzzCommand): void {
  for (const address of [prp1, prp2, metadata, metadata + PAGE]) memory.allowTemporarily(address);
  let at = prp2;
  for (let pages = 0; pages < 4 && at % 8 === 0 && memory.isRam(at, 8); pages++) {
    let entry: number;
    do {
      entry = memory.get64(at);
      memory.allowTemporarily(entry);
      at += 8;
    } while (at % PAGE !== 0);
    at = entry;
  }
}
