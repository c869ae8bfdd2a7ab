import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RESTARTING as labs } from '../../lab/lab.ts';
import type { DiskRow, MapShape, PowerState, WorkerMessage } from '../../rpc/protocol.ts';
import type { Connection, ConnectionListener } from './connection.ts';
import { RESTARTING } from './defaults.ts';

const connect = vi.hoisted(() => {
  vi.stubGlobal('navigator', { language: 'en' });
  vi.stubGlobal('requestAnimationFrame', () => 1);
  vi.stubGlobal('cancelAnimationFrame', () => {});
  return vi.fn();
});
vi.mock(import('./connection.ts'), async (original) => ({ ...(await original()), connect }));
const { WorkerGone } = await import('./connection.ts');
const { LabState } = await import('./lab.svelte.ts');
const { makeLabApi } = await import('../lab-api.ts');
const LOOK = { setTheme: () => {}, projector: false };

const counters = { commands: 7, readBytes: 0, writtenBytes: 0, erases: 0, pendingCommits: 0 };

/** The worker's half, under the test's hand. */
class FakeWorkerSide {
  disks: DiskRow[] = [];
  say: (message: WorkerMessage) => void = () => {};
  die: (reason: string) => void = () => {};
  readonly client = {
    listDisks: vi.fn(async () => [...this.disks]),
    storage: vi.fn(async () => ({ indexedDb: true, reason: '' })),
    status: vi.fn(async () => ({ power: 'off', diskId: undefined, map: undefined })),
    createDisk: vi.fn(async (name: string, deviceLine: string, sizeBytes: number) => {
      const id = `d${this.disks.length + 1}`;
      const disk: DiskRow = {
        id,
        name,
        deviceLine,
        sizeBytes,
        storedBytes: 0,
        createdAtMs: this.disks.length,
        kept: 'memory',
        open: false,
      };
      this.disks.push(disk);
      return disk;
    }),
    powerOn: vi.fn(async () => {}),
    powerCut: vi.fn(async () => {}),
    reset: vi.fn(async () => {}),
    listFiles: vi.fn(async () => []),
    savedLabs: vi.fn(async (): Promise<unknown[]> => []),
    resumeLab: vi.fn(async (): Promise<unknown> => undefined),
    consoleSend: vi.fn(async (_tty: number, _bytes: Uint8Array) => {}),
    mapSnapshot: vi.fn(async () => undefined),
    lastRefused: vi.fn(async (): Promise<unknown> => undefined),
    commandLog: vi.fn(async (after: number): Promise<unknown> => [{ sequence: after + 1 }]),
    counters: vi.fn(async (): Promise<unknown> => ({ ...counters, atMs: 5 })),
  };

  constructor() {
    connect.mockImplementation(async (listener: ConnectionListener): Promise<Connection> => {
      this.say = (message) => listener.message(message);
      return {
        client: this.client as unknown as Connection['client'],
        dead: new Promise((resolve) => (this.die = (reason) => resolve(new WorkerGone(reason)))),
        send: () => {},
      };
    });
  }

  power(state: PowerState, reason = ''): void {
    this.say({ type: 'power', state, reason });
  }
}

let worker: FakeWorkerSide;
let lab: InstanceType<typeof LabState>;

beforeEach(async () => {
  worker = new FakeWorkerSide();
  lab = new LabState();
  await lab.start();
});
afterEach(() => vi.clearAllMocks());

const settled = () => new Promise((resolve) => setTimeout(resolve));
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'waiting';
  promise.then(
    () => (state = 'resolved'),
    (error: Error) => (state = error.message),
  );
  await settled();
  return state;
}

