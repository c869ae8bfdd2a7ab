import { describe, expect, it } from 'vitest';
import { Causes } from './causes.ts';
import { CellKind, CellOwner } from './cells.ts';
import type { GuestEvent } from './guest-event.ts';
import { OWNER_MASK } from './known-flash.ts';
import { TraceModel } from './model.ts';
import { LineWriter, SHAPE } from './test-line.ts';

const DEV = { major: 252, minor: 0 };

function bench() {
  const model = new TraceModel(SHAPE);
  const pblk = new LineWriter(model, model);
  const guest = (event: Record<string, unknown>) =>
    model.guest({ atMs: pblk.timeUs / 1000, ...event } as unknown as GuestEvent);
  pblk.open(0);
  guest({ kind: 'sample', targets: [{ disk: 'mydevice', ...DEV, files: {} }] });
  const bio = (comm: string, lba: number, blocks: number, rest: Record<string, unknown> = {}) =>
    guest({
      kind: 'bio',
      pid: 100 + comm.length,
      comm,
      dev: DEV,
      sector: lba * 8,
      sectors: blocks * 8,
      rwbs: 'WS',
      ...rest,
    });
  const causeOf = (lba: number) => {
    const place = model.find(pblk.target, lba);
    const cells = place && model.cellsOf(place.block);
    if (!place || !cells) return undefined;
    return {
      owner: (cells.owner[place.sec] ?? 0) & OWNER_MASK,
      comm: model.causes.processes[cells.process[place.sec] ?? 0]?.comm,
    };
  };
  return { model, pblk, guest, bio, causeOf };
}

/** Fills line 0 with blocks 0 to 23, and has block 0 collected to line 1. */
function collect(pblk: LineWriter): void {
  for (let unit = 0; unit < 6; unit++) pblk.write([0, 1, 2, 3].map((lba) => lba + 4 * unit));
  pblk.close();
  pblk.open(1);
  pblk.read(0, 28);
  pblk.read(0, 4);
  pblk.write([0, null, null, null], true);
}

describe('which disk is which target', () => {
  /** Two targets that write the same lines at the same pace. */
  function two() {
    const targets = ['first', 'second'].map((uuid) => ({
      ...{ uuid, disk: '', live: true },
      lines: [] as { openedUs: number }[],
    }));
    const model = { targets, nowUs: 0 };
    const causes = new Causes(model as unknown as TraceModel);
    let atMs = 1000;
    return {
      disks: () => targets.map(({ disk }) => disk),
      passMs: (ms: number) => void (atMs += ms),
      opens: (disk: string, line: number) =>
        causes.guest({ kind: 'line', disk, line, state: 'OPEN', atMs: (atMs += 0.01) }),
      head: (target: 0 | 1, line: number) => {
        atMs += 5;
        model.nowUs = atMs * 1000;
        const lines = targets[target]?.lines;
        if (lines) lines[line] = { openedUs: model.nowUs };
      },
      sample: (...disks: string[]) =>
        causes.guest({
          kind: 'sample',
          atMs,
          targets: disks.map((disk, minor) => ({ disk, major: 259, minor, files: {} })),
        }),
    };
  }

  it('is told by the line that a disk opens when the line before is on the wire', () => {
    const { disks, opens, head, sample } = two();
    for (const [disk, target] of [
      ['one', 0],
      ['two', 1],
    ] as const) {
      opens(disk, 0);
      // Of a look at sysfs before the disk was there.
      sample('other');
      head(target, 0);
      opens(disk, 1);
    }
    sample('one', 'two');
    expect(disks()).toEqual(['one', 'two']);
  });

  it('is not guessed from a line that both open, one just before the other', () => {
    const { disks, opens, head, sample, passMs } = two();
    head(0, 3);
    head(1, 3);
    passMs(3000);
    sample('one', 'two');
    // The agent begins here: the first disk has opened line 4 already.
    opens('two', 4);
    head(0, 4);
    sample('one', 'two');
    expect(disks()).toEqual(['', '']);
    opens('one', 5);
    head(1, 4);
    opens('two', 5);
    expect(disks()).toEqual(['', '']);
    head(0, 5);
    opens('one', 6);
    expect(disks()).toEqual(['one', '']);
    head(1, 5);
    opens('two', 6);
    expect(disks()).toEqual(['one', 'two']);
  });

  it('is forgotten with the disk', () => {
    const { disks, opens, head, sample, passMs } = two();
    opens('one', 0);
    head(0, 0);
    opens('one', 1);
    sample('one', 'other');
    sample('other');
    expect(disks()).toEqual(['one', '']);
    // Another one of that name.
    passMs(10);
    opens('one', 0);
    head(1, 0);
    opens('one', 1);
    expect(disks()).toEqual(['one', 'one']);
  });
});

