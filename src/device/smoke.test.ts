import { expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { encodeSqe, type Sqe } from '../../test/driver/entries.ts';
import { seeded } from '../../test/driver/pattern.ts';
import { flashOf, openChannel, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { FakeMemory, type Range } from '../../test/fakes/fake-memory.ts';
import { settle, type StoreMode } from '../../test/fakes/fake-store.ts';
import { blockAddress } from '../flash/address.ts';
import type { OpenChannelFlash } from '../flash/open-channel.ts';
import { Cc, Csts } from '../spec/registers.ts';

const COMMANDS = 20_000;
const PAGE = 4096;
/** All pointers of the random commands lead in here, or out of memory; nothing else may be written. */
const PLAYGROUND: Range = { address: 4 * 1024 * 1024, length: 2 * 1024 * 1024 };
const GUARDED = 0xa5;

const geometry = { numLun: 2, numChk: 4, numPg: 2, secsPerPg: 2, secSizeBytes: 512 };
const namespaces = [openChannel(geometry), plainDisk(256, 512)];
const OPCODES = [0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xe2, 0xf1, 0xf2, 0x90, 0x91, 0x92, 0x93, 0xff];
/** Not RAM. */
const WRONG = [0xa_0000, 0xf_f000, 0x80_0000, 0x100_0000, 2 ** 32, 2 ** 52, 2 ** 63];

/** The address at which the flash will take the next sector of a block. */
function nextSector(flash: OpenChannelFlash, block: number): number {
  const { secsPerPg } = flash.geometry;
  const { ch, lun, chk, pln } = blockAddress(flash.geometry, block);
  const at = flash.table.written(block);
  return flash.address.encode({ ch, lun, chk, pln, pg: Math.floor(at / secsPerPg), sec: at % secsPerPg });
}

function firstSector(flash: OpenChannelFlash, block: number): number {
  return flash.address.encode({ ...blockAddress(flash.geometry, block), pg: 0, sec: 0 });
}

function randomizer(random: (below: number) => number, flash: OpenChannelFlash) {
  const oneIn = (n: number) => random(n) === 0;
  const u32 = () => random(0x1_0000) * 0x1_0000 + random(0x1_0000);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const pointer = (): number => {
    if (oneIn(8)) return pick(WRONG);
    const at = PLAYGROUND.address + random(PLAYGROUND.length / 2 / PAGE) * PAGE;
    return oneIn(3) ? at + random(PAGE / 4) * 4 : oneIn(20) ? at + random(PAGE) : at;
  };
  const address = () => (oneIn(10) ? u32() : random(256));
  const dword = () => pick([0, 1, random(8), random(0x1_0000), u32(), 0xffff_ffff]);
  const command = (queue: number): Sqe => {
    const opcode = oneIn(30) ? random(256) : pick(OPCODES);
    const sqe = {
      opcode,
      flags: oneIn(40) ? random(256) : 0,
      nsid: oneIn(20) ? u32() : 1 + random(2),
      metadata: oneIn(2) ? 0 : pointer(),
      prp1: pointer(),
      prp2: pointer(),
      cdw10: oneIn(2) ? address() : dword(),
      cdw11: oneIn(4) ? dword() : 0,
      cdw12: oneIn(4) ? dword() : random(16),
      cdw13: oneIn(4) ? dword() : 0,
    };
    if (queue === 0) {
      // The pair under test stays: queues from 2 on come and go.
      if ((opcode === 0 || opcode === 4) && (sqe.cdw10 & 0xffff) === 1) return { ...sqe, cdw10: 2 };
      return opcode === 0xc ? { ...sqe, opcode: 0xd } : sqe;
    }
    if ((opcode === 0x91 || opcode === 0x92) && oneIn(2)) {
      const block = random(flash.geometry.totalBlks);
      const target = opcode === 0x91 ? nextSector(flash, block) : firstSector(flash, block);
      return { ...sqe, cdw10: target, cdw11: 0, cdw12: 0 };
    }
    // A list of addresses, where several are asked for.
    if (opcode >= 0x90 && (sqe.cdw12 & 0xffff) > 0 && !oneIn(10))
      return { ...sqe, cdw10: pointer() % 2 ** 32, cdw11: 0 };
    return sqe;
  };
  return { oneIn, u32, command, address, random };
}

/** Fills the first half of the playground with things that look like PRP lists and addresses. */
function plant(memory: FakeMemory, random: (below: number) => number): void {
  for (let at = 0; at < PLAYGROUND.length / 2; at += 8) {
    const value =
      random(2) === 0 ? PLAYGROUND.address + random(PLAYGROUND.length / PAGE) * PAGE : random(300);
    memory.put64(PLAYGROUND.address + at, value);
  }
}

async function smoke(seed: number, store: StoreMode): Promise<Rig> {
  const random = seeded(seed);
  const memory = new FakeMemory(16);
  memory.ram.fill(GUARDED, 10 * 1024 * 1024);
  const rig = await startRig({ memory, namespaces, store, config: { ioQueuePairs: 4, mdts: 5 } });
  const { driver } = rig;
  const r = randomizer(random, flashOf(rig));
  plant(memory, random);
  const answered = new Set<string>();
  let sent = 0;

  /** Takes what is there; each completion must be for a command of ours, once. */
  const reap = () => {
    for (const cq of driver.cqs.values()) {
      for (const c of cq.reap()) {
        const sq = driver.sqs.get(c.sqId);
        if (sq) sq.head = c.sqHead;
        const id = `${c.sqId}:${c.cid}`;
        expect(answered.has(id), `second or unknown completion ${id}`).toBe(false);
        answered.add(id);
      }
    }
  };
  const open = new Set<string>();
  const drain = async () => {
    for (let i = 0; i < 50; i++) {
      rig.clock.run();
      if (store !== 'sync') await settle();
      reap();
      if (open.size === answered.size) break;
    }
    if (rig.controller.isFatal) return;
    expect([...open].filter((id) => !answered.has(id))).toEqual([]);
    expect([...answered].filter((id) => !open.has(id))).toEqual([]);
    open.clear();
    answered.clear();
  };

  let burst = 0;
  while (sent < COMMANDS) {
    burst++;
    if (r.oneIn(4)) {
      const offset = r.oneIn(2) ? random(0x40) : 0x1000 + random(0x100) * 4;
      const value = r.u32();
      rig.controller.read32(offset);
      rig.controller.read8(offset);
      rig.controller.write8(offset, value);
      // Of what is writable, only what the driver can live with is hit at random.
      const inUse = [0x14, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x1000, 0x1004, 0x1008, 0x100c];
      if (!inUse.includes(offset)) rig.controller.write32(offset, value);
    }
    for (const id of [0, 1]) {
      const sq = driver.queue(id);
      const count = 1 + random(15);
      for (let i = 0; i < count && !sq.isFull; i++) {
        const cid = sent++ & 0xffff;
        open.add(`${id}:${cid}`);
        sq.pushBytes(encodeSqe(r.command(id), cid));
      }
      sq.ring();
    }
    await drain();
    expect(rig.controller.isFatal).toBe(false);
    if (burst % 16 === 0) {
      const own = [...driver.cqs.values()].flatMap((cq) =>
        cq.pages.map((address) => ({ address, length: PAGE })),
      );
      expect(memory.writesOutside([PLAYGROUND, ...own])).toEqual([]);
      plant(memory, random);
    }
    memory.forget();
    if (burst % 64 === 0) {
      // Enough queues were made and lost: again from the beginning, after a configuration that is refused.
      driver.disable();
      driver.registers.aqa = r.u32();
      driver.registers.asq = random(2) === 0 ? 0xa_0000 : r.u32();
      rig.controller.write32(0x14, r.u32() & ~(3 << Cc.shnShift));
      driver.disable();
      expect(driver.registers.csts & Csts.ready).toBe(0);
      driver.arena.rewind(0x10_0000);
      await driver.start();
      memory.forget();
    }
  }
  expect(memory.ram.subarray(10 * 1024 * 1024).every((byte) => byte === GUARDED)).toBe(true);
  return rig;
}

it.each([
  [1, 'sync'],
  [2, 'soon'],
] as const)(
  'survives 20,000 random commands (seed %i, store %s)',
  { timeout: 30_000 },
  async (seed, store) => {
    const rig = await smoke(seed, store);
    const { telemetry, driver } = rig;
    // They were not all refused: or nothing would have been tried.
    const good = (queueId: number) =>
      telemetry.commands.filter((c) => c.queueId > 0 === queueId > 0 && c.status === 0);
    expect(good(0).length).toBeGreaterThan(300);
    expect(good(1).length).toBeGreaterThan(300);
    for (const opcode of [0, 1, 2, 0x90, 0x91, 0x92]) {
      expect(good(1).filter((c) => c.opcode === opcode).length, `${opcode}`).toBeGreaterThan(20);
    }
    expect(telemetry.refusals.filter((text) => text.includes('internal error'))).toEqual([]);
    driver.reset();
    expect((await driver.admin(admin.getFeatures(7))).status).toBe(0);
    expect(flashOf(rig).units.failure).toBeUndefined();
  },
);
