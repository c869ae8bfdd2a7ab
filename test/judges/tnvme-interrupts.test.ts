/** tnvme's group Interrupts, re-derived for the one pin (INTx) that this device has. */
import { expect } from 'vitest';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { adminEnds, everyDisk, FLUSH, idle, judge } from './judge.ts';

judge('tnvme/GrpInterrupts/invalidMSIXIRQ', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  const at = rig.driver.arena.pages();
  for (const vector of [1, 2, 32, 2047, 2048, 0xffff])
    await adminEnds(rig, admin.createCq(1, 8, at, { vector }), Status.invalidInterruptVector, `${vector}`);
  await adminEnds(rig, admin.createCq(1, 8, at, { vector: 0 }), 0);
});

judge('tnvme/GrpInterrupts/maxIOQMSIXManyTo1', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (let id = 1; id <= 8; id++) await rig.driver.createQueuePair(id, 8);
  rig.driver.registers.maskInterrupts();
  const all = [1, 2, 3, 4, 5, 6, 7, 8].map((id) => rig.driver.submit(id, FLUSH));
  await idle(rig);
  expect(rig.interrupt.level).toBe(false);
  rig.driver.registers.unmaskInterrupts();
  // All of them share the line: it stays up until the last queue was looked at.
  for (let id = 1; id <= 8; id++) {
    expect(rig.interrupt.level, `before queue ${id}`).toBe(true);
    const cq = rig.driver.cqs.get(id);
    expect(cq && rig.driver.reap(cq)).toBe(1);
  }
  expect(rig.interrupt.level).toBe(false);
  expect(all.every(({ completion }) => completion?.status === 0)).toBe(true);
});

judge('tnvme/GrpInterrupts/partialReapMSIX', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await rig.driver.createQueuePair(1, 32);
  const cq = rig.driver.cqs.get(1);
  if (!cq) throw new Error();
  const all = Array.from({ length: 20 }, () => rig.driver.enqueue(1, FLUSH));
  rig.driver.queue(1).ring();
  await idle(rig);
  let left = 20;
  for (const count of [1, 2, 3, 5, 8]) {
    expect(rig.interrupt.level).toBe(true);
    expect(rig.driver.reap(cq, count)).toBe(count);
    left -= count;
    expect(rig.interrupt.level, `${left} are left`).toBe(true);
  }
  // While some are left, new ones come.
  const more = rig.driver.submit(1, FLUSH);
  await idle(rig);
  expect(rig.driver.reap(cq)).toBe(left + 1);
  expect(rig.interrupt.level).toBe(false);
  expect([...all, more].every(({ completion }) => completion?.status === 0)).toBe(true);
});
