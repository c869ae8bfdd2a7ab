import { describe, expect, it } from 'vitest';
import { boot, createTarget, kernelComplaints, line12 } from './boot.ts';

const line = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const smallLine = line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=32');
const MINUTES = 60_000;

/**
 * Fill, overwrite at random, verify; then everything once more after pblk's recovery. A full pblk target has
 * little room to move in (its reserve of ten lines comes out of the over-provisioning), so each overwritten
 * sector makes GC move ten others. Only for `npm run test:stress`: garbage is collected in every
 * landing too, in pblk-matrix and trace.
 */
const sizes = [
  {
    name: '128 MiB of flash, half of it overwritten',
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: 129,
    loops: 1,
    share: '50%',
  },
  {
    name: '512 MiB of flash, overwritten three times',
    line,
    sizeMiB: 513,
    loops: 3,
    share: '100%',
  },
];

describe.skipIf(process.env['STRESS'] !== '1')('pblk under load', () => {
  it.each(sizes)(
    'collects garbage without losing a block: $name',
    { timeout: 60 * MINUTES },
    async ({ line, sizeMiB, loops, share }) => {
      const guest = await boot({ line, sizeMiB });
      try {
        await guest.run(createTarget(0, 3));
        const fio = (options: string) =>
          guest.run(
            `fio --filename=/dev/mydevice --direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c --output-format=terse ${options}`,
            50 * MINUTES,
          );
        await fio('--name=fill --rw=write --bs=128k --do_verify=0');
        await fio(`--name=overwrite --rw=randwrite --bs=16k --size=${share} --loops=${loops}`);
        const amplification = await guest.run('cat /sys/block/mydevice/pblk/write_amp_mileage');
        console.log(amplification.trim());
        expect(Number(/gc:(\d+)/.exec(amplification)?.[1]), amplification).toBeGreaterThan(0);
        expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
        const md5 = await guest.run('sync; md5sum /dev/mydevice', 5 * MINUTES);
        await guest.run('nvme lnvm remove -n mydevice');
        await guest.powerCycle();
        await guest.run(createTarget(0, 3));
        expect(await guest.run('md5sum /dev/mydevice', 5 * MINUTES)).toBe(md5);
        expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
      } finally {
        await guest.off();
      }
    },
  );

  it('carries ext4 and f2fs', { timeout: 10 * MINUTES }, async () => {
    const guest = await boot({ line: smallLine, sizeMiB: 257 });
    try {
      await guest.run(createTarget(0, 3));
      const kinds = [
        { make: 'mkfs.ext4 -q -F', check: 'fsck.ext4 -f -n' },
        { make: 'mkfs.f2fs -q -f', check: 'fsck.f2fs --dry-run' },
      ];
      for (const { make, check } of kinds) {
        const type = make.includes('ext4') ? 'ext4' : 'f2fs';
        await guest.run(`${make} /dev/mydevice && mkdir -p /mnt && mount -t ${type} /dev/mydevice /mnt`);
        await guest.run(
          'set -e; cd /mnt; for n in 1 2 4 8 16; do dd if=/dev/urandom of=f$n bs=1M count=$n; done; md5sum f* > /tmp/sums; sync',
          4 * MINUTES,
        );
        // Until there is no more room: the last write fails, everything before it holds.
        await guest.run('dd if=/dev/zero of=/mnt/rest bs=1M; rm /mnt/rest; sync; true', 4 * MINUTES);
        await guest.run('umount /mnt');
        const fsck = await guest.exec(`${check} /dev/mydevice`, 4 * MINUTES);
        expect(fsck.status, fsck.output).toBe(0);
        await guest.run(
          `mount -t ${type} /dev/mydevice /mnt; echo 3 > /proc/sys/vm/drop_caches; cd /mnt && md5sum -c /tmp/sums; cd /; umount /mnt`,
          4 * MINUTES,
        );
      }
      expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
    } finally {
      await guest.off();
    }
  });
});
