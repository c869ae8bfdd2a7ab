import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ControlChannel } from '../src/lab/control-channel.ts';
import type { SavedLab, SaveOptions } from '../src/lab/lab.ts';
import { packLab, unpackLab } from '../src/lab/pack-lab.ts';
import { presets } from '../src/lab/presets.ts';
import { boot, type Booted, createTarget, kernelComplaints, line12 } from './boot.ts';
import { isLong } from './long.ts';

const MIB = 2 ** 20;
const REST_MS = 20_000;
/** `npm run test:crash` does more. */
const CYCLES = Math.min(5, Number(process.env['SAVE_CYCLES'] ?? '2'));
const chunks = presets.find(({ id }) => id === 'chunks-image');
if (!chunks) throw new Error('There is no such preset.');

const kinds = [
  {
    name: '1.2',
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64'),
    sizeMiB: 513,
    disk: '/dev/mydevice',
  },
  ...(isLong
    ? [{ name: '2.0', line: chunks.line, sizeMiB: chunks.sizeBytes / MIB, disk: '/dev/mydevice' }]
    : []),
  { name: 'plain', line: 'nvme,serial=plain', sizeMiB: 64, disk: '/dev/nvme0n1' },
];

const fill = (disk: string, seekBlocks: number) =>
  `dd if=/dev/urandom of=/tmp/a bs=64k count=32 2> /dev/null; dd if=/tmp/a of=${disk} bs=64k seek=${seekBlocks} conv=fsync 2> /dev/null; md5sum < /tmp/a`;
/** From the flash, not from the guest's memory. */
const sumOf = (disk: string, skipBlocks: number) =>
  `echo 3 > /proc/sys/vm/drop_caches; dd if=${disk} bs=64k skip=${skipBlocks} count=32 2> /dev/null | md5sum`;

/** Writes, reads back, compares, with pauses: a guest that never sleeps has no moment of rest. */
const checking = (disk: string) => `
i=0
until [ -e /tmp/stop ]; do
  i=$((i + 1))
  at=$((400 + i % 64))
  dd if=/dev/urandom of=/tmp/p bs=64k count=1
  dd if=/tmp/p of=${disk} bs=64k seek=$at conv=fsync
  usleep 20000
  echo 3 > /proc/sys/vm/drop_caches
  a=$(md5sum < /tmp/p)
  b=$(dd if=${disk} bs=64k skip=$at count=1 | md5sum)
  [ "$a" = "$b" ] || echo $i >> /tmp/bad
  echo $i > /tmp/count
  usleep 20000
done
: > /tmp/stopped
`;

/** Lines that come of the kernel's random numbers, each of them another one; the last of where it puts stacks. */
const DRAW = `
head -c 16 /dev/urandom | md5sum
head -c 16 /dev/random | md5sum
cat /proc/sys/kernel/random/uuid
for i in 1 2 3 4 5 6 7 8; do grep stack /proc/self/maps; done | md5sum
`;
/** A program that draws whenever it wakes, into a file that the host can read. */
const DRAWING = `
: > /host/drawn
while usleep 20000; do echo $(head -c 16 /dev/urandom | md5sum) >> /host/drawn; done < /dev/null > /dev/null 2>&1 &
`;

async function drawnBy({ lab }: Booted): Promise<string[]> {
  return Buffer.from(await lab.getFile('drawn'))
    .toString()
    .split('\n')
    .slice(0, -1);
}

/** Saves and switches off, and goes on in another lab. */
async function moveOn(guest: Booted, options: Parameters<typeof boot>[0], more: SaveOptions = {}) {
  const saved = await guest.lab.save({ timeoutMs: REST_MS, ...more, powerOff: true });
  expect(guest.lab.power).toBe('off');
  const { catalogue, diskId } = guest;
  return { saved, guest: await boot({ ...options, catalogue, diskId, resume: saved }) };
}

