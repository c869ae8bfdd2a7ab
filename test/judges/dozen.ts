/**
 * A dozen of the judges' cases for a driver that knows registers, memory and one interrupt line, and nothing of
 * what is behind them: they run against the fakes and through an emulated PC's bus. The disk is a plain one of
 * {@link DOZEN_BLOCKS} blocks of 4 KiB with eight queue pairs; the driver's controller is not enabled yet.
 */
import { expect } from 'vitest';
import { Cns, Feature, LogPage } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Cc, Csts, Register } from '../../src/spec/registers.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { CC_LINUX, type NvmeDriver, type Pending } from '../driver/driver.ts';
import type { Sqe } from '../driver/entries.ts';
import type { HostInterrupt } from '../driver/host.ts';
import { pattern } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import type { CaseName } from './cases.ts';

export const DOZEN_BLOCKS = 1024;

export interface DozenHost {
  readonly driver: NvmeDriver;
  readonly interrupt: HostInterrupt;
  /** Lets the device go on. */
  idle(): Promise<void>;
}

export interface DozenCase {
  /** The case of cases.ts that this is a short form of. */
  readonly name: CaseName;
  run(host: DozenHost): Promise<void>;
}

const FLUSH: Sqe = { opcode: IoOpcode.flush, nsid: 1 };

async function settle(host: DozenHost): Promise<void> {
  for (let i = 0; i < 12; i++) await host.idle();
}

async function ends(driver: NvmeDriver, queueId: number, sqe: Sqe, status: number): Promise<void> {
  const done = await driver.command(queueId, sqe);
  expect(done.status.toString(16)).toBe(status.toString(16));
}

async function start(driver: NvmeDriver): Promise<void> {
  driver.disable();
  await driver.start();
}

