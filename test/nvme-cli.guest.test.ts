import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boot, type Booted, kernelComplaints } from './boot.ts';
import { isLong } from './long.ts';

/** nvme-cli 1.12 against a plain disk of two namespaces: the cases of its own tests, re-derived. */
describe('nvme-cli on a plain disk', () => {
  let guest: Booted;
  beforeAll(async () => {
    guest = await boot({ line: 'nvme,serial=cli,namespaces=2,mdts=5', sizeMiB: 32 });
    await guest.run(
      'dd if=/dev/urandom of=/tmp/a bs=4k count=8; dd if=/dev/zero of=/tmp/zeros bs=4k count=8',
    );
  });
  afterAll(() => guest.off());

  const field = (text: string, name: string) =>
    new RegExp(`^${name}\\s*:\\s*(\\S+)`, 'm').exec(text)?.[1] ?? `no ${name} in ${text}`;
  /** Dmesg says nothing of commands that a program sends itself and that fail; what it says is a defect. */
  const quiet = async () => expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);

  it('list and list-ns: both namespaces, their sizes and formats', async () => {
    const list = await guest.run('nvme list');
    expect(list).toMatch(/nvme0n1\s+cli/);
    expect(list).toMatch(/nvme0n2\s+cli/);
    expect(await guest.run('nvme list-ns /dev/nvme0')).toMatch(/0x1[\s\S]*0x2/);
    expect(await guest.run('lsblk -b -n -o SIZE /dev/nvme0n2')).toMatch(/^\s*16\d{6}\s*$/);
  });

  it('id_ctrl: what is announced', async () => {
    const id = await guest.run('nvme id-ctrl /dev/nvme0');
    expect([field(id, 'sn'), field(id, 'mdts'), field(id, 'nn')]).toEqual(['cli', '5', '2']);
    expect(await guest.run('nvme id-ctrl /dev/nvme0 -H -v')).toContain('Compare Supported');
  });

  it('id_ns: formats, capacity, for each namespace; an absent one is refused', async () => {
    for (const nsid of [1, 2]) {
      const id = await guest.run(`nvme id-ns /dev/nvme0 -n ${nsid}`);
      expect(Number(field(id, 'nsze'))).toBeGreaterThan(0);
      expect(field(id, 'ncap')).toBe(field(id, 'nsze'));
      expect(id).toMatch(/lbaf +3 : ms:0 +lbads:12 .*in use/);
    }
    expect((await guest.exec('nvme id-ns /dev/nvme0 -n 9')).status).not.toBe(0);
  });

  it('get_features: every mandatory feature; a set one comes back', async () => {
    for (const fid of ['0x01', '0x02', '0x04', '0x05', '0x07', '0x08', '0x09', '0x0a', '0x0b'])
      expect(await guest.run(`nvme get-feature /dev/nvme0 -f ${fid}`)).toMatch(/Current value:/);
    for (const select of [0, 1, 3]) await guest.run(`nvme get-feature /dev/nvme0 -f 0x04 -s ${select}`);
    await guest.run('nvme set-feature /dev/nvme0 -f 0x04 -v 0x155');
    expect(await guest.run('nvme get-feature /dev/nvme0 -f 0x04')).toMatch(/0x0*155/);
    expect((await guest.exec('nvme get-feature /dev/nvme0 -f 0xee')).output).toMatch(/INVALID_FIELD/);
  });

  it('smart_log: counts what was read and written', async () => {
    const smart = async () => guest.run('nvme smart-log /dev/nvme0');
    const number = (text: string, name: string) => Number(field(text, name).replaceAll(',', ''));
    const before = await smart();
    await guest.run(
      'for i in $(seq 16); do nvme write /dev/nvme0n1 -s $i -c 7 -z 32768 -d /tmp/a; nvme read /dev/nvme0n1 -s $i -c 7 -z 32768 -d /tmp/b; done > /tmp/out 2>&1',
    );
    const after = await smart();
    for (const name of ['host_write_commands', 'host_read_commands'])
      expect(number(after, name) - number(before, name), name).toBeGreaterThanOrEqual(16);
    expect(number(after, 'data_units_written')).toBeGreaterThan(0);
    expect(number(after, 'power_cycles')).toBe(1);
    expect(field(after, 'available_spare')).toBe('100%');
  });

  it('error_log: an entry for a command that failed', async () => {
    await guest.exec('nvme read /dev/nvme0n1 -s 0xffffffff -c 0 -z 4096 -d /tmp/x');
    const log = await guest.run('nvme error-log /dev/nvme0 -e 4');
    expect(Number(/error_count\s*:\s*(\d+)/.exec(log)?.[1])).toBeGreaterThan(0);
    expect(log).toMatch(/LBA_RANGE/);
  });

  it('fw_log: one slot', async () => {
    expect(await guest.run('nvme fw-log /dev/nvme0')).toMatch(/frs1/);
  });

  it('flush: one namespace and all of them', async () => {
    await guest.run('nvme flush /dev/nvme0n1 -n 1');
    await guest.run('nvme flush /dev/nvme0n1 -n 0xffffffff');
  });

  it('read_write and compare: what is written comes back; a difference is found', async () => {
    await guest.run('nvme write /dev/nvme0n1 -s 16 -c 7 -z 32768 -d /tmp/a');
    await guest.run('nvme read /dev/nvme0n1 -s 16 -c 7 -z 32768 -d /tmp/b && cmp /tmp/a /tmp/b');
    await guest.run('nvme compare /dev/nvme0n1 -s 16 -c 7 -z 32768 -d /tmp/a');
    const differs = await guest.exec('nvme compare /dev/nvme0n1 -s 17 -c 6 -z 28672 -d /tmp/a');
    expect(differs.output).toMatch(/COMPARE_FAILED/);
  });

  it('writezeros: blocks read as zeros', async () => {
    await guest.run('nvme write /dev/nvme0n1 -s 64 -c 7 -z 32768 -d /tmp/a');
    await guest.run('nvme write-zeroes /dev/nvme0n1 -s 64 -c 7');
    await guest.run('nvme read /dev/nvme0n1 -s 64 -c 7 -z 32768 -d /tmp/b && cmp /tmp/zeros /tmp/b');
  });

  it('writeuncor: blocks cannot be read until they are written', async () => {
    await guest.run('nvme write-uncor /dev/nvme0n1 -s 96 -c 1');
    const lost = await guest.exec('nvme read /dev/nvme0n1 -s 96 -c 0 -z 4096 -d /tmp/b');
    expect(lost.output).toMatch(/READ_ERROR|UNRECOVERED/i);
    await guest.run('nvme write /dev/nvme0n1 -s 96 -c 1 -z 8192 -d /tmp/a');
    await guest.run(
      'nvme read /dev/nvme0n1 -s 96 -c 1 -z 8192 -d /tmp/b && head -c 8192 /tmp/b > /tmp/c && head -c 8192 /tmp/a | cmp - /tmp/c',
    );
  });

  it('dsm: deallocated blocks read as zeros; blkdiscard does the same', async () => {
    await guest.run('nvme write /dev/nvme0n1 -s 128 -c 7 -z 32768 -d /tmp/a');
    await guest.run('nvme dsm /dev/nvme0n1 -n 1 -d -s 128 -b 8');
    await guest.run('nvme read /dev/nvme0n1 -s 128 -c 7 -z 32768 -d /tmp/b && cmp /tmp/zeros /tmp/b');
    await guest.run('nvme write /dev/nvme0n1 -s 128 -c 7 -z 32768 -d /tmp/a');
    await guest.run('blkdiscard -o 524288 -l 32768 /dev/nvme0n1');
    await guest.run('nvme read /dev/nvme0n1 -s 128 -c 7 -z 32768 -d /tmp/b && cmp /tmp/zeros /tmp/b');
  });

  it('format: every format announced, and the data is gone; the other namespace keeps its own', async () => {
    await guest.run('nvme write /dev/nvme0n2 -s 8 -c 7 -z 32768 -d /tmp/a');
    const formats = [
      ...(await guest.run('nvme id-ns /dev/nvme0n1')).matchAll(/^lbaf +(\d+) : ms:0 +lbads:(\d+)/gm),
    ];
    expect(formats.length).toBeGreaterThan(1);
    for (const [, index, shift] of formats) {
      await guest.run(`nvme format /dev/nvme0n1 -l ${index} -f && nvme ns-rescan /dev/nvme0 && sleep 0.2`);
      expect(await guest.run('blockdev --getss /dev/nvme0n1')).toBe(`${2 ** Number(shift)}\n`);
      await guest.run('dd if=/tmp/a of=/dev/nvme0n1 bs=32k count=1 seek=3 conv=fsync');
      await guest.run('dd if=/dev/nvme0n1 of=/tmp/b bs=32k count=1 skip=3 && cmp /tmp/a /tmp/b');
    }
    await guest.run('nvme format /dev/nvme0n1 -l 3 -f; nvme ns-rescan /dev/nvme0; sleep 0.2');
    await guest.run('dd if=/dev/nvme0n1 of=/tmp/b bs=32k count=1 skip=3 && cmp /tmp/zeros /tmp/b');
    await guest.run('nvme read /dev/nvme0n2 -s 8 -c 7 -z 32768 -d /tmp/b && cmp /tmp/a /tmp/b');
    await quiet();
  });

  it.runIf(isLong)('every admin opcode by passthrough gets one answer, and the disk lives on', async () => {
    // 0Ch waits for an event for ever, as it should; everything else answers.
    const output = await guest.run(
      'for op in $(seq 0 255); do [ $op = 12 ] && continue; nvme admin-passthru /dev/nvme0 -o $op -n 1 -l 4096 -r -t 5000 > /tmp/out 2>&1; rc=$?; [ $rc -ge 128 ] && echo "opcode $op: $rc"; done; echo done',
    );
    expect(output).toBe('done\n');
    await guest.run('nvme format /dev/nvme0n1 -l 3 -f; nvme ns-rescan /dev/nvme0; sleep 0.2');
    await guest.run('dd if=/dev/nvme0n1 of=/dev/null bs=64k count=4');
    await quiet();
  });

  it.runIf(isLong)('every I/O opcode by passthrough gets one answer, and the disk lives on', async () => {
    const output = await guest.run(
      'for op in $(seq 0 255); do nvme io-passthru /dev/nvme0n1 -o $op -n 1 -l 4096 -r -t 5000 > /tmp/out 2>&1; rc=$?; [ $rc -ge 128 ] && echo "opcode $op: $rc"; done; echo done',
    );
    expect(output).toBe('done\n');
    await guest.run('dd if=/dev/nvme0n2 of=/dev/null bs=64k count=4');
    await quiet();
  });

  it('reset and subsystem-reset: the disk comes back', async () => {
    await guest.run('nvme reset /dev/nvme0 && nvme read /dev/nvme0n2 -s 8 -c 7 -z 32768 -d /tmp/b');
    expect((await guest.exec('nvme subsystem-reset /dev/nvme0')).status).not.toBe(0);
    await guest.run('nvme id-ctrl /dev/nvme0 > /dev/null && nvme show-regs /dev/nvme0 > /dev/null; true');
  });

  it('badblocks -w and fio with verification', async () => {
    await guest.run('badblocks -w -b 4096 -c 64 -t 0x5a /dev/nvme0n2 1024');
    await guest.run(
      `fio --name=v --filename=/dev/nvme0n1 --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite --bs=4k --size=${isLong ? 8 : 2}M --verify=crc32c`,
    );
    await quiet();
  });
});
