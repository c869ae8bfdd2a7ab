import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { NvmeDriver } from '../../test/driver/driver.ts';
import type { Sqe } from '../../test/driver/entries.ts';
import {
  chunkDisk,
  DEFAULT_CONFIG,
  flashOf,
  openChannel,
  plainDisk,
  type Rig,
  startRig,
} from '../../test/driver/rig.ts';
import { FakeClock } from '../../test/fakes/fake-clock.ts';
import { FakeInterruptLine } from '../../test/fakes/fake-interrupt-line.ts';
import { FakeMemory, HOLE_BEGIN } from '../../test/fakes/fake-memory.ts';
import { FakeStore } from '../../test/fakes/fake-store.ts';
import { FakeTelemetry } from '../../test/fakes/fake-telemetry.ts';
import { SectorVector } from '../flash/transfer.ts';
import { AdminOpcode, IoOpcode } from '../spec/opcodes.ts';
import { type Rule, rules } from '../spec/rules.ts';
import { Status, statusMeaning } from '../spec/status.ts';
import { CommandLog } from './command-log.ts';
import { NvmeController } from './controller.ts';
import { openMedia } from './media.ts';
import { bytesOf } from './ports.ts';
import type { CompletedCommand } from './telemetry.ts';

const RAM = 0x20_0000;
/** An address of chunk 7 of the first LUN: two bits of sector, one of plane and two of page are below. */
const BAD_BLOCK = 7 << 5;

/** Runs one command and answers with what the log says of it. */
async function logged(rig: Rig, queueId: number, sqe: Sqe) {
  const { status, cid } = await rig.driver.command(queueId, sqe);
  const event = rig.log.last();
  expect(event).toMatchObject({ queueId, cid, opcode: sqe.opcode, status });
  if (!event) throw new Error('nothing was logged');
  return event;
}

describe('a command in the log', () => {
  it('has its addresses as places, in the order of the list, with those that failed', async () => {
    const rig = await startRig();
    const { address } = flashOf(rig);
    const places = [
      { ch: 0, lun: 3, pln: 1, chk: 7, pg: 0, sec: 0 },
      { ch: 0, lun: 3, pln: 1, chk: 7, pg: 3, sec: 2 },
    ];
    places.forEach((place, i) => rig.memory.put64(RAM + 8 * i, address.encode(place)));
    const event = await logged(rig, 1, {
      opcode: IoOpcode.vectorRead,
      nsid: 1,
      prp1: RAM + 0x1000,
      prp2: RAM + 0x2000,
      cdw10: RAM,
      cdw12: 1 | (0x81 << 16),
    });
    expect(event).toMatchObject({
      name: 'vectorRead',
      detail: 'Vector Read: 2 addresses, dual plane, suspend',
      nsid: 1,
      dataBytes: 8192,
      dw0: 0b11,
      dw1: 0,
      failed: [0, 1],
      statusName: 'emptyPage',
      meaning: statusMeaning(Status.emptyPage),
      rule: 'unwritten-read',
      ruleText: rules['unwritten-read'],
    });
    expect(event.addresses.map(({ place }) => place)).toEqual(places);
    expect(event.addresses[1]?.raw).toBe(
      address
        .encode(places[1] as (typeof places)[0])
        .toString(16)
        .padStart(16, '0'),
    );
    expect(event.sqe.byteLength).toBe(64);
    expect(event.sqe[0]).toBe(IoOpcode.vectorRead);
  });

  it('has the address that is in the command itself, even when it was refused before', async () => {
    const rig = await startRig();
    const place = { ch: 0, lun: 2, pln: 0, chk: 5, pg: 0, sec: 0 };
    const at = flashOf(rig).address.encode(place);
    const get = await logged(rig, 0, admin.getBadBlocks(1, at, { prp1: RAM, prp2: 0 }));
    expect([get.detail, get.addresses[0]?.place]).toEqual(['Get Bad-Block Table', place]);
    const set = await logged(rig, 0, admin.setBadBlocks(1, at, 2));
    expect([set.detail, set.addresses[0]?.place]).toEqual(['Set Bad-Block Table: grown, 1 block', place]);
    const tooMany = { opcode: IoOpcode.vectorErase, nsid: 1, cdw10: at, cdw12: 3 << 16 };
    expect((await logged(rig, 1, tooMany)).addresses[0]?.place).toEqual(place);
  });

  it('has an address outside the device as it was written, without a place', async () => {
    const rig = await startRig();
    const { addresses } = await logged(rig, 1, {
      opcode: IoOpcode.vectorErase,
      nsid: 1,
      cdw10: 5,
      cdw11: 0xabc,
    });
    expect(addresses).toEqual([{ raw: '00000abc00000005' }]);
  });

  it('of open-channel 2.0 has the place of its first block', async () => {
    const rig = await startRig({ namespaces: [chunkDisk()] });
    const event = await logged(rig, 1, { opcode: IoOpcode.read, nsid: 1, cdw10: 0, prp1: RAM });
    expect(event).toMatchObject({ lba: 0, blocks: 1 });
    expect(event.addresses[0]?.place).toMatchObject({ ch: 0, lun: 0, chk: 0, sec: 0 });
  });

  it('survives structured clone', async () => {
    const rig = await startRig();
    const event = await logged(rig, 1, { opcode: IoOpcode.vectorErase, nsid: 1 });
    expect(structuredClone(event)).toEqual(event);
    expect(event.sqe.buffer.byteLength).toBe(64);
  });
});

