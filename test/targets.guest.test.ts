import { afterEach, describe, expect, it } from 'vitest';
import { boot, type Booted, createTarget, kernelComplaints, line12 } from './boot.ts';

/** Two channels of four LUNs. */
const LINE = line12('lnum_ch=2,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64');
const LINE20 = 'femu,lver=2,lnum_ch=2,lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64';

describe('the targets that a disk remembers', () => {
  let guest: Booted;
  afterEach(() => guest.off());

  const recipes = () =>
    guest.lab.targets.map(({ name, begin, end, op, exists }) => [name, begin, end, op, exists]);
  const become = (expected: unknown[][]) =>
    expect.poll(recipes, { timeout: 30_000, interval: 100 }).toEqual(expected);

  it('are known after a power cut, are made again with their data, and are forgotten when removed', async () => {
    guest = await boot({ line: LINE, sizeMiB: 1024 });
    expect(recipes()).toEqual([]);
    await guest.run(createTarget(0, 3));
    await become([['mydevice', 0, 3, undefined, true]]);
    await guest.run(
      'dd if=/dev/urandom of=/tmp/data bs=1M count=8; dd if=/tmp/data of=/dev/mydevice bs=1M conv=fsync; sync',
    );
    const md5 = (await guest.run('md5sum < /tmp/data')).trim();
    await guest.powerCycle();
    await become([['mydevice', 0, 3, undefined, false]]);
    expect(guest.lab.targets[0]?.command).toBe(createTarget(0, 3));

    const made = await guest.lab.createTargets();
    expect(made.map(({ name, status }) => [name, status])).toEqual([['mydevice', 0]]);
    expect((await guest.run('dd if=/dev/mydevice bs=1M count=8 | md5sum')).trim()).toContain(md5);
    await become([['mydevice', 0, 3, undefined, true]]);
    expect(await guest.lab.createTargets()).toEqual([]);

    await guest.run('nvme lnvm remove -n mydevice');
    await become([]);
    await guest.powerCycle();
    expect(recipes()).toEqual([]);
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });

  it('are told apart by their LUNs and sizes, however fast they come and go', async () => {
    guest = await boot({ line: LINE, sizeMiB: 1024 });
    await guest.run(`${createTarget(0, 3, 'b')} -o 30 && ${createTarget(4, 5, 'a')}`);
    await become([
      ['b', 0, 3, 30, true],
      ['a', 4, 5, undefined, true],
    ]);
    // Another of the same name and size before anybody can have looked.
    await guest.run(`nvme lnvm remove -n a && ${createTarget(6, 7, 'a')}`);
    await become([
      ['b', 0, 3, 30, true],
      ['a', 6, 7, undefined, true],
    ]);
    // What only reads the tables makes no target.
    await guest.run('nvme lnvm diag-bbtbl /dev/nvme0n1 -c 0 -l 0');
    // One in the place of another.
    await guest.run(`nvme lnvm remove -n a; nvme lnvm remove -n b; ${createTarget(0, 7, 'all')}`);
    await become([['all', 0, 7, undefined, true]]);
    await guest.run('echo 1 > /sys/bus/pci/devices/0000:00:08.0/remove');
    await become([['all', 0, 7, undefined, false]]);
  });

  it('are known on a disk of 2.0', async () => {
    guest = await boot({ line: LINE20, sizeMiB: 1024 });
    await guest.run(createTarget(4, 7, 'second'));
    await become([['second', 4, 7, undefined, true]]);
    await guest.powerCycle();
    await become([['second', 4, 7, undefined, false]]);
  });
});
