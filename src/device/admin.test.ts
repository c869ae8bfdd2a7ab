import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { PAGE } from '../../test/driver/arena.ts';
import { flashOf, makeRig, openChannel, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { HOLE_BEGIN } from '../../test/fakes/fake-memory.ts';
import { identifyController, identifyNamespace } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { badBlockTable, BadBlock, ChunkState, identify12 } from '../spec/ocssd12.ts';
import { VERSION_1_2 } from '../spec/registers.ts';
import { Status } from '../spec/status.ts';

const NONE = { prp1: 0, prp2: 0 };
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes).trimEnd();

it('is probed in the order in which Linux does it', async () => {
  const rig = await makeRig({ namespaces: [openChannel(), plainDisk(2048)] });
  const { driver } = rig;
  expect(driver.registers.cap.low).toBeGreaterThan(0);
  driver.disable();
  driver.enable();
  expect(driver.registers.version).toBe(VERSION_1_2);
  const controller = await driver.adminRead(4096, (prps) => admin.identify(1, 0, prps));
  expect(await driver.adminOk(admin.setFeatures(7, 0x0001_0001))).toBe(0x0001_0001);
  await driver.createQueuePair(1, 32);
  const active = await driver.adminRead(4096, (prps) => admin.identify(2, 0, prps));
  expect(Array.from(new Uint32Array(active.buffer).subarray(0, 3))).toEqual([1, 2, 0]);
  const ns = await driver.adminRead(4096, (prps) => admin.identify(0, 1, prps));
  const geometry = await driver.adminRead(4096, (prps) => admin.geometry(1, prps));
  const buffer = driver.arena.buffer(8 * 4096);
  const read = { opcode: 2, nsid: 1, cdw12: 7, ...prpsFor(driver.arena, buffer) };
  expect((await driver.command(1, read)).status).toBe(0);

  const c = identifyController.fields;
  expect([unpack(c.vid, controller), unpack(c.nn, controller), unpack(c.mdts, controller)]).toEqual([
    0x1d1d, 2, 10,
  ]);
  // Format, and the event that a format raises; effects log and offsets in logs. Nothing else that Linux asks for.
  expect([unpack(c.oacs, controller), unpack(c.oaes, controller), unpack(c.lpa, controller)]).toEqual([
    2, 256, 6,
  ]);
  expect([unpack(c.sqes, controller), unpack(c.cqes, controller)]).toEqual([0x66, 0x44]);
  expect(text(controller.subarray(4, 24))).toBe('test');
  const n = identifyNamespace.fields;
  expect([unpack(n.nsze, ns), unpack(n.vs0, ns), unpack(n.nlbaf, ns), unpack(n.flbas, ns)]).toEqual([
    1024, 1, 3, 3,
  ]);
  expect(ns[128 + 3 * 4 + 2]).toBe(12); // 4 KiB, no metadata
  const g = identify12.fields;
  expect(
    [g.verId, g.cgrps, g.numCh, g.numLun, g.numPln, g.numChk, g.numPg].map((f) => unpack(f, geometry)),
  ).toEqual([1, 1, 1, 4, 2, 8, 4]);
  expect([g.csecs, g.fpgSz, g.sos, g.mpos, g.dom].map((f) => unpack(f, geometry))).toEqual([
    4096, 16384, 16, 0x0002_0202, 0,
  ]);
  expect(driver.unexpected).toEqual([]);
});

