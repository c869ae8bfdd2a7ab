/** tnvme's groups for Read, Write and the two together, re-derived. */
import { expect } from 'vitest';
import { Cns } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { pattern } from '../driver/pattern.ts';
import type { Rig } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import { blocks, expectBlocks, FUA, LIMITED_RETRY, PRINFO, SEC, TOTAL, writeBlocks } from './blocks.ts';
import { type Bench, everyDisk, expectAlive, ioEnds, judge, plainDisks, twoNamespaces } from './judge.ts';

const { read, write } = IoOpcode;
/** The command works with these bits in DW12 (and 14, 15) as without them. */
async function withBits(bench: Bench, opcode: number, bits: number, more = {}): Promise<Rig> {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 5, 3);
  const buffer = rig.driver.arena.buffer(3 * SEC);
  if (opcode === write) buffer.fill(pattern(3 * SEC, 99));
  await ioEnds(rig, 1, blocks(rig, opcode, 5, buffer, { cdw12: (bits | 2) >>> 0, ...more }), 0);
  if (opcode === read) expectBytes(buffer.read(), data);
  else await expectBlocks(rig, 5, pattern(3 * SEC, 99));
  return rig;
}

judge('tnvme/GrpNVMReadCmd/FUA', plainDisks, async (bench) => {
  await withBits(bench, read, FUA);
});

judge('tnvme/GrpNVMWriteCmd/FUA', plainDisks, async (bench) => {
  const rig = await withBits(bench, write, FUA);
  // Acknowledged with FUA: it is there after the power failed at this moment.
  const store = rig.stores[0]?.reopened();
  if (!store) throw new Error();
  const again = await bench.started({ stores: [store] });
  await expectBlocks(again, 5, pattern(3 * SEC, 99));
});

judge('tnvme/GrpNVMReadCmd/limitedRetry', plainDisks, async (bench) => {
  await withBits(bench, read, LIMITED_RETRY);
});
judge('tnvme/GrpNVMWriteCmd/limitedRetry', plainDisks, async (bench) => {
  await withBits(bench, write, LIMITED_RETRY);
});

const TAGS = { cdw14: 0xa5a5_5a5a, cdw15: 0xffff_1234 };
judge('tnvme/GrpNVMReadCmd/protInfoIgnoreBare', plainDisks, async (bench) => {
  for (let bits = 0; bits <= PRINFO; bits += 0x0400_0000) await withBits(bench, read, bits, TAGS);
});
judge('tnvme/GrpNVMWriteCmd/protInfoIgnoreBare', plainDisks, async (bench) => {
  for (let bits = 0; bits <= PRINFO; bits += 0x0400_0000) await withBits(bench, write, bits, TAGS);
});

/** No metadata in this namespace: its pointer may lead anywhere, and nothing is read or written there. */
async function metadataIgnored(bench: Bench, opcode: number): Promise<void> {
  for (const metadata of [1, 0xa_0000, 0x20_0000, 2 ** 40, 0xffff_ffff_ffff]) {
    const rig = await withBits(bench, opcode, 0, { metadata });
    const touched = [...rig.memory.deviceReads, ...rig.memory.deviceWrites];
    expect(touched.some(({ address, length }) => metadata >= address && metadata < address + length)).toBe(
      false,
    );
  }
}
judge('tnvme/GrpNVMReadCmd/ignoreMetaPtrBare', plainDisks, (bench) => metadataIgnored(bench, read));
judge('tnvme/GrpNVMWriteCmd/ignoreMetaPtrBare', plainDisks, (bench) => metadataIgnored(bench, write));

async function namespaces(bench: Bench, opcode: number): Promise<void> {
  const rig = await bench.started();
  const buffer = rig.driver.arena.buffer(SEC).fill(pattern(SEC, 1));
  const count = bench.setup.namespaces.length;
  rig.memory.forget();
  for (const nsid of [0, count + 1, 0x1_0000, 0x8000_0000, 0xffff_fffe, 0xffff_ffff])
    await ioEnds(rig, 1, blocks(rig, opcode, 0, buffer, { nsid }), Status.invalidNamespace, `${nsid}`);
  expectBytes(buffer.read(), pattern(SEC, 1));
  await expectAlive(rig);
}
judge('tnvme/GrpNVMReadCmd/invalidNamspc', [...everyDisk, ...twoNamespaces], (bench) =>
  namespaces(bench, read),
);
judge('tnvme/GrpNVMWriteCmd/invalidNamspc', [...everyDisk, ...twoNamespaces], (bench) =>
  namespaces(bench, write),
);

