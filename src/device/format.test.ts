import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import { blocksSqe, readBlocks, writeBlocks } from '../../test/driver/blocks.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { openChannel, plainDisk, type Rig, startRig } from '../../test/driver/rig.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import type { FakeStore } from '../../test/fakes/fake-store.ts';
import { identifyNamespace } from '../spec/identify.ts';
import { unpack } from '../spec/layout.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const two = [plainDisk(2048, 512), plainDisk(2048, 512)];
const at = (rig: Rig, nsid: number, secSizeBytes: number) => ({ rig, nsid, secSizeBytes });

async function shape(rig: Rig, nsid: number): Promise<number[]> {
  const ns = await rig.driver.adminRead(4096, (prps) => admin.identify(0, nsid, prps));
  const { nsze, flbas } = identifyNamespace.fields;
  const format = unpack(flbas, ns);
  return [unpack(nsze, ns), format, ns[128 + 4 * format + 2] ?? 0];
}

describe('Format NVM', () => {
  it('gives a namespace another block size for good, forgets its data, and leaves its neighbour alone', async () => {
    const rig = await startRig({ namespaces: two, store: 'soon' });
    await writeBlocks(at(rig, 1, 512), 0, pattern(8192, 1));
    await writeBlocks(at(rig, 2, 512), 0, pattern(8192, 2));
    expect(await shape(rig, 1)).toEqual([2048, 0, 9]);
    await rig.driver.adminOk(admin.formatNvm(1, 3, 1 << 9));
    expect(await shape(rig, 1)).toEqual([256, 3, 12]);
    expectBytes((await readBlocks(at(rig, 1, 4096), 0, 2)).data, new Uint8Array(8192));
    await writeBlocks(at(rig, 1, 4096), 255, pattern(4096, 3));
    const again = await startRig({ namespaces: two, stores: [(rig.stores[0] as FakeStore).reopened()] });
    expect([await shape(again, 1), await shape(again, 2)]).toEqual([
      [256, 3, 12],
      [2048, 0, 9],
    ]);
    expectBytes((await readBlocks(at(again, 1, 4096), 255, 1)).data, pattern(4096, 3));
    expect((await readBlocks(at(again, 1, 4096), 256, 1)).status).toBe(Status.lbaOutOfRange);
    expectBytes((await readBlocks(at(again, 2, 512), 0, 16)).data, pattern(8192, 2));
  });

  it('reaches every namespace with FFFFFFFFh, and what SMART has counted stays', async () => {
    const rig = await startRig({ namespaces: two });
    await writeBlocks(at(rig, 1, 512), 0, pattern(8192, 1));
    await rig.driver.adminOk(admin.formatNvm(0xffff_ffff, 1));
    expect([await shape(rig, 1), await shape(rig, 2)]).toEqual([
      [1024, 1, 10],
      [1024, 1, 10],
    ]);
    const smart = await rig.driver.adminRead(512, (prps) => admin.getLogPage(2, 512, prps));
    expect(smart[80], 'host writes').toBe(1);
  });

  it('refuses what it does not offer, and then changes nothing', async () => {
    const rig = await startRig({ namespaces: two });
    await writeBlocks(at(rig, 1, 512), 0, pattern(512, 1));
    for (const [nsid, lbaf, more, status] of [
      [1, 4, 0, Status.invalidFormat],
      [1, 15, 0, Status.invalidFormat],
      [1, 3, 1 << 4, Status.invalidFormat], // MSET
      [1, 3, 1 << 5, Status.invalidFormat], // PI
      [1, 3, 2 << 9, Status.invalidField], // cryptographic erase
      [1, 3, 7 << 9, Status.invalidField],
      [0, 3, 0, Status.invalidNamespace],
      [3, 3, 0, Status.invalidNamespace],
      [0xffff_fffe, 3, 0, Status.invalidNamespace],
    ] as const)
      expect((await rig.driver.admin(admin.formatNvm(nsid, lbaf, more))).status, `${more}`).toBe(status);
    expect(await shape(rig, 1)).toEqual([2048, 0, 9]);
    expectBytes((await readBlocks(at(rig, 1, 512), 0, 1)).data, pattern(512, 1));
  });

  it('does not exist where it is switched off, nor on an open-channel disk', async () => {
    for (const options of [{ namespaces: two, config: { oacs: 0 } }, { namespaces: [openChannel()] }]) {
      const rig = await startRig(options);
      expect((await rig.driver.admin(admin.formatNvm(1, 0))).status).toBe(Status.invalidOpcode);
      const id = await rig.driver.adminRead(4096, (prps) => admin.identify(1, 0, prps));
      expect([id[256], id[93]], 'OACS, OAES').toEqual([0, 0]);
      expect((await rig.driver.admin(admin.getLogPage(4, 4, { prp1: 0, prp2: 0 }))).status).toBe(
        Status.invalidLogPage,
      );
    }
  });

  it('ends commands that waited for storage with an error, and theirs only', async () => {
    const first = await startRig({ namespaces: two });
    for (const nsid of [1, 2]) await writeBlocks(at(first, nsid, 512), 0, pattern(512, nsid));
    const store = (first.stores[0] as FakeStore).reopened('held');
    const rig = await startRig({ namespaces: two, stores: [store] });
    const prp1 = rig.driver.arena.pages();
    const read = (nsid: number) => ({ ...blocksSqe(IoOpcode.read, nsid, 0, 1), prp1 });
    const waiting = [1, 2].map((nsid) => rig.driver.submit(1, read(nsid)));
    const write = rig.driver.submit(1, { ...blocksSqe(IoOpcode.write, 1, 2000, 1), prp1 });
    const format = rig.driver.submit(0, admin.formatNvm(1, 3));
    await store.releaseAll();
    rig.driver.service();
    expect([...waiting, write, format].map(({ completion }) => completion?.status)).toEqual([
      Status.formatInProgress,
      0,
      Status.formatInProgress,
      0,
    ]);
    expect(Array.from(store.units.keys())).toEqual([32]);
  });

  it('is told to a host that asked for such events, with the list of what changed', async () => {
    const rig = await startRig({ namespaces: two });
    const { driver } = rig;
    const list = async (): Promise<number[]> => {
      const bytes = await driver.adminRead(4096, (prps) => admin.getLogPage(4, 4096, prps));
      return Array.from(new Uint32Array(bytes.buffer).subarray(0, 2));
    };
    const silent = driver.submit(0, admin.asyncEvent());
    await driver.adminOk(admin.formatNvm(2, 3));
    expect(silent.completion).toBeUndefined();
    expect(await list()).toEqual([2, 0]);
    expect(await list()).toEqual([0, 0]);
    await driver.adminOk(admin.setFeatures(0xb, 1 << 8));
    await driver.adminOk(admin.formatNvm(2, 3));
    driver.service();
    expect(silent.completion, 'the same format again changes nothing').toBeUndefined();
    await driver.adminOk(admin.formatNvm(0xffff_ffff, 0));
    // Type 2 (notice), information 0, log page 04h.
    expect((await driver.wait(silent)).dw0).toBe(0x0004_0002);
    // Namespace 1 had this format before.
    expect(await list()).toEqual([2, 0]);
  });
});
