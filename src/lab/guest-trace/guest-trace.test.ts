import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GuestEvent } from '../../trace/guest-event.ts';
import { encodeFrame, FrameParser } from '../guest-frames.ts';
import { GuestTrace } from './guest-trace.ts';
import { data, page } from './test-pages.ts';

const START = 1;
const STOP = 2;
const PING = 3;
const NUDGE = 4;
const HELLO = 0x83;
const ERROR = 0x84;
const FORMATS = 0x85;
const PAGE = 0x86;
const SAMPLE = 0x87;
const STOPPED = 0x88;

const common = [
  'field:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;',
  'field:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;',
  'field:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;',
  'field:int common_pid;\toffset:4;\tsize:4;\tsigned:1;',
];

/** A format file; the fields one after the other from 8 on, as [declaration, size, signed]. */
function format(id: number, fields: readonly [declaration: string, size: number, signed: 0 | 1][]): string {
  let offset = 8;
  const lines = fields.map(([declaration, size, signed]) => {
    const line = `field:${declaration};\toffset:${offset};\tsize:${size};\tsigned:${signed};`;
    offset += size;
    return line;
  });
  return `name: x\nID: ${id}\nformat:\n\t${[...common, ...lines].join('\n\t')}\n`;
}

const FORMAT_FILES: Record<string, string> = {
  'block/block_bio_queue': format(300, [
    ['dev_t dev', 4, 0],
    ['sector_t sector', 8, 0],
    ['unsigned int nr_sector', 4, 0],
    ['char rwbs[8]', 8, 1],
    ['char comm[16]', 16, 1],
  ]),
  'pblk/pblk_line_state': format(301, [
    ['__data_loc char[] name', 4, 1],
    ['int line', 4, 1],
    ['int state', 4, 1],
  ]),
  'pblk/pblk_chunk_state': format(302, [
    ['__data_loc char[] name', 4, 1],
    ['u64 ppa', 8, 0],
    ['int state', 4, 1],
  ]),
  'pblk/pblk_chunk_reset': format(303, [
    ['__data_loc char[] name', 4, 1],
    ['u64 ppa', 8, 0],
    ['int state', 4, 1],
  ]),
  'pblk/pblk_state': format(304, [
    ['__data_loc char[] name', 4, 1],
    ['int state', 4, 1],
  ]),
  'ext4/ext4_es_insert_extent': format(305, [
    ['dev_t dev', 4, 0],
    ['ino_t ino', 4, 0],
    ['ext4_lblk_t lblk', 4, 0],
    ['ext4_lblk_t len', 4, 0],
    ['ext4_fsblk_t pblk', 8, 0],
    ['char status', 1, 0],
  ]),
  'f2fs/f2fs_submit_page_write': format(306, [
    ['dev_t dev', 4, 0],
    ['ino_t ino', 4, 0],
    ['unsigned long index', 4, 0],
    ['block_t old_blkaddr', 4, 0],
    ['block_t new_blkaddr', 4, 0],
  ]),
  'sched/sched_process_fork': format(307, [
    ['char parent_comm[16]', 16, 1],
    ['pid_t parent_pid', 4, 1],
    ['char child_comm[16]', 16, 1],
    ['pid_t child_pid', 4, 1],
  ]),
  'sched/sched_process_exec': format(308, [
    ['__data_loc char[] filename', 4, 1],
    ['pid_t pid', 4, 1],
    ['pid_t old_pid', 4, 1],
  ]),
  'task/task_rename': format(309, [
    ['pid_t pid', 4, 1],
    ['char oldcomm[16]', 16, 1],
    ['char newcomm[16]', 16, 1],
  ]),
  'writeback/writeback_dirty_page': format(310, [
    ['char name[32]', 32, 1],
    ['ino_t ino', 4, 0],
    ['unsigned long index', 4, 0],
  ]),
  'nobody/asked_for_this': format(311, []),
};

type Part = number | [value: number, size: 8] | [text: string, size: number];

