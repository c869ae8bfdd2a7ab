/** Boots the real guest of public/guest. The bare machine is in machine.test.ts. */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLong } from '../../test/long.ts';
import { CMDLINE, guestFiles, ScratchFunction, Transcript, WASM_PATH } from '../../test/machine-fixtures.ts';
import { ControlChannel } from '../lab/control-channel.ts';
import { TICKS_PER_MS } from './guest-time.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { compileWasm } from './wasm.ts';

const files = await guestFiles();
const PROMPT = /# (\x1b\[6n)?$/; // eslint-disable-line no-control-regex -- BusyBox asks where the cursor is

interface Booted {
  machine: Machine;
  console: Transcript;
  second: Transcript;
  control: ControlChannel;
  end: Promise<string>;
}

async function boot(options: Partial<MachineOptions> = {}): Promise<Booted> {
  if (files === null) throw new Error('public/guest has not been built');
  const machine = await Machine.create({
    ...files,
    wasm: { module: await compileWasm({ path: WASM_PATH }) },
    cmdline: CMDLINE,
    memoryBytes: 128 * 1024 * 1024,
    plugs: [],
    ...options,
  });
  const console = new Transcript();
  const second = new Transcript();
  const control = new ControlChannel((bytes) => machine.control.send(bytes));
  machine.serial[0].onoutput = console.listen;
  machine.serial[1].onoutput = second.listen;
  machine.control.onoutput = (bytes) => control.receive(bytes);
  const end = new Promise<string>((resolve) => {
    machine.onhalt = () => resolve('halt');
    machine.onreboot = () => resolve('reboot');
    machine.oncrash = (error) => resolve(error.message);
  });
  machine.start();
  return { machine, console, second, control, end };
}

const type = (machine: Machine, port: 0 | 1, text: string): void =>
  machine.serial[port].send(Buffer.from(text));

