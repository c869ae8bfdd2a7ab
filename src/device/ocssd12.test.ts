import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { flashOf, openChannel, type Rig, type RigOptions, startRig } from '../../test/driver/rig.ts';
import { vectorCommand, vectorErase, vectorRead, vectorWrite } from '../../test/driver/vector.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { HOLE_BEGIN } from '../../test/fakes/fake-memory.ts';
import type { SectorAddress } from '../flash/address.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const SEC = 4096;

type DiskOptions = Parameters<typeof openChannel>;
const start = (geometry: DiskOptions[0] = {}, more: DiskOptions[1] = {}, options: RigOptions = {}) =>
  startRig({ namespaces: [openChannel(geometry, more)], ...options });

const at = (rig: Rig, a: Partial<SectorAddress>): number =>
  flashOf(rig).address.encode({ ch: 0, lun: 0, pln: 0, chk: 0, pg: 0, sec: 0, ...a });

const f2h = (rig: Rig, address: number): Promise<Uint8Array> =>
  rig.driver.adminRead(64 + 16, (prps) => admin.getBadBlocks(1, address, prps));

const u32 = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

describe('the identity (E2h)', () => {
  // Offsets of struct nvme_nvm_id12 and nvme_nvm_id12_grp; what nvme_nvm_setup_12 makes of them is said beside.
  it.each([
    { numPln: 1, mpos: 0x010101 },
    { numPln: 2, mpos: 0x020202 },
    // Quad only: with the dual bit set as well, Linux would use two planes.
    { numPln: 4, mpos: 0x040404 },
  ])('announces exactly the plane mode of $numPln plane(s)', async ({ numPln, mpos }) => {
    const rig = await start({ numPln });
    const bytes = await rig.driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    expect(u32(bytes, 300)).toBe(mpos);
    expect(bytes[262]).toBe(numPln);
  });

  it('says what the device does: bad-block table, ECC, no hybrid mode, one group', async () => {
    const rig = await start();
    const bytes = await rig.driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    expect([bytes[0], bytes[1], bytes[2]]).toEqual([1, 0, 1]);
    expect(u32(bytes, 4)).toBe(0x3); // NVM_ID_DCAP_BBLKMGMT, NVM_UD_DCAP_ECC
    expect(u32(bytes, 8)).toBe(0); // pblk refuses NVM_RSP_L2P here
  });

  it.each([
    [0, 0x7], // SLC flash: SLC mode, suspend, scramble
    [1, 0x6], // MLC: no SLC mode
  ])('of flash type %i understands control bits %i', async (flashMediaType, mccap) => {
    const rig = await start({}, { flashMediaType });
    const bytes = await rig.driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    expect([bytes[257], u32(bytes, 304)]).toEqual([flashMediaType, mccap]);
  });
});

describe('out-of-band data', () => {
  it.each([0, 8, 16, 20, 64])('of %i bytes a sector travels in front of the list', async (oobSizeBytes) => {
    const rig = await start({ oobSizeBytes });
    const addresses = [3, 0, 1, 2].map((sec) => at(rig, { lun: 1, chk: 2, sec }));
    const data = pattern(4 * SEC, 1);
    const oob = pattern(4 * oobSizeBytes, 2);
    const write = vectorCommand(rig.driver.arena, {
      opcode: vectorWrite,
      addresses,
      data: rig.driver.arena.buffer(4 * SEC).fill(data),
      oobBytes: oobSizeBytes,
      oob,
      control: 0x200,
    });
    // Linux: the list is behind 64 entries of at least 16 bytes.
    expect(write.sqe.cdw10).toBe((write.sqe.metadata ?? 0) + 64 * Math.max(16, oobSizeBytes));
    expect((await rig.driver.command(1, write.sqe)).status).toBe(0);
    const back = rig.driver.arena.buffer(4 * SEC);
    const read = vectorCommand(rig.driver.arena, {
      opcode: vectorRead,
      addresses,
      data: back,
      oobBytes: oobSizeBytes,
      control: 0x280,
    });
    expect((await rig.driver.command(1, read.sqe)).status).toBe(0);
    expectBytes(back.read(), data);
    expectBytes(rig.memory.bytes(read.metadata.address, read.metadata.length), oob);
  });

  it('of size 0 is never touched, wherever the pointer leads', async () => {
    const rig = await start({ oobSizeBytes: 0 });
    const data = rig.driver.arena.buffer(SEC);
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: vectorWrite, addresses: [0], data });
    expect((await rig.driver.command(1, { ...sqe, metadata: HOLE_BEGIN })).status).toBe(0);
    expect((await rig.driver.command(1, { ...sqe, opcode: vectorRead, metadata: HOLE_BEGIN })).status).toBe(
      0,
    );
  });
});

