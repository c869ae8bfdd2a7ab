import type { ControllerConfig } from '../src/device/config.ts';
import { PLAIN_UNIT_BYTES } from '../src/flash/plain.ts';
import { buildConfig, mediumOf } from '../src/lab/device-line.ts';
import type { DiskCatalogue, DiskSpec, OpenDisk } from '../src/storage/catalogue.ts';
import { IoOpcode } from '../src/spec/opcodes.ts';
import { manageBlocks, readBlocks, writeBlocks } from './driver/blocks.ts';
import { makeRig, type Rig } from './driver/rig.ts';
import { vectorCommand } from './driver/vector.ts';
import { admin } from './driver/admin.ts';
import { stamp } from './crash/crash-host.ts';

/**
 * The disks that are kept in every format that there ever was (src/storage/fixtures), what is done to them before
 * they are put away, and what must be found when they are opened again, however much later.
 */
export interface FixtureDisk {
  readonly name: string;
  readonly spec: DiskSpec;
  /** Fills a new disk. */
  make(disk: OpenDisk): Promise<void>;
  /** Throws when the disk is not what {@link make} left. */
  check(disk: OpenDisk): Promise<void>;
}

const SEC = 4096;
const OOB = 16;
const MIB = 2 ** 20;

function fixture(
  name: string,
  deviceLine: string,
  sizeBytes: number,
  make: (rig: Rig) => Promise<void>,
  check: (rig: Rig) => Promise<void>,
): FixtureDisk {
  const built = buildConfig(deviceLine, sizeBytes);
  if (!built.ok) throw new Error(built.error);
  const { config } = built;
  return {
    name,
    spec: { name, deviceLine, sizeBytes: built.result.sizeBytes, ...mediumOf(config) },
    make: async (disk) => make(await started(config, disk)),
    check: async (disk) => check(await started(config, disk)),
  };
}

async function started(config: ControllerConfig, disk: OpenDisk): Promise<Rig> {
  const { namespaces } = config;
  const rig = await makeRig({
    namespaces,
    media: disk,
    idle: () => new Promise((resolve) => setImmediate(resolve)),
  });
  await rig.driver.start();
  return rig;
}

/** Planes × sectors of a page: one unit of the first fixture. */
const WRITE_SECS = 2;

const addressOf = (rig: Rig, lun: number, chk: number, sec: number): number => {
  const [ns] = rig.namespaces;
  if (ns?.kind !== 'ocssd12') throw new Error('not open-channel 1.2');
  return ns.medium.address.encode({ ch: 0, lun, chk, pln: sec % 2, pg: Math.floor(sec / 2), sec: 0 });
};
const addressesOf = (rig: Rig, lun: number, chk: number, sec: number) =>
  Array.from({ length: WRITE_SECS }, (_, i) => addressOf(rig, lun, chk, sec + i));

const dataOf = (...numbers: number[]) => {
  const bytes = new Uint8Array(WRITE_SECS * SEC);
  for (let i = 0; i < WRITE_SECS; i++) bytes.set(stamp(SEC, ...numbers, i), i * SEC);
  return bytes;
};
const oobOf = (...numbers: number[]) => {
  const bytes = new Uint8Array(WRITE_SECS * OOB);
  for (let i = 0; i < WRITE_SECS; i++) bytes.set(stamp(OOB, ...numbers, i), i * OOB);
  return bytes;
};

async function write12(rig: Rig, lun: number, chk: number, sec: number, round: number): Promise<void> {
  const { driver } = rig;
  const data = driver.arena.buffer(WRITE_SECS * SEC).fill(dataOf(lun, chk, sec, round));
  const oob = oobOf(lun, chk, sec, round);
  const request = { opcode: IoOpcode.vectorWrite, addresses: addressesOf(rig, lun, chk, sec), data, oob };
  const { status } = await driver.command(
    1,
    vectorCommand(driver.arena, { ...request, oobBytes: OOB, control: 1 }).sqe,
  );
  if (status !== 0) throw new Error(`write: status ${status.toString(16)}`);
}

