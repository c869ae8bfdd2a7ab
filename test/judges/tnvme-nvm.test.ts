/** tnvme's groups for Flush, Write Uncorrectable, Compare and Dataset Management, re-derived. */
import { expect } from 'vitest';
import { Cns } from '../../src/spec/identify.ts';
import { IoOpcode } from '../../src/spec/opcodes.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { PAGE } from '../driver/arena.ts';
import type { Sqe } from '../driver/entries.ts';
import { seeded } from '../driver/pattern.ts';
import { prpsFor } from '../driver/prp.ts';
import type { Rig } from '../driver/rig.ts';
import { blocks, expectBlocks, SEC, TOTAL, writeBlocks } from './blocks.ts';
import {
  type Bench,
  everyDisk,
  expectAlive,
  FLUSH,
  ioEnds,
  judge,
  plainDisks,
  twoNamespaces,
} from './judge.ts';

judge('tnvme/GrpNVMFlushCmd/functionalityBare', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 3, 5);
  await ioEnds(rig, 1, FLUSH, 0);
  expect(rig.stores[0]?.commits.at(-1)?.durability).toBe('strict');
  const store = rig.stores[0]?.reopened();
  if (!store) throw new Error();
  await expectBlocks(await bench.started({ stores: [store] }), 3, data);
});

judge('tnvme/GrpNVMFlushCmd/invalidNamspc', [...everyDisk, ...twoNamespaces], async (bench) => {
  const rig = await bench.started();
  const count = bench.setup.namespaces.length;
  for (const nsid of [0, count + 1, 0x1_0000, 0xffff_fffe])
    await ioEnds(rig, 1, { ...FLUSH, nsid }, Status.invalidNamespace, `${nsid}`);
  await ioEnds(rig, 1, { ...FLUSH, nsid: 0xffff_ffff }, 0, 'all of them');
  for (let nsid = 1; nsid <= count; nsid++) await ioEnds(rig, 1, { ...FLUSH, nsid }, 0);
});

const all = 0xffff_ffff;
/** What is reserved in a command without data or LBA. */
const reserved = {
  flags: 0x3c,
  cdw2: all,
  cdw3: all,
  metadata: 0xffff_f001,
  prp1: 0xffff_f001,
  prp2: 0xffff_f001,
  cdw10: all,
  cdw11: all,
  cdw12: all,
  cdw13: all,
  cdw14: all,
  cdw15: all,
};

judge('tnvme/GrpNVMFlushCmd/unsupportRsvdFields', everyDisk, async (bench) => {
  await ioEnds(await bench.started(), 1, { ...reserved, ...FLUSH, flags: 0x3c }, 0);
});

/** ONCS says whether a command exists, and the command agrees; switched off by the options, it is gone. */
async function announced(
  bench: Bench,
  bit: number,
  run: (rig: Rig, exists: boolean) => Promise<void>,
): Promise<void> {
  for (const oncs of [0xffff, 0xffff & ~(1 << bit)]) {
    const rig = await bench.started({ config: { oncs } });
    const data = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.controller, 0, prps));
    const exists = ((new DataView(data.buffer).getUint16(520, true) >>> bit) & 1) === 1;
    expect(exists).toBe((oncs & (1 << bit)) !== 0);
    await run(rig, exists);
    await expectAlive(rig);
  }
}

judge('tnvme/GrpNVMWriteUncorrectCmd/identify', plainDisks, (bench) =>
  announced(bench, 1, async (rig, exists) => {
    const data = await writeBlocks(rig, 4, 4);
    const sqe = { opcode: IoOpcode.writeUncorrectable, nsid: 1, cdw10: 5, cdw12: 1 };
    await ioEnds(rig, 1, sqe, exists ? 0 : Status.invalidOpcode);
    if (!exists) return expectBlocks(rig, 4, data);
    // Unrecovered Read Error (SCT 2, SC 81h), until they are written again; the neighbours are as before.
    for (const lba of [5, 6]) {
      const { status } = await rig.driver.command(
        1,
        blocks(rig, IoOpcode.read, lba, rig.driver.arena.buffer(SEC)),
      );
      expect(status & 0x7ff).toBe(0x281);
    }
    await expectBlocks(rig, 4, data.slice(0, SEC));
    await expectBlocks(rig, 7, data.slice(3 * SEC));
    await expectBlocks(rig, 5, await writeBlocks(rig, 5, 2, 9));
    await ioEnds(rig, 1, { ...sqe, cdw10: TOTAL - 1 }, Status.lbaOutOfRange);
  }),
);

judge('tnvme/GrpNVMCompareCmd/identify', plainDisks, (bench) =>
  announced(bench, 0, async (rig, exists) => {
    const data = await writeBlocks(rig, 4, 4);
    const buffer = rig.driver.arena.buffer(4 * SEC).fill(data);
    const sqe = blocks(rig, IoOpcode.compare, 4, buffer);
    await ioEnds(rig, 1, sqe, exists ? 0 : Status.invalidOpcode);
    if (!exists) return;
    for (const at of [0, SEC, 4 * SEC - 1]) {
      const other = data.slice();
      other[at] = (other[at] as number) ^ 0x10;
      buffer.fill(other);
      const { status } = await rig.driver.command(1, sqe);
      expect(status & 0x7ff, `byte ${at} differs`).toBe(0x285);
    }
    await ioEnds(rig, 1, { ...sqe, cdw10: TOTAL - 3 }, Status.lbaOutOfRange);
    await expectBlocks(rig, 4, data);
  }),
);