describe('control bits', () => {
  it.each([
    ['suspend', 0x80],
    ['SLC', 0x100],
    ['scramble', 0x200],
    ['all of them with two planes', 0x381],
    ['bits without a meaning here (FUA, limited retry)', 0xc000],
  ])('%s are taken', async (_what, control) => {
    const rig = await start();
    const data = rig.driver.arena.buffer(SEC).fill(pattern(SEC, 1));
    for (const opcode of [vectorWrite, vectorRead, vectorErase]) {
      const { sqe } = vectorCommand(rig.driver.arena, { opcode, addresses: [0], data, control });
      expect((await rig.driver.command(1, sqe)).status).toBe(0);
    }
    expect(flashOf(rig).table.eraseCount[0]).toBe(1);
  });

  it('of a dual-plane erase on four planes take the pair of the address', async () => {
    const rig = await start({ numPln: 4 });
    const addresses = [at(rig, { chk: 3, pln: 2 })];
    const { sqe } = vectorCommand(rig.driver.arena, { opcode: vectorErase, addresses, control: 1 });
    expect((await rig.driver.command(1, sqe)).status).toBe(0);
    const { eraseCount } = flashOf(rig).table;
    const first = flashOf(rig).address.decode(addresses[0] as number, 0)
      ? flashOf(rig).address.block - 2
      : -1;
    expect(Array.from(eraseCount.subarray(first, first + 4))).toEqual([0, 0, 1, 1]);
  });

  it.each([1, 2, 4])('of %i planes refuse what has more planes', async (numPln) => {
    const rig = await start({ numPln });
    for (let mode = 0; mode < 4; mode++) {
      const { sqe } = vectorCommand(rig.driver.arena, { opcode: vectorErase, addresses: [0], control: mode });
      expect((await rig.driver.command(1, sqe)).status).toBe(2 ** mode <= numPln ? 0 : Status.invalidField);
    }
  });
});

it.each([IoOpcode.rawWrite, IoOpcode.rawRead, IoOpcode.vectorCopy, IoOpcode.writeZeroes, 0x81])(
  'opcode %i is not one of 1.2 here',
  async (opcode) => {
    const rig = await start();
    const sqe = { opcode, nsid: 1, prp1: 0x20_0000 };
    expect((await rig.driver.command(1, sqe)).status).toBe(Status.invalidOpcode);
    expect(rig.log.last()?.why).toMatch(/\w+/);
    expect(rig.stores[0]?.commits).toEqual([]);
  },
);

