import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boot, type Booted, createTarget, kernelComplaints, tutorialLine } from './boot.ts';
import { isLong } from './long.ts';

/** `npm run test:long` writes more. */
const MIB = isLong ? 24 : 6;

/** The tutorial, line by line, on the device line it pastes; only the disk is larger (8 GiB). */
describe('the tutorial', () => {
  let guest: Booted;
  beforeAll(async () => {
    guest = await boot({ line: tutorialLine, sizeMiB: 8192, cold: true });
  });
  afterAll(() => guest.off());

  it('lists the device and the target type', async () => {
    const list = await guest.run('nvme lnvm list');
    expect(list).toContain('Number of devices: 1');
    expect(list).toMatch(/Device\s+Block manager\s+Version/);
    expect(list).toMatch(/nvme0n1\s+gennvm\s+\(1,0,0\)/);
    const info = await guest.run('nvme lnvm info');
    expect(info).toContain('LightNVM (1,0,0). 1 target type(s) registered.');
    expect(info).toMatch(/Type\s+Version\npblk\s+\(1,0,0\)/);
  });

  it('shows the raw disk, makes a target, shows that', async () => {
    // 16 LUNs × 31 chunks × 16 MiB = 7936 MiB.
    expect(await guest.run('lsblk')).toMatch(/nvme0n1\s+259:0\s+0\s+7\.8G\s+0 disk/);
    await guest.run(createTarget(0, 3));
    const lsblk = await guest.run('lsblk');
    expect(lsblk).toMatch(/mydevice\s+259:1\s+0\s+1\.3G\s+0 disk/);
    expect(await guest.run('lsblk -b -n -o SIZE /dev/mydevice')).toMatch(
      new RegExp(`^\\s*${1328 * 2 ** 20}\\s*$`),
    );
  });

  it('refuses writes to the raw disk, and says why', async () => {
    const { status } = await guest.exec('dd if=/dev/zero of=/dev/nvme0n1 bs=4k count=1 conv=fsync');
    expect(status).not.toBe(0);
    expect(guest.notices.map((notice) => notice.text).join('\n')).toContain('create a pblk target');
  });

  it('reads the bad-block table and the identity with the lnvm plugin', async () => {
    expect(await guest.run('nvme lnvm id-ns /dev/nvme0n1')).toMatch(
      /verid\s*: 0x1|ver\s*:\s*1|num_lun\s*: 16|luns.*16/is,
    );
    expect(await guest.run('nvme lnvm diag-bbtbl /dev/nvme0n1 -c 0 -l 0')).toBeTruthy();
  });

  it('keeps data that was written, removed in order, switched off and created again', async () => {
    await guest.run(
      `dd if=/dev/urandom of=/tmp/data bs=1M count=${MIB}; dd if=/tmp/data of=/dev/mydevice bs=1M conv=fsync`,
    );
    const md5 = (await guest.run('md5sum < /tmp/data')).trim();
    await guest.run('nvme lnvm remove -n mydevice');
    await guest.powerCycle();
    await guest.run(createTarget(0, 3));
    expect((await guest.run(`dd if=/dev/mydevice bs=1M count=${MIB} | md5sum`)).trim()).toContain(md5);
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });

  it('keeps data that was synced when the plug is pulled', async () => {
    await guest.run(
      `dd if=/dev/urandom of=/tmp/data bs=1M count=${MIB}; dd if=/tmp/data of=/dev/mydevice bs=1M seek=100 conv=fsync; sync`,
    );
    const md5 = (await guest.run('md5sum < /tmp/data')).trim();
    await guest.powerCycle();
    await guest.run(createTarget(0, 3));
    expect((await guest.run(`dd if=/dev/mydevice bs=1M skip=100 count=${MIB} | md5sum`)).trim()).toContain(
      md5,
    );
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });
});
