import { afterEach, describe, expect, it } from 'vitest';
import { boot, type Booted, createTarget, line12 } from './boot.ts';

/** The cache modes as Linux sees them, and what of its writes a pulled plug leaves. */
const PLAIN = 'nvme,serial=plain,lver=0';
const PBLK = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const SIZE_MIB = 513;

let guest: Booted | undefined;
afterEach(async () => {
  await guest?.off();
  guest = undefined;
});

const fill = (name: string, blocks: number) =>
  `dd if=/dev/urandom of=${name} bs=64k count=${blocks} 2>/dev/null`;
const countNonZero = "head -c 262144 /dev/nvme0n1 | tr -d '\\0' | wc -c";

describe('a plain disk', () => {
  it('has no write cache with writethrough, and Linux sends it no flush', async () => {
    guest = await boot({ line: PLAIN, sizeMiB: SIZE_MIB });
    expect(await guest.run('cat /sys/block/nvme0n1/queue/write_cache')).toMatch(/write through/);
    expect(await guest.run('nvme id-ctrl /dev/nvme0 | grep ^vwc')).toMatch(/: 0\b/);
    expect(guest.lab.cacheMode).toBe('writethrough');
  });

  it('has one with writeback: what was flushed survives a cut', async () => {
    guest = await boot({ line: PLAIN, sizeMiB: SIZE_MIB, cache: 'writeback' });
    expect(await guest.run('cat /sys/block/nvme0n1/queue/write_cache')).toMatch(/write back/);
    expect(await guest.run('nvme get-feature /dev/nvme0 -f 6')).toMatch(/value:0x0*1\b/);
    const sum = await guest.run(
      `${fill('/tmp/a', 32)}; dd if=/tmp/a of=/dev/nvme0n1 bs=64k conv=fsync 2>/dev/null; md5sum < /tmp/a`,
    );
    await guest.powerCycle();
    expect(await guest.run('head -c 2097152 /dev/nvme0n1 | md5sum')).toBe(sum);
    // With the cache switched off each write is stored when it is done.
    await guest.run('nvme set-feature /dev/nvme0 -f 6 -v 0');
    // Linux does not look again, and is told to send no flushes.
    await guest.run("echo 'write through' > /sys/block/nvme0n1/queue/write_cache");
    await guest.run(`${fill('/tmp/b', 1)}; dd if=/tmp/b of=/dev/nvme0n1 bs=64k conv=fsync 2>/dev/null`);
    expect(guest.lab.device?.takeFrame().counters.pendingCommits).toBe(0);
  });

  it('keeps nothing of an unsafe run that is cut, and all of one that is shut down', async () => {
    guest = await boot({ line: PLAIN, sizeMiB: SIZE_MIB, cache: 'unsafe' });
    const write = `${fill('/tmp/a', 4)}; dd if=/tmp/a of=/dev/nvme0n1 bs=64k conv=fsync 2>/dev/null; md5sum < /tmp/a`;
    await guest.run(write);
    await guest.powerCycle();
    expect((await guest.run(countNonZero)).trim()).toBe('0');
    const sum = await guest.run(write);
    await guest.lab.powerOff();
    await guest.powerCycle();
    expect(await guest.run('head -c 262144 /dev/nvme0n1 | md5sum')).toBe(sum);
  });
});

describe('a pblk target', () => {
  it.each(['writeback', 'unsafe'] as const)('with %s: what was shut down is there', async (cache) => {
    guest = await boot({ line: PBLK, sizeMiB: SIZE_MIB, cache });
    const sum = await guest.run(
      `${createTarget(0, 3)} && ${fill('/tmp/a', 24)}; dd if=/tmp/a of=/dev/mydevice bs=64k conv=fsync 2>/dev/null; md5sum < /tmp/a; nvme lnvm remove -n mydevice >/dev/null`,
    );
    await guest.lab.powerOff();
    await guest.powerCycle();
    expect(
      await guest.run(`${createTarget(0, 3)} >/dev/null && head -c 1572864 /dev/mydevice | md5sum`),
    ).toBe(sum);
  });

  it('with writeback: a cut takes at most the last half second', async () => {
    guest = await boot({ line: PBLK, sizeMiB: SIZE_MIB, cache: 'writeback' });
    const sum = await guest.run(
      `${createTarget(0, 3)} && ${fill('/tmp/a', 24)}; dd if=/tmp/a of=/dev/mydevice bs=64k conv=fsync 2>/dev/null; sleep 1; md5sum < /tmp/a`,
    );
    await guest.powerCycle();
    expect(
      await guest.run(`${createTarget(0, 3)} >/dev/null && head -c 1572864 /dev/mydevice | md5sum`),
    ).toBe(sum);
  });
});