describe('the bad-block table (F1h, F2h)', () => {
  it('takes lists, repeats and every value, and survives', async () => {
    const rig = await start();
    const list = rig.driver.arena.pages();
    const blocks = [
      { lun: 2, chk: 0, pln: 0 },
      { lun: 2, chk: 3, pln: 1 },
      { lun: 2, chk: 0, pln: 0 },
      { lun: 1, chk: 7, pln: 1 },
    ];
    blocks.forEach((block, i) => rig.memory.put64(list + 8 * i, at(rig, block)));
    for (const value of [1, 2, 4, 8, 0, 2]) {
      expect((await rig.driver.admin(admin.setBadBlocks(1, list, value, 4))).status).toBe(0);
      const table = await f2h(rig, at(rig, { lun: 2, chk: 5, pg: 1 }));
      const expected = new Uint8Array(16);
      expected[0] = value;
      expected[3 * 2 + 1] = value;
      expectBytes(table.subarray(64), expected);
      expect(String.fromCharCode(...table.subarray(0, 4))).toBe('BBLT');
      expect([u32(table, 4) & 0xffff, u32(table, 12)]).toEqual([1, 16]);
      const counts = [16, 20, 24, 28].map((offset) => u32(table, offset));
      expect(counts).toEqual([1, 2, 4, 8].map((kind) => (kind === value ? 2 : 0)));
    }
    const [store] = rig.stores;
    const again = await start({}, {}, { stores: store ? [store.reopened()] : [] });
    expect((await f2h(again, at(again, { lun: 1 })))[64 + 15]).toBe(2);
  });

  it.each([
    ['a value between', { value: 3 }, Status.invalidField],
    ['another value', { value: 0xff }, Status.invalidField],
    ['an address outside in the list', { last: 0xffff_fff0 }, Status.lbaOutOfRange],
    ['a list outside memory', { list: HOLE_BEGIN }, Status.dataTransferError],
    ['65 blocks', { count: 65 }, Status.invalidField],
    ['65,536 blocks', { count: 0x1_0000 }, Status.invalidField],
  ])('refuses %s and changes nothing', async (_what, wrong: object, status) => {
    const rig = await start();
    const page = rig.driver.arena.pages();
    const { value, last, list, count } = { value: 2, last: 0, list: page, count: 3, ...wrong };
    [at(rig, { chk: 1 }), at(rig, { chk: 2 }), last].forEach((a, i) => rig.memory.put64(page + 8 * i, a));
    expect((await rig.driver.admin(admin.setBadBlocks(1, list, value, count))).status).toBe(status);
    expectBytes((await f2h(rig, 0)).subarray(64), new Uint8Array(16));
    expect(rig.stores[0]?.commits).toEqual([]);
  });

  it('of a new disk has the blocks that the configuration says', async () => {
    const initialBadBlocks = new Uint8Array(64);
    initialBadBlocks[16 + 2] = 2;
    const rig = await start({}, { badBlockEvery: 8, initialBadBlocks });
    const table = await f2h(rig, at(rig, { lun: 1 }));
    expect(Array.from(table.subarray(64))).toEqual([0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect([u32(table, 16), u32(table, 20)]).toEqual([2, 1]);
    const bad = { opcode: vectorErase, nsid: 1, cdw10: at(rig, { lun: 1, chk: 1 }) };
    expect((await rig.driver.command(1, bad)).status).toBe(Status.writeFailure);
  });
});

describe('faults end commands as pblk knows them', () => {
  // NVM_RSP_* of include/linux/lightnvm.h
  it('write 40FFh, read 4281h and 4700h, empty 42FFh, and the erased block is in the table', async () => {
    const rig = await start();
    const { faults } = flashOf(rig);
    const data = rig.driver.arena.buffer(4 * SEC).fill(pattern(4 * SEC, 1));
    const run = async (opcode: number, chk: number, count = 4) => {
      const addresses = Array.from({ length: count }, (_, sec) => at(rig, { chk, sec }));
      const { sqe } = vectorCommand(rig.driver.arena, { opcode, addresses, data });
      const { status, dw0 } = await rig.driver.command(1, sqe);
      return [status, dw0];
    };
    const block = (chk: number) => {
      flashOf(rig).address.decode(at(rig, { chk }), 0);
      return flashOf(rig).address.block;
    };
    faults.setWrite(block(1), 2);
    expect(await run(vectorWrite, 1)).toEqual([0x40ff, 0b1100]);
    expect(await run(vectorRead, 1)).toEqual([0x42ff, 0b1100]);
    expect(await run(vectorWrite, 2)).toEqual([0, 0]);
    faults.setRead(block(2), 1, 'highEcc');
    expect(await run(vectorRead, 2)).toEqual([0x4700, 0]);
    faults.setRead(block(2), 3, 'ecc');
    expect(await run(vectorRead, 2)).toEqual([0x4281, 0b1000]);
    faults.setErase(block(2));
    expect((await run(vectorErase, 2, 1))[0]).toBe(0x40ff);
    expect((await f2h(rig, 0))[64 + 2 * 2]).toBe(2);
    // DNR is set in all of them, or Linux would try again.
    for (const status of [0x40ff, 0x42ff, 0x4281, 0x4700]) expect(status & 0x4000).toBe(0x4000);
  });
});