describe('identify', () => {
  it('knows its namespaces and structures', async () => {
    const { driver } = await startRig({ namespaces: [openChannel(), plainDisk(2048, 512)] });
    const plain = await driver.adminRead(4096, (prps) => admin.identify(0, 2, prps));
    const n = identifyNamespace.fields;
    expect([n.nsze, n.nlbaf, n.flbas, n.vs0].map((f) => unpack(f, plain))).toEqual([2048, 3, 0, 0]);
    expect(plain[128 + 2]).toBe(9);
    for (const [cns, nsid, status] of [
      [0, 0, Status.invalidNamespace],
      [0, 3, Status.invalidNamespace],
      [0, 0xffff_ffff, Status.invalidNamespace],
      [2, 0xffff_fffe, Status.invalidNamespace],
      [3, 0, Status.invalidNamespace],
      [0x11, 3, Status.invalidNamespace],
      [0x12, 1, Status.invalidField],
      [0xff, 1, Status.invalidField],
    ] as const) {
      const prps = prpsFor(driver.arena, driver.arena.buffer(4096));
      expect((await driver.admin(admin.identify(cns, nsid, prps))).status, `${cns} ${nsid}`).toBe(status);
    }
  });

  it('lists only namespaces above the one given', async () => {
    const { driver } = await startRig({ namespaces: [plainDisk(), plainDisk(), plainDisk()] });
    const list = await driver.adminRead(4096, (prps) => admin.identify(2, 1, prps));
    expect(Array.from(new Uint32Array(list.buffer).subarray(0, 3))).toEqual([2, 3, 0]);
  });

  it('writes only where its PRPs point, at any offset', async () => {
    const { driver, memory } = await startRig();
    const buffer = driver.arena.buffer(4096, { offset: 0x804, scattered: true });
    memory.forget();
    await driver.adminOk(admin.identify(1, 0, prpsFor(driver.arena, buffer)));
    const admincq = { address: driver.cqs.get(0)?.pages[0] ?? 0, length: 512 };
    expect(memory.writesOutside([...buffer.ranges, admincq])).toEqual([]);
    expect(text(buffer.read().subarray(4, 24))).toBe('test');
    const bad = await driver.admin(admin.identify(1, 0, { prp1: HOLE_BEGIN, prp2: 0 }));
    expect(bad.status).toBe(Status.dataTransferError);
    const crooked = await driver.admin(admin.identify(1, 0, { prp1: 0x20_0001, prp2: 0 }));
    expect(crooked.status).toBe(Status.prpOffsetInvalid);
  });

  it('announces as many planes as there are', async () => {
    for (const [numPln, mpos] of [
      [1, 0x0001_0101],
      [2, 0x0002_0202],
      [4, 0x0004_0404],
    ] as const) {
      const { driver } = await startRig({ namespaces: [openChannel({ numPln })] });
      const geometry = await driver.adminRead(4096, (prps) => admin.geometry(1, prps));
      expect(unpack(identify12.fields.mpos, geometry)).toBe(mpos);
    }
  });

  it('has an address format whose parts do not meet', async () => {
    const { driver } = await startRig({ namespaces: [openChannel({ numCh: 4 })] });
    const id = await driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    let seen = 0;
    for (let at = 12; at < 24; at += 2) {
      const bits = ((1 << (id[at + 1] ?? 0)) - 1) << (id[at] ?? 0);
      expect(seen & bits).toBe(0);
      seen |= bits;
    }
    expect(seen).toBe(2 ** 12 - 1); // 2 + 2 + 1 + 3 + 2 + 2 bits
  });
});

describe('log pages', () => {
  const read = async (
    rig: Rig,
    lid: number,
    length: number,
    more: { offset?: number; nsid?: number } = {},
  ) => {
    const buffer = rig.driver.arena.buffer(length).fill(new Uint8Array(length).fill(0xee));
    const prps = prpsFor(rig.driver.arena, buffer);
    const { status } = await rig.driver.admin(admin.getLogPage(lid, length, prps, more));
    return { status, bytes: buffer.read() };
  };

  it('are delivered up to their end, and no further', async () => {
    const rig = await startRig();
    const smart = await read(rig, 2, 512);
    expect(smart.status).toBe(0);
    expect((smart.bytes[1] ?? 0) + 256 * (smart.bytes[2] ?? 0)).toBe(303);
    const longer = await read(rig, 2, 8192);
    expect(longer.status).toBe(0);
    expectBytes(longer.bytes.subarray(0, 512), smart.bytes);
    expectBytes(longer.bytes.subarray(512), new Uint8Array(8192 - 512).fill(0xee));
    const part = await read(rig, 2, 8);
    expectBytes(part.bytes, smart.bytes.subarray(0, 8));
    expectBytes((await read(rig, 1, 256)).bytes, new Uint8Array(256));
    expect(text((await read(rig, 3, 512)).bytes.subarray(8, 16))).toBe('1.0');
  });

  it('begin at an offset', async () => {
    const rig = await startRig();
    const firmware = (await read(rig, 3, 512)).bytes;
    expectBytes((await read(rig, 3, 16, { offset: 4 })).bytes, firmware.subarray(4, 20));
    const end = await read(rig, 3, 16, { offset: 508 });
    expectBytes(end.bytes.subarray(0, 4), firmware.subarray(508));
    expectBytes(end.bytes.subarray(4), new Uint8Array(12).fill(0xee));
    const after = await read(rig, 3, 16, { offset: 512 });
    expect([after.status, after.bytes[0]]).toEqual([0, 0xee]);
    for (const offset of [516, 2, 2 ** 32, 2 ** 40 + 4]) {
      expect((await read(rig, 3, 16, { offset })).status, `${offset}`).toBe(Status.invalidField);
    }
  });

  it('of the longest length ask for no more than there is', async () => {
    const rig = await startRig();
    const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(512));
    const sqe = { ...admin.getLogPage(2, 4, prps), cdw10: 0xffff_0002, cdw11: 0xffff };
    expect((await rig.driver.admin(sqe)).status).toBe(0);
  });

  it('that are not kept, or not of a namespace, are refused', async () => {
    const rig = await startRig();
    for (let lid = 0; lid < 256; lid++) {
      if ([1, 2, 3, 5].includes(lid)) continue;
      expect((await rig.driver.admin(admin.getLogPage(lid, 4, NONE))).status, `${lid}`).toBe(
        Status.invalidLogPage,
      );
    }
    expect((await read(rig, 2, 512, { nsid: 7 })).status).toBe(Status.invalidNamespace);
    for (const nsid of [0, 1, 0xffff_ffff]) expect((await read(rig, 2, 512, { nsid })).status).toBe(0);
  });
});

