import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addressFormat } from '../../flash/address.ts';
import type { CompletedCommand } from '../../device/telemetry.ts';
import { SectorVector } from '../../flash/transfer.ts';
import { AdminOpcode, IoOpcode } from '../../spec/opcodes.ts';
import type { TargetRecipe } from '../types.ts';
import { parseLook } from './guest-look.ts';
import { TargetSigns, scannedRanges } from './target-signs.ts';
import { TargetWatch, type TargetWatchParts } from './target-watch.ts';

/** Two channels of four LUNs. */
const g = {
  numCh: 2,
  numLun: 4,
  numPln: 2,
  numChk: 16,
  numPg: 64,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
};

/** A command that ended well. */
function command(queueId: number, opcode: number, words: Partial<Record<number, number>> = {}) {
  const cdw = new Uint32Array(16);
  for (const [at, value] of Object.entries(words)) cdw[Number(at)] = value ?? 0;
  const rest = { cid: 0, nsid: 1, bytes: new Uint8Array(64), dw0: 0, dw1: 0, dataBytes: 0, fetchedMs: 0 };
  const data = { runs: 0, addressOf: () => 0, lengthOf: () => 0 };
  const vector = new SectorVector(64);
  return { ...rest, queueId, opcode, words: cdw, status: 0, data, vector, rule: undefined, why: '' };
}

const badBlocks = (lun: number): CompletedCommand => {
  const format = addressFormat(g);
  const [ch, inCh] = [Math.floor(lun / 4), lun % 4];
  const address = (ch << format.ch.offset) | (inCh << format.lun.offset);
  return command(0, AdminOpcode.getBadBlockTable, { 10: address >>> 0 });
};

const writeTo = (lun: number): CompletedCommand => {
  const write = command(1, IoOpcode.vectorWrite);
  write.vector.count = 1;
  write.vector.block[0] = lun * g.numPln;
  return write;
};

describe('the signs of the wire', () => {
  it('are the LUNs whose tables are asked for, up to the first write to one of them', () => {
    const signs = new TargetSigns(g, false);
    for (const lun of [0, 1, 2, 3]) signs.command(badBlocks(lun));
    signs.command(writeTo(7)); // another target's
    signs.command(badBlocks(4));
    signs.command(writeTo(2));
    signs.command(writeTo(2));
    for (const lun of [5, 6]) signs.command(badBlocks(lun));
    expect(signs.scanned).toEqual([0, 1, 2, 3, 4, -1, 5, 6]);
    expect(signs.writes).toBe(3);
    // What is refused asks nothing, and other commands are none of our business.
    signs.command({ ...badBlocks(0), status: 2 });
    signs.command(command(0, AdminOpcode.getLogPage, { 10: 2 }));
    signs.command(command(1, IoOpcode.vectorRead));
    expect(signs.scanned).toHaveLength(8);
  });

  it('are the LUNs of a chunk log with 2.0, however it is cut', () => {
    const signs = new TargetSigns(g, true);
    const bytesOfLun = 32 * g.numChk;
    const log = (from: number, dataBytes: number) =>
      signs.command({ ...command(0, AdminOpcode.getLogPage, { 10: 0xca, 12: from }), dataBytes });
    log(4 * bytesOfLun, bytesOfLun + 32);
    log(5 * bytesOfLun + 32, 3 * bytesOfLun - 32);
    expect(signs.scanned).toEqual([4, 5, 6, 7]);
    log(7 * bytesOfLun, 1e9); // beyond the end of the device
    expect(signs.scanned).toEqual([4, 5, 6, 7]);
  });

  it('keep a bounded number', () => {
    const signs = new TargetSigns(g, false);
    const asks = [0, 1, 2].map(badBlocks);
    for (let i = 0; i < 10_000; i++) for (const ask of asks) signs.command(ask);
    expect(signs.scanned.length).toBeLessThanOrEqual(8192);
  });

  it('give the ranges of so many LUNs, the last first', () => {
    expect([...scannedRanges([0, 1, 2, 3, -1, 4, 5, -1], 2)].map(({ begin, end }) => [begin, end])).toEqual([
      [4, 5],
      [2, 3],
      [1, 2],
      [0, 1],
    ]);
    expect([...scannedRanges([0, 4, 1, 5], 4)]).toEqual([]);
    expect([...scannedRanges([4, 0, 5, 1, 2, 3], 6)]).toEqual([{ begin: 0, end: 5, at: 0 }]);
    expect([...scannedRanges([-1, 0, 1], 3)]).toEqual([]);
    expect([...scannedRanges([0, 1], 0), ...scannedRanges([0, 1], NaN), ...scannedRanges([], 1)]).toEqual([]);
  });
});

