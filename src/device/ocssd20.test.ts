import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { ChunkDiskHost } from '../../test/driver/chunk-disk.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { chunkDisk, chunkFlashOf, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { vectorCommand } from '../../test/driver/vector.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import { ChunkState } from '../spec/ocssd12.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

type Options = Parameters<typeof chunkDisk>[1];
const start = (options: Options = {}, geometry: Parameters<typeof chunkDisk>[0] = {}) =>
  startRig({ namespaces: [chunkDisk(geometry, options)] });
const attach = async (options: Options = {}, geometry: Parameters<typeof chunkDisk>[0] = {}) =>
  ChunkDiskHost.attach(await start(options, geometry));
const zeros = (secs: number) => new Uint8Array(secs * 4096);

describe('2.0: what the device says of itself', () => {
  it('geometry', async () => {
    const { driver } = await start(
      { mccap: 1, wearIndexThreshold: 12, maxOpenChunks: 9, maxOpenChunksPerPu: 3 },
      { numLun: 3, numChk: 60 },
    );
    const bytes = await driver.adminRead(4096, (prps) => admin.geometry(1, prps));
    const view = new DataView(bytes.buffer);
    expect([...bytes.subarray(0, 12)]).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 6, 6]);
    expect([view.getUint32(16, true), bytes[32]]).toEqual([1 | 4, 12]);
    expect([view.getUint16(64, true), view.getUint16(66, true)]).toEqual([2, 3]);
    expect([68, 72, 128, 132, 136, 140, 144].map((at) => view.getUint32(at, true))).toEqual([
      60, 64, 4, 8, 16, 9, 3,
    ]);
    for (const at of [192, 196, 200, 204, 208, 212]) expect(view.getUint32(at, true)).toBeGreaterThan(0);
  });

  it.each([
    [16, 2],
    [0, 0],
  ])(
    'namespace: size of the address space, capacity, format with %i bytes of metadata apart',
    async (ms, mc) => {
      const { driver } = await start({ deallocatedReads: 2 }, { numLun: 3, numChk: 60, oobSizeBytes: ms });
      const bytes = await driver.adminRead(4096, (prps) => admin.identify(0, 1, prps));
      const view = new DataView(bytes.buffer);
      expect(view.getBigUint64(0, true)).toBe(2n ** 15n); // 1 + 2 + 6 + 6 bits
      expect([8, 16].map((at) => Number(view.getBigUint64(at, true)))).toEqual(
        new Array(2).fill(2 * 3 * 60 * 64),
      );
      // nsfeat with DULBE, one format, in use, not extended
      expect([...bytes.subarray(24, 30)]).toEqual([4, 0, 0, mc, 0, 0]);
      expect(bytes[33]).toBe(2);
      expect([view.getUint16(128, true), bytes[130], bytes[384]]).toEqual([ms, 12, 1]);
    },
  );

  it('each legal address is below the size, also plain reads into gaps and of the last block succeed', async () => {
    const disk = await attach({}, { numCh: 3, numLun: 3, numChk: 5 });
    for (const chunk of await disk.chunks()) expect(chunk.slba + chunk.cnlb).toBeLessThanOrEqual(2 ** 13);
    for (const lba of [0, 5 << 6, 2 ** 13 - 1]) {
      const { completion, data } = await disk.read('scalar', lba, 1);
      expect(completion.status).toBe(0);
      expectBytes(data, zeros(1));
    }
    for (const lba of [2 ** 13, 2 ** 52])
      expect((await disk.read('scalar', lba, 1)).completion.status).toBe(Status.lbaOutOfRange);
    expect((await disk.read('scalar', 2 ** 13 - 1, 2)).completion.status).toBe(Status.lbaOutOfRange);
    expect((await disk.write('scalar', 2 ** 13, zeros(4))).status).toBe(Status.lbaOutOfRange);
  });
});