describe('a worker that is gone', () => {
  it('makes every call of window.lab reject with the reason', async () => {
    const api = makeLabApi(lab, Promise.resolve(), LOOK);
    const ready = api.ready;
    worker.power('running');
    worker.die('out of memory');
    await settled();
    expect(await stateOf(ready)).toBe('resolved');
    expect(lab.client).toBeUndefined();
    expect(lab.power).toBe('crashed');
    const calls = [api.ready, api.exec('ls'), api.disk.list(), api.power.on()];
    for (const state of await Promise.all(calls.map(stateOf)))
      expect(state).toMatch(/The emulator stopped: out of memory/);
    expect(lab.notices.list.map((n) => n.code)).toEqual(['worker.died']);
  });

  it('is told when it never started', async () => {
    connect.mockRejectedValue(new WorkerGone(''));
    const other = new LabState();
    const started = other.start();
    const api = makeLabApi(other, started, LOOK);
    const ready = api.ready;
    await started;
    expect(await stateOf(ready)).toMatch(/could not be loaded/);
    expect(await stateOf(api.exec('ls'))).toMatch(/could not be loaded/);
  });
});

describe('what scripts ask for', () => {
  it('is refused in a sentence where there is no such thing, and nothing is set', async () => {
    const look = { setTheme: vi.fn(), projector: false };
    const api = makeLabApi(lab, Promise.resolve(), look);
    expect(() => api.page.set({ theme: 'pink' as 'dark', projector: true })).toThrow('auto, light and dark');
    expect(() => api.page.set({ theme: 'dark', language: 'fr' as 'en' })).toThrow('en and zh-CN');
    expect(look.setTheme).not.toHaveBeenCalled();
    expect(look.projector).toBe(false);
    expect(() => api.trace.find('end' as 'powerOn')).toThrow('powerOn and firstWrite');
    expect(await stateOf(api.shell.run('ls', 3 as 2))).toMatch(/no shell 3/);
    expect(await stateOf(api.shell.run('ls'))).toMatch(/not running/);
  });
});

describe('targets that the disk remembers', () => {
  const command = 'nvme lnvm create -d nvme0n1 -n mydevice -t pblk -b 0 -e 3';
  const target = { name: 'mydevice', type: 'pblk', begin: 0, end: 3, command };
  const typed = () =>
    worker.client.consoleSend.mock.calls.map(([tty, bytes]) => [tty, new TextDecoder().decode(bytes)]);
  /** A machine that has booted, on a disk that has or had the target. */
  function boot(exists = false): void {
    worker.power('loading');
    worker.say({ type: 'targets', targets: [{ ...target, exists }] });
    worker.power('booting');
    worker.power('running');
  }
  const offered = () => lab.targets.offered.map(({ name }) => name);

  it('are offered once a life, when the guest does not have them', () => {
    boot(true);
    expect(offered()).toEqual([]);
    boot();
    expect([offered(), typed()]).toEqual([['mydevice'], []]);
    lab.targets.notNow();
    expect(offered()).toEqual([]);
    worker.say({ type: 'targets', targets: [] });
    worker.power('off', 'power cut');
    boot();
    expect(offered()).toEqual(['mydevice']);
    // The reader was faster.
    worker.say({ type: 'targets', targets: [{ ...target, exists: true }] });
    expect(offered()).toEqual([]);
  });

  it('are typed into the first shell when the reader says so', () => {
    boot();
    lab.createTargets();
    expect([offered(), typed()]).toEqual([[], [[0, `\x15${command}\n`]]]);
    lab.createTargets();
    worker.power('hung');
    worker.power('running');
    expect(typed()).toHaveLength(2);
  });

  it('are made or left alone as a power on says, and resets after it', async () => {
    await worker.client.createDisk('disk', 'nvme,lver=1', 8);
    await lab.refreshDisks();
    await lab.powerOn({ diskId: 'd1', targets: 'create' });
    boot();
    boot();
    expect([offered(), typed().length]).toEqual([[], 2]);
    worker.power('off');
    await lab.powerOn({ targets: 'ignore' });
    boot();
    expect([offered(), typed().length]).toEqual([[], 2]);
    worker.power('off');
    await lab.powerOn();
    boot();
    expect(offered()).toEqual(['mydevice']);
    worker.power('off');
    await expect(lab.powerOn({ targets: 'always' as 'create' })).rejects.toThrow('offer, create, ignore');
  });

  it('are made always when the reader wants that', () => {
    lab.targets.always = true;
    boot();
    expect([offered(), typed().length]).toEqual([[], 1]);
    lab.targets.always = false;
    boot();
    expect([offered(), typed().length]).toEqual([['mydevice'], 1]);
  });
});