/** The bytes of an event: u32 for a number, u64, or a char array; `tail` is a string at the end. */
function event(id: number, pid: number, parts: readonly Part[], tail?: string): Uint8Array {
  const bytes: number[] = [id & 0xff, id >> 8, 0, 0, ...u32(pid)];
  for (const part of parts) {
    if (typeof part === 'number') bytes.push(...u32(part));
    else if (typeof part[0] === 'number') bytes.push(...u32(part[0] % 2 ** 32), ...u32(part[0] / 2 ** 32));
    else bytes.push(...text(part[0], part[1]));
  }
  if (tail !== undefined) bytes.push(...text(tail, tail.length + 1));
  while (bytes.length % 4 !== 0) bytes.push(0);
  return Uint8Array.from(bytes);
}

const u32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (Math.floor(value) >>> shift) & 0xff);
const text = (value: string, size: number): number[] =>
  Array.from({ length: size }, (_, i) => new TextEncoder().encode(value)[i] ?? 0);
const records = (entries: Record<string, string>): Uint8Array =>
  new TextEncoder().encode(
    Object.entries(entries)
      .map(([key, value]) => `${key}\0${value}\0`)
      .join(''),
  );

/** Where a string behind `fixed` bytes lies, and its length with the NUL. */
const dataLoc = (offset: number, value: string): number => ((value.length + 1) << 16) | offset;

/** A guest whose counter began at 500 ms of the host's clock; it is 1000 ms now. */
function lab() {
  const clock = { ticks: 500e6, atMs: 1000 };
  const frames: { type: number; id: number; payload: Uint8Array }[] = [];
  const fromHost = new FrameParser((type, id, payload) => frames.push({ type, id, payload }));
  const trace = new GuestTrace(
    (bytes) => fromHost.push(bytes),
    () => {
      const { ticks, atMs } = clock;
      return { atMs, msAt: (then) => atMs - (ticks - then) / 1e6 };
    },
  );
  const batches: (readonly GuestEvent[])[] = [];
  trace.onevents = (batch) => batches.push(batch);
  const say = (type: number, id: number, payload?: Uint8Array): void =>
    trace.receive(encodeFrame(type, id, payload));
  return {
    clock,
    frames,
    trace,
    batches,
    say,
    hello: (version = 1) => say(HELLO, 0, Uint8Array.from([version, 0, 0, 0])),
  };
}

const sampleAt = (ticks: number, entries: Record<string, string>): Uint8Array =>
  Uint8Array.from([...u32(ticks % 2 ** 32), ...u32(ticks / 2 ** 32), ...records(entries)]);

/** A lab whose trace is on, started at 1000 ms. */
async function running(version = 1) {
  const guest = lab();
  guest.hello(version);
  const started = guest.trace.start(250);
  const id = guest.frames.at(-1)?.id ?? 0;
  guest.say(FORMATS, id, records(FORMAT_FILES));
  guest.say(SAMPLE, id, sampleAt(500e6, { names: '1 init\n7 a name (x)\n' }));
  await started;
  guest.batches.length = 0;
  guest.clock.ticks += 100e6;
  guest.clock.atMs += 100;
  return { ...guest, id };
}

