import { describe, expect, it } from 'vitest';
import type { DmaBuffer } from '../../test/driver/dma-buffer.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { flashOf, openChannel, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import {
  vectorCommand,
  vectorErase,
  vectorRead,
  type VectorRequest,
  vectorWrite,
} from '../../test/driver/vector.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { HOLE_BEGIN, type Range } from '../../test/fakes/fake-memory.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';
import type { SectorAddress } from '../flash/address.ts';

const SEC = 4096;

/** A read or write of logical blocks. */
function block(rig: Rig, opcode: number, lba: number, buffer: DmaBuffer, nsid = 1) {
  return rig.driver.command(1, {
    opcode,
    nsid,
    cdw10: lba % 2 ** 32,
    cdw11: Math.floor(lba / 2 ** 32),
    cdw12: buffer.length / SEC - 1,
    ...prpsFor(rig.driver.arena, buffer),
  });
}

async function vector(rig: Rig, request: VectorRequest) {
  const command = vectorCommand(rig.driver.arena, request);
  rig.memory.forget();
  const completion = await rig.driver.command(1, command.sqe);
  const cqs: Range[] = [...rig.driver.cqs.values()].flatMap((cq) =>
    cq.pages.map((address) => ({ address, length: SEC })),
  );
  const allowed = [...(request.data?.ranges ?? []), command.metadata, ...cqs];
  const data = rig.memory.deviceWrites.filter(({ length }) => length !== 16);
  // Contiguous pages may be written in one go.
  const merged = mergeRanges(allowed);
  expect(
    data.filter(
      (w) => !merged.some((a) => w.address >= a.address && w.address + w.length <= a.address + a.length),
    ),
  ).toEqual([]);
  return { ...completion, oob: rig.memory.bytes(command.metadata.address, command.metadata.length), command };
}

function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: { address: number; length: number }[] = [];
  for (const { address, length } of ranges.toSorted((a, b) => a.address - b.address)) {
    const last = merged.at(-1);
    if (last && last.address + last.length === address) last.length += length;
    else merged.push({ address, length });
  }
  return merged;
}

const at = (rig: Rig, a: Partial<SectorAddress>): number =>
  flashOf(rig).address.encode({ ch: 0, lun: 0, pln: 0, chk: 0, pg: 0, sec: 0, ...a });

/** Addresses of whole pages in all planes, as pblk maps them: sector, then plane, then page. */
function pages(rig: Rig, pageCount: number, where: Partial<SectorAddress> = {}): number[] {
  const { numPln, secsPerPg } = flashOf(rig).geometry;
  const list: number[] = [];
  for (let pg = 0; pg < pageCount; pg++)
    for (let pln = 0; pln < numPln; pln++)
      for (let sec = 0; sec < secsPerPg; sec++) list.push(at(rig, { ...where, pg, pln, sec }));
  return list;
}

