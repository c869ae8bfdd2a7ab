/** tnvme's groups GeneralCmds and Asynchronous Event Request, re-derived. */
import { expect } from 'vitest';
import { Feature, LogPage } from '../../src/spec/identify.ts';
import { AdminOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import type { Sqe } from '../driver/entries.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { adminEnds, everyDisk, expectAlive, expectStatus, FLUSH, idle, ioEnds, judge } from './judge.ts';

/** Reserved in every admin command: DW0 bits 10 to 13, DW2, DW3. */
const RESERVED = { flags: 0x3c, cdw2: 0xffff_ffff, cdw3: 0xffff_ffff } as const;

// General ------------------------------------------------------------------------------------------------

const identifiers = [
  ...Array.from({ length: 300 }, (_, i) => i),
  ...Array.from({ length: 255 }, (_, i) => (i + 1) * 257),
  0x7fff,
  0x8000,
  0xfffe,
];

async function everyIdentifier(rig: Rig, queueId: number, sqe: Sqe): Promise<void> {
  for (const cid of new Set(identifiers)) {
    const pending = rig.driver.enqueue(queueId, sqe, cid);
    pending.sq.ring();
    const done = await rig.driver.wait(pending);
    expectStatus(done, 0);
    expect(done.cid).toBe(cid);
  }
}

judge('tnvme/GrpGeneralCmds/cidAcceptedASQ', everyDisk, async (bench) => {
  await everyIdentifier(await bench.enabled(), 0, admin.getFeatures(Feature.arbitration));
});

judge('tnvme/GrpGeneralCmds/cidAcceptedIOSQ', everyDisk, async (bench) => {
  await everyIdentifier(await bench.started(), 1, FLUSH);
});

judge('tnvme/GrpGeneralCmds/illegalAdminCmds', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const known: readonly number[] = Object.values(AdminOpcode);
  // Of NVMe 1.2 but optional and not announced here: namespace management and attachment, firmware, security.
  const optional = [0x0d, 0x10, 0x11, 0x15, 0x80, 0x81, 0x82];
  for (let opcode = 0; opcode < 256; opcode++) {
    if (known.includes(opcode) || optional.includes(opcode)) continue;
    await adminEnds(rig, { opcode, nsid: 1 }, Status.invalidOpcode, `${opcode.toString(16)}h`);
  }
  for (const opcode of [0x10, 0x11, 0x81, 0x82])
    await adminEnds(rig, { opcode, nsid: 1 }, Status.invalidOpcode, 'not announced in OACS');
});

judge('tnvme/GrpGeneralCmds/illegalNVMCmds', everyDisk, async (bench) => {
  const rig = await bench.started();
  // Reserved by NVMe 1.2, and reservations, which ONCS does not announce.
  const reserved = [0x03, 0x06, 0x07, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15];
  for (let opcode = 0x16; opcode < 0x90; opcode++) reserved.push(opcode);
  for (let opcode = 0x97; opcode < 0x100; opcode++) reserved.push(opcode);
  for (const opcode of reserved)
    await ioEnds(rig, 1, { opcode, nsid: 1 }, Status.invalidOpcode, `${opcode.toString(16)}h`);
  await expectAlive(rig);
});

// Asynchronous events ------------------------------------------------------------------------------------

const requests = (rig: Rig, count: number) =>
  Array.from({ length: count }, () => rig.driver.submit(0, admin.asyncEvent()));

/** Error status, "write to invalid doorbell register", more in the error log. */
const INVALID_DOORBELL = LogPage.error << 16;

judge('tnvme/GrpAdminAsyncCmd/verifyMaxEvents', everyDisk, async (bench) => {
  for (const aerlZ of [0, 3, 15]) {
    const rig = await bench.enabled({ config: { aerlZ } });
    const held = requests(rig, aerlZ + 1);
    await adminEnds(rig, admin.asyncEvent(), Status.asyncEventLimitExceeded);
    await idle(rig);
    expect(held.every(({ completion }) => completion === undefined)).toBe(true);
  }
});

judge('tnvme/GrpAdminAsyncCmd/abortByReset', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const held = requests(rig, 4);
  rig.memory.forget();
  rig.driver.reset();
  await idle(rig);
  rig.driver.service();
  expect(rig.memory.deviceWrites).toEqual([]);
  expect(held.every(({ completion }) => completion === undefined)).toBe(true);
  requests(rig, 4);
  await adminEnds(rig, admin.asyncEvent(), Status.asyncEventLimitExceeded, 'the new ones count afresh');
});

judge('tnvme/GrpAdminAsyncCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const all = 0xffff_ffff;
  const reserved = { cdw10: all, cdw11: all, cdw12: all, cdw13: all, cdw14: all, cdw15: all };
  const pending = rig.driver.submit(0, {
    ...admin.asyncEvent(),
    ...RESERVED,
    ...reserved,
    metadata: 0xffff_f000,
    prp1: 0xffff_f001,
    prp2: 0xffff_f001,
  });
  await idle(rig);
  rig.driver.service();
  expect(pending.completion).toBeUndefined();
  rig.driver.registers.ringSubmission(5, 1);
  expectStatus(await rig.driver.wait(pending), 0);
});

judge('tnvme/GrpAdminAsyncCmd/verifyEventQueueing', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  rig.driver.registers.ringSubmission(1, 1);
  await idle(rig);
  expect(rig.driver.cqs.get(0)?.peek(), 'nothing before it is asked for').toBeUndefined();
  const [pending] = requests(rig, 1);
  if (!pending) throw new Error();
  const done = await rig.driver.wait(pending);
  expectStatus(done, 0);
  expect(done.dw0).toBe(INVALID_DOORBELL);
});

judge('tnvme/GrpAdminAsyncCmd/verifyMasking', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const held = requests(rig, 4);
  const answered = () => held.filter(({ completion }) => completion !== undefined).length;
  for (let i = 0; i < 4; i++) {
    rig.driver.registers.ringSubmission(1, 1);
    await idle(rig);
    rig.driver.service();
    expect(answered(), 'masked until the log is read').toBe(1);
  }
  // Reading the log with "retain asynchronous event" changes nothing; without it, the next one comes.
  const prps = prpsFor(rig.driver.arena, rig.driver.arena.buffer(64));
  const sqe = admin.getLogPage(LogPage.error, 64, prps);
  await adminEnds(rig, { ...sqe, cdw10: (sqe.cdw10 ?? 0) | 0x8000 }, 0);
  await idle(rig);
  rig.driver.service();
  expect(answered()).toBe(1);
  await adminEnds(rig, sqe, 0);
  rig.driver.registers.ringSubmission(1, 1);
  await idle(rig);
  rig.driver.service();
  expect(answered()).toBe(2);
  expect(held.map(({ completion }) => completion?.dw0)).toEqual([
    INVALID_DOORBELL,
    INVALID_DOORBELL,
    undefined,
    undefined,
  ]);
});