async function range(bench: Bench, opcode: number): Promise<void> {
  const rig = await bench.started();
  const isPlain = bench.setup.namespaces[0]?.kind === 'plain';
  const data = isPlain ? await writeBlocks(rig, TOTAL - 2, 2) : undefined;
  const identity = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.namespace, 1, prps));
  const nsze = Number(new DataView(identity.buffer).getBigUint64(0, true));
  if (isPlain) expect(nsze).toBe(TOTAL);
  const outside: [bigint, number][] = [
    [BigInt(nsze), 1],
    [BigInt(nsze - 1), 2],
    [BigInt(nsze - 7), 8],
    [0n, 0x1_0000],
    [2n ** 16n, 1],
    [2n ** 32n, 1],
    [2n ** 32n + 1n, 1],
    [2n ** 53n - 1n, 2],
    [2n ** 53n, 1],
    [2n ** 63n, 1],
    [2n ** 64n - 1n, 1],
    [2n ** 64n - 1n, 2],
    [2n ** 64n - 8n, 0x1_0000],
    [2n ** 64n - BigInt(nsze), Math.min(nsze, 0x1_0000)],
  ];
  const buffer = rig.driver.arena.buffer(8 * SEC).fill(pattern(8 * SEC, 7));
  for (const [lba, secs] of outside) {
    const sqe = {
      ...blocks(rig, opcode, 0, buffer),
      cdw10: Number(lba & 0xffff_ffffn),
      cdw11: Number(lba >> 32n),
      cdw12: secs - 1,
    };
    await ioEnds(rig, 1, sqe, Status.lbaOutOfRange, `${secs} from ${lba}`);
  }
  expectBytes(buffer.read(), pattern(8 * SEC, 7));
  if (data) await expectBlocks(rig, TOTAL - 2, data);
}
judge('tnvme/GrpNVMReadCmd/lbaOutOfRangeBare', everyDisk, (bench) => range(bench, read));
judge('tnvme/GrpNVMWriteCmd/lbaOutOfRangeBare', plainDisks, (bench) => range(bench, write));

/** DW0 bits 10 to 13, DW2, DW3, DW12 bits 16 to 25, DW13 bits 8 to 31. */
const reserved = { flags: 0x3c, cdw2: 0xffff_ffff, cdw3: 0xffff_ffff, cdw13: 0xffff_ff00 };
judge('tnvme/GrpNVMReadCmd/unsupportRsvdFields', plainDisks, async (bench) => {
  await withBits(bench, read, 0x03ff_0000, reserved);
  // The access frequency's reserved values are advice as well, which may be ignored.
  for (let frequency = 7; frequency < 16; frequency++) await withBits(bench, read, 0, { cdw13: frequency });
});
judge('tnvme/GrpNVMWriteCmd/unsupportRsvdFields', plainDisks, async (bench) => {
  await withBits(bench, write, 0x03ff_0000, reserved);
});

// Write, then read ---------------------------------------------------------------------------------------

judge('tnvme/GrpNVMWriteReadCombo/startingLBABare', plainDisks, async (bench) => {
  const rig = await bench.started();
  const lbas = [0, 1, 2, 7, 8, 9, 63, 64, 255, 256, 511, 513, TOTAL - 3, TOTAL - 2, TOTAL - 1];
  const data = [];
  for (const lba of lbas) data.push(await writeBlocks(rig, lba, 1));
  for (const [i, lba] of lbas.entries()) await expectBlocks(rig, lba, data[i] as Uint8Array);
  await expectBlocks(rig, 3, new Uint8Array(SEC)); // what lies between was not touched
});

judge('tnvme/GrpNVMWriteReadCombo/nlbaBare', plainDisks, async (bench) => {
  // MDTS 6: 64 pages. Up to that, each number of blocks; one more is refused.
  const rig = await bench.started({ config: { mdts: 6 } });
  for (const secs of [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64]) {
    const data = await writeBlocks(rig, 100 + secs, secs, secs);
    await expectBlocks(rig, 100 + secs, data);
  }
  const buffer = rig.driver.arena.buffer(65 * SEC);
  for (const opcode of [read, write])
    await ioEnds(rig, 1, blocks(rig, opcode, 0, buffer), Status.invalidField, 'more than MDTS');
});