describe('a plain disk', () => {
  const disk = { namespaces: [plainDisk(1024)] };

  it.each(['sync', 'soon'] as const)(
    'keeps what is written through PRPs of any shape (%s)',
    async (store) => {
      const rig = await startRig({ ...disk, store });
      const mark = rig.driver.arena.mark;
      for (const [i, [lba, secs, offset, scattered]] of (
        [
          [0, 1, 0, false],
          [1, 1, 4, true],
          [2, 2, 0, true],
          [7, 3, 2048, true],
          [100, 64, 0, false],
          [500, 524, 12, true],
        ] as const
      ).entries()) {
        rig.driver.arena.rewind(mark);
        const data = pattern(secs * SEC, i);
        const out = rig.driver.arena.buffer(secs * SEC, { offset, scattered }).fill(data);
        expect((await block(rig, IoOpcode.write, lba, out)).status).toBe(0);
        const back = rig.driver.arena.buffer(secs * SEC, { offset: 0, scattered: !scattered });
        rig.memory.forget();
        expect((await block(rig, IoOpcode.read, lba, back)).status).toBe(0);
        expectBytes(back.read(), data);
        const data16 = rig.memory.deviceWrites.filter(({ length }) => length !== 16);
        const allowed = mergeRanges(back.ranges);
        for (const w of data16) {
          expect(
            allowed.some((a) => w.address >= a.address && w.address + w.length <= a.address + a.length),
          ).toBe(true);
        }
      }
      expect((await rig.driver.command(1, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(0);
    },
  );

  it.each([
    ['the last block', 1023, 1, 0],
    ['one beyond', 1024, 1, Status.lbaOutOfRange],
    ['across the end', 1023, 2, Status.lbaOutOfRange],
    ['above 2^32', 2 ** 32, 1, Status.lbaOutOfRange],
    ['where LBA + NLB wraps', 2 ** 64 - 2048, 1, Status.lbaOutOfRange],
  ])('%s', async (_what, lba, secs, status) => {
    const rig = await startRig(disk);
    for (const opcode of [IoOpcode.read, IoOpcode.write]) {
      expect((await block(rig, opcode, lba, rig.driver.arena.buffer(secs * SEC))).status).toBe(status);
    }
  });

  it('refuses 65,536 blocks, more than MDTS, bad pointers and namespaces', async () => {
    const rig = await startRig({ namespaces: [plainDisk(100_000)], config: { mdts: 2 } });
    const run = (more: object) =>
      rig.driver.command(1, { opcode: IoOpcode.read, nsid: 1, prp1: 0x20_0000, ...more });
    expect((await run({ cdw12: 0xffff })).status).toBe(Status.invalidField);
    expect((await run({ cdw12: 4 })).status).toBe(Status.invalidField);
    expect((await run({ cdw12: 0, prp1: 0x20_0002 })).status).toBe(Status.prpOffsetInvalid);
    expect((await run({ cdw12: 0, prp1: HOLE_BEGIN })).status).toBe(Status.dataTransferError);
    expect((await run({ cdw12: 1, prp2: 2 ** 40 })).status).toBe(Status.dataTransferError);
    for (const nsid of [0, 2, 0xffff_ffff])
      expect((await run({ nsid })).status).toBe(Status.invalidNamespace);
    expect((await run({ cdw12: 0 })).status).toBe(0);
  });

  it('has no vector commands, nor any opcode it does not know', async () => {
    const rig = await startRig(disk);
    for (let opcode = 3; opcode < 256; opcode++) {
      if ([4, 5, 8, 9].includes(opcode)) continue;
      expect((await rig.driver.command(1, { opcode, nsid: 1 })).status).toBe(Status.invalidOpcode);
    }
  });

  it('of 512-byte sectors works as well', async () => {
    const rig = await startRig({ namespaces: [plainDisk(4096, 512)] });
    const out = rig.driver.arena.buffer(512 * 3, { offset: 100 }).fill(pattern(512 * 3, 1));
    const sqe = { nsid: 1, cdw10: 77, cdw12: 2 };
    const { arena } = rig.driver;
    expect((await rig.driver.command(1, { opcode: 1, ...sqe, ...prpsFor(arena, out) })).status).toBe(0);
    const back = arena.buffer(512 * 3);
    expect((await rig.driver.command(1, { opcode: 2, ...sqe, ...prpsFor(arena, back) })).status).toBe(0);
    expectBytes(back.read(), pattern(512 * 3, 1));
  });
});

describe('the raw namespace of an open-channel disk', () => {
  it('cannot be written', async () => {
    const rig = await startRig();
    const { status } = await block(rig, IoOpcode.write, 0, rig.driver.arena.buffer(SEC));
    expect(status & 0x7ff).toBe(0x182);
    expect(rig.stores[0]?.commits).toEqual([]);
  });

  it('reads zeros where nothing was written, data where something was', async () => {
    const rig = await startRig();
    const data = pattern(8 * SEC, 1);
    const out = rig.driver.arena.buffer(8 * SEC).fill(data);
    await vector(rig, { opcode: vectorWrite, addresses: pages(rig, 1, { lun: 1, chk: 1 }), data: out });
    const back = rig.driver.arena.buffer(300 * SEC).fill(new Uint8Array(300 * SEC).fill(0xee));
    expect((await block(rig, IoOpcode.read, 100, back)).status).toBe(0);
    const expected = new Uint8Array(300 * SEC);
    expected.set(data, (256 + 32 - 100) * SEC); // 256 sectors a LUN, 32 a chunk
    expectBytes(back.read(), expected);
    expect((await block(rig, IoOpcode.read, 1023, rig.driver.arena.buffer(2 * SEC))).status).toBe(
      Status.lbaOutOfRange,
    );
  });
});

describe('vector commands', () => {
  it.each([
    { numPln: 1, oobSizeBytes: 16, numCh: 1, store: 'sync' },
    { numPln: 2, oobSizeBytes: 64, numCh: 2, store: 'soon' },
    { numPln: 4, oobSizeBytes: 8, numCh: 4, store: 'sync' },
    { numPln: 2, oobSizeBytes: 16, numCh: 1, store: 'soon' },
  ] as const)('write, read and erase: %o', async ({ store, ...geometry }) => {
    const rig = await startRig({ namespaces: [openChannel(geometry)], store });
    const { numCh, numPln, oobSizeBytes } = geometry;
    const mark = rig.driver.arena.mark;
    const control = Math.log2(numPln);
    for (let ch = 0; ch < numCh; ch++) {
      rig.driver.arena.rewind(mark);
      const addresses = pages(rig, 16 / (numPln * 4), { ch, lun: ch % 4, chk: 7 - ch });
      const data = pattern(addresses.length * SEC, ch);
      const oob = pattern(addresses.length * oobSizeBytes, 100 + ch);
      const out = rig.driver.arena.buffer(data.byteLength, { offset: 512, scattered: true }).fill(data);
      const written = await vector(rig, {
        opcode: vectorWrite,
        addresses,
        data: out,
        oobBytes: oobSizeBytes,
        oob,
        control,
      });
      expect([written.status, written.dw0, written.dw1]).toEqual([0, 0, 0]);
      const back = rig.driver.arena.buffer(data.byteLength);
      const read = await vector(rig, { opcode: vectorRead, addresses, data: back, oobBytes: oobSizeBytes });
      expect(read.status).toBe(0);
      expectBytes(back.read(), data);
      expectBytes(read.oob, oob);
    }
    for (let ch = 0; ch < numCh; ch++) {
      const addresses = [at(rig, { ch, lun: ch % 4, chk: 7 - ch })];
      expect((await vector(rig, { opcode: vectorErase, addresses, control })).status).toBe(0);
      for (let pln = 0; pln < numPln; pln++) {
        const one = [at(rig, { ch, lun: ch % 4, chk: 7 - ch, pln })];
        const sensed = await vector(rig, {
          opcode: vectorRead,
          addresses: one,
          data: rig.driver.arena.buffer(SEC),
        });
        expect([sensed.status, sensed.dw0, sensed.dw1]).toEqual([Status.emptyPage, 1, 0]);
      }
    }
  });

  it('of 64 sectors report failures in both halves of the result', async () => {
    const rig = await startRig();
    const data = rig.driver.arena.buffer(64 * SEC).fill(pattern(64 * SEC, 1));
    const addresses = [pages(rig, 4), pages(rig, 4, { lun: 1 })].flat();
    expect(addresses).toHaveLength(64);
    expect((await vector(rig, { opcode: vectorWrite, addresses, data, oobBytes: 16 })).status).toBe(0);
    const holes = addresses.map((a, i) => ([0, 31, 32, 63].includes(i) ? at(rig, { chk: 5 }) : a));
    const back = rig.driver.arena.buffer(64 * SEC);
    const read = await vector(rig, { opcode: vectorRead, addresses: holes, data: back, oobBytes: 16 });
    expect([read.status, read.dw0, read.dw1]).toEqual([Status.emptyPage, 0x8000_0001, 0x8000_0001]);
    expectBytes(back.read().subarray(SEC, 31 * SEC), pattern(64 * SEC, 1).subarray(SEC, 31 * SEC));
    const again = await vector(rig, { opcode: vectorWrite, addresses, data, oobBytes: 16 });
    expect([again.status, again.dw0, again.dw1]).toEqual([Status.writeFailure, 0xffff_ffff, 0xffff_ffff]);
  });

  it('without a metadata pointer transfer no OOB, and with OOB size 0 ignore the pointer', async () => {
    for (const oobSizeBytes of [0, 16]) {
      const rig = await startRig({ namespaces: [openChannel({ oobSizeBytes })] });
      const data = rig.driver.arena.buffer(8 * SEC).fill(pattern(8 * SEC, 1));
      const oobBytes = oobSizeBytes === 0 ? 0 : undefined;
      const request = { addresses: pages(rig, 1), data, ...(oobBytes === undefined ? {} : { oobBytes }) };
      expect((await vector(rig, { opcode: vectorWrite, ...request })).status).toBe(0);
      expect((await vector(rig, { opcode: vectorRead, ...request })).status).toBe(0);
    }
    // Even a pointer to nowhere is no error when there is no OOB.
    const rig = await startRig({ namespaces: [openChannel({ oobSizeBytes: 0 })] });
    const { sqe } = vectorCommand(rig.driver.arena, {
      opcode: vectorWrite,
      addresses: pages(rig, 1),
      data: rig.driver.arena.buffer(8 * SEC),
    });
    expect((await rig.driver.command(1, { ...sqe, metadata: HOLE_BEGIN })).status).toBe(0);
  });

  it.each([
    ['an address outside', { cdw10: 0xffff_ffff }, Status.lbaOutOfRange],
    ['an address above 32 bits', { cdw11: 1 }, Status.lbaOutOfRange],
    ['a list outside memory', { cdw10: HOLE_BEGIN, cdw12: 3 }, Status.dataTransferError],
    ['a list above 2^53', { cdw11: 0xffff_ffff, cdw12: 3 }, Status.dataTransferError],
    ['65 addresses', { cdw12: 64 }, Status.invalidField],
    ['65,536 addresses', { cdw12: 0xffff }, Status.invalidField],
    ['more planes than there are', { cdw12: 2 << 16 }, Status.invalidField],
    ['an impossible plane mode', { cdw12: 3 << 16 }, Status.invalidField],
    ['data outside memory', { prp1: HOLE_BEGIN }, Status.dataTransferError],
    ['metadata outside memory', { metadata: 2 ** 40 }, Status.dataTransferError],
    ['another namespace', { nsid: 2 }, Status.invalidNamespace],
  ])('refuse %s and change nothing', async (_what, wrong, status) => {
    const rig = await startRig();
    const sqe = { opcode: vectorWrite, nsid: 1, prp1: 0x20_0000, cdw10: 0 };
    expect((await rig.driver.command(1, { ...sqe, ...wrong })).status).toBe(status);
    expect(rig.stores[0]?.commits).toEqual([]);
    expect((await rig.driver.command(1, { ...sqe, cdw12: 0x380 << 16 })).status).toBe(0); // hints are fine
  });

  it('respect lmax_sec_per_rq', async () => {
    const rig = await startRig({ namespaces: [openChannel({}, { maxSecsPerRq: 8 })] });
    const list = rig.driver.arena.pages();
    const sqe = { opcode: vectorErase, nsid: 1, cdw10: list };
    expect((await rig.driver.command(1, { ...sqe, cdw12: 8 })).status).toBe(Status.invalidField);
    expect((await rig.driver.command(1, { ...sqe, cdw12: 7 })).status).toBe(0);
  });

  it('take the list as it was when they were fetched', async () => {
    const rig = await startRig({ store: 'held' });
    const addresses = pages(rig, 1);
    const data = rig.driver.arena.buffer(8 * SEC).fill(pattern(8 * SEC, 1));
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: vectorWrite, addresses, data });
    const pending = rig.driver.submit(1, sqe);
    rig.memory.ram.fill(0xff, sqe.cdw10, (sqe.cdw10 ?? 0) + 64);
    await rig.stores[0]?.releaseCommits(0);
    await rig.stores[0]?.releaseAll();
    expect((await rig.driver.wait(pending)).status).toBe(0);
  });

  it('fail on purpose when asked to', async () => {
    const rig = await startRig({
      namespaces: [openChannel({}, { failWriteEverySecs: 10, failWriteSecs: 1 })],
    });
    const data = rig.driver.arena.buffer(16 * SEC);
    const { status, dw0 } = await vector(rig, { opcode: vectorWrite, addresses: pages(rig, 2), data });
    // Entry 10 is the third sector of plane 0's second page; entry 11 is not at the write pointer then.
    expect([status, dw0]).toEqual([Status.writeFailure, 0b1100_0000_0000]);
  });

  it('survive a store that fails, and say so', async () => {
    const rig = await startRig({ store: 'soon' });
    const store = rig.stores[0];
    if (store) store.failCommitIn = 1;
    const data = rig.driver.arena.buffer(8 * SEC);
    const write = () => vector(rig, { opcode: vectorWrite, addresses: pages(rig, 1), data });
    expect((await write()).status).toBe(Status.internalError);
    expect((await write()).status).toBe(Status.internalError);
    expect((await rig.driver.command(1, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(
      Status.internalError,
    );
  });
});

it('telemetry hears of each command and of runs of sectors', async () => {
  const rig = await startRig();
  const data = rig.driver.arena.buffer(8 * SEC);
  await vector(rig, { opcode: vectorWrite, addresses: pages(rig, 1), data });
  expect(rig.telemetry.commands.at(-1)).toEqual({
    queueId: 1,
    opcode: vectorWrite,
    status: 0,
    bytes: 8 * SEC,
  });
  expect(rig.telemetry.operations).toEqual([
    { operation: 'write', block: 0, sec: 0, secs: 4 },
    { operation: 'write', block: 1, sec: 0, secs: 4 },
  ]);
});
