import { describe, expect, it } from 'vitest';
import { boot, line12 } from './boot.ts';
import { isLong } from './long.ts';

const plain = 'nvme,serial=plain,lver=0';

/** Waits until `condition` holds, or fails after `ms`. */
async function until(condition: () => boolean, ms = 30_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('a lab with a plain NVMe disk', () => {
  it.runIf(isLong)('reads what it wrote, also after the plug was pulled', async () => {
    const guest = await boot({ line: plain, sizeMiB: 256 });
    try {
      expect(await guest.run('lsblk -b -n -o SIZE /dev/nvme0n1')).toContain(String(256 * 2 ** 20));
      await guest.run(
        'dd if=/dev/urandom of=/tmp/data bs=1M count=24; dd if=/tmp/data of=/dev/nvme0n1 bs=37k seek=3 conv=fsync',
      );
      const md5 = (await guest.run('md5sum < /tmp/data')).slice(0, 32);
      await guest.powerCycle();
      const back = await guest.run(
        `dd if=/dev/nvme0n1 bs=37k skip=3 count=700 | head -c ${24 * 2 ** 20} | md5sum`,
      );
      expect(back).toContain(md5);
    } finally {
      await guest.off();
    }
  });

  it('says when the guest halts, comes back from a reboot, and notices a panic', async () => {
    const guest = await boot({ line: plain, sizeMiB: 64 });
    try {
      guest.exec('reboot').catch(() => {});
      await until(() => guest.powers.filter((state) => state === 'running').length === 2, 90_000);
      await guest.lab.putFile('from-outside', new TextEncoder().encode('hello'));
      expect(await guest.run('cat /host/from-outside; echo back > /host/from-inside')).toBe('hello');
      expect(new TextDecoder().decode(await guest.lab.getFile('from-inside'))).toBe('back\n');
      const slow = guest.exec('sleep 60', 500);
      await expect(slow).rejects.toThrow(/longer than 500 ms/);
      // Somebody ends the agent: what waits for it is told, and the next one serves.
      await expect(guest.exec('killall labd; sleep 60')).rejects.toThrow(/restarted/);
      expect(await guest.run('echo served')).toBe('served\n');
      // A line that only looks like a panic.
      await guest.run("echo '[    1.0] Kernel panic - not syncing: a joke' > /dev/ttyS0");
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      expect(guest.lab.power).toBe('running');
      guest.notices.length = 0;
      await guest.powerCycle();
      guest.exec('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger').catch(() => {});
      await until(() => guest.lab.power === 'crashed');
      expect(guest.notices.map((notice) => notice.code)).toContain('panic');
      await expect(guest.exec('true')).rejects.toThrow(/panick?ed|restart/);
      await guest.lab.reset();
      await guest.lab.whenReady();
      expect(await guest.run('echo alive')).toBe('alive\n');
      await guest.lab.powerOff();
      expect(guest.powers).toContain('halted');
      expect(guest.lab.power).toBe('off');
    } finally {
      await guest.off();
    }
  });

  it('boots with several queues, channels and more memory', async () => {
    const guest = await boot({
      line: line12('lnum_ch=4,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16,queues=4'),
      sizeMiB: 129,
      memoryMiB: 256,
    });
    try {
      expect(await guest.run('dmesg | grep "nvm: registered"')).toContain('registered nvme0n1');
      expect(Number(await guest.run("awk '/MemTotal/ {print $2}' /proc/meminfo"))).toBeGreaterThan(230_000);
    } finally {
      await guest.off();
    }
  });
});
