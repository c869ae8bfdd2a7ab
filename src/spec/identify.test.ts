import { expect, it } from 'vitest';
import * as wire from './identify.ts';
import { pack } from './layout.ts';

it.each([
  ['struct nvme_id_ctrl', wire.identifyController, 4096],
  ['struct nvme_id_ns', wire.identifyNamespace, 4096],
  ['struct nvme_lbaf', wire.lbaFormat, 4],
  ['struct nvme_ns_id_desc', wire.descriptor, 4],
  ['struct nvme_smart_log', wire.smartLog, 512],
  ['struct nvme_fw_slot_info_log', wire.firmwareLog, 512],
  ['struct nvme_error_log_page', wire.errorLogEntry, 64],
  ['struct nvme_dsm_range', wire.dsmRange, 16],
])('%s has its size, and its fields lie inside and apart', (_name, layout, sizeBytes) => {
  expect(layout.sizeBytes).toBe(sizeBytes);
  expect(pack(layout, {}).byteLength).toBe(sizeBytes);
  const fields = Object.values(layout.fields).toSorted((a, b) => a.offset - b.offset);
  let end = 0;
  for (const { offset, bytes } of fields) {
    expect(offset).toBeGreaterThanOrEqual(end);
    end = offset + bytes;
  }
  expect(end).toBeLessThanOrEqual(sizeBytes);
});