describe('who caused a sector', () => {
  it('is who queued the block, whether that is heard of before or after', () => {
    const { pblk, bio, causeOf } = bench();
    bio('early', 10, 2);
    pblk.write([10, 11, 12, 13]);
    bio('late', 12, 2, { atMs: pblk.timeUs / 1000 - 0.5 });
    for (const [lba, comm] of [
      [10, 'early'],
      [11, 'early'],
      [12, 'late'],
      [13, 'late'],
    ] as const)
      expect(causeOf(lba)).toEqual({ owner: CellOwner.user, comm });
  });

  it('is matched in order when a block is written twice', () => {
    const { pblk, bio, causeOf } = bench();
    const atMs = pblk.timeUs / 1000;
    pblk.write([1, null, null, null]);
    pblk.write([1, null, null, null]);
    bio('first', 1, 1, { atMs });
    expect(causeOf(1)).toEqual({ owner: CellOwner.user, comm: '' });
    bio('second', 1, 1, { atMs: atMs + 0.5 });
    expect(causeOf(1)).toEqual({ owner: CellOwner.user, comm: 'second' });
  });

  it('is who made the page dirty, not who wrote it back', () => {
    const { pblk, guest, bio, causeOf } = bench();
    guest({ kind: 'dirty', pid: 7, comm: 'author', bdi: '252:0', ino: 0, index: 20 });
    guest({ kind: 'dirty', pid: 8, comm: 'editor', bdi: '252:0', ino: 99, index: 3 });
    guest({ kind: 'extent', dev: DEV, ino: 99, lblk: 0, len: 8, pblk: 40 });
    bio('kworker', 20, 1);
    bio('kworker', 43, 1);
    bio('kworker', 44, 1);
    pblk.write([20, 43, 44, null]);
    expect([20, 43, 44].map((lba) => causeOf(lba)?.comm)).toEqual(['author', 'editor', 'kworker']);
  });

  it('waits until it is known which disk is which target', () => {
    const { model, pblk, guest, bio, causeOf } = bench();
    bio('other', 5, 1, { dev: { major: 252, minor: 16 } });
    pblk.write([5, null, null, null]);
    expect(causeOf(5)).toEqual({ owner: CellOwner.user, comm: '' });
    guest({ kind: 'line', disk: 'second', line: 0, state: 'OPEN', atMs: 2 });
    guest({
      kind: 'sample',
      targets: [
        { disk: 'first', ...DEV, files: {} },
        { disk: 'second', major: 252, minor: 16, files: {} },
      ],
    });
    // The one target here is taken by the first disk: the second's blocks are nobody's.
    expect(causeOf(5)).toEqual({ owner: CellOwner.user, comm: '' });
    expect(model.targets[0]?.disk).toBe('mydevice');
  });

  it('knows a disk by a line that it opens, also where the kernel tells of it before it is on the wire', () => {
    const model = new TraceModel(SHAPE);
    const pblk = new LineWriter(model, model);
    const guest = (event: Record<string, unknown>) =>
      model.guest({ atMs: pblk.timeUs / 1000, ...event } as unknown as GuestEvent);
    guest({ kind: 'line', disk: 'mine', line: 0, state: 'OPEN' });
    pblk.open(0);
    const targets = ['other', 'mine'].map((disk, minor) => ({ disk, major: 252, minor, files: {} }));
    guest({ kind: 'sample', targets });
    expect(model.targets.map(({ disk }) => disk)).toEqual(['mine']);
  });

  it('stays with the data when it is collected', () => {
    const { model, pblk, bio, causeOf } = bench();
    bio('owner', 0, 24);
    collect(pblk);
    expect(causeOf(0)).toEqual({ owner: CellOwner.gc, comm: 'owner' });
    expect(model.targets[0]?.gcSecs).toBe(1);
  });

  it('reaches the copies too when it is heard of after the collection', () => {
    const { model, pblk, bio, causeOf } = bench();
    bio('other', 1, 23);
    const atMs = pblk.timeUs / 1000;
    collect(pblk);
    expect(causeOf(0)).toEqual({ owner: CellOwner.gc, comm: '' });
    const then = model.snapshot();
    bio('owner', 0, 1, { atMs });
    expect(causeOf(0)).toEqual({ owner: CellOwner.gc, comm: 'owner' });
    expect(then.causes.processes.some(({ comm }) => comm === 'owner')).toBe(false);
  });

  it('a discard makes what was written before it stale, and what was still in the buffer too', () => {
    const { model, pblk, bio } = bench();
    bio('w', 1, 3);
    pblk.write([1, 2, null, null]);
    bio('w', 1, 3, { rwbs: 'D', atMs: pblk.timeUs / 1000 });
    expect([1, 2].map((lba) => model.find(pblk.target, lba))).toEqual([undefined, undefined]);
    expect(model.kindOf(1, 0)).toBe(CellKind.stale);
    pblk.write([3, 4, null, null]);
    expect(model.find(pblk.target, 3)).toBeUndefined();
    expect(model.find(pblk.target, 4)).toBeDefined();
  });

  it('lost events are counted, and hostile ones change nothing', () => {
    const { model, pblk, guest, bio } = bench();
    guest({ kind: 'lost', events: 12 });
    expect(model.causes.lostEvents).toBe(12);
    bio('x', -5, 3);
    bio('x', 1e9, 1);
    guest({ kind: 'extent', dev: DEV, ino: -1, lblk: -3, len: 1e9, pblk: -7 });
    for (let i = 0; i < 300; i++) guest({ kind: 'dirty', pid: i, comm: '\u0000', bdi: '', ino: i, index: i });
    pblk.write([1, 2, 3, 4]);
    expect(model.find(pblk.target, 1)).toBeDefined();
  });

  it('an agent that says no more is not waited for, and is heard again when it speaks', () => {
    const { model, pblk, bio, causeOf } = bench();
    bio('one', 1, 1);
    expect(model.causes.isActive).toBe(true);
    for (let i = 0; i <= 1 << 17; i++) model.causes.wrote(pblk.target, 100 + (i % 4096), 1, 0, false);
    expect(model.causes.isActive).toBe(false);
    bio('two', 5, 1);
    expect(model.causes.isActive).toBe(true);
    pblk.write([5, null, null, null]);
    expect(causeOf(5)).toMatchObject({ comm: 'two' });
  });

  it('a snapshot keeps what waits', () => {
    const { model, pblk, guest, bio } = bench();
    bio('early', 1, 1);
    const then = model.snapshot();
    pblk.write([1, null, null, null]);
    void guest;
    const other = new LineWriter(then, then);
    other.timeUs = pblk.timeUs;
    then.write(1, 0, 4, Uint32Array.of(1, 0xffff_fffe, 0xffff_fffe, 0xffff_fffe), new Uint8Array(4));
    for (const each of [model, then])
      expect(each.causes.processes[each.cellsOf(1)?.process[0] ?? 0]?.comm).toBe('early');
  });
});