/** What the first shell answers to a typed line. */
async function typed(guest: Booted, line: string): Promise<string> {
  const before = guest.console().length;
  guest.lab.consoleSend(0, Buffer.from(`${line}\r`));
  const said = () => guest.console().slice(before);
  for (let i = 0; i < 200 && !/\n[^\n]*# /.test(said()); i++) await sleep(50);
  return said();
}

describe.each(kinds)('a saved lab with a disk of $name', ({ name, line, sizeMiB, disk }) => {
  const options = { line, sizeMiB };
  let guest: Booted;
  let saved: SavedLab;
  const sums: string[] = [];
  afterAll(() => guest?.off());

  beforeAll(async () => {
    guest = await boot(options);
    if (disk === '/dev/mydevice') await guest.run(createTarget(0, 3));
    sums.push(await guest.run(fill(disk, 0)));
    await guest.run('nvme get-log /dev/nvme0 -i 2 -l 512 > /dev/null');
    await typed(guest, 'cd /tmp; kept=still');
    await guest.lab.startGuestTrace(50);
    const startedMs = performance.now();
    saved = await guest.lab.save({ timeoutMs: REST_MS, powerOff: true });
    const savedMs = performance.now();
    const packed = await packLab(saved);
    const packedMs = performance.now();
    saved = await unpackLab(packed);
    const unpackedMs = performance.now();
    const { catalogue, diskId } = guest;
    const resumedMs = performance.now();
    guest = await boot({ ...options, catalogue, diskId, resume: saved });
    await guest.exec('true');
    const answeredMs = performance.now();
    const mib = (bytes: number) => (bytes / MIB).toFixed(1);
    console.log(
      `${name}: resume to answer ${(answeredMs - resumedMs).toFixed(0)} ms, save and off ${(savedMs - startedMs).toFixed(0)} ms, ` +
        `pack ${(packedMs - savedMs).toFixed(0)} ms, unpack ${(unpackedMs - packedMs).toFixed(0)} ms, ` +
        `${mib(saved.machine.bytes.length)} MiB, packed ${mib(packed.length)} MiB`,
    );
  });

  it('goes on without a boot', async () => {
    expect(guest.notices).toEqual([]);
    expect(guest.powers).toEqual(['loading', 'booting', 'running']);
    expect([...new Set(guest.boots.map(({ start }) => start))]).toEqual(['resume']);
    expect([...new Set(guest.boots.map(({ stage }) => stage))]).toEqual(['unpack', 'restore', 'ready']);
  });

  it('has the same shell, and the time of day', async () => {
    expect(await typed(guest, 'echo $kept in $PWD')).toMatch(/still in \/tmp/);
    const seconds = Number(await guest.run('date +%s'));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(2);
  });

  it('has its disk with what was written, and takes more', async () => {
    expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
    sums.push(await guest.run(fill(disk, 64)));
    expect(await guest.run(sumOf(disk, 64))).toBe(sums[1]);
    expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
    expect(await guest.run('nvme list')).toMatch(/\/dev\/nvme0n1/);
    const smart = await guest.run('nvme smart-log /dev/nvme0');
    expect(smart).toMatch(/power_cycles\s*: 1\n/);
    expect(smart).toMatch(/unsafe_shutdowns\s*: 0\n/);
  });

  it('has a quiet interrupt line, and tells what its kernel does', async () => {
    // What the other lab had asked for is over.
    await expect.poll(() => guest.run('ls /sys/kernel/tracing/instances')).toBe('');
    await guest.lab.startGuestTrace(50);
    expect(guest.lab.guestTrace?.isOn).toBe(true);
    await guest.lab.stopGuestTrace();
    const interrupts = async () =>
      Number(/^ *11: +(\d+)/m.exec(await guest.run('cat /proc/interrupts'))?.[1] ?? NaN);
    const before = await interrupts();
    await sleep(300);
    expect((await interrupts()) - before).toBeLessThan(100);
  });

  it('is refused when its disk was written to since, and the disk boots', async () => {
    const { catalogue, diskId } = guest;
    await guest.off();
    await expect(boot({ ...options, catalogue, diskId, resume: saved })).rejects.toMatchObject({
      code: 'resume',
      message: expect.stringMatching(/the disk is no longer as it was then/),
    });
    guest = await boot({ ...options, catalogue, diskId });
    if (disk === '/dev/mydevice') await guest.run(createTarget(0, 3));
    expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
    expect(await guest.run(sumOf(disk, 64))).toBe(sums[1]);
  });

  it.runIf(isLong || name === kinds[0]?.name)(
    `goes on ${CYCLES} times under a program that checks what it has written, and then resets its controller`,
    async () => {
      await guest.lab.putFile('check', Buffer.from(checking(disk)));
      await guest.run('rm -f /tmp/stop; (setsid sh /host/check) < /dev/null > /tmp/check.log 2>&1 &');
      const count = async () => Number(await guest.run('cat /tmp/count 2> /dev/null || echo 0'));
      const tookMs: number[] = [];
      const counts: number[] = [];
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        counts.push(await count());
        while ((await count()) === counts.at(-1)) await sleep(20);
        const startedMs = performance.now();
        ({ guest } = await moveOn(guest, options));
        tookMs.push(Math.round(performance.now() - startedMs));
        expect(guest.notices).toEqual([]);
      }
      console.log(
        `${name}: saved and resumed while writing in ${tookMs.join(', ')} ms, after ${counts.join(', ')} rounds`,
      );
      const last = await count();
      await expect.poll(count, { timeout: 20_000 }).toBeGreaterThan(last + 2);
      await guest.run(': > /tmp/stop; until [ -e /tmp/stopped ]; do usleep 100000; done');
      expect((await guest.exec('cat /tmp/bad')).status).not.toBe(0);
      expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
      if (disk === '/dev/mydevice') await guest.run('nvme lnvm remove -n mydevice');
      await guest.run('nvme reset /dev/nvme0');
      if (disk === '/dev/mydevice') await guest.run(createTarget(0, 3));
      expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
      expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
    },
  );

  it('is saved in the middle of writing at a moment of rest, or not at all', async () => {
    await guest.run(
      `rm -f /tmp/stop; (setsid sh -c 'until [ -e /tmp/stop ]; do dd if=/dev/urandom of=${disk} bs=64k count=16 seek=300 conv=fsync; done; : > /tmp/stopped') < /dev/null > /dev/null 2>&1 &`,
    );
    const outcome = await guest.lab.save({ timeoutMs: 1500 }).then(
      () => 'saved',
      (error: Error) => error.message,
    );
    console.log(`${name}: under dd: ${outcome}`);
    expect(outcome).toMatch(/^saved$|^The lab could not be saved: .* no moment of rest \(.+\); try again/);
    // It goes on, whatever came of it.
    await guest.run(': > /tmp/stop; until [ -e /tmp/stopped ]; do usleep 100000; done');
    expect(await guest.run(sumOf(disk, 0))).toBe(sums[0]);
  });
});

