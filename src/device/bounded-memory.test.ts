import { describe, expect, it } from 'vitest';
import { blocksSqe } from '../../test/driver/blocks.ts';
import type { Pending } from '../../test/driver/driver.ts';
import type { Sqe } from '../../test/driver/entries.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { chunkDisk, openChannel, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { vectorCommand, vectorErase, vectorWrite } from '../../test/driver/vector.ts';
import { FakeMemory } from '../../test/fakes/fake-memory.ts';
import { FakeStore, settle } from '../../test/fakes/fake-store.ts';
import { IN_FLIGHT_BYTES } from '../flash/write-gate.ts';
import { PLAIN_UNIT_BYTES } from '../flash/plain.ts';
import type { NamespaceConfig } from './config.ts';
import { IoOpcode } from '../spec/opcodes.ts';

/** Both disks: 32 chunks of 512 sectors of 4 KiB, twice what may be in flight; addresses without gaps. */
const CHUNKS = 32;
const CHUNK_SECS = 512;
const VECTOR_SECS = 64;
const VECTORS_PER_CHUNK = CHUNK_SECS / VECTOR_SECS;
/** The driver's first queue pair is a small one; the flood goes through these. */
const QUEUES = [2, 3, 4, 5] as const;
const queueOf = (i: number) => QUEUES[i % QUEUES.length] as number;
const flashDisks: readonly (readonly [string, NamespaceConfig])[] = [
  ['open-channel 1.2', openChannel({ numLun: 8, numChk: 4, numPg: 64 })],
  ['open-channel 2.0', chunkDisk({ numPg: 64 }, { mccap: 1 })],
];

const storeOf = (rig: Rig) => rig.stores[0] as FakeStore;
function unitsOf(rig: Rig) {
  const [ns] = rig.namespaces;
  if (!ns) throw new Error('no namespace');
  const unitBytes = ns.kind === 'plain' ? PLAIN_UNIT_BYTES : ns.medium.geometry.unitBytes;
  return { units: ns.medium.units, unitBytes };
}
const heldBytes = (rig: Rig) => unitsOf(rig).units.unitsInFlight * unitsOf(rig).unitBytes;

async function start(ns: NamespaceConfig, store = new FakeStore('held'), queueSize = 256): Promise<Rig> {
  const memory = new FakeMemory(16, { address: 15 * 2 ** 20, length: 8192 });
  const rig = await startRig({ namespaces: [ns], stores: [store], memory });
  for (const id of QUEUES) await rig.driver.createQueuePair(id, queueSize);
  return rig;
}

const vectorOf = (first: number): number[] => Array.from({ length: VECTOR_SECS }, (_, i) => first + i);

/** All that the device takes now, and whatever storage but the commits then does. */
async function run(rig: Rig): Promise<void> {
  for (let i = 0; i < 20; i++) {
    rig.clock.run();
    await settle();
    await storeOf(rig).releaseReads();
  }
}

/** Answers commits until everything has ended; answers with the statuses. */
async function finish(rig: Rig, pending: readonly Pending[]): Promise<number[]> {
  for (let i = 0; i < 200 && pending.some(({ completion }) => !completion); i++) {
    await storeOf(rig).releaseAll();
    await run(rig);
    rig.driver.service();
  }
  return pending.map(({ completion }) => completion?.status ?? -1);
}

/** Writes every chunk whole, each by one queue, with the largest vectors. */
function flood(rig: Rig): Pending[] {
  const { driver } = rig;
  const data = driver.arena.buffer(VECTOR_SECS * 4096);
  const pending: Pending[] = [];
  for (let i = 0; i < CHUNKS * VECTORS_PER_CHUNK; i++) {
    const chunk = i % CHUNKS;
    const at = Math.floor(i / CHUNKS) * VECTOR_SECS;
    const addresses = vectorOf(chunk * CHUNK_SECS + at);
    const { sqe } = vectorCommand(driver.arena, { opcode: vectorWrite, addresses, data });
    pending.push(driver.submit(queueOf(chunk), sqe));
  }
  return pending;
}

