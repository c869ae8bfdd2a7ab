import { describe, expect, it } from 'vitest';
import { admin } from '../../test/driver/admin.ts';
import {
  type BlockDisk,
  blocksSqe,
  manageBlocks,
  readBlocks,
  sendBlocks,
  writeBlocks,
} from '../../test/driver/blocks.ts';
import { pattern } from '../../test/driver/pattern.ts';
import { prpsFor } from '../../test/driver/prp.ts';
import { plainDisk, type RigOptions, startRig } from '../../test/driver/rig.ts';
import { expectBytes } from '../../test/fakes/expect-bytes.ts';
import type { FakeStore } from '../../test/fakes/fake-store.ts';
import { type StoreMode } from '../../test/fakes/fake-store.ts';
import { PLAIN_UNIT_BYTES } from '../flash/plain.ts';
import { IoOpcode } from '../spec/opcodes.ts';
import { Status } from '../spec/status.ts';

const SEC = 512;
const PER_UNIT = PLAIN_UNIT_BYTES / SEC;
const DULBE = 1 << 16;

async function disk(options: RigOptions = {}): Promise<BlockDisk & { store: FakeStore }> {
  const rig = await startRig({ namespaces: [plainDisk(4096, SEC), plainDisk(4096, SEC)], ...options });
  return { rig, nsid: 1, secSizeBytes: SEC, store: rig.stores[0] as FakeStore };
}

const plain = (d: BlockDisk, opcode: number, lba: number, secs: number, control = 0) =>
  d.rig.driver.command(1, blocksSqe(opcode, d.nsid, lba, secs, control));