describe('2.0: chunk information log', () => {
  const get = (rig: Rig, length: number, offset: number, nsid = 1) => {
    const { arena } = rig.driver;
    const buffer = arena.buffer(length).fill(new Uint8Array(length).fill(0xa5));
    const sqe = admin.getLogPage(0xca, length, prpsFor(arena, buffer), { offset, nsid });
    return rig.driver.admin(sqe).then(({ status }) => ({ status, bytes: buffer.read() }));
  };
  const TOTAL = 2 * 2 * 8 * 32;

  it('comes in any part', async () => {
    const rig = await start({ initialChunks: [{ chk: 3, state: 'open', writePointer: 8 }] });
    const whole = await get(rig, TOTAL, 0);
    expect(whole.status).toBe(0);
    for (const [length, offset] of [
      [4, 0],
      [32, 96],
      [500, 300],
      [4, TOTAL - 4],
    ] as const)
      expectBytes((await get(rig, length, offset)).bytes, whole.bytes.subarray(offset, offset + length));
  });

  it('ends where it ends', async () => {
    const rig = await start();
    const beyond = await get(rig, 64, TOTAL - 32);
    expect(beyond.status).toBe(0);
    expectBytes(beyond.bytes.subarray(32), new Uint8Array(32).fill(0xa5));
    expect((await get(rig, 64, TOTAL)).status).toBe(0);
    expect((await get(rig, 64, TOTAL + 4)).status).toBe(Status.invalidField);
    expect((await get(rig, 64, 2 ** 40)).status).toBe(Status.invalidField);
    expect((await get(rig, 64, 2)).status).toBe(Status.invalidField);
  });

  it('belongs to one namespace', async () => {
    const rig = await start();
    expect((await get(rig, 64, 0, 0xffff_ffff)).status).toBe(Status.invalidField);
    expect((await get(rig, 64, 0, 0)).status).toBe(Status.invalidField);
    expect((await get(rig, 64, 0, 2)).status).toBe(Status.invalidNamespace);
    const plain = await startRig({ namespaces: [plainDisk()] });
    expect((await get(plain, 64, 0)).status).toBe(Status.invalidLogPage);
  });

  it('of a million chunks is one command, the whole of it or a page', async () => {
    const rig = await start(
      {},
      { numCh: 4, numLun: 4, numChk: 8192, numPg: 1, secSizeBytes: 512, oobSizeBytes: 0 },
    );
    const length = 4 * 4 * 8192 * 32; // 4 MiB: a quarter of the memory of the rig
    const whole = await get(rig, length, 0);
    expect(whole.status).toBe(0);
    const view = new DataView(whole.bytes.buffer);
    // Chunk 8191 of unit 3 of group 3: eight sectors are three bits, chunks 13, units 2.
    expect(view.getBigUint64(length - 24, true)).toBe(BigInt((3 << 18) | (3 << 16) | (8191 << 3)));
    expect((await get(rig, 4096, length - 4096)).status).toBe(0);
  });

  it('goes only where its pointers lead, and those have to be memory', async () => {
    const rig = await start();
    const sqe = admin.getLogPage(0xca, TOTAL, { prp1: 2 ** 40, prp2: 0 }, { nsid: 1 });
    expect((await rig.driver.admin(sqe)).status).toBe(Status.dataTransferError);
  });
});