describe.each(flashDisks)('%s: a flood of writes while a commit takes its time', (_name, disk) => {
  it('keeps no more in memory than the budget and one command, and all of it ends well', async () => {
    const rig = await start(disk);
    const pending = flood(rig);
    await run(rig);
    const { units, unitBytes } = unitsOf(rig);
    const vectorBytes = (VECTOR_SECS / 8) * unitBytes;
    expect(heldBytes(rig)).toBeLessThanOrEqual(IN_FLIGHT_BYTES + vectorBytes);
    expect(heldBytes(rig)).toBeGreaterThanOrEqual(IN_FLIGHT_BYTES);
    expect(units.gate.waitingCount).toBeGreaterThan(0);
    expect(new Set(await finish(rig, pending))).toEqual(new Set([0]));
    expect(units.gate.waitingCount).toBe(0);
    expect(heldBytes(rig)).toBe(0);
  });

  it('writes and erases of one chunk keep their order', async () => {
    const rig = await start(disk);
    const { driver } = rig;
    const data = driver.arena.buffer(VECTOR_SECS * 4096);
    const pending = flood(rig);
    // Of a chunk whose last writes wait: erased, written, erased, written.
    const chunk = CHUNKS - 1;
    for (let i = 0; i < 2; i++) {
      for (const [opcode, addresses] of [
        [vectorErase, [chunk * CHUNK_SECS]],
        [vectorWrite, vectorOf(chunk * CHUNK_SECS)],
      ] as const) {
        // An erase of 1.2 is of both planes.
        const planes = disk.kind === 'ocssd12' ? 1 : 0;
        const more = opcode === vectorWrite ? { data } : { control: planes };
        pending.push(
          driver.submit(queueOf(chunk), vectorCommand(driver.arena, { opcode, addresses, ...more }).sqe),
        );
      }
    }
    await run(rig);
    expect(new Set(await finish(rig, pending))).toEqual(new Set([0]));
    const [ns] = rig.namespaces;
    if (!ns || ns.kind === 'plain') throw new Error('kind');
    const { table, geometry } = ns.medium;
    const block = Array.from(table.eraseCount).indexOf(2);
    expect(table.written(block)).toBe(VECTOR_SECS / geometry.numPln);
  });

  it('after a controller reset nothing waits, and nothing of it is ever carried out', async () => {
    const rig = await start(disk);
    flood(rig);
    await run(rig);
    const { units } = unitsOf(rig);
    const held = heldBytes(rig);
    rig.driver.disable();
    expect(units.gate.waitingCount).toBe(0);
    rig.memory.forget();
    for (let i = 0; i < 5; i++) {
      await storeOf(rig).releaseAll();
      await run(rig);
    }
    expect([rig.memory.deviceReads, rig.memory.deviceWrites]).toEqual([[], []]);
    expect(storeOf(rig).units.size * unitsOf(rig).unitBytes).toBe(held);
    expect(heldBytes(rig)).toBe(0);
  });
});

it('2.0: copies count what they have read and what they write', async () => {
  const [, disk] = flashDisks[1] as (typeof flashDisks)[1];
  const first = await start(disk, new FakeStore('sync'));
  const sources = CHUNKS / 2;
  await finish(first, flood(first));
  const rig = await start(disk, storeOf(first).reopened('held'));
  const { driver } = rig;
  const pending: Pending[] = [];
  const resets = Array.from({ length: sources }, (_, i) => (sources + i) * CHUNK_SECS);
  pending.push(driver.submit(1, vectorCommand(driver.arena, { opcode: vectorErase, addresses: resets }).sqe));
  for (let i = 0; i < sources * VECTORS_PER_CHUNK; i++) {
    const chunk = i % sources;
    const at = chunk * CHUNK_SECS + Math.floor(i / sources) * VECTOR_SECS;
    const from = vectorCommand(driver.arena, { opcode: IoOpcode.vectorCopy, addresses: vectorOf(at) }).sqe;
    const to = vectorCommand(driver.arena, {
      opcode: IoOpcode.vectorCopy,
      addresses: vectorOf(at + sources * CHUNK_SECS),
    }).sqe;
    const sqe: Sqe = { ...from, cdw14: to.cdw10 ?? 0, cdw15: 0 };
    pending.push(driver.submit(queueOf(chunk), sqe));
  }
  await run(rig);
  const { units, unitBytes } = unitsOf(rig);
  expect(heldBytes(rig)).toBeLessThanOrEqual(IN_FLIGHT_BYTES / 2 + (VECTOR_SECS / 8) * unitBytes);
  expect(units.gate.waitingCount).toBeGreaterThan(0);
  expect(new Set(await finish(rig, pending))).toEqual(new Set([0]));
});

describe('a plain disk', () => {
  /** Of 1,600 units, each written. */
  const UNITS = 1600;
  const BLOCKS_PER_UNIT = 8;
  const disk = plainDisk(UNITS * BLOCKS_PER_UNIT);

  it.each([
    ['writes', IoOpcode.write],
    ['zeroes of parts of units', IoOpcode.writeZeroes],
    ['deallocates parts of units', IoOpcode.datasetManagement],
  ])('%s within the budget', async (_what, opcode) => {
    const store = new FakeStore('held');
    for (let unit = 0; unit < UNITS; unit++) store.units.set(unit, new Uint8Array(PLAIN_UNIT_BYTES).fill(1));
    const rig = await start(disk, store, 1024);
    const { driver } = rig;
    const data = driver.arena.buffer(4096);
    const pending: Pending[] = [];
    for (let unit = 0; unit < UNITS; unit++) {
      const lba = unit * BLOCKS_PER_UNIT + 1;
      let sqe = { ...blocksSqe(opcode, 1, lba, 1), ...prpsFor(driver.arena, data) };
      if (opcode === IoOpcode.datasetManagement) {
        const range = driver.arena.pages();
        driver.memory.put64(range, 2 ** 32); // attributes 0, one block
        driver.memory.put64(range + 8, lba);
        sqe = { ...sqe, prp1: range, cdw10: 0, cdw11: 4 };
      }
      pending.push(driver.submit(queueOf(unit), sqe));
    }
    await run(rig);
    expect(heldBytes(rig)).toBeLessThanOrEqual(IN_FLIGHT_BYTES + PLAIN_UNIT_BYTES);
    expect(heldBytes(rig)).toBeGreaterThanOrEqual(IN_FLIGHT_BYTES);
    expect(new Set(await finish(rig, pending))).toEqual(new Set([0]));
    expect(heldBytes(rig)).toBe(0);
  });
});
