/** The guest's agent `watchd` and the host's end of its channel, on a real kernel. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { GuestEvent } from '../src/trace/guest-event.ts';
import { type Booted, boot, createTarget, kernelComplaints, line12 } from './boot.ts';

const line = line12('lnum_lun=4,lnum_pln=2,lsec_size=4096,lsecs_per_pg=4,lpgs_per_blk=64');
const TRACING = '/sys/kernel/tracing';
const MIB = 2 ** 20;

let guest: Booted;
let events: GuestEvent[] = [];

const settle = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
type Kind = GuestEvent['kind'];
function of<K extends Kind>(kind: K): Extract<GuestEvent, { kind: K }>[] {
  return events.filter((event): event is Extract<GuestEvent, { kind: K }> => event.kind === kind);
}
function listen(onevents: (batch: readonly GuestEvent[]) => void): void {
  if (guest.lab.guestTrace) guest.lab.guestTrace.onevents = onevents;
}
/** What the user's own instance shows: events, clock, switch, filters of the block events, and what was recorded. */
const userInstance = () =>
  guest.run(
    `cd ${TRACING}; cat set_event trace_clock tracing_on current_tracer events/block/*/filter events/enable; grep -v '^#' trace || true`,
  );

beforeAll(async () => {
  guest = await boot({ line, sizeMiB: 512 });
  listen((batch) => void events.push(...batch));
});
afterAll(() => guest.off());

