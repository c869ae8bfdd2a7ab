import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boot, type Booted, createTarget, kernelComplaints, line12 } from './boot.ts';
import { isLong } from './long.ts';

const disks = [
  {
    name: 'open-channel 1.2',
    line: line12('lnum_ch=2,lnum_lun=2,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=16'),
    sizeMiB: 129,
    version: 1,
    sectors: 4 * 64 * 2 * 16 * 4,
  },
  {
    name: 'open-channel 2.0',
    line: '-device ocssd,serial=test -device ocssd-ns,drive=d,num_grp=2,num_pu=2,num_chk=64,clba=128,ws_min=4,ws_opt=8,mw_cunits=32,ms=16',
    sizeMiB: 128,
    version: 2,
    sectors: 4 * 64 * 128,
  },
] as const;

/** Every command of nvme-cli's lnvm plugin, and every opcode, on both specifications. */
describe.each(disks)('the lnvm plugin on $name', ({ line, sizeMiB, version, sectors }) => {
  let guest: Booted;
  beforeAll(async () => {
    guest = await boot({ line, sizeMiB });
  });
  afterAll(() => guest.off());

  it('list, info, version', async () => {
    expect(await guest.run('nvme lnvm list')).toMatch(/nvme0n1\s+gennvm\s+\(1,0,0\)/);
    expect(await guest.run('nvme lnvm info')).toMatch(/pblk\s+\(1,0,0\)/);
    await guest.run('nvme lnvm version; nvme lnvm help > /dev/null 2>&1; true');
  });

  it('the raw disk shows its size, block integrity or not', async () => {
    expect(Number(await guest.run('cat /sys/block/nvme0n1/size')) / 8).toBe(sectors);
  });

  it('id-ns: the geometry', async () => {
    const geometry = await guest.run('nvme lnvm id-ns /dev/nvme0 -n 1');
    if (version === 1) {
      expect(geometry).toMatch(/verid *: 0x1/);
      expect(geometry).toMatch(/chnls *: 2[^]*luns *: 2[^]*plns *: 2[^]*blks *: 64/);
    } else {
      expect(geometry).toMatch(/num_grp *: 2/i);
      expect(geometry).toMatch(/ws_opt *: 8/i);
    }
    expect(await guest.run('cat /sys/block/nvme0n1/lightnvm/version')).toMatch(new RegExp(`^${version}`));
  });

  it('create, write, read, remove; factory creates over what is there', async () => {
    await guest.run(createTarget(0, 3));
    await guest.run(
      'dd if=/dev/urandom of=/tmp/a bs=64k count=8; dd if=/tmp/a of=/dev/mydevice bs=64k conv=fsync; echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/mydevice bs=64k count=8 | cmp - /tmp/a',
    );
    await guest.run('nvme lnvm remove -n mydevice');
    await guest.run(`${createTarget(0, 3)} -f`);
    expect((await guest.exec('dd if=/dev/mydevice bs=64k count=8 | cmp - /tmp/a')).status).not.toBe(0);
    await guest.run('nvme lnvm remove -n mydevice');
  });

  it('two targets side by side keep apart', async () => {
    await guest.run(`${createTarget(0, 1, 'one')} -f && ${createTarget(2, 3, 'two')} -f`);
    for (const target of ['one', 'two'])
      await guest.run(
        `dd if=/dev/urandom of=/tmp/${target} bs=64k count=8; dd if=/tmp/${target} of=/dev/${target} bs=64k conv=fsync`,
      );
    await guest.run('echo 3 > /proc/sys/vm/drop_caches');
    for (const target of ['one', 'two'])
      await guest.run(`dd if=/dev/${target} bs=64k count=8 | cmp - /tmp/${target}`);
    for (const target of ['one', 'two']) await guest.run(`nvme lnvm remove -n ${target}`);
  });

  it.runIf(version === 2)('chunk-log: states and write pointers', async () => {
    const log = await guest.run('nvme lnvm chunk-log /dev/nvme0n1');
    // One line a chunk, whatever else is printed; the targets before have left some written.
    expect(log.split('\n').length).toBeGreaterThan(4 * 64);
    expect(log.match(/CNLB: 0x0*80,/g)).toHaveLength(4 * 64);
    expect(log).toMatch(/State: (OPEN|CLOSED)/);
  });

  it.runIf(version === 1)('diag-bbtbl, diag-set-bbtbl: a block marked bad is bad', async () => {
    const before = await guest.run('nvme lnvm diag-bbtbl /dev/nvme0n1 -c 1 -l 1');
    await guest.run('nvme lnvm diag-set-bbtbl /dev/nvme0n1 -c 1 -l 1 -p 1 -b 7 -v 2');
    const after = await guest.run('nvme lnvm diag-bbtbl /dev/nvme0n1 -c 1 -l 1');
    expect(after).not.toBe(before);
    await guest.powerCycle();
    expect(await guest.run('nvme lnvm diag-bbtbl /dev/nvme0n1 -c 1 -l 1')).toBe(after);
    // pblk works around it: one chunk of one line less.
    await guest.run(`${createTarget(0, 3)} -f && nvme lnvm remove -n mydevice`);
    await guest.run('nvme lnvm diag-set-bbtbl /dev/nvme0n1 -c 1 -l 1 -p 1 -b 7 -v 0');
  });

  it('init and factory answer, whatever they answer', async () => {
    // The kernel has no media manager to initialise any more, and no factory reset.
    for (const command of ['nvme lnvm init -d nvme0n1', 'nvme lnvm factory -d nvme0n1'])
      expect((await guest.exec(command)).status).toBeLessThan(128);
  });

  it.runIf(isLong)('every opcode by passthrough gets one answer, and pblk lives on', async () => {
    const output = await guest.run(
      `for op in $(seq 0 255); do [ $op = 12 ] || nvme admin-passthru /dev/nvme0 -o $op -n 1 -l 4096 -r -t 5000 > /tmp/out 2>&1; [ $? -ge 128 ] && echo "admin $op"
       nvme io-passthru /dev/nvme0n1 -o $op -n 1 -l 4096 -r -t 5000 > /tmp/out 2>&1; [ $? -ge 128 ] && echo "io $op"; done; echo done`,
    );
    expect(output).toBe('done\n');
    await guest.run(`${createTarget(0, 3)} -f`);
    await guest.run('dd if=/tmp/a of=/dev/mydevice bs=64k conv=fsync; nvme lnvm remove -n mydevice');
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });
});