it('what the guest says is read line by line, and nonsense is left out', () => {
  expect(parseLook('busy\ntarget a 100 4 17\ntarget b x 4 17\ntarget c 1 4\n\ndevice\n')).toEqual({
    hasDevice: true,
    isBusy: true,
    targets: [{ name: 'a', sectors: 100, luns: 4, inode: 17 }],
  });
  expect(parseLook('target a 1 1 1\n'.repeat(1000)).targets).toHaveLength(64);
});

describe('TargetWatch', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A guest that has these lines to say. */
  function guest(recipes: readonly TargetRecipe[] = [], goesOn?: TargetWatchParts['goesOn']) {
    const signs = new TargetSigns(g, false);
    const book = { recipes };
    const says = { lines: ['device'] };
    const exec = vi.fn(async () => ({ status: 0, output: says.lines.join('\n') }));
    const watch = new TargetWatch({ signs, book, exec, overProvisioning: () => undefined, goesOn });
    const changes = vi.fn();
    watch.onchange = changes;
    watch.start();
    const scan = (from: number, to: number) => {
      for (let lun = from; lun <= to; lun++) signs.command(badBlocks(lun));
    };
    return { signs, book, says, exec, watch, changes, scan };
  }
  const made = (name: string, begin: number, end: number) => ({ name, type: 'pblk', begin, end });

  it('asks the guest nothing while nothing happens, and nothing for writes without a target', async () => {
    const { exec, signs } = guest([made('a', 0, 3)]);
    signs.command(writeTo(0));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(exec).not.toHaveBeenCalled();
  });

  it('knows that a guest which goes on has its targets, and finds out which it has not', async () => {
    const { exec, says, book, watch, changes, scan } = guest([made('a', 0, 3), made('b', 4, 7)], {});
    says.lines = ['target a 100 4 17', 'device'];
    expect(watch.remembered.map(({ exists }) => exists)).toEqual([true, true]);
    await vi.advanceTimersByTimeAsync(100);
    expect(exec).toHaveBeenCalledTimes(1);
    expect(changes).toHaveBeenCalled();
    expect(watch.remembered.map(({ name, exists }) => [name, exists])).toEqual([
      ['a', true],
      ['b', false],
    ]);
    expect(book.recipes).toHaveLength(2);
    // From then on as ever: what is removed is forgotten.
    says.lines = ['device'];
    scan(0, 0);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(book.recipes.map(({ name }) => name)).toEqual(['b']);
  });

  it('need not look at a guest whose targets were saved with it, until there is a sign', async () => {
    const recipes = [made('a', 0, 3), made('b', 4, 5)];
    const { exec, says, book, watch, scan, signs } = guest(recipes, { targets: [['a', 17]] });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(exec).not.toHaveBeenCalled();
    expect(watch.remembered.map(({ exists }) => exists)).toEqual([true, false]);
    expect(watch.save()).toEqual([['a', 17]]);
    // Removed at once, without any other sign than the writes of its end, and made again over other LUNs.
    says.lines = ['device'];
    signs.command(writeTo(0));
    expect(watch.save()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(book.recipes.map(({ name }) => name)).toEqual(['b']);
    says.lines = ['target a 100 2 18', 'device'];
    scan(6, 7);
    expect(watch.save()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(book.recipes).toEqual([made('b', 4, 5), made('a', 6, 7)]);
    expect(watch.save()).toEqual([['a', 18]]);
  });

  it('takes a target that was made anew, before anybody looked, for a new one', async () => {
    const { says, book, scan } = guest([made('a', 0, 3)], { targets: [['a', 17]] });
    says.lines = ['target a 100 4 18', 'device'];
    scan(4, 7);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(book.recipes).toEqual([made('a', 4, 7)]);
  });

  it('learns a target once it is there, and looks until nothing is in the making', async () => {
    const { exec, says, scan, book, watch, changes } = guest();
    says.lines = ['busy', 'device'];
    scan(0, 3);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(exec.mock.calls.length).toBeGreaterThan(1);
    expect(book.recipes).toEqual([]);
    says.lines = ['target a 1000 4 7', 'device'];
    await vi.advanceTimersByTimeAsync(5_000);
    expect(book.recipes).toEqual([made('a', 0, 3)]);
    expect(watch.remembered).toEqual([
      { ...made('a', 0, 3), exists: true, command: 'nvme lnvm create -d nvme0n1 -n a -t pblk -b 0 -e 3' },
    ]);
    expect(changes).toHaveBeenCalledTimes(1);
    const looks = exec.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(exec).toHaveBeenCalledTimes(looks);
  });

  it('takes the LUNs of a target that it has found for no other one’s, also while an nvme still runs', async () => {
    const { says, scan, book } = guest();
    says.lines = ['busy', 'target a 1000 2 7', 'device'];
    scan(4, 5);
    await vi.advanceTimersByTimeAsync(310);
    expect(book.recipes).toEqual([made('a', 4, 5)]);
    // Removed, and made again over others, before the next look.
    says.lines = ['target a 1000 2 8', 'device'];
    scan(6, 7);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(book.recipes).toEqual([made('a', 6, 7)]);
  });

  it('gives up on a guest that is always busy', async () => {
    const { exec, says, scan } = guest();
    says.lines = ['busy', 'device'];
    scan(0, 0);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(exec).toHaveBeenCalledTimes(100);
  });

  it('forgets a target that is gone when the writes of its end are over, not before', async () => {
    const { exec, says, scan, book, signs } = guest();
    says.lines = ['target a 1000 4 7', 'device'];
    scan(0, 3);
    await vi.advanceTimersByTimeAsync(1_000);
    const looks = exec.mock.calls.length;
    says.lines = ['device'];
    for (let i = 0; i < 20; i++) {
      signs.command(writeTo(0));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(exec).toHaveBeenCalledTimes(looks);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(book.recipes).toEqual([]);
    expect(exec).toHaveBeenCalledTimes(looks + 1);
  });

  it('keeps a target that went with its device', async () => {
    const { says, scan, book, signs, watch } = guest();
    says.lines = ['target a 1000 4 7', 'device'];
    scan(0, 3);
    await vi.advanceTimersByTimeAsync(1_000);
    says.lines = [];
    signs.command(command(0, AdminOpcode.deleteSq));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(book.recipes).toEqual([made('a', 0, 3)]);
    expect(watch.remembered[0]?.exists).toBe(false);
  });

  it('remembers nothing of a target whose LUNs it has not seen, and nothing old of its name', async () => {
    const { says, scan, book } = guest([made('a', 0, 3)]);
    says.lines = ['target a 1000 2 7', 'device'];
    scan(0, 0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(book.recipes).toEqual([]);
  });

  it('takes a name that the disk cannot keep for none', async () => {
    const { says, scan, book } = guest();
    says.lines = ['target $(reboot) 1000 4 7', 'device'];
    scan(0, 3);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(book.recipes).toEqual([]);
  });

  it('finds the LUNs that a target had before among others', async () => {
    const { says, scan, book } = guest([made('a', 0, 3)]);
    says.lines = ['target a 1000 4 7', 'device'];
    // Two that were recovered one after the other: nothing was written in between.
    scan(0, 3);
    scan(4, 7);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(book.recipes).toEqual([made('a', 0, 3)]);
  });

  it('looks again when the guest did not answer, and not once it was stopped', async () => {
    const { exec, says, scan, book, watch } = guest();
    says.lines = ['target a 1000 4 7', 'device'];
    exec.mockRejectedValueOnce(new Error('time is up'));
    scan(0, 3);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(book.recipes).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(book.recipes).toHaveLength(1);
    scan(0, 3);
    watch.stop();
    const looks = exec.mock.calls.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(exec).toHaveBeenCalledTimes(looks);
  });

  it('looks at once before the guest goes, if there is anything to find out', async () => {
    const { says, scan, book, watch, exec } = guest();
    await watch.settle();
    expect(exec).not.toHaveBeenCalled();
    says.lines = ['target a 1000 4 7', 'device'];
    scan(0, 3);
    await watch.settle();
    expect(book.recipes).toEqual([made('a', 0, 3)]);
  });

  it('forgets on request', async () => {
    const { watch, book, changes } = guest([made('a', 0, 3)]);
    watch.forget('b');
    expect(changes).not.toHaveBeenCalled();
    watch.forget('a');
    expect([book.recipes, changes.mock.calls.length]).toEqual([[], 1]);
  });
});