describe('GuestTrace', () => {
  it('waits for the agent, starts it with the interval, and is on with the first sample', async () => {
    const { trace, frames, say, hello, batches } = lab();
    let done = false;
    const started = trace.start(250).then(() => (done = true));
    expect(trace.available).toBe(false);
    expect(frames).toEqual([]);
    hello();
    expect(trace.available).toBe(true);
    expect(frames).toEqual([{ type: START, id: 1, payload: Uint8Array.from([250, 0, 0, 0, 0, 0, 0, 0]) }]);
    say(FORMATS, 1, records(FORMAT_FILES));
    await Promise.resolve();
    expect(done).toBe(false);
    say(SAMPLE, 1, sampleAt(500e6, { names: '1 init\n2 kthreadd\n', mounts: '1 1 / /\n' }));
    await started;
    expect(trace.isOn).toBe(true);
    expect(batches).toEqual([
      [
        { kind: 'process', atMs: 1000, pid: 1, comm: 'init' },
        { kind: 'process', atMs: 1000, pid: 2, comm: 'kthreadd' },
        { kind: 'sample', atMs: 1000, targets: [], mounts: '1 1 / /\n' },
      ],
    ]);
    expect(trace.start(250)).toBe(trace.start(250));
    expect(frames.length).toBe(1);
  });

  it('finds an agent that was there before it', () => {
    const { trace, frames, say } = lab();
    void trace.start(250);
    trace.meetRunning();
    expect(frames.map(({ type }) => type)).toEqual([PING]);
    const answer = () => say(HELLO, frames[0]?.id ?? 0, Uint8Array.from([1, 0, 0, 0]));
    answer();
    expect(trace.available).toBe(true);
    expect(frames.map(({ type }) => type)).toEqual([PING, START]);
    // A later sign of life is nothing new.
    answer();
    expect(frames.length).toBe(2);
  });

  it('goes on with a run that was saved, as if it had been there from the beginning', async () => {
    const first = await running();
    const saved = first.trace.save();
    if (!saved) throw new Error('nothing was saved');
    const second = lab();
    let done = false;
    void second.trace.start(250).then(() => (done = true));
    second.trace.meetRunning(first.trace.lastRun, JSON.parse(JSON.stringify(saved)) as typeof saved);
    await Promise.resolve();
    // It may be an agent of any version: it is asked.
    expect(second.frames.map(({ type }) => type)).toEqual([PING]);
    expect([second.trace.isOn, done]).toEqual([true, true]);
    expect(second.batches.flat()).toContainEqual({ kind: 'process', atMs: 1000, pid: 7, comm: 'a name (x)' });
    second.batches.length = 0;
    second.clock.ticks += 100e6;
    second.clock.atMs += 100;
    const written = page(510e6, [data(1e6, event(310, 7, [['259:1', 32], 12, 99]))]);
    for (const { say } of [first, second]) say(PAGE, first.id, written);
    expect(second.batches.flat()).toEqual(first.batches.flat());
    expect(second.batches.flat()).toMatchObject([{ kind: 'dirty', pid: 7, comm: 'a name (x)' }]);
    // What it would save is what it was given.
    expect(second.trace.save()).toEqual(saved);
  });

  it('ends a run that was saved when another interval is wanted, and saves none while it is off', async () => {
    const first = await running();
    const saved = first.trace.save();
    if (!saved) throw new Error('nothing was saved');
    const other = lab();
    expect(other.trace.save()).toBeUndefined();
    void other.trace.start(400);
    other.trace.meetRunning(first.trace.lastRun, saved);
    expect(other.frames.map(({ type, id }) => [type, id === first.trace.lastRun])).toEqual([
      [STOP, true],
      [PING, false],
    ]);
  });

  it('sends nothing while nobody wants it', () => {
    const { frames, hello } = lab();
    hello();
    expect(frames).toEqual([]);
  });

  it('reads every kind of event, with the names of processes', async () => {
    const { say, id, batches } = await running();
    const name = 'mydevice';
    const at = (fixed: number): number => dataLoc(8 + fixed, name);
    const ppa: Part = [2 + 3 * 2 ** 8 + 515 * 2 ** 16, 8];
    say(
      PAGE,
      id,
      page(510e6, [
        data(1e6, event(307, 1, [['sh', 16], 1, ['sh', 16], 40])),
        data(1e6, event(309, 40, [40, ['sh', 16], ['dd', 16]])),
        data(1e6, event(308, 40, [dataLoc(20, '/bin/dd'), 40, 40], '/bin/dd')),
        data(1e6, event(300, 40, [(259 << 20) | 1, [2 ** 33, 8], 128, ['WS', 8], ['dd', 16]])),
        data(1e6, event(310, 7, [['259:1', 32], 12, 99])),
        data(1e6, event(305, 7, [(259 << 20) | 1, 12, 0, 16, [4096, 8], ['\x01', 1]])),
        data(1e6, event(305, 7, [(259 << 20) | 1, 12, 0, 16, [2 ** 40, 8], ['\x04', 1]])), // delayed
        data(1e6, event(306, 9, [(259 << 20) | 1, 5, 6, 0, 4711])),
        data(1e6, event(306, 9, [(259 << 20) | 1, 5, 6, 0, 0xffff_ffff])), // no block yet
        data(1e6, event(304, 40, [at(8), 0], name)),
        data(1e6, event(301, 40, [at(12), 3, 12], name)),
        data(1e6, event(302, 40, [at(16), ppa, 4], name)),
        data(1e6, event(303, 40, [at(16), ppa, 1], name)),
        data(1e6, event(311, 40, [])),
        data(1e6, event(999, 40, [])),
      ]),
    );
    const dev = { major: 259, minor: 1 };
    const place = { disk: name, group: 2, unit: 3, chunk: 515 };
    expect(batches).toEqual([
      [
        { kind: 'process', atMs: 1011, pid: 40, parent: 1, comm: 'sh' },
        { kind: 'process', atMs: 1012, pid: 40, comm: 'dd' },
        { kind: 'process', atMs: 1013, pid: 40, comm: 'dd', file: '/bin/dd' },
        { kind: 'bio', atMs: 1014, pid: 40, comm: 'dd', dev, sector: 2 ** 33, sectors: 128, rwbs: 'WS' },
        { kind: 'dirty', atMs: 1015, pid: 7, comm: 'a name (x)', bdi: '259:1', ino: 12, index: 99 },
        { kind: 'extent', atMs: 1016, dev, ino: 12, lblk: 0, len: 16, pblk: 4096 },
        { kind: 'filePage', atMs: 1018, pid: 9, comm: '', dev, ino: 5, index: 6, blkaddr: 4711 },
        { kind: 'pblk', atMs: 1020, disk: name, state: 'RUNNING' },
        { kind: 'line', atMs: 1021, disk: name, line: 3, state: 'CLOSED' },
        { kind: 'chunk', atMs: 1022, ...place, state: 'OPEN' },
        { kind: 'chunkReset', atMs: 1023, ...place, state: 'OK' },
      ],
    ]);
  });

  it('tells all files of a target, though only the changed ones come', async () => {
    const { say, id, batches } = await running();
    const targets = () => batches.flat().flatMap((e) => (e.kind === 'sample' ? [e.targets] : []));
    say(SAMPLE, id, sampleAt(500e6, { 'disk/a': '259:1', 'pblk/a/lines': 'l1', 'pblk/a/errors': 'e' }));
    say(SAMPLE, id, sampleAt(500e6, { 'disk/a': '259:1', 'pblk/a/lines': 'l2', 'pblk/gone/lines': 'x' }));
    say(SAMPLE, id, sampleAt(500e6, {}));
    say(SAMPLE, id, sampleAt(500e6, { 'disk/a': '259:1' }));
    const a = { disk: 'a', major: 259, minor: 1 };
    expect(targets()).toEqual([
      [{ ...a, files: { lines: 'l1', errors: 'e' } }],
      [{ ...a, files: { lines: 'l2', errors: 'e' } }],
      [],
      [{ ...a, files: {} }],
    ]);
  });

  it('tells what was lost, before what came after it', async () => {
    const { say, id, batches } = await running();
    const line = event(301, 0, [dataLoc(20, 'm'), 3, 11], 'm');
    say(PAGE, id, page(550e6, [data(0, line)], { missed: true, stored: 9 }));
    say(PAGE, id, page(560e6, [data(0, line), Uint8Array.from([1, 2])]));
    expect(batches.flat()).toMatchObject([
      { kind: 'lost', atMs: 1050, events: 9 },
      { kind: 'line', atMs: 1050 },
      { kind: 'lost', events: 1 },
      { kind: 'line', atMs: 1060 },
    ]);
  });

  it('keeps times between the start and now, whatever the guest says', async () => {
    const { say, id, batches } = await running();
    const line = event(301, 0, [dataLoc(20, 'm'), 3, 11], 'm');
    for (const ticks of [0, 2 ** 63]) say(PAGE, id, page(ticks, [data(0, line)]));
    expect(batches.flat().map((e) => e.atMs)).toEqual([1000, 1100]);
  });

  it('stops, tells what came until then, and ignores what is of an older run', async () => {
    const { trace, say, id, frames, batches } = await running();
    const line = data(0, event(301, 0, [dataLoc(20, 'm'), 3, 11], 'm'));
    let done = false;
    const stopped = trace.stop().then(() => (done = true));
    expect(frames.at(-1)).toMatchObject({ type: STOP, id });
    say(PAGE, id, page(550e6, [line]));
    await Promise.resolve();
    expect(done).toBe(false);
    say(STOPPED, id);
    await stopped;
    expect(trace.isOn).toBe(false);
    expect(batches.length).toBe(1);
    const again = trace.start(250);
    const next = frames.at(-1)?.id ?? 0;
    expect(next).toBe(id + 1);
    say(PAGE, id, page(550e6, [line]));
    say(SAMPLE, id, sampleAt(0, {}));
    expect(batches.length).toBe(1);
    say(SAMPLE, next, sampleAt(0, {}));
    await again;
  });

  it('may be started while it stops', async () => {
    const { trace, say, id } = await running();
    const stopped = trace.stop();
    const again = trace.start(100);
    await stopped;
    say(STOPPED, id);
    say(SAMPLE, id + 1, sampleAt(0, {}));
    await again;
    expect(trace.isOn).toBe(true);
  });

  it('starts again, and says that something is missing, when the agent was restarted', async () => {
    const { hello, id, frames, batches, say } = await running();
    hello();
    expect(frames.at(-1)).toMatchObject({ type: START, id: id + 1 });
    expect(batches.flat()).toMatchObject([{ kind: 'lost', events: 1 }]);
    say(SAMPLE, id + 1, sampleAt(0, {}));
    expect(batches.flat().length).toBe(2);
  });

  it('rejects with what the guest says, and when the power goes', async () => {
    const { trace, say, hello, frames } = lab();
    hello();
    const first = trace.start();
    say(ERROR, frames.at(-1)?.id ?? 0, new TextEncoder().encode('no\nclock'));
    await expect(first).rejects.toThrow('The guest cannot trace: no clock.');
    const second = trace.start();
    expect(frames.length).toBe(2);
    trace.close();
    await expect(second).rejects.toThrow(/off/);
    await expect(trace.start()).rejects.toThrow(/off/);
    await trace.stop();
    say(HELLO, 0, Uint8Array.from([1, 0, 0, 0]));
    expect(trace.available).toBe(false);
  });

  it('does not take an agent of another version for its own', () => {
    const { trace, say, frames } = lab();
    void trace.start();
    say(HELLO, 0, Uint8Array.from([3, 0, 0, 0]));
    expect(trace.available).toBe(false);
    expect(frames).toEqual([]);
  });

  describe('with a kernel that tells of its events itself', () => {
    afterEach(() => vi.useRealTimers());
    const line = (state: number) => event(301, 3, [dataLoc(20, 'disk'), 4, state], 'disk');
    const told = (bytes: Uint8Array) => new DataView(bytes.buffer);

    it('asks for that, where the agent knows of it', async () => {
      const start = async (version: number) => {
        const { frames } = await running(version);
        return Array.from(frames.at(-1)?.payload ?? []);
      };
      expect(await start(1)).toEqual([250, 0, 0, 0, 0, 0, 0, 0]);
      expect(await start(2)).toEqual([250, 0, 0, 0, 6, 0, 0, 0]);
    });

    it('tells of each at once, with the time of the host', async () => {
      const { trace, batches } = await running(2);
      trace.told(told(event(310, 7, [['259:1', 32], 12, 99])), 1234.5);
      trace.told(told(line(11)), 1235);
      expect(batches).toEqual([
        [{ kind: 'dirty', atMs: 1234.5, pid: 7, comm: 'a name (x)', bdi: '259:1', ino: 12, index: 99 }],
        [{ kind: 'line', atMs: 1235, disk: 'disk', line: 4, state: 'OPEN' }],
      ]);
    });

    it('lets what may wait be read later, in its place, with the names of its time', async () => {
      const { trace, batches, say, id } = await running(2);
      const later: (() => GuestEvent | undefined)[] = [];
      let isRecording = true;
      trace.ontold = (source, number) => {
        if (isRecording) later.push(() => source.take(number));
        return isRecording;
      };
      const dirty = told(event(310, 7, [['259:1', 32], 12, 99]));
      const named = (comm: string) => ({ kind: 'dirty', pid: 7, comm, bdi: '259:1', ino: 12, index: 99 });
      trace.told(dirty, 1101);
      expect(batches).toEqual([]);
      // It has another name from here on, which is told at once.
      say(SAMPLE, id, sampleAt(300e6, { names: '7 another\n' }));
      trace.told(dirty, 1102);
      isRecording = false;
      trace.told(dirty, 1103);
      const at = (atMs: number, comm: string) => ({ ...named(comm), atMs });
      expect(batches.at(-1)).toEqual([at(1103, 'another')]);
      expect(later.map((take) => take())).toEqual([at(1101, 'a name (x)'), at(1102, 'another')]);
      // Also when the machine is gone.
      isRecording = true;
      trace.told(dirty, 1104);
      trace.close();
      expect(later.at(-1)?.()).toEqual(at(1104, 'another'));
      trace.told(dirty, 1105);
      expect(later.length).toBe(3);
    });

    it('passes over reads, of which our kernel tells as well', async () => {
      vi.useFakeTimers();
      const { trace, batches, frames } = await running(2);
      frames.length = 0;
      const bio = (rwbs: string) => told(event(300, 7, [1, [8, 8], 8, [rwbs, 8], ['dd', 16]]));
      for (const rwbs of ['R', 'RA', 'N', '', 'FN', 'RRRRRRRRW']) trace.told(bio(rwbs), 1101);
      vi.advanceTimersByTime(100);
      expect([batches, frames]).toEqual([[], []]);
      const wanted = ['W', 'WS', 'FWFS', 'D', 'DE'];
      for (const rwbs of wanted) trace.told(bio(rwbs), 1102);
      expect(batches.flat().map((e) => (e.kind === 'bio' ? e.rwbs : ''))).toEqual(wanted);
    });

    it('lets the agent know, once for each sample, and not while the guest tells', async () => {
      vi.useFakeTimers();
      const { trace, frames, say, id } = await running(2);
      frames.length = 0;
      trace.told(told(line(11)), 1101);
      trace.told(told(line(12)), 1102);
      expect(frames).toEqual([]);
      vi.advanceTimersByTime(60);
      expect(frames.map((frame) => [frame.type, frame.id])).toEqual([[NUDGE, id]]);
      trace.told(told(line(11)), 1200);
      vi.advanceTimersByTime(500);
      expect(frames.length).toBe(1);
      say(SAMPLE, id, sampleAt(700e6, {}));
      vi.advanceTimersByTime(500);
      expect(frames.length).toBe(1);
      trace.told(told(line(12)), 1800);
      vi.advanceTimersByTime(60);
      expect(frames.length).toBe(2);
    });

    it('passes over what no run has asked for, and what is no event', async () => {
      vi.useFakeTimers();
      const { trace, frames, batches, say, id } = await running(2);
      trace.told(told(Uint8Array.of()), 1100);
      trace.told(told(Uint8Array.of(45)), 1100);
      trace.told(told(event(9999, 1, [])), 1100);
      void trace.stop();
      say(STOPPED, id);
      batches.length = frames.length = 0;
      trace.told(told(line(11)), 1101);
      trace.close();
      trace.told(told(line(11)), 1102);
      vi.advanceTimersByTime(1000);
      expect([batches, frames]).toEqual([[], []]);
    });
  });

  it('survives any bytes in any frame', async () => {
    const { say, id, trace, batches, clock } = await running();
    let seed = 7;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % n;
    };
    const types = [HELLO, ERROR, FORMATS, PAGE, SAMPLE, STOPPED, 0x99];
    for (let round = 0; round < 4000; round++) {
      const bytes = Uint8Array.from({ length: random(300) }, () => random(round % 2 ? 256 : 64));
      // Every other page has a header that makes sense.
      if (bytes.length > 12 && random(2) === 0)
        new DataView(bytes.buffer).setUint32(8, bytes.length - 12, true);
      say(types[random(types.length)] ?? PAGE, random(4) === 0 ? 0 : id, bytes);
      if (round % 100 === 0) say(FORMATS, id, records(FORMAT_FILES));
      trace.receive(bytes);
      // An event that the kernel tells, with a number that means something as a rule.
      if (bytes.length > 2) bytes.set([300 + random(12) - 256, 1]);
      trace.told(new DataView(bytes.buffer), clock.atMs);
    }
    expect(batches.flat().length).toBeGreaterThan(500);
    trace.close();
    for (const { atMs } of batches.flat()) {
      expect(atMs).toBeGreaterThanOrEqual(1000);
      expect(atMs).toBeLessThanOrEqual(clock.atMs);
    }
  });
});