describe('a command in a line', () => {
  const disk = { namespaces: [plainDisk()] };
  it.each<[Sqe, string]>([
    [admin.identify(0, 1, { prp1: RAM, prp2: 0 }), 'Identify: namespace'],
    [admin.identify(1, 0, { prp1: RAM, prp2: 0 }), 'Identify: controller'],
    [admin.identify(0x7f, 0, { prp1: RAM, prp2: 0 }), 'Identify: CNS 7fh'],
    [admin.getFeatures(7), 'Get Features: number of queues'],
    [admin.getFeatures(0x0b), 'Get Features: asynchronous event configuration'],
    [admin.setFeatures(4, 0x150), 'Set Features: temperature threshold = 150h'],
    [admin.getFeatures(0xde), 'Get Features: deh'],
    [admin.getLogPage(2, 512, { prp1: RAM, prp2: 0 }), 'Get Log Page: SMART / health, 512 bytes'],
    [admin.getLogPage(1, 64, { prp1: RAM, prp2: 0 }), 'Get Log Page: error information, 64 bytes'],
    [admin.getLogPage(0x7e, 4, { prp1: RAM, prp2: 0 }), 'Get Log Page: 7eh, 4 bytes'],
    [admin.createCq(3, 64, RAM), 'Create I/O Completion Queue: 3, 64 entries'],
    [admin.createSq(4, 16, RAM, 9), 'Create I/O Submission Queue: 4, 16 entries, completion queue 9'],
    [admin.deleteSq(7), 'Delete I/O Submission Queue: 7'],
    [admin.deleteCq(7), 'Delete I/O Completion Queue: 7'],
    [admin.abort(1, 77), 'Abort: command 77 of queue 1'],
    [admin.geometry(1, { prp1: RAM, prp2: 0 }), 'Open-Channel Geometry'],
    [{ opcode: 0xc7 }, 'opcode c7h'],
  ])('%o is "%s"', async (sqe, detail) => {
    const rig = await startRig(disk);
    expect((await logged(rig, 0, sqe)).detail).toBe(detail);
  });

  it.each<[Sqe, string, object]>([
    [{ opcode: 0x00, nsid: 1 }, 'Flush', {}],
    [{ opcode: 0x02, nsid: 1, cdw10: 9, cdw12: 0, prp1: RAM }, 'Read: 1 block from 9', { lba: 9, blocks: 1 }],
    [
      { opcode: 0x01, nsid: 1, cdw11: 1, cdw12: 3, prp1: RAM },
      'Write: 4 blocks from 4294967296',
      { lba: 2 ** 32, blocks: 4 },
    ],
    [{ opcode: 0x05, nsid: 9, cdw12: 1 }, 'Compare: 2 blocks from 0', { blocks: 2 }],
    [{ opcode: 0x08, nsid: 9, cdw12: 1 }, 'Write Zeroes: 2 blocks from 0', { blocks: 2 }],
    [{ opcode: 0x04, nsid: 9, cdw12: 1 }, 'Write Uncorrectable: 2 blocks from 0', { blocks: 2 }],
    [
      { opcode: 0x09, nsid: 9, cdw10: 2, cdw11: 4 },
      'Dataset Management: 3 ranges, deallocate',
      { ranges: 3 },
    ],
    [{ opcode: 0x91, nsid: 9, cdw12: 0x3020007 }, 'Vector Write: 8 addresses, quad plane, SLC, scramble', {}],
    [{ opcode: 0x93, nsid: 9 }, 'Vector Copy: 1 address', {}],
    [{ opcode: 0x95, nsid: 9 }, 'Raw Write: 1 address', {}],
    [{ opcode: 0x7f, nsid: 1 }, 'opcode 7fh', {}],
  ])('%o is "%s"', async (sqe, detail, more) => {
    const rig = await startRig(disk);
    expect(await logged(rig, 1, sqe)).toMatchObject({ detail, ...more });
  });
});

