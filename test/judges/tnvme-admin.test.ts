/** tnvme's groups for Identify and Get Log Page, re-derived. */
import { expect } from 'vitest';
import { Cns, LogPage } from '../../src/spec/identify.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { expectBytes } from '../fakes/expect-bytes.ts';
import { adminEnds, everyDisk, judge, twoNamespaces } from './judge.ts';

/** Reserved in every admin command: DW0 bits 10 to 13, DW2, DW3. */
const RESERVED = { flags: 0x3c, cdw2: 0xffff_ffff, cdw3: 0xffff_ffff } as const;

// Identify -----------------------------------------------------------------------------------------------

const structures = [
  [Cns.controller, 0],
  [Cns.namespace, 1],
  [Cns.activeNamespaces, 0],
] as const;

judge('tnvme/GrpAdminIdentifyCmd/invalidNamspc', [...everyDisk, ...twoNamespaces], async (bench) => {
  const rig = await bench.enabled();
  const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096));
  const count = bench.setup.namespaces.length;
  for (const nsid of [0, count + 1, count + 2, 0x100, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff])
    await adminEnds(rig, admin.identify(Cns.namespace, nsid, prps), Status.invalidNamespace, `${nsid}`);
});

judge('tnvme/GrpAdminIdentifyCmd/prp1', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [cns, nsid] of structures) {
    const reference = await rig.driver.adminRead(4096, (prps) => admin.identify(cns, nsid, prps));
    // PRP2 is reserved where PRP1 is enough, whatever is in it.
    for (const prp2 of [0, 3, 0xa_0000, 0xffff_ffff_f000]) {
      const buffer = rig.driver.arena.buffer(4096);
      await adminEnds(rig, admin.identify(cns, nsid, { prp1: buffer.pages[0] as number, prp2 }), 0);
      expectBytes(buffer.read(), reference);
    }
  }
});

judge('tnvme/GrpAdminIdentifyCmd/prp1PRP2', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const { arena } = rig.driver;
  for (const [cns, nsid] of structures) {
    const reference = await rig.driver.adminRead(4096, (prps) => admin.identify(cns, nsid, prps));
    const mark = arena.mark;
    for (let offset = 4; offset < PAGE; offset += 60) {
      arena.rewind(mark);
      const buffer = arena.buffer(4096, { offset, scattered: true });
      rig.memory.forget();
      await adminEnds(rig, admin.identify(cns, nsid, prpsFor(arena, buffer)), 0);
      expectBytes(buffer.read(), reference);
      const data = rig.memory.deviceWrites.filter(({ length }) => length !== 16);
      expect(data.reduce((sum, { length }) => sum + length, 0)).toBe(4096);
      expect(rig.memory.writesOutside(buffer.ranges).filter(({ length }) => length !== 16)).toEqual([]);
    }
  }
});

judge('tnvme/GrpAdminIdentifyCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [cns, nsid] of structures) {
    const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096));
    const rest = { metadata: 0xffff_f000, cdw12: 0xffff_ffff, cdw13: 0xffff_ffff, cdw15: 0xffff_ffff };
    await adminEnds(rig, { ...admin.identify(cns, nsid, prps), ...RESERVED, ...rest }, 0);
  }
  // A reserved coded value is an error.
  for (const cns of [0x04, 0x0f, 0x1f, 0x20, 0x7f, 0xff]) {
    const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(4096));
    await adminEnds(rig, admin.identify(cns, 1, prps), Status.invalidField, `CNS ${cns}`);
  }
});

// Get Log Page -------------------------------------------------------------------------------------------

const mandatory = [
  ['error', LogPage.error, 64],
  ['SMART', LogPage.smart, 512],
  ['firmware', LogPage.firmware, 512],
] as const;

const log = (rig: Rig, lid: number, length: number, more: Parameters<typeof admin.getLogPage>[3] = {}) => {
  const buffer = rig.driver.arena.buffer(length);
  return { buffer, sqe: admin.getLogPage(lid, length, prpsFor(rig.driver.arena, buffer), more) };
};

judge('tnvme/GrpAdminGetLogPgCmd/invalidLogPageNVMSet', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // Reserved by NVMe 1.2: 00h, 06h to 7Fh, 81h to BFh.
  const { prp1, prp2 } = prpsFor(rig.driver.arena, rig.driver.arena.buffer(512));
  for (let lid = 0; lid < 0xc0; lid++) {
    if ((lid >= 0x01 && lid <= 0x05) || lid === 0x80) continue;
    await adminEnds(
      rig,
      admin.getLogPage(lid, 512, { prp1, prp2 }),
      Status.invalidLogPage,
      `${lid.toString(16)}h`,
    );
  }
});