describe.each(['sync', 'soon'] as StoreMode[])('a plain disk (store %s)', (store) => {
  it('compares, and says that both sides differ', async () => {
    const d = await disk({ store });
    const data = pattern(100 * SEC, 1);
    await writeBlocks(d, 30, data);
    expect((await sendBlocks(d, IoOpcode.compare, 30, data)).status).toBe(0);
    expect((await sendBlocks(d, IoOpcode.compare, 500, new Uint8Array(SEC))).status).toBe(0);
    data[77 * SEC + 3] = (data[77 * SEC + 3] as number) ^ 0x10;
    expect((await sendBlocks(d, IoOpcode.compare, 30, data)).status).toBe(Status.compareFailed);
    expect(d.rig.log.last()).toMatchObject({
      name: 'compare',
      rule: 'compare-differs',
      why: 'block 107 differs in byte 3',
    });
  });

  it('cannot read blocks marked uncorrectable until they are written, also after a crash', async () => {
    const d = await disk({ store });
    await writeBlocks(d, 0, pattern(8 * SEC, 1));
    expect((await plain(d, IoOpcode.writeUncorrectable, 2, 3)).status).toBe(0);
    const again = await disk({ stores: [d.store.reopened()] });
    expect((await readBlocks(again, 0, 2)).status).toBe(0);
    for (const lba of [2, 3, 4]) expect((await readBlocks(again, lba, 1)).status & 0x7ff).toBe(0x281);
    expect((await readBlocks(again, 0, 8)).status & 0x7ff).toBe(0x281);
    expect((await sendBlocks(again, IoOpcode.compare, 4, new Uint8Array(SEC))).status & 0x7ff).toBe(0x281);
    expect((await readBlocks(again, 5, 3)).status).toBe(0);
    await writeBlocks(again, 2, pattern(SEC, 2));
    expect((await plain(again, IoOpcode.writeZeroes, 3, 2)).status).toBe(0);
    const { status, data } = await readBlocks(again, 0, 8);
    expect(status).toBe(0);
    const expected = pattern(8 * SEC, 1);
    expected.set(pattern(SEC, 2), 2 * SEC);
    expected.fill(0, 3 * SEC, 5 * SEC);
    expectBytes(data, expected);
  });

  it('writes zeroes without storing them', async () => {
    const d = await disk({ store });
    await writeBlocks(d, 0, pattern(4 * PLAIN_UNIT_BYTES, 1));
    expect((await plain(d, IoOpcode.writeZeroes, 10, 3 * PER_UNIT)).status).toBe(0);
    expect(Array.from(d.store.units.keys()).sort()).toEqual([0, 3]);
    const expected = pattern(4 * PLAIN_UNIT_BYTES, 1);
    expected.fill(0, 10 * SEC, (10 + 3 * PER_UNIT) * SEC);
    expectBytes((await readBlocks(d, 0, 4 * PER_UNIT)).data, expected);
    // 65,536 blocks are outside; the whole disk is not.
    expect((await plain(d, IoOpcode.writeZeroes, 0, 65_536)).status).toBe(Status.lbaOutOfRange);
    expect((await plain(d, IoOpcode.writeZeroes, 0, 4096)).status).toBe(0);
    expect(d.store.units.size).toBe(0);
  });

  it('frees deallocated units, in up to 256 ranges, and its neighbour keeps its own', async () => {
    const d = await disk({ store });
    const neighbour = { ...d, nsid: 2 };
    const whole = pattern(4096 * SEC, 5);
    await writeBlocks(d, 0, whole);
    await writeBlocks(neighbour, 0, whole);
    expect(d.store.units.size).toBe(128);
    const runs = Array.from({ length: 256 }, (_, i) => ({ lba: i * 8, secs: 8 }));
    expect((await manageBlocks(d, runs)).status).toBe(0);
    whole.fill(0, 0, 2048 * SEC);
    expectBytes((await readBlocks(d, 0, 4096)).data, whole);
    expect(d.store.units.size).toBe(128 - 32);
    expectBytes((await readBlocks(neighbour, 0, 4096)).data, pattern(4096 * SEC, 5));
    const again = await disk({ stores: [d.store.reopened()] });
    expectBytes((await readBlocks(again, 0, 4096)).data, whole);
  });

  it('takes advice, refuses ranges outside, and then changes nothing', async () => {
    const d = await disk({ store });
    await writeBlocks(d, 0, pattern(PLAIN_UNIT_BYTES, 1));
    expect((await manageBlocks(d, [{ lba: 0, secs: 64 }], 3)).status).toBe(0);
    expect((await manageBlocks(d, [{ lba: 5, secs: 0 }])).status).toBe(0);
    for (const run of [
      { lba: 4096, secs: 1 },
      { lba: 0, secs: 4097 },
      { lba: 2 ** 53, secs: 1 },
      { lba: 1, secs: 0xffff_ffff },
    ])
      expect((await manageBlocks(d, [{ lba: 0, secs: 64 }, run])).status, `${run.lba}`).toBe(
        Status.lbaOutOfRange,
      );
    expectBytes((await readBlocks(d, 0, 64)).data, pattern(PLAIN_UNIT_BYTES, 1));
    const list = { opcode: IoOpcode.datasetManagement, nsid: 1, cdw10: 255, cdw11: 4, prp1: 0xa_0000 };
    expect((await d.rig.driver.command(1, list)).status).toBe(Status.dataTransferError);
  });

  it('fails reads of deallocated blocks when error recovery says so (DULBE), of that namespace only', async () => {
    const d = await disk({ store });
    const other = { ...d, nsid: 2 };
    await writeBlocks(d, 0, pattern(2 * SEC, 1));
    await d.rig.driver.adminOk(admin.setFeatures(5, DULBE, 1));
    expect(await d.rig.driver.adminOk(admin.getFeatures(5, { nsid: 1 }))).toBe(DULBE);
    expect(await d.rig.driver.adminOk(admin.getFeatures(5, { nsid: 2 }))).toBe(0);
    expect((await readBlocks(d, 0, 2)).status).toBe(0);
    expect((await readBlocks(d, 1, 2)).status).toBe(Status.unwrittenBlock);
    expect((await readBlocks(other, 1, 2)).status).toBe(0);
    expect((await sendBlocks(d, IoOpcode.compare, 9, new Uint8Array(SEC))).status).toBe(
      Status.unwrittenBlock,
    );
    // Write Zeroes writes; with its deallocate bit (9 of control) it gives back.
    await plain(d, IoOpcode.writeZeroes, 2, 200);
    expect((await readBlocks(d, 0, 202)).status).toBe(0);
    await plain(d, IoOpcode.writeZeroes, 64, 64, 1 << 9);
    expect((await readBlocks(d, 100, 1)).status).toBe(Status.unwrittenBlock);
    d.rig.driver.reset();
    await d.rig.driver.start();
    expectBytes((await readBlocks(d, 100, 1)).data, new Uint8Array(SEC));
    await d.rig.driver.adminOk(admin.setFeatures(5, DULBE, 0xffff_ffff));
    expect((await readBlocks(other, 0, 1)).status).toBe(Status.unwrittenBlock);
    expect((await d.rig.driver.admin(admin.getFeatures(5, { nsid: 0xffff_ffff }))).status).toBe(
      Status.invalidNamespace,
    );
  });
});