describe('a refused command says which rule it broke', () => {
  const io = (opcode: number, more: Partial<Sqe> = {}): [number, Sqe] => [
    1,
    { opcode, nsid: 1, prp1: RAM, ...more },
  ];
  const adm = (sqe: Sqe): [number, Sqe] => [0, sqe];
  const prps = { prp1: RAM, prp2: 0 };
  const { vectorErase, vectorRead, vectorWrite } = IoOpcode;

  it.each<[string, [number, Sqe], Rule, number]>([
    ['an unknown I/O opcode', io(0x7f), 'opcode', Status.invalidOpcode],
    ['raw write', io(0x95), 'opcode', Status.invalidOpcode],
    ['raw read', io(0x96), 'opcode', Status.invalidOpcode],
    ['vector copy on 1.2', io(0x93), 'opcode', Status.invalidOpcode],
    ['an unknown admin opcode', adm({ opcode: 0xc7 }), 'opcode', Status.invalidOpcode],
    ['a plain write', io(IoOpcode.write), 'read-only', Status.writeToReadOnlyRange],
    ['a namespace that is not there', io(vectorRead, { nsid: 2 }), 'namespace', Status.invalidNamespace],
    ['65 addresses', io(vectorWrite, { cdw12: 64 }), 'vector-length', Status.invalidField],
    ['more planes than there are', io(vectorWrite, { cdw12: 2 << 16 }), 'plane-mode', Status.invalidField],
    ['plane mode 3', io(vectorErase, { cdw12: 3 << 16 }), 'plane-mode', Status.invalidField],
    [
      'a list outside memory',
      io(vectorErase, { cdw10: HOLE_BEGIN, cdw12: 1 }),
      'address-list',
      Status.dataTransferError,
    ],
    ['an address outside', io(vectorErase, { cdw11: 1 }), 'range', Status.lbaOutOfRange],
    ['blocks outside', io(IoOpcode.read, { cdw11: 1 }), 'range', Status.lbaOutOfRange],
    ['data outside memory', io(vectorRead, { prp1: HOLE_BEGIN }), 'prp', Status.dataTransferError],
    ['data at an odd place', io(vectorRead, { prp1: RAM + 2 }), 'prp', Status.prpOffsetInvalid],
    [
      'metadata outside memory',
      io(vectorWrite, { metadata: 2 ** 40 }),
      'metadata-pointer',
      Status.dataTransferError,
    ],
    ['a sector never written', io(vectorRead), 'unwritten-read', Status.emptyPage],
    ['a write ahead of the pointer', io(vectorWrite, { cdw10: 1 }), 'write-pointer', Status.writeFailure],
    ['a bad block written', io(vectorWrite, { cdw10: BAD_BLOCK }), 'bad-block', Status.writeFailure],
    ['a bad block erased', io(vectorErase, { cdw10: BAD_BLOCK }), 'bad-block', Status.writeFailure],
    ['fused commands', io(vectorRead, { flags: 1 }), 'no-fused-no-sgl', Status.invalidField],
    ['SGLs', io(vectorRead, { flags: 0x40 }), 'no-fused-no-sgl', Status.invalidField],
    ['an unknown bad-block value', adm(admin.setBadBlocks(1, 0, 3)), 'field', Status.invalidField],
    ['65 bad blocks', adm(admin.setBadBlocks(1, RAM, 2, 65)), 'vector-length', Status.invalidField],
    ['a bad block outside', adm({ ...admin.setBadBlocks(1, 0, 2), cdw11: 1 }), 'range', Status.lbaOutOfRange],
    [
      'the table of a LUN outside',
      adm({ ...admin.getBadBlocks(1, 0, prps), cdw11: 1 }),
      'range',
      Status.lbaOutOfRange,
    ],
    ['the geometry of no namespace', adm(admin.geometry(5, prps)), 'namespace', Status.invalidNamespace],
    ['an unknown CNS', adm(admin.identify(0x7f, 0, prps)), 'field', Status.invalidField],
    ['an unknown log page', adm(admin.getLogPage(0x7e, 4, prps)), 'log-page', Status.invalidLogPage],
    ['an unknown feature', adm(admin.getFeatures(0xde)), 'feature', Status.invalidField],
    ['a queue that is there already', adm(admin.createCq(1, 16, RAM)), 'queue', Status.invalidQueueId],
    ['the deletion of a queue in use', adm(admin.deleteCq(1)), 'queue', Status.invalidQueueDeletion],
  ])('%s', async (_what, [queueId, sqe], rule, status) => {
    const rig = await startRig();
    const flash = flashOf(rig);
    expect(flash.address.decode(BAD_BLOCK, 0)).toBe(true);
    flash.table.mark(flash.address.block, 2);
    const event = await logged(rig, queueId, sqe);
    expect(event).toMatchObject({ rule, status, ruleText: rules[rule], meaning: statusMeaning(status) });
    expect(event.meaning).not.toMatch(/does not give/);
    if (rule !== 'unwritten-read') expect(event.why).toMatch(/\w/);
    if (event.why !== undefined) expect(rig.log.lastRefused()).toEqual(event);
  });

  it.each<[string, Sqe, Rule]>([
    ['too much data', { opcode: 2, nsid: 1, prp1: RAM, cdw12: 0xffff }, 'transfer-size'],
    ['vector commands to a plain disk', { opcode: vectorRead, nsid: 1, prp1: RAM }, 'opcode'],
  ])('on a plain disk: %s', async (_what, sqe, rule) => {
    const rig = await startRig({ namespaces: [plainDisk(100_000)], config: { mdts: 2 } });
    expect(await logged(rig, 1, sqe)).toMatchObject({ rule, ruleText: rules[rule] });
  });

  it('a full block, a fault and a store that fails', async () => {
    const rig = await startRig();
    const flash = flashOf(rig);
    const write = (chk: number): Sqe => ({
      opcode: vectorWrite,
      nsid: 1,
      prp1: RAM,
      cdw10: flash.address.encode({ ch: 0, lun: 0, pln: 0, chk, pg: 0, sec: 0 }),
    });
    for (let sec = 0; sec < 16; sec++) flash.table.advance(0);
    expect(await logged(rig, 1, write(0))).toMatchObject({ rule: 'erase-first', failed: [0] });
    flash.faults.setWrite(8, 0);
    expect(await logged(rig, 1, write(1))).toMatchObject({ rule: 'fault', status: Status.writeFailure });
    const store = rig.stores[0] as FakeStore;
    store.failCommitIn = 1;
    for (let i = 0; i < 2; i++) {
      const { rule, why } = await logged(rig, 1, write(2));
      expect([rule, why?.length ?? 0]).toEqual(['storage', expect.any(Number)]);
    }
    expect(await logged(rig, 0, admin.setBadBlocks(1, 0, 2))).toMatchObject({ rule: 'storage' });
  });

  it('but one that was carried out names none', async () => {
    const rig = await startRig();
    const event = await logged(rig, 1, { opcode: vectorErase, nsid: 1 });
    expect(event.status).toBe(0);
    expect(event).not.toHaveProperty('rule');
    expect(event).not.toHaveProperty('why');
    expect(rig.log.lastRefused()).toBeUndefined();
  });
});

