import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boot, type Booted, createTarget, line12 } from './boot.ts';

/** As blktests nvme/032 and block/003 to 005, 012: the controller is scanned, reset and taken away under I/O. */
describe.each([
  ['a plain disk', 'nvme,serial=scan,mdts=5', 64, '/dev/nvme0n1', ''],
  [
    'a pblk target',
    line12('lnum_lun=4,lnum_pln=1,lsecs_per_pg=4,lpgs_per_blk=32'),
    129,
    '/dev/mydevice',
    createTarget(0, 3),
  ],
] as const)('%s under I/O', (_name, line, sizeMiB, disk, create) => {
  let guest: Booted;
  beforeAll(async () => {
    guest = await boot({ line, sizeMiB });
    if (create) await guest.run(create);
  });
  afterAll(() => guest.off());

  const load = `fio --name=load --filename=${disk} --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw --bs=4k --size=16M --time_based --runtime=60`;
  /** The load, and it has begun: a machine that has just been restored translates all its code first. */
  const stat = `/sys/block/${disk.slice('/dev/'.length)}/stat`;
  const begin = `a=$(cat ${stat}); (${load} > /tmp/fio 2>&1 &); for i in $(seq 200); do [ "$(cat ${stat})" != "$a" ] && break; sleep 0.1; done; sleep 1`;
  const settled = async () => {
    await guest.run(
      'pkill fio; for i in $(seq 50); do pidof fio > /dev/null || break; sleep 0.1; done; true',
    );
    expect(
      (await guest.run('dmesg')).split('\n').filter((l) => /BUG|Oops|Call Trace|hung task/.test(l)),
    ).toEqual([]);
  };

  it('is scanned again and again', async () => {
    await guest.run(begin);
    await guest.run('for i in $(seq 10); do echo 1 > /sys/class/nvme/nvme0/rescan_controller; done');
    await settled();
    expect(await guest.run('cat /tmp/fio')).toMatch(/read: IOPS=[1-9][^]*err= 0|err= 0[^]*read: IOPS=[1-9]/);
  });

  it('is reset, and what was asked meanwhile is done', async () => {
    await guest.run(begin);
    for (let i = 0; i < 3; i++)
      await guest.run(
        'echo 1 > /sys/class/nvme/nvme0/reset_controller; for i in $(seq 50); do [ $(cat /sys/class/nvme/nvme0/state) = live ] && exit 0; sleep 0.1; done; cat /sys/class/nvme/nvme0/state; exit 1',
      );
    await settled();
    // pblk cannot send a command again; the block layer does it for a plain disk.
    if (!create) expect(await guest.run('cat /tmp/fio')).not.toMatch(/err= *[1-9]/);
    await guest.run(`dd if=${disk} of=/dev/null bs=4k count=64`);
  });

  it('is taken away and found again', async () => {
    await guest.run(begin);
    if (create) await guest.run('pkill fio; sleep 1; nvme lnvm remove -n mydevice');
    await guest.run(
      'p=$(readlink -f /sys/class/nvme/nvme0/device); echo $p > /tmp/p; echo 1 > $p/remove',
      60_000,
    );
    expect((await guest.exec('ls /dev/nvme0n1')).status).not.toBe(0);
    await guest.run(
      'echo 1 > /sys/bus/pci/rescan; for i in $(seq 50); do [ -b /dev/nvme0n1 ] && exit 0; sleep 0.1; done; exit 1',
    );
    if (create) await guest.run(create);
    await guest.run(`dd if=${disk} of=/dev/null bs=4k count=64`);
    await settled();
  });
});
