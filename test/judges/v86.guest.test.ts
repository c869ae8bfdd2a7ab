/** The dozen through a real v86, without Linux: a few instructions set the function up and go on running. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { barBytes, NvmeController } from '../../src/device/controller.ts';
import { openMedia } from '../../src/device/media.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PciPlug } from '../../src/machine/pci.ts';
import { NvmeDriver } from '../driver/driver.ts';
import { DEFAULT_CONFIG, plainDisk } from '../driver/rig.ts';
import { FakeStore, settle } from '../fakes/fake-store.ts';
import { FakeTelemetry } from '../fakes/fake-telemetry.ts';
import { asm, bareMachine, Transcript } from '../machine-fixtures.ts';
import { dozen, DOZEN_BLOCKS } from './dozen.ts';
import { MachineHost } from './machine-host.ts';

vi.mock('../../src/machine/pci.ts', async (original) =>
  (await import('./machine-host.ts')).busThatTells(original),
);

const SLOT = 8;
/** Where the guest puts the registers: not where the machine had put them. */
const BAR = 0xf400_0000;
const MEMORY = 0x2;
const MASTER = 0x4;
const RESULT = 0x8_0000;

const config = { ...DEFAULT_CONFIG, namespaces: [plainDisk(DOZEN_BLOCKS)] };
const telemetry = new FakeTelemetry();
let machine: Machine;
let host: MachineHost;
let driver: NvmeDriver;
const transcript = new Transcript();

const idle = settle;

beforeAll(async () => {
  const media = await openMedia(config, new FakeStore('soon'), telemetry);
  const plug: PciPlug = {
    slot: SLOT,
    name: 'nvme',
    vendorId: config.vendorId,
    deviceId: config.deviceId,
    classCode: 0x010802,
    revision: 2,
    subsystemVendorId: config.vendorId,
    subsystemId: config.deviceId,
    bar0Bytes: barBytes(config),
    attach: (ports) => new NvmeController(config, media, ports, telemetry),
  };
  machine = await bareMachine(
    [
      ...asm.config(SLOT, 0x10, 0xffff_ffff, 4),
      ...asm.readConfig(SLOT, 0x10, RESULT),
      ...asm.config(SLOT, 0x10, BAR, 4),
      ...asm.copy32(BAR, RESULT + 4), // memory decoding is still off
      ...asm.config(SLOT, 4, MEMORY | MASTER, 2),
      ...asm.copy32(BAR, RESULT + 8),
      ...asm.copy32(BAR + 8, RESULT + 12),
      ...asm.readConfig(SLOT, 0, RESULT + 16),
      ...asm.readConfig(SLOT, 8, RESULT + 20),
      ...asm.print('ready'),
      ...asm.forever,
    ],
    [plug],
  );
  machine.serial[0].onoutput = transcript.listen;
  machine.oncrash = (error) => {
    throw error;
  };
  machine.start();
  await transcript.waitFor(/ready/);
  host = new MachineHost(plug);
  driver = new NvmeDriver(host.bar, host, host, { idle });
});

afterAll(() => machine.destroy());

describe('through v86', () => {
  it('tnvme/GrpPciRegisters/allPciRegs, with the instructions of the guest', () => {
    const view = new DataView(host.bytes(RESULT, 24).buffer);
    const [size, undecoded, cap, version, ids, classes] = Array.from({ length: 6 }, (_, i) =>
      view.getUint32(4 * i, true),
    );
    expect(size).toBe((-barBytes(config) & ~0xf) >>> 0);
    expect(undecoded).toBe(0xffff_ffff);
    expect((cap ?? 0) & 0xffff).toBe(0x7ff);
    expect(version).toBe(0x0001_0200);
    expect(ids).toBe(0x1f1f_1d1d);
    expect((classes ?? 0) >>> 8).toBe(0x010802);
    expect(host.registers.address).toBe(BAR);
    expect(machine.state).toBe('running');
  });

  it.each(dozen)('$name', async ({ run }) => {
    const mark = driver.arena.mark;
    const before = machine.instructionCounter();
    await run({ driver, interrupt: host, idle });
    expect(driver.unexpected).toEqual([]);
    driver.disable();
    driver.arena.rewind(mark);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(machine.instructionCounter(), 'the processor goes on beside it').not.toBe(before);
    expect(machine.state).toBe('running');
  });

  it('a function that may not master the bus reaches no memory, and says so', async () => {
    driver.disable();
    host.configure16(4, MEMORY);
    driver.registers.cc = 0x46_0001;
    expect(driver.registers.csts & 2, 'CSTS.CFS').toBe(2);
    driver.registers.cc = 0;
    host.configure16(4, MEMORY | MASTER);
    await driver.start();
    expect((await driver.command(1, { opcode: 0, nsid: 1 })).status).toBe(0);
  });
});