describe.skipIf(files === null)('a booted guest', () => {
  let guest: Booted;
  const scratch = new ScratchFunction();

  beforeAll(async () => {
    const startedMs = performance.now();
    guest = await boot({ plugs: [scratch.plug] });
    await guest.control.ready;
    const readyMs = performance.now() - startedMs;
    await guest.console.waitFor(PROMPT);
    const promptMs = performance.now() - startedMs;
    console.log(
      `ready ${readyMs.toFixed(0)} ms, prompt ${promptMs.toFixed(0)} ms, ${guest.machine.instructionCounter()} instructions`,
    );
  });

  afterAll(() => guest?.machine.destroy());

  it('echoes and answers on ttyS0', async () => {
    const from = guest.console.text.length;
    type(guest.machine, 0, 'echo $((6*7))\n');
    await guest.console.waitFor(/echo \$\(\(6\*7\)\)\r\n42\r\n/, from);
  });

  it('has a second shell on ttyS1', async () => {
    await guest.second.waitFor(PROMPT);
    const from = guest.second.text.length;
    type(guest.machine, 1, 'tty\n');
    await guest.second.waitFor(/\/dev\/ttyS1\r\n/, from);
  });

  it('sees the function that was plugged in, with its line', async () => {
    const { status, output } = await guest.control.exec(
      'cd /sys/bus/pci/devices/0000:00:08.0 && cat vendor device subsystem_vendor subsystem_device class revision irq && head -n 1 resource',
    );
    expect(output.split('\n').slice(0, 8)).toEqual([
      ...['0x1234', '0x5678', '0x9abc', '0xdef0', '0x088000', '0x03', '11'],
      // Where SeaBIOS has put it: behind the ROM of the VGA.
      '0x00000000febf0000 0x00000000febf3fff 0x0000000000040200',
    ]);
    expect(status).toBe(0);
  });

  describe('over the control channel', () => {
    it('gives status and output, stdout and stderr together', async () => {
      expect(await guest.control.exec('echo out; echo err >&2; exit 7')).toEqual({
        status: 7,
        output: 'out\nerr\n',
      });
    });

    it('says which signal ended it', async () => {
      expect(await guest.control.exec('kill -9 $$')).toEqual({ status: 137, output: '' });
    });

    it('loses nothing of a megabyte, either way', async () => {
      const { output } = await guest.control.exec('yes 0123456789abcde | head -c 1048576', {
        timeoutMs: 120_000,
      });
      expect(output).toBe('0123456789abcde\n'.repeat(65_536));
      const word = 'x'.repeat(100_000);
      const { output: length } = await guest.control.exec(`printf %s '${word}' | wc -c`);
      expect(length.trim()).toBe('100000');
    });

    it('ends a command that takes too long', async () => {
      await expect(guest.control.exec('sleep 54321', { timeoutMs: 300 })).rejects.toThrow(
        'longer than 300 ms',
      );
      const { output } = await guest.control.exec('sleep 0.3; ps w | grep "[s]leep 54321"; echo none');
      expect(output).toBe('none\n');
    });

    it('runs commands at the same time', async () => {
      const slow = guest.control.exec('sleep 1; echo slow');
      const fast = await guest.control.exec('echo fast');
      expect(fast.output).toBe('fast\n');
      expect((await slow).output).toBe('slow\n');
    });

    it('sets the size of a terminal and the clock', async () => {
      guest.control.winsize(1, 132, 43);
      guest.control.setClock(Date.UTC(2030, 0, 2));
      const { output } = await guest.control.exec('stty size < /dev/ttyS1; date -u +%Y-%m-%d');
      expect(output).toBe('43 132\n2030-01-02\n');
    });
  });

  describe('takes a paste', () => {
    /** Lines that a terminal in canonical mode passes on unchanged. */
    const paste = (): string =>
      `${Array.from({ length: 1600 }, () => randomBytes(32).toString('hex').slice(0, 63)).join('\n')}\n`;
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

    it('of 100 KB without losing a byte', async () => {
      const text = paste();
      expect(text.length).toBe(102_400);
      const from = guest.console.text.length;
      type(guest.machine, 0, 'cat > /tmp/x\n');
      await guest.console.waitFor(/cat > \/tmp\/x\r\n/, from);
      const startedMs = performance.now();
      type(guest.machine, 0, `${text}\x04`);
      await guest.console.waitFor(PROMPT, from + 2);
      console.log(`paste of ${text.length} bytes: ${(performance.now() - startedMs).toFixed(0)} ms`);
      const { output } = await guest.control.exec('md5sum < /tmp/x');
      expect(output.slice(0, 32)).toBe(md5(text));
    });

    it('of 100 KB also when nobody reads for a while', async () => {
      const text = paste();
      const from = guest.console.text.length;
      type(guest.machine, 0, 'sleep 5; stty -echo; cat > /tmp/y; stty echo\n');
      await guest.console.waitFor(/stty echo\r\n/, from);
      type(guest.machine, 0, `${text}\x04`);
      await guest.console.waitFor(PROMPT, from + 2);
      const { output } = await guest.control.exec('md5sum < /tmp/y');
      expect(output.slice(0, 32)).toBe(md5(text));
    });
  });

  describe('shares files', () => {
    it('from the host to the guest and back', async () => {
      const bytes = randomBytes(300_000);
      await guest.machine.files.put('größe.bin', bytes);
      const { output } = await guest.control.exec(
        'md5sum < /host/größe.bin; cp /host/größe.bin /host/back; ls /host',
      );
      expect(output).toContain(createHash('md5').update(bytes).digest('hex'));
      expect(Buffer.from(await guest.machine.files.get('back')).equals(bytes)).toBe(true);
      expect(guest.machine.files.list()).toEqual(['back', 'größe.bin']);
      await guest.machine.files.put('back', Buffer.from('new'));
      expect((await guest.control.exec('cat /host/back')).output).toBe('new');
    });

    it('of a size it can hold, and says so to who asks for more', async () => {
      // The size asked for, and an offset to write at.
      const commands = [
        'truncate -s 10G /host/huge',
        'exec 3<>/host/far; truncate -s 300M /host/far; truncate -s 600M /host/far2',
      ];
      for (const command of commands) {
        const { status, output } = await guest.control.exec(command, { timeoutMs: 20_000 });
        expect(output).toMatch(/No space left on device/);
        expect(status).not.toBe(0);
      }
      await guest.control.exec('rm -f /host/huge /host/far /host/far2');
      expect((await guest.control.exec('echo still > /host/small; cat /host/small')).output).toBe('still\n');
    });
  });

  it('has a time stamp counter that goes as the clock of the host does', async () => {
    const first = guest.machine.timeStamp();
    await sleep(500);
    const second = guest.machine.timeStamp();
    if (first === undefined || second === undefined) throw new Error('the machine is gone');
    const apartMs = (second.ticks - first.ticks) / TICKS_PER_MS - (second.atMs - first.atMs);
    expect(Math.abs(apartMs)).toBeLessThan(0.2);
  });

  it('goes on after a pause', async () => {
    guest.machine.pause();
    await sleep(300);
    guest.machine.start();
    expect((await guest.control.exec('echo on', { timeoutMs: 10_000 })).output).toBe('on\n');
  });

  it('is idle when nothing is to do, at little cost', async () => {
    await sleep(500);
    const before = process.cpuUsage();
    await sleep(2000);
    const { user, system } = process.cpuUsage(before);
    console.log(`idle: ${((user + system) / 20_000).toFixed(1)} % of a core`);
    expect(user + system).toBeLessThan(1_000_000);
  });

  it('halts at poweroff', async () => {
    type(guest.machine, 0, 'poweroff\n');
    expect(await guest.end).toBe('halt');
    expect(guest.machine.state).toBe('halted');
  });
});

describe.skipIf(files === null)('another guest', () => {
  it('asks for a reset at reboot, and lets its memory go when destroyed', async () => {
    const references: WeakRef<object>[] = [];
    // In a function of its own, so that nothing of it stays on this one's stack.
    await (async () => {
      const scratch = new ScratchFunction();
      const { machine, control, end } = await boot({ plugs: [scratch.plug] });
      await control.ready;
      control.exec('reboot -f').catch(() => undefined);
      expect(await end).toBe('reboot');
      expect(machine.state).toBe('reset');
      control.close('over');
      references.push(new WeakRef(machine), new WeakRef(scratch.ports?.memory ?? {}));
      await machine.destroy();
    })();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 20 && references.some((reference) => reference.deref() !== undefined); i++) {
      await sleep(50);
      collect();
    }
    expect(references.map((reference) => reference.deref())).toEqual([undefined, undefined]);
  });

  it('shows a panic on the console', async () => {
    const { machine, console, control } = await boot();
    await control.ready;
    control.exec('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger').catch(() => undefined);
    await console.waitFor(/Kernel panic - not syncing/);
    control.close('over');
    await machine.destroy();
  });

  it.skipIf(!isLong)(
    'boots with 1024 MiB, and with the least that the initramfs leaves room for',
    async () => {
      for (const mib of [1024, 80]) {
        const { machine, control } = await boot({ memoryBytes: mib * 1024 * 1024 });
        await control.ready;
        const { output } = await control.exec("awk '/MemTotal/ { print $2 }' /proc/meminfo");
        // A 32-bit kernel without high memory uses 896 MiB of the larger one.
        expect(Number(output)).toBeGreaterThan((Math.min(mib, 896) - 40) * 1024);
        control.close('over');
        await machine.destroy();
      }
    },
  );
});