it('offers and executes only the optional commands that the options leave on', async () => {
  const bits = [
    [IoOpcode.compare, 1],
    [IoOpcode.writeUncorrectable, 2],
    [IoOpcode.datasetManagement, 4],
    [IoOpcode.writeZeroes, 8],
  ] as const;
  for (const oncs of [0, 1, 2, 4, 8, 0xffff]) {
    const d = await disk({ config: { oncs } });
    const prp1 = d.rig.driver.arena.pages();
    const id = await d.rig.driver.adminRead(4096, (prps) => admin.identify(1, 0, prps));
    expect((id[520] ?? 0) & 0xf).toBe(oncs & 0xf);
    const effects = await d.rig.driver.adminRead(4096, (prps) => admin.getLogPage(5, 4096, prps));
    for (const [opcode, bit] of bits) {
      const { status } = await d.rig.driver.command(1, { opcode, nsid: 1, prp1 });
      const there = (oncs & bit) !== 0;
      expect(status === Status.invalidOpcode, `${opcode} with ${oncs}`).toBe(!there);
      expect(((effects[1024 + 4 * opcode] ?? 0) & 1) === 1).toBe(there);
    }
  }
});

describe('a transfer of 32 MiB (no MDTS) from memory that is used again and again', () => {
  const namespaces = [plainDisk(65_536, SEC)];
  const sqe = (opcode: number, prp1: number, prp2: number) => ({
    ...blocksSqe(opcode, 1, 0, 65_536),
    prp1,
    prp2,
  });

  it.each(['sync', 'soon'] as StoreMode[])('is written, compared and read in pieces (%s)', async (store) => {
    const d = await disk({ namespaces, store, config: { mdts: 0 } });
    const { arena, memory } = d.rig.driver;
    const page = arena.pages();
    memory.put(page, pattern(4096, 3));
    // 8,191 entries behind the first page: 16 list pages, each ending in a pointer to the next.
    const first = arena.pages();
    let at = first;
    for (let i = 0; i < 8191; i++) {
      if ((at & 0xfff) === 0xff8 && i < 8190) {
        const next = arena.pages();
        memory.put64(at, next);
        at = next;
      }
      memory.put64(at, page);
      at += 8;
    }
    expect((await d.rig.driver.command(1, sqe(IoOpcode.write, page, first))).status).toBe(0);
    expect(d.store.units.size).toBe(1024);
    expect(Math.max(...d.store.commits.map(({ units }) => units.length))).toBeLessThanOrEqual(64);
    expect((await d.rig.driver.command(1, sqe(IoOpcode.compare, page, first))).status).toBe(0);
    memory.put(page, new Uint8Array(4096));
    expect((await d.rig.driver.command(1, sqe(IoOpcode.read, page, first))).status).toBe(0);
    expectBytes(memory.bytes(page, 4096), pattern(4096, 3));
  });

  it('waits its turn among 80 MiB of writes while the store is slow', async () => {
    const d = await disk({ store: 'held' });
    const { driver } = d.rig;
    const buffer = driver.arena.buffer(4096 * SEC);
    const mark = driver.arena.mark;
    const prps = prpsFor(driver.arena, buffer);
    const all = Array.from({ length: 40 }, (_, i) =>
      driver.submit(1, { ...blocksSqe(IoOpcode.write, 1 + (i % 2), 0, 4096), ...prps }),
    );
    driver.arena.rewind(mark);
    // 40 writes of 2 MiB, 80 MiB; what is put waits in one group or the next.
    for (let round = 0; all.some(({ completion }) => !completion); round++) {
      expect(round).toBeLessThan(100);
      await d.store.releaseAll();
      driver.service();
    }
    expect(all.every(({ completion }) => completion?.status === 0)).toBe(true);
    expect(d.store.commits.length).toBeGreaterThan(1);
  });
});