describe('2.0: notifications', () => {
  const failing: Options = {
    faults: { writes: [], resets: [{ percent: 100 }] },
    initialChunks: [{ state: 'closed' }],
  };
  const log = (rig: Rig, more: { offset?: number } = {}) =>
    rig.driver.adminRead(4096 - (more.offset ?? 0), (prps) =>
      admin.getLogPage(0xd0, 4096 - (more.offset ?? 0), prps, more),
    );

  it('an event says that there are new ones; the log has them, newest first', async () => {
    const disk = await attach(failing);
    const { rig } = disk;
    const pending = rig.driver.submit(0, admin.asyncEvent());
    expect((await disk.reset('vector', disk.lba({ chk: 2 }))).status).toBe(Status.offlineChunk);
    // Vendor-specific type 7, log page D0h.
    expect((await rig.driver.wait(pending)).dw0).toBe(0xd0_00_07);
    await disk.reset('scalar', disk.lba({ pu: 1, chk: 3 }));
    const bytes = await log(rig);
    const view = new DataView(bytes.buffer);
    const entry = (i: number) => [
      Number(view.getBigUint64(i * 64, true)),
      Number(view.getBigUint64(i * 64 + 8, true)),
      view.getUint32(i * 64 + 16, true),
      view.getUint16(i * 64 + 20, true),
      view.getUint8(i * 64 + 22),
    ];
    expect([0, 1, 2].map(entry)).toEqual([
      [2, disk.lba({ pu: 1, chk: 3 }), 1, 0x8, 2],
      [1, disk.lba({ chk: 2 }), 1, 0x8, 2],
      [0, 0, 0, 0, 0],
    ]);
    expectBytes(await log(rig, { offset: 64 }), bytes.subarray(64));
  });

  it('events wait until the log was read', async () => {
    const disk = await attach(failing);
    const { driver } = disk.rig;
    const first = driver.submit(0, admin.asyncEvent());
    await disk.reset('vector', disk.lba({}));
    await driver.wait(first);
    const second = driver.submit(0, admin.asyncEvent());
    await disk.reset('vector', disk.lba({ chk: 1 }));
    driver.service();
    expect(second.completion).toBeUndefined();
    const retain = admin.getLogPage(0xd0, 64, prpsFor(driver.arena, driver.arena.buffer(64)));
    await driver.adminOk({ ...retain, cdw10: (retain.cdw10 as number) | 0x8000 });
    expect(second.completion).toBeUndefined();
    await log(disk.rig);
    expect((await driver.wait(second)).dw0).toBe(0xd0_00_07);
  });

  it('the log has an end, and is there only on 2.0', async () => {
    const rig = await start();
    const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(64));
    expect((await rig.driver.admin(admin.getLogPage(0xd0, 64, prps, { offset: 4100 }))).status).toBe(
      Status.invalidField,
    );
    const plain = await startRig({ namespaces: [plainDisk()] });
    expect((await plain.driver.admin(admin.getLogPage(0xd0, 64, prps))).status).toBe(Status.invalidLogPage);
  });

  it('media feedback can be set, and is forgotten at a reset', async () => {
    const { driver } = await start();
    await driver.adminOk(admin.setFeatures(0xca, 3));
    expect(await driver.adminOk(admin.getFeatures(0xca))).toBe(3);
    expect(await driver.adminOk(admin.getFeatures(0xca, { select: 1 }))).toBe(0);
    expect(await driver.adminOk(admin.getFeatures(0xca, { select: 3 }))).toBe(4);
    expect((await driver.admin(admin.setFeatures(0xca, 3, 9))).status).toBe(Status.invalidNamespace);
    driver.reset();
    expect(await driver.adminOk(admin.getFeatures(0xca))).toBe(0);
    const plain = await startRig({ namespaces: [plainDisk()] });
    expect((await plain.driver.admin(admin.getFeatures(0xca))).status).toBe(Status.invalidField);
  });
});