async function check12(rig: Rig, lun: number, chk: number, sec: number, round: number): Promise<void> {
  const { driver, memory } = rig;
  const data = driver.arena.buffer(WRITE_SECS * SEC);
  const { sqe, metadata } = vectorCommand(driver.arena, {
    opcode: IoOpcode.vectorRead,
    addresses: addressesOf(rig, lun, chk, sec),
    data,
    oobBytes: OOB,
    control: 1,
  });
  const { status } = await driver.command(1, sqe);
  same(status, 0, 'status of a read');
  same(data.read(), dataOf(lun, chk, sec, round), 'data');
  same(memory.bytes(metadata.address, WRITE_SECS * OOB), oobOf(lun, chk, sec, round), 'out-of-band bytes');
}

const openChannel = fixture(
  'open-channel 1.2',
  'nvme,serial=fixture,lver=1,lmetasize=16,lba_index=3,nlbaf=5,mdts=10,lnum_lun=2,lnum_pln=2,lsecs_per_pg=1,lpgs_per_blk=4',
  MIB,
  async (rig) => {
    for (const sec of [0, 2, 4, 6]) await write12(rig, 0, 1, sec, 1);
    await write12(rig, 1, 1, 0, 1);
    await write12(rig, 0, 2, 0, 1);
    const addresses = [addressOf(rig, 0, 2, 0)];
    const request = { opcode: IoOpcode.vectorErase, addresses, control: 1 };
    await rig.driver.command(1, vectorCommand(rig.driver.arena, request).sqe);
    await write12(rig, 0, 2, 0, 2);
    await rig.driver.adminOk(admin.setBadBlocks(1, addressOf(rig, 1, 3, 0), 2, 1));
  },
  async (rig) => {
    for (const sec of [0, 2, 4, 6]) await check12(rig, 0, 1, sec, 1);
    await check12(rig, 1, 1, 0, 1);
    await check12(rig, 0, 2, 0, 2);
    const [ns] = rig.namespaces;
    if (ns?.kind !== 'ocssd12') throw new Error('not open-channel 1.2');
    const { table, geometry } = ns.medium;
    const block = (lun: number, chk: number) => (chk * geometry.numLun + lun) * geometry.numPln;
    const known = [block(0, 1), block(1, 1), block(0, 2), block(1, 3), block(0, 0)].map((b) =>
      [table.state[b], table.written(b), table.eraseCount[b], table.badBlock[b]].join(),
    );
    same(known.join(' '), '2,4,0,0 4,1,0,0 4,1,1,0 8,0,0,2 1,0,0,0', 'block table');
  },
);

const plainOf = (rig: Rig) => {
  const [ns] = rig.namespaces;
  if (ns?.kind !== 'plain') throw new Error('not a plain disk');
  return { rig, nsid: 1, secSizeBytes: ns.medium.secSizeBytes };
};
const well = ({ status }: { readonly status: number }) => same(status, 0, 'status of a change');

/** A part of the first unit, all of the second, of which a part is given back; the third has never been written. */
const plain = fixture(
  'plain',
  'nvme,serial=fixture,lver=0',
  MIB,
  async (rig) => {
    const disk = plainOf(rig);
    const { secSizeBytes } = disk;
    well(await writeBlocks(disk, 1, stamp(2 * secSizeBytes, 1)));
    well(await writeBlocks(disk, PLAIN_UNIT_BYTES / secSizeBytes, stamp(PLAIN_UNIT_BYTES, 2)));
    well(await manageBlocks(disk, [{ lba: PLAIN_UNIT_BYTES / secSizeBytes + 2, secs: 3 }]));
  },
  async (rig) => {
    const disk = plainOf(rig);
    const { secSizeBytes } = disk;
    const expected = new Uint8Array(3 * PLAIN_UNIT_BYTES);
    expected.set(stamp(2 * secSizeBytes, 1), secSizeBytes);
    expected.set(stamp(PLAIN_UNIT_BYTES, 2), PLAIN_UNIT_BYTES);
    expected.fill(0, PLAIN_UNIT_BYTES + 2 * secSizeBytes, PLAIN_UNIT_BYTES + 5 * secSizeBytes);
    const { status, data } = await readBlocks(disk, 0, expected.length / secSizeBytes);
    same(status, 0, 'status of a read');
    same(data, expected, 'data');
  },
);

function same(found: unknown, expected: unknown, what: string): void {
  const equal =
    found instanceof Uint8Array && expected instanceof Uint8Array
      ? Buffer.compare(found, expected) === 0
      : found === expected;
  if (!equal)
    throw new Error(`${what}: ${String(found).slice(0, 100)} instead of ${String(expected).slice(0, 100)}`);
}

