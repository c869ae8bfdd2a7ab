import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lineOf, ShellRun, StatusWatch, type ShellPort } from './shell-run.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

class FakeShell implements ShellPort {
  isRunning = true;
  typed = '';
  #listeners: ((bytes: Uint8Array) => void)[] = [];

  type(text: string): void {
    this.typed += text;
  }

  onOutput(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.push(listener);
    return () => (this.#listeners = this.#listeners.filter((l) => l !== listener));
  }

  print(text: string): void {
    for (const listener of this.#listeners) listener(bytes(text));
  }

  get listeners(): number {
    return this.#listeners.length;
  }
}

describe('the line that is typed', () => {
  it('has the status printed behind the command', () => {
    expect(lineOf(' lsblk ')).toBe('lsblk; echo "[exit $?]"\n');
  });

  it.each([
    ['sync;', 'sync; echo "[exit $?]"\n'],
    ['sleep 9 &', 'sleep 9 & echo "[exit $?]"\n'],
    ['ls # all', 'ls # all\necho "[exit $?]"\n'],
    ['echo a#b', 'echo a#b; echo "[exit $?]"\n'],
  ])('is a line of the shell for %j', (command, line) => {
    expect(lineOf(command)).toBe(line);
  });
});

describe('the status in the output', () => {
  it('is found when it comes in pieces, and not in the echo of the line', () => {
    const watch = new StatusWatch();
    expect(watch.feed(bytes('false; echo "[exit $?]"\r\n[ex'))).toBeUndefined();
    expect(watch.feed(bytes('it 1'))).toBeUndefined();
    expect(watch.feed(bytes(']\r\n'))).toBe(1);
  });

  it('is found behind a lot of output', () => {
    expect(new StatusWatch().feed(bytes(`${'x'.repeat(300_000)}\r\n[exit 137]\r\n# `))).toBe(137);
  });
});

describe('a command in a shell', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is typed on an empty line, and ends with its status', async () => {
    const shell = new FakeShell();
    const status = new ShellRun(shell).run('lsblk');
    expect(shell.typed).toBe('\x15lsblk; echo "[exit $?]"\n');
    shell.print('lsblk; echo "[exit $?]"\r\nNAME\r\n[exit 0]\r\n');
    expect(await status).toBe(0);
    expect(shell.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not typed while the machine is off, and fails when it goes off', async () => {
    const shell = new FakeShell();
    const run = new ShellRun(shell);
    const status = run.run('sleep 100');
    const failed = expect(status).rejects.toThrow('went off before the command had ended');
    shell.isRunning = false;
    await vi.advanceTimersByTimeAsync(300);
    await failed;
    shell.typed = '';
    await expect(run.run('ls')).rejects.toThrow('power it on');
    expect(shell.typed).toBe('');
    expect(shell.listeners).toBe(0);
  });

  it('gives way to the next one', async () => {
    const shell = new FakeShell();
    const run = new ShellRun(shell);
    const first = expect(run.run('cat')).rejects.toThrow('Another command');
    const second = run.run('true');
    await first;
    shell.print('[exit 0]\r\n');
    expect(await second).toBe(0);
  });
});