// Dataset Management -------------------------------------------------------------------------------------

interface Run {
  readonly lba: number;
  readonly count: number;
  readonly attributes?: number;
}

function manage(
  rig: Rig,
  runs: readonly Run[],
  { deallocate = false, offset = 0, more = {} as Partial<Sqe> } = {},
): Sqe {
  const view = new DataView(new ArrayBuffer(runs.length * 16));
  runs.forEach(({ lba, count, attributes = 0 }, i) => {
    view.setUint32(16 * i, attributes, true);
    view.setUint32(16 * i + 4, count, true);
    view.setBigUint64(16 * i + 8, BigInt(lba), true);
  });
  const buffer = rig.driver.arena.buffer(runs.length * 16, { offset, scattered: true });
  buffer.fill(new Uint8Array(view.buffer));
  return {
    opcode: IoOpcode.datasetManagement,
    nsid: 1,
    cdw10: runs.length - 1,
    cdw11: deallocate ? 4 : 0,
    ...prpsFor(rig.driver.arena, buffer),
    ...more,
  };
}

judge('tnvme/GrpNVMDatasetMgmtCmd/identify', plainDisks, (bench) =>
  announced(bench, 2, async (rig, exists) => {
    await ioEnds(rig, 1, manage(rig, [{ lba: 0, count: 1 }]), exists ? 0 : Status.invalidOpcode);
  }),
);

judge('tnvme/GrpNVMDatasetMgmtCmd/attributes', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 0, 4);
  // Context attributes are advice: access frequency, latency, sequential, access size; all of the command's as well.
  for (const attributes of [0, 0x1, 0x5, 0x10, 0x30, 0x100, 0x200, 0x400, 0xff00_0000])
    for (const cdw11 of [0, 1, 2, 3])
      await ioEnds(rig, 1, manage(rig, [{ lba: 0, count: 4, attributes }], { more: { cdw11 } }), 0);
  await expectBlocks(rig, 0, data);
});

judge('tnvme/GrpNVMDatasetMgmtCmd/invalidNamspc', [...plainDisks, ...twoNamespaces], async (bench) => {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 0, 1);
  for (const nsid of [0, bench.setup.namespaces.length + 1, 0xffff_fffe, 0xffff_ffff]) {
    const sqe = manage(rig, [{ lba: 0, count: 1 }], { deallocate: true, more: { nsid } });
    await ioEnds(rig, 1, sqe, Status.invalidNamespace, `${nsid}`);
  }
  await expectBlocks(rig, 0, data);
});

judge('tnvme/GrpNVMDatasetMgmtCmd/prp1PRP2NR', plainDisks, async (bench) => {
  const rig = await bench.started();
  const random = seeded(97);
  const mark = rig.driver.arena.mark;
  for (const count of [1, 2, 3, 4, 7, 8, 15, 16, 31, 63, 127, 128, 255, 256]) {
    for (let offset = 0; offset < PAGE; offset += 340) {
      rig.driver.arena.rewind(mark);
      const size = Math.floor(TOTAL / count);
      const runs = Array.from({ length: count }, (_, i) => ({
        lba: i * size,
        count: i === count - 1 ? TOTAL - i * size : size,
      }));
      const sqe = manage(rig, runs, { offset });
      // Where PRP2 is not needed, it is reserved.
      const prp2 = sqe.prp2 === 0 ? random(2 ** 31) : (sqe.prp2 as number);
      await ioEnds(rig, 1, { ...sqe, prp2 }, 0, `${count} ranges at ${offset}`);
    }
  }
});

judge('tnvme/GrpNVMDatasetMgmtCmd/unsupportRsvdFields', plainDisks, async (bench) => {
  const rig = await bench.started();
  const data = await writeBlocks(rig, 0, 1);
  const { prp1, prp2, cdw10, nsid, opcode } = manage(rig, [{ lba: 0, count: 1 }]);
  const sqe = {
    ...reserved,
    opcode,
    nsid,
    prp1,
    prp2,
    cdw10: ((cdw10 ?? 0) | 0xffff_ff00) >>> 0,
    cdw11: 0xffff_fff8,
  };
  await ioEnds(rig, 1, sqe as Sqe, 0);
  await expectBlocks(rig, 0, data);
});

judge('tnvme/GrpNVMDatasetMgmtCmd/verifyNUSE', plainDisks, async (bench) => {
  const rig = await bench.started();
  const sizes = async () => {
    const data = await rig.driver.adminRead(4096, (prps) => admin.identify(Cns.namespace, 1, prps));
    const view = new DataView(data.buffer);
    return {
      nsze: Number(view.getBigUint64(0, true)),
      ncap: Number(view.getBigUint64(8, true)),
      nuse: Number(view.getBigUint64(16, true)),
      thin: (view.getUint8(24) & 1) === 1,
    };
  };
  await writeBlocks(rig, 0, 64, 3);
  await ioEnds(rig, 1, manage(rig, [{ lba: 0, count: TOTAL }], { deallocate: true }), 0);
  const { nsze, ncap, nuse, thin } = await sizes();
  expect(ncap).toBeLessThanOrEqual(nsze);
  // Thinly provisioned, nothing is in use any more; otherwise NUSE is NCAP all the time.
  expect(nuse).toBe(thin ? 0 : ncap);
  await expectBlocks(rig, 10, new Uint8Array(4 * SEC));
  await expectBlocks(rig, 10, await writeBlocks(rig, 10, 1, 5));
});