describe('what a page wants to begin with', () => {
  it('decides over the disk, and over the set-up when there is none', async () => {
    await worker.client.createDisk('old', 'nvme,lver=1', 8);
    await worker.client.createDisk('newest', 'nvme,lver=1', 8);
    const usual = new LabState();
    await usual.start();
    expect(usual.disk?.name).toBe('newest');
    const chosen = new LabState();
    await chosen.start({ goesOn: true, disk: (disks) => disks[0], draft: () => expect.unreachable() });
    expect(chosen.disk?.name).toBe('old');
    const drafted = new LabState();
    await drafted.start({
      goesOn: false,
      disk: () => undefined,
      draft: ({ setup }) => (setup.diskName = 'right gc'),
    });
    expect(drafted.disk).toBeUndefined();
    expect(drafted.setup.diskName).toBe('right gc');
    expect(drafted.willCreate).toBe(true);
  });
});

describe('waiting for the guest', () => {
  it('waits while the machine is off, and resolves when it runs', async () => {
    const ready = lab.whenRunning();
    worker.power('off', 'switched off');
    expect(await stateOf(ready)).toBe('waiting');
    for (const state of ['loading', 'booting'] as const) worker.power(state);
    expect(await stateOf(ready)).toBe('waiting');
    worker.power('running');
    expect(await stateOf(ready)).toBe('resolved');
  });

  it('rejects when power on fails, or the power goes while it boots', async () => {
    const failed = lab.whenRunning();
    worker.power('loading');
    worker.power('off', 'The server answered 404.');
    expect(await stateOf(failed)).toBe(
      'The machine is off again before it was ready: The server answered 404.',
    );
    const cut = lab.whenRunning();
    worker.power('booting');
    worker.power('off', 'power cut');
    expect(await stateOf(cut)).toBe('The machine is off again before it was ready: power cut.');
  });

  it('rejects when the machine crashes, and while it is crashed', async () => {
    const ready = lab.whenRunning();
    worker.power('booting');
    worker.power('crashed', 'Kernel panic.');
    expect(await stateOf(ready)).toBe('The machine has crashed: Kernel panic.');
    expect(await stateOf(lab.whenRunning())).toBe('The machine has crashed: Kernel panic.');
  });

  it('goes on waiting when a machine cannot go on after a reload, and boots instead', async () => {
    const disk = await worker.client.createDisk('a', 'nvme', 1e9);
    const row = { id: 'auto:d1', kind: 'auto', name: '', diskId: disk.id, state: 'ready' };
    worker.client.savedLabs.mockResolvedValue([row]);
    worker.client.resumeLab.mockImplementation(async () => {
      worker.power('loading');
      worker.power('off', 'it is damaged');
      throw new Error('it is damaged');
    });
    const again = new LabState();
    const ready = again.whenRunning();
    await again.start();
    expect(worker.client.powerOn).toHaveBeenCalledTimes(1);
    expect(again.notices.list.map(({ text }) => text).join()).toContain('it is damaged');
    expect(await stateOf(ready)).toBe('waiting');
    // That one is an end.
    worker.power('loading');
    worker.power('off', 'The server answered 404.');
    expect(await stateOf(ready)).toMatch(/answered 404/);
  });

  it('goes on waiting over a restart', async () => {
    expect(RESTARTING).toBe(labs);
    const ready = lab.whenRunning();
    worker.power('booting');
    worker.power('off', RESTARTING);
    worker.power('loading');
    expect(await stateOf(ready)).toBe('waiting');
  });
});