describe('the ring', () => {
  /** Command objects are used again and again, so one will do. */
  function fakeCommand(): CompletedCommand & { status: number; rule: Rule | undefined } {
    const words = new Uint32Array(16);
    const bytes = bytesOf(words);
    bytes[0] = IoOpcode.vectorRead;
    const vector = new SectorVector(64);
    return {
      queueId: 1,
      cid: 0,
      opcode: IoOpcode.vectorRead,
      nsid: 1,
      bytes,
      words,
      status: 0,
      dw0: 0,
      dw1: 0,
      fetchedMs: 0,
      data: { runs: 0, addressOf: () => 0, lengthOf: () => 0 },
      dataBytes: 0,
      vector,
      rule: undefined,
      why: '',
    };
  }

  it('keeps the last ones, numbers all of them, and answers from a number on', () => {
    const log = new CommandLog([], 8);
    expect([log.events(), log.last(), log.lastRefused()]).toEqual([[], undefined, undefined]);
    const command = fakeCommand();
    for (let i = 1; i <= 20; i++) {
      command.rule = i === 15 || i === 3 ? 'range' : undefined;
      log.record(command, i * 10);
    }
    expect(log.events().map(({ sequence }) => sequence)).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(log.events(18).map(({ sequence, timeMs }) => [sequence, timeMs])).toEqual([
      [19, 190],
      [20, 200],
    ]);
    expect([log.events(20), log.events(99), log.last()?.sequence]).toEqual([[], [], 20]);
    expect(log.lastRefused()?.sequence).toBe(15);
    for (let i = 0; i < 8; i++) log.record(fakeCommand(), 0);
    expect(log.lastRefused()).toBeUndefined();
  });

  it('keeps what was, though the command object changes', () => {
    const log = new CommandLog([], 8);
    const command = fakeCommand();
    command.status = Status.lbaOutOfRange;
    command.vector.push(3, 4);
    command.vector.fail(0);
    log.record(command, 1);
    command.vector.clear();
    command.bytes.fill(0xff);
    command.status = 0;
    expect(log.last()).toMatchObject({
      status: Status.lbaOutOfRange,
      failed: [0],
      opcode: IoOpcode.vectorRead,
    });
    expect(log.last()?.addresses).toHaveLength(1);
  });

  it('shows failures of 64 entries', () => {
    const log = new CommandLog([], 2);
    const command = fakeCommand();
    for (let i = 0; i < 64; i++) command.vector.push(0, i);
    for (const i of [0, 31, 32, 63]) command.vector.fail(i);
    log.record(command, 0);
    expect(log.last()?.failed).toEqual([0, 31, 32, 63]);
  });

  it('goes on counting over resets of the controller and another controller on the same media', async () => {
    const store = new FakeStore('sync');
    const config = { ...DEFAULT_CONFIG, namespaces: [openChannel()] };
    const media = await openMedia(config, store, new FakeTelemetry());
    let sequence = 0;
    for (let i = 0; i < 2; i++) {
      const memory = new FakeMemory();
      const interrupt = new FakeInterruptLine();
      const ports = { memory, interrupt, clock: new FakeClock() };
      const controller = new NvmeController(config, media, ports, new FakeTelemetry());
      const driver = new NvmeDriver(controller, memory, interrupt);
      for (let reset = 0; reset < 2; reset++) {
        await driver.start();
        await driver.command(1, { opcode: IoOpcode.vectorErase, nsid: 1 });
        const fresh = media.log.events(sequence);
        expect(fresh.map((event) => event.sequence)).toEqual(fresh.map((_, n) => sequence + 1 + n));
        expect(fresh[0]?.opcode).toBe(AdminOpcode.setFeatures);
        expect(fresh.at(-1)?.opcode).toBe(IoOpcode.vectorErase);
        sequence = media.log.recorded;
      }
      controller.powerCycle();
    }
  });
});
