import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBootStates, readBootStateList } from '../src/headless/boot-states.ts';
import { guestFolder, nodeEnvironment } from '../src/headless/node-environment.ts';
import { BOOT_STATES, loadBootState, loadBootStateList, unpackBootState } from '../src/lab/boot-state.ts';
import type { LabEnvironment } from '../src/lab/lab.ts';
import { presets } from '../src/lab/presets.ts';
import { boot, type Booted, createTarget, kernelComplaints, line12 } from './boot.ts';
import { isLong } from './long.ts';

/** Seconds that the guest's clock may be off. */
const CLOCK_SEC = 2;
const MIB = 2 ** 20;

const preset = (id: string) => {
  const found = presets.find((p) => p.id === id);
  if (!found) throw new Error(`There is no preset ${id}.`);
  return { line: found.line, sizeMiB: found.sizeBytes / MIB };
};

interface Geometry {
  readonly name: string;
  readonly line: string;
  readonly sizeMiB: number;
  /** Disks that nvme lists. */
  readonly disks: number;
  /** A pblk target can be made over LUNs 0 to 3. */
  readonly pblk: boolean;
}

const geometries: readonly Geometry[] = [
  {
    name: '1.2, four LUNs',
    line: line12('lnum_lun=4,lnum_pln=2,lsecs_per_pg=4,lpgs_per_blk=64'),
    sizeMiB: 513,
    disks: 1,
    pblk: true,
  },
  { name: '1.2, two channels', ...preset('channels'), disks: 1, pblk: true },
  { name: '2.0', ...preset('chunks-image'), disks: 1, pblk: true },
  { name: 'plain', line: 'nvme,serial=plain', sizeMiB: 64, disks: 1, pblk: false },
  {
    name: 'plain, two namespaces',
    line: 'nvme,serial=two,namespaces=2',
    sizeMiB: 128,
    disks: 2,
    pblk: false,
  },
];

/** What each restored guest drew first. */
const drawn = new Set<string>();