describe('the trace of the guest', () => {
  let before = '';

  it('costs nothing before it is started', async () => {
    before = await userInstance();
    // Agents start one after the other, and this one second.
    await vi.waitUntil(() => guest.lab.guestTrace?.available, 10_000);
    expect((await guest.run(`ls ${TRACING}/instances`)).trim()).toBe('');
    expect(events).toEqual([]);
  });

  it('names who wrote, and its sectors add up to what was written', async () => {
    await guest.lab.startGuestTrace(200);
    expect(of('sample').length).toBe(1);
    expect(of('sample')[0]?.mounts).toContain('/sys/kernel/tracing');
    expect(of('process').find(({ pid }) => pid === 1)?.comm).toBe('busybox');
    expect(of('process').some(({ comm }) => comm === 'watchd')).toBe(true);
    await guest.run(createTarget(0, 3));
    await settle(700);
    expect(of('pblk').map(({ disk, state }) => `${disk} ${state}`)).toEqual(['mydevice RUNNING']);
    // The device knows the states of its chunks.
    expect(of('chunk')).toEqual([]);
    expect(
      of('sample')
        .at(-1)
        ?.targets.map(({ disk }) => disk),
    ).toEqual(['mydevice']);

    events = [];
    const fromMs = performance.now();
    await guest.run('dd if=/dev/zero of=/dev/mydevice bs=64k count=64 conv=fsync');
    const toMs = performance.now();
    await settle(900);
    const dev = of('sample').at(-1)?.targets[0];
    const mine = of('bio').filter(({ dev: { major, minor } }) => major === dev?.major && minor === dev.minor);
    const written = mine.filter(({ rwbs }) => rwbs.includes('W'));
    expect(new Set(written.map(({ comm }) => comm))).toEqual(new Set(['dd']));
    expect(sum(written.map(({ sectors }) => sectors)) * 512).toBe(4 * MIB);
    const [pid] = new Set(written.map((bio) => bio.pid));
    expect(of('process').some((p) => p.pid === pid && p.comm === 'dd' && p.file !== undefined)).toBe(true);
    const dirty = of('dirty').filter(({ bdi }) => bdi === `${dev?.major}:${dev?.minor}`);
    expect(dirty.map(({ index }) => index)).toEqual(Array.from({ length: 1024 }, (_, page) => page));
    expect(new Set(dirty.map(({ comm }) => comm))).toEqual(new Set(['dd']));
    // Half a millisecond for a clock that is read beside another, and no more.
    for (const { atMs } of [...written, ...dirty]) {
      expect(atMs).toBeGreaterThan(fromMs - 0.5);
      expect(atMs).toBeLessThan(toMs + 0.5);
    }
    expect(of('lost')).toEqual([]);
  });

  it('sees direct writes, lines, and what pblk says of itself', async () => {
    events = [];
    const fromMs = performance.now();
    await guest.run(
      'fio --name=w --filename=/dev/mydevice --rw=write --bs=64k --size=16M --direct=1 --ioengine=psync --minimal',
    );
    const toMs = performance.now();
    await settle(900);
    const written = of('bio').filter(({ rwbs }) => rwbs.includes('W'));
    expect(new Set(written.map(({ comm }) => comm))).toEqual(new Set(['fio']));
    expect(written.every(({ sectors }) => sectors === 128)).toBe(true);
    expect(sum(written.map(({ sectors }) => sectors)) * 512).toBe(16 * MIB);
    expect(written[0]?.sector).toBe(0);
    for (const { atMs } of written) {
      expect(atMs).toBeGreaterThan(fromMs - 0.5);
      expect(atMs).toBeLessThan(toMs + 0.5);
    }
    const times = events.filter(({ kind }) => kind === 'bio' || kind === 'line').map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const states = new Set(of('line').map(({ state }) => state));
    expect(states).toContain('OPEN');
    expect(states).toContain('CLOSED');
    expect(of('line').every(({ disk }) => disk === 'mydevice')).toBe(true);
    const files = of('sample').at(-1)?.targets[0]?.files ?? {};
    expect(Object.keys(files).sort()).toEqual(
      [
        'errors',
        'gc_state',
        'lines',
        'lines_info',
        'max_sec_per_write',
        'padding_dist',
        'ppa_format',
        'rate_limiter',
        'stats',
        'write_amp_mileage',
        'write_buffer',
      ].sort(),
    );
    expect(files['write_amp_mileage']).toContain(`user:${(20 * MIB) / 4096} `);
    expect(await guest.run('cat /sys/block/mydevice/pblk/lines')).toBe(files['lines']);
    expect(of('lost')).toEqual([]);
  });

  it('says where the blocks of a file are, in ext4 and in f2fs', async () => {
    events = [];
    await guest.run('mkfs.ext4 -q -b 4096 /dev/mydevice && mount /dev/mydevice /mnt');
    await settle(300);
    await guest.run('dd if=/dev/urandom of=/mnt/file bs=64k count=10 conv=fsync');
    await settle(700);
    expect(of('sample').some(({ mounts }) => mounts?.includes('/mnt'))).toBe(true);
    const ino = Number(await guest.run('stat -c %i /mnt/file'));
    const extents = of('extent').filter((extent) => extent.ino === ino);
    const blocks = new Map(
      extents.flatMap(({ lblk, len, pblk }) =>
        Array.from({ length: len }, (_, i) => [lblk + i, pblk + i] as const),
      ),
    );
    expect([...blocks.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 160 }, (_, i) => i));
    // Each of them was written by a bio.
    const covered = (block: number) =>
      of('bio').some(({ sector, sectors }) => sector <= block * 8 && block * 8 + 8 <= sector + sectors);
    expect([...blocks.values()].every(covered)).toBe(true);
    expect(of('dirty').filter((page) => page.ino === ino && page.comm === 'dd').length).toBe(160);
    await guest.run('umount /mnt');

    events = [];
    await guest.run('mkfs.f2fs -q -f /dev/mydevice && mount -t f2fs /dev/mydevice /mnt');
    await guest.run('dd if=/dev/urandom of=/mnt/file bs=64k count=10 conv=fsync');
    await settle(700);
    const node = Number(await guest.run('stat -c %i /mnt/file'));
    const pages = of('filePage').filter((page) => page.ino === node);
    expect(pages.map(({ index }) => index).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 160 }, (_, i) => i),
    );
    expect(pages.every(({ blkaddr, comm }) => covered(blkaddr) && comm === 'dd')).toBe(true);
    await guest.run('umount /mnt');
    expect(of('lost')).toEqual([]);
  });

  it('sleeps while nothing happens', async () => {
    const switches = async () => {
      const status = await guest.run('cat /proc/$(pidof watchd)/status');
      return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
    };
    await settle(1500);
    const first = await switches();
    await settle(6000);
    const second = await switches();
    // The looks are a few processes, which it wakes up for. Samples alone would be thirty.
    expect(second - first).toBeLessThan(20);
  });

  // More happens than the buffer has room for.
  const whileAgentIsStill = () =>
    guest.run(
      'kill -STOP $(pidof watchd); dd if=/dev/zero of=/dev/mydevice bs=64k count=1000 conv=fsync; kill -CONT $(pidof watchd)',
    );

  it('needs no agent for events: the kernel tells them itself, and loses none', async () => {
    events = [];
    await whileAgentIsStill();
    // One event a dirty page, and all of them before the command was over.
    expect(of('dirty').filter(({ comm }) => comm === 'dd').length).toBe(16_000);
    expect(sum(of('bio').map(({ sectors }) => sectors))).toBeGreaterThanOrEqual(16_000 * 8);
    await settle(1500);
    expect(of('lost')).toEqual([]);
  });

  it("says what it lost, with another kernel's way: the agent fetches events", async () => {
    await guest.run(`echo 0 > ${TRACING}/instances/lab/tell_host`);
    events = [];
    await whileAgentIsStill();
    await settle(1500);
    const told = events.filter(({ kind }) => kind !== 'lost' && kind !== 'sample').length;
    const lost = sum(of('lost').map((event) => event.events));
    expect(lost).toBeGreaterThan(0);
    // One event a dirty page, one a bio of a page.
    expect(told + lost).toBeGreaterThanOrEqual(2 * 16_000);
  });

  it('comes back when it was killed, and goes on', async () => {
    events = [];
    await guest.run('kill -9 $(pidof watchd)');
    await settle(4000);
    expect(of('lost').length).toBe(1);
    expect(guest.lab.guestTrace?.isOn).toBe(true);
    await guest.run('dd if=/dev/zero of=/dev/mydevice bs=4k count=1 conv=fsync');
    await settle(500);
    expect(of('bio').filter(({ comm }) => comm === 'dd').length).toBeGreaterThan(0);
  });

  it('leaves nothing behind, and what the user has in tracefs alone', async () => {
    expect(await userInstance()).toBe(before);
    await guest.run(`echo 1 > ${TRACING}/events/pblk/pblk_line_state/enable`);
    await guest.run(`cd ${TRACING}; ls instances | grep -x lab`);
    await guest.lab.stopGuestTrace();
    expect(guest.lab.guestTrace?.isOn).toBe(false);
    expect((await guest.run(`ls ${TRACING}/instances`)).trim()).toBe('');
    expect((await guest.run(`cat ${TRACING}/set_event`)).trim()).toBe('pblk:pblk_line_state');
    await guest.run(`echo 0 > ${TRACING}/events/pblk/pblk_line_state/enable`);
    events = [];
    await guest.run('dd if=/dev/zero of=/dev/mydevice bs=64k count=8 conv=fsync');
    await settle(700);
    expect(events).toEqual([]);
    expect(kernelComplaints(await guest.run('dmesg'))).toEqual([]);
  });
});

it('is wanted across a power cycle', async () => {
  await guest.lab.startGuestTrace(500);
  await guest.powerCycle();
  await vi.waitUntil(() => guest.lab.guestTrace?.isOn, 20_000);
  await guest.lab.stopGuestTrace();
  await guest.powerCycle();
  await vi.waitUntil(() => guest.lab.guestTrace?.available, 20_000);
  expect(guest.lab.guestTrace?.isOn).toBe(false);
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
