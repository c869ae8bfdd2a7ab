/**
 * tnvme's cases with metadata, re-derived for the one namespace whose plain reads and writes carry it in a buffer of
 * its own: open-channel 2.0, where a chunk is written from its beginning and can be read once it is full.
 */
import { expect } from 'vitest';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import type { Sqe } from '../driver/entries.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import { FUA, PRINFO, SEC } from './blocks.ts';
import { type Bench, chunkDisks, FLUSH, ioEnds, judge } from './judge.ts';

const { read, write } = IoOpcode;
const OOB = 16;
/** Sectors of a chunk of the small disk; chunks follow each other in the logical blocks. */
const CHUNK = 64;

/** A read or write with a metadata buffer, at this offset in its page. */
function withMetadata(
  rig: Rig,
  opcode: number,
  lba: number,
  secs: number,
  offset = 0,
  more: Partial<Sqe> = {},
) {
  const { arena } = rig.driver;
  const data = arena.buffer(secs * SEC);
  const metadata = arena.run(secs * OOB, offset);
  const sqe: Sqe = {
    opcode,
    nsid: 1,
    metadata: metadata.address,
    ...prpsFor(arena, data),
    cdw10: lba,
    cdw12: secs - 1,
    ...more,
  };
  return { data, metadata, sqe };
}

async function writeWith(
  rig: Rig,
  lba: number,
  secs: number,
  seed: number,
  more: Partial<Sqe> = {},
): Promise<void> {
  const { data, metadata, sqe } = withMetadata(rig, write, lba, secs, 8 * seed, more);
  data.fill(pattern(secs * SEC, seed));
  rig.memory.put(metadata.address, pattern(secs * OOB, seed + 1000));
  await ioEnds(rig, 1, sqe, 0, `write of ${secs} at ${lba}`);
}

/** Reads `secs` blocks that lie `from` blocks into what was written with `seed` at `lba`. */
async function readWith(
  rig: Rig,
  lba: number,
  from: number,
  secs: number,
  seed: number,
  more: Partial<Sqe> = {},
) {
  const { data, metadata, sqe } = withMetadata(rig, read, lba + from, secs, 24, more);
  await ioEnds(rig, 1, sqe, 0, `read of ${secs} at ${lba + from}`);
  expectBytes(data.read(), pattern(CHUNK * SEC, seed).slice(from * SEC, (from + secs) * SEC));
  const oob = pattern(CHUNK * OOB, seed + 1000).slice(from * OOB, (from + secs) * OOB);
  expectBytes(rig.memory.bytes(metadata.address, metadata.length), oob);
}

judge('tnvme/GrpNVMWriteReadCombo/startingLBAMeta', chunkDisks, async (bench) => {
  const rig = await bench.started();
  for (const chunk of [0, 1, 7, 8, 31]) {
    const mark = rig.driver.arena.mark;
    await writeWith(rig, chunk * CHUNK, CHUNK, chunk);
    for (const from of [0, 1, 31, 63]) await readWith(rig, chunk * CHUNK, from, 1, chunk);
    rig.driver.arena.rewind(mark);
  }
});

judge('tnvme/GrpNVMWriteReadCombo/nlbaMeta', chunkDisks, async (bench) => {
  const rig = await bench.started();
  const { arena } = rig.driver;
  const mark = arena.mark;
  // A chunk in writes of many sizes, one behind the other.
  const data = pattern(CHUNK * SEC, 5);
  const oob = pattern(CHUNK * OOB, 1005);
  let at = 0;
  for (const secs of [4, 8, 12, 16, 24]) {
    const command = withMetadata(rig, write, at, secs, 40);
    command.data.fill(data.subarray(at * SEC));
    rig.memory.put(command.metadata.address, oob.slice(at * OOB, (at + secs) * OOB));
    await ioEnds(rig, 1, command.sqe, 0, `${secs} at ${at}`);
    at += secs;
  }
  expect(at).toBe(CHUNK);
  for (let secs = 1; secs <= CHUNK; secs += 7) {
    arena.rewind(mark);
    await readWith(rig, 0, CHUNK - secs, secs, 5);
  }
});

judge('tnvme/GrpNVMReadCmd/protInfoIgnoreMeta', chunkDisks, async (bench) => {
  const rig = await bench.started();
  await writeWith(rig, 0, CHUNK, 3);
  for (let bits = 0; bits <= PRINFO; bits += 0x0400_0000)
    await readWith(rig, 0, 9, 4, 3, { cdw12: bits | 3, cdw14: 0xa5a5_5a5a, cdw15: 0xffff_1234 });
});

judge('tnvme/GrpNVMWriteCmd/protInfoIgnoreMeta', chunkDisks, async (bench) => {
  const rig = await bench.started();
  for (let i = 0; i < 16; i++) {
    const mark = rig.driver.arena.mark;
    const cdw12 = ((i << 26) | (CHUNK - 1)) >>> 0;
    await writeWith(rig, i * CHUNK, CHUNK, i, { cdw12, cdw14: 0xa5a5_5a5a, cdw15: 0xffff_1234 });
    await readWith(rig, i * CHUNK, 0, CHUNK, i);
    rig.driver.arena.rewind(mark);
  }
});

const OUTSIDE = [32 * CHUNK, 32 * CHUNK - 3, 2 ** 31, 2 ** 32 - 1];

/** Nothing is taken from, or put into, the metadata buffer of a command that leaves the disk. */
async function outside(bench: Bench, opcode: number, allowed: readonly number[]): Promise<void> {
  const rig = await bench.started();
  for (const lba of OUTSIDE) {
    const { metadata, sqe } = withMetadata(rig, opcode, lba, 4);
    rig.memory.put(metadata.address, pattern(metadata.length, 1));
    const { status } = await rig.driver.command(1, sqe);
    expect(allowed, `${lba}`).toContain(status);
    expectBytes(rig.memory.bytes(metadata.address, metadata.length), pattern(metadata.length, 1));
  }
}
judge('tnvme/GrpNVMReadCmd/lbaOutOfRangeMeta', chunkDisks, (bench) =>
  outside(bench, read, [Status.lbaOutOfRange]),
);
// A write outside may be a write fault in open-channel 2.0.
judge('tnvme/GrpNVMWriteCmd/lbaOutOfRangeMeta', chunkDisks, (bench) =>
  outside(bench, write, [Status.lbaOutOfRange, Status.writeFault]),
);

judge('tnvme/GrpNVMFlushCmd/functionalityMeta', chunkDisks, async (bench) => {
  const rig = await bench.started();
  await writeWith(rig, 0, CHUNK, 11, { cdw12: (FUA | (CHUNK - 1)) >>> 0 });
  await ioEnds(rig, 1, FLUSH, 0);
  const store = rig.stores[0]?.reopened();
  if (!store) throw new Error();
  await readWith(await bench.started({ stores: [store] }), 0, 5, 20, 11);
});