judge('tnvme/GrpNVMWriteReadCombo/prp2Rsvd', plainDisks, async (bench) => {
  const rig = await bench.started();
  for (const [i, prp2] of [1, 3, 0xa_0000, 0x1000, 2 ** 40, 0xffff_ffff_ffff].entries()) {
    const buffer = rig.driver.arena.buffer(SEC).fill(pattern(SEC, i));
    await ioEnds(rig, 1, blocks(rig, write, i, buffer, { prp2 }), 0);
    const back = rig.driver.arena.buffer(SEC);
    await ioEnds(rig, 1, blocks(rig, read, i, back, { prp2 }), 0);
    expectBytes(back.read(), pattern(SEC, i));
  }
});

/** Writes from one place in memory and reads to another, with these offsets into the first page. */
async function offsets(bench: Bench, secSize: number, secs: number, all: readonly number[]): Promise<void> {
  const rig = await bench.started({
    namespaces: [{ kind: 'plain', secSizeBytes: secSize, sizeBytes: 2 ** 22 }],
  });
  const { arena } = rig.driver;
  const mark = arena.mark;
  const length = secs * secSize;
  for (const [i, offset] of all.entries()) {
    arena.rewind(mark);
    const cdw12 = secs - 1;
    const out = arena.buffer(length, { offset, scattered: true }).fill(pattern(length, i));
    await ioEnds(rig, 1, blocks(rig, write, i % 16, out, { cdw12 }), 0, `offset ${offset}`);
    const other = all[(i * 7 + 3) % all.length] as number;
    const back = arena.buffer(length, { offset: other, scattered: true });
    rig.memory.forget();
    await ioEnds(rig, 1, blocks(rig, read, i % 16, back, { cdw12 }), 0, `offset ${other}`);
    expectBytes(back.read(), pattern(length, i));
    const stray = rig.memory.writesOutside(back.ranges).filter(({ length: bytes }) => bytes !== 16);
    expect(stray).toEqual([]);
  }
}

const steps = (from: number, end: number, step: number) =>
  Array.from({ length: Math.ceil((end - from) / step) }, (_, i) => from + i * step);

// All offsets that keep the blocks in one page, in dwords; all that put them on two; and on many, through a list.
judge('tnvme/GrpNVMWriteReadCombo/prpOffsetSinglePgSingleBlk', plainDisks, (bench) =>
  offsets(bench, 512, 1, steps(0, PAGE - 512 + 4, 4)),
);
judge('tnvme/GrpNVMWriteReadCombo/prpOffsetSinglePgMultiBlk', plainDisks, (bench) =>
  offsets(bench, 512, 4, steps(0, PAGE - 2048 + 4, 4)),
);
judge('tnvme/GrpNVMWriteReadCombo/prpOffsetDualPgMultiBlk', plainDisks, (bench) =>
  offsets(bench, 512, 8, steps(4, PAGE, 4)),
);
judge('tnvme/GrpNVMWriteReadCombo/prpOffsetMultiPgMultiBlk', plainDisks, async (bench) => {
  await offsets(bench, 4096, 2, steps(4, PAGE, 124));
  await offsets(bench, 4096, 17, steps(0, PAGE, 252));
  // 600 pages: the list goes over its first page.
  await offsets(bench, 4096, 600, [0, 4, 2048, PAGE - 4]);
});

judge('tnvme/GrpNVMWriteReadCombo/datasetMgmt', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 0, 8);
  const list = new DataView(new ArrayBuffer(32));
  const ranges: [number, bigint][] = [
    [2, 1n],
    [1, 6n],
  ];
  ranges.forEach(([count, lba], i) => {
    list.setUint32(16 * i + 4, count, true);
    list.setBigUint64(16 * i + 8, lba, true);
  });
  const buffer = rig.driver.arena.buffer(32).fill(new Uint8Array(list.buffer));
  const dsm = { opcode: IoOpcode.datasetManagement, nsid: 1, cdw10: 1, prp1: buffer.pages[0] as number };
  await ioEnds(rig, 1, { ...dsm, cdw11: 1 }, 0, 'advice');
  await expectBlocks(rig, 0, data);
  await ioEnds(rig, 1, { ...dsm, cdw11: 4 }, 0, 'deallocate');
  // A deallocated block reads the same each time, all of it zeros as this device says (DLFEAT); the others stay.
  const expected = data.slice();
  expected.fill(0, SEC, 3 * SEC).fill(0, 6 * SEC, 7 * SEC);
  await expectBlocks(rig, 0, expected);
  await expectBlocks(rig, 0, expected);
  const again = await writeBlocks(rig, 1, 2, 77);
  await expectBlocks(rig, 1, again);
});