describe('features', () => {
  const MANDATORY = [1, 2, 4, 5, 7, 8, 9, 0xa, 0xb];

  it('that are mandatory exist, no other does', async () => {
    const { driver } = await startRig();
    for (let fid = 0; fid < 256; fid++) {
      const { status } = await driver.admin(admin.getFeatures(fid));
      expect(status, `${fid}`).toBe(MANDATORY.includes(fid) ? 0 : Status.invalidField);
      if (!MANDATORY.includes(fid)) {
        expect((await driver.admin(admin.setFeatures(fid, 0))).status).toBe(Status.invalidField);
      }
    }
  });

  it('come back as set, have defaults and capabilities, and go with a reset', async () => {
    const { driver } = await startRig();
    for (const fid of [1, 4, 5, 8, 0xa, 0xb]) {
      const was = await driver.adminOk(admin.getFeatures(fid));
      await driver.adminOk(admin.setFeatures(fid, 0x155));
      expect(await driver.adminOk(admin.getFeatures(fid))).toBe(0x155);
      expect(await driver.adminOk(admin.getFeatures(fid, { select: 1 }))).toBe(was);
      expect(await driver.adminOk(admin.getFeatures(fid, { select: 2 }))).toBe(was);
      expect(await driver.adminOk(admin.getFeatures(fid, { select: 3 }))).toBe(fid === 5 ? 6 : 4);
      expect((await driver.admin(admin.getFeatures(fid, { select: 4 }))).status).toBe(Status.invalidField);
    }
    driver.reset();
    expect(await driver.adminOk(admin.getFeatures(1))).toBe(6);
  });

  it('cannot be saved, nor belong to a namespace that does not exist', async () => {
    const { driver } = await startRig();
    const save = { ...admin.setFeatures(4, 1), cdw10: 0x8000_0004 };
    expect((await driver.admin(save)).status).toBe(Status.featureNotSaveable);
    expect((await driver.admin(admin.setFeatures(4, 1, 9))).status).toBe(Status.invalidNamespace);
    expect((await driver.admin(admin.getFeatures(4, { nsid: 9 }))).status).toBe(Status.invalidNamespace);
  });

  it('number of queues: what fits, before there are any', async () => {
    const rig = await makeRig();
    rig.driver.enable();
    expect(await rig.driver.adminOk(admin.setFeatures(7, 0x0002_0004))).toBe(0x0002_0004);
    expect(await rig.driver.adminOk(admin.getFeatures(7))).toBe(0x0002_0004);
    expect(await rig.driver.adminOk(admin.setFeatures(7, 0x0100_0200))).toBe(0x0007_0007);
    for (const value of [0xffff, 0xffff_0000]) {
      expect((await rig.driver.admin(admin.setFeatures(7, value))).status).toBe(Status.invalidField);
    }
    await rig.driver.createQueuePair(1);
    expect((await rig.driver.admin(admin.setFeatures(7, 0))).status).toBe(Status.commandSequenceError);
  });

  it('power states and vectors beyond 0 are refused', async () => {
    const { driver } = await startRig();
    expect((await driver.admin(admin.setFeatures(2, 1))).status).toBe(Status.invalidField);
    expect((await driver.admin(admin.setFeatures(9, 1))).status).toBe(Status.invalidField);
    expect((await driver.admin(admin.getFeatures(9, { cdw11: 1 }))).status).toBe(Status.invalidField);
  });
});

