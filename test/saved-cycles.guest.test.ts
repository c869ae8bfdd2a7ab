import { expect, it } from 'vitest';
import { boot, createTarget, kernelComplaints, line12 } from './boot.ts';

/** `npm run test:crash` does fifty; resume.guest.test.ts is in every landing. */
const CYCLES = Number(process.env['SAVE_CYCLES'] ?? '0');
const MINUTES = 60_000;
const REST_MS = 30_000;

const fio = (round: number, more: string) =>
  `fio --name=r${round} --filename=/dev/mydevice --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite --bs=16k --size=4m --offset=${(round % 8) * 4}m --randseed=${round + 1} --verify=crc32c --verify_fatal=1 ${more}`;

it.skipIf(CYCLES === 0)(
  `a lab is saved with its disk, writes on, and goes back to where it was, ${CYCLES} times`,
  { timeout: (5 + CYCLES) * MINUTES },
  async () => {
    const options = { line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64'), sizeMiB: 513 };
    let guest = await boot(options);
    const { catalogue } = guest;
    try {
      await guest.run(createTarget(0, 3));
      for (let round = 0; round < CYCLES; round++) {
        await guest.run(fio(round, '--do_verify=0'));
        let pin = '';
        const saved = await guest.lab.save({
          timeoutMs: REST_MS,
          whilePaused: async ({ diskId }) => {
            pin = (await catalogue.pin(diskId)).pin;
          },
        });
        // Other data over it, and some of the rounds before: none of it may be seen again.
        await guest.run(fio(round + 1000, '--do_verify=0'));
        await guest.run('nvme lnvm remove -n mydevice');
        await guest.off();

        const fork = await catalogue.forkPin(pin, `round ${round}`);
        await catalogue.unpin(pin);
        await catalogue.remove(guest.diskId);
        const { id: diskId } = fork;
        guest = await boot({ ...options, catalogue, diskId, resume: { ...saved, diskId } });
        await guest.run('echo 3 > /proc/sys/vm/drop_caches');
        for (let old = Math.max(0, round - 7); old <= round; old++)
          await guest.run(fio(old, '--verify_only=1'));
      }
      expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
      expect((await catalogue.list()).length).toBe(1);
    } finally {
      await guest.off();
    }
  },
);