export const fixtureDisks: readonly FixtureDisk[] = [openChannel, plain];

const filled = (byte: number) => new Uint8Array(PLAIN_UNIT_BYTES).fill(byte);

/** A fork of the plain disk, and what became of the two and of a pinned version; from format 2 on. */
export const fixtureFork = {
  name: 'plain, forked',
  of: plain,
  /** Pins the plain disk, forks it, and changes both. Answers with the fork's id. */
  async make(catalogue: DiskCatalogue, id: string): Promise<string> {
    await catalogue.pin(id);
    const fork = await catalogue.fork(id, fixtureFork.name);
    const disk = await catalogue.open(fork.id);
    const unit = { unit: 5, bytes: filled(5) };
    await disk.commit({ erased: [{ first: 0, count: 1 }], units: [unit], shards: [] }, 'relaxed');
    await disk.close();
    const parent = await catalogue.open(id);
    await parent.commit({ erased: [], units: [{ unit: 6, bytes: filled(6) }], shards: [] }, 'relaxed');
    await parent.close();
    return fork.id;
  },
  /** Throws when the fork is not what {@link make} left; what it is of has its own check. */
  async check(disk: OpenDisk): Promise<void> {
    same(disk.unitsStored(), 2, 'units of the fork');
    same(await disk.readUnit(0), undefined, 'a unit erased in the fork');
    // Behind them are blocks that were given back.
    const shared = (await disk.readUnit(1))?.slice(0, 2 * 512);
    same(shared, stamp(PLAIN_UNIT_BYTES, 2).slice(0, 2 * 512), 'a unit that the two share');
    same(await disk.readUnit(5), filled(5), 'a unit of the fork');
    same(await disk.readUnit(6), undefined, 'a unit of what it was forked from');
  },
};

/** Of fifteen of them two pieces are made. */
const GROUPED_UNIT_BYTES = 5000;

/**
 * Units that were put together, some of them erased or written over since: in pieces, in records of their own, in pages
 * and in the journal of a program that died; from format 3 on.
 */
export const fixtureGroups = {
  spec: {
    name: 'groups',
    deviceLine: 'nvme,serial=fixture',
    sizeBytes: MIB,
    unitBytes: GROUPED_UNIT_BYTES,
    totalUnits: 1000,
  } as DiskSpec,
  /** What the disk holds: unit and round. */
  units: new Map([
    ...[0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14].map((unit) => [unit, 1] as const),
    ...[510, 511, 512, 513].map((unit) => [unit, 2] as const),
    ...[600, 602, 603, 604, 605, 606, 607, 608, 609].map((unit) => [unit, 70] as const),
    [601, 71] as const,
  ]),
  /** Does not close the disk. */
  async make(disk: OpenDisk): Promise<void> {
    const put = (round: number, ...units: number[]) =>
      disk.commit(
        {
          erased: [],
          units: units.map((unit) => ({ unit, bytes: stamp(GROUPED_UNIT_BYTES, unit, round) })),
          shards: [{ shard: round % 2, bytes: stamp(512, round) }],
        },
        'relaxed',
      );
    const erase = (first: number, count: number) =>
      disk.commit({ erased: [{ first, count }], units: [], shards: [] }, 'relaxed');
    await put(1, ...Array.from({ length: 15 }, (_, i) => i));
    await put(2, 510, 511, 512, 513);
    await erase(2, 1);
    // More commits than a journal has.
    for (let round = 4; round < 70; round++) await put(round);
    await put(70, ...Array.from({ length: 10 }, (_, i) => 600 + i));
    await put(71, 601);
  },
  async check(disk: OpenDisk): Promise<void> {
    const { units } = fixtureGroups;
    same(disk.unitsStored(), units.size, 'units');
    for (let unit = 0; unit < fixtureGroups.spec.totalUnits; unit++) {
      const round = units.get(unit);
      const expected = round === undefined ? undefined : stamp(GROUPED_UNIT_BYTES, unit, round);
      same(await disk.readUnit(unit), expected, `unit ${unit}`);
    }
    const table = await disk.loadTable();
    same(table.length, 2, 'shards');
    for (const { shard, bytes } of table) same(bytes, stamp(512, 70 + shard), `shard ${shard}`);
  },
};