describe('2.0: I/O commands', () => {
  it('a vector over chunks, as pblk sends them: list behind the metadata, OOB with each sector', async () => {
    const disk = await attach();
    const { driver } = disk.rig;
    const places = [0, 1].flatMap((pu) =>
      Array.from({ length: 8 }, (_, sec) => disk.lba({ grp: 1, pu, chk: 4, sec })),
    );
    const data = pattern(16 * 4096, 3);
    const oob = pattern(16 * 16, 4);
    const write = vectorCommand(driver.arena, {
      opcode: IoOpcode.vectorWrite,
      addresses: places,
      data: driver.arena.buffer(data.length, { scattered: true }).fill(data),
      oobBytes: 16,
      oob,
    });
    expect((await driver.command(1, write.sqe)).status).toBe(0);
    chunkFlashOf(disk.rig).powerCycle(); // the cache is written out
    const buffer = driver.arena.buffer(data.length);
    const read = vectorCommand(driver.arena, {
      opcode: IoOpcode.vectorRead,
      addresses: places,
      data: buffer,
      oobBytes: 16,
    });
    expect((await driver.command(1, read.sqe)).status).toBe(0);
    expectBytes(buffer.read(), data);
    expectBytes(disk.rig.memory.bytes(read.metadata.address, 256), oob);
  });

  it('without OOB the metadata pointer is ignored', async () => {
    const disk = await attach({}, { oobSizeBytes: 0 });
    const { driver, memory } = disk.rig;
    const buffer = driver.arena.buffer(4 * 4096);
    const addresses = [0, 1, 2, 3].map((sec) => disk.lba({ sec }));
    for (const opcode of [IoOpcode.vectorWrite, IoOpcode.vectorRead]) {
      const { sqe } = vectorCommand(driver.arena, { opcode, addresses, data: buffer });
      memory.forget();
      expect((await driver.command(1, { ...sqe, metadata: 2 ** 41 })).status).toBe(0);
    }
  });

  it('a reset with a metadata pointer brings the descriptors of its chunks', async () => {
    const disk = await attach({ initialChunks: [{ state: 'closed' }, { chk: 1, state: 'offline' }] });
    const { driver, memory } = disk.rig;
    const chunks = [0, 1, 2].map((chk) => disk.lba({ chk }));
    const { sqe, metadata } = vectorCommand(driver.arena, {
      opcode: IoOpcode.vectorErase,
      addresses: [...chunks, disk.lba({ grp: 2 })],
      oobBytes: 32,
    });
    const completion = await driver.command(1, sqe);
    expect([completion.status, completion.dw0]).toEqual([Status.offlineChunk, 0b1010]);
    const bytes = memory.bytes(metadata.address, 4 * 32);
    const view = new DataView(bytes.buffer);
    expect([0, 1, 2, 3].map((i) => bytes[i * 32])).toEqual([
      ChunkState.free,
      ChunkState.offline,
      ChunkState.free,
      0,
    ]);
    expect([0, 1, 2].map((i) => Number(view.getBigUint64(i * 32 + 8, true)))).toEqual(chunks);
    const before = await disk.chunks();
    expect((await driver.command(1, { ...sqe, metadata: 2 ** 41 })).status).toBe(Status.dataTransferError);
    expect(await disk.chunks()).toEqual(before);
  });

  it('copies inside the device, if mccap says so', async () => {
    const without = await attach({ mccap: 2 });
    expect((await without.copy([0], [64])).status).toBe(Status.invalidOpcode);
    const disk = await attach({ mccap: 1 });
    const data = pattern(64 * 4096, 5);
    const oob = pattern(64 * 16, 6);
    await disk.write('vector', disk.lba({}), data, oob);
    const from = [8, 9, 10, 11].map((sec) => disk.lba({ sec }));
    const to = [0, 1, 2, 3].map((sec) => disk.lba({ grp: 1, chk: 7, sec }));
    const told: (number[] | undefined)[] = [];
    disk.rig.telemetry.command = ({ sources }) => {
      told.push(sources && [...sources.sec.subarray(0, sources.count)]);
    };
    const copied = await disk.copy(from, to);
    expect([copied.status, copied.dw0]).toEqual([0, 0]);
    chunkFlashOf(disk.rig).powerCycle();
    const read = await disk.read('vector', to[0] as number, 4);
    // The command's object may be the same.
    expect(told).toEqual([[8, 9, 10, 11], undefined]);
    expectBytes(read.data, data.subarray(8 * 4096, 12 * 4096));
    expectBytes(read.oob, oob.subarray(8 * 16, 12 * 16));
    const again = await disk.copy(from, to);
    expect([again.status, again.dw0]).toEqual([Status.outOfOrderWrite, 0xf]);
    await disk.setDulbe(true);
    const empty = await disk.copy([disk.lba({ chk: 5 })], [disk.lba({ chk: 6 })]);
    expect([empty.status, empty.dw0]).toEqual([Status.unwrittenBlock, 1]);
  });

  it('a vector has at most 64 addresses, all in memory', async () => {
    const disk = await attach({ mccap: 1 });
    const { driver } = disk.rig;
    for (const opcode of [0x90, 0x91, 0x92, 0x93]) {
      const data = driver.arena.buffer(4096);
      const sqe = { opcode, nsid: 1, ...prpsFor(driver.arena, data), cdw10: 0x1000_0000, cdw12: 64 };
      expect((await driver.command(1, sqe)).status).toBe(Status.invalidField);
      expect((await driver.command(1, { ...sqe, cdw12: 0xffff })).status).toBe(Status.invalidField);
      expect((await driver.command(1, { ...sqe, cdw12: 3, cdw11: 0xffff_ffff })).status).toBe(
        Status.dataTransferError,
      );
    }
  });

  it('deallocates whole chunks only, all ranges being good; other advice is taken', async () => {
    const disk = await attach({ initialChunks: [{ state: 'closed' }] });
    const { driver } = disk.rig;
    const manage = async (ranges: [number, number][], attributes = 4) => {
      const bytes = new Uint8Array(16 * ranges.length);
      const view = new DataView(bytes.buffer);
      ranges.forEach(([lba, secs], i) => {
        view.setUint32(16 * i + 4, secs, true);
        view.setBigUint64(16 * i + 8, BigInt(lba), true);
      });
      const prps = prpsFor(driver.arena, driver.arena.buffer(bytes.length).fill(bytes));
      const sqe = { opcode: 0x09, nsid: 1, ...prps, cdw10: ranges.length - 1, cdw11: attributes };
      return (await driver.command(1, sqe)).status;
    };
    const chunk = (chk: number): [number, number] => [disk.lba({ chk }), 64];
    expect(await manage([chunk(0), [disk.lba({ chk: 1 }), 32]])).toBe(Status.lbaOutOfRange);
    expect(await manage([chunk(0), [disk.lba({ chk: 1, sec: 1 }), 64]])).toBe(Status.lbaOutOfRange);
    expect(await manage([chunk(0)], 1)).toBe(0);
    expect((await disk.chunkAt(disk.lba({}))).state).toBe(ChunkState.closed);
    expect(await manage([chunk(0), chunk(2)])).toBe(0);
    const states = (await disk.chunks()).slice(0, 3).map(({ state }) => state);
    expect(states).toEqual([ChunkState.free, ChunkState.closed, ChunkState.free]);
    expect(await manage([[2 ** 60, 64]])).toBe(Status.invalidReset);
  });

  it('knows nothing else', async () => {
    const { driver } = await start();
    for (const opcode of [0x04, 0x05, 0x08, 0x95, 0x96, 0xff])
      expect((await driver.command(1, { opcode, nsid: 1 })).status).toBe(Status.invalidOpcode);
    expect((await driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(0);
  });

  it('the log of commands has the places, and the rule that was broken', async () => {
    const disk = await attach();
    await disk.write('vector', disk.lba({ grp: 1, pu: 1, chk: 3, sec: 8 }), zeros(4));
    const last = disk.rig.log
      .events()
      .filter(({ name }) => name === 'vectorWrite')
      .at(-1);
    expect(last?.rule).toBe('write-pointer');
    expect(last?.addresses[0]?.place).toEqual({ ch: 1, lun: 1, pln: 0, chk: 3, pg: 1, sec: 0 });
    expect(last?.failed).toEqual([0, 1, 2, 3]);
  });
});

describe('2.0: a crash', () => {
  it('leaves what was acknowledged: states, pointers, wear, data and metadata, also what was in the cache', async () => {
    const disk = await attach({ peCycles: 10, mccap: 2 });
    const data = pattern(12 * 4096, 8);
    const oob = pattern(12 * 16, 9);
    await disk.reset('vector', disk.lba({ chk: 1 }));
    await disk.write('vector', disk.lba({ chk: 1 }), data, oob);
    const before = await disk.chunks();
    const store = disk.rig.stores[0]?.reopened();
    if (!store) throw new Error('no store');
    const namespaces = [chunkDisk({}, { peCycles: 10, mccap: 2 })];
    const again = await ChunkDiskHost.attach(await startRig({ namespaces, stores: [store] }));
    expect(await again.chunks()).toEqual(before);
    await again.setDulbe(true);
    const read = await again.read('vector', again.lba({ chk: 1 }), 12);
    expect(read.completion.status).toBe(0);
    expectBytes(read.data, data);
    expectBytes(read.oob, oob);
  });

  it('a machine reset is one, too: the controller starts anew, and the cache is written out', async () => {
    const disk = await attach();
    const data = pattern(8 * 4096, 8);
    await disk.write('vector', 0, data);
    expectBytes((await disk.read('vector', 0, 8)).data, zeros(8));
    disk.rig.controller.powerCycle();
    await disk.rig.driver.start();
    expectBytes((await disk.read('vector', 0, 8)).data, data);
  });
});