describe('power on', () => {
  it('is refused while the machine is on, without touching what is known of it', async () => {
    worker.power('running');
    worker.say({ type: 'frame', map: undefined, counters, trace: undefined });
    await expect(lab.powerOn()).rejects.toThrow('The machine is on already');
    expect(lab.counters).toEqual(counters);
    expect(worker.client.createDisk).not.toHaveBeenCalled();
  });

  it('twice in a row makes one disk', async () => {
    const first = lab.powerOn();
    await expect(lab.powerOn()).rejects.toThrow('being powered on already');
    expect(lab.asking).toBe(true);
    await first;
    expect(lab.asking).toBe(false);
    expect(worker.disks).toHaveLength(1);
    expect(worker.client.powerOn).toHaveBeenCalledOnce();
  });

  it('is refused during a reset, and possible again afterwards', async () => {
    let done = () => {};
    worker.client.reset.mockReturnValueOnce(new Promise((resolve) => (done = resolve)));
    const reset = lab.reset();
    await expect(lab.powerOn()).rejects.toThrow('being powered on already');
    done();
    await reset;
    await lab.powerOn();
    expect(worker.client.powerOn).toHaveBeenCalledOnce();
  });
});

describe('disks', () => {
  it('an old list does not unselect a new disk', async () => {
    let answerOld: (disks: DiskRow[]) => void = () => {};
    worker.client.listDisks.mockReturnValueOnce(new Promise((resolve) => (answerOld = resolve)));
    const old = lab.refreshDisks();
    const disk = await lab.createDisk('new', 'nvme', 1 << 30, 'memory');
    answerOld([]);
    await old;
    expect(lab.diskId).toBe(disk.id);
    expect(lab.disks).toHaveLength(1);
  });

  it('a map that is left belongs to the disk that was on, not to the one chosen since', async () => {
    const first = await lab.createDisk('first', 'nvme,a', 1 << 30, 'memory');
    await lab.powerOn();
    const map: MapShape = {
      kind: 'ocssd12',
      numCh: 1,
      numLun: 1,
      numPln: 1,
      numChk: 2,
      numPg: 1,
      secsPerPg: 1,
      secSizeBytes: 4096,
      oobSizeBytes: 16,
    };
    worker.say({ type: 'shape', map });
    worker.power('halted');
    const second = await lab.createDisk('second', 'nvme,b', 1 << 30, 'memory');
    expect(lab.diskId).toBe(second.id);
    worker.say({ type: 'shape', map: undefined });
    expect(lab.flash.last?.diskId).toBe(first.id);
  });
});

describe('the commands of the device', () => {
  it('are there for scripts, from a number on', async () => {
    const api = makeLabApi(lab, Promise.resolve(), LOOK);
    expect(await api.device.log()).toEqual([{ sequence: 1 }]);
    expect(await api.device.log(41)).toEqual([{ sequence: 42 }]);
    expect(await api.device.counters()).toEqual({ ...counters, atMs: 5 });
  });

  it('explain a refusal, asked for once however many notices come at a time', async () => {
    const refused = { sequence: 7, why: 'plane mode 4 on a device with 1 plane(s)' };
    worker.client.lastRefused.mockResolvedValue(refused);
    for (let i = 0; i < 5; i++)
      worker.say({ type: 'notice', notice: { level: 'info', code: 'refused', text: refused.why } });
    worker.say({ type: 'notice', notice: { level: 'info', code: 'other', text: 'x' } });
    await vi.waitFor(() => expect(lab.refused).toEqual(refused));
    expect(worker.client.lastRefused).toHaveBeenCalledTimes(1);
  });

  it('that cannot be asked for leave the notice as it is', async () => {
    worker.client.lastRefused.mockRejectedValue(new Error('gone'));
    worker.say({ type: 'notice', notice: { level: 'info', code: 'refused', text: 'no' } });
    await vi.waitFor(() => expect(worker.client.lastRefused).toHaveBeenCalled());
    expect(lab.notices.list.map(({ text }) => text)).toContain('no');
    expect(lab.refused).toBeUndefined();
  });
});