judge('tnvme/GrpAdminGetLogPgCmd/invalidNamspc', [...everyDisk, ...twoNamespaces], async (bench) => {
  const rig = await bench.enabled();
  const count = bench.setup.namespaces.length;
  for (const nsid of [count + 1, 0x100, 0xffff_fffe]) {
    const { status } = await rig.driver.admin(log(rig, LogPage.smart, 512, { nsid }).sqe);
    expect([Status.invalidNamespace, Status.invalidField], `namespace ${nsid}`).toContain(status);
  }
  for (const nsid of [0, 0xffff_ffff]) await adminEnds(rig, log(rig, LogPage.smart, 512, { nsid }).sqe, 0);
});

judge('tnvme/GrpAdminGetLogPgCmd/mandatoryErrInfo', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const entries = rig.controller.config.elpeZ + 1;
  const { buffer, sqe } = log(rig, LogPage.error, 64 * entries);
  await adminEnds(rig, sqe, 0);
  expectBytes(buffer.read(), new Uint8Array(64 * entries)); // nothing went wrong yet
});

judge('tnvme/GrpAdminGetLogPgCmd/mandatorySMART', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const { buffer, sqe } = log(rig, LogPage.smart, 512);
  await adminEnds(rig, sqe, 0);
  const view = new DataView(buffer.read().buffer);
  expect(view.getUint8(0), 'critical warning').toBe(0);
  expect(view.getUint16(1, true), 'temperature in Kelvin').toBeGreaterThan(273);
  expect(view.getUint8(3), 'available spare').toBeGreaterThan(view.getUint8(4));
  expect(view.getUint8(5), 'percentage used').toBeLessThan(100);
  // Reserved: 6 to 31, and 216 to the end (192 to 215 came with 1.2: warning times and sensors).
  const bytes = buffer.read();
  for (const [first, end] of [
    [6, 32],
    [216, 512],
  ] as const)
    expectBytes(bytes.subarray(first, end), new Uint8Array(end - first));
});

judge('tnvme/GrpAdminGetLogPgCmd/mandatoryFW', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const { buffer, sqe } = log(rig, LogPage.firmware, 512);
  await adminEnds(rig, sqe, 0);
  const bytes = buffer.read();
  const slot = (bytes[0] as number) & 7;
  expect(slot, 'the active slot').toBeGreaterThanOrEqual(1);
  const identity = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
  expectBytes(bytes.subarray(8 * slot, 8 * slot + 8), identity.subarray(64, 72));
  expectBytes(bytes.subarray(64), new Uint8Array(448));
});

judge('tnvme/GrpAdminGetLogPgCmd/numDIsAdhered', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [name, lid, whole] of mandatory) {
    for (const length of [4, whole / 2, whole - 4, whole]) {
      const buffer = rig.driver.arena.buffer(4096).fill(new Uint8Array(4096).fill(0xa5));
      await adminEnds(rig, admin.getLogPage(lid, length, prpsFor(rig.driver.arena, buffer)), 0, name);
      expectBytes(buffer.read().subarray(length), new Uint8Array(4096 - length).fill(0xa5));
      expect(
        buffer
          .read()
          .subarray(0, length)
          .every((byte) => byte === 0xa5),
        name,
      ).toBe(false);
    }
  }
});

judge('tnvme/GrpAdminGetLogPgCmd/prp1', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [name, lid, length] of mandatory) {
    for (const prp2 of [0, 1, 0xa_0000, 0xffff_ffff_f000]) {
      const { buffer, sqe } = log(rig, lid, length);
      await adminEnds(rig, { ...sqe, prp2 }, 0, name);
      expect(buffer.length).toBe(length);
    }
  }
});

judge('tnvme/GrpAdminGetLogPgCmd/prp1PRP2', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const { arena } = rig.driver;
  const firmware = log(rig, LogPage.firmware, 512);
  await adminEnds(rig, firmware.sqe, 0);
  const reference = firmware.buffer.read();
  const mark = arena.mark;
  for (let offset = PAGE - 520; offset < PAGE; offset += 4) {
    arena.rewind(mark);
    const buffer = arena.buffer(512, { offset, scattered: true });
    await adminEnds(rig, admin.getLogPage(LogPage.firmware, 512, prpsFor(arena, buffer)), 0, `${offset}`);
    expectBytes(buffer.read(), reference);
  }
});

judge('tnvme/GrpAdminGetLogPgCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const [name, lid, length] of mandatory) {
    const { sqe } = log(rig, lid, length);
    // DW10 bits 12 to 14; bit 15 and the offset have a meaning in later revisions, which Linux uses.
    const cdw10 = (sqe.cdw10 ?? 0) | 0x7000;
    const reserved = { ...RESERVED, metadata: 0xffff_f000, cdw10, cdw14: 0xffff_ff80, cdw15: 0xffff_ffff };
    await adminEnds(rig, { ...sqe, ...reserved }, 0, name);
  }
});
