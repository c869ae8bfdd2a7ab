import { describe, expect, it } from 'vitest';
import { CellKind, CellOwner } from '../src/trace/cells.ts';
import { OWNER_MASK } from '../src/trace/known-flash.ts';
import type { TraceModel } from '../src/trace/model.ts';
import { type Booted, boot, createTarget, kernelComplaints, line12 } from './boot.ts';
import { isMatrix } from './long.ts';

const MINUTES = 60_000;
const ROUNDS = 3;
/** Two programs, so that their names tell them apart. */
const WRITERS = ['alpha', 'beta'] as const;

/** Sectors that hold a logical block, by what their cause should be and what it is said to be. */
function judge(model: TraceModel, half: number) {
  const verdict = { user: 0, userRight: 0, gc: 0, gcRight: 0, unknown: 0, targets: new Set<string>() };
  for (let block = 0; block < model.totalBlks; block++) {
    const cells = model.cellsOf(block);
    const at = model.lineAt(block);
    if (!cells || !at) continue;
    verdict.targets.add(at.target.disk);
    for (let sec = 0; sec < (model.writtenSecs[block] ?? 0); sec++) {
      if (cells.kind[sec] !== CellKind.valid && cells.kind[sec] !== CellKind.stale) continue;
      const expected = WRITERS[(cells.lba[sec] as number) < half ? 0 : 1];
      const process = model.causes.processes[cells.process[sec] as number];
      const owner = (cells.owner[sec] as number) & OWNER_MASK;
      if (cells.process[sec] === 0) verdict.unknown++;
      if (owner === CellOwner.gc) {
        verdict.gc++;
        if (process?.comm === expected) verdict.gcRight++;
      } else {
        verdict.user++;
        if (owner === CellOwner.user && process?.comm === expected) verdict.userRight++;
      }
    }
  }
  return verdict;
}

async function watched(): Promise<{ guest: Booted; model: () => TraceModel }> {
  // A line of 512 sectors is twice pblk's write buffer: with lines smaller than that pblk can run out of free ones.
  const guest = await boot({
    line: line12('lnum_lun=4,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=64'),
    sizeMiB: 97,
  });
  const { device } = guest.lab;
  device?.watch(true);
  const { guestTrace } = guest.lab;
  if (!guestTrace || !device?.trace) throw new Error('nothing watches');
  guestTrace.onevents = (events) => device.trace?.guest(events);
  guestTrace.ontold = (source, number, atMs) => device.trace?.told(source, number, atMs) ?? false;
  await guest.lab.startGuestTrace(200);
  for (const name of WRITERS) await guest.run(`cp /usr/bin/fio /tmp/${name}`);
  await guest.run(createTarget(0, 1, 'one'));
  await guest.run(createTarget(2, 3, 'two'));
  const { trace } = device;
  return { guest, model: () => trace.model };
}

/** Both programs write to both targets at once: the one to their lower, the other to their upper half. */
async function write(guest: Booted, halfKiB: number, options: string, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const jobs = WRITERS.map(
      (name, i) =>
        `/tmp/${name} --thread --size=${halfKiB}k --offset=${i * halfKiB}k --output-format=terse --randseed=${round + 1} ${options} --name=a --filename=/dev/one --name=b --filename=/dev/two > /dev/null`,
    );
    await guest.run(`${jobs.join(' & ')} & wait`, 10 * MINUTES);
  }
}

/** `npm run test:matrix`; who wrote is asked in guest-trace.guest too, at every landing. */
const modes = [
  { name: 'buffered, with fsync', options: '--fsync=32', share: 0.99, settle: 'sync' },
  { name: 'direct', options: '--direct=1', share: 0.99, settle: 'sync' },
  {
    name: 'buffered, left to the flusher',
    options: '',
    share: 0.95,
    settle: 'sleep 6; sync',
  },
] as const;

describe.skipIf(!isMatrix)('each sector carries the process that caused it', () => {
  it.each(modes.map((mode) => [mode.name, mode] as const))(
    '%s',
    { timeout: 15 * MINUTES },
    async (_name, { options, share, settle }) => {
      const { guest, model: now } = await watched();
      try {
        await guest.run('echo 100 > /proc/sys/vm/dirty_writeback_centisecs');
        await guest.run('echo 200 > /proc/sys/vm/dirty_expire_centisecs');
        const blocks = Number(await guest.run('cat /sys/block/one/size')) / 8;
        const half = Math.floor(blocks / 2);
        await write(guest, half * 4, `${options} --rw=write --bs=16k`, 1);
        // Some blocks often, others never: lines keep valid blocks, and garbage has to be collected.
        await write(guest, half * 4, `${options} --rw=randwrite --bs=4k --norandommap --io_size=60%`, ROUNDS);
        await guest.run(settle);
        await guest.run('sleep 2');
        const model = now();
        const verdict = judge(model, half);
        expect([...verdict.targets].sort()).toEqual(['one', 'two']);
        expect(model.causes.lostEvents).toBe(0);
        const said = JSON.stringify({ ...verdict, targets: undefined });
        expect(verdict.user, said).toBeGreaterThan(500);
        expect(verdict.gc, said).toBeGreaterThan(100);
        for (const { disk, userSecs } of model.targets) {
          const mileage = await guest.run(`cat /sys/block/${disk}/pblk/write_amp_mileage`);
          const user = Number(/user:(\d+)/.exec(mileage)?.[1]);
          // A process that writes, with the same data, what garbage collection has just read is not told from it.
          expect(Math.abs(userSecs - user), `${userSecs} and ${user}`).toBeLessThanOrEqual(user * 0.001);
        }
        expect(verdict.userRight / verdict.user, said).toBeGreaterThanOrEqual(share);
        expect(verdict.gcRight / verdict.gc, said).toBeGreaterThanOrEqual(share);
        console.log(`${_name}: ${said}`);
        expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
      } finally {
        await guest.off();
      }
    },
  );
});
