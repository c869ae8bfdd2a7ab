import { IoOpcode } from '../../src/spec/opcodes.ts';
import type { DmaBuffer } from '../driver/dma-buffer.ts';
import type { Sqe } from '../driver/entries.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import { ioEnds } from './judge.ts';

export const SEC = 4096;
/** Blocks of the plain disk that these cases run on. */
export const TOTAL = 1024;

/** DW12 of read and write: protection information, force unit access, limited retry. */
export const PRINFO = 0x3c00_0000;
export const FUA = 0x4000_0000;
export const LIMITED_RETRY = 0x8000_0000;

/** A read or write of the whole buffer. `more` overrides. */
export function blocks(
  rig: Rig,
  opcode: number,
  lba: number,
  buffer: DmaBuffer,
  more: Partial<Sqe> = {},
): Sqe {
  return {
    opcode,
    nsid: 1,
    cdw10: lba % 2 ** 32,
    cdw11: Math.floor(lba / 2 ** 32),
    cdw12: buffer.length / SEC - 1,
    ...prpsFor(rig.driver.arena, buffer),
    ...more,
  };
}

/** Writes blocks that tell where they belong; gives their bytes. */
export async function writeBlocks(rig: Rig, lba: number, secs: number, seed = lba): Promise<Uint8Array> {
  const data = pattern(secs * SEC, seed);
  const { arena } = rig.driver;
  const mark = arena.mark;
  await ioEnds(rig, 1, blocks(rig, IoOpcode.write, lba, arena.buffer(data.length).fill(data)), 0);
  arena.rewind(mark);
  return data;
}

export async function expectBlocks(rig: Rig, lba: number, data: Uint8Array): Promise<void> {
  const { arena } = rig.driver;
  const mark = arena.mark;
  const buffer = arena.buffer(data.length);
  await ioEnds(rig, 1, blocks(rig, IoOpcode.read, lba, buffer), 0);
  expectBytes(buffer.read(), data);
  arena.rewind(mark);
}