describe('a saved lab', () => {
  const options = { line: 'nvme,serial=plain', sizeMiB: 64 };
  const disk = '/dev/nvme0n1';
  let guest: Booted | undefined;
  afterEach(async () => {
    vi.restoreAllMocks();
    await guest?.off();
  });

  it.each(['writeback', 'unsafe'] as const)(
    'with %s has on its disk what was acknowledged',
    async (cache) => {
      const first = (guest = await boot({ ...options, cache }));
      const sum = await first.run(fill(disk, 0));
      // As a cache that is switched off stays off.
      if (cache === 'writeback') await first.run('nvme set-feature /dev/nvme0 -f 6 -v 0');
      let waiting: number | undefined;
      await first.lab.save({
        timeoutMs: REST_MS,
        whilePaused: () => {
          waiting = first.lab.device?.takeFrame().counters.pendingCommits;
        },
      });
      expect(waiting).toBe(0);
      // It went on; the newest state is another.
      const other = await first.run(fill(disk, 64));
      ({ guest } = await moveOn(first, { ...options, cache }));
      expect(guest.lab.cacheMode).toBe(cache);
      expect(await guest.run(sumOf(disk, 0))).toBe(sum);
      expect(await guest.run(sumOf(disk, 64))).toBe(other);
      const on = cache === 'writeback' ? 0 : 1;
      expect(await guest.run('nvme get-feature /dev/nvme0 -f 6')).toMatch(
        new RegExp(`value:(0x)?0*${on}\\b`),
      );
      expect(await guest.run(fill(disk, 128))).toMatch(/^[0-9a-f]{32}/);
    },
  );

  it('draws random numbers of its own each time it goes on, from the first one on', async () => {
    const first = (guest = await boot(options));
    const { catalogue, diskId } = first;
    // A shell that has the device open, and a program that was never told.
    await typed(first, 'exec 9< /dev/urandom');
    await first.run(DRAWING);
    await expect.poll(async () => (await drawnBy(first)).length).toBeGreaterThan(1);
    let before: string[] = [];
    const whilePaused = async () => {
      before = await drawnBy(first);
    };
    const saved = await first.lab.save({ timeoutMs: REST_MS, powerOff: true, whilePaused });
    const exec = vi.spyOn(ControlChannel.prototype, 'exec');
    const drawn: string[] = [];
    for (let i = 0; i < 3; i++) {
      exec.mockClear();
      const next = (guest = await boot({ ...options, catalogue, diskId, resume: saved }));
      // The agent sees to it when it is met: nothing runs for that.
      expect(exec).not.toHaveBeenCalled();
      drawn.push(...(await next.run(DRAW)).trimEnd().split('\n'));
      drawn.push(await typed(next, 'head -c 16 <&9 | md5sum'));
      await expect.poll(async () => (await drawnBy(next)).length).toBeGreaterThan(before.length + 1);
      const lines = await drawnBy(next);
      expect(lines.slice(0, before.length)).toEqual(before);
      drawn.push(...lines.slice(before.length, before.length + 2));
      await next.off();
    }
    expect(drawn).toHaveLength(3 * 7);
    expect([...new Set(drawn)]).toEqual(drawn);
  });

  it('with an agent of version 1 is given random numbers by a program, in silence', async () => {
    const { receive } = ControlChannel.prototype;
    vi.spyOn(ControlChannel.prototype, 'receive').mockImplementation(function (this: ControlChannel, bytes) {
      const [HELLO, typeAt, versionAt] = [0x83, 4, 16];
      const isHello = bytes[typeAt] === HELLO;
      receive.call(this, isHello ? bytes.map((byte, at) => (at === versionAt ? 1 : byte)) : bytes);
    });
    const exec = vi.spyOn(ControlChannel.prototype, 'exec');
    const first = (guest = await boot(options));
    exec.mockClear();
    ({ guest } = await moveOn(first, options));
    expect(exec).toHaveBeenCalledOnce();
    expect(await exec.mock.results[0]?.value).toEqual({ status: 0, output: '' });
    expect(await guest.run('ls -A /tmp')).toBe('');
    expect(await guest.run('dmesg')).not.toMatch(/reseed/);
  });

  it('goes on as often as one likes while nobody writes', async () => {
    guest = await boot({ ...options, diskVersion: () => 'one' });
    const { catalogue, diskId } = guest;
    const saved = await guest.lab.save({ timeoutMs: REST_MS, powerOff: true });
    expect(saved.diskVersion).toBe('one');
    const again = { ...options, catalogue, diskId, resume: saved };
    for (let i = 0; i < 2; i++) {
      guest = await boot({ ...again, diskVersion: () => 'one' });
      expect(await guest.run('nvme list')).toContain(disk);
      await guest.off();
    }

    const refused = async (other: object) =>
      boot({ ...again, ...other }).then(
        () => 'resumed',
        ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
      );
    expect(await refused({ diskVersion: () => 'two' })).toMatch(/^resume: .*no longer as it was/);
    expect(await refused({ memoryMiB: 96 })).toMatch(/^resume: .*128 MiB of memory, and 96/);
    expect(await refused({ cache: 'writeback' })).toMatch(/^resume: .*cache mode/);
    const [nvme] = saved.machine.functions ?? [];
    const functions = [{ ...nvme, state: { ...(nvme?.state as object), pageBytes: 5 } }];
    expect(await refused({ resume: { ...saved, machine: { ...saved.machine, functions } } })).toBe(
      'resume: The saved lab cannot go on: pageBytes of the controller is impossible; power on without it, and the guest boots.',
    );
    const bytes = saved.machine.bytes.slice(0, -4);
    expect(await refused({ resume: { ...saved, machine: { ...saved.machine, bytes } } })).toMatch(
      /^resume: /,
    );
    // Nothing of that has changed anything.
    guest = await boot({ ...again, diskVersion: () => 'one' });
    // A reset boots.
    guest.boots.length = 0;
    await guest.lab.reset();
    await guest.lab.whenReady();
    expect(guest.boots.every(({ start }) => start === 'instant')).toBe(true);
  });

  it('is not made of a lab that is off', async () => {
    guest = await boot(options);
    await guest.off();
    await expect(guest.lab.save()).rejects.toThrow('The machine is off; power it on first.');
    await expect(guest.lab.save({ timeoutMs: NaN })).rejects.toThrow(/number of milliseconds/);
  });

  it('does not keep a reader waiting who cuts the power while it is read', async () => {
    guest = await boot(options);
    await guest.off();
    const { lab, catalogue, diskId } = guest;
    const resume = new Promise<SavedLab>(() => {});
    const going = lab.powerOn({ catalogue, diskId, memoryMiB: 128, cmdline: '', resume });
    const refused = expect(going).rejects.toThrow(/The power was cut while/);
    await vi.waitFor(() => expect(lab.power).toBe('loading'));
    await lab.powerCut();
    await refused;
    expect(lab.power).toBe('off');
    // The disk is free, and a reset is one of the machine before.
    await lab.reset();
    await lab.whenReady();
  });
});