describe('what was acknowledged', () => {
  it('is there after a crash at every commit, in any mix of commands', async () => {
    const d = await disk({ store: 'held' });
    const write = (lba: number, seed: number) => {
      const buffer = d.rig.driver.arena.buffer(SEC).fill(pattern(SEC, seed));
      return d.rig.driver.submit(1, {
        ...blocksSqe(IoOpcode.write, 1, lba, 1),
        prp1: buffer.pages[0] as number,
      });
    };
    const first = write(0, 1);
    const second = write(1, 2);
    await d.store.releaseReads();
    expect([first.completion, second.completion]).toEqual([undefined, undefined]);
    expect(d.store.reopened().units.size).toBe(0);
    await d.store.releaseAll();
    d.rig.driver.service();
    expect([first.completion?.status, second.completion?.status]).toEqual([0, 0]);
    const zeroes = d.rig.driver.submit(1, blocksSqe(IoOpcode.writeZeroes, 1, 0, 1));
    const before = await disk({ stores: [d.store.reopened('sync')] });
    expectBytes((await readBlocks(before, 0, 1)).data, pattern(SEC, 1));
    await d.store.releaseAll();
    d.rig.driver.service();
    expect(zeroes.completion?.status).toBe(0);
    const after = await disk({ stores: [d.store.reopened('sync')] });
    expectBytes((await readBlocks(after, 0, 1)).data, new Uint8Array(SEC));
    expectBytes((await readBlocks(after, 1, 1)).data, pattern(SEC, 2));
  });

  it.each(['sync', 'soon'] as StoreMode[])(
    'a failed commit ends in an error, and so does every change after it; reads go on (%s)',
    async (store) => {
      const d = await disk({ store });
      await writeBlocks(d, 0, pattern(SEC, 1));
      d.store.failCommitIn = 1;
      expect((await writeBlocks(d, 8, pattern(SEC, 2))).status).toBe(Status.internalError);
      for (const opcode of [IoOpcode.writeZeroes, IoOpcode.writeUncorrectable])
        expect((await plain(d, opcode, 0, 1)).status).toBe(Status.internalError);
      expect((await manageBlocks(d, [{ lba: 0, secs: 1 }])).status).toBe(Status.internalError);
      expect((await d.rig.driver.admin(admin.formatNvm(1, 3))).status).toBe(Status.internalError);
      expect((await d.rig.driver.command(1, { opcode: IoOpcode.flush, nsid: 1 })).status).toBe(
        Status.internalError,
      );
      expectBytes((await readBlocks(d, 0, 1)).data, pattern(SEC, 1));
      const smart = await d.rig.driver.adminRead(512, (prps) => admin.getLogPage(2, 512, prps));
      expect((smart[0] ?? 0) & 8, 'critical warning: read only').toBe(8);
    },
  );
});