export const dozen: readonly DozenCase[] = [
  {
    name: 'qemu/reg-read',
    run({ driver: { registers } }) {
      const { bar } = registers;
      const { low, high } = registers.cap;
      expect(low & 0xffff).toBe(0x7ff);
      const bytes = Array.from({ length: 8 }, (_, at) => bar.read8(at));
      const halves = new DataView(Uint8Array.from(bytes).buffer);
      expect([halves.getUint32(0, true), halves.getUint32(4, true)]).toEqual([low, high]);
      expect(bar.read32(2)).toBe(((low >>> 16) | (high << 16)) >>> 0);
      expect(registers.version).toBe(0x0001_0200);
      return Promise.resolve();
    },
  },
  {
    name: 'openvmm/test_invalid_configuration',
    async run({ driver }) {
      const { registers } = driver;
      driver.disable();
      registers.aqa = 0x001f_001f;
      registers.asq = driver.arena.pages();
      registers.acq = 2 ** 40;
      registers.cc = CC_LINUX | Cc.enable;
      expect(registers.csts & (Csts.ready | Csts.fatal)).toBe(Csts.fatal);
      registers.cc = 0;
      expect(registers.csts).toBe(0);
      await start(driver);
      await ends(driver, 1, FLUSH, 0);
    },
  },
  {
    name: 'tnvme/GrpAdminIdentifyCmd/prp1PRP2',
    async run({ driver }) {
      await start(driver);
      const { arena } = driver;
      const whole = await driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
      expect(new DataView(whole.buffer).getUint16(0, true)).toBe(0x1d1d);
      for (const offset of [4, 512, 2048, PAGE - 4]) {
        const buffer = arena.buffer(4096, { offset, scattered: true });
        await driver.adminOk(admin.identify(Cns.controller, 0, prpsFor(arena, buffer)));
        expectBytes(buffer.read(), whole);
      }
    },
  },
  {
    name: 'tnvme/GrpQueues/ioqRollChkDiff',
    async run({ driver }) {
      await start(driver);
      await driver.createCq(2, 5);
      await driver.createSq(2, 7, 2);
      for (let i = 1; i <= 40; i++) {
        const done = await driver.command(2, FLUSH);
        expect([done.status, done.sqHead, done.phase]).toEqual([0, i % 7, 1 ^ (Math.floor((i - 1) / 5) & 1)]);
      }
    },
  },
  {
    name: 'tnvme/GrpQueues/manySQtoCQAssoc',
    async run({ driver }) {
      await start(driver);
      await driver.createCq(3, 6);
      const ids = [2, 3, 4, 5, 6, 7, 8];
      for (const id of ids) await driver.createSq(id, 5, 3);
      for (let round = 0; round < 3; round++) {
        const all = ids.flatMap((id) => Array.from({ length: 4 }, () => driver.enqueue(id, FLUSH)));
        for (const id of ids) driver.queue(id).ring();
        for (const done of await driver.waitAll(all)) expect(done.status).toBe(0);
      }
    },
  },
  {
    name: 'tnvme/GrpInterrupts/partialReapMSIX',
    async run(host) {
      const { driver, interrupt } = host;
      await start(driver);
      const cq = driver.cqs.get(1);
      if (!cq) throw new Error();
      for (let i = 0; i < 5; i++) driver.enqueue(1, FLUSH);
      expect(interrupt.level).toBe(false);
      driver.queue(1).ring();
      await settle(host);
      for (const left of [4, 3, 2, 1, 0]) {
        expect(interrupt.level, `${left + 1} there`).toBe(true);
        expect(driver.reap(cq, 1)).toBe(1);
      }
      expect(interrupt.level).toBe(false);
      driver.registers.maskInterrupts();
      driver.submit(1, FLUSH);
      await settle(host);
      expect(interrupt.level, 'masked').toBe(false);
      driver.registers.unmaskInterrupts();
      expect(interrupt.level, 'unmasked').toBe(true);
      driver.service();
      expect(interrupt.level).toBe(false);
    },
  },
  {
    name: 'openvmm/test_full_cq_does_not_leak_io_count',
    async run(host) {
      const { driver } = host;
      await start(driver);
      const cq = await driver.createCq(2, 2, { interrupts: false });
      await driver.createSq(2, 32, 2);
      const all: Pending[] = Array.from({ length: 20 }, () => driver.enqueue(2, FLUSH));
      driver.queue(2).ring();
      for (let i = 0; i < 20; i++) {
        await settle(host);
        expect(driver.reap(cq), 'one slot, one completion').toBe(1);
      }
      expect(all.every(({ completion }) => completion?.status === 0)).toBe(true);
    },
  },
  {
    name: 'tnvme/GrpQueues/illegalDeleteQs',
    async run({ driver }) {
      await start(driver);
      await ends(driver, 0, admin.deleteSq(0), Status.invalidQueueId);
      await ends(driver, 0, admin.deleteCq(1), Status.invalidQueueDeletion);
      await ends(driver, 0, admin.deleteSq(1), 0);
      await ends(driver, 0, admin.deleteSq(1), Status.invalidQueueId);
      await ends(driver, 0, admin.deleteCq(1), 0);
      await driver.createQueuePair(1, 8);
      await ends(driver, 1, FLUSH, 0);
    },
  },
  {
    name: 'tnvme/GrpNVMWriteReadCombo/prpOffsetMultiPgMultiBlk',
    async run({ driver }) {
      await start(driver);
      const { arena } = driver;
      for (const [i, [secs, offset]] of (
        [
          [1, 4],
          [2, 2048],
          [17, PAGE - 4],
          [520, 0],
        ] as const
      ).entries()) {
        const data = pattern(secs * PAGE, i);
        const command = (opcode: number, buffer: ReturnType<typeof arena.buffer>): Sqe => ({
          opcode,
          nsid: 1,
          cdw10: 3 * i,
          cdw12: secs - 1,
          ...prpsFor(arena, buffer),
        });
        const out = arena.buffer(data.length, { offset, scattered: true }).fill(data);
        await ends(driver, 1, command(IoOpcode.write, out), 0);
        const back = arena.buffer(data.length, { offset: PAGE - 8, scattered: true });
        await ends(driver, 1, command(IoOpcode.read, back), 0);
        expectBytes(back.read(), data);
      }
    },
  },
  {
    name: 'tnvme/GrpNVMReadCmd/lbaOutOfRangeBare',
    async run({ driver }) {
      await start(driver);
      const buffer = driver.arena.buffer(2 * PAGE).fill(pattern(2 * PAGE, 1));
      const read = { opcode: IoOpcode.read, nsid: 1, cdw12: 1, ...prpsFor(driver.arena, buffer) };
      for (const [cdw10, cdw11] of [
        [DOZEN_BLOCKS, 0],
        [DOZEN_BLOCKS - 1, 0],
        [0, 1],
        [0xffff_ffff, 0xffff_ffff],
      ] as const)
        await ends(driver, 1, { ...read, cdw10, cdw11 }, Status.lbaOutOfRange);
      expectBytes(buffer.read(), pattern(2 * PAGE, 1));
      // Buffers in the legacy hole, in the device's own registers, and beyond memory.
      for (const prp1 of [0xa_0000, driver.memory.registers.address, 2 ** 40])
        await ends(driver, 1, { ...read, cdw12: 0, prp1, prp2: 0 }, Status.dataTransferError);
      await ends(driver, 1, { ...read, cdw10: DOZEN_BLOCKS - 2 }, 0);
    },
  },
  {
    name: 'tnvme/GrpResets/ctrlrResetNotEffectAdminQ',
    async run(host) {
      const { driver, interrupt } = host;
      await start(driver);
      const { bar } = driver.registers;
      const at = [Register.aqa, Register.asq, Register.asq + 4, Register.acq, Register.acq + 4];
      const before = at.map((offset) => bar.read32(offset));
      driver.submit(1, FLUSH);
      driver.disable();
      await settle(host);
      expect(interrupt.level).toBe(false);
      expect(at.map((offset) => bar.read32(offset))).toEqual(before);
      expect([driver.registers.cc & Cc.enable, driver.registers.csts]).toEqual([0, 0]);
      await driver.start();
      await ends(driver, 1, FLUSH, 0);
    },
  },
  {
    name: 'tnvme/GrpAdminAsyncCmd/verifyEventQueueing',
    async run(host) {
      const { driver } = host;
      await start(driver);
      driver.registers.ringSubmission(5, 1);
      await settle(host);
      const done = await driver.admin(admin.asyncEvent());
      expect([done.status, done.dw0]).toEqual([0, LogPage.error << 16]);
      expect(await driver.adminOk(admin.getFeatures(Feature.arbitration))).toBeGreaterThanOrEqual(0);
    },
  },
];
