/** tnvme's groups for Set and Get Features, re-derived. */
import { expect } from 'vitest';
import { Feature } from '../../src/spec/identify.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import type { Rig } from '../driver/rig.ts';
import { adminEnds, everyDisk, judge } from './judge.ts';

/** Reserved by NVMe 1.2 as tnvme lists them; 0Fh and 80h to 83h are others' or optional. */
const reserved = [0x00, 0x0e];
for (let fid = 0x10; fid <= 0x77; fid++) reserved.push(fid);
for (let fid = 0x84; fid <= 0xbf; fid++) reserved.push(fid);

judge('tnvme/GrpAdminSetFeatCmd/invalidFieldInCmd', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const fid of reserved) await adminEnds(rig, admin.setFeatures(fid, 0), Status.invalidField, `${fid}`);
});

judge('tnvme/GrpAdminGetFeatCmd/invalidFieldInCmd', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const fid of reserved) await adminEnds(rig, admin.getFeatures(fid), Status.invalidField, `${fid}`);
});

judge('tnvme/GrpAdminGetFeatCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  for (const fid of [0x01, 0x02, 0x04, 0x05, 0x07, 0x08, 0x0a, 0x0b]) {
    const plain = await rig.driver.adminOk(admin.getFeatures(fid));
    const sqe = admin.getFeatures(fid);
    const everything = {
      flags: 0x3c,
      cdw2: 0xffff_ffff,
      cdw3: 0xffff_ffff,
      metadata: 0xffff_f000,
      cdw10: ((sqe.cdw10 ?? 0) | 0xffff_f800) >>> 0,
      cdw12: 0xffff_ffff,
      cdw13: 0xffff_ffff,
      cdw15: 0xffff_ffff,
    };
    expect((await adminEnds(rig, { ...sqe, ...everything }, 0, `${fid}`)).dw0).toBe(plain);
  }
});

/** Each value is set and read back; a reset of the controller brings the default again. */
async function roundTrip(rig: Rig, fid: number, values: readonly number[], cdw11 = 0): Promise<void> {
  const get = async () => (await adminEnds(rig, admin.getFeatures(fid, { cdw11 }), 0)).dw0;
  const initial = await get();
  for (const value of [...values, initial, ...values.toReversed()]) {
    await adminEnds(rig, admin.setFeatures(fid, value), 0, value.toString(16));
    expect((await get()).toString(16)).toBe(value.toString(16));
  }
  rig.driver.reset();
  expect(await get()).toBe(initial);
}

// Fields as nvme-cli's nvme_feature_show_fields (nvme-print.c) decodes them.
judge('tnvme/GrpAdminSetGetFeatCombo/fidArbitration', everyDisk, async (bench) => {
  // AB in bits 0 to 2, then the weights of low, medium and high in a byte each.
  await roundTrip(await bench.enabled(), Feature.arbitration, [0, 1, 7, 0xffff_ff07, 0x0302_0105]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidPwrMgmt', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  await roundTrip(rig, Feature.powerManagement, [0]);
  // NPSS is 0: there is power state 0 only.
  for (const state of [1, 2, 31])
    await adminEnds(rig, admin.setFeatures(Feature.powerManagement, state), Status.invalidField, `${state}`);
  expect(await rig.driver.adminOk(admin.getFeatures(Feature.powerManagement))).toBe(0);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidTempThres', everyDisk, async (bench) => {
  await roundTrip(await bench.enabled(), Feature.temperatureThreshold, [350, 400, 0xffff]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidErrRecovery', everyDisk, async (bench) => {
  // TLER, in units of 100 ms. DULBE (bit 16) belongs to namespaces that announce it.
  await roundTrip(await bench.enabled(), Feature.errorRecovery, [1, 0x5a5a, 0xffff]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidIRQCoalescing', everyDisk, async (bench) => {
  await roundTrip(await bench.enabled(), Feature.interruptCoalescing, [0x0001, 0x0100, 0x5a5a, 0xffff]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidIRQVec', everyDisk, async (bench) => {
  const rig = await bench.enabled();
  // The vector in bits 0 to 15, "coalescing disable" in bit 16; a pin has vector 0 only.
  await roundTrip(rig, Feature.interruptVectorConfig, [0x1_0000, 0]);
  for (const vector of [1, 2, 0xffff]) {
    await adminEnds(rig, admin.setFeatures(Feature.interruptVectorConfig, vector), Status.invalidField);
    const get = admin.getFeatures(Feature.interruptVectorConfig, { cdw11: vector });
    await adminEnds(rig, get, Status.invalidField);
  }
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidWriteAtomicity', everyDisk, async (bench) => {
  await roundTrip(await bench.enabled(), Feature.writeAtomicity, [1, 0]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidAsyncEventCfg', everyDisk, async (bench) => {
  await roundTrip(await bench.enabled(), Feature.asyncEventConfig, [0x01, 0x1f, 0xff, 0x1ff]);
});

judge('tnvme/GrpAdminSetGetFeatCombo/fidVolatileCash', everyDisk, async (bench) => {
  const rig = await bench.enabled({ config: { volatileWriteCache: true } });
  await roundTrip(rig, Feature.volatileWriteCache, [0, 1]);
  const without = await bench.enabled({ config: { volatileWriteCache: false } });
  for (const sqe of [
    admin.getFeatures(Feature.volatileWriteCache),
    admin.setFeatures(Feature.volatileWriteCache, 1),
  ])
    await adminEnds(without, sqe, Status.invalidField);
});