describe.each(geometries)('the one saved guest, on a disk of $name', ({ line, sizeMiB, disks, pblk }) => {
  let guest: Booted;
  beforeAll(async () => {
    guest = await boot({ line, sizeMiB });
  });
  afterAll(() => guest?.off());

  it('goes on without a boot', async () => {
    expect(guest.notices).toEqual([]);
    expect(guest.powers).toEqual(['loading', 'booting', 'running']);
    expect(guest.boots.every(({ start }) => start === 'instant')).toBe(true);
    const stages = [...new Set(guest.boots.map(({ stage }) => stage))];
    expect(stages).toEqual(['fetch', 'unpack', 'restore', 'disk', 'ready']);
  });

  it('draws random numbers of its own', async () => {
    const bytes = await guest.run('head -c 32 /dev/urandom | md5sum; cat /proc/sys/kernel/random/uuid');
    expect(bytes).toMatch(/^[0-9a-f]{32}/);
    expect(drawn).not.toContain(bytes);
    drawn.add(bytes);
  });

  it('knows the time', async () => {
    const seconds = Number(await guest.run('date +%s'));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(CLOCK_SEC);
    // The hardware's clock too, for who reads it.
    const rtc = Number(await guest.run('cat /sys/class/rtc/rtc0/since_epoch'));
    expect(Math.abs(rtc - Date.now() / 1000)).toBeLessThan(CLOCK_SEC);
  });

  it('shows the lines on its disk, and then the prompt', async () => {
    await expect.poll(() => guest.console()).toMatch(/ocssd:~# /);
    const text = guest.console();
    expect(text).toMatch(/nvme nvme0: pci function 0000:00:08\.0/);
    expect(text.indexOf('nvme nvme0')).toBeLessThan(text.indexOf('Linux with LightNVM'));
    // Nothing of the machine that was saved: one prompt, one greeting.
    expect(text.match(/ocssd:~# /g)).toHaveLength(1);
    const dmesg = await guest.run('dmesg');
    expect(dmesg).toMatch(/Linux version 5\.10/);
    expect(dmesg).toMatch(/nvme nvme0: pci function/);
  });

  it('has its disk, which keeps what is written', async () => {
    const list = await guest.run('nvme list');
    expect(list.match(/\/dev\/nvme0n\d/g)).toHaveLength(disks);
    if (pblk) await guest.run(createTarget(0, 3));
    const disk = pblk ? '/dev/mydevice' : `/dev/nvme0n${disks}`;
    await guest.run(
      `dd if=/dev/urandom of=/tmp/a bs=256k count=8 && dd if=/tmp/a of=${disk} bs=64k conv=fsync && echo 3 > /proc/sys/vm/drop_caches`,
    );
    expect(await guest.run(`dd if=${disk} bs=64k count=32 2> /dev/null | cmp - /tmp/a && echo same`)).toBe(
      'same\n',
    );
    if (pblk) await guest.run('nvme lnvm remove -n mydevice');
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });

  it('has a second terminal, files, and an interrupt line that is quiet when nothing is to do', async () => {
    guest.lab.consoleSend(1, Buffer.from('tty > /host/tty; stty size >> /host/tty\r'));
    guest.lab.consoleResize(1, 101, 33);
    await guest.lab.putFile('in', Buffer.from('from the host'));
    expect(await guest.run('cat /host/in')).toBe('from the host');
    await expect
      .poll(() => guest.lab.listFiles())
      .toContainEqual({ name: 'tty', sizeBytes: expect.any(Number) });
    await expect
      .poll(async () => new TextDecoder().decode(await guest.lab.getFile('tty')))
      .toMatch(/^\/dev\/ttyS1\n/);
    const interrupts = async () =>
      Number(/^ *11: +(\d+)/m.exec(await guest.run('cat /proc/interrupts'))?.[1] ?? NaN);
    const before = await interrupts();
    await sleep(300);
    // The channel that asks has this line too.
    expect((await interrupts()) - before).toBeLessThan(100);
  });
});

describe('a restored guest', () => {
  let guest: Booted;
  afterEach(() => guest.off());

  it('is reset and shuts itself down as any other', async () => {
    guest = await boot({ line: 'nvme,serial=life', sizeMiB: 64 });
    await guest.run(
      'dd if=/dev/zero of=/dev/nvme0n1 bs=4k count=1 conv=fsync; echo kept | dd of=/dev/nvme0n1 conv=fsync',
    );
    await guest.lab.reset();
    await guest.lab.whenReady();
    expect(await guest.run('head -c 4 /dev/nvme0n1')).toBe('kept');
    // A reboot that it asks for itself.
    guest.powers.length = 0;
    guest.exec('reboot').catch(() => {});
    await expect.poll(() => guest.powers, { timeout: 60_000 }).toContain('running');
    await guest.lab.powerOff(60_000);
    expect(guest.powers.slice(-2)).toEqual(['halted', 'off']);
    expect(guest.notices).toEqual([]);
  });

  it('gets what was typed while it was on its way, below its greeting', async () => {
    guest = await boot({ line: 'nvme,serial=early', sizeMiB: 64 });
    await guest.lab.powerCut();
    const from = guest.console().length;
    const on = guest.lab.powerOn({ ...guest.power, cold: false });
    await expect.poll(() => guest.lab.power, { interval: 1 }).toBe('loading');
    guest.lab.consoleSend(0, Buffer.from('echo typed-$((40 + 2))\r'));
    await on;
    const said = () => guest.console().slice(from);
    await expect.poll(said).toContain('typed-42');
    expect(said()).toMatch(/Linux with LightNVM[\s\S]*ocssd:~# .*echo typed-\$\(\(40 \+ 2\)\)\r\n/);
  });

  it('has the agent that tells what its kernel does', async () => {
    guest = await boot({ line: 'nvme,serial=watch', sizeMiB: 64 });
    await guest.lab.startGuestTrace(50);
    expect(guest.lab.guestTrace?.isOn).toBe(true);
    await guest.lab.stopGuestTrace();
  });
});

describe('a start that has to be cold', () => {
  const line = 'nvme,serial=cold';
  let guest: Booted | undefined;
  afterEach(() => guest?.off());
  const starts = () => [...new Set(guest?.boots.map(({ start }) => start))];

  /** The usual files, one of them changed on the way. */
  async function changed(change: (name: string, bytes: Uint8Array) => Uint8Array): Promise<LabEnvironment> {
    const states = await ensureBootStates();
    const source = {
      read: async (name: string) => new Uint8Array(change(name, await readFile(join(states, name)))),
    };
    return {
      ...nodeEnvironment(guestFolder),
      savedGuest: async (memoryMiB, onProgress) => {
        const packed = await loadBootState(source, await loadBootStateList(source), memoryMiB, onProgress);
        return packed && unpackBootState(packed);
      },
    };
  }

  // What else can be wrong with the files is in src/lab/boot-state.test.ts.
  it('because the state is damaged', async () => {
    const environment = await changed((name, bytes) =>
      name === BOOT_STATES ? bytes : bytes.subarray(0, bytes.length >> 1),
    );
    guest = await boot({ line, sizeMiB: 64, environment });
    expect(starts().at(-1)).toBe('cold');
    expect(guest.notices).toHaveLength(1);
    expect(guest.notices[0]).toMatchObject({ level: 'warning', code: 'instant' });
    expect(guest.notices[0]?.text).toMatch(/is damaged \(\d+ bytes instead of \d+\).*boots instead/);
    expect(await guest.run('nvme list')).toContain('/dev/nvme0n1');
  });

  it.skipIf(!isLong)('because a state that unpacks well is not one', async () => {
    const states = await ensureBootStates();
    const [entry] = readBootStateList(states).states;
    if (!entry) throw new Error('no state');
    const environment: LabEnvironment = {
      ...nodeEnvironment(guestFolder),
      savedGuest: async () => ({
        consoles: entry.consoles,
        machine: {
          version: entry.version,
          savedAtMs: entry.savedAtMs,
          memoryBytes: 128 * MIB,
          bytes: new Uint8Array(5000).fill(7),
        },
      }),
    };
    guest = await boot({ line, sizeMiB: 64, environment });
    expect(starts().at(-1)).toBe('cold');
    expect(guest.notices.map(({ code }) => code)).toEqual(['instant']);
    expect(await guest.run('nvme list')).toContain('/dev/nvme0n1');
  });

  it('because one asks for it', async () => {
    guest = await boot({ line, sizeMiB: 64, cold: true });
    expect(starts()).toEqual(['cold']);
    expect(guest.notices).toEqual([]);
  });

  it.skipIf(!isLong)('because one asks for another RAM size', async () => {
    guest = await boot({ line, sizeMiB: 64, memoryMiB: 96 });
    expect(starts().at(-1)).toBe('cold');
    expect(guest.notices).toEqual([]);
  });
});