describe('asynchronous event requests', () => {
  it('are held up to the limit, and vanish at a reset', async () => {
    const { driver } = await startRig();
    for (let round = 0; round < 3; round++) {
      const held = Array.from({ length: 4 }, () => driver.submit(0, admin.asyncEvent()));
      expect((await driver.admin(admin.asyncEvent())).status).toBe(Status.asyncEventLimitExceeded);
      expect(held.every((p) => p.completion === undefined)).toBe(true);
      expect((await driver.admin(admin.getFeatures(7))).status).toBe(0);
      driver.reset();
    }
    expect(driver.unexpected).toEqual([]);
  });
});

it('abort says that nothing was aborted', async () => {
  const { driver } = await startRig();
  const { status, dw0 } = await driver.admin(admin.abort(1, 5));
  expect([status, dw0]).toEqual([0, 1]);
});

it('every other opcode is refused', async () => {
  const { driver } = await startRig();
  const known = [0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0xe2, 0xf1, 0xf2];
  for (let opcode = 0; opcode < 256; opcode++) {
    if (known.includes(opcode)) continue;
    expect((await driver.admin({ opcode })).status, `${opcode}`).toBe(Status.invalidOpcode);
  }
});

describe('the bad-block table', () => {
  it('goes round: set on one address, on a list, and read', async () => {
    const rig = await startRig({ namespaces: [openChannel({ numCh: 2 })] });
    const { driver } = rig;
    const { address } = flashOf(rig);
    const at = (ch: number, lun: number, chk: number, pln: number) =>
      address.encode({ ch, lun, chk, pln, pg: 3, sec: 1 });
    await driver.adminOk(admin.setBadBlocks(1, at(1, 2, 5, 1), BadBlock.grown));
    const list = driver.arena.pages() + 0x40;
    [at(1, 2, 0, 0), at(1, 2, 0, 1), at(0, 1, 7, 1)].forEach((a, i) => driver.memory.put64(list + 8 * i, a));
    await driver.adminOk(admin.setBadBlocks(1, list, BadBlock.factory, 3));
    const table = async (ch: number, lun: number) =>
      driver.adminRead(64 + 16, (prps) => admin.getBadBlocks(1, at(ch, lun, 0, 0), prps));
    const bytes = await table(1, 2);
    const f = badBlockTable.fields;
    expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe('BBLT');
    expect([f.verid, f.tblks, f.tfact, f.tgrown].map((field) => unpack(field, bytes))).toEqual([1, 16, 2, 1]);
    const expected = new Uint8Array(16);
    expected.set([BadBlock.factory, BadBlock.factory]);
    expected[5 * 2 + 1] = BadBlock.grown;
    expect(bytes.subarray(64)).toEqual(expected);
    expect((await table(0, 1))[64 + 15]).toBe(BadBlock.factory);
    expect((await table(0, 2)).subarray(64)).toEqual(new Uint8Array(16));
    await driver.adminOk(admin.setBadBlocks(1, at(1, 2, 5, 1), BadBlock.good));
    expect((await table(1, 2))[64 + 11]).toBe(0);
  });

  it('refuses addresses outside, values it does not know, lists it cannot read, and then changes nothing', async () => {
    const rig = await startRig();
    const { driver } = rig;
    const list = driver.arena.pages();
    driver.memory.put64(list + 8, 0xffff_ffff);
    for (const [sqe, status] of [
      [admin.setBadBlocks(1, 0xffff_ffff, 2), Status.lbaOutOfRange],
      [admin.setBadBlocks(1, list, 2, 2), Status.lbaOutOfRange],
      [admin.setBadBlocks(1, HOLE_BEGIN, 2, 2), Status.dataTransferError],
      [admin.setBadBlocks(1, 0, 7), Status.invalidField],
      [admin.setBadBlocks(1, list, 2, 65), Status.invalidField],
      [admin.setBadBlocks(2, 0, 2), Status.invalidNamespace],
      [admin.getBadBlocks(1, 0xffff_ffff, NONE), Status.lbaOutOfRange],
      [admin.getBadBlocks(0, 0, NONE), Status.invalidNamespace],
    ] as const) {
      expect((await driver.admin(sqe)).status).toBe(status);
    }
    expect(new Set(flashOf(rig).table.state)).toEqual(new Set([ChunkState.free]));
  });

  it('and the geometry do not exist on a plain disk', async () => {
    const { driver } = await startRig({ namespaces: [plainDisk()] });
    const prps = { prp1: driver.arena.pages(), prp2: PAGE };
    for (const sqe of [
      admin.geometry(1, prps),
      admin.getBadBlocks(1, 0, prps),
      admin.setBadBlocks(1, 0, 2),
    ]) {
      expect((await driver.admin(sqe)).status).toBe(Status.invalidOpcode);
    }
  });
});
